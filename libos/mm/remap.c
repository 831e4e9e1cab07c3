/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mremap: shrink, grow in place, or move; and remap_file_pages, its forerunner. Errors and their order follow
 * mm/mremap.c of Linux; the host moves the pages.
 *
 * One call may split at both ends of the old range and of a fixed target, and insert the moved part: at most six VMAs,
 * within what mm_reserve sets aside.
 */
#include "libos/mm/mm.h"
#include "libos/entry/entry.h"
#include "libos/task/task.h"

struct remap {
	uintptr_t addr, to;
	size_t old, size;
	int flags;
};

static int check(const struct remap *r)
{
	int move = MREMAP_MAYMOVE;

	if (r->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(r->flags & move))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && r->old != r->size)
		return -EINVAL;
	if (r->addr & (PAGE_SIZE - 1) || !r->size || r->size > PAL_GUEST_TOP)
		return -EINVAL;
	if (!(r->flags & MREMAP_FIXED))
		return 0;
	if (r->to & (PAGE_SIZE - 1) || r->to + r->size > PAL_GUEST_TOP)
		return -EINVAL;
	if (r->addr + r->old > r->to && r->to + r->size > r->addr)
		return -EINVAL; /* they overlap */
	if (r->to < PAL_GUEST_BOTTOM)
		return -EPERM;
	return guest_mappable(r->to, r->to + r->size) ? 0 : -ENOMEM;
}

/* The one VMA that must hold the whole old range. */
static int find_source(struct mm *mm, const struct remap *r, struct vma **out)
{
	const struct rlimit64 *lim = this_process()->rlimits;
	struct vma *v = vma_find(mm, r->addr);
	size_t grow = r->size > r->old ? r->size - r->old : 0;

	if (!v || v->kind == VMA_VDSO || v->kind == VMA_VVAR || v->kind == VMA_TRAMPOLINE)
		return -EFAULT;
	if (!r->old && !(v->flags & MAP_SHARED))
		return -EINVAL;
	if (r->old > v->end - r->addr)
		return -EFAULT;
	if (r->flags & MREMAP_DONTUNMAP)
		grow = r->size;
	if (mm->total + grow > lim[RLIMIT_AS].rlim_cur)
		return -ENOMEM;
	if (!(v->flags & MAP_SHARED) && (v->prot & PROT_WRITE) && mm->data + grow > lim[RLIMIT_DATA].rlim_cur)
		return -ENOMEM;
	if (grow && (v->prot & PROT_WRITE) && (v->flags & MAP_ANONYMOUS) && !mm_memory_left(mm, grow))
		return -ENOMEM;
	if ((v->flags & VMA_LOCKED) && mm->locked + grow > lim[RLIMIT_MEMLOCK].rlim_cur && !capable(this_process()))
		return -EAGAIN;
	*out = v;
	return 0;
}

static intptr_t shrink(struct mm *mm, const struct remap *r)
{
	int err;

	sites_leaving(mm, r->addr + r->size, r->addr + r->old, false);
	err = pal_munmap(r->addr + r->size, r->old - r->size);

	if (err)
		return err;
	vma_remove(mm, r->addr + r->size, r->addr + r->old);
	return (intptr_t)r->addr;
}

static bool grow_in_place(struct mm *mm, const struct remap *r, struct vma *v)
{
	uintptr_t end = r->addr + r->size;

	if (r->addr + r->old != v->end || !guest_mappable(r->addr, end) || !vma_range_free(mm, v->end, end))
		return false;
	if (pal_mremap(r->addr, r->old, r->size, 0, 0) < 0)
		return false;
	vma_extend(mm, v, end);
	return true;
}

static intptr_t move(struct mm *mm, const struct remap *r, const struct vma *v)
{
	bool keep = r->flags & MREMAP_DONTUNMAP || !r->old;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (r->flags & MREMAP_DONTUNMAP);
	uintptr_t to = r->to;
	intptr_t got;

	if (!(r->flags & MREMAP_FIXED))
		to = mm_choose(mm, r->size, PAGE_SIZE, 0);
	if (!to)
		return -ENOMEM;
	if (vma_range_pinned(mm, to, to + r->size))
		return -EPERM;
	sites_leaving(mm, r->addr, r->addr + r->old, true);
	sites_leaving(mm, to, to + r->size, false);
	got = pal_mremap(r->addr, r->old, r->size, flags, to);
	if (got < 0)
		return got;
	vma_remove(mm, to, to + r->size);
	/* The removal may have trimmed the VMA that held the source, never the source itself. */
	v = vma_find(mm, r->addr);
	BUG_ON(!v);
	vma_move(mm, r->addr, keep ? r->addr : r->addr + r->old, to, r->size);
	return got;
}

intptr_t mm_remap(struct mm *mm, uintptr_t addr, size_t old, size_t size, int flags, uintptr_t to)
{
	struct remap r = { .addr = addr, .to = to, .old = PAGE_UP(old), .size = PAGE_UP(size), .flags = flags };
	struct vma *v;
	intptr_t ret = check(&r);

	if (ret)
		return ret;
	mm_lock(mm);
	ret = mm_reserve(mm);
	if (!ret && r.old > r.size && !(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))) {
		ret = vma_find(mm, addr) ? 0 : -EFAULT;
		if (!ret && vma_range_pinned(mm, addr, addr + r.old))
			ret = -EPERM;
		ret = ret ?: shrink(mm, &r);
		goto out;
	}
	if (!ret)
		ret = find_source(mm, &r, &v);
	if (ret)
		goto out;
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && r.old && (r.old == r.size || grow_in_place(mm, &r, v)))
		ret = (intptr_t)addr;
	else
		ret = flags & MREMAP_MAYMOVE ? move(mm, &r, v) : -ENOMEM;
out:
	mm_unlock(mm);
	return ret;
}

/* VMAs of one kind without a gap between them. Caller holds mm->lock. */
static bool is_one(const struct vma *v, uintptr_t end)
{
	while (v->end < end) {
		const struct vma *next = vma_next((struct vma *)v);

		if (!next || next->start != v->end || next->file != v->file || next->flags != v->flags ||
		    next->prot != v->prot)
			return false;
		v = next;
	}
	return true;
}

int mm_remap_pages(struct mm *mm, uintptr_t addr, size_t size, u64 page, int flags)
{
	uintptr_t start = PAGE_DOWN(addr), end = start + PAGE_DOWN(size);
	struct vma *v, new;
	int r;

	if (end <= start || page + (end - start) / PAGE_SIZE < page)
		return -EINVAL;
	mm_lock(mm);
	r = mm_reserve(mm);
	v = r ? NULL : vma_find(mm, start);
	if (!r && (!v || !(v->flags & MAP_SHARED) || v->kind != VMA_PLAIN || !is_one(v, end)))
		r = -EINVAL;
	if (!r)
		r = pal_remap_file_pages(start, end - start, page, flags & MAP_NONBLOCK);
	if (!r) {
		new = *v;
		new.start = start;
		new.end = end;
		new.offset = new.file ? page * PAGE_SIZE : new.offset;
		vma_remove(mm, start, end);
		vma_insert(mm, &new);
	}
	mm_unlock(mm);
	return r;
}
