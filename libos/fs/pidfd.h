/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Descriptors that stand for a process: the outer end of its life (coord/life.c), as a file. */
#ifndef LIBOS_FS_PIDFD_H
#define LIBOS_FS_PIDFD_H

#include "libos/fs/kinds.h"

extern const struct file_ops pidfd_file_ops;

/* A new descriptor for pid; flags O_NONBLOCK, O_CLOEXEC is set. The number or -errno. */
int pidfd_install(s32 pid, int flags);
int pidfd_install_ended(s32 pid);
/* The guest id of the process that f stands for, while it is not reaped: -ESRCH then. */
s32 pidfd_pid(const struct file *f);
/* It has ended, though perhaps it is not reaped yet. */
bool pidfd_over(const struct file *f);
/* A descriptor that came from elsewhere: its file if it is a pidfd, else NULL. ERR_PTR. */
struct file *pidfd_from_host(int fd, int flags);

#endif
