/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Changing attributes: mode, owner, times. */
#include "libos/sys/sys.h"
#include "libos/vfs/vfs.h"

/* Find what (dirfd, path, flags) names. path NULL: the descriptor itself. */
static long find(int dirfd, const char *path, int flags, struct target *t)
{
	cleanup_free char *p = NULL;

	if (!path)
		return target_fd(dirfd, t);
	p = user_path(path);
	return IS_ERR(p) ? PTR_ERR(p) : target_find(dirfd, p, flags, t);
}

static long change_mode(int dirfd, const char *path, u32 mode, int flags)
{
	unsigned tries = 0;
	struct target t;
	long r;

	do {
		r = find(dirfd, path, flags, &t);
		if (r)
			return r;
		r = vfs_chmod(&t, mode & 07777);
	} while (target_put_stale(&t, &r, &tries));
	return r;
}

/* A guest's NULL path is EFAULT, not "the descriptor". */
#define NAMED(path) \
	do { \
		if (!(path)) \
			return -EFAULT; \
	} while (0)

long sys_fchmodat2(int dirfd, const char *path, u32 mode, int flags)
{
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	NAMED(path);
	return change_mode(dirfd, path, mode, flags);
}

long sys_fchmodat(int dirfd, const char *path, u32 mode)
{
	return sys_fchmodat2(dirfd, path, mode, 0);
}

long sys_chmod(const char *path, u32 mode)
{
	return sys_fchmodat(AT_FDCWD, path, mode);
}

long sys_fchmod(int fd, u32 mode)
{
	return change_mode(fd, NULL, mode, 0);
}

static long change_owner(int dirfd, const char *path, u32 uid, u32 gid, int flags)
{
	unsigned tries = 0;
	struct target t;
	long r;

	do {
		r = find(dirfd, path, flags, &t);
		if (r)
			return r;
		r = vfs_chown(&t, uid, gid);
	} while (target_put_stale(&t, &r, &tries));
	return r;
}

long sys_fchownat(int dirfd, const char *path, u32 uid, u32 gid, int flags)
{
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	NAMED(path);
	return change_owner(dirfd, path, uid, gid, flags);
}

long sys_chown(const char *path, u32 uid, u32 gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

long sys_lchown(const char *path, u32 uid, u32 gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, u32 uid, u32 gid)
{
	return change_owner(fd, NULL, uid, gid, 0);
}

static bool valid_nsec(long ns)
{
	return ns == UTIME_NOW || ns == UTIME_OMIT || (ns >= 0 && ns < 1000000000l);
}

static long change_times(int dirfd, const char *path, const struct timespec *times, int flags)
{
	unsigned tries = 0;
	struct target t;
	long r;

	if (times && (!valid_nsec(times[0].tv_nsec) || !valid_nsec(times[1].tv_nsec)))
		return -EINVAL;
	/* Nothing to do is done without a look at the file (utimensat(2)). */
	if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	do {
		r = find(dirfd, path, flags, &t);
		if (r)
			return r;
		r = vfs_utimes(&t, times);
	} while (target_put_stale(&t, &r, &tries));
	return r;
}

long sys_utimensat(int dirfd, const char *path, const struct timespec *times, int flags)
{
	struct timespec ts[2];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (times && user_read(ts, times, sizeof(ts)))
		return -EFAULT;
	if (!path && (dirfd == AT_FDCWD || flags))
		return dirfd == AT_FDCWD ? -EFAULT : -EINVAL;
	return change_times(dirfd, path, times ? ts : NULL, flags);
}

long sys_futimesat(int dirfd, const char *path, const void *times)
{
	struct { s64 sec, usec; } tv[2];
	struct timespec ts[2];

	if (times) {
		if (user_read(tv, times, sizeof(tv)))
			return -EFAULT;
		for (int i = 0; i < 2; i++) {
			if (tv[i].usec < 0 || tv[i].usec >= 1000000)
				return -EINVAL;
			ts[i] = (struct timespec){ tv[i].sec, tv[i].usec * 1000 };
		}
	}
	if (!path && dirfd == AT_FDCWD)
		return -EFAULT;
	return change_times(dirfd, path, times ? ts : NULL, 0);
}

long sys_utimes(const char *path, const void *times)
{
	return sys_futimesat(AT_FDCWD, path, times);
}

long sys_utime(const char *path, const void *times)
{
	s64 sec[2];
	struct timespec ts[2];

	NAMED(path);
	if (times) {
		if (user_read(sec, times, sizeof(sec)))
			return -EFAULT;
		ts[0] = (struct timespec){ sec[0], 0 };
		ts[1] = (struct timespec){ sec[1], 0 };
	}
	return change_times(AT_FDCWD, path, times ? ts : NULL, 0);
}
