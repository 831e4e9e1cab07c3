/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bytes as a string, for what carries strings only: zeros are taken out and each is replaced by the way to the next.
 * A byte that says how far it is, then what lies between, and so on; 255: 254 bytes without a zero behind them.
 */
#include "libos/ckpt/text.h"

#define FAR 255
#define ONES 0x0101010101010101ull

/* Most of it are zeros, in runs: a word at a time. */
typedef u64 __attribute__((may_alias, aligned(1))) word;

static bool has_zero(u64 w)
{
	return (w - ONES) & ~w & ONES << 7;
}

size_t text_from_bytes(char *out, const void *bytes, size_t n)
{
	const u8 *in = bytes, *end = in + n;
	char *at = out, *count = at++;
	u8 way = 1;

	while (in < end) {
		size_t some = MIN((size_t)(end - in), sizeof(word));
		u64 w = some == sizeof(word) ? *(const word *)in : ONES << 7 | 1;

		if (!w) {
			*count = (char)way;
			*(word *)at = ONES; /* of which the last is still to be said */
			at += sizeof(word);
			count = at - 1;
			way = 1;
			in += some;
			continue;
		}
		if (some == sizeof(word) && way < FAR - sizeof(word) && !has_zero(w)) {
			*(word *)at = w;
			at += sizeof(word);
			way += sizeof(word);
			in += some;
			continue;
		}
		for (; some; some--, in++) {
			if (*in) {
				*at++ = (char)*in;
				way++;
			}
			if (!*in || way == FAR) {
				*count = (char)way;
				count = at++;
				way = 1;
			}
		}
	}
	*count = (char)way;
	*at = '\0';
	return (size_t)(at - out);
}

size_t text_to_bytes(char *text, size_t n)
{
	const u8 *in = (const u8 *)text, *end = in + n;
	u8 *out = (u8 *)text;
	size_t way, some;

	while (in < end) {
		if ((size_t)(end - in) > sizeof(word) && *(const word *)in == ONES) {
			*(word *)out = 0;
			out += sizeof(word);
			in += sizeof(word);
			continue;
		}
		way = *in++;
		if (!way)
			break;
		some = MIN(way - 1, (size_t)(end - in));
		/* Never behind what is still to be read: out has not overtaken in. */
		for (; some >= sizeof(word); some -= sizeof(word), in += sizeof(word), out += sizeof(word))
			*(word *)out = *(const word *)in;
		while (some--)
			*out++ = *in++;
		if (way != FAR && in < end)
			*out++ = '\0';
	}
	return (size_t)(out - (u8 *)text);
}
