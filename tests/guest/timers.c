// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Clocks and timers: alarm, interval timers, POSIX timers, sleeps, times.
 */
#include "lib/t.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/times.h>

static volatile sig_atomic_t count;
static siginfo_t last;

static void record(int sig, siginfo_t *si, void *ctx)
{
	count++;
	last = *si;
}

static void hook(int sig)
{
	struct sigaction sa = { .sa_sigaction = record, .sa_flags = SA_SIGINFO };

	must(sigaction(sig, &sa, NULL));
}

static void burn(int ms)
{
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
}

static void clocks(void)
{
	static const struct {
		const char *name;
		int id;
	} list[] = { { "realtime", CLOCK_REALTIME }, { "monotonic", CLOCK_MONOTONIC },
		     { "process", CLOCK_PROCESS_CPUTIME_ID }, { "thread", CLOCK_THREAD_CPUTIME_ID },
		     { "raw", CLOCK_MONOTONIC_RAW }, { "realtime coarse", CLOCK_REALTIME_COARSE },
		     { "monotonic coarse", CLOCK_MONOTONIC_COARSE }, { "boottime", CLOCK_BOOTTIME } };
	struct timespec a, b;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		must(clock_gettime(list[i].id, &a));
		bool forward = true;
		for (int k = 0; k < 1000; k++) {
			must(clock_gettime(list[i].id, &b));
			forward = forward && (b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
			forward = forward && b.tv_nsec >= 0 && b.tv_nsec < 1000000000;
			a = b;
		}
		say("%s: %s", list[i].name, forward ? "forward" : "backward");
		eq(clock_getres(list[i].id, &a), 0);
	}
	fails(syscall(SYS_clock_gettime, 77, &a), EINVAL);
	fails(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8), EFAULT);
	fails(clock_getres(77, &a), EINVAL);
	struct timeval tv;
	must(gettimeofday(&tv, NULL));
	must(clock_gettime(CLOCK_REALTIME, &a));
	ok(a.tv_sec - tv.tv_sec <= 1);
	ok(labs(time(NULL) - a.tv_sec) <= 1);
	if (!t_root()) {
		fails(clock_settime(CLOCK_REALTIME, &a), EPERM);
		fails(settimeofday(&tv, NULL), EPERM);
	}
	struct tms tms;
	clock_t t0 = times(&tms);
	ok(t0 != (clock_t)-1);
	burn(60);
	clock_t u0 = tms.tms_utime + tms.tms_stime;
	t_sleep_ms(30);
	clock_t t1 = times(&tms);
	ok(t1 - t0 >= 8);
	ok((clock_t)(tms.tms_utime + tms.tms_stime) >= u0 + 4);
	ok(clock() > 0);
	must(clock_gettime(CLOCK_MONOTONIC, &a));
	must(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b));
	ok((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 0);
	struct timex tx = { 0 };
	ok(adjtimex(&tx) >= 0);
}

static void sleeping(void)
{
	struct timespec ts = { 0, 50000000 }, bad = { 0, 1000000000 }, neg = { -1, 0 };
	long long t0 = t_now_ms();

	eq(nanosleep(&ts, NULL), 0);
	ok(t_now_ms() - t0 >= 50);
	fails(nanosleep(&bad, NULL), EINVAL);
	fails(nanosleep(&neg, NULL), EINVAL);
	fails(syscall(SYS_nanosleep, 8, NULL), EFAULT);
	t0 = t_now_ms();
	eq(clock_nanosleep(CLOCK_REALTIME, 0, &ts, NULL), 0);
	ok(t_now_ms() - t0 >= 50);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	t0 = t_now_ms();
	eq(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
	ok(t_now_ms() - t0 >= 49);
	eq(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
	eq(clock_nanosleep(77, 0, &ts, NULL), EINVAL);
	eq(usleep(1000), 0);
	eq(sleep(0), 0);
	hook(SIGALRM);
	alarm(1);
	ok(sleep(10) >= 8);
	eq(count, 1);
	/* An interrupted absolute sleep returns EINTR, and no remainder is written. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 10;
	struct timespec rem = { 123, 456 };
	alarm(1);
	eq(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rem), EINTR);
	eq(rem.tv_sec, 123);
	alarm(20);
}

static void alarms(void)
{
	hook(SIGALRM);
	alarm(0);
	eq(alarm(50), 0);
	ok(alarm(20) >= 49);
	ok(alarm(0) >= 19);
	struct itimerval it = { { 0, 0 }, { 0, 30000 } }, old;
	eq(setitimer(ITIMER_REAL, &it, NULL), 0);
	eq(getitimer(ITIMER_REAL, &old), 0);
	ok(old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 30000);
	pause();
	eq(count, 1);
	eq(last.si_signo, SIGALRM);
	eq(last.si_code, SI_KERNEL);
	it.it_interval.tv_usec = 10000;
	count = 0;
	must(setitimer(ITIMER_REAL, &it, NULL));
	while (count < 5)
		pause();
	memset(&it, 0, sizeof(it));
	eq(setitimer(ITIMER_REAL, &it, &old), 0);
	eq(old.it_interval.tv_usec, 10000);
	int before = count;
	t_sleep_ms(50);
	eq(count, before);
	fails(setitimer(9, &it, NULL), EINVAL);
	it.it_value.tv_usec = 1000000;
	fails(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	fails(getitimer(9, &it), EINVAL);
	/* By processor time. */
	hook(SIGVTALRM);
	hook(SIGPROF);
	it = (struct itimerval){ { 0, 0 }, { 0, 20000 } };
	count = 0;
	must(setitimer(ITIMER_VIRTUAL, &it, NULL));
	while (count == 0)
		burn(1);
	eq(last.si_signo, SIGVTALRM);
	count = 0;
	must(setitimer(ITIMER_PROF, &it, NULL));
	while (count == 0)
		burn(1);
	eq(last.si_signo, SIGPROF);
	/* Read all the time, it expires as soon; the rest of it is never more than was set and a tick. */
	for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
		it = (struct itimerval){ { 0, 20000 }, { 0, 50000 } };
		count = 0;
		must(setitimer(which, &it, NULL));
		while (count < 4) {
			must(getitimer(which, &old));
			if (old.it_value.tv_sec || old.it_value.tv_usec > 60000 || !old.it_value.tv_usec)
				break;
		}
		eq(count >= 4, 1);
		it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
		must(setitimer(which, &it, &old));
		eq(old.it_interval.tv_usec, 20000);
		must(getitimer(which, &old));
		eq(old.it_value.tv_usec, 0);
	}
	it = (struct itimerval){ { 0, 0 }, { 25, 0 } };
	must(setitimer(ITIMER_PROF, &it, NULL));
	must(getitimer(ITIMER_PROF, &old));
	ok(old.it_value.tv_sec == 24 || old.it_value.tv_sec == 25);
	memset(&it, 0, sizeof(it));
	must(setitimer(ITIMER_PROF, &it, NULL));
	/* Not inherited by fork, kept by exec. */
	it = (struct itimerval){ { 0, 0 }, { 30, 0 } };
	must(setitimer(ITIMER_REAL, &it, NULL));
	pid_t pid = must(fork());
	if (pid == 0) {
		getitimer(ITIMER_REAL, &old);
		_exit(old.it_value.tv_sec != 0);
	}
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (pid == 0) {
		it = (struct itimerval){ { 0, 0 }, { 0, 200000 } };
		setitimer(ITIMER_REAL, &it, NULL);
		execl("/bin/sleep", "sleep", "10", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "killed by SIGALRM");
}

static void posix_timers(void)
{
	timer_t t;
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 55 };
	struct itimerspec it = { { 0, 0 }, { 0, 20000000 } }, cur;

	hook(SIGRTMIN + 1);
	hook(SIGALRM);
	eq(timer_create(CLOCK_MONOTONIC, &se, &t), 0);
	eq(timer_gettime(t, &cur), 0);
	eq(cur.it_value.tv_sec + cur.it_value.tv_nsec, 0);
	eq(timer_settime(t, 0, &it, NULL), 0);
	while (count == 0)
		t_sleep_ms(1);
	eq(last.si_code, SI_TIMER);
	eq(last.si_value.sival_int, 55);
	/* Expirations while the signal waits are counted as overruns. */
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	it.it_interval.tv_nsec = 5000000;
	it.it_value.tv_nsec = 5000000;
	must(timer_settime(t, 0, &it, NULL));
	t_sleep_ms(100);
	siginfo_t si;
	eq(sigwaitinfo(&s, &si), SIGRTMIN + 1);
	ok(si.si_overrun >= 10);
	ok(timer_getoverrun(t) >= 10);
	memset(&it, 0, sizeof(it));
	eq(timer_settime(t, 0, &it, &cur), 0);
	eq(cur.it_interval.tv_nsec, 5000000);
	eq(timer_delete(t), 0);
	fails(syscall(SYS_timer_delete, 12345), EINVAL);
	fails(timer_create(77, &se, &t), EINVAL);
	se.sigev_signo = 99;
	fails(syscall(SYS_timer_create, CLOCK_MONOTONIC, &se, &t), EINVAL);
	se.sigev_notify = SIGEV_NONE;
	eq(timer_create(CLOCK_REALTIME, &se, &t), 0);
	it.it_value.tv_sec = 100;
	must(timer_settime(t, 0, &it, NULL));
	must(timer_gettime(t, &cur));
	ok(cur.it_value.tv_sec >= 99);
	must(timer_delete(t));
	eq(timer_create(CLOCK_MONOTONIC, NULL, &t), 0);
	count = 0;
	it.it_value = (struct timespec){ 0, 10000000 };
	must(timer_settime(t, 0, &it, NULL));
	while (count == 0)
		t_sleep_ms(1);
	eq(last.si_signo, SIGALRM);
	must(timer_delete(t));
}

T_MAIN(T(clocks), T(sleeping), T(alarms), T(posix_timers))
