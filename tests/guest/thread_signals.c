// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Signals among threads: masks of their own, who takes a process-wide signal, tgkill, stop and go of all.
 */
#include "lib/t.h"

#include <pthread.h>

static volatile sig_atomic_t count;
static _Thread_local volatile sig_atomic_t mine;
static volatile pid_t taken_by;

static pid_t tid(void)
{
	return syscall(SYS_gettid);
}

static int tgkill_(pid_t pid, pid_t t, int sig)
{
	return syscall(SYS_tgkill, pid, t, sig);
}

static void record(int sig)
{
	count++;
	mine++;
	taken_by = tid();
}

struct party {
	pthread_t thread;
	volatile pid_t tid;
	volatile int ready, stop, seen, block;
};

static void *sit(void *arg)
{
	struct party *p = arg;
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(p->block ? SIG_BLOCK : SIG_UNBLOCK, &s, NULL);
	p->tid = tid();
	p->ready = 1;
	while (!p->stop)
		t_sleep_ms(1);
	p->seen = mine;
	return NULL;
}

static void start(struct party *p, int block)
{
	memset(p, 0, sizeof(*p));
	p->block = block;
	zero(pthread_create(&p->thread, NULL, sit, p));
	while (!p->ready)
		t_sleep_ms(1);
}

static void finish(struct party *p)
{
	p->stop = 1;
	zero(pthread_join(p->thread, NULL));
}

static void wait_for(int n)
{
	for (int i = 0; i < 3000 && count < n; i++)
		t_sleep_ms(1);
}

static void directed(void)
{
	struct party a, b;

	signal(SIGUSR1, record);
	start(&a, 0);
	start(&b, 0);
	ok(a.tid != b.tid && a.tid != getpid() && tid() == getpid());
	zero(pthread_kill(a.thread, SIGUSR1));
	wait_for(1);
	ok(taken_by == a.tid);
	eq(tgkill_(getpid(), b.tid, SIGUSR1), 0);
	wait_for(2);
	ok(taken_by == b.tid);
	eq(syscall(SYS_tkill, b.tid, SIGUSR1), 0);
	wait_for(3);
	ok(taken_by == b.tid);
	raise(SIGUSR1);
	ok(taken_by == tid());
	eq(count, 4);
	fails(tgkill_(getpid(), 0x3ffffff0, SIGUSR1), ESRCH);
	fails(tgkill_(getppid(), a.tid, SIGUSR1), ESRCH);
	fails(tgkill_(getpid(), -1, SIGUSR1), EINVAL);
	fails(tgkill_(getpid(), a.tid, 99), EINVAL);
	eq(tgkill_(getpid(), a.tid, 0), 0);
	finish(&a);
	finish(&b);
	eq(a.seen, 1);
	eq(b.seen, 2);
	fails(tgkill_(getpid(), a.tid, 0), ESRCH);
}

static void shared(void)
{
	struct party a, b;
	sigset_t s, pend;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	signal(SIGUSR1, record);
	/* Only b lets it in: b takes it. */
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	start(&a, 1);
	start(&b, 0);
	for (int i = 0; i < 20; i++) {
		int before = count;
		kill(getpid(), SIGUSR1);
		wait_for(before + 1);
	}
	finish(&b);
	eq(b.seen, 20);
	/* Nobody lets it in: it waits, in everyone's pending set; one sent to a thread only in that one's. */
	kill(getpid(), SIGUSR1);
	sigpending(&pend);
	eq(sigismember(&pend, SIGUSR1), 1);
	struct party c;
	start(&c, 0);
	wait_for(21);
	finish(&c);
	eq(c.seen, 1);
	sigpending(&pend);
	eq(sigismember(&pend, SIGUSR1), 0);
	zero(pthread_kill(a.thread, SIGUSR1));
	sigpending(&pend);
	eq(sigismember(&pend, SIGUSR1), 0);
	finish(&a);
	eq(a.seen, 0);
	eq(count, 21);
}

static void *mask_child(void *arg)
{
	sigset_t s;

	pthread_sigmask(SIG_BLOCK, NULL, &s);
	int inherited = sigismember(&s, SIGUSR2);
	sigemptyset(&s);
	sigaddset(&s, SIGHUP);
	pthread_sigmask(SIG_SETMASK, &s, NULL);
	sigset_t pend;
	sigpending(&pend);
	return (void *)(intptr_t)(inherited * 10 + sigismember(&pend, SIGUSR2));
}

static void masks(void)
{
	sigset_t s;
	pthread_t t;
	void *r;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	zero(pthread_kill(pthread_self(), SIGUSR2));
	zero(pthread_create(&t, NULL, mask_child, NULL));
	zero(pthread_join(t, &r));
	eq((intptr_t)r, 10);
	pthread_sigmask(SIG_BLOCK, NULL, &s);
	eq(sigismember(&s, SIGHUP), 0);
	eq(sigismember(&s, SIGUSR2), 1);
}

static void *fault(void *arg)
{
	*(volatile int *)16 = 1;
	return NULL;
}

static void *runner(void *arg)
{
	volatile int *n = arg;

	for (;;)
		(*n)++;
	return NULL;
}

static void whole_process(void)
{
	pthread_t t;
	int st;
	volatile int *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = must(fork());

	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, runner, (void *)(n + i));
		pause();
		_exit(0);
	}
	while (!n[0] || !n[1] || !n[2])
		t_sleep_ms(1);
	kill(pid, SIGSTOP);
	eq(waitpid(pid, &st, WUNTRACED) == pid, 1);
	t_sleep_ms(20);
	int before = n[0] + n[1] + n[2];
	t_sleep_ms(50);
	ok(before == n[0] + n[1] + n[2]);
	kill(pid, SIGCONT);
	waitpid(pid, &st, WCONTINUED);
	t_sleep_ms(50);
	ok(before != n[0] + n[1] + n[2]);
	kill(pid, SIGTERM);
	eqs(t_wait(pid), "killed by SIGTERM");
	pid = must(fork());
	if (pid == 0) {
		pthread_create(&t, NULL, fault, NULL);
		for (;;)
			pause();
	}
	eqs(t_wait(pid), "killed by SIGSEGV");
}

static volatile int stop_storm;

static void *storm(void *arg)
{
	while (!stop_storm)
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

/* System calls under a storm of signals: every result stays right. */
static void storms(void)
{
	pthread_t me = pthread_self(), t;
	struct sigaction sa = { .sa_handler = record, .sa_flags = SA_RESTART };
	int p[2], bad = 0;
	char b[16];

	must(sigaction(SIGUSR1, &sa, NULL));
	must(pipe(p));
	stop_storm = 0;
	zero(pthread_create(&t, NULL, storm, &me));
	for (int i = 0; i < 2000; i++) {
		if (write(p[1], "0123456789", 10) != 10 || read(p[0], b, 16) != 10 || memcmp(b, "0123456789", 10))
			bad++;
		if (getppid() <= 0)
			bad++;
		void *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED || munmap(m, 8192))
			bad++;
		if (i % 50 == 0) {
			pid_t pid = fork();
			if (pid == 0)
				_exit(9);
			int st = 0;
			if (waitpid(pid, &st, 0) != pid || WEXITSTATUS(st) != 9)
				bad++;
		}
	}
	stop_storm = 1;
	zero(pthread_join(t, NULL));
	eq(bad, 0);
	/* On a machine with much to do the sender gets little time. */
	ok(count > 0);
}

T_MAIN(T(directed), T(shared), T(masks), T(whole_process), T(storms))
