/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the files of futex share: sys/futex.c waits and wakes, futex_pi.c gives locks to owners, futex2.c is the calls since
 * Linux 5.16. */
#ifndef LIBOS_SYS_FUTEX_H
#define LIBOS_SYS_FUTEX_H

#include "libos/sys/sys.h"
#include "libos/mm/mm.h"
#include "libos/sys/wait_end.h"

#define FUTEX_FLAGS (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

/* How long a death of an owner may stay unseen by those who wait for its lock. */
#define FUTEX_LOOK_NS 20000000

static inline int futex_word_check(const u32 *word)
{
	if ((uintptr_t)word & 3)
		return -EINVAL;
	return guest_range(word, sizeof(*word)) ? 0 : -EFAULT;
}

/* One stretch of a wait, until end (NULL: for ever) or until an owner's life is to be looked at, whichever comes first.
 * op: WAIT_BITSET with its flags. -ETIMEDOUT only at the end; 1: look. */
int futex_stretch(u32 *word, int op, u32 val, const struct timespec *end, u32 bits);
/* Wait until end of the clock that op says (NULL: for ever). */
int futex_wait_until(u32 *word, int op, u32 val, u32 bits, const struct timespec *end);

long futex_pi(u32 *word, int cmd, int op, const struct timespec *end);
long futex_wait_requeue_pi(u32 *word, int op, u32 val, const struct timespec *end, u32 *lock, u32 bits);
long futex_cmp_requeue_pi(u32 *word, int op, u32 wake, u32 requeue, u32 *lock, u32 val);

#endif
