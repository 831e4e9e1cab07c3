/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* System V semaphores: sets by key and privately, operations all or none, sleepers in order, undo, times, limits. */
#include "lib/t.h"
#include <sys/ipc.h>
#include <sys/sem.h>

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif

union arg {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static key_t key_of(int n)
{
	return 0x5e000000 | (getpid() & 0xfffff) << 4 | n;
}

static int make(int n)
{
	return (int)must(semget(IPC_PRIVATE, n, 0600 | IPC_CREAT));
}

static int op(int id, int num, int by, int flags)
{
	struct sembuf o = { (unsigned short)num, (short)by, (short)flags };

	return semop(id, &o, 1);
}

static int set(int id, int num, int val)
{
	return semctl(id, num, SETVAL, (union arg){ .val = val });
}

static int get(int id, int num)
{
	return semctl(id, num, GETVAL);
}

static void drop(int id)
{
	must(semctl(id, 0, IPC_RMID));
}

/* Until n sleep on num. */
static void sleepers(int id, int num, int cmd, int n)
{
	for (int i = 0; i < 2000 && semctl(id, num, cmd) != n; i++)
		t_sleep_ms(2);
	eq(semctl(id, num, cmd), n);
}

static void keys(void)
{
	int a, b;

	fails(semget(key_of(1), 3, 0600), ENOENT);
	fails(semget(key_of(1), 0, 0600 | IPC_CREAT), EINVAL);
	fails(semget(key_of(1), -1, 0600 | IPC_CREAT), EINVAL);
	fails(semget(key_of(1), 32001, 0600 | IPC_CREAT), EINVAL);
	a = (int)must(semget(key_of(1), 3, 0600 | IPC_CREAT));
	b = semget(key_of(1), 0, 0);
	ok(a == b);
	eq(semget(key_of(1), 3, 0600) == a, 1);
	fails(semget(key_of(1), 4, 0600), EINVAL);
	fails(semget(key_of(1), 3, 0600 | IPC_CREAT | IPC_EXCL), EEXIST);
	drop(a);
	fails(semget(key_of(1), 3, 0600), ENOENT);
	fails(semctl(a, 0, GETVAL), EINVAL);
	b = make(1);
	ok(b != a);
	drop(b);
	fails(semctl(-1, 0, GETVAL), EINVAL);
	fails(op(-1, 0, 1, 0), EINVAL);
	fails(semctl(b, 0, 4711), EINVAL);
}

static void removed_id(void)
{
	int a = make(1), b = a;

	drop(a);
	/* The same index comes round with another number some time: the old id is no good. */
	for (int i = 0; i < 40000; i++) {
		b = make(1);
		if ((b & 0x7fff) == (a & 0x7fff))
			break;
		drop(b);
	}
	ok(b != a);
	fails(op(a, 0, 1, 0), EINVAL);
	fails(semctl(a, 0, GETVAL), EINVAL);
	fails(semctl(a, 0, IPC_RMID), EINVAL);
	drop(b);
}

static void values(void)
{
	unsigned short v[3] = { 4, 5, 6 };
	int id = make(3);

	eq(get(id, 0), 0);
	eq(set(id, 1, 7), 0);
	eq(get(id, 1), 7);
	ok(semctl(id, 1, GETPID) == getpid());
	eq(semctl(id, 0, GETPID), 0);
	fails(set(id, 1, -1), ERANGE);
	fails(set(id, 1, 32768), ERANGE);
	fails(set(id, 3, 1), EINVAL);
	fails(get(id, -1), EINVAL);
	eq(semctl(id, 0, SETALL, (union arg){ .array = v }), 0);
	memset(v, 0, sizeof(v));
	eq(semctl(id, 0, GETALL, (union arg){ .array = v }), 0);
	say("%d %d %d", v[0], v[1], v[2]);
	v[2] = 40000;
	fails(semctl(id, 0, SETALL, (union arg){ .array = v }), ERANGE);
	fails(semctl(id, 0, SETALL, (union arg){ .array = NULL }), EFAULT);
	eq(get(id, 0), 4);
	drop(id);
}

static void operations(void)
{
	struct sembuf two[] = { { 0, 1, 0 }, { 1, -1, IPC_NOWAIT } }, twice[] = { { 0, 2, 0 }, { 0, -1, 0 }, { 0, 3, 0 } };
	struct sembuf many[501] = { { 0, 0, 0 } };
	int id = make(2);

	eq(op(id, 0, 3, 0), 0);
	eq(op(id, 0, -2, 0), 0);
	eq(get(id, 0), 1);
	fails(op(id, 0, -2, IPC_NOWAIT), EAGAIN);
	fails(op(id, 0, 0, IPC_NOWAIT), EAGAIN);
	fails(semop(id, two, 2), EAGAIN);
	eq(get(id, 0), 1);
	eq(set(id, 1, 1), 0);
	eq(semop(id, two, 2), 0);
	eq(get(id, 0), 2);
	eq(get(id, 1), 0);
	eq(semop(id, twice, 3), 0);
	eq(get(id, 0), 6);
	fails(op(id, 2, 1, 0), EFBIG);
	fails(op(id, 0, 32767, 0), ERANGE);
	fails(semop(id, twice, 0), EINVAL);
	fails(semop(id, many, 501), E2BIG);
	fails(semop(id, NULL, 1), EFAULT);
	eq(set(id, 0, 0), 0);
	eq(semop(id, many, 500), 0);
	for (int i = 0; i < 500; i++)
		many[i] = (struct sembuf){ (unsigned short)(i % 2), 1, SEM_UNDO };
	eq(semop(id, many, 500), 0);
	eq(get(id, 0), 250);
	eq(get(id, 1), 250);
	drop(id);
}

struct job {
	int id, num, by, flags;
};

static int do_job(void *arg)
{
	struct job *j = arg;

	return op(j->id, j->num, j->by, j->flags) ? errno : 0;
}

static void sleeping(void)
{
	int id = make(2);
	struct job down = { id, 0, -1, 0 }, zero = { id, 1, 0, 0 };
	pid_t a, b;

	a = t_fork(do_job, &down);
	sleepers(id, 0, GETNCNT, 1);
	eq(semctl(id, 0, GETZCNT), 0);
	eq(op(id, 0, 1, 0), 0);
	say("%s", t_wait(a));
	eq(get(id, 0), 0);
	must(set(id, 1, 2));
	b = t_fork(do_job, &zero);
	sleepers(id, 1, GETZCNT, 1);
	eq(op(id, 1, -1, 0), 0);
	eq(semctl(id, 1, GETZCNT), 1);
	eq(op(id, 1, -1, 0), 0);
	say("%s", t_wait(b));
	/* Who waits gets it at once: whoever raised it cannot take it back. */
	a = t_fork(do_job, &down);
	sleepers(id, 0, GETNCNT, 1);
	eq(op(id, 0, 1, 0), 0);
	fails(op(id, 0, -1, IPC_NOWAIT), EAGAIN);
	say("%s", t_wait(a));
	ok(semctl(id, 0, GETPID) != 0);
	/* Values that are set wake too. */
	a = t_fork(do_job, &down);
	sleepers(id, 0, GETNCNT, 1);
	must(set(id, 0, 3));
	say("%s", t_wait(a));
	eq(get(id, 0), 2);
	drop(id);
}

static int tagged(void *arg)
{
	struct job *j = arg;
	int r = op(j->id, 0, j->by, 0);

	say("%d woke: %d", j->num, r);
	return op(j->id, 1, 1, 0);
}

static void order(void)
{
	int id = make(2);
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		struct job j = { id, i, i == 1 ? -3 : -1, 0 };

		pid[i] = t_fork(tagged, &j);
		sleepers(id, 0, GETNCNT, i + 1);
	}
	for (int i = 0; i < 5; i++) {
		must(op(id, 0, 1, 0));
		/* Two are for the first and the last, three for the one in between. */
		if (i == 0 || i == 1 || i == 4)
			must(op(id, 1, -1, 0));
	}
	for (int i = 0; i < 3; i++)
		say("%s", t_wait(pid[i]));
	drop(id);
}

static int two_ops(void *arg)
{
	struct sembuf o[] = { { 0, -1, 0 }, { 1, -1, 0 } };

	return semop(*(int *)arg, o, 2) ? errno : 0;
}

static void blocked_by_which(void)
{
	int id = make(2);
	pid_t a = t_fork(two_ops, &id);

	sleepers(id, 0, GETNCNT, 1);
	eq(semctl(id, 1, GETNCNT), 0);
	must(op(id, 0, 1, 0));
	sleepers(id, 1, GETNCNT, 1);
	eq(semctl(id, 0, GETNCNT), 0);
	eq(get(id, 0), 1);
	must(op(id, 1, 1, 0));
	say("%s", t_wait(a));
	eq(get(id, 0), 0);
	drop(id);
}

static void removal_wakes(void)
{
	int id = make(1);
	struct job down = { id, 0, -1, 0 };
	pid_t a = t_fork(do_job, &down), b = t_fork(do_job, &down);
	int status;

	sleepers(id, 0, GETNCNT, 2);
	drop(id);
	waitpid(a, &status, 0);
	say("%s", t_errname(WEXITSTATUS(status)));
	waitpid(b, &status, 0);
	say("%s", t_errname(WEXITSTATUS(status)));
}

static int timed(int id, int by, long ms)
{
	struct sembuf o = { 0, (short)by, 0 };
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	return semtimedop(id, &o, 1, &ts);
}

static void timeouts(void)
{
	struct sembuf o = { 0, -1, 0 };
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 };
	int id = make(1);
	long long t = t_now_ms();

	fails(timed(id, -1, 60), EAGAIN);
	ok(t_now_ms() - t >= 60);
	eq(semctl(id, 0, GETNCNT), 0);
	fails(timed(id, -1, 0), EAGAIN);
	fails(semtimedop(id, &o, 1, &bad), EINVAL);
	fails(semtimedop(id, &o, 1, &neg), EINVAL);
	must(op(id, 0, 1, 0));
	eq(timed(id, -1, 1000), 0);
	drop(id);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int id = make(1);

	must(sigaction(SIGUSR1, &sa, NULL));
	pid_t parent = getpid(), p = fork();

	if (!p) {
		sleepers(id, 0, GETNCNT, 1);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	fails(op(id, 0, -1, 0), EINTR);
	eq(semctl(id, 0, GETNCNT), 0);
	say("%s", t_wait(p));
	drop(id);
}

static int undo_child(void *arg)
{
	int id = *(int *)arg;

	op(id, 0, 5, SEM_UNDO);
	op(id, 1, -2, SEM_UNDO);
	op(id, 0, 1, 0);
	return get(id, 0);
}

static int undo_and_die(void *arg)
{
	op(*(int *)arg, 0, 2, SEM_UNDO);
	op(*(int *)arg, 1, 1, 0);
	pause();
	return 0;
}

static int undo_exec(void *arg)
{
	(void)arg;
	op(*(int *)arg, 0, 4, SEM_UNDO);
	execl(t_self, t_self, "helper", "sleepy", (char *)NULL);
	return 1;
}

static void undo(void)
{
	int id = make(2);
	pid_t p;

	must(set(id, 1, 10));
	say("%s", t_wait(t_fork(undo_child, &id)));
	eq(get(id, 0), 1);
	eq(get(id, 1), 10);
	/* What a child does is not undone when its parent ends, and the parent's not when the child does. */
	must(op(id, 0, 3, SEM_UNDO));
	say("%s", t_wait(t_fork(undo_child, &id)));
	eq(get(id, 0), 5);
	/* SETVAL and SETALL forget. */
	must(set(id, 0, 0));
	p = fork();
	if (!p) {
		op(id, 0, 5, SEM_UNDO);
		set(id, 0, 9);
		_exit(0);
	}
	say("%s", t_wait(p));
	eq(get(id, 0), 9);
	/* Killed. */
	must(set(id, 0, 0));
	must(set(id, 1, 0));
	p = t_fork(undo_and_die, &id);
	must(op(id, 1, -1, 0));
	eq(get(id, 0), 2);
	kill(p, SIGKILL);
	say("%s", t_wait(p));
	eq(get(id, 0), 0);
	/* Over exec it stays, and is made good at the end. */
	p = t_fork(undo_exec, &id);
	say("%s", t_wait(p));
	eq(get(id, 0), 0);
	drop(id);
}

static void undo_limits(void)
{
	int id = make(1);

	must(set(id, 0, 32767));
	eq(op(id, 0, -32767, SEM_UNDO), 0);
	eq(op(id, 0, 1, 0), 0);
	fails(op(id, 0, -1, SEM_UNDO), ERANGE);
	eq(op(id, 0, 1, SEM_UNDO), 0);
	drop(id);
}

/* The sleeper gets it when the one who held it dies. */
static void undo_wakes(void)
{
	int id = make(2);
	struct job down = { id, 0, -1, 0 };
	pid_t holder, p;

	must(set(id, 0, 1));
	holder = fork();
	if (!holder) {
		op(id, 0, -1, SEM_UNDO);
		op(id, 1, 1, 0);
		for (;;)
			pause();
	}
	must(op(id, 1, -1, 0));
	p = t_fork(do_job, &down);
	sleepers(id, 0, GETNCNT, 1);
	kill(holder, SIGKILL);
	say("%s", t_wait(holder));
	say("%s", t_wait(p));
	eq(get(id, 0), 0);
	drop(id);
}

/* Their parent does not wait for them: it waits for what they hold. */
static void undo_of_many(void)
{
	int id = make(2);
	pid_t pid[8];

	must(set(id, 0, 8));
	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			op(id, 0, -1, SEM_UNDO);
			op(id, 1, 1, 0);
			for (;;)
				pause();
		}
	}
	must(op(id, 1, -8, 0));
	eq(get(id, 0), 0);
	for (int i = 0; i < 8; i++)
		kill(pid[i], SIGKILL);
	eq(timed(id, -8, 5000), 0);
	for (int i = 0; i < 8; i++)
		say("%s", t_wait(pid[i]));
	drop(id);
}

static void stat_and_set(void)
{
	struct semid_ds ds = { 0 };
	union arg a = { .buf = &ds };
	time_t now = time(NULL);
	int id = make(3);

	eq(semctl(id, 0, IPC_STAT, a), 0);
	say("mode %o nsems %lu otime %ld", ds.sem_perm.mode, (unsigned long)ds.sem_nsems, (long)ds.sem_otime);
	ok(ds.sem_ctime >= now - 1 && ds.sem_ctime <= now + 5);
	ok(ds.sem_perm.uid == geteuid() && ds.sem_perm.cuid == geteuid() && ds.sem_perm.gid == getegid());
	must(op(id, 0, 1, 0));
	eq(semctl(id, 0, IPC_STAT, a), 0);
	ok(ds.sem_otime >= now - 1 && ds.sem_otime <= now + 5);
	ds.sem_perm.mode = 0440 | 07000;
	eq(semctl(id, 0, IPC_SET, a), 0);
	eq(semctl(id, 0, IPC_STAT, a), 0);
	say("mode %o", ds.sem_perm.mode);
	if (!t_root()) {
		fails(op(id, 0, 1, 0), EACCES);
		fails(set(id, 0, 1), EACCES);
		eq(get(id, 0), 1);
	}
	eq(semctl(id & 0x7fff, 0, SEM_STAT, a) == id, 1);
	eq(semctl(id & 0x7fff, 0, SEM_STAT_ANY, a) == id, 1);
	ds.sem_perm.mode = 0;
	eq(semctl(id, 0, IPC_SET, a), 0);
	if (!t_root()) {
		fails(semctl(id, 0, IPC_STAT, a), EACCES);
		fails(semctl(id & 0x7fff, 0, SEM_STAT, a), EACCES);
		fails(get(id, 0), EACCES);
	}
	eq(semctl(id & 0x7fff, 0, SEM_STAT_ANY, a) == id, 1);
	fails(semctl(id, 0, IPC_STAT, (union arg){ .buf = NULL }), t_root() ? EFAULT : EACCES);
	drop(id);
}

static void limits(void)
{
	struct seminfo i = { 0 };
	union arg a = { .info = &i };

	ok(semctl(0, 0, IPC_INFO, a) >= 0);
	say("mni %d mns %d msl %d opm %d vmx %d aem %d usz %d ume %d map %d mnu %d", i.semmni, i.semmns, i.semmsl, i.semopm,
	    i.semvmx, i.semaem, i.semusz, i.semume, i.semmap, i.semmnu);
	say("%s", t_read_file("/proc/sys/kernel/sem"));
	int id = make(5);
	ok(semctl(0, 0, SEM_INFO, a) >= 0);
	ok(i.semusz >= 1 && i.semaem >= 5);
	drop(id);
}

static void large(void)
{
	static unsigned short v[32000];
	int id = make(32000);

	for (int i = 0; i < 32000; i++)
		v[i] = (unsigned short)i;
	eq(semctl(id, 0, SETALL, (union arg){ .array = v }), 0);
	eq(get(id, 31999), 31999);
	eq(op(id, 31999, -31999, 0), 0);
	eq(get(id, 31998), 31998);
	eq(get(id, 31999), 0);
	drop(id);
	id = make(32000);
	eq(get(id, 31998), 0);
	drop(id);
}

static int helper(int argc, char **argv)
{
	(void)argc, (void)argv;
	return 0;
}

T_MAIN_HELPER(helper, T(keys), T(removed_id), T(values), T(operations), T(sleeping), T(order), T(blocked_by_which), T(removal_wakes),
	      T(timeouts), T(interrupted), T(undo), T(undo_limits), T(undo_wakes), T(undo_of_many), T(stat_and_set), T(limits), T(large))
