/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The growing buffer of str.h. It doubles, and once out of memory it stays as it was. */
#include "pal/base/str.h"
#include "pal/base/heap.h"
#include "pal/base/errno.h"

#define FIRST_CAP 256

/* Room for `more` bytes behind the end. */
static bool reserve(struct buf *b, size_t more)
{
	size_t need, cap = b->cap ? b->cap : FIRST_CAP;
	char *p;

	if (b->err)
		return false;
	if (__builtin_add_overflow(b->size, more, &need) || need > SIZE_MAX / 2) {
		b->err = -ENOMEM;
		return false;
	}
	if (need <= b->cap)
		return true;
	while (cap < need)
		cap *= 2;
	p = base_realloc(b->data, cap);
	if (!p) {
		b->err = -ENOMEM;
		return false;
	}
	b->data = p;
	b->cap = cap;
	return true;
}

void base_buf_put(struct buf *b, const void *data, size_t size)
{
	if (!size || !reserve(b, size))
		return;
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

void base_buf_puts(struct buf *b, const char *s)
{
	base_buf_put(b, s, strlen(s));
}

void base_buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	size_t room = b->err ? 0 : b->cap - b->size;

	va_start(ap, fmt);
	n = base_vsnprintf(room ? b->data + b->size : NULL, room, fmt, ap);
	va_end(ap);
	/* One more for the NUL, which does not count. */
	if ((size_t)n >= room) {
		if (!reserve(b, (size_t)n + 1))
			return;
		va_start(ap, fmt);
		base_vsnprintf(b->data + b->size, n + 1, fmt, ap);
		va_end(ap);
	}
	b->size += n;
}

void base_buf_free(struct buf *b)
{
	base_free(b->data);
	*b = (struct buf){ 0 };
}
