/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Signals between picoprocesses, on a rung B whose kernel does not bound them: the sandbox asks, we send.
 *
 * Only to descendants of the sandbox's keeper. A pidfd is taken before that is looked at, so that the process cannot
 * have become another meanwhile; to a single thread a signal goes by numbers, which the kernel does not give out again
 * before all others within these microseconds.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "gshd/monitor/monitor.h"

#define FIELDS_AT 16 /* in siginfo_t, behind si_signo, si_errno and si_code */

static int send_to(int pidfd, const struct mon_kick *k)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = k->sig;
	info.si_code = SI_QUEUE;
	memcpy((char *)&info + FIELDS_AT, k->fields, sizeof(k->fields));
	if (!k->sig)
		return 0;
	if (k->tid ? syscall(SYS_rt_tgsigqueueinfo, k->pid, k->tid, k->sig, &info)
		   : syscall(SYS_pidfd_send_signal, pidfd, k->sig, &info, 0))
		return -errno;
	return 0;
}

void answer_kick(struct monitor *m, struct request *r)
{
	struct mon_kick k;
	int pidfd, err = -ESRCH;

	memcpy(&k, r->data, sizeof(k));
	r->reply.head.error = EPERM;
	if (!(m->grant_flags & GRANT_BROKER_SIGNAL))
		return;
	r->reply.head.error = EINVAL;
	if (k.pid <= 1 || k.tid < 0 || k.sig < 0 || k.sig > 64)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, k.pid, 0);
	if (pidfd >= 0) {
		if (confine_descends(k.pid, m->child.pid))
			err = send_to(pidfd, &k);
		close(pidfd);
	}
	r->reply.head.error = -err;
}
