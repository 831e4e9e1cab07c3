/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Priorities: nice and I/O priority of threads, by thread, group and user. Both stand in the slots; nice values are
 * passed to the host by the thread itself (task/attend.h).
 */
#include "libos/sys/sys.h"
#include "libos/sys/prio.h"
#include "libos/task/attend.h"

#define NICE_OFFSET 20 /* the raw getpriority answers 20 - nice */
#define CLASS_NUM 8

static s32 id_of(const struct area_slot *s)
{
	return (s32)(s - the_area->slot);
}

/* PRIO_* and IOPRIO_WHO_* count alike, but from 0 and 1. The threads that are meant, one after the other. */
static struct area_slot *next_meant(s32 *id, int which, s32 who)
{
	const struct area_slot *self = this_process()->slot;

	if (which == PRIO_PROCESS) {
		struct area_slot *s = *id ? NULL : area_slot(who ?: current()->tid);

		*id = 1;
		return s && who >= 0 && area_named(s->state) ? s : NULL;
	}
	while ((*id = area_next(*id + 1, true))) {
		struct area_slot *s = area_slot(*id), *p = area_process(s->tgid);

		if (p && which == PRIO_PGRP && p->pgid == (who ?: self->pgid))
			return s;
		if (p && which == PRIO_USER && p->ruid == (who ? (u32)who : self->ruid))
			return s;
	}
	return NULL;
}

long sys_getpriority(int which, int who)
{
	int best = INT_MAX;
	struct area_slot *s;
	s32 id = 0;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	while ((s = next_meant(&id, which, who)))
		best = MIN(best, s->nice);
	return best == INT_MAX ? -ESRCH : NICE_OFFSET - best;
}

int prio_set_nice(struct area_slot *s, int nice)
{
	const struct process *p = this_process();
	const struct area_slot *owner = area_process(s->tgid);
	bool right = p->cred.cap_effective & (1ull << CAP_SYS_NICE);

	if (!owner || (owner->ruid != p->cred.euid && owner->euid != p->cred.euid && !right))
		return -EPERM;
	if (nice < s->nice && !right && (u64)(NICE_OFFSET - nice) > p->rlimits[RLIMIT_NICE].rlim_cur)
		return -EACCES;
	/* A lower value than the host allows its user is root's only in name. */
	s->nice = nice;
	attend_ask(id_of(s), ATTEND_NICE);
	return 0;
}

long sys_setpriority(int which, int who, int prio)
{
	int err = -ESRCH;
	struct area_slot *s;
	s32 id = 0;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	prio = MAX(MIN(prio, 19), -20);
	while ((s = next_meant(&id, which, who))) {
		int r = prio_set_nice(s, prio);

		err = r ?: err == -ESRCH ? 0 : err;
	}
	return err;
}

/* What stays I/O class "none" follows the nice value, and reads as best effort of that level. */
static int ioprio_of(const struct area_slot *s)
{
	return s->ioprio ?: IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0);
}

static bool may_ioprio(const struct area_slot *s)
{
	const struct process *p = this_process();
	const struct area_slot *owner = area_process(s->tgid);

	return owner && (owner->ruid == p->cred.euid || owner->ruid == p->cred.ruid ||
			 (p->cred.cap_effective & (1ull << CAP_SYS_NICE)));
}

long sys_ioprio_set(int which, int who, int prio)
{
	int class = IOPRIO_PRIO_CLASS(prio), level = prio & (CLASS_NUM - 1), err = -ESRCH;
	struct area_slot *s;
	s32 id = 0;

	if (class > IOPRIO_CLASS_IDLE || (class == IOPRIO_CLASS_NONE && level))
		return -EINVAL;
	if (class == IOPRIO_CLASS_RT)
		return -EPERM;
	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	while ((s = next_meant(&id, which - IOPRIO_WHO_PROCESS, who))) {
		if (!may_ioprio(s))
			return -EPERM;
		s->ioprio = (u16)prio;
		err = 0;
	}
	return err;
}

long sys_ioprio_get(int which, int who)
{
	int best = INT_MAX;
	struct area_slot *s;
	s32 id = 0;

	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	while ((s = next_meant(&id, which - IOPRIO_WHO_PROCESS, who))) {
		int v = ioprio_of(s);

		/* Of several, the best; none counts as best effort. */
		if (which != IOPRIO_WHO_PROCESS && !IOPRIO_PRIO_CLASS(v))
			v = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, (s->nice + NICE_OFFSET) / 5);
		best = MIN(best, v);
	}
	return best == INT_MAX ? -ESRCH : best;
}
