/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * brk: the heap grows up from the program's end. As Linux, it answers with the break that holds, moved or not.
 */
#include "libos/mm/mm.h"
#include "libos/task/task.h"

/* Caller holds mm->lock, as for shrink. */
static bool grow(struct mm *mm, uintptr_t from, uintptr_t to)
{
	const struct rlimit64 *lim = this_process()->rlimits;

	/* The program's own data counts too: check_brk in mm/mmap.c. */
	if (to - mm->brk_start + (mm->data_end - mm->data_start) > lim[RLIMIT_DATA].rlim_cur)
		return false;
	return mm_map_kind_locked(mm, from, to - from, PROT_READ | PROT_WRITE, VMA_HEAP) == (intptr_t)from;
}

static bool shrink(struct mm *mm, uintptr_t from, uintptr_t to)
{
	return !mm_unmap_locked(mm, to, from - to);
}

intptr_t mm_brk(struct mm *mm, uintptr_t brk)
{
	uintptr_t from, to = PAGE_UP(brk);

	mm_lock(mm);
	from = PAGE_UP(mm->brk);
	if (mm->brk_start && brk >= mm->brk_start && brk <= mm->brk_limit &&
	    (to == from || (to > from ? grow(mm, from, to) : shrink(mm, from, to))))
		mm->brk = brk;
	brk = mm->brk;
	mm_unlock(mm);
	return (intptr_t)brk;
}
