// SPDX-License-Identifier: LGPL-3.0-or-later
/* The allowance of bytes and names: taking from it, and asking for it anew. See quota.h. */
#include "libos/fs/quota.h"
#include "libos/fs/union_impl.h"
#include "libos/split/split.h"
#include "pal/monitor.h"

/* After a measuring that found the disk full, nobody measures for that long: a program that writes on regardless is no
 * reason to walk all layers again and again. */
#define FULL_NS 100000000ull
#define BUSY_NS 10000000
#define BUSY_TRIES 500
#define BYTES_MAX 0x7fffffffffffffffll

static u64 now_ns(void)
{
	struct timespec t = { 0 };

	(void)pal_clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

/* Have the layers measured. A monitor that is gone measures nothing: the sandbox is at its end. */
static int measure(void)
{
	struct timespec pause = { .tv_nsec = BUSY_NS };
	struct mon_quota left;
	int r = -EAGAIN;

	for (unsigned i = 0; r == -EAGAIN && i < BUSY_TRIES; i++) {
		r = pal_monitor(MON_QUOTA, NULL, 0, NULL, 0, &left, sizeof(left), NULL, NULL);
		if (r == -EAGAIN)
			(void)pal_nap(&pause);
	}
	if (r < 0)
		return -ENOSPC;
	atomic_store(&the_area->bytes_left, (s64)MIN(left.bytes, (u64)BYTES_MAX));
	atomic_store(&the_area->inodes_left, (s64)MIN(left.inodes, (u64)BYTES_MAX));
	if (!left.bytes || !left.inodes)
		atomic_store(&the_area->full_until, now_ns() + FULL_NS);
	return 0;
}

/* Take up to n from what is left; 0: nothing is. */
static s64 take(s64 *left, s64 n)
{
	s64 have, part;

	do {
		have = atomic_load(left);
		part = MIN(n, have);
		if (part <= 0)
			return 0;
	} while (!atomic_cas(left, have, have - part));
	return part;
}

/* All of n if there is so much, for a write that is cut short means a full disk; else what there is. */
static s64 take_or_measure(s64 *left, s64 n)
{
	if (atomic_load(left) < n && now_ns() >= atomic_load(&the_area->full_until))
		(void)!measure();
	return take(left, n);
}

ssize_t quota_take_bytes(size_t n)
{
	s64 part = take_or_measure(&the_area->bytes_left, (s64)MIN(n, (u64)BYTES_MAX));

	return part ? (ssize_t)part : -ENOSPC;
}

int quota_take_all(u64 n)
{
	s64 part = take_or_measure(&the_area->bytes_left, (s64)MIN(n, (u64)BYTES_MAX));

	if ((u64)part == n)
		return 0;
	atomic_add(&the_area->bytes_left, part);
	return -ENOSPC;
}

int quota_take_inode(void)
{
	return take_or_measure(&the_area->inodes_left, 1) ? 0 : -ENOSPC;
}

void quota_freed(void)
{
	atomic_store(&the_area->full_until, 0);
}

bool quota_counts(const struct file *f)
{
	const struct node *n = f->path.dentry ? f->path.dentry->node : NULL;

	return f->ops->regular && union_owns(n) && ufs_of(to_unode((struct node *)n))->work >= 0;
}
