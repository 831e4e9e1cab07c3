/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Resource limits and usage. Limits are the guest's own and enforced where the resource is handed out; those that only
 * the host can enforce are passed on when they get smaller than the host's.
 */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"

#define TICKS 100 /* USER_HZ */

static bool host_enforces(unsigned res)
{
	return res == RLIMIT_CPU || res == RLIMIT_FSIZE || res == RLIMIT_CORE;
}

static int set_limit(struct process *p, unsigned res, const struct rlimit64 *new)
{
	struct rlimit64 host, *lim = &p->rlimits[res];
	int err = 0;

	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (res == RLIMIT_NOFILE && new->rlim_max > lim->rlim_max)
		return -EPERM; /* beyond what the picoprocess has, root or not */
	lock(&p->lock);
	if (new->rlim_max > lim->rlim_max && !(p->cred.cap_effective & (1ull << CAP_SYS_RESOURCE)))
		err = -EPERM;
	else
		*lim = *new;
	unlock(&p->lock);
	if (err)
		return err;
	if (host_enforces(res) && !pal_prlimit((int)res, NULL, &host)) {
		/* The host's hard limit stays, so that a soft one can be raised again. */
		host.rlim_cur = MIN(new->rlim_cur, host.rlim_max);
		(void)!pal_prlimit((int)res, &host, NULL);
	}
	if (res == RLIMIT_STACK)
		mm_stack_limit(p->mm, new->rlim_cur);
	return 0;
}

static int limit(unsigned res, const struct rlimit64 *new, struct rlimit64 *old)
{
	struct process *p = this_process();

	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	if (old) {
		lock(&p->lock);
		*old = p->rlimits[res];
		unlock(&p->lock);
	}
	return new ? set_limit(p, res, new) : 0;
}

long sys_getrlimit(unsigned res, void *rlim)
{
	struct rlimit64 old;

	return limit(res, NULL, &old) ?: user_write(rlim, &old, sizeof(old));
}

long sys_setrlimit(unsigned res, const void *rlim)
{
	struct rlimit64 new;

	return user_read(&new, rlim, sizeof(new)) ?: limit(res, &new, NULL);
}

long sys_prlimit64(s32 pid, unsigned res, const void *set, void *old)
{
	struct rlimit64 before, new;
	struct area_slot *s;
	int err;

	if (pid && pid != this_process()->pid && pid != current()->tid) {
		s = area_process(pid);
		if (!s)
			return -ESRCH;
		/* Another instance's limits live in that instance. */
		return -EPERM;
	}
	if (set && user_read(&new, set, sizeof(new)))
		return -EFAULT;
	err = limit(res, set ? &new : NULL, old ? &before : NULL);
	return err ?: old ? user_write(old, &before, sizeof(before)) : 0;
}

long sys_getrusage(int who, void *guest)
{
	struct process *p = this_process();
	struct rusage ru = { 0 };
	int err = 0;

	switch (who) {
	case RUSAGE_CHILDREN:
		/* Only what was waited for counts, also on Linux; the host's figure would include
		 * what the libOS reaps. */
		lock(&p->lock);
		ru = p->children_usage;
		unlock(&p->lock);
		break;
	case RUSAGE_SELF:
	case RUSAGE_THREAD:
		err = pal_getrusage(who, &ru);
		break;
	default:
		return -EINVAL;
	}
	return err ?: user_write(guest, &ru, sizeof(ru));
}

static s64 ticks(const struct __kernel_old_timeval *tv)
{
	return tv->tv_sec * TICKS + tv->tv_usec / (1000000 / TICKS);
}

long sys_times(void *guest)
{
	struct process *p = this_process();
	struct timespec now;
	struct rusage ru;
	struct tms t;
	int err = pal_getrusage(RUSAGE_SELF, &ru);

	if (!err)
		err = pal_clock_gettime(CLOCK_BOOTTIME, &now);
	if (err)
		return err;
	lock(&p->lock);
	t.tms_utime = ticks((void *)&ru.ru_utime);
	t.tms_stime = ticks((void *)&ru.ru_stime);
	t.tms_cutime = ticks((void *)&p->children_usage.ru_utime);
	t.tms_cstime = ticks((void *)&p->children_usage.ru_stime);
	unlock(&p->lock);
	if (guest && user_write(guest, &t, sizeof(t)))
		return -EFAULT;
	return now.tv_sec * TICKS + now.tv_nsec / (1000000000 / TICKS);
}
