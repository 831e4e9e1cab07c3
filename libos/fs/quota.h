/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the sandbox's changes may take on the disk ([Limits] DiskMax=, InodesMax=).
 *
 * The area holds an allowance: bytes and names that may be added before somebody has to measure. Who writes takes from
 * it what it is about to write, whether or not that was there before; when it is used up, the monitor is asked to
 * measure the layers (MON_QUOTA) and the allowance is what is left then. So a file that is written over and over costs
 * a measuring now and then, and nothing is booked that could go wrong with a process that is killed. What is deleted
 * is found by the next measuring.
 *
 * Linux has two ways to say that there is no room; ours is a full disk's: ENOSPC, after what did fit was written.
 */
#ifndef LIBOS_FS_QUOTA_H
#define LIBOS_FS_QUOTA_H

#include "libos/coord/area.h"

struct file;

/* How many of n bytes may be written, 1 to n; or -ENOSPC. n is not 0. */
ssize_t must_check quota_take_bytes(size_t n);
/* All of n bytes, or none: 0 or -ENOSPC. */
int must_check quota_take_all(u64 n);
/* May one more object be made? 0 or -ENOSPC. */
int must_check quota_take_inode(void);
/* Something went away: who found the disk full may ask again at once. */
void quota_freed(void);

static inline bool quota_on(void)
{
	return unlikely(atomic_load_relaxed(&the_area->quota));
}
/* Does what is written to the file count? Not on a tmpfs, nor what was handed in from outside. */
bool quota_counts(const struct file *f);

#endif
