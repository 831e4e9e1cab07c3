// SPDX-License-Identifier: LGPL-3.0-or-later
/* pipe, pipe2: two descriptors of one host pipe. */
#include "libos/sys/sys.h"
#include "libos/fs/kinds.h"

#define O_NOTIFICATION_PIPE O_EXCL

long sys_pipe2(int *fds, int flags)
{
	int host[2], guest[2], r;

	if (flags & O_NOTIFICATION_PIPE)
		return -ENOPKG; /* what a kernel without watch queues says */
	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	r = pal_pipe(host, flags & (O_NONBLOCK | O_DIRECT));
	if (r < 0)
		return r;
	guest[0] = fd_install(&pipe_file_ops, host[0], flags | O_RDONLY, NULL);
	if (guest[0] < 0) {
		pal_close(host[1]);
		return guest[0];
	}
	guest[1] = fd_install(&pipe_file_ops, host[1], flags | O_WRONLY, NULL);
	if (guest[1] < 0) {
		fdtab_close(guest[0]);
		return guest[1];
	}
	r = user_write(fds, guest, sizeof(guest));
	if (r < 0) {
		fdtab_close(guest[0]);
		fdtab_close(guest[1]);
	}
	return r;
}

long sys_pipe(int *fds)
{
	return sys_pipe2(fds, 0);
}
