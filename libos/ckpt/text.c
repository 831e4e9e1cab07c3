/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bytes as a string, for what carries strings only: zeros are taken out and each is replaced by the way to the next.
 * A byte that says how far it is, then what lies between, and so on; 255: 254 bytes without a zero behind them.
 */
#include "libos/ckpt/text.h"

#define FAR 255

size_t text_from_bytes(char *out, const void *bytes, size_t n)
{
	const u8 *in = bytes;
	char *at = out, *count = at++;
	u8 way = 1;

	for (size_t i = 0; i < n; i++) {
		if (in[i]) {
			*at++ = (char)in[i];
			way++;
		}
		if (!in[i] || way == FAR) {
			*count = (char)way;
			count = at++;
			way = 1;
		}
	}
	*count = (char)way;
	*at = '\0';
	return (size_t)(at - out);
}

size_t text_to_bytes(char *text)
{
	const u8 *in = (const u8 *)text;
	char *out = text;
	u8 way;

	while ((way = *in++)) {
		for (u8 i = 1; i < way && *in; i++)
			*out++ = (char)*in++;
		if (way != FAR && *in)
			*out++ = '\0';
	}
	return (size_t)(out - text);
}
