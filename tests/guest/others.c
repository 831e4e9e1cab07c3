// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What one process may set and ask of another: limits, priorities, scheduling, CPUs, processor clocks.
 */
#include "lib/t.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

static volatile sig_atomic_t seen;

static void on_signal(int sig)
{
	seen++;
}

static int sleeper(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Opens a file when told and says how that went. */
static int opener(void *arg)
{
	struct gate *g = arg;

	gate_wait(g);
	return open("/dev/null", O_RDONLY) < 0 ? errno : 0;
}

static void limits(void)
{
	struct rlimit rl = { 3, 50 }, old;
	struct gate g;
	pid_t pid;

	gate_init(&g);
	pid = t_fork(opener, &g);
	eq(prlimit(pid, RLIMIT_NOFILE, &rl, NULL), 0);
	eq(prlimit(pid, RLIMIT_NOFILE, NULL, &old), 0);
	eq(old.rlim_cur, 3);
	eq(old.rlim_max, 50);
	rl.rlim_cur = 60;
	fails(prlimit(pid, RLIMIT_NOFILE, &rl, NULL), EINVAL);
	rl.rlim_max = 60;
	if (!t_root())
		fails(prlimit(pid, RLIMIT_NOFILE, &rl, NULL), EPERM);
	fails(prlimit(pid, 99, NULL, &old), EINVAL);
	fails(prlimit(0x3fffff, RLIMIT_NOFILE, NULL, &old), ESRCH);
	gate_open(&g);
	eqs(t_wait(pid), "exit 24");
}

static int burn(void *arg)
{
	for (;;)
		;
	return 0;
}

/* A running process gets a limit of processor time from outside. */
static void cpu_limit(void)
{
	struct rlimit rl = { 1, RLIM_INFINITY };
	pid_t pid = t_fork(burn, NULL);

	eq(prlimit(pid, RLIMIT_CPU, &rl, NULL), 0);
	eqs(t_wait(pid), "killed by SIGXCPU");
}

static int handles(void *arg)
{
	struct rlimit rl = { 1, RLIM_INFINITY };

	signal(SIGXCPU, on_signal);
	setrlimit(RLIMIT_CPU, &rl);
	while (!seen)
		;
	return 3;
}

static void cpu_limit_caught(void)
{
	eqs(t_wait(t_fork(handles, NULL)), "exit 3");
}

static int runs_out(void *arg)
{
	struct rlimit rl = { 1, 1 };

	signal(SIGXCPU, on_signal);
	setrlimit(RLIMIT_CPU, &rl);
	for (;;)
		;
	return 0;
}

static void cpu_limit_hard(void)
{
	eqs(t_wait(t_fork(runs_out, NULL)), "killed by SIGKILL");
}

static void processes(void)
{
	struct rlimit rl = { 0, 0 };
	pid_t pid = must(fork());

	if (!pid) {
		setrlimit(RLIMIT_NPROC, &rl);
		if (!t_root())
			fails(fork(), EAGAIN);
		_exit(0);
	}
	eqs(t_wait(pid), "exit 0");
}

static void priorities(void)
{
	pid_t pid = t_fork(sleeper, NULL);

	setpgid(0, 0);
	eq(setpriority(PRIO_PROCESS, (id_t)pid, 5), 0);
	eq(getpriority(PRIO_PROCESS, (id_t)pid), 5);
	eq(getpriority(PRIO_PROCESS, 0), 0);
	if (!t_root())
		fails(setpriority(PRIO_PROCESS, (id_t)pid, 1), EACCES);
	setpgid(pid, pid);
	eq(setpriority(PRIO_PGRP, (id_t)pid, 7), 0);
	eq(getpriority(PRIO_PGRP, (id_t)pid), 7);
	eq(getpriority(PRIO_PGRP, 0), 0);
	fails(getpriority(PRIO_PROCESS, 0x3fffff), ESRCH);
	fails(getpriority(PRIO_PGRP, 0x3fffff), ESRCH);
	fails(setpriority(PRIO_PROCESS, 0x3fffff, 3), ESRCH);
	eq(syscall(SYS_ioprio_get, 1, pid), 0);
	eq(syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 6), 0);
	eq(syscall(SYS_ioprio_get, 1, pid), 2 << 13 | 6);
	eq(syscall(SYS_ioprio_set, 1, pid, 3 << 13), 0);
	fails(syscall(SYS_ioprio_set, 1, pid, 7 << 13), EINVAL);
	fails(syscall(SYS_ioprio_set, 9, pid, 0), EINVAL);
	fails(syscall(SYS_ioprio_get, 1, 0x3fffff), ESRCH);
	end(pid);
}

static void policies(void)
{
	struct sched_param none = { 0 }, nine = { .sched_priority = 9 };
	pid_t pid = t_fork(sleeper, NULL), child;

	eq(syscall(SYS_sched_setscheduler, pid, SCHED_BATCH, &none), 0);
	eq(syscall(SYS_sched_getscheduler, pid), SCHED_BATCH);
	eq(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
	eq(syscall(SYS_sched_setscheduler, pid, SCHED_IDLE, &none), 0);
	eq(syscall(SYS_sched_getscheduler, pid), SCHED_IDLE);
	if (!t_root()) {
		fails(syscall(SYS_sched_setscheduler, pid, SCHED_OTHER, &none), EPERM);
		fails(syscall(SYS_sched_setscheduler, pid, SCHED_FIFO, &nine), EPERM);
	}
	fails(syscall(SYS_sched_setscheduler, pid, SCHED_BATCH, &nine), EINVAL);
	fails(syscall(SYS_sched_setscheduler, pid, SCHED_FIFO, &none), EINVAL);
	fails(syscall(SYS_sched_setscheduler, 0x3fffff, SCHED_OTHER, &none), ESRCH);
	fails(syscall(SYS_sched_getscheduler, 0x3fffff), ESRCH);
	fails(syscall(SYS_sched_getscheduler, -1), EINVAL);
	eq(syscall(SYS_sched_getparam, pid, &nine), 0);
	eq(nine.sched_priority, 0);
	end(pid);
	/* Inherited; to be reset means real-time policies only. */
	eq(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none), 0);
	child = must(fork());
	if (!child)
		_exit((int)syscall(SYS_sched_getscheduler, 0));
	eqs(t_wait(child), "exit 3");
	eq(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH | 0x40000000, &none), 0);
	child = must(fork());
	if (!child)
		_exit((int)syscall(SYS_sched_getscheduler, 0));
	eqs(t_wait(child), "exit 3");
	eq(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH | 0x40000000);
}

static void cpus(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	cpu_set_t all, one, got;
	int first = 0;

	must(sched_getaffinity(0, sizeof(all), &all));
	eq(sched_getaffinity(pid, sizeof(got), &got), 0);
	ok(CPU_EQUAL(&got, &all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	eq(sched_setaffinity(pid, sizeof(one), &one), 0);
	eq(sched_getaffinity(pid, sizeof(got), &got), 0);
	ok(CPU_EQUAL(&got, &one));
	must(sched_getaffinity(0, sizeof(got), &got));
	ok(CPU_EQUAL(&got, &all));
	CPU_ZERO(&one);
	fails(sched_setaffinity(pid, sizeof(one), &one), EINVAL);
	fails(sched_setaffinity(0, sizeof(one), &one), EINVAL);
	fails(sched_setaffinity(0x3fffff, sizeof(one), &all), ESRCH);
	fails(sched_getaffinity(0x3fffff, sizeof(one), &got), ESRCH);
	end(pid);
}

static long long cpu_ns(clockid_t c)
{
	struct timespec ts;

	return clock_gettime(c, &ts) ? -1 : ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* It comes to have run for a while, however loaded the machine is. */
static bool grows(clockid_t c)
{
	for (int i = 0; i < 200 && cpu_ns(c) >= 0 && cpu_ns(c) <= 20000000; i++)
		t_sleep_ms(50);
	return cpu_ns(c) > 20000000;
}

static void *spin(void *arg)
{
	for (;;)
		;
	return NULL;
}

static void *doze(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void clocks(void)
{
	pid_t busy = t_fork(burn, NULL), idle = t_fork(sleeper, NULL);
	pthread_t spinning, dozing;
	clockid_t c;

	eq(clock_getcpuclockid(busy, &c), 0);
	ok(grows(c));
	eq(clock_getcpuclockid(idle, &c), 0);
	ok(cpu_ns(c) >= 0 && cpu_ns(c) < 100000000);
	ok(clock_getcpuclockid(0x3fffff, &c) != 0);
	kill(busy, SIGSTOP);
	waitpid(busy, NULL, WUNTRACED);
	clock_getcpuclockid(busy, &c);
	ok(cpu_ns(c) > 20000000);
	end(busy);
	end(idle);
	zero(pthread_create(&spinning, NULL, spin, NULL));
	zero(pthread_create(&dozing, NULL, doze, NULL));
	zero(pthread_getcpuclockid(spinning, &c));
	ok(grows(c));
	zero(pthread_getcpuclockid(dozing, &c));
	ok(cpu_ns(c) >= 0 && cpu_ns(c) < 100000000);
}

static int queue_to(void *arg)
{
	union sigval v = { .sival_int = 1 };
	pid_t to = getppid();
	int n = 0;

	while (n < 1000 && !sigqueue(to, SIGRTMIN, v))
		n++;
	return n == 1000 ? 0 : 1;
}

/* More real-time signals than any inbox has room for: none lost, in order, and the limit holds. */
static void many_signals(void)
{
	struct rlimit rl = { 100, 100 };
	struct timespec none = { 0 };
	sigset_t set;
	siginfo_t si;
	pid_t pid;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = t_fork(queue_to, NULL);
	eqs(t_wait(pid), "exit 0");
	while (sigtimedwait(&set, &si, &none) > 0)
		n += si.si_pid == pid && si.si_value.sival_int == 1;
	eq(n, 1000);
	setrlimit(RLIMIT_SIGPENDING, &rl);
	for (n = 0; n < 1000 && !sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }); n++)
		;
	ok(n <= 100);
	fails(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }), EAGAIN);
	eq(kill(getpid(), SIGRTMIN), 0);
}

T_MAIN(T(limits), T(cpu_limit), T(cpu_limit_caught), T(cpu_limit_hard), T(processes), T(priorities), T(policies), T(cpus), T(clocks), T(many_signals))
