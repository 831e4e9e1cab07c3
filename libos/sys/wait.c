/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* wait4 and waitid: two spellings of task_wait. */
#include "libos/sys/sys.h"
#include "libos/fs/pidfd.h"

#define AGAIN_IF_NONE 0x100 /* beside the options of waitid: a pidfd that does not block */

static int wait_status(const struct wait_result *r)
{
	switch (r->code) {
	case CLD_EXITED:
		return W_EXIT(r->status);
	case CLD_KILLED:
	case CLD_DUMPED:
		return W_SIGNAL(r->status, r->code == CLD_DUMPED);
	case CLD_CONTINUED:
		return W_CONTINUED;
	}
	return W_STOP(r->status);
}

long sys_wait4(s32 pid, int *status, int options, void *rusage)
{
	struct wait_result r;
	int which = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID, err, value;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	err = task_wait(which, pid < 0 ? -pid : pid, options | WEXITED, &r);
	if (err || !r.pid)
		return err;
	value = wait_status(&r);
	if ((status && user_write(status, &value, sizeof(value))) ||
	    (rusage && user_write(rusage, &r.ru, sizeof(r.ru))))
		return -EFAULT;
	return r.pid;
}

/* Whom a pidfd means; *options as its readiness changes them. */
static int by_pidfd(s32 *id, int *options)
{
	cleanup_file struct file *f = fdtab_get(*id);

	if (IS_ERR(f) || f->ops != &pidfd_file_ops)
		return -EBADF;
	*id = pidfd_pid(f);
	if (*id < 0)
		return -ECHILD;
	/* The host closes a process's descriptors a moment before its parent can wait for it: that is slept over. */
	if ((*options & WEXITED) && pidfd_over(f))
		*options &= ~WNOHANG;
	else if (!(*options & WNOHANG) && (f->flags & O_NONBLOCK))
		*options |= WNOHANG | AGAIN_IF_NONE;
	return 0;
}

long sys_waitid(int which, s32 id, void *info, int options, void *rusage)
{
	struct siginfo si = { 0 };
	struct wait_result r;
	int err;

	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch (which) {
	case P_ALL:
		break;
	case P_PID:
		if (id <= 0)
			return -EINVAL;
		break;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		break;
	case P_PIDFD:
		if (id < 0)
			return -EINVAL;
		err = by_pidfd(&id, &options);
		if (err)
			return err;
		which = P_PID;
		break;
	default:
		return -EINVAL;
	}
	err = task_wait(which, id, options & ~AGAIN_IF_NONE, &r);
	if (err)
		return err;
	if (!r.pid && (options & AGAIN_IF_NONE))
		return -EAGAIN;
	if (r.pid) {
		si.si_signo = SIGCHLD;
		si.si_code = r.code;
		si.si_pid = r.pid;
		si.si_uid = r.uid;
		si.si_status = r.status;
		if (rusage && user_write(rusage, &r.ru, sizeof(r.ru)))
			return -EFAULT;
	}
	return info ? user_write(info, &si, sizeof(si)) : 0;
}
