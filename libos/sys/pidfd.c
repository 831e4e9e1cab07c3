/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pidfd calls: fs/pidfd.c makes the descriptors, signal/send.c sends, the process itself hands out its files. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/fs/pidfd.h"
#include "libos/fs/proc.h"

#define PIDFD_THREAD O_EXCL
#define PIDFD_SELF_THREAD (-10000)
#define PIDFD_SELF_THREAD_GROUP (-10001)
#define PIDFD_SIGNAL_THREAD 1u
#define PIDFD_SIGNAL_THREAD_GROUP 2u
#define PIDFD_SIGNAL_PROCESS_GROUP 4u

long sys_pidfd_open(s32 pid, unsigned flags)
{
	struct area_slot *s = area_slot(pid);

	if ((flags & ~(unsigned)(O_NONBLOCK | PIDFD_THREAD)) || pid <= 0)
		return -EINVAL;
	if (!s || !area_named(s->state))
		return -ESRCH;
	/* A thread's end has no descriptor here; kernels before 6.9 say so too. */
	if (s->state == AREA_THREAD)
		return flags & PIDFD_THREAD ? -EINVAL : -ENOENT;
	return pidfd_install(pid, (int)flags & O_NONBLOCK);
}

/* The process that a pidfd argument means, or -errno. For signals: this process itself, and directories of /proc. */
static s32 target(int pidfd, bool signal)
{
	struct file *f;
	s32 pid;

	if (signal && (pidfd == PIDFD_SELF_THREAD || pidfd == PIDFD_SELF_THREAD_GROUP))
		return this_process()->pid;
	f = fdtab_get(pidfd);
	if (IS_ERR(f))
		return -EBADF;
	if (f->ops == &pidfd_file_ops)
		pid = pidfd_pid(f);
	else
		pid = signal ? proc_dir_pid(f) : -EBADF;
	file_put(f);
	return pid;
}

static long read_info(struct siginfo *info, const void *guest, int sig, s32 pid)
{
	if (user_read(info, guest, sizeof(*info)))
		return -EFAULT;
	if (info->si_signo != sig)
		return -EINVAL;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && pid != this_process()->pid)
		return -EPERM;
	return 0;
}

long sys_pidfd_send_signal(int pidfd, int sig, void *guest, unsigned flags)
{
	struct siginfo info = { .si_signo = sig, .si_code = flags == PIDFD_SIGNAL_THREAD ? SI_TKILL : SI_USER };
	struct process *p = this_process();
	long r;
	s32 pid;

	if (flags > PIDFD_SIGNAL_PROCESS_GROUP || (flags & (flags - 1)))
		return -EINVAL;
	pid = target(pidfd, true);
	if (pid < 0)
		return pid;
	if (sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	info.si_pid = p->pid;
	info.si_uid = p->cred.ruid;
	r = guest ? read_info(&info, guest, sig, pid) : 0;
	if (r)
		return r;
	if (flags == PIDFD_SIGNAL_PROCESS_GROUP)
		return signal_send_pgid(pid, &info, sig);
	if (flags == PIDFD_SIGNAL_THREAD || pidfd == PIDFD_SELF_THREAD)
		return signal_tgkill(pid, pidfd == PIDFD_SELF_THREAD ? current()->tid : pid, &info, sig);
	return signal_kill(pid, &info, sig);
}

long sys_pidfd_getfd(int pidfd, int fd, unsigned flags)
{
	struct area_slot *s;
	struct file *f;
	int host;
	s32 pid;

	if (flags)
		return -EINVAL;
	pid = target(pidfd, false);
	if (pid < 0)
		return pid;
	s = area_process(pid);
	if (!s || s->state == AREA_ZOMBIE)
		return -ESRCH;
	if (!task_may_trace(s))
		return -EPERM;
	if (pid == this_process()->pid) {
		f = fdtab_get_path(fd);
		return IS_ERR(f) ? PTR_ERR(f) : fdtab_add(f, 0, true);
	}
	host = coord_take_fd(pid, fd);
	if (host < 0)
		return host;
	f = file_from_host(host);
	return IS_ERR(f) ? PTR_ERR(f) : fdtab_add(f, 0, true);
}
