/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The dialer: sockets of a sandbox's own network (rung A) for its monitor, made by trusted hands.
 *
 * A socket belongs to the network in which it was made. So a child of the monitor enters the
 * sandbox's user and network namespaces, where it makes plain TCP sockets and passes them back; it
 * reads nothing from the sandbox and runs none of its code. The monitor connects them to ports
 * inside: what it then talks to is a TCP peer like any other, and no descriptor of the sandbox's
 * making comes out.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "pal/confine/impl.h"

#define ANSWER_S 2

int confine_open_ns(pid_t pid, const char *kind)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int confine_send_fd(int to, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = fd < 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	return sendmsg(to, &msg, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* A byte asks for a socket: '4' or '6'. The monitor's end closes when it ends. */
static int dialer(int sock, const int ns[2])
{
	char family;

	if (dup2(sock, 0) < 0 || dup2(ns[0], 1) < 0 || dup2(ns[1], 2) < 0 || close_range(3, ~0u, 0))
		return 126;
	prctl(PR_SET_NAME, "gsh-dialer");
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	if (setns(1, CLONE_NEWUSER) || setns(2, CLONE_NEWNET))
		return 126;
	close(1);
	close(2);
	while (recv(0, &family, 1, 0) == 1) {
		int fd = socket(family == '6' ? AF_INET6 : AF_INET,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		int err = confine_send_fd(0, fd);

		if (fd >= 0)
			close(fd);
		if (err)
			break;
	}
	return 0;
}

bool confine_leads(const struct confine_child *child)
{
	return child->leader > 0 && confine_parent_of(child->leader) == child->pid;
}

int confine_namespaces(const struct confine_child *child, int ns[2])
{
	ns[0] = confine_open_ns(child->leader, "user");
	ns[1] = confine_open_ns(child->leader, "net");
	if (ns[0] >= 0 && ns[1] >= 0 && confine_leads(child))
		return 0;
	return ns[0] < 0 ? ns[0] : ns[1] < 0 ? ns[1] : -ESRCH;
}

int confine_dialer(const struct confine_child *child)
{
	struct timeval limit = { .tv_sec = ANSWER_S };
	int ends[2] = { -1, -1 }, ns[2], err = confine_namespaces(child, ns);
	pid_t pid = -1;

	if (!err && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		err = -errno;
	if (!err)
		pid = fork();
	if (pid == 0)
		_exit(dialer(ends[1], ns));
	if (!err && pid < 0)
		err = -errno;
	for (int i = 0; i < 2; i++)
		if (ns[i] >= 0)
			close(ns[i]);
	if (ends[1] >= 0)
		close(ends[1]);
	if (err && ends[0] >= 0)
		close(ends[0]);
	if (!err)
		setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return err ? err : ends[0];
}

int confine_take_fd(int from)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	int fd = -EIO;

	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(h), sizeof(int));
	return fd;
}

int confine_dial(int dialer, int family)
{
	char byte = family == AF_INET6 ? '6' : '4';

	return send(dialer, &byte, 1, MSG_NOSIGNAL) == 1 ? confine_take_fd(dialer) : -EIO;
}
