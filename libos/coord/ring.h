/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the rings of records in the area have in common (coord/trace.h, task/calls.h): a record begins with its number,
 * which its writer puts there last, and is read as text, from a number on that is the name of a file in /proc/gsh.
 */
#ifndef LIBOS_COORD_RING_H
#define LIBOS_COORD_RING_H

#include "libos/fs/proc.h"

#define RING_WATCHED_NS 3000000000ull /* a ring is written so long from each reading on */
#define RING_TEXT_MAX 60000	      /* one answer to MON_PROC_READ */

/* CLOCK_BOOTTIME in nanoseconds: the time of records. */
u64 ring_now(void);
/* A whole copy of the record that is `number`, if it stands at `from`. False: it is being written or overwritten, or its
 * writer died. */
bool ring_copy(u64 number, void *to, const void *from, size_t size);
/* The answer: which record is the first that is there, which to go on with, the number behind the youngest, what time it
 * is; then the lines, which are freed. */
int ring_put(struct buf *b, struct buf *lines, u64 first, u64 next, u64 end, u64 now);
/* A name in the ring's directory: a number. 0 or -ENOENT. */
int ring_find(const struct pseudo_desc *desc, const char *name, struct pseudo_ref *ref);

#endif
