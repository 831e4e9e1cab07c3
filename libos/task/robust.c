/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Robust futexes: a thread that ends while it holds some marks them, so that the next owner learns of it.
 *
 * The host's own walk compares the word with the host's tid, but the guest's words hold guest tids: so the walk is
 * here. It reads a list in guest memory that may be anything; every step is bounded and survives faults, as
 * kernel/futex/core.c.
 */
#include "libos/task/task.h"
#include "libos/sys/user.h"

#define ROBUST_LIST_LIMIT 2048
#define ENTRY_PI 1ul

static void mark_dead(struct thread *t, u64 addr, bool pi, bool pending_op)
{
	u32 *word = (u32 *)addr, v, seen;

	if (addr & 3)
		return;
	for (;;) {
		if (user_read(&v, word, sizeof(v)))
			return;
		/* Died between releasing the word and waking the waiters: wake one for it. */
		if (pending_op && !pi && !v) {
			(void)pal_futex_plain(word, FUTEX_WAKE, 1, NULL, NULL, 0);
			return;
		}
		if ((v & FUTEX_TID_MASK) != (u32)t->tid)
			return;
		if (user_cmpxchg_u32(word, v, (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen))
			return;
		if (seen == v)
			break;
	}
	if (v & FUTEX_WAITERS)
		(void)pal_futex_plain(word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void robust_list_exit(struct thread *t)
{
	struct robust_list_head head;
	u64 entry, next, pending, end = (u64)t->robust_list;

	if (!end)
		return;
	t->robust_list = NULL;
	if (user_read(&head, (void *)end, sizeof(head)))
		return;
	entry = (u64)head.list.next;
	pending = (u64)head.list_op_pending;
	for (unsigned i = 0; i < ROBUST_LIST_LIMIT && (entry & ~ENTRY_PI) != end; i++) {
		/* Read on before the entry is given away. */
		bool last = user_read(&next, (void *)(entry & ~ENTRY_PI), sizeof(next)) != 0;

		if (entry != pending)
			mark_dead(t, (entry & ~ENTRY_PI) + (u64)head.futex_offset, entry & ENTRY_PI, false);
		if (last)
			return;
		entry = next;
	}
	if (pending)
		mark_dead(t, (pending & ~ENTRY_PI) + (u64)head.futex_offset, pending & ENTRY_PI, true);
}
