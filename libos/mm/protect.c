/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mprotect: VMA by VMA, as Linux does it, so that a hole ends the call with ENOMEM after what lies before it was
 * changed.
 */
#include "libos/mm/mm.h"

/* Caller holds mm->lock, reserved. */
static int protect_one(struct mm *mm, struct vma *v, uintptr_t start, uintptr_t end, int prot)
{
	int err;

	if (v->kind == VMA_VDSO || v->kind == VMA_VVAR)
		return -EACCES;
	if ((prot & PROT_WRITE) && (v->flags & VMA_NOWRITE))
		return -EACCES;
	if (v->prot == prot)
		return 0;
	err = pal_mprotect(start, end - start, prot);
	if (err)
		return err;
	/* Pages that become executable now may have been written before: their system calls are not
	 * rewritten, and trap. */
	vma_change(mm, start, end, prot, 0, 0);
	return 0;
}

int mm_protect(struct mm *mm, uintptr_t addr, size_t size, int prot)
{
	uintptr_t end = addr + PAGE_UP(size);
	bool down = prot & PROT_GROWSDOWN;
	int err = 0;

	if (addr & (PAGE_SIZE - 1) || (down && (prot & PROT_GROWSUP)))
		return -EINVAL;
	if (!size)
		return 0;
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	prot &= PROT_READ | PROT_WRITE | PROT_EXEC;
	mm_lock(mm);
	if (down) {
		struct vma *v = vma_find(mm, addr);

		if (!v || !(v->kind == VMA_STACK || (v->flags & MAP_GROWSDOWN)))
			err = v ? -EINVAL : -ENOMEM;
		else
			addr = v->start;
	}
	while (!err && addr < end) {
		struct vma *v = vma_find(mm, addr);
		uintptr_t stop = v ? MIN(v->end, end) : 0;

		err = v && v->kind != VMA_TRAMPOLINE ? mm_reserve(mm) : -ENOMEM;
		if (!err)
			err = protect_one(mm, v, addr, stop, prot);
		addr = stop;
	}
	mm_unlock(mm);
	return err;
}
