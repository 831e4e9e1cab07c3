/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * futex: on the guest's own words, straight on the host, for private and shared memory alike. Only what names a
 * thread is made here: the priority-inheriting locks compare with guest tids, which the host does not know
 * (futex_pi.c), and the owner of a robust lock may have been killed before it could say so (task/robust.c).
 *
 * So a wait on a shared word that looks like a robust lock (a tid, the mark that somebody waits, and see robust.c)
 * is made in stretches, and between them the owner is looked at. Whatever else a word holds is waited for in one
 * piece.
 *
 * A wait with a timeout that a signal breaks off is restarted with the point in time, not the rest:
 * kernel/futex/waitwake.c.
 */
#include "libos/sys/futex.h"

static bool names_owner(u32 val)
{
	return (val & FUTEX_WAITERS) && (val & FUTEX_TID_MASK);
}

int futex_stretch(u32 *word, int op, u32 val, const struct timespec *end, u32 bits)
{
	int clock = op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	s64 look = ns_add(clock_now(clock), FUTEX_LOOK_NS);
	bool last = end && timespec_ns(end) <= look;
	struct timespec ts = last ? *end : ns_timespec(look);
	int r = pal_futex(word, op, val, &ts, NULL, bits);

	return r == -ETIMEDOUT && !last ? 1 : r;
}

/* Did the owner end without giving the lock away? An end that was said gave all away that lay in a list. */
static bool lost(u32 val, enum robust_look look)
{
	enum robust_owner owner = robust_owner(val);

	return owner == OWNER_KILLED || (owner == OWNER_ENDED && look == ROBUST_SURE);
}

static int wait_for_owner(u32 *word, int op, u32 val, u32 bits, const struct timespec *end, enum robust_look look)
{
	u32 now = val;
	int r;

	for (;;) {
		if (lost(val, look)) {
			r = robust_mark(word, val);
			return r < 0 ? r : 0;
		}
		r = futex_stretch(word, op, val, end, bits);
		if (r != 1)
			return r;
		if (user_read(&now, word, sizeof(now)))
			return -EFAULT;
		/* It may have been woken for while nobody slept on it. */
		if (now != val)
			return 0;
	}
}

int futex_wait_until(u32 *word, int op, u32 val, u32 bits, const struct timespec *end)
{
	enum robust_look look = ROBUST_NO;

	if (!(op & FUTEX_PRIVATE_FLAG) && names_owner(val))
		look = robust_look(word, val);
	if (look)
		return wait_for_owner(word, op, val, bits, end, look);
	return pal_futex(word, op, val, end, NULL, bits);
}

static long restart_wait(struct thread *t)
{
	struct timespec end = ns_timespec((s64)t->restart.arg[1]);
	int r = futex_wait_until((u32 *)t->restart.arg[0], (int)t->restart.arg[2], (u32)t->restart.arg[3],
				 (u32)t->restart.arg[4], &end);

	return r == -EINTR ? -ERESTART_RESTARTBLOCK : r;
}

static long wait_restartable(u32 *word, int op, u32 val, u32 bits, const struct timespec *end)
{
	struct thread *t = current();
	int r = futex_wait_until(word, op, val, bits, end);

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

/* WAIT takes how long, the others until when; all become the latter. */
static int read_end(struct timespec *end, int op, const void *timeout)
{
	if (user_read(end, timeout, sizeof(*end)))
		return -EFAULT;
	if (!timespec_valid(end))
		return -EINVAL;
	if ((op & ~FUTEX_FLAGS) == FUTEX_WAIT)
		*end = ns_timespec(ns_add(clock_now(CLOCK_MONOTONIC), timespec_ns(end)));
	return 0;
}

static bool has_timeout(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 ||
	       cmd == FUTEX_WAIT_REQUEUE_PI;
}

static bool has_clock(int cmd)
{
	return cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_REQUEUE_PI;
}

static long with_words(u32 *word, int op, u32 val, const void *arg, u32 *word2, u32 val3)
{
	int cmd = op & ~FUTEX_FLAGS, err = futex_word_check(word2);

	if (err)
		return err;
	if (cmd == FUTEX_CMP_REQUEUE_PI)
		return futex_cmp_requeue_pi(word, op, val, (u32)(u64)arg, word2, val3);
	/* The fourth argument is a number here, not a time. */
	return pal_futex_plain(word, op, val, arg, word2, val3);
}

long sys_futex(u32 *word, int op, u32 val, const void *timeout, u32 *word2, u32 val3)
{
	int cmd = op & ~FUTEX_FLAGS, err;
	struct timespec ts, *end = NULL;

	if (timeout && has_timeout(cmd)) {
		err = read_end(&ts, op, timeout);
		if (err)
			return err;
		end = &ts;
	}
	if (((op & FUTEX_CLOCK_REALTIME) && !has_clock(cmd)) || cmd == FUTEX_FD || cmd > FUTEX_LOCK_PI2 || cmd < 0)
		return -ENOSYS;
	if ((cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAKE_BITSET) && !val3)
		return -EINVAL;
	err = futex_word_check(word);
	if (err)
		return err;
	switch (cmd) {
	case FUTEX_WAIT:
		return wait_restartable(word, FUTEX_WAIT_BITSET | (op & FUTEX_FLAGS), val, FUTEX_BITSET_MATCH_ANY, end);
	case FUTEX_WAIT_BITSET:
		return wait_restartable(word, op, val, val3, end);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return pal_futex_plain(word, op, val, NULL, NULL, val3);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_word_check(word2) ?:
			       futex_wait_requeue_pi(word, op, val, end, word2, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_CMP_REQUEUE_PI:
		return with_words(word, op, val, timeout, word2, val3);
	}
	return futex_pi(word, cmd, op, end);
}
