/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * micro: what one operation of the system costs, by this process's own clock.
 *
 *	micro NAME MS DIR      nanoseconds an operation: the median of many batches during MS
 *	micro run N CMD...     nanoseconds of each of N runs of a command, a line each
 *	micro list
 *
 * The same program runs on the host and inside a sandbox; tests/bench/run compares. DIR is a place
 * to write in. A batch is as many operations as take about two milliseconds, so that the clock
 * costs nothing and an interruption spoils one batch only.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS 2000000ull
#define BATCHES_MAX 10000

extern char **environ;

static int fds[4];
static char file[4096 + 16];

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

/* ---- calls ---- */

static void do_getppid(void)
{
	syscall(SYS_getppid);
}

static void zero_setup(void)
{
	fds[0] = open("/dev/zero", O_RDONLY);
	must(fds[0] >= 0, "/dev/zero");
}

static void do_zero(void)
{
	char c;

	must(read(fds[0], &c, 1) == 1, "read");
}

static void file_setup(void)
{
	fds[0] = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(fds[0] >= 0 && write(fds[0], file, sizeof(file)) == (ssize_t)sizeof(file), file);
}

static void do_pread(void)
{
	char c;

	must(pread(fds[0], &c, 1, 7) == 1, "pread");
}

static void do_pwrite(void)
{
	must(pwrite(fds[0], "x", 1, 7) == 1, "pwrite");
}

static void pipe_setup(void)
{
	must(!pipe(fds) && !pipe(fds + 2), "pipe");
}

static void do_pipe(void)
{
	char c = 0;

	must(write(fds[1], &c, 1) == 1 && read(fds[0], &c, 1) == 1, "pipe");
}

/* A child that returns every byte; it ends with our end of the pipe. */
static void pingpong_setup(void)
{
	char c;

	pipe_setup();
	if (!fork()) {
		close(fds[1]);
		close(fds[2]);
		while (read(fds[0], &c, 1) == 1)
			must(write(fds[3], &c, 1) == 1, "pong");
		_exit(0);
	}
	close(fds[0]);
	close(fds[3]);
}

static void do_pingpong(void)
{
	char c = 0;

	must(write(fds[1], &c, 1) == 1 && read(fds[2], &c, 1) == 1, "ping");
}

static uint32_t *turn;

static void turn_await(uint32_t whose)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) != whose)
		syscall(SYS_futex, turn, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void turn_give(uint32_t whose)
{
	__atomic_store_n(turn, whose, __ATOMIC_RELEASE);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* The child ends with its parent: it is killed when the word is not given back for long. */
static void futex_setup(void)
{
	turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(turn != MAP_FAILED, "shared memory");
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		turn_await(1);
		turn_give(0);
	}
}

static void do_futex(void)
{
	turn_give(1);
	turn_await(0);
}

static void do_stat_hit(void)
{
	struct stat st;

	must(!stat("/usr/bin/env", &st), "stat");
}

static void do_stat_miss(void)
{
	struct stat st;

	must(stat("/usr/bin/no-such-program", &st) < 0, "stat of what is not there");
}

static void do_open(void)
{
	int fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && !close(fd), "open");
}

static volatile sig_atomic_t signalled;

static void on_signal(int sig)
{
	signalled = sig;
}

static void signal_setup(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
}

static void do_signal(void)
{
	raise(SIGUSR1);
}

static void do_sigaction(void)
{
	struct sigaction sa;

	must(!sigaction(SIGUSR1, NULL, &sa), "sigaction");
}

static void do_mmap(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	*p = 1;
	must(!munmap(p, 4096), "munmap");
}

/* ---- System V IPC and message queues; on the host they outlive us unless they are removed ---- */

static int msg = -1, sem = -1;
static mqd_t there, back;

static void remove_ipc(void)
{
	/* A child that sleeps on them ends by this. */
	if (msg >= 0)
		msgctl(msg, IPC_RMID, NULL);
	if (sem >= 0)
		semctl(sem, 0, IPC_RMID);
}

static void ipc_setup(void)
{
	msg = msgget(IPC_PRIVATE, 0600);
	sem = semget(IPC_PRIVATE, 2, 0600);
	must(msg >= 0 && sem >= 0 && !atexit(remove_ipc), "objects");
}

struct message {
	long type;
	char text[16];
};

static bool message(long out, long in)
{
	struct message m = { .type = out };

	return !msgsnd(msg, &m, sizeof(m.text), 0) && msgrcv(msg, &m, sizeof(m.text), in, 0) == sizeof(m.text);
}

static void do_msg(void)
{
	must(message(1, 1), "message");
}

static void msg_setup(void)
{
	struct message m;

	ipc_setup();
	if (fork())
		return;
	while (msgrcv(msg, &m, sizeof(m.text), 1, 0) == sizeof(m.text)) {
		m.type = 2;
		if (msgsnd(msg, &m, sizeof(m.text), 0))
			break;
	}
	_exit(0);
}

static void do_msg_pingpong(void)
{
	must(message(1, 2), "message");
}

static bool change(int first, int by_first, int second, int by_second)
{
	struct sembuf a = { (unsigned short)first, (short)by_first, 0 }, b = { (unsigned short)second, (short)by_second, 0 };

	return !semop(sem, &a, 1) && !semop(sem, &b, 1);
}

static void do_sem(void)
{
	must(change(0, 1, 0, -1), "semop");
}

static void sem_setup(void)
{
	ipc_setup();
	if (fork())
		return;
	while (change(0, -1, 1, 1))
		;
	_exit(0);
}

static void do_sem_pingpong(void)
{
	must(change(0, 1, 1, -1), "semop");
}

static void mq_setup(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char name[32], c[16] = "";

	snprintf(name, sizeof(name), "/micro-%d", (int)getpid());
	there = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	must(there >= 0 && !mq_unlink(name), "mq_open");
	back = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	must(back >= 0 && !mq_unlink(name), "mq_open");
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (mq_receive(there, c, sizeof(c), NULL) == sizeof(c))
		must(!mq_send(back, c, sizeof(c), 0), "mq_send");
	_exit(0);
}

static void do_mq_pingpong(void)
{
	char c[16] = "";

	must(!mq_send(there, c, sizeof(c), 0) && mq_receive(back, c, sizeof(c), NULL) == sizeof(c), "message");
}

/* ---- processes ---- */

static void reap(pid_t pid)
{
	int status;

	must(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
	must(WIFEXITED(status) && !WEXITSTATUS(status), "a child's end");
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	reap(pid);
}

static void do_fork_exec(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	reap(pid);
}

static void do_vfork_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	reap(pid);
}

static void do_spawn(void)
{
	char *argv[] = { "true", NULL };
	pid_t pid = -1;

	must(!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), "posix_spawn");
	reap(pid);
}

static void *idle(void *arg)
{
	return arg;
}

static void do_thread(void)
{
	pthread_t t;

	must(!pthread_create(&t, NULL, idle, NULL) && !pthread_join(t, NULL), "a thread");
}

static const struct bench {
	const char *name;
	void (*setup)(void);
	void (*once)(void);
} table[] = {
	{ "getppid", NULL, do_getppid },
	{ "sigaction", NULL, do_sigaction },
	{ "read-zero", zero_setup, do_zero },
	{ "signal", signal_setup, do_signal },
	{ "pread", file_setup, do_pread },
	{ "pwrite", file_setup, do_pwrite },
	{ "pipe", pipe_setup, do_pipe },
	{ "pingpong", pingpong_setup, do_pingpong },
	{ "msg", ipc_setup, do_msg },
	{ "msg-pingpong", msg_setup, do_msg_pingpong },
	{ "sem", ipc_setup, do_sem },
	{ "sem-pingpong", sem_setup, do_sem_pingpong },
	{ "mq-pingpong", mq_setup, do_mq_pingpong },
	{ "futex", futex_setup, do_futex },
	{ "stat-hit", NULL, do_stat_hit },
	{ "stat-miss", NULL, do_stat_miss },
	{ "open-close", NULL, do_open },
	{ "mmap", NULL, do_mmap },
	{ "thread", NULL, do_thread },
	{ "fork", NULL, do_fork },
	{ "fork-exec", NULL, do_fork_exec },
	{ "vfork-exec", NULL, do_vfork_exec },
	{ "spawn", NULL, do_spawn },
};

#define COUNT (sizeof(table) / sizeof(table[0]))

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t batch(const struct bench *b, unsigned n)
{
	uint64_t begin = now();

	while (n--)
		b->once();
	return now() - begin;
}

static double measure(const struct bench *b, uint64_t ns)
{
	static double costs[BATCHES_MAX];
	uint64_t end, took;
	unsigned n = 1, done = 0;

	if (b->setup)
		b->setup();
	/* Warm up until a batch is long enough. */
	while ((took = batch(b, n)) < BATCH_NS && n < 1u << 30)
		n = took < BATCH_NS / 16 ? n * 8 : n * 2;
	end = now() + ns;
	do
		costs[done++] = (double)batch(b, n) / n;
	while (now() < end && done < BATCHES_MAX);
	qsort(costs, done, sizeof(*costs), by_size);
	return costs[done / 2];
}

/* What the command prints goes nowhere. */
static int time_runs(int times, char **argv)
{
	posix_spawn_file_actions_t quiet;

	must(!posix_spawn_file_actions_init(&quiet) &&
	     !posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0), "/dev/null");
	while (times--) {
		uint64_t begin = now();
		pid_t pid = -1;

		if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ))
			errx(1, "cannot start %s", argv[0]);
		reap(pid);
		printf("%llu\n", (unsigned long long)(now() - begin));
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "run"))
		return time_runs(atoi(argv[2]), argv + 3);
	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (size_t i = 0; i < COUNT; i++)
			puts(table[i].name);
		return 0;
	}
	for (size_t i = 0; argc == 4 && i < COUNT; i++) {
		if (strcmp(table[i].name, argv[1]))
			continue;
		snprintf(file, sizeof(file), "%.4000s/micro.%d", argv[3], (int)getpid());
		printf("%.1f\n", measure(&table[i], strtoull(argv[2], NULL, 10) * 1000000));
		unlink(file);
		return 0;
	}
	fputs("usage: micro NAME MS DIR | micro run N CMD... | micro list\n", stderr);
	return 2;
}
