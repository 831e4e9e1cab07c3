/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The end of a thread, and of a process. The host process ends with the guest's own status, so that the parent's wait
 * on the host needs no message; the slot only says what the host cannot know.
 */
#include "libos/task/attend.h"
#include "libos/coord/trace.h"
#include "libos/ipc/ipc.h"
#include "libos/task/calls.h"
#include "libos/task/ptrace.h"
#include "libos/vfs/notify.h"

/* Who gets the children of a process that ends: its nearest living ancestor that asked for them, else the leader. */
static s32 reaper_of(s32 pid)
{
	struct area_slot *s = area_slot(pid);

	for (unsigned i = 0; s && i < AREA_PIDS; i++) {
		s32 up = atomic_load_relaxed(&s->ppid);

		s = area_process(up);
		if (!s || up <= 1)
			break;
		if ((s->flags & AREA_SUBREAPER) && s->state != AREA_ZOMBIE)
			return up;
	}
	return 1;
}

void task_orphan_children(s32 pid)
{
	s32 to = 0;

	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		struct area_slot *s = area_slot(id);

		/* One that is not born yet stays its parent's: whoever reaps that knows what became of it. */
		if (atomic_load_relaxed(&s->ppid) != pid || !s->host_pid)
			continue;
		to = to ?: reaper_of(pid);
		atomic_add(&area_slot(to)->holds, 1);
		if (atomic_cas(&s->ppid, pid, to) && pid == this_process()->pid)
			atomic_sub(&this_process()->slot->holds, 1);
		s->exit_signal = SIGCHLD; /* kernel/exit.c, reparent_leader */
	}
	/* The host does not tell it, or not of those that a parent took along (leader.c). */
	if (to == 1 && !atomic_xchg(&the_area->orphans, 1) && this_process()->pid != 1) {
		trace_kick(1);
		(void)pal_kick(area_slot(1)->host_pid, 0, &(struct pal_kick){ 0 });
	}
}

/* Leave the list of threads, unless this is the last one. */
static bool leave_others(struct thread *t)
{
	struct process *p = t->proc;
	bool last;

	lock(&p->lock);
	last = p->nthreads == 1;
	if (!last)
		thread_unlink(t);
	unlock(&p->lock);
	return !last;
}

void task_exit_thread(int status)
{
	struct thread *t = current();
	struct process *p = t->proc;
	s32 tid = t->tid;

	if (unlikely(t->traced))
		trace_exiting(t, status);
	t->exiting = true;
	if (tid == p->pid)
		p->first_status = status;
	if (atomic_load(&p->nthreads) > 1)
		thread_release_user(t, true);
	if (!leave_others(t))
		task_exit_group(W_EXIT(p->first_status));
	if (unlikely(t->traced) && tid != p->pid)
		trace_ended(tid, W_EXIT(status));
	if (tid != p->pid) {
		atomic_sub(&the_area->nthreads, 1);
		area_free_id(tid);
	}
	/* Only an exec waits for the others to leave (thread_end_others), and says so before it looks how many there
	 * are. */
	if (atomic_load(&p->exec_by))
		(void)pal_futex_plain(&p->nthreads, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
	/* The region stays usable until the host has let go of the stack. */
	pal_thread_free(&t->tcb, sizeof(*t));
	pal_thread_exit(status);
}

static void release_threads(struct process *p, u32 status)
{
	struct thread *t;

	lock(&p->lock);
	list_for_each(t, &p->threads, sibling) {
		robust_list_exit(t);
		if (unlikely(area_slot(t->tid)->tracer))
			trace_ended(t->tid, status);
		if (t->tid != p->pid)
			area_free_id(t->tid);
	}
	unlock(&p->lock);
}

/* With its leader a session loses the terminal; the host has hung it up, and this is what the slots say of it. */
static void session_end(struct process *p)
{
	if (p->slot->sid != p->pid || !p->slot->tty)
		return;
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false))
		if (area_slot(id)->sid == p->pid)
			area_slot(id)->tty = 0;
}

void task_exit_group(int wait_status)
{
	struct thread *t = current();
	struct process *p = t->proc;

	if (unlikely(t->traced))
		trace_exiting(t, wait_status);
	if (!atomic_cas(&p->exiting, 0, 1 + (u32)wait_status)) {
		/* Another thread ends the process already, and this one with it. */
		for (;;)
			(void)pal_sched_yield();
	}
	why_end((u32)wait_status);
	calls_note_end(p->pid, wait_status);
	thread_release_user(t, p->nthreads > 1 || p->vfork_child);
	ipc_exit(p);
	release_threads(p, (u32)wait_status);
	if (unlikely(p->slot->flags & AREA_TRACES))
		trace_tracer_gone(p->pid);
	if (atomic_load(&p->slot->holds))
		task_orphan_children(p->pid);
	session_end(p);
	notify_exit(p);
	attend_note_usage(p);
	atomic_add(&the_area->ended.user_us, p->slot->usage.user_us);
	atomic_add(&the_area->ended.system_us, p->slot->usage.system_us);
	p->slot->exit_status = (u32)wait_status;
	if (p->vfork_child) {
		p->left = true;
		atomic_or(&p->slot->flags, AREA_LEAVES);
	}
	atomic_store(&p->slot->state, AREA_ZOMBIE);
	if (W_IFEXITED(wait_status))
		pal_exit(W_EXITSTATUS(wait_status));
	pal_die_by_signal(W_TERMSIG(wait_status));
}
