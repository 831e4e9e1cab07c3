/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * When a wait ends: relative timeouts become a point on CLOCK_MONOTONIC once, so that a wait that
 * was broken off (by a signal, by a kick that carried nothing) goes on for the rest and not for the
 * whole.
 */
#ifndef LIBOS_SYS_WAIT_END_H
#define LIBOS_SYS_WAIT_END_H

#include "libos/task/task.h"
#include "libos/sys/user.h"

#define NSEC 1000000000l

struct wait_end {
	bool forever;
	s64 at; /* nanoseconds of CLOCK_MONOTONIC */
};

static inline bool timespec_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && (u64)ts->tv_nsec < NSEC;
}

/* Saturating: sleeps of 2^63 seconds are asked for. */
static inline s64 timespec_ns(const struct timespec *ts)
{
	if (ts->tv_sec >= LONG_MAX / NSEC)
		return LONG_MAX;
	return ts->tv_sec * NSEC + ts->tv_nsec;
}

static inline struct timespec ns_timespec(s64 ns)
{
	return (struct timespec){ .tv_sec = ns / NSEC, .tv_nsec = ns % NSEC };
}

static inline s64 clock_now(int clock)
{
	struct timespec ts = { 0 };

	pal_clock_gettime(clock, &ts);
	return timespec_ns(&ts);
}

static inline s64 ns_add(s64 a, s64 b)
{
	s64 sum;

	return __builtin_add_overflow(a, b, &sum) ? LONG_MAX : sum;
}

static inline struct wait_end wait_end_after(const struct timespec *ts)
{
	return (struct wait_end){ .at = ns_add(clock_now(CLOCK_MONOTONIC), timespec_ns(ts)) };
}

/* From now to at, at least `least`. The clock is read once: MAX would read it twice, and time passes
 * in between. */
static inline s64 ns_left(s64 at, int clock, s64 least)
{
	s64 left = at - clock_now(clock);

	return MAX(left, least);
}

static inline struct timespec wait_end_left(const struct wait_end *e)
{
	return ns_timespec(ns_left(e->at, CLOCK_MONOTONIC, 0));
}

/* After a blocking call said -EINTR: is there a signal (or the process's end), or was it a kick
 * that asked for nothing? The flag is cleared before the look, so that what arrives meanwhile sets
 * it again. */
static inline bool wait_interrupted(void)
{
	struct thread *t = current();

	atomic_store(&t->tcb.pending, 0);
	if (!signal_drain(t) && !atomic_load(&t->proc->exiting) && !atomic_load(&t->proc->exec_by))
		return false;
	atomic_store(&t->tcb.pending, 1);
	return true;
}

/* The guest's mask argument of ppoll and its kin: swap it in (none if mask is NULL). 0 or -errno.
 */
static inline int wait_mask_enter(const u64 *mask, size_t size)
{
	u64 set;

	if (!mask)
		return 0;
	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (user_read(&set, mask, sizeof(set)) < 0)
		return -EFAULT;
	signal_swap_mask(current(), set & ~SIG_UNBLOCKABLE);
	return 0;
}

/* A wait that was not interrupted restores the mask before it returns: what the old mask blocks
 * stays blocked. */
static inline void wait_mask_leave(const u64 *mask, bool was_interrupted)
{
	struct thread *t = current();

	if (mask && !was_interrupted && t->sig.restore_mask) {
		t->sig.restore_mask = false;
		signal_set_mask(t, t->sig.saved_mask);
	}
}

#endif
