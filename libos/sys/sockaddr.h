/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Socket addresses between guest memory and the host; shared by sys/sock*.c. */
#ifndef LIBOS_SYS_SOCKADDR_H
#define LIBOS_SYS_SOCKADDR_H

#include "libos/sys/sys.h"
#include "libos/fs/sock.h"

/* Copy an address in; -EINVAL for lengths Linux refuses. */
static inline int sockaddr_read(struct sock_addr *a, const void *guest, unsigned len)
{
	memset(a, 0, sizeof(*a));
	a->len = len;
	if (len > SOCK_ADDR_MAX)
		return -EINVAL;
	return len ? user_read(a->bytes, guest, len) : 0;
}

/* Show a host address to the guest: at most *len bytes, and *len becomes the whole length. */
static inline int sockaddr_write(const struct file *f, struct sock_addr *a, void *guest,
				 unsigned *guest_len)
{
	int room;

	if (!guest)
		return 0;
	if (user_read(&room, guest_len, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	sock_addr_to_guest(f, a);
	if (room && user_write(guest, a->bytes, MIN((unsigned)room, a->len)) < 0)
		return -EFAULT;
	return user_write(guest_len, &a->len, sizeof(a->len));
}

/* A send's result: SIGPIPE unless asked not to. */
static inline long sent(long r, int flags)
{
	if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
		signal_self(SIGPIPE, SI_USER);
	return restartable(r);
}

#endif
