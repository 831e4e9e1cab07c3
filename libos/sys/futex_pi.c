/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks that know their owner (FUTEX_LOCK_PI and its kin). The word holds the owner's guest tid and a mark that
 * others wait; a waiter sleeps on the marked word, and an unlock wakes one, who takes it. Priorities are the
 * host's affair and are not lent: what is kept is who owns, who waits, and the errors.
 *
 * A waiter looks at the owner now and then: one that ended gives the lock to a waiter, marked FUTEX_OWNER_DIED.
 * Each says in its slot whose lock it sleeps for, so that a ring of waiters is seen by the one that closes it.
 */
#include "libos/sys/futex.h"
#include "libos/coord/area.h"

#define CHAIN_MAX 1024 /* kernel/locking/rtmutex.c, max_lock_depth */

/* Would sleeping for owner close a ring? */
static bool closes_ring(u32 owner, u32 tid)
{
	for (unsigned i = 0; i < CHAIN_MAX; i++) {
		struct area_slot *s = area_slot((s32)owner);

		owner = s ? atomic_load(&s->awaits) : 0;
		if (!owner)
			return false;
		if (owner == tid)
			return true;
	}
	return true;
}

/* What the word becomes when tid takes it from old, whose owner may have ended. Others may wait: whoever takes it this
 * way keeps the mark, so that the unlock comes here. */
static u32 taken(u32 old, u32 tid, bool slept)
{
	return tid | (old & (FUTEX_OWNER_DIED | FUTEX_WAITERS)) | (slept ? FUTEX_WAITERS : 0);
}

/* One try: 0 got it, 1 someone holds it (*v: the word, marked as waited for), or -errno. */
static int pi_take(u32 *word, u32 tid, bool wait, bool slept, u32 *v)
{
	u32 old, new, seen;

	for (;;) {
		enum robust_owner owner = OWNER_ALIVE;

		if (user_read(&old, word, sizeof(old)))
			return -EFAULT;
		if ((old & FUTEX_TID_MASK) == tid)
			return -EDEADLK;
		if (old & FUTEX_TID_MASK)
			owner = robust_owner(old);
		/* As the host: who slept is given the lock; who comes when the owner is gone finds nobody. */
		if (owner == OWNER_ENDED && !slept)
			return -ESRCH;
		if (!(old & FUTEX_TID_MASK))
			new = taken(old, tid, slept);
		else if (owner != OWNER_ALIVE)
			new = taken(old, tid, slept) | FUTEX_OWNER_DIED;
		else if (!wait)
			return 1;
		else
			new = old | FUTEX_WAITERS;
		if (user_cmpxchg_u32(word, old, new, &seen))
			return -EFAULT;
		if (seen != old)
			continue;
		*v = new;
		return (new & FUTEX_TID_MASK) != tid;
	}
}

static int pi_lock(u32 *word, int op, const struct timespec *end)
{
	struct area_slot *self = area_slot(current()->tid);
	u32 tid = (u32)current()->tid, v;
	bool slept = false;
	int r;

	for (;;) {
		r = pi_take(word, tid, true, slept, &v);
		if (r <= 0)
			break;
		atomic_store(&self->awaits, v & FUTEX_TID_MASK);
		r = -EDEADLK;
		if (!closes_ring(v & FUTEX_TID_MASK, tid))
			r = futex_stretch(word, op, v, end, FUTEX_BITSET_MATCH_ANY);
		atomic_store(&self->awaits, 0);
		/* A signal that means nothing must not make a newcomer of it. */
		if (r == -EINTR && !wait_interrupted())
			r = 1;
		if (r < 0 && r != -EAGAIN)
			break;
		slept = true;
	}
	return r;
}

static long pi_unlock(u32 *word, int op)
{
	u32 tid = (u32)current()->tid, v, seen;

	do {
		if (user_read(&v, word, sizeof(v)))
			return -EFAULT;
		if ((v & FUTEX_TID_MASK) != tid)
			return -EPERM;
		if (user_cmpxchg_u32(word, v, 0, &seen))
			return -EFAULT;
	} while (seen != v);
	if (v & FUTEX_WAITERS)
		(void)pal_futex_plain(word, FUTEX_WAKE | (op & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0);
	return 0;
}

static long pi_trylock(u32 *word)
{
	u32 v;
	int r = pi_take(word, (u32)current()->tid, false, false, &v);

	return r > 0 ? -EAGAIN : r;
}

long futex_pi(u32 *word, int cmd, int op, const struct timespec *end)
{
	int wait = FUTEX_WAIT_BITSET | (op & FUTEX_FLAGS), r;

	if (cmd == FUTEX_TRYLOCK_PI)
		return pi_trylock(word);
	if (cmd == FUTEX_UNLOCK_PI)
		return pi_unlock(word, op);
	r = pi_lock(word, cmd == FUTEX_LOCK_PI ? wait | FUTEX_CLOCK_REALTIME : wait, end);
	return r == -EINTR ? -ERESTARTNOINTR : r;
}

/* Whoever is woken, by whichever call, goes for the lock; requeueing means waking those that it concerns. */
long futex_wait_requeue_pi(u32 *word, int op, u32 val, const struct timespec *end, u32 *lock, u32 bits)
{
	int wait = FUTEX_WAIT_BITSET | (op & FUTEX_FLAGS), r;

	if (word == lock)
		return -EINVAL;
	r = pal_futex(word, wait, val, end, NULL, bits);
	if (r == -EINTR)
		return -ERESTARTNOINTR;
	if (r)
		return r;
	r = pi_lock(lock, wait, end);
	/* The waking is spent: there is nothing left to wait for again. */
	return r == -EINTR ? -EAGAIN : r;
}

long futex_cmp_requeue_pi(u32 *word, int op, u32 wake, u32 requeue, u32 *lock, u32 val)
{
	if (wake != 1 || (s32)requeue < 0 || word == lock)
		return -EINVAL;
	return pal_futex_plain(word, FUTEX_CMP_REQUEUE | (op & FUTEX_PRIVATE_FLAG),
			       requeue == INT_MAX ? INT_MAX : wake + requeue, NULL, lock, val);
}
