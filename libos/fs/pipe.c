// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Pipes are the host's: blocking, atomicity up to PIPE_BUF, end of file and EPIPE come from there,
 * and a fork shares them for nothing. SIGPIPE is raised by the caller of file_write (sys/file.c).
 */
#include "libos/fs/kinds.h"

static long pipe_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return cmd == FIONREAD ? at_once(pal_ioctl(f->host_fd, cmd, arg)) : -ENOTTY;
}

const struct file_ops pipe_file_ops = {
	.name = "pipe",
	.ioctl = pipe_ioctl,
};
