// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * splice, tee, vmsplice on pipes of the host.
 *
 * Files that the libOS makes have nothing to splice on the host: EINVAL, as Linux says of files
 * that cannot; but for the devices, whose bytes are made or dropped here. vmsplice is not among the
 * host's calls; it is a copy here, which its contract allows.
 */
#include "libos/sys/sys.h"
#include "libos/fs/quota.h"
#include "libos/fs/kinds.h"
#include "libos/mm/mm.h"

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* Bytes that go to the host must lie on the host: kinds whose read and write are the libOS's own do
 * not. */
static bool on_host(const struct file *f)
{
	return f->host_fd >= 0 && ((!f->ops->read && !f->ops->write) || file_is_pipe(f));
}

static int offset_read(const struct file *f, const s64 *guest, s64 *off)
{
	if (!guest)
		return 0;
	if (file_is_pipe(f))
		return -ESPIPE;
	return user_read(off, guest, sizeof(*off));
}

static long broken_pipe(long r)
{
	if (r == -EPIPE)
		signal_self(SIGPIPE, SI_USER);
	return restartable(r);
}

#define DEVICE_CHUNK 4096ul /* PIPE_BUF: what is ready goes without blocking */

static int ready_now(int fd, short event)
{
	struct pollfd p = { .fd = fd, .events = event };
	int r = pal_ppoll(&p, 1, &(struct timespec){ 0 });

	return r < 0 ? r : r ? 0 : -EAGAIN;
}

static bool is_device(const struct file *f)
{
	return f->host_fd < 0 && (device_give(f, 0) == 0 || f->ops == &full_file_ops);
}

/* One of the two is a device, the other a pipe. A short answer is a valid one. */
static long splice_device(struct file *from, struct file *to, size_t n, unsigned flags)
{
	struct file *pipe = is_device(from) ? to : from;
	u8 buf[DEVICE_CHUNK];
	long r = 0;

	n = MIN(n, sizeof(buf));
	if ((from->flags & O_ACCMODE) == O_WRONLY || (to->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (pipe == from && device_give(to, 0))
		return -EINVAL;
	if (flags & SPLICE_F_NONBLOCK)
		r = ready_now(pipe->host_fd, pipe == from ? POLLIN : POLLOUT);
	if (r)
		return r;
	if (pipe == from)
		return pal_read(from->host_fd, buf, n);
	r = device_take(from, buf, n);
	return r < 0 ? r : pal_write(to->host_fd, buf, (size_t)r);
}

long sys_splice(int in, s64 *in_off, int out, s64 *out_off, size_t n, unsigned flags)
{
	cleanup_file struct file *from = NULL, *to = NULL;
	s64 a = 0, b = 0;
	long r;

	if (!n)
		return 0;
	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	from = fdtab_get(in);
	if (IS_ERR(from))
		return PTR_ERR(from);
	to = fdtab_get(out);
	if (IS_ERR(to))
		return PTR_ERR(to);
	if ((is_device(from) && file_is_pipe(to)) || (file_is_pipe(from) && is_device(to)))
		return broken_pipe(splice_device(from, to, n, flags));
	if (!on_host(from) || !on_host(to) || (!file_is_pipe(from) && !file_is_pipe(to)))
		return -EINVAL;
	r = offset_read(from, in_off, &a);
	if (r == 0)
		r = offset_read(to, out_off, &b);
	if (r == 0 && quota_on() && quota_counts(to)) {
		ssize_t may = quota_take_bytes(n);

		if (may < 0)
			return may;
		n = (size_t)may;
	}
	if (r < 0)
		return r;
	file_modify(to);
	r = pal_splice(from->host_fd, in_off ? &a : NULL, to->host_fd, out_off ? &b : NULL, n,
		       flags);
	if (r < 0)
		return broken_pipe(r);
	if ((in_off && user_write(in_off, &a, sizeof(a)) < 0) ||
	    (out_off && user_write(out_off, &b, sizeof(b)) < 0))
		return -EFAULT;
	return r;
}

long sys_tee(int in, int out, size_t n, unsigned flags)
{
	cleanup_file struct file *from = NULL, *to = NULL;

	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	if (!n)
		return 0;
	from = fdtab_get(in);
	if (IS_ERR(from))
		return PTR_ERR(from);
	to = fdtab_get(out);
	if (IS_ERR(to))
		return PTR_ERR(to);
	if (!file_is_pipe(from) || !file_is_pipe(to))
		return -EINVAL;
	return broken_pipe(pal_tee(from->host_fd, to->host_fd, n, flags));
}

long sys_vmsplice(int fd, const struct iovec *iov, size_t n, unsigned flags)
{
	cleanup_file struct file *f = NULL;
	struct iovec copy[16];
	long r;

	if (flags & ~SPLICE_FLAGS || n > IOV_MAX)
		return -EINVAL;
	f = fdtab_get(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!file_is_pipe(f))
		return -EBADF;
	/* A prefix is a valid answer. */
	n = MIN(n, ARRAY_SIZE(copy));
	if (!n)
		return 0;
	if (user_read(copy, iov, n * sizeof(*iov)) < 0)
		return -EFAULT;
	for (size_t i = 0; i < n; i++) {
		if (!guest_range(copy[i].iov_base, copy[i].iov_len))
			return -EFAULT;
	}
	if (flags & SPLICE_F_NONBLOCK) {
		struct pollfd p = { .fd = f->host_fd, .events = POLLIN | POLLOUT };

		r = pal_ppoll(&p, 1, &(struct timespec){ 0 });
		if (r <= 0)
			return r < 0 ? restartable(r) : -EAGAIN;
		n = 1;
		copy[0].iov_len = MIN(copy[0].iov_len,
				      4096ul); /* PIPE_BUF: what is ready goes without blocking */
	}
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return restartable(pal_preadv2(f->host_fd, copy, (int)n, -1, 0));
	return broken_pipe(pal_pwritev2(f->host_fd, copy, (int)n, -1, 0));
}
