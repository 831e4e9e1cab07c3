/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Strings: copying, numbers, hashing. */
#include "pal/base/str.h"

size_t base_strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src), fit = MIN(n, size ? size - 1 : 0);

	if (size) {
		memcpy(dst, src, fit);
		dst[fit] = '\0';
	}
	return n;
}

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 255;
}

bool base_parse_u64(const char *s, unsigned base, u64 *out)
{
	u64 v = 0;

	if (base == 0) {
		base = 10;
		if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
			base = 16;
			s += 2;
		} else if (s[0] == '0' && s[1]) {
			base = 8;
			s++;
		}
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned d = digit_value(*s);

		if (d >= base || __builtin_mul_overflow(v, (u64)base, &v) ||
		    __builtin_add_overflow(v, (u64)d, &v))
			return false;
	}
	*out = v;
	return true;
}

u32 base_hash(const void *data, size_t size)
{
	const u8 *p = data;
	u32 h = 2166136261u;

	while (size--)
		h = (h ^ *p++) * 16777619u;
	return h;
}
