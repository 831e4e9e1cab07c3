// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * fork: trees, what is inherited, what is not, and many of them.
 */
#include "lib/t.h"

#include <sys/resource.h>
#include <sys/times.h>

static int tree(int depth, int width)
{
	int total = 1;
	pid_t pid[8];

	if (depth == 0)
		return 1;
	for (int i = 0; i < width; i++) {
		pid[i] = fork();
		if (pid[i] == -1)
			_exit(255);
		if (pid[i] == 0)
			_exit(tree(depth - 1, width));
	}
	for (int i = 0; i < width; i++) {
		int st;
		if (waitpid(pid[i], &st, 0) != pid[i] || !WIFEXITED(st))
			_exit(254);
		total += WEXITSTATUS(st);
	}
	return total;
}

static void trees(void)
{
	eq(tree(1, 5), 6);
	eq(tree(3, 3), 40);
	eq(tree(6, 2), 127);
	eq(tree(30, 1), 31);
}

static void many(void)
{
	int good = 0;

	for (int i = 0; i < 300; i++) {
		pid_t pid = must(fork());
		if (pid == 0)
			_exit(i & 0x7f);
		int st;
		if (waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == (i & 0x7f))
			good++;
	}
	eq(good, 300);
	pid_t all[64];
	struct gate g;
	gate_init(&g);
	for (int i = 0; i < 64; i++) {
		all[i] = must(fork());
		if (all[i] == 0) {
			gate_wait(&g);
			_exit(i);
		}
	}
	for (int i = 0; i < 64; i++)
		gate_open(&g);
	good = 0;
	bool distinct = true;
	for (int i = 63; i >= 0; i--) {
		int st;
		if (waitpid(all[i], &st, 0) == all[i] && WEXITSTATUS(st) == i)
			good++;
		for (int j = 0; j < i; j++)
			distinct = distinct && all[i] != all[j];
	}
	eq(good, 64);
	ok(distinct);
}

static void ids(void)
{
	pid_t me = getpid(), parent = getppid(), group = getpgrp(), session = getsid(0);
	int p[2];

	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0) {
		pid_t mine = getpid();
		must(write(p[1], &mine, sizeof(mine)));
		bool good = getppid() == me && getpgrp() == group && getsid(0) == session && mine != me;
		good = good && syscall(SYS_gettid) == mine && syscall(SYS_getpid) == mine;
		pid_t inner = fork();
		if (inner == 0)
			_exit(getppid() == mine ? 0 : 1);
		int st;
		waitpid(inner, &st, 0);
		_exit(good && st == 0 ? 0 : 1);
	}
	pid_t told;
	must(read(p[0], &told, sizeof(told)));
	eqs(t_wait(pid), "exit 0");
	ok(told == pid);
	ok(me == getpid() && parent == getppid());
	ok(kill(pid, 0) == -1 && errno == ESRCH);
}

static volatile int global = 1;
static void nop(int sig)
{
}

static void inherited(void)
{
	sigset_t set;
	struct sigaction sa;
	int local = 5, *heap = malloc(sizeof(int));

	*heap = 9;
	must(nice(3));
	signal(SIGUSR1, nop);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	alarm(100);
	pid_t pid = must(fork());
	if (pid == 0) {
		eq(global + local + *heap, 15);
		global = 2;
		*heap = 0;
		sigaction(SIGUSR1, NULL, &sa);
		ok(sa.sa_handler == nop);
		sigaction(SIGUSR2, NULL, &sa);
		ok(sa.sa_handler == SIG_IGN);
		sigprocmask(SIG_BLOCK, NULL, &set);
		eq(sigismember(&set, SIGTERM), 1);
		eq(sigismember(&set, SIGHUP), 0);
		sigpending(&set);
		eq(sigismember(&set, SIGTERM), 0);
		eq(alarm(0), 0);
		eq(getpriority(PRIO_PROCESS, 0), 3);
		struct tms t;
		times(&t);
		ok(t.tms_cutime == 0 && t.tms_cstime == 0);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	eq(global + local + *heap, 15);
	sigpending(&set);
	eq(sigismember(&set, SIGTERM), 1);
	ok(alarm(20) > 90);
}

static void parent_first(void)
{
	/* The parent dies, the child goes on, becomes a child of process 1, and its output still arrives. */
	int p[2];

	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0) {
		close(p[0]);
		if (fork() == 0) {
			while (getppid() != 1)
				t_sleep_ms(1);
			if (write(p[1], "orphan of 1", 11) != 11)
				_exit(1);
			_exit(0);
		}
		_exit(0);
	}
	close(p[1]);
	eqs(t_wait(pid), "exit 0");
	char b[32] = "";
	eq(read(p[0], b, 31), 11);
	eqs(b, "orphan of 1");
	eq(read(p[0], b, 31), 0);
	fails(wait(NULL), ECHILD);
}

static void stdio_once(void)
{
	/* Buffered output is duplicated by fork, as on Linux, unless it was flushed. */
	FILE *f = fopen("out", "w");

	fprintf(f, "before\n");
	pid_t pid = must(fork());
	if (pid == 0) {
		fprintf(f, "child\n");
		fclose(f);
		_exit(0);
	}
	t_wait(pid);
	fprintf(f, "parent\n");
	fclose(f);
	eqs(t_read_file("out"), "before\nchild\nbefore\nparent\n");
}

static void raw(void)
{
	int status, told = 0;

	pid_t pid = must(syscall(SYS_fork));
	if (pid == 0)
		_exit(3);
	eqs(t_wait(pid), "exit 3");
	pid = must(syscall(SYS_clone, SIGCHLD, 0, &told, 0, 0));
	if (pid == 0)
		_exit(4);
	eqs(t_wait(pid), "exit 4");
	pid = must(syscall(SYS_clone, SIGCHLD | 0x00100000 /* PARENT_SETTID */, 0, &told, 0, 0));
	if (pid == 0)
		_exit(5);
	ok(told == pid);
	eqs(t_wait(pid), "exit 5");
	/* Another exit signal: only __WALL or __WCLONE waits find such a child. */
	signal(SIGUSR1, SIG_IGN);
	pid = must(syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0));
	if (pid == 0)
		_exit(6);
	fails(waitpid(pid, &status, 0), ECHILD);
	eq(waitpid(pid, &status, __WCLONE) == pid, 1);
	eq(WEXITSTATUS(status), 6);
	fails(syscall(SYS_clone, 0x00000800 /* SIGHAND without VM */ | SIGCHLD, 0, 0, 0, 0), EINVAL);
	fails(syscall(SYS_clone, 0x00010000 /* THREAD without SIGHAND */, 0, 0, 0, 0), EINVAL);
}

static void exits(void)
{
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(256 + 17);
	eqs(t_wait(pid), "exit 17");
	pid = must(fork());
	if (pid == 0)
		_exit(-1);
	eqs(t_wait(pid), "exit 255");
	pid = must(fork());
	if (pid == 0)
		abort();
	eqs(t_wait(pid), "killed by SIGABRT");
	pid = must(fork());
	if (pid == 0) {
		kill(getpid(), SIGKILL);
		pause();
	}
	eqs(t_wait(pid), "killed by SIGKILL");
	pid = must(fork());
	if (pid == 0) {
		syscall(SYS_exit, 9);
		_exit(1);
	}
	eqs(t_wait(pid), "exit 9");
}

T_MAIN(T(trees), T(many), T(ids), T(inherited), T(parent_first), T(stdio_once), T(raw), T(exits))
