/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* execve and execveat: arguments, then task/exec.c. */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

long sys_execve(const char *guest_path, const u64 *argv, const u64 *envp)
{
	char *path = user_path(guest_path);

	if (IS_ERR(path))
		return PTR_ERR(path);
	if (!*path) {
		base_free(path);
		return -ENOENT;
	}
	return task_exec(AT_FDCWD, path, argv, envp, 0);
}

long sys_execveat(int dirfd, const char *guest_path, const u64 *argv, const u64 *envp, int flags)
{
	char *path = user_path(guest_path);
	int err = 0;

	if (IS_ERR(path))
		return PTR_ERR(path);
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		err = -EINVAL;
	else if (!*path && !(flags & AT_EMPTY_PATH))
		err = -ENOENT;
	if (err) {
		base_free(path);
		return err;
	}
	return task_exec(dirfd, path, argv, envp, flags);
}
