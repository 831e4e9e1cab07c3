// SPDX-License-Identifier: LGPL-3.0-or-later
/* timerfd: the host's, as it is; set and read by sys/event.c. */
#include "libos/fs/kinds.h"
#include "libos/sys/user.h"

static long timerfd_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	u64 ticks;

	if (cmd != TFD_IOC_SET_TICKS)
		return -ENOTTY;
	if (user_read(&ticks, (const void *)arg, sizeof(ticks)))
		return -EFAULT;
	return pal_ioctl(f->host_fd, cmd, (u64)&ticks);
}

const struct file_ops timerfd_file_ops = {
	.name = "timerfd",
	.ioctl = timerfd_ioctl,
};
