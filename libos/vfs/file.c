// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Open files: making them, counting them, and the way from a read or write to whoever answers it.
 *
 * The memory of a struct file is never used for anything else (a free list of their own), so that fdtab_get may look at
 * one that is just being closed and find out by its count. In a process of one thread counts are plain words: nobody
 * else can see them, since a vfork child has struct files of its own.
 */
#include "libos/vfs/vfs.h"
#include "libos/vfs/notify.h"
#include "libos/task/task.h"
#include "pal/grant.h"
#include "libos/fs/kinds.h"
#include "libos/fs/quota.h"

#define POOL_STEP 32
#define RW_MAX 0x7ffff000ul /* MAX_RW_COUNT */

static struct file *pool;	/* dcache_lock; linked by priv */

static struct file *pool_take(void)
{
	struct file *f, *more;

	lock(&dcache_lock);
	f = pool;
	if (f)
		pool = f->priv;
	unlock(&dcache_lock);
	if (f)
		return f;
	more = base_zalloc(POOL_STEP * sizeof(*more));
	if (!more)
		return NULL;
	lock(&dcache_lock);
	for (int i = 1; i < POOL_STEP; i++) {
		more[i].priv = pool;
		pool = &more[i];
	}
	unlock(&dcache_lock);
	return more;
}

static void pool_give(struct file *f)
{
	lock(&dcache_lock);
	f->priv = pool;
	pool = f;
	unlock(&dcache_lock);
}

int host_fd_move(int fd)
{
	int moved;

	if (likely(fd < 0 || fd >= pal_fd_free()))
		return fd;
	moved = pal_dup(fd, pal_fd_free());
	pal_close(fd);
	return moved;
}

struct file *file_create(const struct file_ops *ops, int host_fd, int flags, const struct path *path)
{
	struct file *f = pool_take();

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->ops = ops;
	f->flags = flags;
	f->host_fd = host_fd_move(host_fd);
	f->lock_fd = -1;
	f->pos = 0;
	f->priv = NULL;
	f->seals = 0;
	f->owner = f->owner_sig = 0;
	f->locked = false;
	mutex_init(&f->lock);
	f->path = (struct path){ 0 };
	if (path && path->dentry) {
		f->path = *path;
		path_get(&f->path);
	}
	atomic_store(&f->refs, 1);
	return f;
}

struct file *file_get(struct file *f)
{
	if (this_process()->nthreads == 1)
		f->refs++;
	else
		atomic_add(&f->refs, 1);
	return f;
}

static bool can_read(const struct file *f)
{
	return (f->flags & O_ACCMODE) == O_RDONLY || (f->flags & O_ACCMODE) == O_RDWR;
}

static bool can_write(const struct file *f)
{
	return (f->flags & O_ACCMODE) == O_WRONLY || (f->flags & O_ACCMODE) == O_RDWR;
}

static void file_free(struct file *f)
{
	epoll_forget(f);
	if (notify_wanted() && f->ops != &path_file_ops)
		notify_object(f->path.dentry, can_write(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	if (f->ops->release)
		f->ops->release(f);
	if (f->host_fd >= 0)
		pal_close(f->host_fd);
	if (f->lock_fd >= 0)
		pal_close(f->lock_fd);
	path_put(&f->path);
	pool_give(f);
}

void file_put(struct file *f)
{
	if (this_process()->nthreads == 1) {
		if (--f->refs)
			return;
	} else if (atomic_sub(&f->refs, 1)) {
		return;
	}
	file_free(f);
}

u32 files_setid;

/* ---- limits ---- */

int file_size_allowed(u64 size)
{
	u64 limit = this_process()->rlimits[RLIMIT_FSIZE].rlim_cur;

	if (likely(size <= limit))
		return 0;
	signal_self(SIGXFSZ, SI_USER);
	return -EFBIG;
}

/* How much of n may be written at off (-1: the file's position) under RLIMIT_FSIZE. */
static ssize_t size_allows(struct file *f, size_t n, s64 off)
{
	u64 limit = this_process()->rlimits[RLIMIT_FSIZE].rlim_cur;
	struct stat st;

	if (likely(limit == RLIM64_INFINITY) || !f->ops->regular || f->host_fd < 0 || !n)
		return n;
	if (f->flags & O_APPEND) {
		int r = pal_fstat(f->host_fd, &st);

		if (r < 0)
			return r;
		off = st.st_size;
	} else if (off < 0) {
		off = pal_lseek(f->host_fd, 0, SEEK_CUR);
	}
	if (off >= 0 && (u64)off >= limit) {
		signal_self(SIGXFSZ, SI_USER);
		return -EFBIG;
	}
	return off >= 0 ? MIN(n, limit - (u64)off) : n;
}

/* The same under the sandbox's quota, too. It is going to be written. */
static ssize_t write_allowed(struct file *f, size_t n, s64 off)
{
	ssize_t may = size_allows(f, n, off);

	if (may > 0)
		file_modify(f);
	return quota_on() && may > 0 && quota_counts(f) ? quota_take_bytes((size_t)may) : may;
}

/* A read or write of a disk file is never cut short by a signal: it is made again, handler or not. What was done (mask:
 * IN_ACCESS, IN_MODIFY) is told to those who watch. */
static ssize_t whole(struct file *f, ssize_t r, u32 mask)
{
	if (r > 0 && f->ops->regular)
		notify_object(f->path.dentry, mask);
	return r == -EINTR && f->ops->regular ? -ERESTARTNOINTR : r;
}

/* ---- reading and writing ---- */

ssize_t file_read(struct file *f, void *buf, size_t n)
{
	if (!can_read(f))
		return -EBADF;
	n = MIN(n, RW_MAX);
	if (f->ops->read)
		return f->ops->read(f, buf, n);
	if (f->host_fd < 0)
		return -EINVAL;
	while (unlikely(f->ops->wait) && f->ops->wait(f)) {
		ssize_t r = pal_read(f->host_fd, buf, n);

		if (!f->ops->waited(f, buf, r))
			return r;
	}
	return whole(f, pal_read(f->host_fd, buf, n), IN_ACCESS);
}

ssize_t file_write(struct file *f, const void *buf, size_t n)
{
	ssize_t may;

	if (!can_write(f))
		return -EBADF;
	n = MIN(n, RW_MAX);
	if (f->ops->write)
		return f->ops->write(f, buf, n);
	if (f->host_fd < 0)
		return -EINVAL;
	may = write_allowed(f, n, -1);
	if (may < 0)
		return may;
	return whole(f, pal_write(f->host_fd, buf, may), IN_MODIFY);
}

ssize_t file_pread(struct file *f, void *buf, size_t n, u64 off)
{
	if (!can_read(f))
		return -EBADF;
	n = MIN(n, RW_MAX);
	if (f->ops->pread)
		return f->ops->pread(f, buf, n, off);
	if (f->host_fd < 0)
		return -ESPIPE;
	return whole(f, pal_pread(f->host_fd, buf, n, off), IN_ACCESS);
}

ssize_t file_pwrite(struct file *f, const void *buf, size_t n, u64 off)
{
	ssize_t may;

	if (!can_write(f))
		return -EBADF;
	n = MIN(n, RW_MAX);
	if (f->ops->pwrite)
		return f->ops->pwrite(f, buf, n, off);
	if (f->host_fd < 0)
		return -ESPIPE;
	may = write_allowed(f, n, off);
	return may < 0 ? may : whole(f, pal_pwrite(f->host_fd, buf, may, off), IN_MODIFY);
}

/* One element after the other, for files that the libOS makes; what was done before an error counts. */
static ssize_t each(struct file *f, const struct iovec *iov, int n, s64 off, bool write)
{
	ssize_t sum = 0, r = 0;

	for (int i = 0; i < n; i++) {
		void *base = iov[i].iov_base;
		size_t len = iov[i].iov_len;

		if (off < 0)
			r = write ? file_write(f, base, len) : file_read(f, base, len);
		else
			r = write ? file_pwrite(f, base, len, off + sum) : file_pread(f, base, len, off + sum);
		if (r < 0)
			break;
		sum += r;
		if ((size_t)r < len)
			break;
	}
	return sum || r >= 0 ? sum : r;
}

ssize_t file_readv(struct file *f, const struct iovec *iov, int n, s64 off, int rwf)
{
	if (!can_read(f))
		return -EBADF;
	if (off < 0 ? !!f->ops->read : !!f->ops->pread)
		return rwf & ~RWF_HIPRI ? -EOPNOTSUPP : each(f, iov, n, off, false);
	if (f->host_fd < 0)
		return off < 0 ? -EINVAL : -ESPIPE;
	if (unlikely(f->ops->wait) && off < 0 && f->ops->wait(f)) {
		ssize_t r = pal_preadv2(f->host_fd, iov, n, off, rwf);

		f->ops->waited(f, NULL, r);
		return r;
	}
	return whole(f, pal_preadv2(f->host_fd, iov, n, off, rwf), IN_ACCESS);
}

ssize_t file_writev(struct file *f, const struct iovec *iov, int n, s64 off, int rwf)
{
	u64 total = 0;
	ssize_t may;

	if (!can_write(f))
		return -EBADF;
	if (off < 0 ? !!f->ops->write : !!f->ops->pwrite)
		return rwf & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC) ? -EOPNOTSUPP : each(f, iov, n, off, true);
	if (f->host_fd < 0)
		return off < 0 ? -EINVAL : -ESPIPE;
	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	may = write_allowed(f, total, off);
	if (may < 0)
		return may;
	if ((u64)may < total) /* over the limit: by elements, so that the last is shortened */
		return each(f, iov, n, off, true);
	return whole(f, pal_pwritev2(f->host_fd, iov, n, off, rwf), IN_MODIFY);
}

s64 file_lseek(struct file *f, s64 off, int whence)
{
	if (f->ops->lseek)
		return f->ops->lseek(f, off, whence);
	return f->host_fd < 0 ? -ESPIPE : pal_lseek(f->host_fd, off, whence);
}

/* ---- attributes ---- */

void attr_from_stat(struct attr *a, const struct stat *st)
{
	*a = (struct attr){
		.ino = st->st_ino, .dev = st->st_dev, .rdev = st->st_rdev, .mode = st->st_mode,
		.nlink = (u32)st->st_nlink, .uid = st->st_uid, .gid = st->st_gid, .size = st->st_size,
		.blocks = st->st_blocks, .blksize = st->st_blksize,
		.atime = { st->st_atime, st->st_atime_nsec }, .mtime = { st->st_mtime, st->st_mtime_nsec },
		.ctime = { st->st_ctime, st->st_ctime_nsec },
	};
}

int file_getattr(struct file *f, struct attr *a)
{
	struct stat st;
	int r;

	if (f->ops->getattr)
		return f->ops->getattr(f, a);
	if (f->path.dentry)
		return vfs_getattr(&f->path, a);
	if (f->host_fd < 0)
		return -EBADF;
	r = pal_fstat(f->host_fd, &st);
	if (!r)
		attr_from_stat(a, &st);
	return r;
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 off)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r;

		if (f->ops->pread)
			r = f->ops->pread(f, (char *)buf + done, n - done, off + done);
		else if (f->host_fd >= 0)
			r = pal_pread(f->host_fd, (char *)buf + done, n - done, off + done);
		else
			r = -EINVAL;
		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (!r)
			break;
		done += r;
	}
	return done;
}

/* ---- kinds ---- */

/* Only its path is of use. */
const struct file_ops path_file_ops = { .name = "path" };

const struct file_ops *file_ops_by_name(const char *name)
{
	static const struct file_ops *const own[] = {
		&path_file_ops, &gone_dir_ops, &host_file_ops, &union_file_ops,
		&union_dir_ops, &union_pin_ops,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		if (!strcmp(own[i]->name, name))
			return own[i];
	for (unsigned i = 0; i < fs_kinds_count; i++)
		if (!strcmp(fs_kinds[i]->name, name))
			return fs_kinds[i];
	return NULL;
}
