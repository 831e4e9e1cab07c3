/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* epoll, as sys/epoll.c uses it. */
#ifndef LIBOS_FS_EPOLL_H
#define LIBOS_FS_EPOLL_H

#include "libos/vfs/vfs.h"

extern struct mutex epoll_lock; /* for fork: task/fork_locks.c */
int epoll_create(int flags);	/* descriptor or -errno */
/* epoll_ctl(2) on f, which stands at number fd; ev is a copy of the guest's. */
int epoll_control(struct file *ep, int op, int fd, struct file *f, struct epoll_event *ev);
/* Put the host descriptor fd in the place of f's, and what waits for f in epolls on it. As pal_dup_to. */
int epoll_replace(struct file *f, int fd);

#endif
