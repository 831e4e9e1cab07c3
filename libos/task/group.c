/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Process groups and sessions, mirrored on the host: a guest group is a host group of the same members, so the host's
 * terminals and waits know them. Ids differ, and the slots translate.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/fs/tty.h"

/*
 * Ids by host pid. The index is a hint that the slot confirms; without a true one all slots are looked at.
 *
 * Between the host's wait and the end of the slot the host may give the same id to a new process, where ids are scarce:
 * then two slots have it, and the index names the older until that is gone.
 */
static u16 *born_at(s32 host_pid)
{
	return &the_area->born[(u32)host_pid % AREA_BORN];
}

static const struct area_slot *born_as(s32 host_pid)
{
	const struct area_slot *s = area_process(atomic_load_relaxed(born_at(host_pid)));

	return s && host_pid > 0 && atomic_load_relaxed(&s->host_pid) == host_pid ? s : NULL;
}

void task_born(s32 pid)
{
	s32 host_pid = atomic_load_relaxed(&area_slot(pid)->host_pid);

	if (!born_as(host_pid))
		atomic_store(born_at(host_pid), (u16)pid);
}

s32 task_guest_pid(s32 host_pid)
{
	const struct area_slot *s = born_as(host_pid);

	if (s || host_pid <= 0)
		return s ? s->tgid : 0;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false))
		if (atomic_load_relaxed(&area_slot(id)->host_pid) == host_pid)
			return id;
	return 0;
}

/* Of two with one host id another parent's is not meant, and of one parent's two it is the older that ended. */
s32 task_guest_child(s32 host_pid, s32 ppid)
{
	const struct area_slot *best = born_as(host_pid);
	s32 found = 0;

	if (host_pid <= 0)
		return 0;
	if (best && atomic_load_relaxed(&best->ppid) == ppid)
		return best->tgid;
	best = NULL;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);
		bool own, best_own;

		if (atomic_load_relaxed(&s->host_pid) != host_pid)
			continue;
		own = atomic_load_relaxed(&s->ppid) == ppid;
		best_own = best && atomic_load_relaxed(&best->ppid) == ppid;
		if (best && (own == best_own ? s->start_ns >= best->start_ns : best_own))
			continue;
		best = s;
		found = id;
	}
	return found;
}

s32 task_host_pid(s32 guest_pid)
{
	struct area_slot *s = area_process(guest_pid);

	return s ? atomic_load(&s->host_pid) : 0;
}

s32 task_guest_pgid(s32 host_pgid)
{
	const struct area_slot *first = born_as(host_pgid);

	if (host_pgid <= 0)
		return 0;
	if (first && atomic_load_relaxed(&first->host_pgid) == host_pgid)
		return first->pgid;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false))
		if (atomic_load_relaxed(&area_slot(id)->host_pgid) == host_pgid)
			return area_slot(id)->pgid;
	return 0;
}

s32 task_host_pgid(s32 guest_pgid)
{
	const struct area_slot *first = area_process(guest_pgid);

	if (first && atomic_load_relaxed(&first->pgid) == guest_pgid)
		return first->host_pgid;
	for (s32 id = area_next(1, false); id && guest_pgid > 0; id = area_next(id + 1, false))
		if (atomic_load_relaxed(&area_slot(id)->pgid) == guest_pgid)
			return area_slot(id)->host_pgid;
	return 0;
}

/* A member of the group in session sid, or NULL. */
static struct area_slot *group_in_session(s32 pgid, s32 sid)
{
	struct area_slot *first = area_process(pgid);

	if (first && first->pgid == pgid && first->sid == sid)
		return first;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		struct area_slot *s = area_slot(id);

		if (s->pgid == pgid && s->sid == sid)
			return s;
	}
	return NULL;
}

/* Whose group may the caller set: its own, or that of a child which has not executed a program yet. */
static int setpgid_target(s32 pid, struct area_slot **out)
{
	struct area_slot *self = this_process()->slot, *s = area_process(pid);

	if (!s || (s != self && atomic_load_relaxed(&s->ppid) != self->tgid))
		return -ESRCH;
	if (s != self) {
		if (s->sid != self->sid)
			return -EPERM;
		if (s->flags & AREA_DID_EXEC)
			return -EACCES;
	}
	if (s->sid == pid)
		return -EPERM;
	*out = s;
	return 0;
}

int task_setpgid(s32 pid, s32 pgid)
{
	struct area_slot *self = this_process()->slot, *s, *member = NULL;
	s32 host_pgid;
	int err;

	pid = pid ?: self->tgid;
	pgid = pgid ?: pid;
	if (pgid < 0)
		return -EINVAL;
	err = setpgid_target(pid, &s);
	if (err)
		return err;
	if (pgid != pid) {
		member = group_in_session(pgid, self->sid);
		if (!member)
			return -EPERM;
	}
	host_pgid = member ? member->host_pgid : s->host_pid;
	err = pal_setpgid(s == self ? 0 : s->host_pid, host_pgid);
	if (err)
		return err;
	bit_set(the_area->named, (u32)pgid);
	s->host_pgid = host_pgid;
	atomic_store(&s->pgid, pgid); /* who finds the group by it wants the host's */
	return 0;
}

int task_setsid(void)
{
	struct process *p = this_process();
	struct area_slot *s = p->slot;
	int host;

	if (s->pgid == p->pid || task_host_pgid(p->pid))
		return -EPERM;
	host = pal_setsid();
	if (host < 0)
		return host;
	bit_set(the_area->named, (u32)p->pid);
	s->host_sid = s->host_pgid = host;
	s->sid = p->pid;
	atomic_store(&s->pgid, p->pid);
	tty_forget(p);
	return p->pid;
}
