/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Scheduling: answered as to an ordinary user whose threads are SCHED_OTHER. Affinity and nice values are the host's;
 * an id that is not the caller's own thread or process is known by its slot only.
 */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"

#define NICE_OFFSET 20 /* the raw getpriority answers 20 - nice */
#define MASK_MAX 1024  /* bytes of a CPU mask: 8192 CPUs */

/* Does id (0: the caller) name a thread or process? *own: of this process. */
static int find(s32 id, bool *own)
{
	struct area_slot *s = id ? area_slot(id) : current()->proc->slot;

	if (id < 0)
		return -EINVAL;
	if (!s || s->state == AREA_FREE || s->state == AREA_RESERVED)
		return -ESRCH;
	*own = s->tgid == this_process()->pid;
	return 0;
}

long sys_sched_yield(void)
{
	return pal_sched_yield();
}

long sys_sched_setaffinity(s32 pid, unsigned len, const void *guest)
{
	u8 mask[MASK_MAX] = { 0 };
	bool own;
	int err = find(pid, &own);

	if (user_read(mask, guest, MIN(len, sizeof(mask))))
		return -EFAULT;
	if (err)
		return err == -EINVAL ? -ESRCH : err;
	if (pid && pid != current()->tid)
		return own ? 0 : -EPERM; /* another thread's mask is the host's to keep: the wish is noted by none */
	return pal_sched_setaffinity(MIN(len, sizeof(mask)), mask);
}

long sys_sched_getaffinity(s32 pid, unsigned len, void *guest)
{
	u8 mask[MASK_MAX] = { 0 };
	bool own;
	int err = find(pid, &own), n;

	if (len & 7)
		return -EINVAL;
	if (err)
		return err == -EINVAL ? -ESRCH : err;
	n = pal_sched_getaffinity(MIN(len, sizeof(mask)), mask);
	if (n < 0)
		return n;
	return user_write(guest, mask, (size_t)n) ?: n;
}

long sys_sched_getscheduler(s32 pid)
{
	bool own;

	return find(pid, &own) ?: SCHED_OTHER;
}

static int check_policy(s32 pid, int policy, int priority)
{
	bool own;
	int err = find(pid, &own);

	policy &= ~SCHED_RESET_ON_FORK;
	if (err)
		return err;
	switch (policy) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return priority ? -EINVAL : own ? 0 : -EPERM;
	case SCHED_FIFO:
	case SCHED_RR:
		return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
	case SCHED_DEADLINE:
		return -EPERM;
	}
	return -EINVAL;
}

long sys_sched_setscheduler(s32 pid, int policy, const void *param)
{
	int priority;

	if (policy < 0 || pid < 0 || !param)
		return -EINVAL;
	return user_read(&priority, param, sizeof(priority)) ?: check_policy(pid, policy, priority);
}

long sys_sched_setparam(s32 pid, const void *param)
{
	int priority;

	if (pid < 0 || !param)
		return -EINVAL;
	return user_read(&priority, param, sizeof(priority)) ?: check_policy(pid, SCHED_OTHER, priority);
}

long sys_sched_getparam(s32 pid, void *param)
{
	static const int none;
	bool own;

	if (pid < 0 || !param)
		return -EINVAL;
	return find(pid, &own) ?: user_write(param, &none, sizeof(none));
}

static bool realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool policy_known(int policy)
{
	return realtime(policy) || policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
	       policy == SCHED_DEADLINE;
}

long sys_sched_get_priority_max(int policy)
{
	return realtime(policy) ? 99 : policy_known(policy) ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(int policy)
{
	return realtime(policy) ? 1 : policy_known(policy) ? 0 : -EINVAL;
}

long sys_sched_rr_get_interval(s32 pid, void *guest)
{
	/* A slice of the fair scheduler on the usual host: kernel/sched/fair.c. */
	static const struct timespec slice = { .tv_nsec = 4000000 };
	bool own;

	return find(pid, &own) ?: user_write(guest, &slice, sizeof(slice));
}

long sys_sched_setattr(s32 pid, void *guest, unsigned flags)
{
	struct sched_attr a = { 0 };
	u32 size;

	if (!guest || pid < 0 || flags)
		return -EINVAL;
	if (user_read(&size, guest, sizeof(size)))
		return -EFAULT;
	size = size ?: SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return -E2BIG;
	if (user_read(&a, guest, MIN(size, sizeof(a))))
		return -EFAULT;
	return check_policy(pid, (int)a.sched_policy, (int)a.sched_priority);
}

long sys_sched_getattr(s32 pid, void *guest, unsigned size, unsigned flags)
{
	struct sched_attr a = { .sched_policy = SCHED_OTHER };
	bool own;
	int err;

	if (!guest || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags)
		return -EINVAL;
	err = find(pid, &own);
	if (err)
		return err;
	a.size = MIN(size, sizeof(a));
	a.sched_nice = (s32)this_process()->slot->nice;
	return user_write(guest, &a, a.size);
}

/* The lowest nice value (the highest priority) among those meant, or -ESRCH. */
static int best_nice(int which, s32 who)
{
	const struct area_slot *self = this_process()->slot;
	int best = INT_MAX;

	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);

		if ((which == PRIO_PROCESS && id == (who ?: self->tgid)) ||
		    (which == PRIO_PGRP && s->pgid == (who ?: self->pgid)) ||
		    (which == PRIO_USER && s->ruid == (who ? (u32)who : self->ruid)))
			best = MIN(best, s->nice);
	}
	return best;
}

long sys_getpriority(int which, int who)
{
	int nice;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (which == PRIO_PROCESS && (!who || who == current()->tid))
		return NICE_OFFSET - current()->proc->slot->nice;
	nice = best_nice(which, who);
	return nice == INT_MAX ? -ESRCH : NICE_OFFSET - nice;
}

static int set_nice(s32 id, int nice)
{
	struct process *p = this_process();
	struct area_slot *s = area_slot(id);
	int err;

	if (s->euid != p->cred.euid && s->ruid != p->cred.euid && !(p->cred.cap_effective & (1ull << CAP_SYS_NICE)))
		return -EPERM;
	if (nice < s->nice && !(p->cred.cap_effective & (1ull << CAP_SYS_NICE)) &&
	    (u64)(NICE_OFFSET - nice) > p->rlimits[RLIMIT_NICE].rlim_cur)
		return -EACCES;
	err = pal_setpriority(PRIO_PROCESS, id == p->pid ? 0 : s->host_pid, nice);
	/* A lower value than the host allows its user is root's only in name. */
	if (err && err != -EACCES && err != -EPERM)
		return err;
	s->nice = nice;
	return 0;
}

long sys_setpriority(int which, int who, int prio)
{
	const struct area_slot *self = this_process()->slot;
	int err = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	prio = MAX(MIN(prio, 19), -20);
	if (which == PRIO_PROCESS)
		return !who || area_process(who) ? set_nice(who ?: self->tgid, prio) : -ESRCH;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);

		if ((which == PRIO_PGRP && s->pgid == (who ?: self->pgid)) ||
		    (which == PRIO_USER && s->ruid == (who ? (u32)who : self->ruid))) {
			int r = set_nice(id, prio);

			err = r && err != -ESRCH ? err : r;
		}
	}
	return err;
}

long sys_ioprio_set(int which, int who, int prio)
{
	int class = IOPRIO_PRIO_CLASS(prio);

	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER || class > IOPRIO_CLASS_IDLE)
		return -EINVAL;
	return class == IOPRIO_CLASS_RT ? -EPERM : 0;
}

long sys_ioprio_get(int which, int who)
{
	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	return IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 4);
}

long sys_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	unsigned c, n;
	int err = pal_getcpu(&c, &n);

	if (!err && cpu)
		err = user_write_u32(cpu, c);
	if (!err && node)
		err = user_write_u32(node, n);
	return err;
}

long sys_membarrier(int cmd, unsigned flags, int cpu)
{
	return pal_membarrier(cmd, flags);
}
