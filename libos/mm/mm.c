/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The address space as a whole: create, clear at exec, layout, and its lock.
 *
 * Layout, from the top: stack with its reserve, a gap, then mappings downwards, past the image's own part, towards the
 * heap, which grows up from the program. Randomised as Linux does (28 bits for mappings, 22 for the stack), unless the
 * personality says no.
 */
#include "libos/mm/mm.h"
#include "libos/entry/entry.h"
#include "libos/task/task.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"

#define SPARES 8	      /* the most VMAs that one call needs: see remap.c */
#define STACK_GAP (256ul << 12) /* stack_guard_gap of Linux */
#define STACK_ROOM_MIN (128ul << 20)
#define STACK_ROOM_MAX (1ul << 40)
#define STACK_RESERVE_MAX (1ul << 33) /* of an unlimited stack */

static void free_dead(struct vma *v)
{
	while (v) {
		struct vma *next = (struct vma *)v->node.parent;

		if (v->file)
			file_put(v->file);
		base_free(v);
		v = next;
	}
}

void mm_lock(struct mm *mm)
{
	lock(&mm->lock);
}

void mm_unlock(struct mm *mm)
{
	struct vma *dead = mm->dead;

	mm->dead = NULL;
	unlock(&mm->lock);
	free_dead(dead);
}

int mm_reserve(struct mm *mm)
{
	while (mm->spares < SPARES) {
		struct vma *v = base_alloc(sizeof(*v));

		if (!v)
			return -ENOMEM;
		v->node.parent = (struct rb_node *)mm->spare;
		mm->spare = v;
		mm->spares++;
	}
	return 0;
}

void mm_stir(struct mm *mm)
{
	if (pal_getrandom(mm->random, sizeof(mm->random), GRND_INSECURE) != sizeof(mm->random))
		memset(mm->random, 0, sizeof(mm->random));
	mm->random_used = 0;
}

u64 mm_random(struct mm *mm)
{
	u64 r;

	BUG_ON(mm->random_used == MM_RANDOM);
	r = mm->random[mm->random_used];
	mm->random[mm->random_used++] = 0;
	return this_process()->personality & ADDR_NO_RANDOMIZE ? 0 : r;
}

/* Size of the vDSO from its own headers. */
static size_t vdso_size(uintptr_t base)
{
	const struct elf64_hdr *h = (const struct elf64_hdr *)base;
	const struct elf64_phdr *p = (const struct elf64_phdr *)(base + h->e_phoff);
	uintptr_t end = 0;

	for (unsigned i = 0; i < h->e_phnum; i++)
		if (p[i].p_type == PT_LOAD)
			end = MAX(end, p[i].p_vaddr + p[i].p_memsz);
	return PAGE_UP(end);
}

/* The host puts its vDSO and that one's data pages where it likes, below PAL_GUEST_TOP on recent
 * kernels: take them in. */
static int adopt_vdso(struct mm *mm, size_t vvar)
{
	uintptr_t vdso = pal_vdso(), data = vdso - PAGE_UP(vvar);
	struct vma v = { .flags = MAP_PRIVATE, .prot = PROT_READ | PROT_EXEC, .kind = VMA_VDSO };
	u8 resident;

	if (!vdso || !guest_mappable(vdso, vdso + PAGE_SIZE))
		return 0;
	if (mm_reserve(mm))
		return -ENOMEM;
	v.start = vdso;
	v.end = vdso + vdso_size(vdso);
	vma_insert(mm, &v);
	while (!vvar && vdso - data < (64ul << 10) && pal_mincore(data - PAGE_SIZE, PAGE_SIZE, &resident) == 0)
		data -= PAGE_SIZE;
	if (data == vdso)
		return 0;
	v = (struct vma){ .start = data, .end = vdso, .flags = MAP_PRIVATE, .prot = PROT_READ, .kind = VMA_VVAR };
	vma_insert(mm, &v);
	return 0;
}

size_t mm_vvar(struct mm *mm)
{
	size_t size = 0;
	struct vma *v;

	mm_lock(mm);
	v = pal_vdso() ? vma_find(mm, pal_vdso() - 1) : NULL;
	if (v && v->kind == VMA_VVAR)
		size = v->end - v->start;
	mm_unlock(mm);
	return size;
}

struct mm *mm_create(size_t vvar)
{
	struct mm *mm = base_zalloc(sizeof(*mm));
	int err;

	if (!mm)
		return NULL;
	mm->refs = 1;
	mm->mmap_top = PAL_GUEST_TOP;
	mm->gap_from = mm->mmap_top;
	mm_lock(mm);
	err = adopt_vdso(mm, vvar);
	mm_unlock(mm);
	if (err) {
		mm_put(mm);
		return NULL;
	}
	return mm;
}

static void forget_all(struct mm *mm)
{
	struct vma *v = vma_next_from(mm, 0);

	while (v) {
		struct vma *next = vma_next(v);

		if (v->kind != VMA_VDSO && v->kind != VMA_VVAR)
			vma_remove(mm, v->start, v->end);
		v = next;
	}
}

/* The last process that used it is gone, and with it the host's mappings: only the books are left. */
void mm_put(struct mm *mm)
{
	struct vma *v;

	if (!mm || atomic_sub(&mm->refs, 1))
		return;
	sites_cleared(mm);
	while ((v = vma_next_from(mm, 0)))
		vma_remove(mm, v->start, v->end);
	free_dead(mm->dead);
	while ((v = mm->spare)) {
		mm->spare = (struct vma *)v->node.parent;
		base_free(v);
	}
	base_free(mm);
}

/* Unmap [low, high) but for the pinned ranges. */
static void unmap_around_pinned(struct mm *mm, uintptr_t low, uintptr_t high)
{
	struct vma *v;

	for (v = vma_next_from(mm, low); v && v->start < high; v = vma_next(v)) {
		if (v->kind != VMA_VDSO && v->kind != VMA_VVAR)
			continue;
		if (v->start > low)
			BUG_ON(pal_munmap(low, v->start - low) < 0);
		low = v->end;
	}
	if (high > low)
		BUG_ON(pal_munmap(low, high - low) < 0);
}

void mm_clear(struct mm *mm)
{
	mm_lock(mm);
	unmap_around_pinned(mm, PAL_GUEST_BOTTOM, PAL_BASE);
	unmap_around_pinned(mm, PAL_END, PAL_GUEST_TOP);
	sites_cleared(mm);
	forget_all(mm);
	mm->lock_future = false;
	mm->brk_start = mm->brk = mm->brk_limit = 0;
	mm->code_start = mm->code_end = mm->data_start = mm->data_end = 0;
	mm->arg_start = mm->arg_end = mm->env_start = mm->env_end = 0;
	mm->auxv_count = 0;
	mm->peak = mm->total;
	mm_unlock(mm);
}

void mm_fork_child(struct mm *mm)
{
	struct vma *v;

	if (!mm->fork_differs && !mm->locked && !mm->lock_future)
		return;
	mm_lock(mm);
	v = vma_next_from(mm, 0);
	while (v) {
		struct vma *next = vma_next(v);

		if (v->flags & VMA_DONTFORK)
			vma_remove(mm, v->start, v->end);
		else if (v->flags & VMA_LOCKED)
			v->flags &= ~VMA_LOCKED; /* locks are not inherited */
		v = next;
	}
	mm->locked = 0;
	mm->lock_future = false;
	mm_unlock(mm);
}

static u64 stack_reserve(u64 limit)
{
	limit = limit == RLIM64_INFINITY ? STACK_RESERVE_MAX : limit;
	return MAX(PAGE_DOWN(MIN(limit, STACK_ROOM_MAX)), 32 * PAGE_SIZE);
}

/* The host's vDSO lies anywhere below its own first stack, and stays where it is: the stack, with all the room that it
 * may ever take, goes below it if it is in the way. */
static uintptr_t stack_place(struct mm *mm, uintptr_t top, u64 room)
{
	struct vma *v;

	mm_lock(mm);
	while ((v = vma_next_from(mm, top - room)) && v->start < top)
		top = v->start;
	mm_unlock(mm);
	return top;
}

int mm_layout(struct mm *mm, bool exec_stack)
{
	u64 limit = this_process()->rlimits[RLIMIT_STACK].rlim_cur;
	u64 size = stack_reserve(limit), room = MAX(size, STACK_ROOM_MIN) + STACK_GAP;
	u64 rnd = mm_random(mm);
	uintptr_t top = stack_place(mm, PAL_GUEST_TOP - PAGE_SIZE - ((rnd & 0x3fffff) << 12), room);
	intptr_t r;

	mm->stack_top = top;
	mm->stack_low = top - room + STACK_GAP;
	mm->mmap_top = PAGE_DOWN(top - room - (((rnd >> 22) & 0xfffffff) << 12));
	mm->gap_from = mm->mmap_top;
	mm->gap_size = 0;
	r = mm_map_kind(mm, top - size, size, PROT_READ | PROT_WRITE | (exec_stack ? PROT_EXEC : 0), VMA_STACK);
	return r < 0 ? (int)r : 0;
}

void mm_stack_limit(struct mm *mm, u64 limit)
{
	u64 size = stack_reserve(limit);
	struct vma *v;
	uintptr_t low, end = 0;
	int prot = 0;

	mm_lock(mm);
	v = mm->stack_top ? vma_find(mm, mm->stack_top - 1) : NULL;
	if (v && v->kind == VMA_STACK) {
		end = v->start;
		prot = v->prot;
	}
	low = MAX(mm->stack_top - size, mm->stack_low);
	if (end > low && !vma_range_free(mm, low, end))
		end = 0;
	mm_unlock(mm);
	/* If another thread maps there meanwhile, the stack stays as it was: no worse than a limit
	 * that was not raised. */
	if (end > low)
		(void)mm_map_kind(mm, low, end - low, prot, VMA_STACK);
}
