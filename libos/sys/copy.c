/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* From file to file without passing the guest: the host does it when both have host descriptors, a loop else. */
#include "libos/sys/sys.h"
#include "libos/fs/quota.h"
#include "libos/vfs/vfs.h"
#include "libos/fs/kinds.h"

#define CHUNK 65536

/* Offsets by pointer: NULL is the file's own position. */
static long read_offset(s64 *off, const s64 *guest)
{
	if (!guest)
		return 0;
	if (user_read(off, guest, sizeof(*off)))
		return -EFAULT;
	return *off < 0 ? -EINVAL : 0;
}

static long copy_by_hand(struct file *out, struct file *in, s64 *in_off, size_t n)
{
	cleanup_free char *buf = base_alloc(CHUNK);
	size_t done = 0;

	if (!buf)
		return -ENOMEM;
	while (done < n) {
		size_t want = MIN(n - done, (size_t)CHUNK);
		ssize_t got = device_take(in, buf, want), put;

		if (got == -EINVAL)
			got = in_off ? file_pread(in, buf, want, *in_off) : file_read(in, buf, want);

		if (got <= 0)
			return done ? (long)done : got;
		put = file_write(out, buf, got);
		if (put < 0)
			return done ? (long)done : put;
		done += put;
		if (in_off)
			*in_off += put;
		if (put < got) {
			if (!in_off)
				(void)file_lseek(in, put - got, SEEK_CUR);
			break;
		}
	}
	return done;
}

/* Can the host move the bytes itself? */
static bool host_can(const struct file *f)
{
	return f->host_fd >= 0 && !f->ops->read && !f->ops->write;
}

/* What counts against the quota is written by hand. */
static bool host_can_to(const struct file *f)
{
	return host_can(f) && !(quota_on() && quota_counts(f));
}

long sys_sendfile(int out, int in, s64 *guest_off, size_t n)
{
	cleanup_file struct file *fi = fdtab_get(in);
	cleanup_file struct file *fo = fdtab_get(out);
	s64 off = 0, *pos = guest_off ? &off : NULL;
	long r;

	if (IS_ERR(fi))
		return PTR_ERR(fi);
	if (IS_ERR(fo))
		return PTR_ERR(fo);
	r = read_offset(&off, guest_off);
	if (r)
		return r;
	if ((fi->flags & O_ACCMODE) == O_WRONLY || (fo->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	r = -ENOSYS;
	if (host_can(fi) && host_can_to(fo)) {
		file_modify(fo);
		r = pal_sendfile(fo->host_fd, fi->host_fd, pos, n);
	}
	if (r == -ENOSYS && (fo->flags & O_APPEND || file_lseek(fi, 0, SEEK_CUR) < 0))
		r = -EINVAL;
	if (r == -ENOSYS)
		r = copy_by_hand(fo, fi, pos, MIN(n, 0x7ffff000ul));
	if (r == -EPIPE)
		signal_self(SIGPIPE, SI_USER);
	if (r > 0 && guest_off && user_write(guest_off, &off, sizeof(off)))
		return -EFAULT;
	return restartable(r);
}

static bool is_regular(const struct file *f)
{
	return f->path.dentry && f->path.dentry->node && (path_node(&f->path)->mode & S_IFMT) == S_IFREG;
}

static bool is_directory(const struct file *f)
{
	return f->path.dentry && f->path.dentry->node && (path_node(&f->path)->mode & S_IFMT) == S_IFDIR;
}

long sys_copy_file_range(int in, s64 *in_off, int out, s64 *out_off, size_t n, unsigned flags)
{
	cleanup_file struct file *fi = fdtab_get(in);
	cleanup_file struct file *fo = fdtab_get(out);
	s64 from = 0, to = 0;
	long r;

	if (flags)
		return -EINVAL;
	if (IS_ERR(fi))
		return PTR_ERR(fi);
	if (IS_ERR(fo))
		return PTR_ERR(fo);
	if (is_directory(fi) || is_directory(fo))
		return -EISDIR;
	if (!is_regular(fi) || !is_regular(fo))
		return -EINVAL;
	if ((fi->flags & O_ACCMODE) == O_WRONLY || (fo->flags & O_ACCMODE) == O_RDONLY || fo->flags & O_APPEND)
		return -EBADF;
	r = read_offset(&from, in_off);
	if (!r)
		r = read_offset(&to, out_off);
	/* Without a limit nobody need be asked where the file stands. */
	if (!r && this_process()->rlimits[RLIMIT_FSIZE].rlim_cur != RLIM64_INFINITY)
		r = file_size_allowed((out_off ? to : file_lseek(fo, 0, SEEK_CUR)) + 1);
	if (r)
		return r;
	/* Generated files have no host file to copy from; callers fall back to read and write on EXDEV. */
	if (!host_can(fi) || !host_can_to(fo))
		return -EXDEV;
	file_modify(fo);
	r = pal_copy_file_range(fi->host_fd, in_off ? &from : NULL, fo->host_fd, out_off ? &to : NULL, n);
	if (r > 0 && in_off && user_write(in_off, &from, sizeof(from)))
		return -EFAULT;
	if (r > 0 && out_off && user_write(out_off, &to, sizeof(to)))
		return -EFAULT;
	return r;
}
