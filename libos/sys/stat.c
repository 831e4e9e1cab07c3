/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Attributes as the stat family shows them. */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

static int put_stat(void *guest, const struct attr *a)
{
	struct stat st = {
		.st_dev = a->dev, .st_ino = a->ino, .st_nlink = a->nlink, .st_mode = a->mode,
		.st_uid = a->uid, .st_gid = a->gid, .st_rdev = a->rdev, .st_size = a->size,
		.st_blksize = a->blksize, .st_blocks = a->blocks,
		.st_atime = a->atime.tv_sec, .st_atime_nsec = a->atime.tv_nsec,
		.st_mtime = a->mtime.tv_sec, .st_mtime_nsec = a->mtime.tv_nsec,
		.st_ctime = a->ctime.tv_sec, .st_ctime_nsec = a->ctime.tv_nsec,
	};

	return user_write(guest, &st, sizeof(st));
}

static struct statx_timestamp stamp(const struct timespec *t)
{
	return (struct statx_timestamp){ .tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec };
}

static int put_statx(void *guest, const struct attr *a)
{
	struct statx x = {
		.stx_mask = STATX_BASIC_STATS | (a->btime.tv_sec ? STATX_BTIME : 0),
		.stx_blksize = a->blksize, .stx_nlink = a->nlink, .stx_uid = a->uid, .stx_gid = a->gid,
		.stx_mode = a->mode, .stx_ino = a->ino, .stx_size = a->size, .stx_blocks = a->blocks,
		.stx_atime = stamp(&a->atime), .stx_btime = stamp(&a->btime),
		.stx_ctime = stamp(&a->ctime), .stx_mtime = stamp(&a->mtime),
		.stx_rdev_major = dev_major(a->rdev), .stx_rdev_minor = dev_minor(a->rdev),
		.stx_dev_major = dev_major(a->dev), .stx_dev_minor = dev_minor(a->dev),
	};

	return user_write(guest, &x, sizeof(x));
}

/* path NULL is "" for statx and newfstatat with AT_EMPTY_PATH (Linux 6.11). */
static long get(int dirfd, const char *path, int flags, struct attr *a)
{
	cleanup_free char *p = NULL;

	if (!path && (flags & AT_EMPTY_PATH))
		return vfs_stat(dirfd, "", flags, a);
	p = user_path(path);
	return IS_ERR(p) ? PTR_ERR(p) : vfs_stat(dirfd, p, flags, a);
}

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)

long sys_newfstatat(int dirfd, const char *path, void *st, int flags)
{
	struct attr a;
	long r;

	if (flags & ~STAT_FLAGS)
		return -EINVAL;
	r = get(dirfd, path, flags, &a);
	return r ? r : put_stat(st, &a);
}

long sys_stat(const char *path, void *st)
{
	return sys_newfstatat(AT_FDCWD, path, st, 0);
}

long sys_lstat(const char *path, void *st)
{
	return sys_newfstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(int fd, void *st)
{
	cleanup_file struct file *f = fdtab_get_path(fd);
	struct attr a;
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = file_getattr(f, &a);
	return r ? r : put_stat(st, &a);
}

long sys_statx(int dirfd, const char *path, int flags, unsigned mask, void *stx)
{
	struct attr a = { 0 };
	long r;

	if (flags & ~(STAT_FLAGS | AT_STATX_SYNC_TYPE) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    mask & STATX__RESERVED)
		return -EINVAL;
	r = get(dirfd, path, flags & STAT_FLAGS, &a);
	return r ? r : put_statx(stx, &a);
}

long sys_faccessat2(int dirfd, const char *path, int mode, int flags)
{
	cleanup_free char *p = NULL;

	if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	p = user_path(path);
	return IS_ERR(p) ? PTR_ERR(p) : vfs_access(dirfd, p, mode, flags);
}

long sys_faccessat(int dirfd, const char *path, int mode)
{
	return sys_faccessat2(dirfd, path, mode, 0);
}

long sys_access(const char *path, int mode)
{
	return sys_faccessat2(AT_FDCWD, path, mode, 0);
}

static long stat_fs(const struct target *t, void *guest)
{
	struct statfs st;
	int r = vfs_statfs(t, &st);

	return r ? r : user_write(guest, &st, sizeof(st));
}

long sys_statfs(const char *path, void *st)
{
	cleanup_free char *p = user_path(path);
	struct target t;
	long r;

	if (IS_ERR(p))
		return PTR_ERR(p);
	r = target_find(AT_FDCWD, p, 0, &t);
	if (r)
		return r;
	r = stat_fs(&t, st);
	target_put(&t);
	return r;
}

long sys_fstatfs(int fd, void *st)
{
	cleanup_file struct file *f = fdtab_get_path(fd);
	struct target t;

	if (IS_ERR(f))
		return PTR_ERR(f);
	t = (struct target){ .file = f, .path = f->path };
	return stat_fs(&t, st);
}
