/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Resource limits and usage. Limits are the guest's own and enforced where the resource is handed out; those that only
 * the host can enforce are passed on.
 */
#include "libos/sys/sys.h"
#include "libos/task/attend.h"

#define TICKS 100 /* USER_HZ */

static bool host_enforces(unsigned res)
{
	return res == RLIMIT_CPU || res == RLIMIT_FSIZE || res == RLIMIT_STACK;
}

/* Limits stand in the slot, so that others may change them; what the host enforces its process passes on. */
static int set_limit(struct area_slot *s, unsigned res, const struct rlimit64 *new)
{
	struct rlimit64 *lim = &s->limits[res];

	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (res == RLIMIT_NOFILE && new->rlim_max > lim->rlim_max)
		return -EPERM; /* beyond what the picoprocess has, root or not */
	if (new->rlim_max > lim->rlim_max && !(this_process()->cred.cap_effective & (1ull << CAP_SYS_RESOURCE)))
		return -EPERM;
	lim->rlim_max = new->rlim_max;
	lim->rlim_cur = new->rlim_cur;
	if (res == RLIMIT_CPU && !lim->rlim_cur)
		lim->rlim_cur = 1; /* kernel/sys.c: 0 would be "none" to the timers */
	if (host_enforces(res))
		attend_ask(s->tgid, ATTEND_LIMITS);
	return 0;
}

static int limit(struct area_slot *s, unsigned res, const struct rlimit64 *new, struct rlimit64 *old)
{
	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	if (old)
		*old = s->limits[res];
	return new ? set_limit(s, res, new) : 0;
}

long sys_getrlimit(unsigned res, void *rlim)
{
	struct rlimit64 old;

	return limit(this_process()->slot, res, NULL, &old) ?: user_write(rlim, &old, sizeof(old));
}

long sys_setrlimit(unsigned res, const void *rlim)
{
	struct rlimit64 new;

	return user_read(&new, rlim, sizeof(new)) ?: limit(this_process()->slot, res, &new, NULL);
}

static bool may_limit(const struct area_slot *s)
{
	const struct cred *c = &this_process()->cred;

	return (c->cap_effective & (1ull << CAP_SYS_RESOURCE)) ||
	       (c->ruid == s->euid && c->ruid == s->suid && c->ruid == s->ruid && c->rgid == s->egid);
}

long sys_prlimit64(s32 pid, unsigned res, const void *set, void *old)
{
	struct area_slot *self = this_process()->slot, *s = pid ? area_slot(pid) : self;
	struct rlimit64 before, new;
	int err;

	if (set && user_read(&new, set, sizeof(new)))
		return -EFAULT;
	s = s && area_named(s->state) ? area_process(s->tgid) : NULL;
	if (!s)
		return -ESRCH;
	if (s != self && !may_limit(s))
		return -EPERM;
	err = limit(s, res, set ? &new : NULL, old ? &before : NULL);
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
