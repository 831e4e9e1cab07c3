// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Rewritten system calls in an address space: patched text instead of the file's, and the
 * trampolines it jumps to.
 *
 * When pages of a file become executable, those that its patched image (image.h) has a copy of are
 * mapped over from there, and trampolines at their distances from it, as VMAs that the guest does
 * not see. For the tree of VMAs, and for /proc/self/maps, the text remains the file's. If a place
 * is taken, nothing is done: the calls trap.
 *
 * Patched text never lies in memory without all of its trampolines: they are placed first and go
 * last. A guest that maps or unmaps where a trampoline is gets its way: the image's text is made
 * the file's again before. Trampolines that many programs never use take up address space only, and
 * are mapped when a jump first lands there.
 *
 * mm->lock guards all of it.
 */
#include "libos/entry/entry.h"
#include "libos/entry/images.h"
#include "libos/mm/mm.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"

#define HEAP_CLEAR (64ul << 20) /* what a heap should have in front of it */
#define PAGE_FAULT_FETCH 16u	/* the error code's bit for an instruction fetch */

static uintptr_t block_at(const struct patched *p, unsigned i)
{
	return p->base + (uintptr_t)image_blocks(p->image->head)[i].at;
}

static u64 block_size(const struct patched *p, unsigned i)
{
	return image_blocks(p->image->head)[i].size;
}

static uintptr_t range_at(const struct patched *p, unsigned i)
{
	const struct image_head *h = p->image->head;

	return p->base + (image_ranges(h)[i].vaddr - h->vaddr);
}

static bool overlaps(uintptr_t start, uintptr_t end, uintptr_t at, u64 size)
{
	return at < end && at + size > start;
}

/* ---- placing ---- */

static bool blocks_free(struct mm *mm, const struct image_head *h, uintptr_t base)
{
	for (u32 i = 0; i < h->nblocks; i++) {
		uintptr_t at = base + (uintptr_t)image_blocks(h)[i].at;

		if (at < PAL_GUEST_BOTTOM || !guest_mappable(at, at + image_blocks(h)[i].size) ||
		    !vma_range_free(mm, at, at + image_blocks(h)[i].size))
			return false;
	}
	return true;
}

static uintptr_t gap_below(struct mm *mm, size_t size, uintptr_t top)
{
	uintptr_t at = top > PAL_END ? vma_find_gap(mm, size, PAL_END, top, true) : 0;

	return at ?: vma_find_gap(mm, size, PAL_GUEST_BOTTOM, MIN(top, PAL_BASE), true);
}

uintptr_t sites_place(struct mm *mm, struct file *f, size_t size)
{
	const struct known_image *k = image_lookup(f);
	const struct image_head *h = k ? k->head : NULL;
	uintptr_t top = mm->mmap_top;
	size_t want;

	if (!h || size > h->span)
		return 0;
	want = (size_t)(h->high - h->low);
	for (int tries = 0; tries < 4; tries++) {
		uintptr_t at = gap_below(mm, want, top);

		if (!at)
			return 0;
		if (blocks_free(mm, h, at - (uintptr_t)h->low))
			return at - (uintptr_t)h->low;
		/* What is far above it may lie beyond the guest's part: go down by as much as that
		 * can be. */
		top = at > 3ul << 30 ? at - (1ul << 30) : 0;
	}
	return 0;
}

uintptr_t sites_above(struct mm *mm, uintptr_t addr)
{
	struct vma *v = vma_next_from(mm, addr);

	while (v && v->kind == VMA_TRAMPOLINE && v->start < addr + HEAP_CLEAR) {
		addr = v->end;
		v = vma_next(v);
	}
	return addr;
}

/* ---- trampolines ---- */

static int block_map(struct patched *p, unsigned i)
{
	intptr_t r = pal_mmap(block_at(p, i), block_size(p, i), PROT_READ | PROT_EXEC,
			      MAP_PRIVATE | MAP_FIXED_NOREPLACE, p->image->fd,
			      image_blocks(p->image->head)[i].cache_offset);

	if (r < 0)
		return (int)r;
	p->mapped[i] = true;
	return 0;
}

/* Take the first n blocks away again. */
static void blocks_remove(struct mm *mm, struct patched *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (p->mapped[i])
			BUG_ON(pal_munmap(block_at(p, i), block_size(p, i)));
		vma_remove(mm, block_at(p, i), block_at(p, i) + block_size(p, i));
	}
}

static int blocks_place(struct mm *mm, struct patched *p)
{
	const struct image_head *h = p->image->head;
	int err = 0;

	for (u32 i = 0; i < h->nblocks; i++) {
		/* Called shared so that neighbours are never joined: each goes as it came. */
		struct vma v = {.start = block_at(p, i),
				.end = block_at(p, i) + block_size(p, i),
				.prot = PROT_NONE,
				.flags = MAP_SHARED | MAP_NORESERVE,
				.kind = VMA_TRAMPOLINE};

		err = mm_reserve(mm);
		if (!err && (image_block_at_once(h, &image_blocks(h)[i]) ||
			     p->image->wanted[i / 64] >> i % 64 & 1))
			err = block_map(p, i);
		if (err) {
			blocks_remove(mm, p, i);
			return err;
		}
		vma_insert(mm, &v);
	}
	return 0;
}

/* ---- text ---- */

/* Make [start, end) what its VMAs say: the file's pages. */
static void text_restore(struct mm *mm, uintptr_t start, uintptr_t end)
{
	for (struct vma *v = vma_next_from(mm, start); v && v->start < end; v = vma_next(v)) {
		uintptr_t from = MAX(v->start, start), to = MIN(v->end, end);

		if (v->file && v->kind == VMA_PLAIN && !(v->flags & MAP_SHARED))
			BUG_ON(pal_mmap(from, to - from, v->prot, MAP_PRIVATE | MAP_FIXED,
					v->file->host_fd, v->offset + (from - v->start)) < 0);
	}
}

static void unpatch(struct mm *mm, struct patched *p)
{
	if (p->plain)
		return;
	for (u32 i = 0; i < p->image->head->nranges; i++)
		text_restore(mm, range_at(p, i),
			     range_at(p, i) + image_ranges(p->image->head)[i].size);
}

static bool range_inside(const struct image_range *r, const struct vma *v)
{
	return r->offset >= v->offset && r->offset - v->offset <= v->end - v->start &&
	       r->size <= v->end - v->start - (r->offset - v->offset);
}

/* Where the image's lowest page is or would be, by where v lies; 0: v holds no whole range. */
static uintptr_t base_of(const struct image_head *h, const struct vma *v)
{
	for (u32 i = 0; i < h->nranges; i++) {
		const struct image_range *r = &image_ranges(h)[i];

		if (range_inside(r, v))
			return v->start + (r->offset - v->offset) - (r->vaddr - h->vaddr);
	}
	return 0;
}

static int ranges_map(const struct patched *p, const struct vma *v)
{
	const struct image_head *h = p->image->head;

	for (u32 i = 0; i < h->nranges; i++) {
		const struct image_range *r = &image_ranges(h)[i];
		intptr_t at;

		if (!range_inside(r, v) || range_at(p, i) != v->start + (r->offset - v->offset))
			continue;
		at = pal_mmap(range_at(p, i), r->size, v->prot, MAP_PRIVATE | MAP_FIXED,
			      p->image->fd, r->cache_offset);
		if (at < 0)
			return (int)at;
	}
	return 0;
}

/* ---- the life of a patched image ---- */

static struct patched *patched_find(struct mm *mm, const struct known_image *k, uintptr_t base)
{
	for (struct patched *p = mm->patched; p; p = p->next)
		if (p->image == k && p->base == base)
			return p;
	return NULL;
}

static struct patched *patched_create(struct mm *mm, struct known_image *k, uintptr_t base)
{
	struct patched *p;

	if (!blocks_free(mm, k->head, base))
		return NULL;
	p = base_zalloc(sizeof(*p));
	if (!p)
		return NULL;
	p->image = k;
	p->base = base;
	if (blocks_place(mm, p)) {
		base_free(p);
		return NULL;
	}
	k->uses++;
	p->next = mm->patched;
	mm->patched = p;
	return p;
}

static void patched_destroy(struct mm *mm, struct patched *p)
{
	struct patched **at = &mm->patched;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->image->uses--;
	base_free(p);
}

struct known_image *sites_image(const struct mm *mm, const struct vma *new)
{
	/* Text that is or was writable may hold the guest's own changes. */
	if (mm->plain || !new->file || !(new->prot & PROT_EXEC) || new->prot & PROT_WRITE || new->flags & MAP_SHARED)
		return NULL;
	return image_lookup(new->file);
}

bool sites_source(const struct known_image *k, const struct vma *new, int *fd, u64 *offset)
{
	for (u32 i = 0; i < k->head->nranges; i++) {
		const struct image_range *r = &image_ranges(k->head)[i];

		if (r->offset != new->offset || r->size != new->end - new->start)
			continue;
		*fd = k->fd;
		*offset = r->cache_offset;
		return true;
	}
	return false;
}

void sites_mapped(struct mm *mm, struct known_image *k, struct vma *v, uintptr_t start, uintptr_t end, bool from_image)
{
	uintptr_t base = base_of(k->head, v);
	struct patched *p = base ? patched_find(mm, k, base) ?: patched_create(mm, k, base) : NULL;

	if (from_image) {
		if (!p)
			text_restore(mm, start, end);
	} else if (p && ranges_map(p, v)) {
		unpatch(mm, p);
		blocks_remove(mm, p, p->image->head->nblocks);
		patched_destroy(mm, p);
	}
}

/* Does anything of its text remain outside [start, end)? */
static bool text_remains(const struct patched *p, uintptr_t start, uintptr_t end)
{
	for (u32 i = 0; i < p->image->head->nranges; i++)
		if (range_at(p, i) < start ||
		    range_at(p, i) + image_ranges(p->image->head)[i].size > end)
			return true;
	return false;
}

static bool touches_blocks(const struct patched *p, uintptr_t start, uintptr_t end)
{
	for (u32 i = 0; i < p->image->head->nblocks; i++)
		if (overlaps(start, end, block_at(p, i), block_size(p, i)))
			return true;
	return false;
}

static bool touches_text(const struct patched *p, uintptr_t start, uintptr_t end)
{
	for (u32 i = 0; i < p->image->head->nranges; i++)
		if (overlaps(start, end, range_at(p, i), image_ranges(p->image->head)[i].size))
			return true;
	return false;
}

void sites_leaving(struct mm *mm, uintptr_t start, uintptr_t end, bool moved)
{
	struct patched *p, *next;

	for (p = mm->patched; p; p = next) {
		next = p->next;
		if (text_remains(p, start, end) && !touches_blocks(p, start, end) &&
		    !(moved && touches_text(p, start, end)))
			continue;
		unpatch(mm, p);
		blocks_remove(mm, p, p->image->head->nblocks);
		patched_destroy(mm, p);
	}
}

/* The trampolines stay: threads may be on their way through them. */
void sites_plain(struct mm *mm)
{
	if (mm->plain)
		return;
	mm->plain = true;
	for (struct patched *p = mm->patched; p; p = p->next) {
		unpatch(mm, p);
		p->plain = true;
	}
}

void sites_cleared(struct mm *mm)
{
	mm->plain = false;
	while (mm->patched)
		patched_destroy(mm, mm->patched);
}

bool sites_fault(struct mm *mm, uintptr_t addr, u64 err)
{
	bool done = false;

	if (!(err & PAGE_FAULT_FETCH))
		return false;
	mm_lock(mm);
	for (struct patched *p = mm->patched; p && !done; p = p->next)
		for (u32 i = 0; i < p->image->head->nblocks && !done; i++)
			if (overlaps(addr, addr + 1, block_at(p, i), block_size(p, i))) {
				p->image->wanted[i / 64] |= 1ull << i % 64;
				done = p->mapped[i] || !block_map(p, i);
			}
	mm_unlock(mm);
	return done;
}
