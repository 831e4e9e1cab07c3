/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fork: the host's copy-on-write clone. Everything, the libOS's own state included, is in the child as it was; what a
 * child must not inherit is reset here before it goes on.
 *
 * Host signals are blocked from before the clone until the child has emptied its copy of the inbox, so that none is
 * taken by the child that was the parent's, and none that was the child's is thrown away.
 */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/fs/timer.h"
#include "libos/ipc/ipc.h"
#include "libos/mm/mm.h"
#include "libos/task/ptrace.h"
#include "libos/sys/aio.h"
#include "libos/sys/user.h"
#include "libos/vfs/file.h"

/* Only the caller lives on in the child; the others' regions are memory to be used again. */
static void drop_other_threads(struct process *p, struct thread *self)
{
	struct thread *t, *next;

	list_for_each_safe(t, next, &p->threads, sibling) {
		list_del(&t->sibling);
		if (t != self)
			pal_thread_free(&t->tcb, sizeof(*t));
	}
	list_init(&p->threads);
	list_add(&p->threads, &self->sibling);
	p->nthreads = 1;
}

/* A thread that is gone may have held an open file's lock, over a call that blocked. */
static void remake_file_locks(struct fdtab *t)
{
	for (int fd = fdtab_next(t, 0); fd >= 0; fd = fdtab_next(t, fd + 1)) {
		struct file *f = fdtab_get_path(fd);

		if (IS_ERR(f))
			continue;
		mutex_init(&f->lock);
		file_put(f);
	}
}

static void reset_process(struct process *p, s32 pid)
{
	p->pid = pid;
	p->slot = area_slot(pid);
	p->rlimits = p->slot->limits;
	p->had_clone_children = false;
	memset(&p->children_usage, 0, sizeof(p->children_usage));
	/* This memory is nobody else's now, whatever the parent shared. */
	p->vfork_child = false;
	p->loans = NULL; /* nobody lives here but the caller */
	if (p->mm->refs != 1)
		p->mm->refs = 1;
	p->did_exec = p->child_subreaper = false;
	p->pdeathsig = 0;
	p->exiting = p->exec_by = 0;
	p->start_ns = p->slot->start_ns;
}

/* In the child, host signals blocked. */
static void fork_child(s32 pid, const struct clone_request *a)
{
	struct thread *t = current();
	struct process *p = t->proc;
	/* Others that run in this memory, processes even. */
	bool threads = p->nthreads > 1 || p->mm->refs > 1;

	drop_other_threads(p, t);
	reset_process(p, pid);
	ipc_forked(pid);
	t->tid = pid;
	t->clear_child_tid = a->flags & CLONE_CHILD_CLEARTID ? (u32 *)a->child_tid : NULL;
	t->robust_list = NULL;
	signal_fork(p, t, p);
	if (a->flags & CLONE_CLEAR_SIGHAND)
		signal_defaults(p);
	timers_fork_child(p);
	aio_drop(p);
	mm_fork_child(p->mm);
	if (threads) {
		remake_file_locks(p->files);
		moves_forked();
	}
	chain_forked();
	coord_forked();
	atomic_store(&t->tcb.pending, 0);
	trace_born(t);
}

/* What the child's guest finds: its id where it asked for it, its registers. */
static long fork_child_guest(const struct clone_request *a)
{
	if (a->flags & CLONE_SETTLS)
		pal_set_fs(a->tls);
	if (a->stack)
		guest_regs()->rsp = a->stack;
	if (a->flags & CLONE_CHILD_SETTID)
		clone_tell(a->child_tid, current()->tid);
	return 0;
}

static long fork_with(const struct clone_request *a, s32 pid)
{
	struct process *p = this_process();
	bool locked;
	u64 mask;
	int host;

	process_slot_init(pid, p, a->exit_signal);
	trace_birth(pid, a->flags);
	mask = pal_signals_off();
	locked = fork_locks_take();
	host = ipc_fork(pid);
	if (!host)
		host = pal_fork(&area_slot(pid)->host_pid, !locked);
	if (host < 0)
		ipc_fork_failed(pid);
	if (locked)
		fork_locks_release();
	if (host == 0)
		fork_child(pid, a);
	pal_signals_on(mask);
	if (host > 0)
		task_born(pid);
	else if (host < 0)
		process_slot_drop(pid);
	return host > 0 ? pid : host;
}

/* A child starts with its parent's memory, and has to write to some of it. */
static bool memory_full(void)
{
	u64 most = atomic_load_relaxed(&the_area->memory_max);

	return most && atomic_load_relaxed(&the_area->memory_used) >= most;
}

long task_fork(const struct clone_request *a)
{
	s32 pid = memory_full() ? -ENOMEM : area_take_id(this_process()->pid);
	long r;

	if (pid < 0)
		return pid;
	if (a->flags & CLONE_PARENT_SETTID)
		clone_tell(a->parent_tid, pid);
	r = fork_with(a, pid);
	return r ?: fork_child_guest(a);
}

s32 task_fork_plain(void)
{
	static const struct clone_request plain = { .exit_signal = SIGCHLD };
	s32 pid = area_take_id(this_process()->pid);

	return pid < 0 ? pid : (s32)fork_with(&plain, pid);
}
