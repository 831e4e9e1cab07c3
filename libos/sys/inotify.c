// SPDX-License-Identifier: LGPL-3.0-or-later
/* inotify_init, inotify_add_watch, inotify_rm_watch: argument checks on top of fs/inotify.c. */
#include "libos/sys/sys.h"
#include "libos/fs/inotify.h"
#include "libos/fs/kinds.h"
#include "libos/vfs/vfs.h"

#define INOTIFY_BITS                                                                 \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | \
	 IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)

long sys_inotify_init1(int flags)
{
	return flags & ~(IN_CLOEXEC | IN_NONBLOCK) ? -EINVAL : inotify_create(flags);
}

long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}

static struct file *inotify_get(int fd)
{
	struct file *f = fdtab_get(fd);

	if (IS_ERR(f) || f->ops == &inotify_file_ops)
		return f;
	file_put(f);
	return ERR_PTR(-EINVAL);
}

long sys_inotify_add_watch(int fd, const char *path, u32 mask)
{
	cleanup_file struct file *f = NULL;
	cleanup_free char *name = NULL;
	struct walk w;
	long r;

	if (!(mask & INOTIFY_BITS))
		return -EINVAL;
	f = inotify_get(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE))
		return -EINVAL;
	name = user_path(path);
	if (IS_ERR(name))
		return PTR_ERR(name);
	r = path_walk(AT_FDCWD, name,
		      (mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW) |
			      (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0),
		      &w);
	if (r < 0)
		return r;
	r = vfs_permission(path_node(&w.path), MAY_READ);
	if (r == 0)
		r = inotify_add(f, path_node(&w.path), mask);
	path_put(&w.path);
	return r;
}

long sys_inotify_rm_watch(int fd, int wd)
{
	cleanup_file struct file *f = inotify_get(fd);

	return IS_ERR(f) ? PTR_ERR(f) : inotify_remove(f, wd);
}
