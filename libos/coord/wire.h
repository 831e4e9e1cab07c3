/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One coordination message at a time: checked, never blocking. */
#ifndef LIBOS_COORD_WIRE_H
#define LIBOS_COORD_WIRE_H

#include "pal/pal.h"
#include "libos/coord/coord.h"

/* m->len counts payload and more together; fd -1: none (else it stays the caller's). 0, -EAGAIN when full, -EPIPE. */
int wire_send(int to, const struct coord_msg *m, const void *payload, const void *more, size_t more_size, int fd);
/* A whole, well-formed message: its size. *fd: the descriptor that came along, now the caller's, or -1.
 * -EAGAIN: none there. -EPIPE: the other end is gone. -EBADMSG: dropped. */
ssize_t wire_receive(int from, void *buf, size_t size, int *fd);
/* One message that is not of the coordination streams, without descriptors: its size or -errno. */
ssize_t wire_plain(int fd, void *buf, size_t size, bool send);
/* A socket pair whose ends lie above the grant's numbers, so that they can be put there in any order. */
int wire_pair(int ends[2]);
/* Poll, one descriptor at most, for as long as the limit says: a kick is noted and does not end it. */
int wire_poll(struct pollfd *p, const struct timespec *limit);
bool wire_valid(const struct coord_msg *m, size_t size, int fds);

#endif
