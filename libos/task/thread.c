/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Threads of a process: made, unlinked, ended by exec, and what an ending one owes the guest's memory. */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"
#include "libos/sys/user.h"

struct thread *thread_create(struct process *p, s32 tid)
{
	struct thread *t = (struct thread *)pal_thread_alloc(sizeof(struct thread));
	bool leaving;

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->proc = p;
	t->tid = tid;
	list_init(&t->sibling);
	signal_thread_init(t);
	entry_init_thread(t);
	memcpy(t->comm, p->comm, sizeof(t->comm));
	lock(&p->lock);
	/* An exec that counts the threads down must not see the count rise again. */
	leaving = atomic_load(&p->exec_by) || atomic_load(&p->exiting);
	if (!leaving) {
		list_add_tail(&p->threads, &t->sibling);
		p->nthreads++;
		p->slot->nthreads = p->nthreads;
	}
	unlock(&p->lock);
	if (!leaving)
		return t;
	pal_thread_free(&t->tcb, sizeof(*t));
	return ERR_PTR(-ERESTARTNOINTR);
}

void thread_unlink(struct thread *t)
{
	struct process *p = t->proc;

	list_del(&t->sibling);
	atomic_store(&p->nthreads, p->nthreads - 1);
	p->slot->nthreads = p->nthreads;
}

static void kick_others(struct process *p, struct thread *self)
{
	static const struct pal_kick look;
	struct thread *t;

	lock(&p->lock);
	list_for_each(t, &p->threads, sibling) {
		if (t == self)
			continue;
		atomic_store(&t->tcb.pending, 1);
		/* May fail: one that is leaving by itself needs none. */
		(void)pal_kick(p->slot->host_pid, t->tcb.host_tid, &look);
	}
	unlock(&p->lock);
}

void thread_end_others(void)
{
	/* Asked again now and then: a thread may have been between its birth and its first look. */
	static const struct timespec again = { .tv_nsec = 10000000 };
	struct thread *self = current();
	struct process *p = self->proc;
	unsigned n;

	while ((n = atomic_load(&p->nthreads)) > 1) {
		kick_others(p, self);
		pal_futex_plain(&p->nthreads, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, n, &again, NULL, 0);
	}
}

void thread_release_user(struct thread *t, bool clear_tid)
{
	static const u32 zero;

	robust_list_exit(t);
	if (!t->clear_child_tid)
		return;
	if (clear_tid && user_write(t->clear_child_tid, &zero, sizeof(zero)) == 0)
		(void)pal_futex_plain(t->clear_child_tid, FUTEX_WAKE, 1, NULL, NULL, 0);
	t->clear_child_tid = NULL;
}
