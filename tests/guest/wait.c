// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * wait in all its forms, stopped and continued children, orphans.
 */
#include "lib/t.h"

#include <sys/resource.h>

static volatile sig_atomic_t chld;

static void on_chld(int sig)
{
	chld++;
}

static int exit_with(void *arg)
{
	return (int)(intptr_t)arg;
}

static int sleeper(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static void basics(void)
{
	int st;
	struct rusage ru;

	fails(wait(&st), ECHILD);
	fails(waitpid(-1, &st, WNOHANG), ECHILD);
	fails(waitpid(getpid(), &st, 0), ECHILD);
	fails(waitpid(1, &st, WNOHANG), ECHILD);
	pid_t pid = t_fork(exit_with, (void *)3);
	eq(wait(&st) == pid, 1);
	eqs(t_status(st), "exit 3");
	fails(waitpid(pid, &st, 0), ECHILD);
	pid = t_fork(sleeper, NULL);
	eq(waitpid(pid, &st, WNOHANG), 0);
	eq(waitpid(-1, &st, WNOHANG), 0);
	eq(waitpid(0, &st, WNOHANG), 0);
	fails(waitpid(-0x7ffffff, &st, WNOHANG), ECHILD);
	fails(waitpid(pid, &st, 0x100), EINVAL);
	kill(pid, SIGTERM);
	eq(wait4(pid, &st, 0, &ru) == pid, 1);
	eqs(t_status(st), "killed by SIGTERM");
	ok(ru.ru_maxrss >= 0);
	pid = t_fork(exit_with, (void *)4);
	eq(waitpid(pid, NULL, 0) == pid, 1);
	pid = t_fork(exit_with, (void *)5);
	fails(syscall(SYS_wait4, pid, 8, 0, 0), EFAULT);
	/* The address of rusage is looked at after the child is taken. */
	fails(waitpid(pid, &st, 0), ECHILD);
}

static void select_children(void)
{
	int st;
	pid_t a = t_fork(exit_with, (void *)1), b = t_fork(exit_with, (void *)2);
	pid_t g = must(fork());

	if (g == 0) {
		setpgid(0, 0);
		_exit(3);
	}
	setpgid(g, g);
	eq(waitpid(b, &st, 0) == b, 1);
	eqs(t_status(st), "exit 2");
	eq(waitpid(-g, &st, 0) == g, 1);
	eqs(t_status(st), "exit 3");
	eq(waitpid(0, &st, 0) == a, 1);
	eqs(t_status(st), "exit 1");
	fails(waitpid(0, &st, 0), ECHILD);
	fails(waitpid(-g, &st, 0), ECHILD);
}

static void ids(void)
{
	siginfo_t si;
	pid_t pid = t_fork(exit_with, (void *)9);

	fails(waitid(P_PID, pid, &si, 0), EINVAL);
	fails(waitid(77, pid, &si, WEXITED), EINVAL);
	fails(waitid(P_PID, pid, &si, WEXITED | 0x100), EINVAL);
	eq(waitid(P_PID, pid, &si, WEXITED | WNOWAIT), 0);
	eq(si.si_signo, SIGCHLD);
	eq(si.si_code, CLD_EXITED);
	eq(si.si_status, 9);
	ok(si.si_pid == pid && si.si_uid == getuid());
	eq(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
	eq(waitid(P_PID, pid, &si, WEXITED), 0);
	fails(waitid(P_PID, pid, &si, WEXITED), ECHILD);
	pid = t_fork(sleeper, NULL);
	memset(&si, 0xff, sizeof(si));
	eq(waitid(P_PID, pid, &si, WEXITED | WNOHANG), 0);
	eq(si.si_signo, 0);
	eq(si.si_pid, 0);
	kill(pid, SIGKILL);
	eq(waitid(P_PGID, getpgrp(), &si, WEXITED), 0);
	eq(si.si_code, CLD_KILLED);
	eq(si.si_status, SIGKILL);
	pid = t_fork(exit_with, (void *)0);
	eq(waitid(P_PGID, 0, &si, WEXITED), 0);
	ok(si.si_pid == pid);
	pid = must(fork());
	if (pid == 0)
		abort();
	eq(waitid(P_PID, pid, NULL, WEXITED), 0);
}

static void stopping(void)
{
	int st;
	siginfo_t si;
	struct gate g;

	gate_init(&g);
	pid_t pid = t_fork(sleeper, NULL);
	eq(kill(pid, SIGSTOP), 0);
	eq(waitpid(pid, &st, WUNTRACED) == pid, 1);
	eqs(t_status(st), "stopped by SIGSTOP");
	eq(waitpid(pid, &st, WUNTRACED | WNOHANG), 0);
	eq(kill(pid, SIGCONT), 0);
	eq(waitpid(pid, &st, WCONTINUED) == pid, 1);
	eqs(t_status(st), "continued");
	eq(waitpid(pid, &st, WCONTINUED | WNOHANG), 0);
	kill(pid, SIGTSTP);
	eq(waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT), 0);
	eq(si.si_code, CLD_STOPPED);
	eq(si.si_status, SIGTSTP);
	eq(waitpid(pid, &st, WUNTRACED) == pid, 1);
	eqs(t_status(st), "stopped by SIGTSTP");
	/* A stopped process takes only SIGKILL and SIGCONT; the rest waits. */
	kill(pid, SIGTERM);
	eq(waitpid(pid, &st, WNOHANG | WUNTRACED), 0);
	t_sleep_ms(30);
	eq(waitpid(pid, &st, WNOHANG), 0);
	kill(pid, SIGCONT);
	eqs(t_wait(pid), "killed by SIGTERM");
	pid = t_fork(sleeper, NULL);
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	kill(pid, SIGKILL);
	eqs(t_wait(pid), "killed by SIGKILL");
	pid = must(fork());
	if (pid == 0) {
		raise(SIGSTOP);
		gate_wait(&g);
		_exit(12);
	}
	eq(waitpid(pid, &st, WUNTRACED) == pid, 1);
	eqs(t_status(st), "stopped by SIGSTOP");
	kill(pid, SIGCONT);
	eq(waitid(P_PID, pid, &si, WCONTINUED), 0);
	eq(si.si_code, CLD_CONTINUED);
	eq(si.si_status, SIGCONT);
	gate_open(&g);
	eqs(t_wait(pid), "exit 12");
	/* SIGCONT goes on even when blocked or ignored. */
	pid = must(fork());
	if (pid == 0) {
		signal(SIGCONT, SIG_IGN);
		raise(SIGSTOP);
		_exit(13);
	}
	waitpid(pid, &st, WUNTRACED);
	kill(pid, SIGCONT);
	eqs(t_wait(pid), "exit 13");
}

static void many_stops(void)
{
	int st, good = 0;
	pid_t pid = t_fork(sleeper, NULL);

	for (int i = 0; i < 50; i++) {
		kill(pid, SIGSTOP);
		if (waitpid(pid, &st, WUNTRACED) == pid && WIFSTOPPED(st))
			good++;
		kill(pid, SIGCONT);
		if (waitpid(pid, &st, WCONTINUED) == pid && WIFCONTINUED(st))
			good++;
	}
	eq(good, 100);
	kill(pid, SIGKILL);
	t_wait(pid);
}

/* The signal may come a moment after wait has seen the change. */
static int signals_at_least(int n)
{
	for (int i = 0; i < 2000 && chld < n; i++)
		t_sleep_ms(1);
	return chld;
}

static void child_signals(void)
{
	struct sigaction sa = { .sa_handler = on_chld };
	sigset_t s;
	int st;

	must(sigaction(SIGCHLD, &sa, NULL));
	chld = 0;
	pid_t pid = t_fork(exit_with, NULL);
	t_wait(pid);
	eq(signals_at_least(1), 1);
	pid = t_fork(sleeper, NULL);
	chld = 0;
	kill(pid, SIGSTOP);
	while (waitpid(pid, &st, WUNTRACED) == -1)
		;
	eq(signals_at_least(1), 1);
	kill(pid, SIGCONT);
	while (waitpid(pid, &st, WCONTINUED) == -1)
		;
	eq(signals_at_least(2), 2);
	sa.sa_flags = SA_NOCLDSTOP;
	must(sigaction(SIGCHLD, &sa, NULL));
	kill(pid, SIGSTOP);
	while (waitpid(pid, &st, WUNTRACED) == -1)
		;
	eq(chld, 2);
	kill(pid, SIGKILL);
	t_wait(pid);
	eq(signals_at_least(3), 3);
	/* Several children end while SIGCHLD is blocked: one signal, all can be taken. */
	sigemptyset(&s);
	sigaddset(&s, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s, NULL);
	chld = 0;
	pid_t all[10];
	for (int i = 0; i < 10; i++)
		all[i] = t_fork(exit_with, NULL);
	for (int i = 0; i < 10; i++) {
		siginfo_t si;
		must(waitid(P_PID, all[i], &si, WEXITED | WNOWAIT));
	}
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	eq(chld, 1);
	int taken = 0;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		taken++;
	eq(taken, 10);
}

static void autoreap(void)
{
	int st;
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

	signal(SIGCHLD, SIG_IGN);
	pid_t pid = t_fork(exit_with, (void *)1);
	fails(waitpid(pid, &st, 0), ECHILD);
	for (int i = 0; i < 5; i++)
		t_fork(exit_with, NULL);
	fails(wait(&st), ECHILD);
	must(sigaction(SIGCHLD, &sa, NULL));
	pid = t_fork(exit_with, (void *)1);
	fails(waitpid(pid, &st, 0), ECHILD);
	signal(SIGCHLD, SIG_DFL);
	pid = t_fork(exit_with, (void *)2);
	eqs(t_wait(pid), "exit 2");
}

static void orphans(void)
{
	int p[2];
	char c;

	must(pipe(p));
	for (int i = 0; i < 5; i++) {
		pid_t pid = must(fork());
		if (pid == 0) {
			if (fork() == 0) {
				setsid();
				if (fork() == 0) {
					while (getppid() != 1)
						t_sleep_ms(1);
					_exit(write(p[1], "d", 1) != 1);
				}
				_exit(0);
			}
			_exit(0);
		}
		eqs(t_wait(pid), "exit 0");
	}
	for (int i = 0; i < 5; i++)
		must(read(p[0], &c, 1));
	fails(wait(NULL), ECHILD);
	say("five daemons spoke");
}

static void zombies(void)
{
	pid_t pid = t_fork(exit_with, (void *)8);
	siginfo_t si;

	must(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	eq(kill(pid, 0), 0);
	eq(kill(pid, SIGKILL), 0);
	ok(getpgid(pid) == getpgrp());
	char name[64], line[512], state = 0;
	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	FILE *f = fopen(name, "r");
	if (f && fgets(line, sizeof(line), f))
		state = strrchr(line, ')')[2];
	say("state %c", state);
	eqs(t_wait(pid), "exit 8");
	fails(kill(pid, 0), ESRCH);
}

static void usage(void)
{
	struct rusage a, b;

	must(getrusage(RUSAGE_CHILDREN, &a));
	pid_t pid = must(fork());
	if (pid == 0) {
		struct timespec t;

		do /* not for a time by the wall: beside others that may be no work */
			must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
		while (t.tv_sec == 0 && t.tv_nsec < 40000000);
		_exit(0);
	}
	struct rusage one;
	int st;
	must(wait4(pid, &st, 0, &one));
	must(getrusage(RUSAGE_CHILDREN, &b));
	long used = b.ru_utime.tv_usec + b.ru_stime.tv_usec + 1000000L * (b.ru_utime.tv_sec + b.ru_stime.tv_sec);
	ok(used > 20000);
	long mine = one.ru_utime.tv_usec + one.ru_stime.tv_usec + 1000000L * (one.ru_utime.tv_sec + one.ru_stime.tv_sec);
	ok(mine > 20000 && mine <= used);
	fails(getrusage(77, &a), EINVAL);
	eq(getrusage(RUSAGE_SELF, &a), 0);
	eq(getrusage(RUSAGE_THREAD, &a), 0);
}

static pid_t heard[4];
static uid_t heard_of;

static void on_end(int sig, siginfo_t *info, void *context)
{
	if (chld < 4)
		heard[chld++] = info->si_pid;
	heard_of = info->si_uid;
}

static int end_later(void *arg)
{
	usleep(20000); /* so that it is slept for */
	return 3;
}

/* A child that wait() has taken while its signal is on the way is told of by its id, too. */
static void told_late(void)
{
	struct sigaction act = { .sa_sigaction = on_end, .sa_flags = SA_SIGINFO | SA_RESTART };

	chld = 0;
	must(sigaction(SIGCHLD, &act, NULL));
	for (int i = 0; i < 4; i++) {
		int st;
		pid_t pid = t_fork(end_later, NULL);

		eq(waitpid(pid, &st, 0) == pid, 1);
		eq(chld, i + 1);
		ok(heard[i] == pid);
	}
	ok(heard_of == getuid());
	signal(SIGCHLD, SIG_DFL);
}

T_MAIN(T(basics), T(select_children), T(ids), T(stopping), T(many_stops), T(child_signals), T(autoreap), T(orphans),
       T(zombies), T(usage), T(told_late))
