/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Waiting: poll, epoll, futex. Signal masks stay out of it: what interrupts is the kick, and it is
 * never blocked.
 */
#include "pal/allowed.h"

int pal_ppoll(struct pollfd *fds, unsigned n, const struct timespec *timeout)
{
	struct timespec left; /* the kernel writes back what remains */

	if (!timeout)
		return CP(5, ppoll, fds, n, NULL, NULL, 0);
	left = *timeout;
	return CP(5, ppoll, fds, n, &left, NULL, 0);
}

int pal_epoll_create(void)
{
	return HOST(1, epoll_create1, EPOLL_CLOEXEC);
}

int pal_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	return HOST(4, epoll_ctl, ep, op, fd, ev);
}

int pal_epoll_wait(int ep, struct epoll_event *ev, int max, const struct timespec *timeout)
{
	return CP(6, epoll_pwait2, ep, ev, max, timeout, NULL, 0);
}

int pal_futex(u32 *word, int op, u32 val, const struct timespec *timeout, u32 *word2, u32 val3)
{
	return CP_OR(-ENOSYS, 6, futex, word, op, val, timeout, word2, val3);
}

int pal_futex_waitv(const struct futex_waitv *w, unsigned n, const struct timespec *end, int clock)
{
	return pal_lean() ? -ENOSYS : CP(5, futex_waitv, w, n, 0, end, clock);
}

int pal_futex_plain(u32 *word, int op, u32 val, const struct timespec *timeout, u32 *word2,
		    u32 val3)
{
	return HOST(6, futex, word, op, val, timeout, word2, val3);
}
