// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The patched image as a file. See libos/entry/image.h for what goes where.
 *
 * Each range and block costs the libOS one mmap, so patched pages are joined over short stretches
 * of unpatched ones, and pages of trampolines over holes, which take no room on disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

#define RANGE_GAP (512ull << 10)
#define WHOLE_MAX (4ull << 20) /* text up to this size is copied whole */
#define BLOCK_GAP (4ll << 20)

struct layout {
	struct image_head head;
	struct image_range ranges[IMAGE_RANGES_MAX];
	struct image_block blocks[IMAGE_BLOCKS_MAX];
	u64 end; /* of what has been given a place in the file */
};

static u64 reserve(struct layout *l, u64 size)
{
	u64 at = l->end;

	l->end += PAGE_UP(size);
	return at;
}

static void range_touch(struct layout *l, const struct segment *seg, u64 vaddr)
{
	struct image_range *r = l->head.nranges ? &l->ranges[l->head.nranges - 1] : NULL;
	u64 page = PAGE_DOWN(vaddr);

	if (r && r->vaddr >= PAGE_DOWN(seg->vaddr) && page < r->vaddr + r->size + RANGE_GAP) {
		r->size = MAX(r->size, page + PAGE_SIZE - r->vaddr);
		return;
	}
	if (l->head.nranges >= IMAGE_RANGES_MAX) {
		l->head.nranges = IMAGE_RANGES_MAX + 1;
		return;
	}
	l->ranges[l->head.nranges++] = (struct image_range){
		.offset = page - seg->vaddr + seg->offset, .size = PAGE_SIZE, .vaddr = page};
}

static void lay_segment(const struct segment *seg, struct layout *l)
{
	unsigned before = l->head.nranges;

	for (u64 i = 0; i < seg->size; i++) {
		if (!(seg->marks[i] & MARK_FINAL))
			continue;
		range_touch(l, seg, seg->vaddr + i);
		/* From its first page to its last, which makes one range of it. */
		if (l->head.nranges > before && seg->size <= WHOLE_MAX) {
			struct image_range *r = &l->ranges[before];

			r->offset -= r->vaddr - PAGE_DOWN(seg->vaddr);
			r->vaddr = PAGE_DOWN(seg->vaddr);
			r->size = PAGE_UP(seg->vaddr + seg->size) - r->vaddr;
			return;
		}
	}
}

/* -E2BIG cannot be helped here: such an image stays unpatched. */
static int lay_ranges(struct image *img, struct layout *l)
{
	for (unsigned i = 0; i < img->nsegs; i++)
		lay_segment(&img->segs[i], l);
	if (l->head.nranges > IMAGE_RANGES_MAX)
		return -E2BIG;
	for (u32 i = 0; i < l->head.nranges; i++)
		l->ranges[i].cache_offset = reserve(l, l->ranges[i].size);
	return 0;
}

static int compare_tpages(const void *a, const void *b)
{
	s64 x = (s64)((const struct tpage *)a)->vaddr, y = (s64)((const struct tpage *)b)->vaddr;

	return x < y ? -1 : x > y;
}

static int lay_blocks(struct image *img, struct layout *l)
{
	s64 base = (s64)img->lo, span = (s64)(img->hi - img->lo);

	if (img->ntpages)
		qsort(img->tpages, img->ntpages, sizeof(*img->tpages), compare_tpages);
	for (size_t i = 0; i < img->ntpages; i++) {
		s64 at = (s64)img->tpages[i].vaddr - base;
		struct image_block *b = l->head.nblocks ? &l->blocks[l->head.nblocks - 1] : NULL;
		s64 end = b ? b->at + (s64)b->size : 0;

		if (b && at - end < BLOCK_GAP && (end <= 0) == (at < 0) && at - end >= 0) {
			b->size = (u64)(at + (s64)PAGE_SIZE - b->at);
			continue;
		}
		if (l->head.nblocks == IMAGE_BLOCKS_MAX)
			return -E2BIG;
		l->blocks[l->head.nblocks++] = (struct image_block){.at = at, .size = PAGE_SIZE};
	}
	l->head.high = span;
	for (u32 i = 0; i < l->head.nblocks; i++) {
		struct image_block *b = &l->blocks[i];

		b->cache_offset = reserve(l, b->size);
		if (!image_block_near(&l->head, b))
			continue;
		l->head.low = MIN(l->head.low, b->at);
		l->head.high = MAX(l->head.high, b->at + (s64)b->size);
	}
	return 0;
}

static int put(int out, const void *data, u64 size, u64 at)
{
	const u8 *p = data;

	while (size) {
		ssize_t n = pwrite(out, p, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		size -= (u64)n;
		at += (u64)n;
	}
	return 0;
}

/* A page of a range may begin before its segment's bytes or end after them: the host would map the
 * file's own there. */
static int put_range(struct image *img, const struct image_range *r, int out)
{
	u8 *copy = malloc(r->size);
	struct segment *seg = NULL;
	u64 from, to, got = 0;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	while (got < r->size && !err) {
		ssize_t n = pread(img->fd, copy + got, r->size - got, (off_t)(r->offset + got));

		if (n < 0 && errno != EINTR)
			err = -errno;
		if (!n)
			break;
		got += n > 0 ? (u64)n : 0;
	}
	memset(copy + got, 0, r->size - got);
	for (unsigned i = 0; i < img->nsegs && !seg; i++)
		if (img->segs[i].vaddr < r->vaddr + r->size &&
		    r->vaddr < img->segs[i].vaddr + img->segs[i].size)
			seg = &img->segs[i];
	if (!err && seg) {
		from = MAX(r->vaddr, seg->vaddr);
		to = MIN(r->vaddr + r->size, seg->vaddr + seg->size);
		memcpy(copy + (from - r->vaddr), seg->bytes + (from - seg->vaddr), to - from);
		err = put(out, copy, r->size, r->cache_offset);
	}
	free(copy);
	return err;
}

static int put_blocks(struct image *img, const struct layout *l, int out)
{
	int err = 0;

	for (size_t i = 0; i < img->ntpages && !err; i++) {
		s64 at = (s64)(img->tpages[i].vaddr - img->lo);

		for (u32 j = 0; j < l->head.nblocks; j++) {
			const struct image_block *b = &l->blocks[j];

			if (at >= b->at && at < b->at + (s64)b->size)
				err = put(out, img->tpages[i].bytes, PAGE_SIZE,
					  b->cache_offset + (u64)(at - b->at));
		}
	}
	return err;
}

static int put_sites(struct image *img, const struct layout *l, int out)
{
	struct image_site *table = calloc(img->nsites ? img->nsites : 1, sizeof(*table));
	size_t n = 0;
	int err;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < img->nsites; i++) {
		const struct site *s = &img->sites[i];

		if (s->kind)
			table[n++] = (struct image_site){
				.vaddr = s->vaddr,
				.kind = s->kind,
				.trampoline = (s64)(s->trampoline - img->lo),
				.island = s->island ? (s32)(s->island - s->vaddr) : 0};
	}
	err = put(out, table, n * sizeof(*table), l->head.sites);
	free(table);
	return err;
}

static int put_head(const struct layout *l, int out)
{
	const struct image_head *h = &l->head;
	u64 at = sizeof(*h);
	int err = put(out, h, sizeof(*h), 0);

	if (!err)
		err = put(out, l->ranges, h->nranges * sizeof(l->ranges[0]), at);
	at += h->nranges * sizeof(l->ranges[0]);
	if (!err)
		err = put(out, l->blocks, h->nblocks * sizeof(l->blocks[0]), at);
	return err;
}

static void count_sites(const struct image *img, struct image_head *h)
{
	h->candidates = img->candidates;
	h->found = (u32)img->nsites;
	for (size_t i = 0; i < img->nsites; i++) {
		h->nsites += img->sites[i].kind != 0;
		h->short_jumps += img->sites[i].kind == IMAGE_SITE_SHORT;
	}
}

int image_write(struct image *img, const struct image_key *key, int out)
{
	struct layout l = {.head = {.magic = IMAGE_MAGIC,
				    .version = IMAGE_VERSION,
				    .key = *key,
				    .vaddr = img->lo,
				    .span = img->hi - img->lo}};
	struct image_head *h = &l.head;
	int err;

	count_sites(img, h);
	/* Head, ranges and blocks at their largest. */
	l.end = PAGE_UP(sizeof(l));
	err = lay_ranges(img, &l);
	if (!err)
		err = lay_blocks(img, &l);
	if (err)
		return err;
	h->size = (u32)(sizeof(*h) + h->nranges * sizeof(l.ranges[0]) +
			h->nblocks * sizeof(l.blocks[0]));
	h->sites = reserve(&l, h->nsites * sizeof(struct image_site));
	h->file_size = l.end;
	if (ftruncate(out, (off_t)(h->nsites ? l.end : PAGE_SIZE)))
		return -errno;
	for (u32 i = 0; i < h->nranges && !err; i++)
		err = put_range(img, &l.ranges[i], out);
	if (!err)
		err = put_blocks(img, &l, out);
	if (!err)
		err = put_sites(img, &l, out);
	if (!err)
		err = put_head(&l, out);
	return err;
}
