/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mmap and munmap on the host, tree and host in step under mm->lock.
 *
 * Addresses are always chosen here, and the host is told MAP_FIXED or, where the tree says that nothing is there,
 * MAP_FIXED_NOREPLACE, so that a disagreement shows as an error instead of as lost memory.
 */
#include "libos/mm/mm.h"
#include "libos/coord/area.h"
#include "libos/entry/entry.h"
#include "libos/fs/kinds.h"
#include "libos/task/task.h"
#include "libos/vfs/file.h"

#define MAPS_MAX 65530 /* vm.max_map_count */
#define LOW_4G_START 0x40000000ul /* where MAP_32BIT searches: arch/x86/kernel/sys_x86_64.c */
#define LOW_4G_END 0x80000000ul
#define HUGE_PAGE (2ul << 20)
/* What of the guest's flags the host is to know. */
#define HOST_FLAGS (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE)
/* What is kept in the tree. */
#define KEPT_FLAGS (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_GROWSDOWN | MAP_LOCKED)

static uintptr_t search(struct mm *mm, size_t size, uintptr_t low, uintptr_t high)
{
	uintptr_t r = 0;

	if (high > PAL_END)
		r = vma_find_gap(mm, size, MAX(low, PAL_END), high, true);
	if (!r)
		r = vma_find_gap(mm, size, low, MIN(high, PAL_BASE), true);
	return r;
}

uintptr_t mm_choose(struct mm *mm, size_t size, size_t align, int flags)
{
	uintptr_t top = mm->mmap_top, r;
	size_t want = size + align - PAGE_SIZE;

	if (flags & MAP_32BIT) {
		r = vma_find_gap(mm, want, LOW_4G_START, LOW_4G_END, false);
		return r ? ALIGN_UP(r, align) : 0;
	}
	if (want < size)
		return 0;
	if (want >= mm->gap_size)
		top = mm->gap_from;
	r = search(mm, want, PAL_GUEST_BOTTOM, top);
	if (!r)
		return 0;
	r = ALIGN_DOWN(r + want - size, align);
	mm->gap_from = ALIGN_UP(r + size, PAGE_SIZE);
	mm->gap_size = want;
	return r;
}

/* A hint is honoured where it is free, as Linux does. */
static uintptr_t place(struct mm *mm, const struct vma *new, uintptr_t hint, size_t size, int flags, bool huge)
{
	uintptr_t at;

	hint = PAGE_DOWN(hint);
	/* The mark of glibc's loader: an image's first mapping, into which its segments go. */
	if (!hint && new->file && !new->offset && (flags & MAP_DENYWRITE)) {
		at = sites_place(mm, new->file, size);
		if (at)
			return at;
	}
	if (hint >= PAL_GUEST_BOTTOM && guest_mappable(hint, hint + size) && vma_range_free(mm, hint, hint + size) &&
	    (!(flags & MAP_32BIT) || hint + size <= LOW_4G_END))
		return hint;
	return mm_choose(mm, size, huge ? HUGE_PAGE : PAGE_SIZE, flags);
}

bool mm_memory_left(struct mm *mm, u64 size)
{
	u64 most = atomic_load_relaxed(&the_area->memory_max);

	if (likely(!most))
		return true;
	return size <= most && mm->data + size <= most && atomic_load_relaxed(&the_area->memory_used) + size <= most;
}

static int check_limits(struct mm *mm, size_t size, int prot, int flags, size_t replaced)
{
	const struct rlimit64 *lim = this_process()->rlimits;

	if (mm->count >= MAPS_MAX)
		return -ENOMEM;
	if (mm->total - replaced + size > lim[RLIMIT_AS].rlim_cur)
		return -ENOMEM;
	if ((prot & PROT_WRITE) && !(flags & MAP_SHARED) && mm->data + size > lim[RLIMIT_DATA].rlim_cur)
		return -ENOMEM;
	if ((prot & PROT_WRITE) && (flags & MAP_ANONYMOUS || !(flags & MAP_SHARED)) && !(flags & MAP_NORESERVE) &&
	    !mm_memory_left(mm, size))
		return -ENOMEM;
	if ((flags & MAP_LOCKED) && !capable(this_process()) && mm->locked + size > lim[RLIMIT_MEMLOCK].rlim_cur)
		return -EAGAIN;
	return 0;
}

/* What Linux's do_mmap checks about the file (mm/mmap.c); sets *kept for the tree. */
static int check_file(const struct file *f, int prot, int flags, int *kept)
{
	int mode = f->flags & O_ACCMODE;

	if (f->flags & O_PATH)
		return -EBADF;
	if (mode == O_WRONLY)
		return -EACCES;
	if (!(flags & MAP_SHARED) || mode == O_RDWR)
		return 0;
	if (prot & PROT_WRITE)
		return -EACCES;
	*kept |= VMA_NOWRITE;
	return 0;
}

/* What MAP_SHARED_VALIDATE knows (Linux's LEGACY_MAP_MASK): not MAP_SYNC, nor MAP_FIXED_NOREPLACE. */
#define HUGE_SIZES 0x7c000000
#define MAP_VALID                                                                                   \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE | \
	 MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | HUGE_SIZES)

static int check_args(uintptr_t addr, size_t size, int flags, u64 offset, bool file)
{
	int type = flags & MAP_TYPE;

	if (!size || offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (PAGE_UP(size) < size || PAGE_UP(size) > PAL_GUEST_TOP)
		return -ENOMEM;
	if (offset + PAGE_UP(size) < offset)
		return -EOVERFLOW;
	if (flags & MAP_HUGETLB)
		return -ENOMEM; /* as a host whose pool of huge pages is empty */
	if (type == MAP_SHARED_VALIDATE && (!file || flags & ~MAP_VALID))
		return file ? -EOPNOTSUPP : -EINVAL;
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		return 0;
	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (addr < PAL_GUEST_BOTTOM)
		return -EPERM; /* vm.mmap_min_addr */
	return guest_mappable(addr, addr + PAGE_UP(size)) ? 0 : -ENOMEM;
}

static size_t bytes_mapped(struct mm *mm, uintptr_t start, uintptr_t end)
{
	size_t sum = 0;
	struct vma *v;

	for (v = vma_next_from(mm, start); v && v->start < end; v = vma_next(v))
		sum += MIN(v->end, end) - MAX(v->start, start);
	return sum;
}

/*
 * Small parts of an image are populated with the mapping: what is read there the host would map around the first fault
 * anyway, and what is written the loader relocates. Natively each is a fault, or one a page.
 */
#define READ_AHEAD (64ul << 10)	 /* what a fault brings: fault_around_bytes */
#define WRITE_AHEAD (32ul << 10) /* what is copied for nothing if nobody writes to it */

static int populated(const struct vma *new, int flags)
{
	size_t most = new->prot & PROT_WRITE ? WRITE_AHEAD : READ_AHEAD;

	if (!new->file || !(flags & MAP_DENYWRITE) || flags & MAP_SHARED)
		return 0;
	return new->prot && new->end - new->start <= most ? MAP_POPULATE : 0;
}

/* The host's part and the tree's. new is complete but for the host. Caller holds mm->lock, reserved. */
static intptr_t map_at(struct mm *mm, const struct vma *new, int host_flags, int fd, u64 offset)
{
	bool taken = !vma_range_free(mm, new->start, new->end);
	struct known_image *image = sites_image(mm, new);
	bool from_image = image && sites_source(image, new, &fd, &offset);
	struct vma *v;
	intptr_t r;

	if (taken && vma_range_pinned(mm, new->start, new->end))
		return -EPERM;
	if (taken)
		sites_leaving(mm, new->start, new->end, false);
	r = pal_mmap(new->start, new->end - new->start, new->prot,
		     (host_flags & HOST_FLAGS) | (taken ? MAP_FIXED : MAP_FIXED_NOREPLACE), fd, offset);
	if (r < 0)
		return r == -EEXIST ? -ENOMEM : r;
	if (taken)
		vma_remove(mm, new->start, new->end);
	v = vma_insert(mm, new);
	if ((new->flags & VMA_LOCKED) || mm->lock_future)
		(void)pal_mlock(new->start, new->end - new->start, 0); /* a failure to populate is no failure of mmap */
	if (image)
		sites_mapped(mm, image, v, new->start, new->end, from_image);
	return r;
}

/* Caller holds mm->lock. */
static intptr_t map_locked(struct mm *mm, struct vma *new, uintptr_t addr, size_t size, int flags, int fd, u64 offset)
{
	bool huge = !new->file && !(flags & MAP_STACK) && size % HUGE_PAGE == 0;
	size_t replaced = 0;
	int err;

	if (mm_reserve(mm))
		return -ENOMEM;
	if (mm->lock_future)
		new->flags |= VMA_LOCKED;
	if (flags & MAP_FIXED_NOREPLACE) {
		if (!vma_range_free(mm, addr, addr + size))
			return -EEXIST;
	} else if (flags & MAP_FIXED) {
		replaced = bytes_mapped(mm, addr, addr + size);
	}
	err = check_limits(mm, size, new->prot, new->flags, replaced);
	if (err)
		return err;
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		addr = place(mm, new, addr, size, flags, huge);
	if (!addr)
		return -ENOMEM;
	new->start = addr;
	new->end = addr + size;
	return map_at(mm, new, flags | populated(new, flags), fd, offset);
}

intptr_t mm_map(struct mm *mm, uintptr_t addr, size_t size, int prot, int flags, struct file *file, u64 offset)
{
	struct vma new = { .prot = prot & (PROT_READ | PROT_WRITE | PROT_EXEC), .file = file, .offset = offset };
	int fd = -1, err;
	intptr_t r;

	err = check_args(addr, size, flags, offset, file);
	if (err)
		return err;
	if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		flags = (flags & ~MAP_TYPE) | MAP_SHARED;
	new.flags = flags & KEPT_FLAGS;
	if (file) {
		err = check_file(file, prot, flags, &new.flags);
		if (err)
			return err;
		if (file->ops == &zero_file_ops) /* fresh memory: as without a file */
			file = new.file = NULL;
	}
	if (file) {
		fd = file->ops->mmap ? file->ops->mmap(file, prot, flags, &offset) : file->host_fd;
		if (fd < 0)
			return file->ops->mmap ? fd : -ENODEV;
	} else {
		flags |= MAP_ANONYMOUS;
		new.flags |= MAP_ANONYMOUS;
		new.offset = offset = 0;
	}
	mm_lock(mm);
	r = map_locked(mm, &new, addr, PAGE_UP(size), fd >= 0 ? flags & ~MAP_ANONYMOUS : flags, fd, offset);
	mm_unlock(mm);
	return r;
}

intptr_t mm_map_kind_locked(struct mm *mm, uintptr_t addr, size_t size, int prot, enum vma_kind kind)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | (kind == VMA_STACK ? MAP_NORESERVE : 0);
	struct vma new = { .prot = prot, .flags = flags & KEPT_FLAGS, .kind = kind };

	if (!guest_mappable(addr, addr + size))
		return -ENOMEM;
	return map_locked(mm, &new, addr, size, flags, -1, 0);
}

intptr_t mm_map_kind(struct mm *mm, uintptr_t addr, size_t size, int prot, enum vma_kind kind)
{
	intptr_t r;

	mm_lock(mm);
	r = mm_map_kind_locked(mm, addr, size, prot, kind);
	mm_unlock(mm);
	return r;
}

#define TASK_TOP 0x7ffffffff000ul /* Linux's, of which the guest has less */

/* More than is the guest's, as a program does that gives everything back: what is its goes, the rest stays. */
static int unmap_what_is(struct mm *mm, uintptr_t addr, uintptr_t end)
{
	uintptr_t next = addr;
	struct vma *v;
	int err = 0;

	while (!err && (v = vma_next_from(mm, next)) && v->start < end) {
		uintptr_t start = MAX(v->start, addr);

		next = MIN(v->end, end);
		if (v->kind != VMA_VDSO && v->kind != VMA_VVAR)
			err = mm_unmap_locked(mm, start, next - start);
	}
	return err;
}

int mm_unmap_locked(struct mm *mm, uintptr_t addr, size_t size)
{
	uintptr_t end = addr + PAGE_UP(size);
	int err;

	if (addr & (PAGE_SIZE - 1) || !size || end <= addr || end > TASK_TOP)
		return -EINVAL;
	if (vma_range_free(mm, addr, end))
		return 0;
	if (!guest_mappable(addr, end))
		return unmap_what_is(mm, addr, end);
	err = mm_reserve(mm);
	if (!err && vma_range_pinned(mm, addr, end))
		err = -EPERM;
	if (!err) {
		sites_leaving(mm, addr, end, false);
		err = pal_munmap(addr, end - addr);
	}
	if (!err)
		vma_remove(mm, addr, end);
	return err;
}

int mm_unmap(struct mm *mm, uintptr_t addr, size_t size)
{
	int err;

	mm_lock(mm);
	err = mm_unmap_locked(mm, addr, size);
	mm_unlock(mm);
	return err;
}
