/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sleeping on an object. A sleeper is linked in a list of the object's by its thread's id; who readies it takes it
 * out of the list and leaves the result in the same change, then wakes it. So a sleeper that finds itself no longer
 * WAITING has its result, and need not look at the object, which may be gone.
 */
#include "libos/ipc/ipc.h"
#include "libos/sys/wait_end.h"

void ipc_queue(struct ipc_thread *me, struct ipc_list *list, struct ipc_lock *lock)
{
	s32 tid = current()->tid;

	me->list = (u64)list;
	me->lock = (u64)lock;
	me->next = 0;
	me->prev = list->last;
	me->pid = this_process()->pid;
	ipc_set32(me, list->last ? (void *)&ipc_thread(list->last)->next : &list->first, (u32)tid);
	ipc_set32(me, &list->last, (u32)tid);
	ipc_set32(me, &list->count, list->count + 1);
	ipc_set32(me, &me->state, IPC_WAITING);
	ipc_commit(me);
}

void ipc_ready(struct ipc_thread *me, s32 tid, s32 result)
{
	struct ipc_thread *w = ipc_thread(tid);
	struct ipc_list *list = (struct ipc_list *)w->list;

	ipc_set32(me, w->prev ? (void *)&ipc_thread(w->prev)->next : &list->first, (u32)w->next);
	ipc_set32(me, w->next ? (void *)&ipc_thread(w->next)->prev : &list->last, (u32)w->prev);
	ipc_set32(me, &list->count, list->count - 1);
	ipc_set32(me, &w->result, (u32)result);
	ipc_set32(me, &w->state, IPC_DONE);
	if (w == me)
		return;
	if (me->wakes == IPC_WAKES)
		ipc_wake(me);
	me->wake[me->wakes] = tid;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	me->wakes++;
}

void ipc_ready_all(struct ipc_thread *me, struct ipc_list *list, s32 result)
{
	while (list->first) {
		ipc_ready(me, list->first, result);
		ipc_commit(me);
	}
}

void ipc_wake(struct ipc_thread *me)
{
	for (u32 i = 0; i < MIN(me->wakes, (u32)IPC_WAKES); i++)
		(void)pal_futex_plain(&ipc_thread(me->wake[i])->state, FUTEX_WAKE, 1, NULL, NULL, 0);
	atomic_store(&me->wakes, 0);
}

int ipc_sleep(struct ipc_thread *me, const struct timespec *end, bool realtime)
{
	int op = FUTEX_WAIT_BITSET | (realtime ? FUTEX_CLOCK_REALTIME : 0);

	while (atomic_load(&me->state) == IPC_WAITING) {
		int r = pal_futex(&me->state, op, IPC_WAITING, end, NULL, FUTEX_BITSET_MATCH_ANY);

		if (r == -EINTR && wait_interrupted())
			return -EINTR;
		if (r == -ETIMEDOUT)
			return r;
	}
	return 0;
}

int ipc_give_up(struct ipc_thread *me, struct ipc_lock *lock, int error)
{
	ipc_lock(me, lock);
	if (me->state == IPC_WAITING) {
		ipc_ready(me, current()->tid, error);
		ipc_commit(me);
	}
	ipc_unlock(me, lock);
	return me->result;
}
