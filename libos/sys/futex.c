/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * futex: on the guest's own words, straight on the host, for private and shared memory alike. Only what names a
 * thread is made here: the priority-inheriting locks compare with guest tids, which the host does not know.
 *
 * A wait with a timeout that a signal breaks off is restarted with the point in time, not the rest:
 * kernel/futex/waitwake.c.
 */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "libos/sys/wait_end.h"

#define FUTEX_FLAGS (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

static bool word_ok(const u32 *w)
{
	return guest_range(w, sizeof(*w));
}

static long restart_wait(struct thread *t)
{
	struct timespec end = ns_timespec((s64)t->restart.arg[1]);
	u32 *word = (u32 *)t->restart.arg[0];
	int r = pal_futex(word, (int)t->restart.arg[2], (u32)t->restart.arg[3], &end, NULL, (u32)t->restart.arg[4]);

	return r == -EINTR ? -ERESTART_RESTARTBLOCK : r;
}

/* Until the point in time end (of the clock that op says), or for ever. */
static long wait_until(u32 *word, int op, u32 val, u32 bits, const struct timespec *end)
{
	struct thread *t = current();
	int r = pal_futex(word, op, val, end, NULL, bits);

	if (r != -EINTR)
		return r;
	if (!end)
		return -ERESTARTSYS;
	t->restart.fn = restart_wait;
	t->restart.arg[0] = (u64)word;
	t->restart.arg[1] = (u64)timespec_ns(end);
	t->restart.arg[2] = (u64)op;
	t->restart.arg[3] = val;
	t->restart.arg[4] = bits;
	return -ERESTART_RESTARTBLOCK;
}

/* WAIT takes how long, WAIT_BITSET until when; both become the latter. */
static long do_wait(u32 *word, int op, u32 val, const void *timeout, u32 bits)
{
	int clock = op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, cmd = op & ~FUTEX_FLAGS;
	struct timespec ts;

	if (!timeout)
		return wait_until(word, FUTEX_WAIT_BITSET | (op & FUTEX_PRIVATE_FLAG), val, bits, NULL);
	if (user_read(&ts, timeout, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	if (cmd == FUTEX_WAIT)
		ts = ns_timespec(ns_add(clock_now(clock), timespec_ns(&ts)));
	return wait_until(word, FUTEX_WAIT_BITSET | (op & FUTEX_FLAGS), val, bits, &ts);
}

static bool owner_alive(u32 v)
{
	struct area_slot *s = area_slot((s32)(v & FUTEX_TID_MASK));

	return s && s->state != AREA_FREE && s->state != AREA_RESERVED;
}

/* One try: 0 got it, 1 someone holds it (*v: the word, marked as waited for), or -errno. */
static int pi_take(u32 *word, u32 tid, bool wait, u32 *v)
{
	u32 old, new, seen;

	for (;;) {
		if (user_read(&old, word, sizeof(old)))
			return -EFAULT;
		if ((old & FUTEX_TID_MASK) == tid)
			return -EDEADLK;
		if (!(old & FUTEX_TID_MASK)) {
			/* Others may wait: whoever takes it this way keeps the mark, so that the unlock comes here. */
			new = tid | (old & (FUTEX_OWNER_DIED | FUTEX_WAITERS));
		} else if (!owner_alive(old)) {
			return -ESRCH;
		} else if (!wait) {
			return 1;
		} else {
			new = old | FUTEX_WAITERS;
		}
		if (user_cmpxchg_u32(word, old, new, &seen))
			return -EFAULT;
		if (seen != old)
			continue;
		*v = new;
		return (new & FUTEX_TID_MASK) != tid;
	}
}

/* The mark stays as long as someone sleeps: a sleeper that wakes takes the lock with it set. */
static int pi_mark_waited(u32 *word, u32 tid)
{
	u32 seen, v;

	do {
		if (user_read(&v, word, sizeof(v)) || user_cmpxchg_u32(word, v, v | FUTEX_WAITERS, &seen))
			return -EFAULT;
	} while (seen != v);
	return 0;
}

static long pi_lock(u32 *word, int op, const void *timeout)
{
	bool realtime = (op & ~FUTEX_FLAGS) == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME), slept = false;
	u32 tid = (u32)current()->tid, v;
	struct timespec ts;

	if (timeout && user_read(&ts, timeout, sizeof(ts)))
		return -EFAULT;
	if (timeout && !timespec_valid(&ts))
		return -EINVAL;
	for (;;) {
		int r = pi_take(word, tid, true, &v);

		if (r <= 0)
			return !r && slept ? pi_mark_waited(word, tid) : r;
		r = pal_futex(word,
			      FUTEX_WAIT_BITSET | (op & FUTEX_PRIVATE_FLAG) | (realtime ? FUTEX_CLOCK_REALTIME : 0),
			      v, timeout ? &ts : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
		if (r == -EINTR)
			return -ERESTARTNOINTR;
		if (r && r != -EAGAIN)
			return r;
		slept = true;
	}
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
	int r = pi_take(word, (u32)current()->tid, false, &v);

	return r > 0 ? -EAGAIN : r;
}

long sys_futex(u32 *word, int op, u32 val, const void *timeout, u32 *word2, u32 val3)
{
	int cmd = op & ~FUTEX_FLAGS;

	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	if ((uintptr_t)word & 3)
		return -EINVAL;
	if (!word_ok(word))
		return -EFAULT;
	switch (cmd) {
	case FUTEX_WAIT:
		return do_wait(word, op, val, timeout, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return val3 ? do_wait(word, op, val, timeout, val3) : -EINVAL;
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return pal_futex_plain(word, op, val, NULL, NULL, val3);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
		/* The fourth argument is a number here, not a time. */
		return word_ok(word2) ? pal_futex_plain(word, op, val, timeout, word2, val3) : -EFAULT;
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return pi_lock(word, op, timeout);
	case FUTEX_TRYLOCK_PI:
		return pi_trylock(word);
	case FUTEX_UNLOCK_PI:
		return pi_unlock(word, op);
	}
	return -ENOSYS;
}
