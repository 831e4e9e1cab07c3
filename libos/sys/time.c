// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Clocks and sleeps. Reading a clock costs what the host's vDSO costs.
 *
 * The host gives a picoprocess clocks 0 to 11 only. Of the clock ids made from a pid (negative
 * numbers), those that mean the caller itself are turned into its own CPU clocks; others are asked
 * of their thread or process (task/attend.h).
 */
#include "libos/sys/sys.h"
#include "libos/sys/wait_end.h"
#include "libos/task/attend.h"

#define CLOCKS 12
/* include/linux/posix-timers_types.h: the pid's complement above three bits */
#define CPUCLOCK_PID(clock) ((s32)(~(u32)(clock) >> 3))
#define CPUCLOCK_PERTHREAD 4

/* The host's number for a guest's clock, or -EINVAL. */
static int clock_for_host(int clock)
{
	struct thread *t = current();
	s32 pid;

	if (clock >= 0)
		return clock < CLOCKS && clock != 10 ? clock : -EINVAL; /* 10 was CLOCK_SGI_CYCLE */
	if ((clock & 3) == 3)
		return -EINVAL; /* a descriptor's clock */
	pid = CPUCLOCK_PID(clock);
	if (clock & CPUCLOCK_PERTHREAD)
		return pid == 0 || pid == t->tid ? CLOCK_THREAD_CPUTIME_ID : -EINVAL;
	return pid == 0 || pid == t->proc->pid ? CLOCK_PROCESS_CPUTIME_ID : -EINVAL;
}

/* Another thread's or process's processor clock. */
static long clock_of_another(int clock, struct timespec *ts)
{
	struct area_usage u;
	struct timespec now;
	u64 us;
	int r;

	if (clock >= 0 || (clock & 3) == 3)
		return -EINVAL;
	/* By thread: of one's own process only (kernel/time/posix-cpu-timers.c, pid_for_clock). */
	if ((clock & CPUCLOCK_PERTHREAD) &&
	    (!area_slot(CPUCLOCK_PID(clock)) || area_slot(CPUCLOCK_PID(clock))->tgid != this_process()->pid))
		return -EINVAL;
	r = attend_cpu(CPUCLOCK_PID(clock), clock & CPUCLOCK_PERTHREAD, &u);
	if (r)
		return -EINVAL;
	us = u.user_us + ((clock & 3) == 1 ? 0 : u.system_us);
	now = (struct timespec){ .tv_sec = (s64)(us / 1000000), .tv_nsec = (s64)(us % 1000000) * 1000 };
	return user_write(ts, &now, sizeof(now));
}

long sys_clock_gettime(int clock, struct timespec *ts)
{
	struct timespec now;
	int r, c = clock_for_host(clock);

	if (c == -EINVAL)
		return clock_of_another(clock, ts);

	if (c < 0)
		return c;
	r = pal_clock_gettime(c, &now);
	return r < 0 ? r : user_write(ts, &now, sizeof(now));
}

long sys_clock_getres(int clock, struct timespec *ts)
{
	struct timespec res;
	int r, c = clock_for_host(clock);

	if (c == -EINVAL && clock < 0 && (clock & 3) != 3 && area_slot(CPUCLOCK_PID(clock)) &&
	    area_slot(CPUCLOCK_PID(clock))->state >= AREA_THREAD)
		c = CLOCK_PROCESS_CPUTIME_ID;
	if (c < 0)
		return c;
	r = pal_clock_getres(c, &res);
	return r < 0 || !ts ? r : user_write(ts, &res, sizeof(res));
}

long sys_clock_settime(int clock, const struct timespec *ts)
{
	struct timespec set;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	return user_read(&set, ts, sizeof(set)) < 0 ? -EFAULT
	       : timespec_valid(&set)		    ? -EPERM
						    : -EINVAL;
}

long sys_gettimeofday(void *tv, void *tz)
{
	struct timespec now;
	s64 out[2];

	if (tv) {
		pal_clock_gettime(CLOCK_REALTIME, &now);
		out[0] = now.tv_sec;
		out[1] = now.tv_nsec / 1000;
		if (user_write(tv, out, sizeof(out)) < 0)
			return -EFAULT;
	}
	return tz ? user_zero(tz, 8) : 0; /* struct timezone: the kernel's is UTC */
}

long sys_time(s64 *t)
{
	struct timespec now;

	pal_clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (t && user_write(t, &now.tv_sec, sizeof(*t)) < 0)
		return -EFAULT;
	return now.tv_sec;
}

/* Sleep until `at` on clock; rem gets what is left when a signal comes. */
static long sleep_until(int clock, s64 at, struct timespec *rem)
{
	struct timespec end = ns_timespec(at);

	for (;;) {
		long r = pal_sleep_until(clock, &end);

		if (r != -EINTR)
			return r;
		if (wait_interrupted())
			break;
	}
	if (rem) {
		struct timespec left = ns_timespec(ns_left(at, clock, 0));

		if (user_write(rem, &left, sizeof(left)) < 0)
			return -EFAULT;
	}
	return -EINTR;
}

static long sleep_again(struct thread *t)
{
	long r = sleep_until((int)t->restart.arg[0], (s64)t->restart.arg[1],
			     (struct timespec *)t->restart.arg[2]);

	return r == -EINTR ? -ERESTART_RESTARTBLOCK : r;
}

long sys_clock_nanosleep(int clock, int flags, const struct timespec *req, struct timespec *rem)
{
	struct thread *t = current();
	int c = clock_for_host(clock);
	struct timespec ts;
	s64 at;
	long r;

	if (c < 0)
		return c;
	if (c == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (c == CLOCK_MONOTONIC_RAW || c == CLOCK_REALTIME_COARSE || c == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	if (c == CLOCK_REALTIME_ALARM || c == CLOCK_BOOTTIME_ALARM)
		return -EPERM;
	if (user_read(&ts, req, sizeof(ts)) < 0)
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	if (flags & TIMER_ABSTIME) {
		r = sleep_until(c, timespec_ns(&ts), NULL);
		return r == -EINTR ? -ERESTARTNOHAND : r;
	}
	/* Relative sleeps on the settable clock do not follow when it is set (POSIX): they run on
	 * the other. */
	if (c == CLOCK_REALTIME)
		c = CLOCK_MONOTONIC;
	at = ns_add(clock_now(c), timespec_ns(&ts));
	r = sleep_until(c, at, rem);
	if (r != -EINTR)
		return r;
	t->restart.fn = sleep_again;
	t->restart.arg[0] = (u64)c;
	t->restart.arg[1] = (u64)at;
	t->restart.arg[2] = (u64)rem;
	return -ERESTART_RESTARTBLOCK;
}

long sys_nanosleep(const struct timespec *req, struct timespec *rem)
{
	return sys_clock_nanosleep(CLOCK_MONOTONIC, 0, req, rem);
}

/* The clock is the host's and cannot be steered; reading says that nothing is known of how good it
 * is. */
long sys_clock_adjtime(int clock, void *guest)
{
	struct __kernel_timex tx;
	struct timespec now;

	if (clock != CLOCK_REALTIME)
		return clock >= 0 && clock < CLOCKS ? -EOPNOTSUPP : -EINVAL;
	if (user_read(&tx, guest, sizeof(tx)) < 0)
		return -EFAULT;
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	pal_clock_gettime(CLOCK_REALTIME, &now);
	memset(&tx, 0, sizeof(tx));
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.tv_sec = now.tv_sec;
	tx.time.tv_usec = now.tv_nsec / 1000;
	return user_write(guest, &tx, sizeof(tx)) < 0 ? -EFAULT : TIME_ERROR;
}

long sys_adjtimex(void *tx)
{
	return sys_clock_adjtime(CLOCK_REALTIME, tx);
}
