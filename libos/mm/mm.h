/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Address space of a guest: which ranges exist and what backs each.
 *
 * The tree of VMAs is the truth and the host mapping follows it. mm.lock guards everything here; it is held over the
 * host's mmap calls so that tree and host agree. Guest ranges lie in [PAL_GUEST_BOTTOM, PAL_GUEST_TOP) and never touch
 * the image's own part of the address space (PAL_BASE..PAL_END).
 *
 * Files of VMAs that go away are let go after mm.lock is: dropping the last reference takes the name cache's lock,
 * which is outside of mm.lock. So the lock is taken and left by mm_lock and mm_unlock only. Tree changes cannot fail,
 * because mm_reserve sets VMAs aside before the host is asked: nothing is ever half done.
 */
#ifndef LIBOS_MM_MM_H
#define LIBOS_MM_MM_H

#include "pal/pal.h"
#include "pal/base/lock.h"
#include "pal/base/rbtree.h"

struct file;
struct patched;

enum vma_kind {
	VMA_PLAIN,
	VMA_STACK,
	VMA_HEAP,
	VMA_TRAMPOLINE, /* of rewritten images (entry/sites.c); the guest sees a hole there */
	VMA_VDSO, /* the host's; pinned: the guest may read and run it, never move or remove it */
	VMA_VVAR,
};

/* Facts kept in vma.flags beside the guest's MAP_* bits. */
#define VMA_DONTFORK 0x40000000 /* MADV_DONTFORK */
#define VMA_LOCKED MAP_LOCKED
#define VMA_NOWRITE 0x20000000 /* shared mapping of a file not open for writing */

struct vma {
	struct rb_node node;
	uintptr_t start, end;	/* page aligned */
	int prot;		/* PROT_* as the guest sees it */
	int flags;		/* MAP_SHARED or MAP_PRIVATE, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_NORESERVE..., VMA_* */
	u64 offset;		/* in the file */
	struct file *file;	/* held; NULL for anonymous memory */
	enum vma_kind kind;
};

#define MM_RANDOM 4

struct mm {
	u32 refs;		/* atomic: processes that share it (vfork) */
	struct mutex lock;	/* guards the rest */
	struct rb_root vmas;
	unsigned count;
	struct vma *spare;	/* set aside by mm_reserve; chained by node.parent, as is dead */
	unsigned spares;
	struct vma *dead;	/* VMAs whose file is still to be let go */
	u64 total, locked, data; /* bytes mapped; mlock'ed; private and writable */
	u64 peak;		/* highest total, for VmPeak */
	bool lock_future;	/* mlockall(MCL_FUTURE) */
	bool fork_differs;	/* some range was ever MADV_DONTFORK */
	uintptr_t gap_from;	/* no gap of gap_size or more in [gap_from, mmap_top) */
	size_t gap_size;
	uintptr_t brk_start, brk, brk_limit;
	uintptr_t mmap_top;	/* search for free ranges downwards from here */
	uintptr_t stack_top, stack_low; /* stack_low: how far the reserve may grow down */
	uintptr_t code_start, code_end, data_start, data_end, arg_start, arg_end, env_start, env_end;
	bool plain;		/* no image is to be patched (sites_plain) */
	struct patched *patched; /* images whose system calls are rewritten (entry/sites.c) */
	u64 random[MM_RANDOM + 2]; /* of the exec in progress */
	unsigned random_used;
	u64 auxv[64];		/* for /proc/self/auxv */
	unsigned auxv_count;
};

/* ---- mm/mm.c ---- */
/* vvar: bytes of data pages before the host's vDSO, if known from another address space, else 0. NULL: no memory */
struct mm *mm_create(size_t vvar);
size_t mm_vvar(struct mm *mm);
void mm_put(struct mm *mm);
void mm_clear(struct mm *mm); /* exec: unmap the guest, whole, in few calls */
void mm_fork_child(struct mm *mm); /* in the child: MADV_DONTFORK ranges are gone */
void mm_lock(struct mm *mm);
void mm_unlock(struct mm *mm);
int mm_reserve(struct mm *mm); /* room for the tree changes of one call, or -ENOMEM. Caller holds mm->lock */
/* Choose where things lie in an empty space: the stack's top, the searches' start. exec_stack: PROT_EXEC. */
int mm_layout(struct mm *mm, bool exec_stack);
/* RLIMIT_STACK was raised: let the stack's reserve follow, as far as nothing is in the way. */
void mm_stack_limit(struct mm *mm, u64 limit);
/* Randomness for one exec, fetched at once: mm_stir, then mm_random up to MM_RANDOM times; 0 if the personality says
 * that nothing is to move. mm->random's last two words are AT_RANDOM's. */
void mm_stir(struct mm *mm);
u64 mm_random(struct mm *mm);

/* ---- mm/vma.c: the tree; no host calls; caller holds mm->lock for all, and reserved for those that change it ---- */
struct vma *vma_find(struct mm *mm, uintptr_t addr);	   /* holding addr, or NULL; valid while the lock is held */
struct vma *vma_next_from(struct mm *mm, uintptr_t addr); /* first with end > addr, or NULL */
struct vma *vma_next(struct vma *v);
struct vma *vma_insert(struct mm *mm, const struct vma *proto); /* range must be free; takes a count of the file */
void vma_remove(struct mm *mm, uintptr_t start, uintptr_t end); /* splits at the edges, drops files */
/* Change prot and flags of what lies in [start, end), splitting at the edges and merging afterwards. */
void vma_change(struct mm *mm, uintptr_t start, uintptr_t end, int prot, int set, int clear);
/* Move [start, end) of one VMA to `to` with a new size. */
void vma_move(struct mm *mm, uintptr_t start, uintptr_t end, uintptr_t to, size_t size);
void vma_extend(struct mm *mm, struct vma *v, uintptr_t end); /* up to end; that range must be free */
uintptr_t vma_find_gap(struct mm *mm, size_t size, uintptr_t low, uintptr_t high, bool top_down); /* 0: none */
bool vma_range_free(struct mm *mm, uintptr_t start, uintptr_t end);
/* Anything in [start, end) that the guest may not touch? */
bool vma_range_pinned(struct mm *mm, uintptr_t start, uintptr_t end);

/* ---- mm/map.c: the same on the host ---- */
/* mmap(2) with a libOS file (NULL: anonymous); result is an address or -errno. */
intptr_t mm_map(struct mm *mm, uintptr_t addr, size_t size, int prot, int flags, struct file *file, u64 offset);
/* The same with a kind of its own (stack, heap). Fixed addresses only. */
intptr_t mm_map_kind(struct mm *mm, uintptr_t addr, size_t size, int prot, enum vma_kind kind);
int mm_unmap(struct mm *mm, uintptr_t addr, size_t size);
/* Is there room for that much more under the sandbox's limit? By what this process may write to, and by what all of them
 * used when the monitor last looked. What is then touched beyond the limit, the monitor sees. Caller holds mm->lock. */
bool mm_memory_left(struct mm *mm, u64 size);
/* The last two for callers that hold mm->lock. */
intptr_t mm_map_kind_locked(struct mm *mm, uintptr_t addr, size_t size, int prot, enum vma_kind kind);
int mm_unmap_locked(struct mm *mm, uintptr_t addr, size_t size);
/* An address for size bytes by the rules of mmap without MAP_FIXED, aligned; 0: none. Caller holds mm->lock. */
uintptr_t mm_choose(struct mm *mm, size_t size, size_t align, int flags);

/* ---- mm/protect.c, mm/remap.c, mm/brk.c ---- */
int mm_protect(struct mm *mm, uintptr_t addr, size_t size, int prot);
intptr_t mm_remap(struct mm *mm, uintptr_t addr, size_t old, size_t size, int flags, uintptr_t to);
/* Other pages of the file that is mapped shared there: as the host does it, one more mapping. 0 or -errno. */
int mm_remap_pages(struct mm *mm, uintptr_t addr, size_t size, u64 page, int flags);
intptr_t mm_brk(struct mm *mm, uintptr_t brk);

/* ---- mm/advise.c ---- */
int mm_advise(struct mm *mm, uintptr_t addr, size_t size, int advice);
int mm_sync(struct mm *mm, uintptr_t addr, size_t size, int flags);
int mm_incore(struct mm *mm, uintptr_t addr, size_t size, u8 *vec);
int mm_pin(struct mm *mm, uintptr_t addr, size_t size, int flags, bool on);
int mm_pin_all(struct mm *mm, int flags, bool on);

/* Would [addr, addr+size) lie in the guest's part? The cheap check before a buffer goes to the host. */
static inline bool guest_range(const void *addr, size_t size)
{
	uintptr_t a = (uintptr_t)addr;

	return a + size >= a && (a + size <= PAL_BASE || (a >= PAL_END && a + size <= 0x800000000000ul));
}

/* May the guest map there at all? */
static inline bool guest_mappable(uintptr_t start, uintptr_t end)
{
	return start < end && end <= PAL_GUEST_TOP && (end <= PAL_BASE || start >= PAL_END);
}

#endif
