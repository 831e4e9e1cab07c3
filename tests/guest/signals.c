// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Signals: dispositions, masks, pending sets, nesting, flags of sigaction, and what the handler is told.
 */
#include "lib/t.h"

#include <ucontext.h>

#include <sys/syscall.h>

static volatile sig_atomic_t count, order[32], norder, depth, max_depth, nested;

static void record(int sig)
{
	count++;
	if (norder < 32)
		order[norder++] = sig;
}

static void set(int sig, void (*fn)(int), int flags, int also)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	if (also)
		sigaddset(&sa.sa_mask, also);
	must(sigaction(sig, &sa, NULL));
}

static sigset_t set_of(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	if (sig)
		sigaddset(&s, sig);
	return s;
}

static void dispositions(void)
{
	struct sigaction sa;

	eq(raise(0), 0);
	eq(kill(getpid(), 0), 0);
	set(SIGUSR1, record, 0, 0);
	count = 0;
	eq(raise(SIGUSR1), 0);
	eq(count, 1);
	eq(kill(getpid(), SIGUSR1), 0);
	eq(count, 2);
	must(sigaction(SIGUSR1, NULL, &sa));
	ok(sa.sa_handler == record);
	set(SIGUSR1, SIG_IGN, 0, 0);
	raise(SIGUSR1);
	eq(count, 2);
	fails(syscall(SYS_rt_sigaction, SIGKILL, &sa, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGSTOP, &sa, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), EFAULT);
	eq(syscall(SYS_rt_sigaction, SIGKILL, NULL, &sa, 8), 0);
	fails(kill(getpid(), 65), EINVAL);
	fails(kill(getpid(), -1), EINVAL);
	fails(kill(0x7ffffff0, SIGUSR1), ESRCH);
	fails(kill(-0x7ffffff0, SIGUSR1), ESRCH);
	static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL,
		SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF,
		SIGIO, SIGPWR, SIGSYS, 34, 64 };
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		pid_t pid = must(fork());
		if (pid == 0) {
			signal(fatal[i], SIG_DFL);
			syscall(SYS_kill, getpid(), fatal[i]);
			t_sleep_ms(5000);
			_exit(0);
		}
		say("default of %s: %s", t_signame(fatal[i]), t_wait(pid));
	}
	static const int mild[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH };
	for (size_t i = 0; i < sizeof(mild) / sizeof(mild[0]); i++) {
		eq(raise(mild[i]), 0);
	}
}

static void masks(void)
{
	sigset_t s = set_of(SIGUSR1), old, pend;

	set(SIGUSR1, record, 0, 0);
	count = 0;
	must(sigprocmask(SIG_BLOCK, &s, &old));
	eq(sigismember(&old, SIGUSR1), 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1);
	eq(count, 0);
	must(sigpending(&pend));
	eq(sigismember(&pend, SIGUSR1), 1);
	eq(sigismember(&pend, SIGUSR2), 0);
	must(sigprocmask(SIG_UNBLOCK, &s, NULL));
	eq(count, 1);
	must(sigpending(&pend));
	eq(sigismember(&pend, SIGUSR1), 0);
	sigfillset(&s);
	must(sigprocmask(SIG_SETMASK, &s, NULL));
	must(sigprocmask(SIG_BLOCK, NULL, &old));
	eq(sigismember(&old, SIGKILL), 0);
	eq(sigismember(&old, SIGSTOP), 0);
	eq(sigismember(&old, SIGTERM), 1);
	fails(syscall(SYS_rt_sigprocmask, 9, &s, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &s, NULL, 4), EINVAL);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), EFAULT);
	/* Ignoring a pending signal discards it. */
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	set(SIGUSR1, record, 0, 0);
	must(sigpending(&pend));
	eq(sigismember(&pend, SIGUSR1), 0);
	/* A blocked signal that is ignored is not queued... nor does it come later. */
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR2);
	sigemptyset(&s);
	must(sigprocmask(SIG_SETMASK, &s, NULL));
	eq(count, 1);
}

static void delivery_order(void)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	set(SIGUSR1, record, 0, 0);
	set(SIGUSR2, record, 0, 0);
	set(SIGHUP, record, 0, 0);
	set(SIGRTMIN, record, 0, 0);
	set(SIGRTMIN + 1, record, 0, 0);
	sigprocmask(SIG_SETMASK, &all, NULL);
	norder = 0;
	raise(SIGRTMIN + 1);
	raise(SIGUSR2);
	raise(SIGRTMIN);
	raise(SIGUSR1);
	raise(SIGRTMIN);
	raise(SIGHUP);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Handlers' frames stack up: the lowest number's frame is lowest, so it runs last. */
	for (int i = 0; i < norder; i++)
		say("handler %d: %s", i, order[i] >= SIGRTMIN ? (order[i] == SIGRTMIN ? "RTMIN" : "RTMIN+1")
							       : t_signame(order[i]));
	eq(norder, 6);
}

static void nested_handler(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (nested++ < 4)
		raise(sig == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	depth--;
}

static void resend(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (count++ < 3)
		raise(sig);
	depth--;
}

static void flags(void)
{
	struct sigaction sa;
	sigset_t s;

	/* Two signals, each in the other's handler: their own is blocked, the other is not. */
	set(SIGUSR1, nested_handler, 0, 0);
	set(SIGUSR2, nested_handler, 0, 0);
	depth = max_depth = nested = 0;
	raise(SIGUSR1);
	eq(max_depth, 2);
	eq(nested, 5);
	depth = max_depth = count = 0;
	set(SIGUSR1, resend, 0, 0);
	raise(SIGUSR1);
	eq(max_depth, 1);
	eq(count, 4);
	depth = max_depth = count = 0;
	set(SIGUSR1, resend, SA_NODEFER, 0);
	raise(SIGUSR1);
	eq(max_depth, 4);
	/* sa_mask holds another one back. */
	depth = max_depth = nested = 0;
	set(SIGUSR1, nested_handler, 0, SIGUSR2);
	set(SIGUSR2, record, 0, 0);
	count = 0;
	raise(SIGUSR1);
	eq(max_depth, 1);
	eq(count, 1);
	set(SIGUSR1, record, SA_RESETHAND, 0);
	count = 0;
	raise(SIGUSR1);
	eq(count, 1);
	sigaction(SIGUSR1, NULL, &sa);
	ok(sa.sa_handler == SIG_DFL);
	sigprocmask(SIG_BLOCK, NULL, &s);
	eq(sigismember(&s, SIGUSR1), 0);
	eq(sigismember(&s, SIGUSR2), 0);
	set(SIGUSR1, record, SA_RESTART | SA_NODEFER, SIGINT);
	sigaction(SIGUSR1, NULL, &sa);
	eq(sa.sa_flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO), SA_RESTART | SA_NODEFER);
	eq(sigismember(&sa.sa_mask, SIGINT), 1);
	eq(sigismember(&sa.sa_mask, SIGTERM), 0);
}

static siginfo_t last;

static void keep_info(int sig, siginfo_t *si, void *ctx)
{
	last = *si;
	count++;
}

static void info(void)
{
	struct sigaction sa = { .sa_sigaction = keep_info, .sa_flags = SA_SIGINFO };

	must(sigaction(SIGUSR1, &sa, NULL));
	must(sigaction(SIGRTMIN + 3, &sa, NULL));
	must(sigaction(SIGCHLD, &sa, NULL));
	kill(getpid(), SIGUSR1);
	eq(last.si_signo, SIGUSR1);
	eq(last.si_code, SI_USER);
	ok(last.si_pid == getpid() && last.si_uid == getuid());
	raise(SIGUSR1);
	eq(last.si_code, SI_TKILL);
	ok(last.si_pid == getpid());
	union sigval v = { .sival_int = 12345 };
	eq(sigqueue(getpid(), SIGRTMIN + 3, v), 0);
	eq(last.si_signo, SIGRTMIN + 3);
	eq(last.si_code, SI_QUEUE);
	eq(last.si_value.sival_int, 12345);
	ok(last.si_pid == getpid() && last.si_uid == getuid());
	fails(sigqueue(0x7ffffff0, SIGUSR1, v), ESRCH);
	fails(sigqueue(getpid(), 77, v), EINVAL);
	/* From a child, by kill and by sigqueue with a pointer. */
	int p[2];
	must(pipe(p));
	count = 0;
	sigset_t s = set_of(SIGCHLD), old;
	sigprocmask(SIG_BLOCK, &s, &old);
	pid_t parent = getpid();
	pid_t pid = must(fork());
	if (pid == 0) {
		v.sival_ptr = (void *)0x1234567890UL;
		sigqueue(parent, SIGRTMIN + 3, v);
		_exit(7);
	}
	while (count == 0)
		t_sleep_ms(1);
	ok(last.si_pid == pid);
	ok(last.si_value.sival_ptr == (void *)0x1234567890UL);
	siginfo_t got;
	int sig;
	do
		sig = sigwaitinfo(&s, &got);
	while (sig == -1 && errno == EINTR);
	eq(sig, SIGCHLD);
	eq(got.si_code, CLD_EXITED);
	eq(got.si_status, 7);
	ok(got.si_pid == pid && got.si_uid == getuid());
	eqs(t_wait(pid), "exit 7");
	pid = must(fork());
	if (pid == 0) {
		raise(SIGKILL);
		_exit(0);
	}
	eq(sigwaitinfo(&s, &got), SIGCHLD);
	eq(got.si_code, CLD_KILLED);
	eq(got.si_status, SIGKILL);
	eqs(t_wait(pid), "killed by SIGKILL");
	/* Only for oneself may si_code be feigned. */
	siginfo_t fake = { .si_signo = SIGUSR1, .si_code = SI_USER };
	pid = must(fork());
	if (pid == 0) {
		fake.si_code = SI_USER;
		int r = syscall(SYS_rt_sigqueueinfo, parent, SIGRTMIN + 3, &fake);
		_exit(r == -1 && errno == EPERM ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
}

static void between(void)
{
	/* Parent and child throw signals at each other 500 times: none is lost. */
	sigset_t s = set_of(SIGUSR1), none;
	int n = 0;
	pid_t parent = getpid();

	sigemptyset(&none);
	set(SIGUSR1, record, 0, 0);
	sigprocmask(SIG_BLOCK, &s, NULL);
	count = 0;
	pid_t pid = must(fork());
	if (pid == 0) {
		for (int i = 0; i < 500; i++) {
			int sig;
			sigwait(&s, &sig);
			kill(parent, SIGUSR1);
		}
		_exit(0);
	}
	for (int i = 0; i < 500; i++) {
		kill(pid, SIGUSR1);
		int before = count;
		while (count == before)
			sigsuspend(&none);
		n++;
	}
	eq(n, 500);
	eq(count, 500);
	eqs(t_wait(pid), "exit 0");
}

static void busy_loop(void)
{
	/* A signal reaches a process that makes no system call at all. */
	pid_t parent = getpid();

	set(SIGUSR1, record, 0, 0);
	count = 0;
	pid_t pid = must(fork());
	if (pid == 0) {
		for (int i = 0; i < 50; i++) {
			t_sleep_ms(2);
			kill(parent, SIGUSR1);
		}
		_exit(0);
	}
	unsigned long spins = 0;
	while (count < 10)
		spins++;
	ok(spins > 0);
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0)
		for (;;)
			spins++;
	t_sleep_ms(20);
	kill(pid, SIGTERM);
	eqs(t_wait(pid), "killed by SIGTERM");
}

static void spoil(int sig, siginfo_t *info, void *context)
{
	char *state = (char *)((ucontext_t *)context)->uc_mcontext.fpregs;

	(void)sig;
	(void)info;
	memset(state + 512 + 16, 0xff, 8); /* of the header, and to be zero */
}

static volatile int segvs;

static void forgive(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	segvs++;
}

/* What a handler left cannot be loaded: SIGSEGV, but as if what was interrupted had been at fault; it goes on. */
static void bad_frame(void)
{
	struct sigaction a = { .sa_sigaction = spoil, .sa_flags = SA_SIGINFO };
	sigset_t now;

	must(sigaction(SIGUSR1, &a, NULL));
	a.sa_sigaction = forgive;
	must(sigaction(SIGSEGV, &a, NULL));
	eq(raise(SIGUSR1), 0);
	eq(segvs, 1);
	must(sigprocmask(SIG_BLOCK, NULL, &now));
	ok(!sigismember(&now, SIGUSR1));
	ok(!sigismember(&now, SIGSEGV));
}

T_MAIN(T(dispositions), T(masks), T(delivery_order), T(flags), T(info), T(between), T(busy_loop), T(bad_frame))
