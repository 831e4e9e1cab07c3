/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* seccomp(2): operations and flags; what filters do is task/seccomp.c's. */
#include "libos/sys/sys.h"
#include "libos/task/seccomp.h"

static long action_available(const u32 *guest)
{
	u32 action;

	if (user_read(&action, guest, sizeof(action)))
		return -EFAULT;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return 0;
	}
	return -EOPNOTSUPP;
}

long sys_seccomp(unsigned op, unsigned flags, void *args)
{
	switch (op) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || args ? -EINVAL : seccomp_strict(current());
	case SECCOMP_SET_MODE_FILTER:
		return seccomp_add(current(), args, flags);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(args);
	}
	return -EINVAL;
}
