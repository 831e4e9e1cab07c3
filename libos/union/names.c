/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which names a layer has: a Bloom filter of two bits a name. See union.h. */
#include "libos/union/union.h"

#define BITS (UNION_NAMES_SIZE * 8)

/* FNV-1a, 64 bits: two independent halves. Names are short. */
static u64 hash(const char *name)
{
	u64 h = 0xcbf29ce484222325ull;

	for (; *name; name++)
		h = (h ^ (u8)*name) * 0x100000001b3ull;
	return h ^ h >> 29;
}

void union_names_add(u8 *bits, const char *name)
{
	u64 h = hash(name);
	u32 a = (u32)h % BITS, b = (u32)(h >> 32) % BITS;

	bits[a / 8] |= (u8)(1u << a % 8);
	bits[b / 8] |= (u8)(1u << b % 8);
}

bool union_names_has(const u8 *bits, const char *name)
{
	u64 h = hash(name);
	u32 a = (u32)h % BITS, b = (u32)(h >> 32) % BITS;

	return bits[a / 8] >> a % 8 & bits[b / 8] >> b % 8 & 1;
}
