/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Requests to the monitor (pal/monitor.h). All picoprocesses share the port, so each request brings
 * a socket of its own for the answer: no lock, no dispatcher, and an answer can't reach the wrong
 * thread.
 */
#include "pal/impl.h"
#include "pal/grant.h"
#include "pal/monitor.h"

#define PARTS_MAX 2

union control {
	char bytes[CMSG_SPACE((MON_FDS_MAX + 1) * sizeof(int))];
	struct cmsghdr align;
};

static int request_send(struct iovec *iov, int n, int reply_end, const int *fds, int nfds)
{
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n, .msg_control = &control };
	int *list = CMSG_DATA(&control.align);
	long sent;

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN((nfds + 1) * sizeof(int));
	msg.msg_controllen = CMSG_SPACE((nfds + 1) * sizeof(int));
	list[0] = reply_end;
	for (int i = 0; i < nfds; i++)
		list[i + 1] = fds[i];
	do {
		sent = HOST(3, sendmsg, GRANT_FD_PORT, &msg, MSG_NOSIGNAL);
	} while (sent == -EINTR);
	return sent < 0 ? sent : 0;
}

/*
 * Hand at most max of the descriptors received to the caller and close the others. Returns how
 * many.
 */
static int fds_take(const struct msghdr *msg, int *fds, int max)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int *list, count, n = 0;

	if (!c || !CMSG_OK(msg, c) || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	list = CMSG_DATA(c);
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (int i = 0; i < count; i++) {
		if (n < max)
			fds[n++] = list[i];
		else
			pal_close(list[i]);
	}
	return n;
}

static long reply_check(const struct mon_msg *head, const struct mon_reply *status, unsigned flags,
			long n)
{
	if (n == 0)
		return -EIO; /* the monitor is gone, or dropped the request */
	n -= sizeof(*head);
	if (n < (long)sizeof(*status) || flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    head->type != MON_REPLY || head->len != n)
		return -EPROTO;
	if (status->error)
		return status->error > 0 && status->error < 4096 ? -status->error : -EPROTO;
	return n;
}

static long reply_receive(int end, void *reply, size_t size, int *fds, int *nfds)
{
	struct mon_msg head = { 0 };
	struct mon_reply status = { 0 };
	struct iovec iov[3] = { { &head, sizeof(head) }, { &status, sizeof(status) } };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int taken;
	long n;

	if (size > sizeof(status)) {
		iov[2] = (struct iovec){ (char *)reply + sizeof(status), size - sizeof(status) };
		msg.msg_iovlen = 3;
	}
	do {
		n = HOST(3, recvmsg, end, &msg, MSG_CMSG_CLOEXEC);
	} while (n == -EINTR);
	if (n < 0)
		return n;
	n = reply_check(&head, &status, msg.msg_flags, n);
	taken = fds_take(&msg, fds, n >= 0 && nfds ? *nfds : 0);
	if (nfds)
		*nfds = taken;
	if (n >= 0 && size)
		memcpy(reply, &status, MIN(size, sizeof(status)));
	return n;
}

int pal_request(u32 type, const struct iovec *parts, int n, const int *fds, int nfds, void *reply,
		size_t reply_size, int *reply_fds, int *nreply_fds)
{
	struct mon_msg head = { .type = type };
	struct iovec iov[1 + PARTS_MAX] = { { &head, sizeof(head) } };
	size_t size = 0;
	int ends[2];
	long err;

	for (int i = 0; i < n; i++) {
		iov[1 + i] = parts[i];
		size += parts[i].iov_len;
	}
	if (nfds < 0 || nfds >= MON_FDS_MAX || size > MON_MSG_MAX - sizeof(struct mon_msg))
		return -E2BIG;
	head.len = (u32)size;
	err = pal_socketpair(SOCK_SEQPACKET, ends);
	if (err < 0)
		return err;
	err = request_send(iov, n + 1, ends[1], fds, nfds);
	pal_close(ends[1]);
	if (!err)
		err = reply_receive(ends[0], reply, reply_size, reply_fds, nreply_fds);
	pal_close(ends[0]);
	if (err < 0 && nreply_fds)
		*nreply_fds = 0;
	return err;
}

int pal_monitor(u32 type, const void *req, size_t req_size, const int *fds, int nfds, void *reply,
		size_t reply_size, int *reply_fds, int *nreply_fds)
{
	struct iovec part = { (void *)req, req_size };

	return pal_request(type, &part, 1, fds, nfds, reply, reply_size, reply_fds, nreply_fds);
}
