/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The control stream: whole messages from the monitor with their descriptors, and the leader's answers and events. */
#include "libos/coord/leader.h"
#include "pal/grant.h"

union control {
	struct cmsghdr hdr;
	u8 bytes[CMSG_SPACE(MON_FDS_MAX * sizeof(int))];
};

/* In the image's island (pal/picoprocess.lds): what every process inherits is to need no page tables of its own. */
void *control_buffer(void)
{
	static u8 in[MON_MSG_MAX] __attribute__((section(".bss.island"), aligned(PAGE_SIZE)));

	return in;
}

static void take_fds(struct msghdr *msg, struct order *o)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		unsigned n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < n && o->nfds < MON_FDS_MAX; i++)
			memcpy(&o->fds[o->nfds++], (int *)CMSG_DATA(c) + i, sizeof(int));
	}
}

int control_receive(void *buffer, struct order *o)
{
	union control ctl;
	struct iovec iov = { .iov_base = buffer, .iov_len = MON_MSG_MAX };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };
	ssize_t n = pal_recvmsg(GRANT_FD_CONTROL, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	memset(o, 0, sizeof(*o));
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return -EPIPE;
	take_fds(&msg, o);
	if (n >= (ssize_t)sizeof(o->head))
		memcpy(&o->head, buffer, sizeof(o->head));
	o->payload = (u8 *)buffer + sizeof(o->head);
	if (n < (ssize_t)sizeof(o->head) || o->head.len != (size_t)n - sizeof(o->head) || (msg.msg_flags & MSG_TRUNC)) {
		order_close(o);
		return -EBADMSG;
	}
	return 1;
}

void order_close(struct order *o)
{
	for (unsigned i = 0; i < o->nfds; i++)
		if (o->fds[i] >= 0)
			pal_close(o->fds[i]);
	o->nfds = 0;
}

void control_send(u32 type, u64 id, const void *data, size_t size, const void *more, size_t more_size)
{
	struct mon_msg head = { .type = type, .len = (u32)(size + more_size), .id = id };
	struct iovec iov[] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)data, .iov_len = size },
		{ .iov_base = (void *)more, .iov_len = more_size },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };
	struct thread *t = current();

	/* A full stream is waited for: the monitor is trusted to read. A kick only asks to be noted. */
	while (pal_sendmsg(GRANT_FD_CONTROL, &msg, MSG_NOSIGNAL) == -EINTR) {
		atomic_store(&t->tcb.pending, 0);
		(void)signal_drain(t);
	}
}
