/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Scheduling: policy and CPUs of every thread stand in its slot, where anyone with the right reads and changes them.
 * The host hears of CPUs from the thread itself (task/attend.h). Policies are those of an ordinary user: the host's
 * own stays SCHED_OTHER, for what an idle or batch thread gives way to is the host's affair.
 */
#include "libos/sys/sys.h"
#include "libos/sys/prio.h"
#include "libos/task/attend.h"

#define MASK_MAX 1024 /* bytes of a CPU mask: 8192 CPUs */
#define SCHED_EXT 7
#define FLAG_RESET_ON_FORK 1u
#define FLAG_KEEP_POLICY 8u
#define FLAG_KEEP_PARAMS 16u
#define FLAGS_KNOWN 0x7fu
#define SLICE_NS 2800000u /* of the fair scheduler, on a small machine */

static struct area_slot *find(s32 id)
{
	struct area_slot *s = area_slot(id ?: current()->tid);

	if (id < 0 || !s || !area_named(s->state))
		return NULL;
	return s;
}

static bool has_nice_right(const struct process *p)
{
	return p->cred.cap_effective & (1ull << CAP_SYS_NICE);
}

/* kernel/sched/syscalls.c, check_same_owner */
static bool may_schedule(const struct area_slot *s)
{
	const struct process *p = this_process();
	const struct area_slot *owner = area_process(s->tgid);

	if (!owner || owner == p->slot)
		return owner != NULL;
	return p->cred.euid == owner->euid || p->cred.euid == owner->ruid || has_nice_right(p);
}

long sys_sched_yield(void)
{
	return pal_sched_yield();
}

long sys_sched_setaffinity(s32 pid, unsigned len, const void *guest)
{
	u64 mask[AREA_CPU_WORDS] = { 0 }, any = 0;
	struct area_slot *s = find(pid);
	int r;

	if (user_read(mask, guest, MIN(len, sizeof(mask))))
		return -EFAULT;
	if (!s)
		return -ESRCH;
	if (!may_schedule(s))
		return -EPERM;
	if (s == area_slot(current()->tid)) {
		r = pal_sched_setaffinity(sizeof(mask), mask);
		if (r < 0)
			return r;
		r = pal_sched_getaffinity(sizeof(mask), s->cpus);
		return r < 0 ? r : 0;
	}
	/* Those that the caller may use are all that it can tell to be there. */
	for (unsigned i = 0; i < AREA_CPU_WORDS; i++)
		any |= mask[i] & (area_slot(1)->cpus[i]);
	if (!any)
		return -EINVAL;
	for (unsigned i = 0; i < AREA_CPU_WORDS; i++)
		s->cpus[i] = mask[i] & area_slot(1)->cpus[i];
	attend_ask((s32)(s - the_area->slot), ATTEND_CPUS);
	return 0;
}

long sys_sched_getaffinity(s32 pid, unsigned len, void *guest)
{
	u8 mask[MASK_MAX] = { 0 };
	struct area_slot *s;
	int n;

	if (len & 7)
		return -EINVAL;
	s = find(pid);
	if (!s)
		return -ESRCH;
	/* The host says how long a mask is, and what is true of the caller. */
	n = pal_sched_getaffinity(MIN(len, sizeof(mask)), mask);
	if (n < 0)
		return n;
	if (s != area_slot(current()->tid))
		memcpy(mask, s->cpus, MIN((size_t)n, sizeof(s->cpus)));
	return user_write(guest, mask, (size_t)n) ?: n;
}

long sys_sched_getscheduler(s32 pid)
{
	struct area_slot *s = find(pid);

	return pid < 0 ? -EINVAL : s ? (long)s->policy : -ESRCH;
}

static bool realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool fair(int policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

static bool nice_allowed(const struct process *p, int nice)
{
	return has_nice_right(p) || (u64)(20 - nice) <= p->rlimits[RLIMIT_NICE].rlim_cur;
}

static int set_policy(struct area_slot *s, int policy, bool reset, int priority)
{
	const struct process *p = this_process();

	if (!fair(policy) && !realtime(policy) && policy != SCHED_DEADLINE)
		return -EINVAL;
	if (realtime(policy) ? priority < 1 || priority > 99 : policy != SCHED_DEADLINE && priority)
		return -EINVAL;
	if (!fair(policy) || !may_schedule(s))
		return -EPERM;
	if ((s->policy & ~SCHED_RESET_ON_FORK) == SCHED_IDLE && policy != SCHED_IDLE && !nice_allowed(p, s->nice))
		return -EPERM;
	if ((s->policy & SCHED_RESET_ON_FORK) && !reset && !has_nice_right(p))
		return -EPERM;
	s->policy = (u32)policy | (reset ? SCHED_RESET_ON_FORK : 0);
	return 0;
}

long sys_sched_setscheduler(s32 pid, int policy, const void *param)
{
	struct area_slot *s;
	int priority;

	if (policy < 0 || pid < 0 || !param)
		return -EINVAL;
	if (user_read(&priority, param, sizeof(priority)))
		return -EFAULT;
	s = find(pid);
	return s ? set_policy(s, policy & ~SCHED_RESET_ON_FORK, policy & SCHED_RESET_ON_FORK, priority) : -ESRCH;
}

long sys_sched_setparam(s32 pid, const void *param)
{
	struct area_slot *s;
	int priority;

	if (pid < 0 || !param)
		return -EINVAL;
	if (user_read(&priority, param, sizeof(priority)))
		return -EFAULT;
	s = find(pid);
	if (!s)
		return -ESRCH;
	return set_policy(s, (int)(s->policy & ~SCHED_RESET_ON_FORK), s->policy & SCHED_RESET_ON_FORK, priority);
}

long sys_sched_getparam(s32 pid, void *param)
{
	static const int none;

	if (pid < 0 || !param)
		return -EINVAL;
	return find(pid) ? user_write(param, &none, sizeof(none)) : -ESRCH;
}

long sys_sched_get_priority_max(int policy)
{
	return realtime(policy) ? 99 : fair(policy) || policy == SCHED_DEADLINE || policy == SCHED_EXT ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(int policy)
{
	return realtime(policy) ? 1 : sys_sched_get_priority_max(policy);
}

long sys_sched_rr_get_interval(s32 pid, void *guest)
{
	static const struct timespec slice = { .tv_nsec = SLICE_NS };

	if (pid < 0)
		return -EINVAL;
	return find(pid) ? user_write(guest, &slice, sizeof(slice)) : -ESRCH;
}

long sys_sched_setattr(s32 pid, void *guest, unsigned flags)
{
	struct sched_attr a = { 0 };
	struct area_slot *s;
	u32 size;
	int r;

	if (!guest || pid < 0 || flags)
		return -EINVAL;
	if (user_read(&size, guest, sizeof(size)))
		return -EFAULT;
	size = size ?: SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return -E2BIG;
	if (user_read(&a, guest, MIN(size, sizeof(a))))
		return -EFAULT;
	if ((s32)a.sched_policy < 0 || a.sched_flags & ~(u64)FLAGS_KNOWN)
		return -EINVAL;
	s = find(pid);
	if (!s)
		return -ESRCH;
	if (a.sched_flags & FLAG_KEEP_POLICY)
		a.sched_policy = s->policy & ~SCHED_RESET_ON_FORK;
	r = set_policy(s, (int)a.sched_policy, a.sched_flags & FLAG_RESET_ON_FORK, (int)a.sched_priority);
	if (r || a.sched_policy == SCHED_IDLE || a.sched_flags & FLAG_KEEP_PARAMS)
		return r;
	r = MAX(MIN(a.sched_nice, 19), -20);
	return r == s->nice ? 0 : prio_set_nice(s, r) == 0 ? 0 : -EPERM;
}

long sys_sched_getattr(s32 pid, void *guest, unsigned size, unsigned flags)
{
	struct sched_attr a = { 0 };
	struct area_slot *s;

	if (!guest || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags)
		return -EINVAL;
	s = find(pid);
	if (!s)
		return -ESRCH;
	a.size = MIN(size, sizeof(a));
	a.sched_policy = s->policy & ~SCHED_RESET_ON_FORK;
	a.sched_flags = s->policy & SCHED_RESET_ON_FORK ? FLAG_RESET_ON_FORK : 0;
	a.sched_nice = s->nice;
	a.sched_runtime = SLICE_NS;
	return user_write(guest, &a, a.size);
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
