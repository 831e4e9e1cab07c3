/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * vfork and posix_spawn: a child in the same address space, while the calling thread sleeps on the host until the child
 * executes a program or ends. Programs rely on the sharing (glibc reports the errors of exec through it).
 *
 * The child is a process of its own from the first instruction: struct process, thread, descriptor table, cwd, signals;
 * only mm is shared. Its host descriptor table is a copy, so the numbers in both tables mean the same files. What the
 * child leaves behind in memory the parent frees when it wakes: the child itself has gone to another address space or
 * is dead, and its host descriptors with it.
 *
 * clone(CLONE_VM) without CLONE_VFORK is the same, but nobody sleeps: a loan. What the child had is freed when the host
 * has said that it left, at the next wait or clone. Only the memory is shared: with CLONE_FILES, CLONE_FS and
 * CLONE_SIGHAND too the child has copies of its own.
 */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "libos/task/ptrace.h"
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

/*
 * The child's files and layers are those behind its descriptors, which are ours of the instant at which the host copies
 * them: until then nobody closes one, nor follows to other layers. Released by the child, or if there is none.
 */
static int hold_files(struct process *p, struct process *child)
{
	lock(&chain_lock);
	lock(&p->files->lock);
	child->layers = p->layers;
	child->files = fdtab_copy(p->files);
	return child->files ? 0 : -ENOMEM;
}

static void release_files(struct process *p)
{
	unlock(&p->files->lock);
	unlock(&chain_lock);
}

/* First steps of the child, on its own libOS stack. */
static void borrower_begin(void *arg)
{
	const struct borrow *b = arg;
	const struct clone_request *a = b->args;
	struct thread *t = b->thread;

	release_files(b->parent);
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
static void look_after(struct process *child, const struct thread *t)
{
	if (t->in_layers) /* first: who follows waits for it, with a lock */
		chain_abandoned();
	if (child->left || !fork_locks_orphaned())
		return;
	pal_log("process %d ends: its vfork child was killed while it held a lock\n", this_process()->pid);
	pal_die_by_signal(SIGKILL);
}

/* What there is to a child in this memory; on the heap. */
struct loan {
	struct loan *next;
	struct process *child;
	struct borrow borrow;
	struct clone_request args;
};

static struct thread *borrower_thread(struct process *child, const struct clone_request *a)
{
	struct process *p = this_process();
	struct thread *t = thread_create(child, child->pid);

	if (IS_ERR(t))
		return t;
	signal_fork(child, t, p);
	if (a->flags & CLONE_CLEAR_SIGHAND)
		signal_defaults(child);
	seccomp_inherit(t, current());
	clone_frame(t, a->stack);
	t->clear_child_tid = a->flags & CLONE_CHILD_CLEARTID ? (u32 *)a->child_tid : NULL;
	process_slot_init(child->pid, p, a->exit_signal);
	trace_birth(child->pid, a->flags);
	trace_born(t);
	atomic_or(&child->slot->flags, AREA_BORROWS);
	return t;
}

static long vfork_run(struct process *child, const struct clone_request *a)
{
	struct process *p = this_process();
	struct thread *t = borrower_thread(child, a);
	struct borrow b = { .args = a, .thread = t, .parent = p };
	int host;

	if (IS_ERR(t)) {
		area_free_id(child->pid);
		return PTR_ERR(t);
	}
	if (p->nthreads == 1)
		atomic_or(&p->slot->flags, AREA_ASLEEP);
	host = hold_files(p, child);
	if (!host)
		host = pal_vfork(&t->tcb, borrower_begin, &b, &child->slot->host_pid);
	atomic_and(&p->slot->flags, ~AREA_ASLEEP);
	if (host < 0) {
		release_files(p);
		process_slot_drop(child->pid);
	} else {
		look_after(child, t);
	}
	pal_thread_free(&t->tcb, sizeof(*t));
	return host;
}

/* ---- loans ---- */

static void loan_end(struct loan *l)
{
	look_after(l->child, l->borrow.thread);
	pal_thread_free(&l->borrow.thread->tcb, sizeof(*l->borrow.thread));
	borrower_free(l->child);
	base_free(l);
}

static struct loan *take_ended(struct process *p)
{
	struct loan **at, *l;

	lock(&p->lock);
	for (at = &p->loans; (l = *at) && atomic_load(&l->borrow.thread->tcb.host_tid); at = &l->next)
		;
	if (l)
		*at = l->next;
	else if (!p->loans && (atomic_load(&p->slot->flags) & AREA_LENDS))
		atomic_and(&p->slot->flags, ~AREA_LENDS);
	unlock(&p->lock);
	return l;
}

bool task_lends(struct process *p)
{
	struct loan *l;

	while (p->loans && (l = take_ended(p)))
		loan_end(l);
	return p->loans != NULL;
}

void task_lent_wait(s32 pid)
{
	static const struct timespec limit = { .tv_nsec = 50000000 };
	struct process *p = this_process();

	for (;;) {
		s32 *word = NULL, tid = 0;

		lock(&p->lock);
		for (struct loan *l = p->loans; l; l = l->next)
			if (l->child->pid == pid) {
				word = &l->borrow.thread->tcb.host_tid;
				tid = atomic_load(word);
			}
		unlock(&p->lock);
		if (!tid)
			break;
		(void)pal_futex_plain((u32 *)word, FUTEX_WAIT, (u32)tid, &limit, NULL, 0);
	}
	(void)task_lends(p);
}

bool task_shares_memory(const struct area_slot *s)
{
	struct process *p = this_process();
	u32 flags = atomic_load(&s->flags);

	if ((flags & (AREA_BORROWS | AREA_LEAVES)) == AREA_BORROWS && s->ppid == p->pid)
		return true;
	return p->vfork_child && s->tgid == p->slot->ppid && (flags & AREA_LENDS);
}

/* Takes l. host_tid is not 0 from before the child is there, or it would seem to have left already. */
static int loan_run(struct loan *l)
{
	struct process *p = this_process(), *child = l->child;
	struct thread *t = borrower_thread(child, &l->args);
	int host;

	if (IS_ERR(t)) {
		area_free_id(child->pid);
		borrower_free(child);
		base_free(l);
		return PTR_ERR(t);
	}
	l->borrow = (struct borrow){ .args = &l->args, .thread = t, .parent = p };
	t->tcb.host_tid = -1;
	lock(&p->lock);
	l->next = p->loans;
	p->loans = l;
	atomic_or(&p->slot->flags, AREA_LENDS);
	unlock(&p->lock);
	host = hold_files(p, child);
	if (!host)
		host = pal_lend(&t->tcb, borrower_begin, &l->borrow, &child->slot->host_pid);
	if (host >= 0)
		return 0;
	release_files(p);
	process_slot_drop(child->pid);
	child->left = true;
	t->tcb.host_tid = 0;
	(void)task_lends(p); /* frees it */
	return host;
}

/* A child with a place of its own; NULL: no memory. */
static struct process *borrower_whole(s32 pid)
{
	struct process *child = borrower(pid);

	if (!child)
		return NULL;
	if (child->fs && !IS_ERR(child->fs))
		return child;
	borrower_free(child);
	return NULL;
}

static s32 id_for(const struct clone_request *a)
{
	s32 pid = area_take_id(this_process()->pid);

	if (pid >= 0 && (a->flags & CLONE_PARENT_SETTID))
		clone_tell(a->parent_tid, pid);
	return pid;
}

long task_lend(const struct clone_request *a)
{
	s32 pid = id_for(a);
	struct loan *l;
	int r;

	if (pid < 0)
		return pid;
	(void)task_lends(this_process());
	l = base_zalloc(sizeof(*l));
	if (l) {
		l->args = *a;
		l->child = borrower_whole(pid);
	}
	if (!l || !l->child) {
		area_free_id(pid);
		base_free(l);
		return -ENOMEM;
	}
	r = loan_run(l);
	return r ?: pid;
}

long task_vfork(const struct clone_request *a)
{
	s32 pid = id_for(a);
	struct process *child;
	long r;

	if (pid < 0)
		return pid;
	child = borrower_whole(pid);
	if (!child) {
		area_free_id(pid);
		return -ENOMEM;
	}
	r = vfork_run(child, a);
	borrower_free(child);
	return r < 0 ? r : pid;
}
