/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Saved state as bytes: a writer over a growing buffer, a checked reader. Used where a process moves to a fresh address
 * space (exec after vfork); every object's save and load stand beside the object. Reads past the end set err and give
 * zeros, so that a loader checks once at its end.
 */
#ifndef LIBOS_CKPT_CURSOR_H
#define LIBOS_CKPT_CURSOR_H

#include "pal/base/str.h"
#include "pal/base/errno.h"

struct cursor {
	const u8 *data;
	size_t size, pos;
	int err;
};

static inline void put_bytes(struct buf *b, const void *p, size_t n)
{
	base_buf_put(b, p, n);
}
static inline void put_u32(struct buf *b, u32 v)
{
	base_buf_put(b, &v, sizeof(v));
}
static inline void put_u64(struct buf *b, u64 v)
{
	base_buf_put(b, &v, sizeof(v));
}
/* Counted string; NULL is kept apart from "". */
static inline void put_str(struct buf *b, const char *s)
{
	put_u32(b, s ? (u32)strlen(s) + 1 : 0);
	if (s)
		put_bytes(b, s, strlen(s) + 1);
}
static inline const void *get_bytes(struct cursor *c, size_t n)
{
	const void *p = c->data + c->pos;

	if (c->err || n > c->size - c->pos) {
		c->err = -EINVAL;
		return NULL;
	}
	c->pos += n;
	return p;
}
static inline u32 get_u32(struct cursor *c)
{
	const void *p = get_bytes(c, 4);
	u32 v = 0;

	if (p)
		memcpy(&v, p, 4);
	return v;
}
static inline u64 get_u64(struct cursor *c)
{
	const void *p = get_bytes(c, 8);
	u64 v = 0;

	if (p)
		memcpy(&v, p, 8);
	return v;
}
static inline const char *get_str(struct cursor *c)
{
	u32 n = get_u32(c);
	const char *s = n ? get_bytes(c, n) : NULL;

	if (s && s[n - 1]) {
		c->err = -EINVAL;
		return NULL;
	}
	return s;
}

#endif
