/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Files by descriptor and by name below a directory descriptor.
 *
 * Where the rung does not confine attribute changes (rung B: Landlock does not know them, and a
 * picoprocess could reach files outside through any descriptor), the filter denies them and the
 * monitor makes them, after a look at where the file lies.
 */
#include "pal/allowed.h"
#include "pal/grant.h"
#include "pal/monitor.h"
#include "pal/base/str.h"

static int open_at(int dir, const char *path, int flags, u32 mode)
{
	/* No set-id bits: the filter ends who asks for them. */
	return HOST_OR(-EBADF, 4, openat, dir, path, flags | O_CLOEXEC, mode & 01777);
}

/* What is no regular file is not cut. */
static int cut(int fd)
{
	int r = HOST(2, ftruncate, fd, 0);

	return r == -EINVAL ? 0 : r;
}

/* GRANT_NO_TRUNC: cut by a descriptor that may write to the file. */
static int open_and_cut(int dir, const char *path, int flags, u32 mode)
{
	int writer = -1, r = 0, fd = open_at(dir, path, flags & ~O_TRUNC, mode);

	if (fd < 0)
		return fd;
	if ((flags & O_ACCMODE) == O_RDONLY) {
		writer = open_at(dir, path, (flags & ~(O_TRUNC | O_CREAT | O_EXCL)) | O_WRONLY, 0);
		r = MIN(writer, 0);
	}
	if (!r)
		r = cut(writer >= 0 ? writer : fd);
	if (writer >= 0)
		pal_close(writer);
	if (!r)
		return fd;
	pal_close(fd);
	return r;
}

int pal_openat(int dir, const char *path, int flags, u32 mode)
{
	if (flags & O_TRUNC && pal_grant()->flags & GRANT_NO_TRUNC)
		return open_and_cut(dir, path, flags, mode);
	return open_at(dir, path, flags, mode);
}

int pal_openat_wait(int dir, const char *path, int flags, u32 mode)
{
	return CP(4, openat, dir, path, flags | O_CLOEXEC, mode & 01777);
}

int pal_openat2(int dir, const char *path, int flags, u32 mode, u64 resolve)
{
	struct open_how how = { .flags = (u32)flags | O_CLOEXEC, .mode = mode & 01777, .resolve = resolve };

	/* openat ignores a mode without O_CREAT, openat2 refuses it. */
	if (!(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE)
		how.mode = 0;
	if (pal_lean() || pal_grant()->flags & GRANT_NO_TRUNC)
		return -ENOSYS;
	return HOST_OR(-EBADF, 4, openat2, dir, path, &how, sizeof(how));
}

int pal_close(int fd)
{
	/* The low numbers are never free (pal/main.c); a placeholder takes this one's place. */
	if (unlikely(fd >= 0 && fd < pal_fd_free())) {
		int r = HOST_OR(-EBADF, 3, dup3, GRANT_FD_GRANT, fd, 0);

		return MIN(r, 0);
	}
	return HOST_OR(-EBADF, 1, close, fd);
}

ssize_t pal_read(int fd, void *buf, size_t size)
{
	return CP(3, read, fd, buf, size);
}

ssize_t pal_write(int fd, const void *buf, size_t size)
{
	return CP(3, write, fd, buf, size);
}

ssize_t pal_pread(int fd, void *buf, size_t size, u64 offset)
{
	const struct iovec iov = { buf, size };

	return HOST(6, preadv2, fd, &iov, 1, offset, 0, 0);
}

ssize_t pal_pwrite(int fd, const void *buf, size_t size, u64 offset)
{
	const struct iovec iov = { (void *)buf, size };

	return HOST(6, pwritev2, fd, &iov, 1, offset, 0, 0);
}

ssize_t pal_preadv2(int fd, const struct iovec *iov, int n, s64 offset, int flags)
{
	return CP(6, preadv2, fd, iov, n, offset, offset < 0 ? -1l : 0, flags);
}

ssize_t pal_pwritev2(int fd, const struct iovec *iov, int n, s64 offset, int flags)
{
	return CP(6, pwritev2, fd, iov, n, offset, offset < 0 ? -1l : 0, flags);
}

s64 pal_lseek(int fd, s64 offset, int whence)
{
	return HOST(3, lseek, fd, offset, whence);
}

int pal_fstat(int fd, struct stat *st)
{
	struct statx x;
	int r = pal_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x);

	if (r)
		return r;
	*st = (struct stat){
		.st_dev = dev_make(x.stx_dev_major, x.stx_dev_minor),
		.st_ino = x.stx_ino,
		.st_nlink = x.stx_nlink,
		.st_mode = x.stx_mode,
		.st_uid = x.stx_uid,
		.st_gid = x.stx_gid,
		.st_rdev = dev_make(x.stx_rdev_major, x.stx_rdev_minor),
		.st_size = (s64)x.stx_size,
		.st_blksize = x.stx_blksize,
		.st_blocks = (s64)x.stx_blocks,
		.st_atime = (u64)x.stx_atime.tv_sec,
		.st_atime_nsec = x.stx_atime.tv_nsec,
		.st_mtime = (u64)x.stx_mtime.tv_sec,
		.st_mtime_nsec = x.stx_mtime.tv_nsec,
		.st_ctime = (u64)x.stx_ctime.tv_sec,
		.st_ctime_nsec = x.stx_ctime.tv_nsec,
	};
	return 0;
}

int pal_statx(int dir, const char *path, int flags, unsigned mask, struct statx *stx)
{
	return HOST_OR(-EBADF, 5, statx, dir, path, flags, mask, stx);
}

int pal_fstatfs(int fd, struct statfs *st)
{
	return HOST(2, fstatfs, fd, st);
}

int pal_getdents(int fd, void *buf, size_t size)
{
	return HOST(3, getdents64, fd, buf, size);
}

int pal_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return HOST_OR(-EBADF, 4, readlinkat, dir, path, buf, size);
}

int pal_mkdirat(int dir, const char *path, u32 mode)
{
	return HOST_OR(-EINVAL, 3, mkdirat, dir, path, mode);
}

int pal_mknodat(int dir, const char *path, u32 mode, u64 dev)
{
	return HOST_OR(-EPERM, 4, mknodat, dir, path, mode, dev);
}

int pal_unlinkat(int dir, const char *path, int flags)
{
	return HOST_OR(-EINVAL, 3, unlinkat, dir, path, flags);
}

int pal_renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	return HOST_OR(-EINVAL, 5, renameat2, from, a, to, b, flags);
}

int pal_linkat(int from, const char *a, int to, const char *b, int flags)
{
	return HOST_OR(-EINVAL, 5, linkat, from, a, to, b, flags);
}

int pal_symlinkat(const char *target, int dir, const char *path)
{
	return HOST_OR(-EBADF, 3, symlinkat, target, dir, path);
}

int pal_open_brokered(int pinned)
{
	int fd = -1, n = 1, r = -EACCES;

	if (pal_grant()->flags & GRANT_BROKER_OPEN && !pal_walled)
		r = pal_request(MON_OPEN, NULL, 0, &pinned, 1, NULL, 0, &fd, &n);
	if (r >= 0 && n != 1)
		r = -EACCES;
	return r < 0 ? r : fd;
}

/* By name. */
static bool brokered(void)
{
	return pal_grant()->flags & GRANT_BROKER_ATTR || pal_walled;
}

/* Where nothing is confined there is no monitor, and no filter that would mind. */
static bool unconfined(void)
{
	return pal_grant()->rung == GRANT_RUNG_NONE;
}

bool pal_changes_by_name(void)
{
	return !brokered() && !unconfined();
}

/* Ask the monitor to change an attribute of fd. */
static int setattr(int fd, const struct mon_setattr *req, const void *value, size_t size)
{
	struct iovec parts[2] = { { (void *)req, sizeof(*req) }, { (void *)value, size } };

	long r = pal_request(MON_SETATTR, parts, 2, &fd, 1, NULL, 0, NULL, NULL);

	return r < 0 ? (int)r : 0; /* else the size of the answer */
}

int pal_file_busy(int fd)
{
	struct mon_setattr req = { .op = MON_ATTR_BUSY };

	return setattr(fd, &req, NULL, 0) == -ETXTBSY ? -ETXTBSY : 0;
}

int pal_fchmod(int fd, u32 mode)
{
	struct mon_setattr req = { .op = MON_ATTR_CHMOD, .mode = mode };

	return unconfined() ? HOST(2, fchmod, fd, mode) : setattr(fd, &req, NULL, 0);
}

int pal_futimens(int fd, const struct timespec times[2])
{
	struct mon_setattr req = { .op = MON_ATTR_TIMES };

	if (unconfined())
		return HOST(4, utimensat, fd, NULL, times, 0);
	req.atime_ns = req.mtime_ns = UTIME_NOW;
	if (times) {
		req.atime_s = times[0].tv_sec;
		req.atime_ns = times[0].tv_nsec;
		req.mtime_s = times[1].tv_sec;
		req.mtime_ns = times[1].tv_nsec;
	}
	return setattr(fd, &req, NULL, 0);
}

int pal_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	struct mon_setattr req = { .op = MON_ATTR_SETX, .mode = flags };

	if (unconfined())
		return HOST(5, fsetxattr, fd, name, value, size, flags);
	if (base_strlcpy(req.name, name, sizeof(req.name)) >= sizeof(req.name))
		return -ERANGE;
	return setattr(fd, &req, value, size);
}

int pal_fsetxattr_named(int fd, int dir, const char *path, const char *name, const void *value, size_t size, int flags)
{
	static int unknown; /* to this kernel */
	struct xattr_args args = { .value = (u64)value, .size = (u32)size, .flags = (u32)flags };
	int r;

	if (!pal_changes_by_name() || unknown)
		return pal_fsetxattr(fd, name, value, size, flags);
	r = (int)HOST_OR(-ENOSYS, 6, setxattrat, dir, path, AT_SYMLINK_NOFOLLOW, name, &args, sizeof(args));
	if (r != -ENOSYS)
		return r;
	unknown = 1;
	return pal_fsetxattr(fd, name, value, size, flags);
}

int pal_fremovexattr(int fd, const char *name)
{
	struct mon_setattr req = { .op = MON_ATTR_DELX };

	if (unconfined())
		return HOST(2, fremovexattr, fd, name);
	if (base_strlcpy(req.name, name, sizeof(req.name)) >= sizeof(req.name))
		return -ERANGE;
	return setattr(fd, &req, NULL, 0);
}

int pal_fchmodat(int dir, const char *path, u32 mode)
{
	return brokered() ? -EPERM : HOST_OR(-EPERM, 3, fchmodat, dir, path, mode);
}

int pal_utimensat(int dir, const char *path, const struct timespec times[2])
{
	int fd, r;

	if (!brokered())
		return HOST_OR(-EBADF, 4, utimensat, dir, path, times, AT_SYMLINK_NOFOLLOW);
	/* What stands there itself, symlinks included: the monitor takes such a descriptor for times. */
	fd = pal_openat(dir, path, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	r = pal_futimens(fd, times);
	pal_close(fd);
	return r;
}

int pal_fchmod_named(int fd, int dir, const char *path, u32 mode)
{
	return pal_changes_by_name() ? pal_fchmodat(dir, path, mode) : pal_fchmod(fd, mode);
}

int pal_futimens_named(int fd, int dir, const char *path, const struct timespec times[2])
{
	return pal_changes_by_name() ? pal_utimensat(dir, path, times) : pal_futimens(fd, times);
}

ssize_t pal_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return HOST(4, fgetxattr, fd, name, value, size);
}

ssize_t pal_getxattrat(int dir, const char *path, const char *name, void *value, size_t size)
{
	static int unknown; /* to this kernel, or refused by a filter around us */
	struct xattr_args args = { .value = (u64)value, .size = (u32)size };
	long r;

	if (brokered() || unknown)
		return -ENOSYS;
	r = HOST_OR(-ENOSYS, 6, getxattrat, dir, path, AT_SYMLINK_NOFOLLOW, name, &args, sizeof(args));
	if (r != -ENOSYS && r != -EPERM)
		return r;
	unknown = 1;
	return -ENOSYS;
}

ssize_t pal_flistxattr(int fd, char *list, size_t size)
{
	return HOST(3, flistxattr, fd, list, size);
}

int pal_ftruncate(int fd, u64 size)
{
	return HOST(2, ftruncate, fd, size);
}

int pal_fallocate(int fd, int mode, u64 offset, u64 size)
{
	return HOST(4, fallocate, fd, mode, offset, size);
}

int pal_fsync(int fd, bool data_only)
{
	return data_only && !pal_lean() ? HOST(1, fdatasync, fd) : HOST(1, fsync, fd);
}

int pal_flock(int fd, int op)
{
	return CP(2, flock, fd, op);
}

int pal_fcntl(int fd, int cmd, u64 arg)
{
	/* Only waiting for a lock blocks: nothing else may fail because a signal is there. */
	if (cmd == F_SETLKW || cmd == F_OFD_SETLKW)
		return CP_OR(-EINVAL, 3, fcntl, fd, cmd, arg);
	return HOST_OR(-EINVAL, 3, fcntl, fd, cmd, arg);
}

int pal_dup(int fd, int min)
{
	return HOST(3, fcntl, fd, F_DUPFD_CLOEXEC, min);
}

int pal_dup_to(int fd, int to)
{
	return HOST_OR(-EBADF, 3, dup3, fd, to, O_CLOEXEC);
}

int pal_ioctl(int fd, unsigned cmd, u64 arg)
{
	return CP_OR(-ENOTTY, 3, ioctl, fd, cmd, arg);
}

ssize_t pal_copy_file_range(int in, s64 *in_off, int out, s64 *out_off, size_t size)
{
	return pal_lean() ? -ENOSYS : HOST(6, copy_file_range, in, in_off, out, out_off, size, 0);
}

ssize_t pal_sendfile(int out, int in, s64 *off, size_t size)
{
	return pal_lean() ? -ENOSYS : CP(4, sendfile, out, in, off, size);
}

ssize_t pal_splice(int in, s64 *in_off, int out, s64 *out_off, size_t size, unsigned flags)
{
	return pal_lean() ? -EINVAL : CP(6, splice, in, in_off, out, out_off, size, flags);
}

ssize_t pal_tee(int in, int out, size_t size, unsigned flags)
{
	return pal_lean() ? -EINVAL : CP(4, tee, in, out, size, flags);
}
