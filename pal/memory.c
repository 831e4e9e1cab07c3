/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory: the host's calls, and pages for the libOS itself.
 *
 * Own pages come from [PAL_PAGES_BASE, PAL_END) by a pointer that only rises: 15 TiB outlast any
 * process. A freed block of modest size stays mapped but empty (MADV_DONTNEED) in a small store, so
 * that stacks and buffers of equal size come back without a new mapping; others are unmapped and
 * their addresses forgotten.
 */
#include "pal/allowed.h"

#define STORE_SLOTS 32
#define STORE_BLOCK_MAX (256u << 10)

static struct mutex pages_lock = MUTEX_INIT;
static uintptr_t pages_next = PAL_PAGES_BASE; /* guarded by pages_lock */
static struct {
	uintptr_t addr;
	size_t size;
} store[STORE_SLOTS] PAL_SPARSE; /* guarded by pages_lock; size 0: free slot */

intptr_t pal_mmap(uintptr_t addr, size_t size, int prot, int flags, int fd, u64 offset)
{
	return HOST_OR(-EINVAL, 6, mmap, addr, size, prot, flags, fd, offset);
}

int pal_munmap(uintptr_t addr, size_t size)
{
	return HOST(2, munmap, addr, size);
}

int pal_mprotect(uintptr_t addr, size_t size, int prot)
{
	return HOST_OR(-EINVAL, 3, mprotect, addr, size, prot);
}

intptr_t pal_mremap(uintptr_t addr, size_t old, size_t size, int flags, uintptr_t to)
{
	return HOST_OR(-EINVAL, 5, mremap, addr, old, size, flags, to);
}

int pal_remap_file_pages(uintptr_t addr, size_t size, u64 page, int flags)
{
	return HOST_OR(-EINVAL, 5, remap_file_pages, addr, size, 0, page, flags);
}

int pal_madvise(uintptr_t addr, size_t size, int advice)
{
	return HOST_OR(-EINVAL, 3, madvise, addr, size, advice);
}

int pal_msync(uintptr_t addr, size_t size, int flags)
{
	return HOST(3, msync, addr, size, flags);
}

int pal_mincore(uintptr_t addr, size_t size, u8 *vec)
{
	return HOST(3, mincore, addr, size, vec);
}

int pal_mlock(uintptr_t addr, size_t size, int flags)
{
	return pal_lean() ? -EPERM : HOST_OR(-EINVAL, 3, mlock2, addr, size, flags);
}

int pal_munlock(uintptr_t addr, size_t size)
{
	return pal_lean() ? 0 : HOST(2, munlock, addr, size);
}

int pal_memfd(const char *name, unsigned flags)
{
	return HOST_OR(-EINVAL, 2, memfd_create, name, flags | MFD_CLOEXEC);
}

/* Caller holds pages_lock. */
static uintptr_t store_take(size_t size)
{
	for (unsigned i = 0; i < STORE_SLOTS; i++)
		if (store[i].size == size) {
			store[i].size = 0;
			return store[i].addr;
		}
	return 0;
}

/* Caller holds pages_lock. */
static bool store_put(uintptr_t addr, size_t size)
{
	for (unsigned i = 0; i < STORE_SLOTS; i++)
		if (!store[i].size) {
			store[i].addr = addr;
			store[i].size = size;
			return true;
		}
	return false;
}

/* Caller holds pages_lock. */
static uintptr_t pages_take(size_t size)
{
	uintptr_t addr = pages_next;

	if (!size || size > PAL_END - pages_next)
		return 0;
	pages_next += size;
	return addr;
}

uintptr_t pal_pages_reserve(size_t size)
{
	uintptr_t addr;

	lock(&pages_lock);
	addr = pages_take(PAGE_UP(size));
	unlock(&pages_lock);
	return addr;
}

void *pal_pages_alloc(size_t size)
{
	uintptr_t addr, stored;

	size = PAGE_UP(size);
	lock(&pages_lock);
	stored = size ? store_take(size) : 0;
	addr = stored ? stored : pages_take(size);
	unlock(&pages_lock);
	if (!addr || stored)
		return (void *)addr;
	if (pal_mmap(addr, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		     0) != (intptr_t)addr)
		return NULL;
	return (void *)addr;
}

void pal_pages_free(void *p, size_t size)
{
	uintptr_t addr = (uintptr_t)p;
	bool kept = false;

	size = PAGE_UP(size);
	if (!p || !size)
		return;
	BUG_ON(addr < PAL_PAGES_BASE || addr + size > PAL_END || addr & (PAGE_SIZE - 1));
	if (size <= STORE_BLOCK_MAX && pal_madvise(addr, size, MADV_DONTNEED) == 0) {
		lock(&pages_lock);
		kept = store_put(addr, size);
		unlock(&pages_lock);
	}
	if (!kept)
		BUG_ON(pal_munmap(addr, size) < 0);
}

void pal_pages_fork_begin(void)
{
	lock(&pages_lock);
}

bool pal_pages_unlocked(void)
{
	if (!trylock(&pages_lock))
		return false;
	unlock(&pages_lock);
	return true;
}

void pal_pages_fork_end(void)
{
	unlock(&pages_lock);
}
