// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * pidfd calls are not offered: a descriptor that becomes readable at a process's end needs either
 * the host's pidfd, which the filter denies (it reaches beyond the sandbox), or a thread that
 * waits. glibc and others fall back on ENOSYS.
 */
#include "libos/sys/sys.h"

long sys_pidfd_open(s32 pid, unsigned flags)
{
	return -ENOSYS;
}

long sys_pidfd_send_signal(int pidfd, int sig, void *info, unsigned flags)
{
	return -ENOSYS;
}
