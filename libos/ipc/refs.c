/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who holds what: a ref in the shared memory for each attached segment and each open queue of each process. A ref is
 * one word, made and dropped by compare-and-swap; how often an object is held is counted when it matters. So a
 * process that is killed leaves nothing but its refs, and whoever hears of its end drops them.
 *
 * A fork gives the child refs of its own before it is born, so that there is no moment in which an object that it
 * inherits has none.
 *
 * A process that ends by itself does all that its end means here while it still counts as running (ipc_exit). Of one
 * that was killed, its parent or the leader hears by the host's wait, and does it in its stead, before its ids are
 * free again (ipc_reap); that it was done can be seen from AREA_IPC in its slot, and doing parts of it twice does no
 * harm.
 */
#include "libos/ipc/ipc.h"
#include "libos/ipc/mq.h"

struct mutex ipc_holds_lock = MUTEX_INIT;
static struct list holds = { &holds, &holds };

static u64 ref_of(s32 pid, enum ipc_kind kind, u32 index)
{
	return (u64)(u32)pid << 32 | (u64)kind << 24 | index;
}

/* The number of the new ref plus one, 0: there is no room. */
static u32 ref_add(s32 pid, enum ipc_kind kind, u32 index)
{
	u64 ref = ref_of(pid, kind, index);

	for (u32 i = 0; i < IPC_REFS_MAX; i++) {
		u32 top = atomic_load(&the_ipc->refs_top);

		while (top <= i && !atomic_cas(&the_ipc->refs_top, top, i + 1))
			top = atomic_load(&the_ipc->refs_top);
		if (!atomic_load_relaxed(&the_ipc->ref[i]) && atomic_cas(&the_ipc->ref[i], 0, ref))
			return i + 1;
	}
	return 0;
}

u64 ipc_refs(enum ipc_kind kind, u32 index)
{
	u32 top = atomic_load(&the_ipc->refs_top), low = (u32)ref_of(0, kind, index);
	u64 n = 0;

	for (u32 i = 0; i < top; i++)
		n += (u32)atomic_load_relaxed(&the_ipc->ref[i]) == low;
	return n;
}

int ipc_hold(struct ipc_hold *h, enum ipc_kind kind, u32 index)
{
	*h = (struct ipc_hold){ .kind = kind, .index = index, .pid = this_process()->pid };
	h->ref = ref_add(h->pid, kind, index);
	if (!h->ref)
		return -ENOSPC;
	list_add(&holds, &h->link);
	return 0;
}

bool ipc_let_go(struct ipc_hold *h)
{
	if (!h->ref || h->pid != this_process()->pid)
		return false;
	list_del(&h->link);
	(void)atomic_cas(&the_ipc->ref[h->ref - 1], ref_of(h->pid, h->kind, h->index), 0);
	h->ref = 0;
	return true;
}

/* ---- fork ---- */

static void drop_child_refs(s32 child)
{
	struct ipc_hold *h;

	list_for_each(h, &holds, link) {
		if (h->child_ref)
			(void)atomic_cas(&the_ipc->ref[h->child_ref - 1], ref_of(child, h->kind, h->index), 0);
		h->child_ref = 0;
	}
}

int ipc_fork(s32 child)
{
	struct ipc_thread *me;
	struct ipc_hold *h;

	if (likely(list_empty(&holds)))
		return 0;
	me = ipc_enter();
	if (IS_ERR(me))
		return -ENOMEM;
	atomic_or(&area_slot(child)->flags, AREA_IPC);
	list_for_each(h, &holds, link) {
		h->child_ref = ref_add(child, h->kind, h->index);
		if (!h->child_ref) {
			drop_child_refs(child);
			return -ENOMEM;
		}
		if (h->kind != IPC_SHM)
			continue;
		ipc_shm_lock(me);
		ipc_shm_touched(h->index, this_process()->pid);
		ipc_shm_unlock(me);
	}
	return 0;
}

void ipc_fork_failed(s32 child)
{
	if (!list_empty(&holds))
		drop_child_refs(child);
}

void ipc_forked(s32 pid)
{
	struct ipc_hold *h;

	/* Written only where it differs: a page that is not written is not copied. */
	if (this_process()->ipc_joined)
		this_process()->ipc_joined = 0;
	list_for_each(h, &holds, link) {
		h->ref = h->child_ref;
		h->pid = pid;
	}
}

/* ---- the end ---- */

static void drop_ref(struct ipc_thread *me, s32 pid, u32 i, u64 ref)
{
	u32 index = ref & 0xffffff;

	if ((ref >> 24 & 0xff) == IPC_SHM) {
		ipc_shm_lock(me);
		if (atomic_cas(&the_ipc->ref[i], ref, 0))
			ipc_shm_lost(me, index, pid);
		ipc_shm_unlock(me);
		return;
	}
	ipc_lock(me, &the_ipc->mq_dir);
	if (atomic_cas(&the_ipc->ref[i], ref, 0))
		ipc_mq_lost(me, index);
	ipc_unlock(me, &the_ipc->mq_dir);
}

static void drop_refs(struct ipc_thread *me, s32 pid)
{
	u32 top = atomic_load(&the_ipc->refs_top);

	for (u32 i = 0; i < top; i++) {
		u64 ref = atomic_load(&the_ipc->ref[i]);

		if ((s32)(ref >> 32) == pid)
			drop_ref(me, pid, i, ref);
	}
}

/* A thread that waits for nothing any more. */
static void stop_waiting(struct ipc_thread *me, s32 tid)
{
	struct ipc_thread *t = ipc_thread(tid);
	struct ipc_lock *l;

	if (atomic_load(&t->state) != IPC_WAITING)
		return;
	l = (struct ipc_lock *)t->lock;
	ipc_lock(me, l);
	if (t->state == IPC_WAITING) {
		ipc_ready(me, tid, -EINTR);
		ipc_commit(me);
	}
	ipc_unlock(me, l);
}

static void finish(struct ipc_thread *me, s32 tid)
{
	u64 held[2] = { ipc_thread(tid)->held[0], ipc_thread(tid)->held[1] };

	ipc_recover(me, tid);
	ipc_thread(tid)->going = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++) {
		ipc_sem_recovered(me, held[i]);
		ipc_msg_recovered(me, held[i]);
	}
}

/* The next id >= id of a process's threads, by the slots: its first one has the process's own. 0: none. */
static s32 next_thread(s32 pid, s32 id)
{
	if (!(area_slot(pid)->flags & AREA_THREADED))
		return id <= pid ? pid : 0;
	for (id = area_next(id, true); id && area_slot(id)->tgid != pid;)
		id = area_next(id + 1, true);
	return id;
}

static void clean(struct ipc_thread *me, s32 pid, bool dead)
{
	for (s32 id = next_thread(pid, 1); id; id = next_thread(pid, id + 1)) {
		if (dead)
			finish(me, id);
		stop_waiting(me, id);
	}
	ipc_sem_undo(me, pid);
	drop_refs(me, pid);
	ipc_shm_quit(me, pid);
	ipc_mq_quit(me, pid);
}

/* Other threads of a process that ends leave the locks they hold and take no more (ipc_lock). */
static void quiesce(const struct process *p)
{
	for (s32 id = next_thread(p->pid, 1); id; id = next_thread(p->pid, id + 1)) {
		const struct ipc_thread *t = ipc_thread(id);

		if (id == current()->tid)
			continue;
		while (atomic_load(&t->held[0]) || atomic_load(&t->held[1]))
			(void)pal_sched_yield();
	}
}

void ipc_exit(struct process *p)
{
	struct ipc_thread *me;

	if (likely(!(p->slot->flags & AREA_IPC)))
		return;
	me = ipc_enter();
	if (IS_ERR(me))
		return;
	me->leaving = 1;
	if (p->nthreads > 1)
		quiesce(p);
	clean(me, p->pid, false);
	me->leaving = 0;
	atomic_and(&p->slot->flags, ~(AREA_IPC | AREA_IPC_JOINED));
}

void ipc_reap(s32 pid)
{
	struct ipc_thread *me = ipc_enter();

	if (IS_ERR(me))
		return;
	ipc_thread(pid)->leaving = 0;
	clean(me, pid, true);
	atomic_and(&area_slot(pid)->flags, ~(AREA_IPC | AREA_IPC_JOINED));
}

void ipc_reap_children(s32 parent)
{
	if (likely(!atomic_load_relaxed(&the_area->ipc_used)))
		return;
	for (s32 id = area_next(2, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);

		if (s->ppid != parent || !(s->flags & AREA_IPC_JOINED) || s->state == AREA_ZOMBIE)
			continue;
		if (!IS_ERR(ipc_enter()) && !ipc_alive(id))
			ipc_reap(id);
	}
}
