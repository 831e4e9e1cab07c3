/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Strings: bounded formatting and a growing byte buffer.
 *
 * base_snprintf knows %d %i %u %x %X %o %c %s %p %% with flags 0 - + space #, width, precision (also *), and the length
 * modifiers l, ll, z, h, hh. It returns what it would have written, as C99 does.
 */
#ifndef PAL_BASE_STR_H
#define PAL_BASE_STR_H

#include "pal/base/types.h"

int base_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int base_snprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
/* Copy at most size - 1 bytes and end with NUL; returns strlen(src). */
size_t base_strlcpy(char *dst, const char *src, size_t size);
/* Decimal, hexadecimal (0x) or octal (0) by prefix when base is 0. False unless the whole string is a number. */
bool base_parse_u64(const char *s, unsigned base, u64 *out);
/* FNV-1a, for hash tables. */
u32 base_hash(const void *data, size_t size);

/* A growing buffer. Zero-initialised is empty and valid; err is sticky (-ENOMEM), so callers check once at the end. */
struct buf {
	char *data;
	size_t size, cap;
	int err;
};
void base_buf_put(struct buf *b, const void *data, size_t size);
void base_buf_puts(struct buf *b, const char *s);
void base_buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void base_buf_free(struct buf *b);

#endif
