// SPDX-License-Identifier: LGPL-3.0-or-later
/* alarm, interval timers, POSIX timers: argument checks on top of fs/timer.c. */
#include "libos/sys/sys.h"
#include "libos/sys/wait_end.h"
#include "libos/fs/timer.h"

static struct itimerval to_itimerval(const struct timer_value *v)
{
	/* Round up: an armed timer never reads as zero. */
	s64 us = (v->value + 999) / 1000;

	return (struct itimerval){
		.it_value = { us / 1000000, us % 1000000 },
		.it_interval = { v->interval / NSEC, v->interval % NSEC / 1000 },
	};
}

static bool itimerval_valid(const struct itimerval *v)
{
	return v->it_value.tv_sec >= 0 && (u64)v->it_value.tv_usec < 1000000 &&
	       v->it_interval.tv_sec >= 0 && (u64)v->it_interval.tv_usec < 1000000;
}

static s64 timeval_ns(s64 sec, s64 usec)
{
	struct timespec ts = { .tv_sec = sec, .tv_nsec = usec * 1000 };

	return timespec_ns(&ts);
}

long sys_setitimer(int which, const void *value, void *old)
{
	struct itimerval set = { 0 }, was;
	struct timer_value v, o = { 0 };
	int r;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (value && user_read(&set, value, sizeof(set)) < 0)
		return -EFAULT;
	if (!itimerval_valid(&set))
		return -EINVAL;
	v.value = timeval_ns(set.it_value.tv_sec, set.it_value.tv_usec);
	v.interval = timeval_ns(set.it_interval.tv_sec, set.it_interval.tv_usec);
	r = which == ITIMER_REAL ? timer_set_real(&v, &o) : timer_cpu_set(which, &v, &o);
	was = to_itimerval(&o);
	if (r < 0)
		return r;
	return old ? user_write(old, &was, sizeof(was)) : 0;
}

long sys_getitimer(int which, void *value)
{
	struct timer_value v;
	struct itimerval now;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (which == ITIMER_REAL)
		timer_get_real(&v);
	else
		timer_cpu_get(which, &v);
	now = to_itimerval(&v);
	return user_write(value, &now, sizeof(now));
}

long sys_alarm(unsigned seconds)
{
	struct timer_value set = { .value = (s64)seconds * NSEC }, old;
	int r = timer_set_real(&set, &old);

	if (r < 0 || !old.value)
		return r;
	/* As Linux: to the nearest second, but never 0 for one that was set. */
	return MAX((old.value + NSEC / 2) / NSEC, 1);
}

static int timer_clock(int clock)
{
	struct process *p = this_process();

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		return clock;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EPERM;
	}
	/* made from a pid: the caller's own CPU clock or none */
	if (clock < 0 && (clock & 3) != 3 && !(clock & 4) &&
	    (~(clock >> 3) == p->pid || ~(clock >> 3) == 0))
		return CLOCK_PROCESS_CPUTIME_ID;
	return clock < 0 || clock > CLOCK_TAI ? -EINVAL : -EOPNOTSUPP;
}

static bool thread_exists(struct process *p, s32 tid)
{
	struct thread *t;
	bool found = false;

	lock(&p->lock);
	list_for_each (t, &p->threads, sibling)
		found |= t->tid == tid;
	unlock(&p->lock);
	return found;
}

static int event_check(const struct sigevent *ev)
{
	switch (ev->sigev_notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_THREAD_ID:
		if (!thread_exists(this_process(), ev->sigev_notify_thread_id))
			return -EINVAL;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return ev->sigev_signo < 1 || ev->sigev_signo > SIG_COUNT ? -EINVAL : 0;
}

long sys_timer_create(int clock, const void *sev, int *id)
{
	struct sigevent ev;
	int r, c = timer_clock(clock);

	if (c < 0)
		return c;
	if (sev && user_read(&ev, sev, sizeof(ev)) < 0)
		return -EFAULT;
	r = sev ? event_check(&ev) : 0;
	if (r < 0)
		return r;
	r = timer_create(c, sev ? &ev : NULL);
	if (r < 0)
		return r;
	if (user_write(id, &r, sizeof(r)) == 0)
		return 0;
	return timer_delete(r) < 0 ? -EINVAL : -EFAULT;
}

static struct itimerspec to_itimerspec(const struct timer_value *v)
{
	return (struct itimerspec){ .it_value = ns_timespec(v->value),
				    .it_interval = ns_timespec(v->interval) };
}

long sys_timer_settime(int id, int flags, const void *value, void *old)
{
	struct timer_value v, o;
	struct itimerspec set, was;
	int r;

	if (!value || user_read(&set, value, sizeof(set)) < 0)
		return value ? -EFAULT : -EINVAL;
	if (!timespec_valid(&set.it_value) || !timespec_valid(&set.it_interval))
		return -EINVAL;
	v.value = timespec_ns(&set.it_value);
	v.interval = timespec_ns(&set.it_interval);
	r = timer_settime(id, flags & TIMER_ABSTIME, &v, &o);
	if (r < 0 || !old)
		return r;
	was = to_itimerspec(&o);
	return user_write(old, &was, sizeof(was));
}

long sys_timer_gettime(int id, void *value)
{
	struct timer_value v;
	struct itimerspec now;
	int r = timer_gettime(id, &v);

	if (r < 0)
		return r;
	now = to_itimerspec(&v);
	return user_write(value, &now, sizeof(now));
}

long sys_timer_getoverrun(int id)
{
	return timer_getoverrun(id);
}

long sys_timer_delete(int id)
{
	return timer_delete(id);
}
