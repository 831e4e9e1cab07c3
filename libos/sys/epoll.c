// SPDX-License-Identifier: LGPL-3.0-or-later
/* epoll: argument checks, and the wait. Events go from the host straight into the guest's array. */
#include "libos/sys/sys.h"
#include "libos/sys/wait_end.h"
#include "libos/fs/kinds.h"
#include "libos/fs/epoll.h"
#include "libos/mm/mm.h"

long sys_epoll_create1(int flags)
{
	return flags & ~EPOLL_CLOEXEC ? -EINVAL : epoll_create(flags);
}

long sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : epoll_create(0);
}

long sys_epoll_ctl(int ep, int op, int fd, void *ev)
{
	struct epoll_event event = { 0 };
	cleanup_file struct file *e = NULL, *f = NULL;

	if (op != EPOLL_CTL_DEL && user_read(&event, ev, sizeof(event)) < 0)
		return -EFAULT;
	e = fdtab_get(ep);
	if (IS_ERR(e))
		return PTR_ERR(e);
	f = fdtab_get(fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	return epoll_control(e, op, fd, f, &event);
}

static long epoll_until(int ep, void *ev, int max, const struct wait_end *end)
{
	cleanup_file struct file *e = NULL;

	if (max <= 0 || max > (int)(INT_MAX / sizeof(struct epoll_event)))
		return -EINVAL;
	if (!guest_range(ev, (size_t)max * sizeof(struct epoll_event)))
		return -EFAULT;
	e = fdtab_get(ep);
	if (IS_ERR(e))
		return PTR_ERR(e);
	if (e->ops != &epoll_file_ops)
		return -EINVAL;
	for (;;) {
		struct timespec left = { 0 };
		long r;

		if (!end->forever && end->at)
			left = wait_end_left(end);
		r = pal_epoll_wait(e->host_fd, ev, max, end->forever ? NULL : &left);
		if (r != -EINTR || wait_interrupted())
			return r;
	}
}

static long epoll_masked(int ep, void *ev, int max, const struct wait_end *end, const u64 *mask,
			 size_t size)
{
	long r = wait_mask_enter(mask, size);

	if (r < 0)
		return r;
	r = epoll_until(ep, ev, max, end);
	wait_mask_leave(mask, r == -EINTR);
	return r;
}

static struct wait_end end_after_ms(int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	return ms > 0 ? wait_end_after(&ts) : (struct wait_end){ .forever = ms < 0 };
}

long sys_epoll_wait(int ep, void *ev, int max, int timeout_ms)
{
	struct wait_end end = end_after_ms(timeout_ms);

	return epoll_until(ep, ev, max, &end);
}

long sys_epoll_pwait(int ep, void *ev, int max, int timeout_ms, const u64 *mask, size_t size)
{
	struct wait_end end = end_after_ms(timeout_ms);

	return epoll_masked(ep, ev, max, &end, mask, size);
}

long sys_epoll_pwait2(int ep, void *ev, int max, const struct timespec *timeout, const u64 *mask,
		      size_t size)
{
	struct wait_end end = { .forever = !timeout };
	struct timespec ts;

	if (timeout) {
		if (user_read(&ts, timeout, sizeof(ts)) < 0)
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		if (ts.tv_sec || ts.tv_nsec)
			end = wait_end_after(&ts);
	}
	return epoll_masked(ep, ev, max, &end, mask, size);
}
