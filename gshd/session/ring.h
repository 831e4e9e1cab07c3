/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The last RING_SIZE bytes of a terminal's output, for those who attach later. */
#ifndef GSHD_RING_H
#define GSHD_RING_H

#include <stddef.h>
#include <string.h>

#define RING_SIZE 65536

struct ring {
	size_t start, have;
	char bytes[RING_SIZE];
};

static inline void ring_put(struct ring *r, const char *data, size_t size)
{
	if (size > RING_SIZE) {
		data += size - RING_SIZE;
		size = RING_SIZE;
	}
	size_t at = (r->start + r->have) % RING_SIZE;
	size_t first = size < RING_SIZE - at ? size : RING_SIZE - at;
	memcpy(r->bytes + at, data, first);
	memcpy(r->bytes, data + first, size - first);
	r->have += size;
	if (r->have > RING_SIZE) {
		r->start = (r->start + r->have - RING_SIZE) % RING_SIZE;
		r->have = RING_SIZE;
	}
}

/* The bytes in order, in at most two pieces: the i-th (0, 1). */
static inline const char *ring_piece(const struct ring *r, int i, size_t *size)
{
	size_t first = r->have < RING_SIZE - r->start ? r->have : RING_SIZE - r->start;

	*size = i ? r->have - first : first;
	return i ? r->bytes : r->bytes + r->start;
}

#endif
