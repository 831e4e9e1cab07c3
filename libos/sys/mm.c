/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Memory calls: arguments in, one call into mm/. */
#include "libos/sys/sys.h"
#include "libos/mm/mm.h"
#include "libos/vfs/file.h"

long sys_mmap(uintptr_t addr, size_t len, int prot, int flags, int fd, u64 off)
{
	cleanup_file struct file *f = NULL;

	if (!(flags & MAP_ANONYMOUS)) {
		f = fdtab_get(fd);
		if (IS_ERR(f))
			return PTR_ERR(f);
	}
	return mm_map(this_process()->mm, addr, len, prot, flags, f, off);
}

long sys_munmap(uintptr_t addr, size_t len)
{
	return mm_unmap(this_process()->mm, addr, len);
}

long sys_mprotect(uintptr_t addr, size_t len, int prot)
{
	return mm_protect(this_process()->mm, addr, len, prot);
}

/* As on a processor without protection keys: there is none to give, and only "no key" is known. */
long sys_pkey_alloc(u64 flags, u64 rights)
{
	return flags || rights & ~3ul ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(int key)
{
	return -EINVAL;
}

long sys_pkey_mprotect(uintptr_t addr, size_t len, int prot, int key)
{
	return key == -1 ? mm_protect(this_process()->mm, addr, len, prot) : -EINVAL;
}

long sys_brk(uintptr_t brk)
{
	return mm_brk(this_process()->mm, brk);
}

long sys_mremap(uintptr_t addr, size_t old, size_t len, int flags, uintptr_t to)
{
	return mm_remap(this_process()->mm, addr, old, len, flags, to);
}

long sys_remap_file_pages(uintptr_t addr, size_t len, int prot, u64 page, int flags)
{
	return prot ? -EINVAL : mm_remap_pages(this_process()->mm, addr, len, page, flags);
}

long sys_msync(uintptr_t addr, size_t len, int flags)
{
	return mm_sync(this_process()->mm, addr, len, flags);
}

long sys_mincore(uintptr_t addr, size_t len, u8 *vec)
{
	return mm_incore(this_process()->mm, addr, len, vec);
}

long sys_madvise(uintptr_t addr, size_t len, int advice)
{
	return mm_advise(this_process()->mm, addr, len, advice);
}

long sys_mlock(uintptr_t addr, size_t len)
{
	return mm_pin(this_process()->mm, addr, len, 0, true);
}

long sys_mlock2(uintptr_t addr, size_t len, int flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return mm_pin(this_process()->mm, addr, len, flags, true);
}

long sys_munlock(uintptr_t addr, size_t len)
{
	return mm_pin(this_process()->mm, addr, len, 0, false);
}

long sys_mlockall(int flags)
{
	if (!flags || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
		return -EINVAL;
	return mm_pin_all(this_process()->mm, flags, true);
}

long sys_munlockall(void)
{
	return mm_pin_all(this_process()->mm, 0, false);
}
