/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Host calls that do not block but go through a cancellable entry of the PAL (ioctl, fcntl, reads of what is there):
 * made at once, though the thread may be wanted elsewhere. What wants it is not lost: the flag is raised again.
 */
#ifndef LIBOS_FS_AT_ONCE_H
#define LIBOS_FS_AT_ONCE_H

#include "pal/pal.h"

#define at_once(call)                                                                               \
	({                                                                                          \
		struct pal_tcb *tcb_ = pal_tcb();                                                    \
		u32 wanted_ = 0;                                                                     \
		long result_;                                                                        \
                                                                                                    \
		do {                                                                                 \
			wanted_ |= atomic_xchg(&tcb_->pending, 0);                                   \
			result_ = (call);                                                            \
		} while (result_ == -EINTR);                                                         \
		if (wanted_)                                                                         \
			atomic_store(&tcb_->pending, 1);                                             \
		result_;                                                                             \
	})

#endif
