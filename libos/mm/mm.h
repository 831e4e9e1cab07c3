/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Address space of a guest: which ranges exist and what backs each.
 *
 * The tree of VMAs is the truth and the host mapping follows it. mm.lock guards everything here; it is held over the
 * host's mmap calls so that tree and host agree. Guest ranges lie in [PAL_GUEST_BOTTOM, PAL_GUEST_TOP) and never touch
 * the image's own part of the address space (PAL_BASE..PAL_END).
 */
#ifndef LIBOS_MM_MM_H
#define LIBOS_MM_MM_H

#include "pal/pal.h"
#include "pal/base/lock.h"
#include "pal/base/rbtree.h"

struct file;

enum vma_kind { VMA_PLAIN, VMA_STACK, VMA_HEAP, VMA_TRAMPOLINE };

struct vma {
	struct rb_node node;
	uintptr_t start, end;	/* page aligned */
	int prot;		/* PROT_* as the guest sees it */
	int flags;		/* MAP_SHARED or MAP_PRIVATE, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_NORESERVE... */
	u64 offset;		/* in the file */
	struct file *file;	/* held; NULL for anonymous memory */
	enum vma_kind kind;
};

struct mm {
	u32 refs;		/* atomic: processes that share it (vfork) */
	struct mutex lock;	/* guards the rest */
	struct rb_root vmas;
	unsigned count;
	u64 total, locked;	/* bytes mapped; bytes mlock'ed */
	uintptr_t brk_start, brk, brk_limit;
	uintptr_t mmap_top;	/* search for free ranges downwards from here */
	uintptr_t stack_top, stack_low;
	uintptr_t code_start, code_end, data_start, data_end, arg_start, arg_end, env_start, env_end;
	u64 auxv[64];		/* for /proc/self/auxv */
	unsigned auxv_count;
};

/* ---- mm/vma.c: the tree; no host calls ---- */
struct vma *vma_find(struct mm *mm, uintptr_t addr);	   /* holding addr, or NULL. Caller holds mm->lock */
struct vma *vma_next_from(struct mm *mm, uintptr_t addr); /* first with end > addr, or NULL */
int vma_insert(struct mm *mm, const struct vma *proto);	   /* range must be free; merges with neighbours when alike */
int vma_remove(struct mm *mm, uintptr_t start, uintptr_t end); /* splits at the edges, drops files */
int vma_set_prot(struct mm *mm, uintptr_t start, uintptr_t end, int prot);
uintptr_t vma_find_gap(struct mm *mm, size_t size, uintptr_t low, uintptr_t high, bool top_down); /* 0: none */

/* ---- mm/map.c: the same on the host ---- */
/* mmap(2) with a libOS file (NULL: anonymous); result is an address or -errno. */
intptr_t mm_map(struct mm *mm, uintptr_t addr, size_t size, int prot, int flags, struct file *file, u64 offset);
int mm_unmap(struct mm *mm, uintptr_t addr, size_t size);
int mm_protect(struct mm *mm, uintptr_t addr, size_t size, int prot);
intptr_t mm_remap(struct mm *mm, uintptr_t addr, size_t old, size_t size, int flags, uintptr_t to);
intptr_t mm_brk(struct mm *mm, uintptr_t brk);
/* Would [addr, addr+size) lie in the guest's part? The cheap check before a buffer goes to the host. */
static inline bool guest_range(const void *addr, size_t size)
{
	uintptr_t a = (uintptr_t)addr;

	return a + size >= a && (a + size <= PAL_BASE || (a >= PAL_END && a + size <= 0x800000000000ul));
}

/* ---- mm/mm.c ---- */
struct mm *mm_create(void);
void mm_put(struct mm *mm);
void mm_clear(struct mm *mm); /* exec: unmap the guest, whole, in few calls */
void mm_fork_child(struct mm *mm); /* in the child: MADV_DONTFORK ranges are gone */

#endif
