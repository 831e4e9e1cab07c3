/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * vfork and posix_spawn: a child in the same address space, while the calling thread sleeps on the host until the child
 * executes a program or ends. Programs rely on the sharing (glibc reports the errors of exec through it).
 *
 * The child is a process of its own from the first instruction: struct process, thread, descriptor table, cwd, signals;
 * only mm is shared. Its host descriptor table is a copy, so the numbers in both tables mean the same files. What the
 * child leaves behind in memory the parent frees when it wakes: the child itself has gone to another address space or
 * is dead, and its host descriptors with it.
 */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "libos/task/seccomp.h"
#include "libos/vfs/file.h"

struct borrow {
	const struct clone_request *args;
	struct thread *thread;
	struct process *parent;
};

static struct process *borrower(s32 pid)
{
	struct process *parent = this_process(), *p = process_create(pid, parent);

	if (!p)
		return NULL;
	p->mm = parent->mm;
	atomic_add(&p->mm->refs, 1);
	p->vfork_child = true;
	p->ctty_fd = parent->ctty_fd;
	p->fs = fs_context_copy(parent->fs);
	return p;
}

/* From the parent, when the child is gone. */
static void borrower_free(struct process *p)
{
	if (p->files)
		fdtab_forget(p->files);
	if (p->fs && !IS_ERR(p->fs))
		fs_context_free(p->fs);
	mm_put(p->mm);
	process_free(p);
}

/* First steps of the child, on its own libOS stack. */
static void borrower_begin(void *arg)
{
	const struct borrow *b = arg;
	const struct clone_request *a = b->args;
	struct thread *t = b->thread;

	unlock(&b->parent->files->lock);
	unlock(&chain_lock);
	task_born(t->tid);
	coord_borrowed();
	if (a->flags & CLONE_SETTLS)
		pal_set_fs(a->tls);
	if (a->flags & CLONE_CHILD_SETTID)
		clone_tell(a->child_tid, t->tid);
	entry_leave();
}

/*
 * A borrower that was killed by the host, out of memory perhaps, may have been in the middle of changing what is ours
 * too. A lock that it held says so. Then this memory is good for nothing any more: we end as it did, which our parent
 * sees, rather than hang or go on with a heap in pieces.
 */
static void look_after(struct process *child)
{
	if (atomic_load(&child->leaves) || !fork_locks_orphaned())
		return;
	pal_log("process %d ends: its vfork child was killed while it held a lock\n", this_process()->pid);
	pal_die_by_signal(SIGKILL);
}

static long vfork_run(struct process *child, const struct clone_request *a)
{
	struct process *p = this_process();
	struct thread *t = thread_create(child, child->pid);
	struct borrow b = { .args = a, .thread = t, .parent = p };
	int host;

	if (IS_ERR(t)) {
		area_free_id(child->pid);
		return PTR_ERR(t);
	}
	signal_fork(child, t, p);
	seccomp_inherit(t, current());
	clone_frame(t, a->stack);
	t->clear_child_tid = a->flags & CLONE_CHILD_CLEARTID ? (u32 *)a->child_tid : NULL;
	process_slot_init(child->pid, p, a->exit_signal);
	atomic_or(&child->slot->flags, AREA_BORROWS);
	if (p->nthreads == 1)
		atomic_or(&p->slot->flags, AREA_ASLEEP);
	/* Its files and layers are those behind its descriptors, which are ours of this instant: the child unlocks. */
	lock(&chain_lock);
	lock(&p->files->lock);
	child->layers = p->layers;
	child->files = fdtab_copy(p->files);
	if (!child->files)
		host = -ENOMEM;
	else
		host = pal_vfork(&t->tcb, borrower_begin, &b, &child->slot->host_pid);
	atomic_and(&p->slot->flags, ~AREA_ASLEEP);
	if (t->in_layers) /* first: who follows waits for it, with a lock */
		chain_abandoned();
	if (host < 0) {
		unlock(&p->files->lock);
		unlock(&chain_lock);
		process_slot_drop(child->pid);
	} else {
		look_after(child);
	}
	pal_thread_free(&t->tcb, sizeof(*t));
	return host;
}

long task_vfork(const struct clone_request *a)
{
	s32 pid = area_take_id(this_process()->pid);
	struct process *child;
	long r;

	if (pid < 0)
		return pid;
	if (a->flags & CLONE_PARENT_SETTID)
		clone_tell(a->parent_tid, pid);
	child = borrower(pid);
	if (!child) {
		area_free_id(pid);
		return -ENOMEM;
	}
	if (child->fs && !IS_ERR(child->fs)) {
		r = vfork_run(child, a);
	} else {
		area_free_id(pid);
		r = -ENOMEM;
	}
	borrower_free(child);
	return r < 0 ? r : pid;
}
