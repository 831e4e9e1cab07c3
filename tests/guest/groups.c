// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Process groups and sessions: who may move whom, and whom a signal to a group reaches.
 */
#include "lib/t.h"
#include <sched.h>
#include <sys/prctl.h>

static volatile sig_atomic_t got;

static void record(int sig)
{
	got++;
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void basics(void)
{
	ok(getpgrp() == getpid());
	ok(getpgid(0) == getpgrp() && getpgid(getpid()) == getpgrp());
	ok(getsid(0) == getsid(getpid()));
	fails(getpgid(0x7ffffff0), ESRCH);
	fails(getsid(0x7ffffff0), ESRCH);
	fails(getpgid(-1), ESRCH);
	fails(setpgid(-1, 0), EINVAL);
	fails(setpgid(0, -1), EINVAL);
	fails(setpgid(0x7ffffff0, 0), ESRCH);
	fails(setpgid(0, 0x7ffffff0), EPERM);
	fails(setpgid(1, 0), ESRCH);
	eq(setpgid(0, 0), 0);
	/* A group leader can't begin a session. */
	fails(setsid(), EPERM);
	pid_t pid = must(fork());
	if (pid == 0) {
		pid_t sid = setsid();
		ok(sid == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
		fails(setsid(), EPERM);
		fails(setpgid(0, 0), EPERM);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
}

static void moving_children(void)
{
	struct gate g;

	gate_init(&g);
	pid_t pid = must(fork());
	if (pid == 0) {
		gate_wait(&g);
		_exit(getpgrp() == getpid() ? 0 : 1);
	}
	ok(getpgid(pid) == getpgrp());
	eq(setpgid(pid, pid), 0);
	ok(getpgid(pid) == pid);
	gate_open(&g);
	eqs(t_wait(pid), "exit 0");
	/* Two children in one group of theirs; then back into ours. */
	pid_t a = must(fork());
	if (a == 0)
		sleep_for_ever();
	pid_t b = must(fork());
	if (b == 0)
		sleep_for_ever();
	eq(setpgid(a, a), 0);
	eq(setpgid(b, a), 0);
	ok(getpgid(b) == a);
	eq(setpgid(b, getpgrp()), 0);
	ok(getpgid(b) == getpgrp());
	eq(setpgid(b, a), 0);
	eq(kill(-a, SIGTERM), 0);
	eqs(t_wait(a), "killed by SIGTERM");
	eqs(t_wait(b), "killed by SIGTERM");
	fails(kill(-a, SIGTERM), ESRCH);
}

static void refusals(void)
{
	int p[2];
	char c;
	struct gate g;

	must(pipe(p));
	gate_init(&g);
	/* After its exec a child can't be moved. */
	int q[2];
	must(pipe(q));
	pid_t pid = must(fork());
	if (pid == 0) {
		dup2(p[0], 0);
		dup2(q[1], 9);
		close(p[1]);
		execl("/bin/sh", "sh", "-c", "echo x >&9; cat", NULL);
		_exit(127);
	}
	must(read(q[0], &c, 1));
	fails(setpgid(pid, pid), EACCES);
	kill(pid, SIGKILL);
	t_wait(pid);
	/* A child in another session, and a group there. */
	pid = must(fork());
	if (pid == 0) {
		setsid();
		must(write(q[1], "s", 1));
		sleep_for_ever();
	}
	while (read(q[0], &c, 1) == 1 && c != 's')
		;
	fails(setpgid(pid, 0), EPERM);
	fails(setpgid(0, pid), EPERM);
	ok(getsid(pid) == pid);
	eq(kill(-pid, SIGKILL), 0);
	eqs(t_wait(pid), "killed by SIGKILL");
	/* A grandchild is no child. */
	pid = must(fork());
	if (pid == 0) {
		pid_t inner = fork();
		if (inner == 0)
			sleep_for_ever();
		must(write(q[1], &inner, sizeof(inner)));
		gate_wait(&g);
		kill(inner, SIGKILL);
		_exit(0);
	}
	pid_t inner;
	must(read(q[0], &inner, sizeof(inner)));
	fails(setpgid(inner, inner), ESRCH);
	ok(getpgid(inner) == getpgrp());
	gate_open(&g);
	t_wait(pid);
}

static void reaching(void)
{
	int p[2];

	must(pipe(p));
	signal(SIGUSR1, record);
	/* kill(0) reaches the whole group, the sender too. */
	pid_t pid = must(fork());
	if (pid == 0) {
		setpgid(0, 0);
		for (int i = 0; i < 3; i++) {
			if (fork() == 0) {
				signal(SIGUSR1, SIG_DFL);
				must(write(p[1], "r", 1));
				sleep_for_ever();
			}
		}
		char c;
		for (int i = 0; i < 3; i++)
			must(read(p[0], &c, 1));
		got = 0;
		kill(0, SIGUSR1);
		int killed = 0, st;
		for (int i = 0; i < 3; i++) {
			while (wait(&st) == -1 && errno == EINTR)
				;
			killed += WIFSIGNALED(st) && WTERMSIG(st) == SIGUSR1;
		}
		_exit(killed == 3 && got == 1 ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
	eq(got, 0);
	/* A whole pipeline in a group: stop and go on. */
	pid = must(fork());
	if (pid == 0) {
		setpgid(0, 0);
		if (fork() == 0)
			sleep_for_ever();
		sleep_for_ever();
	}
	setpgid(pid, pid);
	t_sleep_ms(20);
	int st;
	eq(kill(-pid, SIGSTOP), 0);
	eq(waitpid(-pid, &st, WUNTRACED) == pid, 1);
	eqs(t_status(st), "stopped by SIGSTOP");
	eq(killpg(pid, SIGCONT), 0);
	eq(waitpid(-pid, &st, WCONTINUED) == pid, 1);
	eq(killpg(pid, SIGKILL), 0);
	eqs(t_wait(pid), "killed by SIGKILL");
}

static void orphaned_group(void)
{
	int p[2];
	char b[32] = "";

	/* When a group with a stopped member loses its last outside parent, it gets SIGHUP and SIGCONT. */
	must(pipe(p));
	pid_t pid = must(fork());
	if (pid == 0) {
		setsid();
		pid_t inner = fork();
		if (inner == 0) {
			setpgid(0, 0);
			signal(SIGHUP, SIG_DFL);
			pid_t watched = fork();
			if (watched == 0) {
				raise(SIGSTOP);
				_exit(7);
			}
			int st;
			waitpid(watched, &st, WUNTRACED);
			signal(SIGHUP, SIG_IGN); /* its group's signal is for the other */
			must(write(p[1], "s", 1));
			while (waitpid(watched, &st, 0) == -1)
				;
			char text[64];
			int n = snprintf(text, sizeof(text), "%s", t_status(st));
			must(write(p[1], text, n));
			_exit(0);
		}
		setpgid(inner, inner);
		char c;
		must(read(p[0], &c, 1));
		_exit(0); /* the session leader leaves: the group is orphaned */
	}
	close(p[1]);
	eqs(t_wait(pid), "exit 0");
	size_t have = 0;
	ssize_t n;
	while ((n = read(p[0], b + have, 31 - have)) > 0)
		have += n;
	eqs(b, "killed by SIGHUP");
}

static void permissions(void)
{
	if (t_root())
		return;
	/* Process 1 is someone else's, or protected. */
	pid_t pid = must(fork());
	if (pid == 0) {
		setsid();
		must(kill(getpid(), 0));
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
	fails(kill(0x3fffffff, 0), ESRCH);
}

/* However close behind a stop it comes, SIGCONT is the last word. */
static void stops_and_continues(void)
{
	static const int stops[] = { SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP };
	volatile unsigned *beats = (void *)must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	struct gate g;

	gate_init(&g);
	pid_t pid = must(fork());
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		gate_open(&g);
		for (;;) {
			++*beats;
			getppid();
		}
	}
	gate_wait(&g);
	for (int i = 0; i < 200; i++) {
		unsigned before;

		kill(pid, stops[i % 4]);
		for (volatile int k = 0; k < i * 5 % 500; k++)
			;
		kill(pid, SIGCONT);
		before = *beats;
		while (*beats == before)
			sched_yield();
	}
	kill(pid, SIGTSTP);
	int status;
	eq(waitpid(pid, &status, WUNTRACED), pid);
	ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	kill(pid, SIGKILL);
	eqs(t_wait(pid), "killed by SIGKILL");
}

T_MAIN(T(stops_and_continues), T(basics), T(moving_children), T(refusals), T(reaching), T(orphaned_group), T(permissions))
