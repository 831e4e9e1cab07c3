/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Robust futexes: a thread that ends while it holds some marks them, so that the next owner learns of it.
 *
 * The host's own walk compares the word with the host's tid, but the guest's words hold guest tids: so the walk is
 * here. It reads a list in guest memory that may be anything; every step is bounded and survives faults, as
 * kernel/futex/core.c.
 *
 * A process that SIGKILL took walks nothing, and its list went with its memory. So whoever waits for a lock looks
 * at times whether the owner that the word names is alive, and marks the word itself if not (sys/futex.c). Whether
 * it lives the host says: the thread's slot holds a word, `life`, that the host's walk marks at the thread's
 * death, at once and whatever the parent does. What nobody waits for stays unmarked until somebody does.
 *
 * A word may hold the like of a tid for other reasons (musl's plain mutex holds EBUSY and the mark), so it must be
 * known to be a robust lock's: glibc keeps what it is about to lock in its own list's `pending`; musl takes it out
 * again before it waits, but there what is locked is linked, and only what is robust ever is.
 */
#include "libos/coord/area.h"
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

int robust_mark(u32 *word, u32 old)
{
	u32 seen;

	if (user_cmpxchg_u32(word, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen))
		return -EFAULT;
	return seen == old;
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

void robust_list_set(struct thread *t, void *head)
{
	struct area_slot *s = area_slot(t->tid);
	long offset;

	t->robust_list = head;
	s->robust = (u64)head;
	if (!head) {
		s->life = 0;
		return;
	}
	/* Both libraries write it before they tell of the list, and never again. */
	if (!user_read(&offset, (char *)head + offsetof(struct robust_list_head, futex_offset), sizeof(offset)))
		s->robust_offset = (s32)offset;
	pal_death_word(&s->life);
	s->life = (u32)t->tcb.host_tid;
}

void robust_note_killed(s32 id)
{
	bit_set(the_area->killed, (u32)id);
}

static bool was_killed(s32 id)
{
	return bit_is_set(the_area->killed, (u32)id);
}

enum robust_owner robust_owner(u32 word)
{
	s32 id = (s32)(word & FUTEX_TID_MASK);
	struct area_slot *s = area_slot(id);

	if (!s)
		return OWNER_ENDED;
	switch (atomic_load(&s->state) & AREA_STATE) {
	case AREA_FREE:
	case AREA_RESERVED:
		return was_killed(id) ? OWNER_KILLED : OWNER_ENDED;
	case AREA_ZOMBIE:
		return s->flags & AREA_UNSAID ? OWNER_KILLED : OWNER_ENDED;
	}
	if (s->life)
		return atomic_load(&s->life) & FUTEX_OWNER_DIED ? OWNER_KILLED : OWNER_ALIVE;
	/* It never had a list: the host knows it until its parent has waited for it. */
	if (s->host_pid && s->state != AREA_THREAD && pal_kill(s->host_pid, 0) == -ESRCH)
		return OWNER_KILLED;
	return OWNER_ALIVE;
}

/* Is word what the calling thread's list says it is about to lock? */
static bool is_pending(const u32 *word)
{
	const void *list = current()->robust_list;
	struct robust_list_head head;

	return list && !user_read(&head, list, sizeof(head)) &&
	       ((u64)head.list_op_pending & ~ENTRY_PI) + (u64)head.futex_offset == (u64)word;
}

enum robust_look robust_look(const u32 *word, u32 val)
{
	const struct area_slot *owner = area_slot((s32)(val & FUTEX_TID_MASK));
	u64 next;

	if (is_pending(word))
		return ROBUST_SURE;
	if (!owner || !owner->robust_offset ||
	    user_read(&next, (void *)((u64)word - (u64)(s64)owner->robust_offset), sizeof(next)))
		return ROBUST_NO;
	return next >= PAL_GUEST_BOTTOM && next < PAL_GUEST_TOP && !(next & 2) ? ROBUST_LIKELY : ROBUST_NO;
}
