/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names: opening, making, linking, renaming, removing, and where a process stands. */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

static long open_at(int dirfd, const char *path, int flags, u32 mode, u64 resolve)
{
	cleanup_free char *p = user_path(path);
	struct file *f;
	int r;

	if (IS_ERR(p))
		return PTR_ERR(p);
	r = vfs_open(dirfd, p, flags, mode, resolve, &f);
	return r ? restartable(r) : fdtab_add(f, 0, flags & O_CLOEXEC);
}

/* open and openat ignore unknown flags, and a mode without O_CREAT (open(2)). */
#define OPEN_FLAGS                                                                                       \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC |   \
	 O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE | \
	 FASYNC)

long sys_openat(int dirfd, const char *path, int flags, u32 mode)
{
	return open_at(dirfd, path, flags & OPEN_FLAGS, mode & 07777, 0);
}

long sys_open(const char *path, int flags, u32 mode)
{
	return sys_openat(AT_FDCWD, path, flags, mode);
}

long sys_creat(const char *path, u32 mode)
{
	return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define RESOLVE_KNOWN                                                                               \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |         \
	 RESOLVE_CACHED)

/* openat2 refuses what the others ignore; a longer structure must hold zeros (copy_struct_from_user). */
long sys_openat2(int dirfd, const char *path, const void *guest, size_t size)
{
	struct open_how how = { 0 };
	u8 tail;
	long r;

	if (size < sizeof(how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (user_read(&how, guest, sizeof(how)))
		return -EFAULT;
	for (size_t i = sizeof(how); i < size; i++) {
		if (user_read(&tail, (const u8 *)guest + i, 1))
			return -EFAULT;
		if (tail)
			return -E2BIG;
	}
	if (how.flags & ~(u64)OPEN_FLAGS || how.resolve & ~(u64)RESOLVE_KNOWN || how.mode & ~07777ull)
		return -EINVAL;
	if (how.mode && !(how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))))
		return -EINVAL;
	if ((how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EINVAL;
	/* What changes something is never done from the cache alone, and a miss is none of a name's absence. What is
	 * there may be opened: whether the host had to be asked is nothing that a caller could tell. */
	if (how.resolve & RESOLVE_CACHED && how.flags & (O_TRUNC | O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))
		return -EAGAIN;
	r = open_at(dirfd, path, how.flags, how.mode, how.resolve);
	return r == -ENOENT && how.resolve & RESOLVE_CACHED ? -EAGAIN : r;
}

long sys_mkdirat(int dirfd, const char *path, u32 mode)
{
	cleanup_free char *p = user_path(path);

	return IS_ERR(p) ? PTR_ERR(p) : vfs_mkdir(dirfd, p, mode);
}

long sys_mkdir(const char *path, u32 mode)
{
	return sys_mkdirat(AT_FDCWD, path, mode);
}

long sys_mknodat(int dirfd, const char *path, u32 mode, u32 dev)
{
	cleanup_free char *p = user_path(path);

	return IS_ERR(p) ? PTR_ERR(p) : vfs_mknod(dirfd, p, mode, dev);
}

long sys_mknod(const char *path, u32 mode, u32 dev)
{
	return sys_mknodat(AT_FDCWD, path, mode, dev);
}

long sys_unlinkat(int dirfd, const char *path, int flags)
{
	cleanup_free char *p = NULL;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	p = user_path(path);
	return IS_ERR(p) ? PTR_ERR(p) : vfs_unlink(dirfd, p, flags);
}

long sys_unlink(const char *path)
{
	return sys_unlinkat(AT_FDCWD, path, 0);
}

long sys_rmdir(const char *path)
{
	return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

long sys_renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	cleanup_free char *pa = user_path(a);
	cleanup_free char *pb = user_path(b);

	if (IS_ERR(pa))
		return PTR_ERR(pa);
	return IS_ERR(pb) ? PTR_ERR(pb) : vfs_rename(from, pa, to, pb, flags);
}

long sys_renameat(int from, const char *a, int to, const char *b)
{
	return sys_renameat2(from, a, to, b, 0);
}

long sys_rename(const char *a, const char *b)
{
	return sys_renameat2(AT_FDCWD, a, AT_FDCWD, b, 0);
}

long sys_linkat(int from, const char *a, int to, const char *b, int flags)
{
	cleanup_free char *pa = NULL;
	cleanup_free char *pb = NULL;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	pa = user_path(a);
	if (IS_ERR(pa))
		return PTR_ERR(pa);
	pb = user_path(b);
	return IS_ERR(pb) ? PTR_ERR(pb) : vfs_link(from, pa, to, pb, flags);
}

long sys_link(const char *a, const char *b)
{
	return sys_linkat(AT_FDCWD, a, AT_FDCWD, b, 0);
}

long sys_symlinkat(const char *target, int dirfd, const char *path)
{
	cleanup_free char *t = user_path(target);
	cleanup_free char *p = user_path(path);

	if (IS_ERR(t))
		return PTR_ERR(t);
	return IS_ERR(p) ? PTR_ERR(p) : vfs_symlink(t, dirfd, p);
}

long sys_symlink(const char *target, const char *path)
{
	return sys_symlinkat(target, AT_FDCWD, path);
}

long sys_readlinkat(int dirfd, const char *path, char *buf, int n)
{
	cleanup_free char *p = user_path(path);
	char text[PATH_MAX_LEN];
	ssize_t r;

	if (n <= 0)
		return -EINVAL;
	if (IS_ERR(p))
		return PTR_ERR(p);
	r = vfs_readlink(dirfd, p, text, MIN((size_t)n, sizeof(text)));
	return r > 0 && user_write(buf, text, r) ? -EFAULT : r;
}

long sys_readlink(const char *path, char *buf, int n)
{
	return sys_readlinkat(AT_FDCWD, path, buf, n);
}

/* A directory one may enter. */
static int enter(const struct path *p, int (*set)(const struct path *))
{
	int r = vfs_permission(path_node(p), MAY_EXEC);

	return r ? r : set(p);
}

static long enter_named(const char *path, int (*set)(const struct path *))
{
	cleanup_free char *p = user_path(path);
	struct walk w;
	int r;

	if (IS_ERR(p))
		return PTR_ERR(p);
	r = path_walk(AT_FDCWD, p, WALK_FOLLOW | WALK_DIRECTORY, &w);
	if (r)
		return r;
	r = enter(&w.path, set);
	path_put(&w.path);
	return r;
}

long sys_chdir(const char *path)
{
	return enter_named(path, fs_set_cwd);
}

long sys_fchdir(int fd)
{
	cleanup_file struct file *f = fdtab_get_path(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!f->path.dentry || !f->path.dentry->node || (path_node(&f->path)->mode & S_IFMT) != S_IFDIR)
		return -ENOTDIR;
	return enter(&f->path, fs_set_cwd);
}

long sys_chroot(const char *path)
{
	return capable(this_process()) ? enter_named(path, fs_set_root) : -EPERM;
}

long sys_getcwd(char *buf, size_t n)
{
	char text[PATH_MAX_LEN];
	ssize_t r = fs_getcwd(text, MIN(n, sizeof(text)));

	return r > 0 && user_write(buf, text, r) ? -EFAULT : r;
}

long sys_umask(u32 mask)
{
	return atomic_xchg(&this_process()->fs->umask, mask & 0777);
}

/* A union has no handles that would outlive a copy-up: overlayfs says the same. */
long sys_name_to_handle_at(int dirfd, const char *path, void *handle, int *mount, int flags)
{
	cleanup_free char *p = user_path(path);
	struct target t;
	int r;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (IS_ERR(p))
		return PTR_ERR(p);
	r = target_find(dirfd, p, (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW), &t);
	if (r)
		return r;
	target_put(&t);
	return -EOPNOTSUPP;
}
