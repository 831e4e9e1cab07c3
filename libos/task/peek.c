// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A process's memory as a debugger reads and writes it, by ptrace or /proc/PID/mem: text is what the file has, and what
 * the program may not touch itself a debugger may (FOLL_FORCE), but for what others share. Always by the process
 * itself.
 */
#include "libos/task/ptrace.h"
#include "libos/coord/coord.h"
#include "libos/entry/entry.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"

/* Text is shown and changed as the file has it: rewritten system calls are undone first. */
static void make_plain(struct mm *mm, u64 addr)
{
	struct vma *v;

	mm_lock(mm);
	v = vma_find(mm, addr);
	if (v && v->file && (v->prot & PROT_EXEC))
		sites_plain(mm);
	mm_unlock(mm);
}

static bool may_force(struct mm *mm, const struct vma *v, u64 addr, size_t n, bool write)
{
	if (!v || v->kind == VMA_TRAMPOLINE || vma_range_pinned(mm, ALIGN_DOWN(addr, PAGE_SIZE), addr + n))
		return false;
	return write ? !(v->flags & MAP_SHARED) : !(v->prot & PROT_READ);
}

/* Within one page. */
static bool force(struct mm *mm, u64 addr, void *buf, size_t n, bool write)
{
	uintptr_t page = ALIGN_DOWN(addr, PAGE_SIZE);
	bool done = false;
	struct vma *v;

	mm_lock(mm);
	v = vma_find(mm, addr);
	if (may_force(mm, v, addr, n, write) &&
	    !pal_mprotect(page, PAGE_SIZE, v->prot | PROT_READ | (write ? PROT_WRITE : 0))) {
		done = write ? !user_write((void *)addr, buf, n) : !user_read(buf, (void *)addr, n);
		BUG_ON(pal_mprotect(page, PAGE_SIZE, v->prot));
	}
	mm_unlock(mm);
	return done;
}

ssize_t peek_own(struct mm *mm, u64 addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	make_plain(mm, addr);
	while (done < n) {
		u64 at = addr + done;
		size_t step = MIN(n - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
		ssize_t r = coord_copy_own(at, (u8 *)buf + done, step, write);

		if (r < 0 && guest_range((void *)at, step) && force(mm, at, (u8 *)buf + done, step, write))
			r = (ssize_t)step;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done ? (ssize_t)done : -EIO;
}
