/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Robust locks, and the journal that makes what is done under them whole.
 *
 * Any process can be killed at any instruction. The rules that keep the shared memory whole:
 *
 *   1. Words that others rely on change only by the journal. Under the lock, a thread writes down every word and what
 *      it is to become (ipc_set32, ipc_set64), then says how many there are (ipc_commit: `committed`), then makes the
 *      changes, then takes `committed` back. Stores take effect in the order of the program, up to where it was killed.
 *      So one who comes later finds either committed == 0, and nothing has changed or all has; or the whole list, and
 *      making all of its changes, again where they were made already, completes the operation: the list holds values,
 *      not differences.
 *   2. Everything else that is written under a lock lies where nothing leads yet: bytes of a message in free blocks,
 *      the other half of a semaphore set.
 *   3. A lock's word names its holder's thread, and the thread names the lock in held[] before it takes it. So recovery
 *      (ipc_recover) starts from a dead thread: complete its journal, wake whom it had readied (rule 5), give up the
 *      locks whose words name it. The journal is done with before the first lock is given up: from then on the words
 *      may change.
 *   4. Recoveries are made one at a time, under the repair lock. Its holder may be killed too; whoever comes next sees
 *      that it is dead, takes the word over, and does the same again, which rule 3 allows at every point.
 *   5. Who is to be woken stands in wake[] before the change that readies him is committed, and is crossed out after
 *      the call; waking somebody once more does no harm.
 *   6. Work that is more than one change (looking at the sleepers of a semaphore set, telling all sleepers that a queue
 *      is gone) can be seen to be undone from the object: whoever takes its lock next does it first.
 *
 * That a thread is dead is known from the host's record lock that its process holds as long as it lives (area.c); it
 * is asked for only by those who have waited for a lock some time. A process that ends by itself first lets its
 * other threads leave their locks (refs.c).
 */
#include "libos/ipc/ipc.h"
#include "libos/fs/at_once.h"
#include "pal/grant.h"

#define WAITED_FOR 0x80000000u
#define SPINS 100
#define PATIENCE_NS 20000000

/* Compilers must not move stores over these; the processor does not. */
#define in_order() __atomic_signal_fence(__ATOMIC_SEQ_CST)

bool ipc_alive(s32 pid)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = pid, .l_len = 1 };

	if (!area_process(pid))
		return false;
	/* One's own lock is no obstacle to oneself. */
	if (pid == this_process()->pid || at_once(pal_fcntl(GRANT_FD_IPC, F_GETLK, (uintptr_t)&lock)))
		return true;
	return lock.l_type != F_UNLCK;
}

static bool thread_alive(s32 tid)
{
	const struct area_slot *s = area_slot(tid);
	u32 state = s ? atomic_load(&s->state) : AREA_FREE;

	if (!area_named(state))
		return false;
	return ipc_alive(state == AREA_THREAD ? s->tgid : tid);
}

void ipc_park(void)
{
	for (;;)
		(void)pal_sched_yield();
}

/* ---- repair ---- */

static void repair_lock(u32 tid)
{
	u32 *word = &the_ipc->repair.word;

	for (unsigned i = 1;; i++) {
		u32 holder = atomic_load(word);

		if (!holder && atomic_cas(word, 0, tid))
			return;
		if (holder && !(i % SPINS) && !thread_alive((s32)holder) && atomic_cas(word, holder, tid))
			return;
		(void)pal_sched_yield();
	}
}

static void complete(struct ipc_thread *t)
{
	for (u32 i = 0; i < t->committed; i++) {
		const struct ipc_change *c = &t->journal[i];

		if (c->where & 1)
			*(volatile u64 *)(c->where & ~1ul) = c->value;
		else
			*(volatile u32 *)c->where = (u32)c->value;
	}
	in_order();
	*(volatile u32 *)&t->committed = 0;
	in_order();
}

static void release(struct ipc_lock *l)
{
	if (atomic_xchg(&l->word, 0) & WAITED_FOR)
		(void)pal_futex_plain(&l->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void ipc_recover(struct ipc_thread *me, s32 tid)
{
	struct ipc_thread *t = ipc_thread(tid);

	if (!t->held[0] && !t->held[1] && !t->committed && !t->wakes)
		return;
	repair_lock((u32)current()->tid);
	complete(t);
	t->changes = 0;
	ipc_wake(t);
	for (unsigned i = 0; i < 2; i++) {
		struct ipc_lock *l = (struct ipc_lock *)t->held[i];

		if (l && (atomic_load(&l->word) & ~WAITED_FOR) == (u32)tid)
			release(l);
		t->held[i] = 0;
	}
	atomic_store(&the_ipc->repair.word, 0);
}

/* ---- locks ---- */

/* A holder that does not go on: dead, or the host's scheduler has others to run. */
static void look_after(struct ipc_thread *me, struct ipc_lock *l)
{
	u32 v = atomic_load(&l->word);

	if ((v & ~WAITED_FOR) && !thread_alive((s32)(v & ~WAITED_FOR)))
		ipc_recover(me, (s32)(v & ~WAITED_FOR));
}

static void lock_slow(struct ipc_thread *me, struct ipc_lock *l, u32 tid)
{
	static const struct timespec patience = { .tv_nsec = PATIENCE_NS };

	for (unsigned i = 0; i < SPINS; i++) {
		if (!atomic_load_relaxed(&l->word) && atomic_cas(&l->word, 0, tid))
			return;
		__builtin_ia32_pause();
	}
	for (;;) {
		u32 v = atomic_load(&l->word);

		if (!v) {
			if (atomic_cas(&l->word, 0, tid | WAITED_FOR))
				return;
			continue;
		}
		if (!(v & WAITED_FOR) && !atomic_cas(&l->word, v, v | WAITED_FOR))
			continue;
		if (pal_futex_plain(&l->word, FUTEX_WAIT, v | WAITED_FOR, &patience, NULL, 0) == -ETIMEDOUT)
			look_after(me, l);
	}
}

void ipc_lock(struct ipc_thread *me, struct ipc_lock *l)
{
	struct thread *t = current();
	unsigned i = me->held[0] != 0;

	*(volatile u64 *)&me->held[i] = (u64)l;
	in_order();
	if (unlikely(!atomic_cas(&l->word, 0, (u32)t->tid)))
		lock_slow(me, l, (u32)t->tid);
	/* The process ends, and waits until this thread holds nothing more (refs.c). */
	if (unlikely(atomic_load(&t->proc->exiting) && !me->leaving)) {
		release(l);
		atomic_store(&me->held[i], 0);
		ipc_park();
	}
}

void ipc_unlock(struct ipc_thread *me, struct ipc_lock *l)
{
	unsigned i = me->held[1] == (u64)l;

	release(l);
	atomic_store(&me->held[i], 0);
	if (me->wakes && !me->held[!i])
		ipc_wake(me);
}

/* ---- the journal ---- */

void ipc_set32(struct ipc_thread *me, void *where, u32 value)
{
	BUG_ON(me->changes == ARRAY_SIZE(me->journal));
	me->journal[me->changes++] = (struct ipc_change){ (u64)where, value };
}

void ipc_set64(struct ipc_thread *me, void *where, u64 value)
{
	BUG_ON(me->changes == ARRAY_SIZE(me->journal));
	me->journal[me->changes++] = (struct ipc_change){ (u64)where | 1, value };
}

void ipc_commit(struct ipc_thread *me)
{
	u32 n = me->changes;

	me->changes = 0;
	in_order();
	*(volatile u32 *)&me->committed = n;
	in_order();
	complete(me);
}
