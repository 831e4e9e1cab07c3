// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What came out of the worker, looked at without trusting it: the file is well formed, its text
 * equals the executable's but for the listed sites, each of which was a SYSCALL or a CPUID, and
 * their islands, each of which was padding.
 *
 * So a worker that a hostile executable took over can at worst leave an entry that patches system
 * calls badly, for that executable alone. It also confirms the content: the text is read once more,
 * after the worker has read it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

#define SITES_MAX (1u << 20)
#define ISLAND_SIZE 5
#define CHUNK (1u << 20)

struct verify {
	const u8 *map; /* the patched image, all of it; it is ours alone, and can't shrink */
	u64 size;
	const struct image_head *head;
	const struct image_site *sites;
	int fd; /* the executable */
};

static bool aligned(u64 v)
{
	return !(v & (PAGE_SIZE - 1));
}

static bool within(const struct verify *v, u64 at, u64 size)
{
	return at <= v->size && size <= v->size - at;
}

static int check_shape(struct verify *v)
{
	const struct image_head *h = v->head;

	if (!h->nsites)
		return h->nranges || h->nblocks ? -EBADMSG : 0;
	if (h->file_size != v->size || h->nsites > SITES_MAX ||
	    !within(v, h->sites, h->nsites * sizeof(*v->sites)) || h->sites & 7 ||
	    !aligned(h->span) || h->span > 1ull << 31)
		return -EBADMSG;
	v->sites = (const struct image_site *)(v->map + h->sites);
	for (u32 i = 0; i < h->nranges; i++) {
		const struct image_range *r = &image_ranges(h)[i];

		if (!aligned(r->offset) || !aligned(r->size) || !aligned(r->vaddr) ||
		    !aligned(r->cache_offset) || !r->size || !within(v, r->cache_offset, r->size) ||
		    r->vaddr < h->vaddr || r->vaddr - h->vaddr > h->span ||
		    r->size > h->span - (r->vaddr - h->vaddr))
			return -EBADMSG;
	}
	for (u32 i = 0; i < h->nblocks; i++) {
		const struct image_block *b = &image_blocks(h)[i];

		if (!aligned((u64)b->at) || !aligned(b->size) || !aligned(b->cache_offset) ||
		    !b->size || !within(v, b->cache_offset, b->size) || b->at < -(2ll << 30) ||
		    b->at > 3ll << 30 || (b->at < (s64)h->span && b->at + (s64)b->size > 0))
			return -EBADMSG;
	}
	return 0;
}

bool rewrite_is_padding(const u8 *p, u64 size)
{
	static const u8 nops[] = {0x90, 0xcc, 0x0f, 0x1f, 0x66, 0x2e, 0x00, 0x40, 0x44, 0x80, 0x84};

	for (u64 i = 0; i < size; i++)
		if (!memchr(nops, p[i], sizeof(nops)))
			return false;
	return true;
}

/* Undo in `copy`, which is patched text at vaddr, what the sites say was done; `orig` is the
 * executable's. */
static int undo(const struct verify *v, u8 *copy, const u8 *orig, u64 vaddr, u64 size)
{
	for (u32 i = 0; i < v->head->nsites; i++) {
		const struct image_site *s = &v->sites[i];
		u64 at = s->vaddr - vaddr, island = at + (u64)(s64)s->island;

		if (i && s->vaddr <= s[-1].vaddr + 1)
			return -EBADMSG;
		if (s->vaddr < vaddr || at >= size || size - at < 2)
			continue;
		if (orig[at] != 0x0f || (orig[at + 1] != 0x05 && orig[at + 1] != 0xa2) ||
		    copy[at] != (s->kind == IMAGE_SITE_SHORT ? 0xeb : 0xe9))
			return -EBADMSG;
		memcpy(copy + at, orig + at, 2);
		if (s->kind != IMAGE_SITE_SHORT)
			continue;
		if (s->island < -128 || s->island > 130 || island >= size ||
		    size - island < ISLAND_SIZE || !rewrite_is_padding(orig + island, ISLAND_SIZE) ||
		    copy[island] != 0xe9)
			return -EBADMSG;
		memcpy(copy + island, orig + island, ISLAND_SIZE);
	}
	return memcmp(copy, orig, size) ? -EBADMSG : 0;
}

static int check_range(const struct verify *v, const struct image_range *r)
{
	u8 *orig = calloc(1, r->size), *copy = malloc(r->size);
	u64 got = 0;
	int err = orig && copy ? 0 : -ENOMEM;

	while (!err && got < r->size) {
		ssize_t n = pread(v->fd, orig + got, r->size - got, (off_t)(r->offset + got));

		if (n < 0 && errno != EINTR)
			err = -errno;
		if (!n)
			break;
		got += n > 0 ? (u64)n : 0;
	}
	if (!err) {
		memcpy(copy, v->map + r->cache_offset, r->size);
		err = undo(v, copy, orig, r->vaddr, r->size);
	}
	free(orig);
	free(copy);
	return err;
}

int rewrite_verify(int out, int fd, const struct image_key *key)
{
	struct verify v = {.fd = fd};
	struct stat st;
	int err;

	if (fstat(out, &st))
		return -errno;
	v.size = (u64)st.st_size;
	if (v.size < sizeof(*v.head))
		return -EBADMSG;
	v.map = mmap(NULL, v.size, PROT_READ, MAP_SHARED, out, 0);
	if (v.map == MAP_FAILED)
		return -errno;
	v.head = (const struct image_head *)v.map;
	err = image_head_valid(v.head, v.size, key) ? check_shape(&v) : -EBADMSG;
	for (u32 i = 0; !err && i < v.head->nranges; i++)
		err = check_range(&v, &image_ranges(v.head)[i]);
	munmap((void *)v.map, v.size);
	return err;
}
