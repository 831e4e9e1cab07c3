/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bytes as a string, for what carries strings only: blocks in which some byte but 0 does not occur, so that with that
 * exclusive-ored none is 0. It stands in front of its block.
 */
#include "libos/ckpt/text.h"

#define BLOCK 254ul /* so short that there is such a byte */

typedef u64 __attribute__((may_alias, aligned(1))) word;

static u8 find_unused(const u8 *in, size_t n)
{
	u8 used[256] = { 1 };
	unsigned key = 1;
	size_t i = 0;

	/* Much of it is zeros. */
	while (i < n) {
		if (i + sizeof(word) <= n && !*(const word *)(in + i)) {
			i += sizeof(word);
			continue;
		}
		for (size_t end = MIN(i + sizeof(word), n); i < end; i++)
			used[in[i]] = 1;
	}
	while (used[key])
		key++;
	return (u8)key;
}

/* Upwards: out may lie below in and overlap it. */
static void xor_with(u8 *out, const u8 *in, size_t n, u8 key)
{
	const u64 keys = key * 0x0101010101010101ull;

	for (; n >= sizeof(word); n -= sizeof(word), in += sizeof(word), out += sizeof(word))
		*(word *)out = *(const word *)in ^ keys;
	while (n--)
		*out++ = *in++ ^ key;
}

size_t text_from_bytes(char *out, const void *bytes, size_t n)
{
	const u8 *in = bytes;
	u8 *at = (u8 *)out;

	while (n) {
		size_t some = MIN(n, BLOCK);
		u8 key = find_unused(in, some);

		*at++ = key;
		xor_with(at, in, some, key);
		at += some;
		in += some;
		n -= some;
	}
	*at = '\0';
	return (size_t)(at - (u8 *)out);
}

size_t text_to_bytes(char *text, size_t n)
{
	const u8 *in = (const u8 *)text, *end = in + n;
	u8 *out = (u8 *)text;

	while (in < end) {
		u8 key = *in++;
		size_t some = MIN((size_t)(end - in), BLOCK);

		xor_with(out, in, some, key);
		out += some;
		in += some;
	}
	return (size_t)(out - (u8 *)text);
}
