/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The slow half of the mutex in lock.h.
 *
 * A waiter leaves the word at 2, so that whoever unlocks wakes one; it may leave it there without
 * need (one spare wake), never the other way round. The futex is a shared one: the word may lie in
 * memory that several picoprocesses map. A short spin first, since critical sections are short and
 * a sleep costs microseconds.
 */
#include "pal/base/lock.h"
#include "pal/pal.h"

#define SPINS 100

void base_lock_slow(struct mutex *m)
{
	for (int i = 0; i < SPINS; i++) {
		u32 free = 0;

		if (atomic_load_relaxed(&m->word) == 0 &&
		    __atomic_compare_exchange_n(&m->word, &free, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
		__builtin_ia32_pause();
	}
	while (__atomic_exchange_n(&m->word, 2, __ATOMIC_ACQUIRE) != 0)
		pal_futex_plain(&m->word, FUTEX_WAIT, 2, NULL, NULL, 0);
}

void base_unlock_slow(struct mutex *m)
{
	pal_futex_plain(&m->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
