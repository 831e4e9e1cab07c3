// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Waiting for signals, interrupted calls and their restart, alternate stacks, real-time queues, jumps out of handlers.
 */
#include "lib/t.h"

#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/uio.h>

static volatile sig_atomic_t count;

static void record(int sig)
{
	count++;
}

static void set(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = record, .sa_flags = flags };

	must(sigaction(sig, &sa, NULL));
}

/* A child that sends sig to us after ms, `times` times. */
static pid_t sender(int sig, int ms, int times)
{
	pid_t parent = getpid(), pid = must(fork());

	if (pid == 0) {
		for (int i = 0; i < times; i++) {
			t_sleep_ms(ms);
			kill(parent, sig);
		}
		_exit(0);
	}
	return pid;
}

static void eintr(void)
{
	int p[2];
	char c;
	struct pollfd pf;
	struct timespec ts = { 5, 0 }, rem;
	struct timeval tv = { 5, 0 };
	struct epoll_event ev;
	fd_set fds;

	must(pipe(p));
	set(SIGUSR1, 0);
	pid_t pid = sender(SIGUSR1, 50, 1);
	fails(read(p[0], &c, 1), EINTR);
	t_wait(pid);
	pid = sender(SIGUSR1, 50, 1);
	long long t0 = t_now_ms();
	fails(nanosleep(&ts, &rem), EINTR);
	ok(rem.tv_sec == 4 && t_now_ms() - t0 < 3000);
	t_wait(pid);
	for (int restart = 0; restart < 2; restart++) {
		/* These never restart. */
		set(SIGUSR1, restart ? SA_RESTART : 0);
		pf = (struct pollfd){ p[0], POLLIN, 0 };
		pid = sender(SIGUSR1, 50, 1);
		fails(poll(&pf, 1, 5000), EINTR);
		t_wait(pid);
		FD_ZERO(&fds);
		FD_SET(p[0], &fds);
		pid = sender(SIGUSR1, 50, 1);
		fails(select(p[0] + 1, &fds, NULL, NULL, &tv), EINTR);
		t_wait(pid);
		pid = sender(SIGUSR1, 50, 1);
		fails(pause(), EINTR);
		t_wait(pid);
		int ep = must(epoll_create1(0));
		pid = sender(SIGUSR1, 50, 1);
		fails(epoll_wait(ep, &ev, 1, 5000), EINTR);
		t_wait(pid);
		ts = (struct timespec){ 5, 0 };
		pid = sender(SIGUSR1, 50, 1);
		fails(nanosleep(&ts, NULL), EINTR);
		t_wait(pid);
		pid = sender(SIGUSR1, 50, 1);
		eq(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), EINTR);
		t_wait(pid);
		sigset_t s;
		sigemptyset(&s);
		sigaddset(&s, SIGUSR2);
		pid = sender(SIGUSR1, 50, 1);
		fails(syscall(SYS_rt_sigtimedwait, &s, NULL, &ts, 8), EINTR);
		t_wait(pid);
		ts.tv_sec = LONG_MAX; /* more nanoseconds than a word counts */
		pid = sender(SIGUSR1, 50, 1);
		fails(syscall(SYS_rt_sigtimedwait, &s, NULL, &ts, 8), EINTR);
		t_wait(pid);
	}
	set(SIGUSR1, 0);
	pid_t sleeper = must(fork());
	if (sleeper == 0) {
		t_sleep_ms(300);
		_exit(5);
	}
	pid = sender(SIGUSR1, 50, 1);
	fails(waitpid(sleeper, NULL, 0), EINTR);
	eqs(t_wait(pid), "exit 0");
	eqs(t_wait(sleeper), "exit 5");
}

static void restart(void)
{
	int p[2];
	char b[8] = "";

	must(pipe(p));
	set(SIGUSR1, SA_RESTART);
	count = 0;
	pid_t parent = getpid();
	pid_t pid = must(fork());
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			t_sleep_ms(20);
			kill(parent, SIGUSR1);
		}
		t_sleep_ms(50);
		_exit(write(p[1], "data", 4) != 4);
	}
	eq(read(p[0], b, 8), 4);
	eqs(b, "data");
	ok(count >= 1);
	eqs(t_wait(pid), "exit 0");
	pid_t sleeper = must(fork());
	if (sleeper == 0) {
		t_sleep_ms(300);
		_exit(6);
	}
	count = 0;
	pid = sender(SIGUSR1, 30, 3);
	int st;
	eq(waitpid(sleeper, &st, 0) == sleeper, 1);
	eq(WEXITSTATUS(st), 6);
	ok(count >= 1);
	t_wait(pid);
	/* An ignored or default-ignored signal interrupts nothing. */
	signal(SIGUSR2, SIG_IGN);
	struct pollfd pf = { p[0], POLLIN, 0 };
	pid = sender(SIGUSR2, 30, 2);
	eq(poll(&pf, 1, 200), 0);
	t_wait(pid);
	pid = sender(SIGWINCH, 30, 2);
	eq(poll(&pf, 1, 200), 0);
	t_wait(pid);
	/* Nor does a blocked one. */
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	pid = sender(SIGUSR1, 30, 1);
	count = 0;
	eq(poll(&pf, 1, 200), 0);
	eq(count, 0);
	t_wait(pid);
	/* ppoll with another mask takes it at once. */
	sigset_t none;
	sigemptyset(&none);
	struct timespec ts = { 3, 0 };
	fails(ppoll(&pf, 1, &ts, &none), EINTR);
	eq(count, 1);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	eq(sigismember(&now, SIGUSR1), 1);
	/* sigsuspend puts the old mask back too. */
	raise(SIGUSR1);
	fails(sigsuspend(&none), EINTR);
	eq(count, 2);
	sigprocmask(SIG_BLOCK, NULL, &now);
	eq(sigismember(&now, SIGUSR1), 1);
	raise(SIGUSR1);
	fails(pselect(0, NULL, NULL, NULL, &ts, &none), EINTR);
	eq(count, 3);
}

static void taking(void)
{
	sigset_t s;
	siginfo_t si;
	struct timespec ts = { 0, 20000000 }, zero_ts = { 0, 0 };
	int sig;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGRTMIN + 2);
	sigprocmask(SIG_BLOCK, &s, NULL);
	fails(sigtimedwait(&s, &si, &zero_ts), EAGAIN);
	fails(sigtimedwait(&s, &si, &ts), EAGAIN);
	raise(SIGUSR1);
	eq(sigtimedwait(&s, &si, &zero_ts), SIGUSR1);
	fails(sigtimedwait(&s, &si, &zero_ts), EAGAIN);
	for (int i = 0; i < 5; i++)
		sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = i });
	raise(SIGUSR1);
	eq(sigwaitinfo(&s, &si), SIGUSR1);
	for (int i = 0; i < 5; i++) {
		eq(sigwaitinfo(&s, &si), SIGRTMIN + 2);
		eq(si.si_value.sival_int, i);
	}
	pid_t pid = sender(SIGUSR1, 30, 1);
	eq(sigwait(&s, &sig), 0);
	eq(sig, SIGUSR1);
	t_wait(pid);
	ts.tv_nsec = 2000000000;
	fails(sigtimedwait(&s, &si, &ts), EINVAL);
	/* Standard signals do not queue, real-time ones do. */
	for (int i = 0; i < 4; i++) {
		kill(getpid(), SIGUSR1);
		kill(getpid(), SIGRTMIN + 2);
	}
	int std = 0, rt = 0;
	while ((sig = sigtimedwait(&s, NULL, &zero_ts)) > 0) {
		std += sig == SIGUSR1;
		rt += sig == SIGRTMIN + 2;
	}
	eq(std, 1);
	eq(rt, 4);
}

static char alt[65536];
static volatile sig_atomic_t on_alt, flags_inside;

static void where(int sig)
{
	char here;
	stack_t ss;

	on_alt = &here >= alt && &here < alt + sizeof(alt);
	sigaltstack(NULL, &ss);
	flags_inside = ss.ss_flags;
	stack_t other = { .ss_sp = alt, .ss_size = sizeof(alt) };
	if (on_alt && (sigaltstack(&other, NULL) != -1 || errno != EPERM))
		flags_inside = 99;
}

static void altstack(void)
{
	struct sigaction sa = { .sa_handler = where, .sa_flags = SA_ONSTACK };
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) }, old;

	must(sigaction(SIGUSR1, &sa, NULL));
	must(sigaltstack(NULL, &old));
	eq(old.ss_flags, SS_DISABLE);
	raise(SIGUSR1);
	eq(on_alt, 0);
	eq(sigaltstack(&ss, NULL), 0);
	raise(SIGUSR1);
	eq(on_alt, 1);
	eq(flags_inside, SS_ONSTACK);
	must(sigaltstack(NULL, &old));
	eq(old.ss_flags, 0);
	eq(old.ss_size, sizeof(alt));
	sa.sa_flags = 0;
	must(sigaction(SIGUSR2, &sa, NULL));
	raise(SIGUSR2);
	eq(on_alt, 0);
	ss.ss_size = 100;
	fails(syscall(SYS_sigaltstack, &ss, NULL), ENOMEM);
	ss.ss_flags = 77;
	fails(syscall(SYS_sigaltstack, &ss, NULL), EINVAL);
	fails(syscall(SYS_sigaltstack, 8, NULL), EFAULT);
	pid_t pid = must(fork());
	if (pid == 0) {
		raise(SIGUSR1);
		_exit(on_alt ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
	ss.ss_flags = SS_DISABLE;
	eq(sigaltstack(&ss, NULL), 0);
	raise(SIGUSR1);
	eq(on_alt, 0);
}

static sigjmp_buf back;
static jmp_buf plain;

static void jump(int sig)
{
	siglongjmp(back, sig);
}

static void jump_plain(int sig)
{
	longjmp(plain, 1);
}

static void jumps(void)
{
	sigset_t s;
	volatile int n = 0;

	signal(SIGUSR1, jump);
	for (volatile int i = 0; i < 100; i++) {
		if (sigsetjmp(back, 1) == 0) {
			raise(SIGUSR1);
			say("not reached");
		} else {
			n++;
		}
	}
	eq(n, 100);
	sigprocmask(SIG_BLOCK, NULL, &s);
	eq(sigismember(&s, SIGUSR1), 0);
	/* longjmp leaves the handler's mask in place. */
	struct sigaction sa = { .sa_handler = jump_plain };
	must(sigaction(SIGUSR2, &sa, NULL));
	if (setjmp(plain) == 0)
		raise(SIGUSR2);
	sigprocmask(SIG_BLOCK, NULL, &s);
	eq(sigismember(&s, SIGUSR2), 1);
	sigemptyset(&s);
	sigprocmask(SIG_SETMASK, &s, NULL);
	/* Out of a blocked call. */
	int p[2];
	char c;
	must(pipe(p));
	int sig = sigsetjmp(back, 1);
	if (sig == 0) {
		pid_t pid = sender(SIGUSR1, 30, 1);
		(void)pid;
		if (read(p[0], &c, 1))
			say("read came back?");
	}
	eq(sig, SIGUSR1);
	wait(NULL);
}

static void no_loss(void)
{
	/* sigsuspend and a stream of signals: each wake-up is seen. */
	sigset_t s, none;

	sigemptyset(&none);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	set(SIGUSR1, 0);
	count = 0;
	int p[2];
	must(pipe(p));
	pid_t parent = getpid();
	pid_t pid = must(fork());
	if (pid == 0) {
		char c;
		for (int i = 0; i < 300; i++) {
			kill(parent, SIGUSR1);
			if (read(p[0], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 300; i++) {
		sigsuspend(&none);
		if (write(p[1], "x", 1) != 1)
			_exit(1);
	}
	eq(count, 300);
	eqs(t_wait(pid), "exit 0");
}

T_MAIN(T(eintr), T(restart), T(taking), T(altstack), T(jumps), T(no_loss))
