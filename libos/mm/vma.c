/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tree of VMAs, by address. No host call is made here: see map.c.
 *
 * A VMA is born by vma_insert, split or trimmed by vma_remove and vma_change, joined with a neighbour that is alike,
 * and dies when its last page goes. New ones come from mm->spare, so nothing here fails. A dead one whose file must
 * be let go waits in mm->dead until the lock is left.
 */
#include "libos/mm/mm.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"

static struct vma *vma_of(struct rb_node *n)
{
	return n ? container_of(n, struct vma, node) : NULL;
}

struct vma *vma_next_from(struct mm *mm, uintptr_t addr)
{
	struct rb_node *n = mm->vmas.node;
	struct vma *best = NULL;

	while (n) {
		struct vma *v = vma_of(n);

		if (v->end > addr) {
			best = v;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct vma *vma_find(struct mm *mm, uintptr_t addr)
{
	struct vma *v = vma_next_from(mm, addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_next(struct vma *v)
{
	return vma_of(base_rb_next(&v->node));
}

static struct vma *vma_prev(struct vma *v)
{
	return vma_of(base_rb_prev(&v->node));
}

static void account(struct mm *mm, const struct vma *v, s64 sign)
{
	u64 size = (u64)(v->end - v->start) * (u64)sign;

	if (v->kind == VMA_TRAMPOLINE)
		return; /* not the guest's */
	mm->total += size;
	mm->peak = MAX(mm->peak, mm->total);
	if (v->flags & VMA_LOCKED)
		mm->locked += size;
	if ((v->prot & PROT_WRITE) && !(v->flags & MAP_SHARED) && v->kind != VMA_STACK)
		mm->data += size;
}

static struct vma *take_spare(struct mm *mm)
{
	struct vma *v = mm->spare;

	BUG_ON(!v);
	mm->spare = (struct vma *)v->node.parent;
	mm->spares--;
	return v;
}

static void link_vma(struct mm *mm, struct vma *v)
{
	struct rb_node **link = &mm->vmas.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = vma_of(parent)->start > v->start ? &parent->left : &parent->right;
	}
	base_rb_insert(&mm->vmas, &v->node, parent, link);
	mm->count++;
}

static void bury(struct mm *mm, struct vma *v)
{
	base_rb_erase(&mm->vmas, &v->node);
	mm->count--;
	v->node.parent = (struct rb_node *)mm->dead;
	mm->dead = v;
}

/* Cut v at addr, which lies strictly inside; the upper part is returned. */
static struct vma *split(struct mm *mm, struct vma *v, uintptr_t addr)
{
	struct vma *up = take_spare(mm);

	*up = *v;
	up->start = addr;
	up->offset += addr - v->start;
	v->end = addr;
	if (up->file)
		file_get(up->file);
	link_vma(mm, up);
	return up;
}

/* Shared anonymous memory is never joined: each mapping is an object of its own on the host. */
static bool alike(const struct vma *a, const struct vma *b)
{
	if (a->end != b->start || a->prot != b->prot || a->flags != b->flags || a->kind != b->kind ||
	    a->file != b->file)
		return false;
	return a->file ? a->offset + (a->end - a->start) == b->offset : !(a->flags & MAP_SHARED);
}

/* Join v with its neighbours where they are alike; the survivor is returned. */
static struct vma *merge(struct mm *mm, struct vma *v)
{
	struct vma *prev = vma_prev(v), *next = vma_next(v);

	if (next && alike(v, next)) {
		v->end = next->end;
		bury(mm, next);
	}
	if (prev && alike(prev, v)) {
		prev->end = v->end;
		bury(mm, v);
		return prev;
	}
	return v;
}

struct vma *vma_insert(struct mm *mm, const struct vma *proto)
{
	struct vma *v = take_spare(mm);

	*v = *proto;
	if (v->file)
		file_get(v->file);
	link_vma(mm, v);
	account(mm, v, 1);
	return merge(mm, v);
}

void vma_extend(struct mm *mm, struct vma *v, uintptr_t end)
{
	account(mm, v, -1);
	v->end = end;
	account(mm, v, 1);
	merge(mm, v);
}

/* The first VMA that ends above start, cut so that none straddles start. */
static struct vma *first_cut(struct mm *mm, uintptr_t start)
{
	struct vma *v = vma_next_from(mm, start);

	return v && v->start < start ? split(mm, v, start) : v;
}

void vma_remove(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct vma *v = first_cut(mm, start);

	while (v && v->start < end) {
		struct vma *next;

		if (v->end > end)
			split(mm, v, end);
		next = vma_next(v);
		account(mm, v, -1);
		bury(mm, v);
		v = next;
	}
	/* The gap that opened may be larger than what was unmapped, up to the next neighbour. */
	if (end > mm->gap_from)
		mm->gap_from = v ? MAX(v->start, mm->gap_from) : mm->mmap_top;
}

void vma_change(struct mm *mm, uintptr_t start, uintptr_t end, int prot, int set, int clear)
{
	struct vma *v = first_cut(mm, start);

	while (v && v->start < end) {
		if (v->end > end)
			split(mm, v, end);
		account(mm, v, -1);
		v->prot = prot >= 0 ? prot : v->prot;
		v->flags = (v->flags & ~clear) | set;
		account(mm, v, 1);
		v = vma_next(merge(mm, v));
	}
	/* The loop joins backwards as it goes; what is left is the seam at the end. */
	if (v && v->start == end)
		merge(mm, v);
}

void vma_move(struct mm *mm, uintptr_t start, uintptr_t end, uintptr_t to, size_t size)
{
	struct vma *v = vma_find(mm, start);
	struct vma moved = *v;

	moved.start = to;
	moved.end = to + size;
	moved.offset = v->offset + (start - v->start);
	/* The count of the file that moved holds keeps it alive over the removal. */
	(void)vma_insert(mm, &moved);
	if (start != end)
		vma_remove(mm, start, end);
}

bool vma_range_free(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct vma *v = vma_next_from(mm, start);

	return !v || v->start >= end;
}

bool vma_range_pinned(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct vma *v;

	for (v = vma_next_from(mm, start); v && v->start < end; v = vma_next(v))
		if (v->kind == VMA_VDSO || v->kind == VMA_VVAR)
			return true;
	return false;
}

static uintptr_t gap_up(struct mm *mm, size_t size, uintptr_t low, uintptr_t high)
{
	struct vma *v;

	for (v = vma_next_from(mm, low); v && v->start < high; v = vma_next(v)) {
		if (v->start > low && v->start - low >= size)
			return low;
		low = MAX(low, v->end);
	}
	return high > low && high - low >= size ? low : 0;
}

static uintptr_t gap_down(struct mm *mm, size_t size, uintptr_t low, uintptr_t high)
{
	struct vma *v = vma_next_from(mm, high - 1);

	if (v && v->start < high)
		high = v->start;
	v = v ? vma_prev(v) : vma_of(base_rb_last(&mm->vmas));
	for (;;) {
		uintptr_t floor = v ? MAX(v->end, low) : low;

		if (high > floor && high - floor >= size)
			return high - size;
		if (!v || v->start <= low)
			return 0;
		high = MIN(high, v->start);
		v = vma_prev(v);
	}
}

uintptr_t vma_find_gap(struct mm *mm, size_t size, uintptr_t low, uintptr_t high, bool top_down)
{
	if (high <= low || high - low < size)
		return 0;
	return top_down ? gap_down(mm, size, low, high) : gap_up(mm, size, low, high);
}
