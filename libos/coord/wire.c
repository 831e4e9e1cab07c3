/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sending and receiving one coordination message with at most one descriptor. What arrives is checked here against
 * msgs.def, version, length, number of descriptors, so that handlers see only well-formed messages; bytes come from
 * other instances, which may be hostile to this one's bugs even if they share its trust domain.
 */
#include "pal/pal.h"
#include "pal/grant.h"
#include "libos/coord/trace.h"
#include "libos/coord/wire.h"
#include "libos/net/net.h"
#include "libos/task/task.h"

enum direction {
	INSTANCE_TO_LEADER,
	ANY_TO_LEADER,
	ANY_TO_OWNER,
	LEADER_TO_OWNER,
	OWNER_TO_ASKER,
	LEADER_TO_ASKER,
};

static const struct {
	u32 payload;
	u8 fds, direction;
	bool known;
} rules[] = {
#define MSG(nr, name, direction, payload, fds) [nr] = { payload, fds, direction, true },
#include "libos/coord/msgs.def"
#undef MSG
};

union control {
	struct cmsghdr hdr;
	u8 bytes[64];
};

#define CMSG_DATA_OF(c) ((u8 *)(c) + ALIGN_UP(sizeof(struct cmsghdr), 8))
#define CMSG_LEN_OF(n) (ALIGN_UP(sizeof(struct cmsghdr), 8) + (n))

bool wire_valid(const struct coord_msg *m, size_t size, int fds)
{
	if (size < sizeof(*m) || m->version != COORD_VERSION || m->type >= ARRAY_SIZE(rules) || !rules[m->type].known)
		return false;
	return m->len == size - sizeof(*m) && m->len >= rules[m->type].payload && fds == rules[m->type].fds;
}

/* These never block, so they need no cancelling: a kick in the meantime is put off until after them. */
static ssize_t uncancelled(ssize_t (*send)(int, const struct msghdr *, int),
			   ssize_t (*receive)(int, struct msghdr *, int), int fd, struct msghdr *msg, int flags)
{
	struct pal_tcb *t = pal_tcb();
	u32 kicked = 0;
	ssize_t r;

	while ((r = send ? send(fd, msg, flags) : receive(fd, msg, flags)) == -EINTR)
		kicked |= atomic_xchg(&t->pending, 0);
	if (kicked)
		atomic_store(&t->pending, 1);
	return r;
}

ssize_t wire_plain(int fd, void *buf, size_t size, bool send)
{
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return uncancelled(send ? pal_sendmsg : NULL, pal_recvmsg, fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int wire_poll(struct pollfd *p, const struct timespec *limit)
{
	struct pal_tcb *t = pal_tcb();
	u32 kicked = 0;
	int r;

	while ((r = pal_ppoll(p, p ? 1 : 0, limit)) == -EINTR)
		kicked |= atomic_xchg(&t->pending, 0);
	if (kicked)
		atomic_store(&t->pending, 1);
	return r;
}

int wire_pair(int ends[2])
{
	int r = pal_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, ends);

	if (r)
		return r;
	for (int i = 0; !r && i < 2; i++) {
		int high = ends[i] < pal_fd_free() ? pal_dup(ends[i], pal_fd_free()) : ends[i];

		if (high < 0)
			r = high;
		else if (high != ends[i])
			pal_close(ends[i]);
		if (high >= 0)
			ends[i] = high;
	}
	if (r) {
		pal_close(ends[0]);
		pal_close(ends[1]);
	}
	return r;
}

/* The asker is known to itself only. */
static bool is_answer(const struct coord_msg *m)
{
	return rules[m->type].direction >= OWNER_TO_ASKER;
}

static struct area_event event(const struct coord_msg *m, s32 from, s32 to, bool fd)
{
	return (struct area_event){
		.kind = TRACE_MESSAGE, .type = m->type, .from = from, .to = to, .size = m->len, .fds = fd
	};
}

static void trace_answer(const struct coord_msg *m, bool fd)
{
	s32 from = rules[m->type].direction == OWNER_TO_ASKER ? m->pid : 1;

	if (is_answer(m))
		trace_end(trace_begin(), 0, event(m, from, this_process()->pid, fd));
}

int wire_send(int to, const struct coord_msg *m, const void *payload, const void *more, size_t more_size, int fd)
{
	struct iovec iov[3] = {
		{ (void *)m, sizeof(*m) },
		{ (void *)payload, m->len - more_size },
		{ (void *)more, more_size },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	union control ctl = { 0 };
	u64 number = is_answer(m) ? 0 : trace_begin();
	ssize_t r;

	if (fd >= 0) {
		ctl.hdr.cmsg_len = CMSG_LEN_OF(sizeof(int));
		ctl.hdr.cmsg_level = SOL_SOCKET;
		ctl.hdr.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA_OF(&ctl.hdr), &fd, sizeof(int));
		msg.msg_control = &ctl;
		msg.msg_controllen = ALIGN_UP(CMSG_LEN_OF(sizeof(int)), 8);
	}
	r = uncancelled(pal_sendmsg, NULL, to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	trace_end(number, r, event(m, this_process()->pid, to == GRANT_FD_LEADER ? 1 : m->pid, fd >= 0));
	return r < 0 ? r : 0;
}

/* Descriptors that came along: the first is kept, the rest closed; their number. */
static int take_fds(const struct msghdr *msg, int *fd)
{
	const struct cmsghdr *c = msg->msg_control;
	size_t n;

	if (msg->msg_controllen < sizeof(*c) || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (c->cmsg_len - CMSG_LEN_OF(0)) / sizeof(int);
	for (size_t i = 0; i < n; i++) {
		int one;

		memcpy(&one, CMSG_DATA_OF(c) + i * sizeof(int), sizeof(int));
		if (!i)
			*fd = one;
		else
			pal_close(one);
	}
	return n;
}

ssize_t wire_receive(int from, void *buf, size_t size, int *fd)
{
	struct iovec iov = { buf, size };
	union control ctl = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };
	ssize_t n;
	int fds;

	*fd = -1;
	n = uncancelled(NULL, pal_recvmsg, from, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return n;
	fds = take_fds(&msg, fd);
	/* The end has no descriptors; an empty message may. */
	if (!n && !fds)
		return -EPIPE;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !wire_valid(buf, n, fds)) {
		if (*fd >= 0)
			pal_close(*fd);
		*fd = -1;
		return -EBADMSG;
	}
	trace_answer(buf, *fd >= 0);
	return n;
}
