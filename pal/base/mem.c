/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory and string functions that the compiler expects to find, without vector registers: long
 * runs by rep movsb and rep stosb, which current processors do at full width (FSRM, ERMS), short
 * ones by overlapping words.
 *
 * -ffreestanding keeps the compiler from turning the loops below into calls to themselves.
 */
#include "pal/base/types.h"

typedef u64 __attribute__((may_alias, aligned(1))) word64;
typedef u32 __attribute__((may_alias, aligned(1))) word32;
typedef u16 __attribute__((may_alias, aligned(1))) word16;

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n > 64) {
		void *to = dst;

		__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(n) : : "memory");
		return dst;
	}
	if (n >= 8) {
		u64 last = *(const word64 *)(s + n - 8);

		for (size_t i = 0; i + 8 < n; i += 8)
			*(word64 *)(d + i) = *(const word64 *)(s + i);
		*(word64 *)(d + n - 8) = last;
	} else if (n >= 4) {
		u32 a = *(const word32 *)s, b = *(const word32 *)(s + n - 4);

		*(word32 *)d = a;
		*(word32 *)(d + n - 4) = b;
	} else if (n >= 2) {
		u16 a = *(const word16 *)s, b = *(const word16 *)(s + n - 2);

		*(word16 *)d = a;
		*(word16 *)(d + n - 2) = b;
	} else if (n) {
		*d = *s;
	}
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n)
		return memcpy(dst, src, n);
	for (; n >= 8; n -= 8)
		*(word64 *)(d + n - 8) = *(const word64 *)(s + n - 8);
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	u64 v = (u8)c * 0x0101010101010101ul;
	char *d = dst;

	if (n > 128) {
		void *to = dst;

		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	} else if (n >= 8) {
		for (size_t i = 0; i + 8 < n; i += 8)
			*(word64 *)(d + i) = v;
		*(word64 *)(d + n - 8) = v;
	} else {
		while (n--)
			*d++ = c;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	while (n >= 8 && *(const word64 *)x == *(const word64 *)y) {
		x += 8;
		y += 8;
		n -= 8;
	}
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const u8 *p = s; n; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return p - s;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--, a++, b++)
		;
	return n ? (u8)*a - (u8)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (!*s)
			return (char *)last;
	}
}
