/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Calls about pages that are mapped already: madvise, msync, mincore, mlock. The host knows the pages; the tree says
 * which ranges are the guest's.
 */
#include "libos/mm/mm.h"
#include "libos/task/task.h"

/* Is all of [start, end) mapped? */
static bool covered(struct mm *mm, uintptr_t start, uintptr_t end)
{
	while (start < end) {
		struct vma *v = vma_find(mm, start);

		if (!v)
			return false;
		start = v->end;
	}
	return true;
}

static bool pages_of(uintptr_t addr, size_t size, uintptr_t *end)
{
	*end = addr + PAGE_UP(size);
	return PAGE_UP(size) >= size && *end >= addr;
}

static bool advice_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_DONTNEED:
	case MADV_FREE ... MADV_DOFORK:
	case MADV_MERGEABLE ... MADV_COLLAPSE:
	case MADV_GUARD_INSTALL:
	case MADV_GUARD_REMOVE:
		return true;
	}
	return false;
}

static bool changes_contents(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE || advice == MADV_DONTFORK ||
	       advice == MADV_WIPEONFORK || advice == MADV_DONTNEED_LOCKED || advice == MADV_GUARD_INSTALL;
}

/* Is the heap or the tree of the libOS concerned? Everything else the host does alone. */
int mm_advise(struct mm *mm, uintptr_t addr, size_t size, int advice)
{
	uintptr_t end;
	int err;

	if (!advice_known(advice) || addr & (PAGE_SIZE - 1) || !pages_of(addr, size, &end))
		return -EINVAL;
	if (end == addr)
		return 0;
	if (!guest_mappable(addr, end))
		return -ENOMEM;
	/* Advice that a host may lack or that the sandbox does not pass on is taken and has no effect. */
	if (advice == MADV_MERGEABLE || advice == MADV_UNMERGEABLE || advice == MADV_DONTDUMP ||
	    advice == MADV_DODUMP || advice == MADV_COLD || advice == MADV_PAGEOUT) {
		mm_lock(mm);
		err = covered(mm, addr, end) ? 0 : -ENOMEM;
		mm_unlock(mm);
		return err;
	}
	mm_lock(mm);
	err = mm_reserve(mm);
	if (!err && changes_contents(advice) && vma_range_pinned(mm, addr, end))
		err = -EINVAL;
	if (!err)
		err = pal_madvise(addr, end - addr, advice);
	if (!err && advice == MADV_DONTFORK) {
		mm->fork_differs = true;
		vma_change(mm, addr, end, -1, VMA_DONTFORK, 0);
	} else if (!err && advice == MADV_DOFORK) {
		vma_change(mm, addr, end, -1, 0, VMA_DONTFORK);
	}
	mm_unlock(mm);
	return err;
}

int mm_sync(struct mm *mm, uintptr_t addr, size_t size, int flags)
{
	uintptr_t end;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (flags & MS_ASYNC && flags & MS_SYNC) ||
	    addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!pages_of(addr, size, &end))
		return -ENOMEM;
	if (end == addr)
		return 0;
	return guest_mappable(addr, end) ? pal_msync(addr, end - addr, flags) : -ENOMEM;
}

int mm_incore(struct mm *mm, uintptr_t addr, size_t size, u8 *vec)
{
	uintptr_t end;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!pages_of(addr, size, &end) || (size && !guest_mappable(addr, end)))
		return -ENOMEM;
	if (!guest_range(vec, (end - addr) / PAGE_SIZE))
		return -EFAULT;
	return size ? pal_mincore(addr, size, vec) : 0;
}

/* Bytes of [start, end) that are not locked yet. Caller holds mm->lock. */
static size_t unlocked_bytes(struct mm *mm, uintptr_t start, uintptr_t end)
{
	size_t sum = 0;
	struct vma *v;

	for (v = vma_next_from(mm, start); v && v->start < end; v = vma_next(v))
		if (!(v->flags & VMA_LOCKED))
			sum += MIN(v->end, end) - MAX(v->start, start);
	return sum;
}

static int may_lock(struct mm *mm, size_t more)
{
	u64 limit = this_process()->rlimits[RLIMIT_MEMLOCK].rlim_cur;

	if (capable(this_process()))
		return 0;
	if (!limit)
		return -EPERM;
	return mm->locked + more <= limit ? 0 : -ENOMEM;
}

int mm_pin(struct mm *mm, uintptr_t addr, size_t size, int flags, bool on)
{
	uintptr_t end;
	int err;

	size += addr & (PAGE_SIZE - 1);
	addr = PAGE_DOWN(addr);
	if (!pages_of(addr, size, &end))
		return on ? -ENOMEM : -EINVAL;
	if (end == addr)
		return 0;
	if (!guest_mappable(addr, end))
		return -ENOMEM;
	mm_lock(mm);
	err = mm_reserve(mm);
	if (!err && on)
		err = may_lock(mm, unlocked_bytes(mm, addr, end));
	if (!err && !covered(mm, addr, end))
		err = -ENOMEM;
	if (!err)
		err = on ? pal_mlock(addr, end - addr, flags) : pal_munlock(addr, end - addr);
	if (!err)
		vma_change(mm, addr, end, -1, on ? VMA_LOCKED : 0, on ? 0 : VMA_LOCKED);
	mm_unlock(mm);
	return err;
}

/* Where the part of v begins that mlockall is about: the stack is mapped whole, Linux's only as far as it was used. */
static uintptr_t used_from(const struct vma *v)
{
	u8 there[64];
	size_t pages;

	if (v->kind != VMA_STACK)
		return v->start;
	for (uintptr_t at = v->start; at < v->end; at += pages * PAGE_SIZE) {
		pages = MIN((v->end - at) / PAGE_SIZE, sizeof(there));
		if (pal_mincore(at, pages * PAGE_SIZE, there))
			return v->start;
		for (size_t i = 0; i < pages; i++)
			if (there[i] & 1)
				return at + i * PAGE_SIZE;
	}
	return v->end;
}

/* Bytes that mlockall would lock beyond those that are. Trampolines are not the guest's. Caller holds mm->lock. */
static size_t unlocked_at_all(struct mm *mm)
{
	size_t sum = 0;
	struct vma *v;

	for (v = vma_next_from(mm, 0); v; v = vma_next(v))
		if (!(v->flags & VMA_LOCKED) && v->kind != VMA_TRAMPOLINE)
			sum += v->end - used_from(v);
	return sum;
}

/* The host's mlockall would take in the image and its heap: the guest's VMAs are locked one by one. */
int mm_pin_all(struct mm *mm, int flags, bool on)
{
	uintptr_t at = 0;
	int err = 0;

	mm_lock(mm);
	if (on)
		err = may_lock(mm, flags & MCL_CURRENT ? unlocked_at_all(mm) : 0);
	if (!err)
		mm->lock_future = on && (flags & MCL_FUTURE);
	while (!err && (!on || (flags & MCL_CURRENT))) {
		struct vma *v = vma_next_from(mm, at);
		uintptr_t start;

		if (!v)
			break;
		start = on ? used_from(v) : v->start;
		at = v->end;
		if (start == at || v->kind == VMA_TRAMPOLINE)
			continue;
		if (mm_reserve(mm)) {
			err = -ENOMEM;
			break;
		}
		/* Failures for single ranges (no access, for one) don't count: mm/mlock.c, apply_mlockall_flags. */
		if (on ? pal_mlock(start, at - start, flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0) == 0
		       : pal_munlock(start, at - start) == 0)
			vma_change(mm, start, at, -1, on ? VMA_LOCKED : 0, on ? 0 : VMA_LOCKED);
	}
	mm_unlock(mm);
	return err;
}
