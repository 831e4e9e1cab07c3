/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Processes that are killed in the middle of semop, msgsnd, msgrcv, mq_send, shmat: the others go on, what was held is
 * given back, and no message is ever half there.
 */
#include "lib/t.h"
#include <mqueue.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define WORKERS 6
#define STORM_MS 2500
#define OWN_SIZE 5000 /* bytes of a segment that a worker makes for itself */

struct body {
	unsigned sum, size;
	unsigned char bytes[3000];
};

struct message {
	long type;
	struct body b;
};

static int sem, msg, shm;
static mqd_t mq;
static volatile unsigned *progress; /* of each worker's place */

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

static size_t fill(struct body *b, unsigned *seed, size_t max)
{
	b->size = next(seed) % max;
	b->sum = b->size;
	for (unsigned i = 0; i < b->size; i++) {
		b->bytes[i] = (unsigned char)next(seed);
		b->sum = b->sum * 31 + b->bytes[i];
	}
	return offsetof(struct body, bytes) + b->size;
}

static bool whole(const struct body *b, size_t n)
{
	unsigned sum = b->size;

	if (n < offsetof(struct body, bytes) || n != offsetof(struct body, bytes) + b->size)
		return false;
	for (unsigned i = 0; i < b->size; i++)
		sum = sum * 31 + b->bytes[i];
	return sum == b->sum;
}

static int change(int num, int by, int flags)
{
	struct sembuf o = { (unsigned short)num, (short)by, (short)flags };

	return semop(sem, &o, 1);
}

static void semaphores(unsigned *seed)
{
	struct sembuf in[] = { { 0, -1, SEM_UNDO }, { 1, 1, SEM_UNDO } }, out[] = { { 1, -1, SEM_UNDO }, { 0, 1, SEM_UNDO } };

	if (semop(sem, in, 2))
		_exit(10);
	/* One at a time is in here. */
	if (semctl(sem, 1, GETVAL) != 1)
		_exit(11);
	if (next(seed) % 8 == 0)
		sched_yield();
	if (semop(sem, out, 2))
		_exit(12);
}

static void messages(unsigned *seed)
{
	struct message m = { .type = 1 + next(seed) % 3 };
	size_t n = fill(&m.b, seed, sizeof(m.b.bytes));
	ssize_t r;

	if (msgsnd(msg, &m, n, IPC_NOWAIT) && errno != EAGAIN)
		_exit(20);
	r = msgrcv(msg, &m, sizeof(m.b), 1 + next(seed) % 3, next(seed) % 4 ? IPC_NOWAIT : MSG_NOERROR | IPC_NOWAIT);
	if (r < 0 ? errno != ENOMSG : !whole(&m.b, (size_t)r))
		_exit(21);
}

static void posix(unsigned *seed)
{
	struct body b;
	size_t n = fill(&b, seed, 500);
	ssize_t r;

	if (mq_send(mq, (char *)&b, n, next(seed) % 4) && errno != EAGAIN)
		_exit(30);
	r = mq_receive(mq, (char *)&b, sizeof(b), NULL);
	if (r < 0 ? errno != EAGAIN : !whole(&b, (size_t)r))
		_exit(31);
}

static void memory(void)
{
	int own = shmget(IPC_PRIVATE, OWN_SIZE, 0600 | IPC_CREAT);
	char *p = shmat(shm, NULL, 0), *q = own < 0 ? (void *)-1 : shmat(own, NULL, 0);

	if (own >= 0)
		shmctl(own, IPC_RMID, NULL);
	if (p == (void *)-1 || q == (void *)-1)
		_exit(40);
	if (q[0])
		_exit(41);
	q[0] = 1;
	shmdt(p);
	shmdt(q);
}

static int worker(void *arg)
{
	int place = (int)(long)arg;
	unsigned seed = (unsigned)getpid();

	for (;;) {
		semaphores(&seed);
		messages(&seed);
		posix(&seed);
		if (next(&seed) % 16 == 0)
			memory();
		progress[place]++;
	}
	return 0;
}

static void make(void)
{
	struct mq_attr a = { .mq_maxmsg = 5, .mq_msgsize = sizeof(struct body) };
	char name[32];

	sem = (int)must(semget(IPC_PRIVATE, 2, 0600 | IPC_CREAT));
	must(semctl(sem, 0, SETVAL, 1));
	msg = (int)must(msgget(IPC_PRIVATE, 0600 | IPC_CREAT));
	shm = (int)must(shmget(IPC_PRIVATE, 4096, 0600 | IPC_CREAT));
	progress = shmat(shm, NULL, 0);
	must(progress == (void *)-1 ? -1 : 0);
	snprintf(name, sizeof(name), "/storm%d", getpid());
	mq = (mqd_t)must(mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &a));
	must(mq_unlink(name));
}

static void check_left(void)
{
	struct shmid_ds ds;
	struct message m;
	struct body b;
	bool good = true;
	ssize_t n;

	eq(semctl(sem, 0, GETVAL), 1);
	eq(semctl(sem, 1, GETVAL), 0);
	eq(semctl(sem, 0, GETNCNT), 0);
	while ((n = msgrcv(msg, &m, sizeof(m.b), 0, IPC_NOWAIT)) >= 0)
		good &= whole(&m.b, (size_t)n);
	eq(errno, ENOMSG);
	while ((n = mq_receive(mq, (char *)&b, sizeof(b), NULL)) >= 0)
		good &= whole(&b, (size_t)n);
	eq(errno, EAGAIN);
	ok(good);
	must(shmctl(shm, IPC_STAT, &ds));
	eq(ds.shm_nattch, 1);
	eq(change(0, -1, IPC_NOWAIT), 0);
	eq(change(0, 1, 0), 0);
	must(semctl(sem, 0, IPC_RMID));
	must(msgctl(msg, IPC_RMID, NULL));
	must(shmctl(shm, IPC_RMID, NULL));
}

/* What a killed worker made and had no time to remove would stay on the host for ever, in everyone's way. */
static void remove_left_by(pid_t pid)
{
	struct shmid_ds ds;
	int id, last = (int)must(shmctl(0, SHM_INFO, &ds));

	for (int i = 0; i <= last; i++)
		if ((id = shmctl(i, SHM_STAT, &ds)) >= 0 && ds.shm_cpid == pid && ds.shm_segsz == OWN_SIZE)
			shmctl(id, IPC_RMID, NULL);
}

static void end_worker(pid_t pid, int *status)
{
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	remove_left_by(pid);
}

static void storm(void)
{
	unsigned seed = 4711, before[WORKERS];
	long long end = t_now_ms() + STORM_MS;
	pid_t pid[WORKERS];
	int status, bad = 0, killed = 0;
	bool all = true;

	make();
	for (long i = 0; i < WORKERS; i++)
		pid[i] = t_fork(worker, (void *)i);
	while (t_now_ms() < end) {
		long i = next(&seed) % WORKERS;

		usleep(next(&seed) % 3000);
		end_worker(pid[i], &status);
		if (!WIFSIGNALED(status) && bad++ < 5)
			say("FAIL: a worker ended: %s", t_status(status));
		killed++;
		pid[i] = t_fork(worker, (void *)i);
	}
	ok(killed > 50);
	/* Everyone still gets on. */
	for (int i = 0; i < WORKERS; i++)
		before[i] = progress[i];
	for (int i = 0; i < 5000 && all; i++) {
		all = false;
		for (int k = 0; k < WORKERS; k++)
			all |= progress[k] == before[k];
		t_sleep_ms(1);
	}
	ok(!all);
	for (int i = 0; i < WORKERS; i++)
		end_worker(pid[i], &status);
	check_left();
}

/* Sleepers killed while they sleep are in nobody's way. */
static int sleeper(void *arg)
{
	struct message m;

	if (*(int *)arg)
		msgrcv(msg, &m, sizeof(m.b), 9, 0);
	else
		change(1, -1, SEM_UNDO);
	return 0;
}

static void sleepers(void)
{
	struct message m = { .type = 9 };
	pid_t pid[20];

	make();
	for (int i = 0; i < 20; i++) {
		int which = i % 2;

		pid[i] = t_fork(sleeper, &which);
	}
	t_sleep_ms(100);
	for (int i = 0; i < 20; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < 20; i++)
		waitpid(pid[i], NULL, 0);
	eq(semctl(sem, 1, GETNCNT), 0);
	eq(change(1, 1, 0), 0);
	eq(semctl(sem, 1, GETVAL), 1);
	must(change(1, -1, 0));
	eq(msgsnd(msg, &m, 4, 0), 0);
	eq(msgrcv(msg, &m, sizeof(m.b), 9, IPC_NOWAIT), 4);
	check_left();
}

T_MAIN(T(storm), T(sleepers))
