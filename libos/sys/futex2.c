/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The younger futex calls: waiting on several words, and futex_wake, futex_wait, futex_requeue, which are futex(2) with
 * the flags in an argument of their own. Words of 32 bits only, as in Linux.
 */
#include "libos/sys/futex.h"

#define FUTEX2_KNOWN (FUTEX2_SIZE_MASK | FUTEX2_PRIVATE)

static bool flags_ok(u32 flags)
{
	return !(flags & ~FUTEX2_KNOWN) && (flags & FUTEX2_SIZE_MASK) == FUTEX2_SIZE_U32;
}

static int read_words(struct futex_waitv *w, const void *guest, unsigned n)
{
	if (user_read(w, guest, n * sizeof(*w)))
		return -EFAULT;
	for (unsigned i = 0; i < n; i++)
		if (!flags_ok(w[i].flags) || w[i].__reserved || w[i].val >> 32)
			return -EINVAL;
	return 0;
}

static int check_words(const struct futex_waitv *w, unsigned n)
{
	int err = 0;

	for (unsigned i = 0; i < n && !err; i++)
		err = futex_word_check((u32 *)w[i].uaddr);
	return err;
}

static int read_end(struct timespec *end, const void *timeout, int clock)
{
	if (!timeout)
		return 0;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	if (user_read(end, timeout, sizeof(*end)))
		return -EFAULT;
	return timespec_valid(end) ? 0 : -EINVAL;
}

long sys_futex_waitv(const void *waiters, unsigned n, unsigned flags, const void *timeout, int clock)
{
	struct futex_waitv w[FUTEX_WAITV_MAX];
	struct timespec end;
	int err;

	if (flags || !n || n > FUTEX_WAITV_MAX || !waiters)
		return -EINVAL;
	err = read_end(&end, timeout, clock) ?: read_words(w, waiters, n) ?: check_words(w, n);
	return err ?: restartable(pal_futex_waitv(w, n, timeout ? &end : NULL, clock));
}

static int op_of(int cmd, u32 flags)
{
	return cmd | (flags & FUTEX2_PRIVATE ? FUTEX_PRIVATE_FLAG : 0);
}

long sys_futex_wake(u32 *word, u64 mask, int nr, unsigned flags)
{
	int err;

	if (!flags_ok(flags) || mask >> 32 || !mask)
		return -EINVAL;
	err = futex_word_check(word);
	if (err || !nr)
		return err;
	return pal_futex_plain(word, op_of(FUTEX_WAKE_BITSET, flags), (u32)nr, NULL, NULL, (u32)mask);
}

long sys_futex_wait(u32 *word, u64 val, u64 mask, unsigned flags, const void *timeout, int clock)
{
	struct timespec end;
	int err, op = op_of(FUTEX_WAIT_BITSET, flags) | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);

	if (!flags_ok(flags) || val >> 32 || mask >> 32)
		return -EINVAL;
	err = read_end(&end, timeout, clock);
	if (err)
		return err;
	if (!mask)
		return -EINVAL;
	err = futex_word_check(word);
	return err ?: restartable(futex_wait_until(word, op, (u32)val, (u32)mask, timeout ? &end : NULL));
}

long sys_futex_requeue(const void *waiters, unsigned flags, int wake, int requeue)
{
	struct futex_waitv w[2];
	u32 *from, *to;
	int err;

	if (flags || !waiters)
		return -EINVAL;
	err = read_words(w, waiters, 2);
	if (err)
		return err;
	if (wake < 0 || requeue < 0)
		return -EINVAL;
	err = check_words(w, 2);
	if (err)
		return err;
	from = (u32 *)w[0].uaddr;
	to = (u32 *)w[1].uaddr;
	/* The host's old call has one flag for both words: those that would move between kinds are woken instead. */
	if ((w[0].flags ^ w[1].flags) & FUTEX2_PRIVATE)
		return pal_futex_plain(from, op_of(FUTEX_CMP_REQUEUE, w[0].flags), (u32)wake + (u32)requeue, NULL, to,
				       (u32)w[0].val);
	return pal_futex_plain(from, op_of(FUTEX_CMP_REQUEUE, w[0].flags), (u32)wake, (void *)(u64)requeue, to,
			       (u32)w[0].val);
}
