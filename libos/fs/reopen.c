// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Opening through /proc/self/fd what has no name: pipes, and files that were unlinked.
 *
 * Linux makes a new description. The host gives no way to one without its /proc, so the old
 * description is used, and what must be the new file's own is kept here: whether it blocks, and
 * where a regular file's position stands.
 */
#include "libos/fs/kinds.h"
#include "libos/task/task.h"

#define PIPE_CHUNK PAGE_SIZE /* what POLLOUT promises room for */

/* ---- pipes ---- */

/* Wait for the event if f blocks. 0, -EAGAIN or -EINTR. */
static int pipe_ready(struct file *f, short event)
{
	struct pollfd p = { .fd = f->host_fd, .events = event };
	static const struct timespec at_once;
	int r = pal_ppoll(&p, 1, f->flags & O_NONBLOCK ? &at_once : NULL);

	return r ? MIN(r, 0) : -EAGAIN;
}

static ssize_t pipe_read(struct file *f, void *buf, size_t n)
{
	ssize_t r = f->flags & O_NONBLOCK ? pipe_ready(f, POLLIN) : 0;

	while (r == 0) {
		r = pal_read(f->host_fd, buf, n);
		if (r != -EAGAIN || f->flags & O_NONBLOCK)
			return r;
		r = pipe_ready(f, POLLIN); /* its other owner made the description non-blocking */
	}
	return r;
}

static ssize_t pipe_write(struct file *f, const void *buf, size_t n)
{
	ssize_t r = f->flags & O_NONBLOCK ? pipe_ready(f, POLLOUT) : 0;

	while (r == 0) {
		r = pal_write(f->host_fd, buf, f->flags & O_NONBLOCK ? MIN(n, PIPE_CHUNK) : n);
		if (r != -EAGAIN || f->flags & O_NONBLOCK)
			return r;
		r = pipe_ready(f, POLLOUT);
	}
	return r;
}

static int own_flags(struct file *f, int flags)
{
	return 0; /* the caller keeps them; the host's are shared */
}

static long pipe_again_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return pipe_file_ops.ioctl(f, cmd, arg);
}

const struct file_ops pipe_again_ops = {
	.name = "pipe-again",
	.read = pipe_read,
	.write = pipe_write,
	.setflags = own_flags,
	.ioctl = pipe_again_ioctl,
};

/* ---- regular files ---- */

static ssize_t regular_read(struct file *f, void *buf, size_t n)
{
	ssize_t r;

	lock(&f->lock);
	r = pal_pread(f->host_fd, buf, n, f->pos);
	if (r > 0)
		f->pos += (u64)r;
	unlock(&f->lock);
	return r;
}

static ssize_t regular_write(struct file *f, const void *buf, size_t n)
{
	struct iovec iov = { (void *)buf, n };
	bool append = f->flags & O_APPEND;
	struct stat st;
	ssize_t r;

	lock(&f->lock);
	r = at_once(pal_pwritev2(f->host_fd, &iov, 1, append ? 0 : (s64)f->pos,
				 append ? RWF_APPEND : 0));
	if (r > 0 && append)
		f->pos = pal_fstat(f->host_fd, &st) == 0 ? (u64)st.st_size : f->pos + (u64)r;
	else if (r > 0)
		f->pos += (u64)r;
	unlock(&f->lock);
	return r;
}

static s64 regular_lseek(struct file *f, s64 off, int whence)
{
	struct stat st;
	s64 r = -EINVAL;

	lock(&f->lock);
	if (whence == SEEK_SET)
		r = off;
	else if (whence == SEEK_CUR)
		r = (s64)f->pos + off;
	else if (whence == SEEK_END && pal_fstat(f->host_fd, &st) == 0)
		r = st.st_size + off;
	r = r < 0 ? -EINVAL : (s64)(f->pos = (u64)r);
	unlock(&f->lock);
	return r;
}

const struct file_ops regular_again_ops = {
	.name = "file-again",
	.read = regular_read,
	.write = regular_write,
	.lseek = regular_lseek,
	.setflags = own_flags,
	.regular = true,
};

/* ---- which is which ---- */

const struct file_ops *reopen_ops(const struct file *f)
{
	if (f->ops == &pipe_file_ops || f->ops == &pipe_again_ops)
		return &pipe_again_ops;
	if (f->ops->regular || f->ops == &memfd_file_ops || f->ops == &host_file_ops)
		return &regular_again_ops;
	if (f->ops == &anon_file_ops || f->ops == &tty_file_ops)
		return f->ops;
	return NULL;
}
