/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* epoll, as sys/epoll.c uses it. */
#ifndef LIBOS_FS_EPOLL_H
#define LIBOS_FS_EPOLL_H

#include "libos/vfs/vfs.h"

extern struct mutex epoll_lock; /* for fork: task/fork_locks.c */
int epoll_create(int flags);	/* descriptor or -errno */
/* epoll_ctl(2) on f, which stands at number fd; ev is the guest's. */
int epoll_control(struct file *ep, int op, int fd, struct file *f, struct epoll_event *ev);

#endif
