/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bytes through descriptors: read and write in all forms, offsets, size, sync, copies between files.
 *
 * Buffers are guest pointers that go to the host as they are: the host's EFAULT is the guest's. They are only kept off
 * the image's own memory, so that a guest does not overwrite its libOS by accident.
 */
#include "libos/sys/sys.h"
#include "libos/fs/kinds.h"
#include "libos/fs/quota.h"
#include "libos/mm/mm.h"
#include "libos/vfs/vfs.h"
#include "libos/vfs/notify.h"

#define RW_MAX 0x7ffff000ul /* MAX_RW_COUNT */
#define IOV_MAX_COUNT 1024
#define IOV_ON_STACK 8

/* SIGPIPE goes with EPIPE, to the thread that wrote. */
static ssize_t wrote(ssize_t n)
{
	if (unlikely(n == -EPIPE))
		signal_self(SIGPIPE, SI_USER);
	return restartable(n);
}

long sys_read(int fd, void *buf, size_t n)
{
	struct file *f = fdtab_get(fd);
	ssize_t r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = likely(guest_range(buf, n)) ? restartable(file_read(f, buf, MIN(n, RW_MAX))) : -EFAULT;
	file_put(f);
	return r;
}

long sys_write(int fd, const void *buf, size_t n)
{
	struct file *f = fdtab_get(fd);
	ssize_t r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = likely(guest_range(buf, n)) ? wrote(file_write(f, buf, MIN(n, RW_MAX))) : -EFAULT;
	file_put(f);
	return r;
}

long sys_pread64(int fd, void *buf, size_t n, s64 off)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (off < 0)
		return -EINVAL;
	return guest_range(buf, n) ? restartable(file_pread(f, buf, MIN(n, RW_MAX), off)) : -EFAULT;
}

long sys_pwrite64(int fd, const void *buf, size_t n, s64 off)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (off < 0)
		return -EINVAL;
	return guest_range(buf, n) ? wrote(file_pwrite(f, buf, MIN(n, RW_MAX), off)) : -EFAULT;
}

/* The guest's vector, checked: small ones in `small`, others on the heap. *out is what to use; freed by vector_put. */
static int vector_get(const struct iovec *guest, u64 n, struct iovec *small, struct iovec **out)
{
	size_t total = 0;
	int r = 0;

	*out = small;
	if (n > IOV_MAX_COUNT)
		return -EINVAL;
	if (n > IOV_ON_STACK) {
		*out = base_alloc(n * sizeof(**out));
		if (!*out)
			return -ENOMEM;
	}
	if (user_read(*out, guest, n * sizeof(**out)))
		r = -EFAULT;
	for (u64 i = 0; !r && i < n; i++) {
		struct iovec *v = &(*out)[i];

		if ((ssize_t)v->iov_len < 0)
			r = -EINVAL;
		else if (!guest_range(v->iov_base, v->iov_len))
			r = -EFAULT;
		else
			v->iov_len = MIN(v->iov_len, RW_MAX - total);
		total += v->iov_len;
	}
	if (r && *out != small)
		base_free(*out);
	return r;
}

static void vector_put(struct iovec *v, const struct iovec *small)
{
	if (v != small)
		base_free(v);
}

static long vectored(int fd, const struct iovec *guest, u64 n, s64 off, int flags, bool writing)
{
	cleanup_file struct file *f = fdtab_get(fd);
	struct iovec small[IOV_ON_STACK], *v;
	long r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = vector_get(guest, n, small, &v);
	if (r)
		return r;
	r = writing ? wrote(file_writev(f, v, n, off, flags)) : restartable(file_readv(f, v, n, off, flags));
	vector_put(v, small);
	return r;
}

long sys_readv(int fd, const struct iovec *iov, int n)
{
	return vectored(fd, iov, (unsigned)n, -1, 0, false);
}

long sys_writev(int fd, const struct iovec *iov, int n)
{
	return vectored(fd, iov, (unsigned)n, -1, 0, true);
}

long sys_preadv(int fd, const struct iovec *iov, u64 n, u64 lo, u64 hi)
{
	return (s64)lo < 0 ? -EINVAL : vectored(fd, iov, n, lo, 0, false);
}

long sys_pwritev(int fd, const struct iovec *iov, u64 n, u64 lo, u64 hi)
{
	return (s64)lo < 0 ? -EINVAL : vectored(fd, iov, n, lo, 0, true);
}

long sys_preadv2(int fd, const struct iovec *iov, u64 n, u64 lo, u64 hi, int flags)
{
	return (s64)lo < -1 ? -EINVAL : vectored(fd, iov, n, lo, flags, false);
}

long sys_pwritev2(int fd, const struct iovec *iov, u64 n, u64 lo, u64 hi, int flags)
{
	return (s64)lo < -1 ? -EINVAL : vectored(fd, iov, n, lo, flags, true);
}

long sys_lseek(int fd, s64 off, int whence)
{
	cleanup_file struct file *f = fdtab_get(fd);

	return IS_ERR(f) ? PTR_ERR(f) : file_lseek(f, off, whence);
}

long sys_ftruncate(int fd, s64 size)
{
	cleanup_file struct file *f = fdtab_get(fd);
	int r;

	if (size < 0)
		return -EINVAL;
	if (IS_ERR(f))
		return PTR_ERR(f);
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	r = file_size_allowed(size);
	if (r)
		return r;
	if (f->ops->regular)
		notify_object(f->path.dentry, IN_MODIFY);
	if (quota_on())
		quota_freed();
	file_modify(f);
	if (f->ops->truncate)
		return f->ops->truncate(f, size);
	return f->host_fd >= 0 ? pal_ftruncate(f->host_fd, size) : -EINVAL;
}

long sys_truncate(const char *path, s64 size)
{
	cleanup_free char *p = user_path(path);

	if (IS_ERR(p))
		return PTR_ERR(p);
	return size < 0 ? -EINVAL : vfs_truncate(AT_FDCWD, p, size);
}

long sys_fallocate(int fd, int mode, s64 off, s64 len)
{
	cleanup_file struct file *f = fdtab_get(fd);
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (off < 0 || len <= 0)
		return -EINVAL;
	if (off + len < 0)
		return -EFBIG;
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (!(mode & FALLOC_FL_KEEP_SIZE)) {
		r = file_size_allowed(off + len);
		if (r)
			return r;
	}
	if (quota_on() && quota_counts(f) && !(mode & FALLOC_FL_PUNCH_HOLE)) {
		r = quota_take_all((u64)len);
		if (r)
			return r;
	}
	file_modify(f);
	if (f->ops->fallocate)
		r = f->ops->fallocate(f, mode, off, len);
	else
		r = f->host_fd >= 0 ? pal_fallocate(f->host_fd, mode, off, len) : -ENODEV;
	if (!r)
		notify_object(f->path.dentry, IN_MODIFY);
	return r;
}

static long sync_file(int fd, bool data_only)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (f->ops->fsync)
		return f->ops->fsync(f, data_only);
	return f->host_fd >= 0 ? pal_fsync(f->host_fd, data_only) : -EINVAL;
}

long sys_fsync(int fd)
{
	return sync_file(fd, false);
}

long sys_fdatasync(int fd)
{
	return sync_file(fd, true);
}

/* The sandbox's files are the host's: its own writeback serves them, and a sync of the whole host
 * is not ours to ask. */
long sys_sync(void)
{
	return 0;
}

long sys_syncfs(int fd)
{
	long r = sync_file(fd, false);

	return r == -EBADF ? r : 0;
}

long sys_sync_file_range(int fd, s64 off, s64 n, unsigned flags)
{
	if (flags & ~7u || off < 0 || n < 0 || off + n < 0)
		return -EINVAL;
	return sync_file(fd, true);
}

long sys_readahead(int fd, s64 off, size_t n)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	return f->host_fd >= 0 && f->ops->regular ? 0 : -EINVAL; /* a hint, as those below */
}

/* Hints for a cold cache: not worth a host call, which the boundary would have to hold. */
long sys_fadvise64(int fd, s64 off, s64 len, int advice)
{
	cleanup_file struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (len < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE)
		return -EINVAL;
	return file_is_pipe(f) ? -ESPIPE : 0;
}
