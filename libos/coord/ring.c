/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See ring.h. */
#include "libos/coord/ring.h"
#include "pal/pal.h"

u64 ring_now(void)
{
	struct timespec ts = { 0 };

	(void)pal_clock_gettime(CLOCK_BOOTTIME, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

bool ring_copy(u64 number, void *to, const void *from, size_t size)
{
	const u64 *written = from;

	if (atomic_load(written) != number)
		return false;
	memcpy(to, from, size);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return atomic_load(written) == number;
}

int ring_put(struct buf *b, struct buf *lines, u64 first, u64 next, u64 end, u64 now)
{
	base_buf_printf(b, "first %lu next %lu end %lu now %lu\n", first, next, end, now);
	base_buf_put(b, lines->data, lines->size);
	b->err = b->err ?: lines->err;
	base_buf_free(lines);
	return 0;
}

int ring_find(const struct pseudo_desc *desc, const char *name, struct pseudo_ref *ref)
{
	u64 number;

	if (!base_parse_u64(name, 10, &number) || number > INT64_MAX)
		return -ENOENT;
	*ref = (struct pseudo_ref){ .desc = desc, .key = (s64)number };
	return 0;
}
