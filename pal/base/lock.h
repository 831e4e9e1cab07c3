/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Mutex on a futex (three states: 0 free, 1 held, 2 held with waiters). Not recursive. May lie in memory shared between
 * picoprocesses; then a holder that dies leaves it held, so shared ones guard only what needs no lock to be repaired.
 */
#ifndef PAL_BASE_LOCK_H
#define PAL_BASE_LOCK_H

#include "pal/base/types.h"

struct mutex {
	u32 word;
};
#define MUTEX_INIT { 0 }

void base_lock_slow(struct mutex *m);
void base_unlock_slow(struct mutex *m);

static inline void lock(struct mutex *m)
{
	u32 free = 0;

	if (unlikely(!__atomic_compare_exchange_n(&m->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		base_lock_slow(m);
}

static inline bool trylock(struct mutex *m)
{
	u32 free = 0;

	return __atomic_compare_exchange_n(&m->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void unlock(struct mutex *m)
{
	if (unlikely(__atomic_exchange_n(&m->word, 0, __ATOMIC_RELEASE) == 2))
		base_unlock_slow(m);
}

static inline void mutex_init(struct mutex *m)
{
	m->word = 0;
}

#endif
