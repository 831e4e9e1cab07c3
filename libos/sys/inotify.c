// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * inotify is not offered: the host's would watch the layers, whose names and moments are not the
 * guest's. Programs that use it (tail -f, make's watchers, glib) fall back to polling on ENOSYS.
 */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

long sys_inotify_init1(int flags)
{
	return flags & ~(IN_CLOEXEC | IN_NONBLOCK) ? -EINVAL : -ENOSYS;
}

long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}

long sys_inotify_add_watch(int fd, const char *path, u32 mask)
{
	struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	file_put(f);
	return -EINVAL;
}

long sys_inotify_rm_watch(int fd, int wd)
{
	return sys_inotify_add_watch(fd, NULL, 0);
}
