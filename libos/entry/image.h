/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A patched image: one file of the image cache, byte by byte.
 *
 * The worker (gshd/rewrite/rewrite.h) makes one for each executable file that a sandbox maps; the libOS
 * (entry/sites.c) maps it. It holds patched copies of those pages of the executable's text that
 * contain system call instructions, and the trampolines these jump to, so that every process maps
 * them read-only and shared, with nothing to decode.
 *
 *   offset 0         struct image_head
 *   then             head.nranges of struct image_range, in order of vaddr
 *   then             head.nblocks of struct image_block, in order of `at`
 *   head.sites       head.nsites of struct image_site, in order of vaddr
 *   cache offsets    page-aligned, as ranges and blocks say: their bytes
 *
 * Integers are little endian. The file's name is the key's bytes in hexadecimal, so a file that
 * changed is another file here. An image with nothing to patch has a head and no more: it says so,
 * and nobody asks again.
 *
 * A rewritten site jumps to a trampoline at a fixed distance, so blocks lie at fixed distances from
 * the image's load address (where the page of its lowest virtual address is mapped). The address
 * space there, the apron, must be free when the image is placed; else the image is mapped as it is,
 * and its system calls trap.
 *
 * Shared by freestanding and hosted code.
 */
#ifndef LIBOS_ENTRY_IMAGE_H
#define LIBOS_ENTRY_IMAGE_H

#include "pal/base/types.h"

#define IMAGE_MAGIC 0x6567616d69687367ull /* "gshimage" */
#define IMAGE_VERSION 4

#define IMAGE_RANGES_MAX 16
#define IMAGE_BLOCKS_MAX 128
#define IMAGE_FAR_MAX 96 /* of the blocks that are not near */
/* How far from the image a block may lie and still be part of the apron, which is kept free when a
 * place is chosen and mapped at once. What lies farther (a punned jump reaches 2 GiB) is hardly
 * ever in anybody's way, or used. */
#define IMAGE_NEAR (8ll << 20)
/* Nothing is mapped below this address. */
#define IMAGE_LOWEST 0x10000

/* Which file this is a copy of: what fstat(2) says of it. ctime can't be set back, so a change is
 * always another key. */
struct image_key {
	u64 dev, ino, size;
	s64 mtime_ns, ctime_ns;
};
#define IMAGE_NAME_SIZE (2 + 2 * sizeof(struct image_key) + 1)

struct image_head {
	u64 magic;
	u32 version;
	u32 size; /* of head, ranges and blocks together */
	struct image_key key;
	u64 vaddr;     /* lowest virtual address of the image, page-aligned */
	u64 span;      /* from there to the end of its highest page */
	s64 low, high; /* the apron: all near blocks lie between these offsets from there */
	u32 nranges, nblocks, nsites;
	u32 candidates;	 /* byte pairs 0f 05 and 0f a2 in the text */
	u32 found;	 /* instructions among them */
	u32 short_jumps; /* sites that reach their trampoline by way of an island */
	u64 sites;	 /* file offset of the site table */
	u64 file_size;	 /* of this file */
};

/* Pages of the executable file, and where their patched copy is. Offsets and sizes are multiples of
 * the page size. */
struct image_range {
	u64 offset; /* in the executable file */
	u64 size;
	u64 vaddr;
	u64 cache_offset;
};

/* Trampolines. */
struct image_block {
	s64 at; /* offset from the load address, page-aligned */
	u64 size;
	u64 cache_offset;
};

enum image_site_kind {
	IMAGE_SITE_SHORT = 1, /* eb: short jump to an island, e9 from there */
	IMAGE_SITE_PUNNED, /* e9, whose upper displacement bytes are those that follow the site */
};

struct image_site {
	u64 vaddr;	/* of the instruction, SYSCALL or CPUID */
	s64 trampoline; /* offset from the load address */
	u32 kind;	/* enum image_site_kind */
	s32 island;	/* SHORT: offset of the island from vaddr */
};

/* The file's name: the version and the key's bytes in memory order, two digits each, and a NUL. */
static inline void image_name(const struct image_key *key, char name[IMAGE_NAME_SIZE])
{
	const u8 *bytes = (const u8 *)key;

	for (size_t i = 0; i <= sizeof(*key); i++) {
		u8 byte = i ? bytes[i - 1] : IMAGE_VERSION;

		name[2 * i] = "0123456789abcdef"[byte >> 4];
		name[2 * i + 1] = "0123456789abcdef"[byte & 15];
	}
	name[IMAGE_NAME_SIZE - 1] = '\0';
}

/* Is a head that was read with `size` bytes behind it whole and in itself plausible? For untrusting
 * readers. */
static inline bool image_head_valid(const struct image_head *h, size_t size,
				    const struct image_key *key)
{
	return size >= sizeof(*h) && h->magic == IMAGE_MAGIC && h->version == IMAGE_VERSION &&
	       !__builtin_memcmp(&h->key, key, sizeof(*key)) && h->nranges <= IMAGE_RANGES_MAX &&
	       h->nblocks <= IMAGE_BLOCKS_MAX &&
	       h->size == sizeof(*h) + h->nranges * sizeof(struct image_range) +
				  h->nblocks * sizeof(struct image_block) &&
	       h->size <= size;
}

/* Part of the apron? */
static inline bool image_block_near(const struct image_head *h, const struct image_block *b)
{
	return b->at >= -IMAGE_NEAR && b->at + (s64)b->size <= (s64)h->span + IMAGE_NEAR;
}

/* Every program lands below the image and near it; the other blocks are mapped when a jump first does. */
static inline bool image_block_at_once(const struct image_head *h, const struct image_block *b)
{
	return image_block_near(h, b) && b->at < 0;
}

static inline const struct image_range *image_ranges(const struct image_head *h)
{
	return (const struct image_range *)(h + 1);
}

static inline const struct image_block *image_blocks(const struct image_head *h)
{
	return (const struct image_block *)(image_ranges(h) + h->nranges);
}

#endif
