// SPDX-License-Identifier: LGPL-3.0-or-later
/* A plain host descriptor that came from outside (the command's standard files): everything goes to the host. */
#include "libos/vfs/vfs.h"

static long host_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return cmd == FIONREAD ? pal_ioctl(f->host_fd, cmd, arg) : -ENOTTY;
}

const struct file_ops host_file_ops = {
	.name = "host",
	.regular = true,
	.ioctl = host_ioctl,
};
