/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The request port: what any picoprocess may ask of the monitor.
 *
 * Requests come over one socket that all picoprocesses share; each brings the descriptor to answer
 * to. A request is read, checked against the table, answered at once or by a child, and every
 * descriptor that came with it closed. Who sent it is not known and does not matter: the sandbox is
 * one trust domain.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define ANY (BOX_BOOTING | BOX_RUNNING | BOX_STOPPING)

static const struct {
	uint32_t type;
	unsigned states;
	size_t least, most;
	unsigned nfds, nfds_most; /* besides the reply end */
	void (*answer)(struct monitor *m, struct request *r);
} table[] = {
	{ MON_PTY, ANY, sizeof(struct mon_pty), sizeof(struct mon_pty) + MON_PTY_TEXT_MAX, 0, 0, answer_pty },
	{ MON_SETATTR, ANY, sizeof(struct mon_setattr), MON_MSG_MAX, 1, 1, answer_setattr },
	{ MON_IMAGE, ANY, 0, 0, 1, 1, answer_image },
	{ MON_OPEN, ANY, 0, 0, 1, 1, answer_open },
	{ MON_NET, ANY, sizeof(struct mon_net), sizeof(struct mon_net), 0, 0, answer_net },
	{ MON_KICK, ANY, sizeof(struct mon_kick), sizeof(struct mon_kick), 0, 0, answer_kick },
	{ MON_QUOTA, ANY, 0, 0, 0, 0, answer_quota },
	{ MON_DIAL, ANY, sizeof(struct mon_dial), sizeof(struct mon_dial), 0, 0, answer_dial },
	{ MON_DEVICE, ANY, sizeof(struct mon_device), sizeof(struct mon_device), 0, 0, answer_device },
	{ MON_HIDDEN, ANY, 2, PATH_MAX, 0, 0, answer_hidden },
	{ MON_SPLIT, ANY, 0, 0, 2, 1 + MON_SPLIT_PLACES, answer_split },
};

void port_reply(const struct request *r)
{
	struct mon_msg head = { .type = MON_REPLY, .id = r->id };
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov[3] = { { &head, sizeof(head) },
				{ (void *)&r->reply.head, sizeof(r->reply.head) },
				{ (void *)r->reply.more,
				  r->reply.nmore * sizeof(r->reply.more[0]) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	head.len = (uint32_t)(iov[1].iov_len + iov[2].iov_len);
	if (r->reply.nfds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(r->reply.nfds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(r->reply.nfds * sizeof(int));
		memcpy(CMSG_DATA(h), r->reply.fds, r->reply.nfds * sizeof(int));
	}
	/* The asker may have died, or given us something that is no socket: its loss. */
	if (sendmsg(r->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("an answer was not taken: %s", strerror(errno));
}

static void handle(struct monitor *m, const char *buf, size_t size, int *fds, unsigned nfds)
{
	struct request r = { 0 };
	struct mon_msg msg;

	if (size < sizeof(msg)) {
		monitor_violation(m, "a request without a header");
		return;
	}
	memcpy(&msg, buf, sizeof(msg));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type != msg.type)
			continue;
		if (!(table[i].states & m->state) || msg.len != size - sizeof(msg) ||
		    msg.len < table[i].least || msg.len > table[i].most ||
		    nfds < table[i].nfds + 1 || nfds > table[i].nfds_most + 1) {
			monitor_violation(m, "a request of a wrong shape");
			return;
		}
		r.sock = fds[0];
		r.id = msg.id;
		r.data = buf + sizeof(msg);
		r.size = msg.len;
		r.fds = fds + 1;
		r.nfds = nfds - 1;
		table[i].answer(m, &r);
		if (!r.later)
			port_reply(&r);
		for (unsigned k = 0; k < r.reply.nfds; k++)
			close(r.reply.fds[k]);
		return;
	}
	monitor_violation(m, "a request of unknown type");
}

static unsigned take_fds(struct msghdr *msg, int *fds)
{
	unsigned n = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && n < MON_FDS_MAX; i++)
			memcpy(&fds[n++], CMSG_DATA(h) + i * sizeof(int), sizeof(int));
	}
	return n;
}

/* Nothing was read: the end of all picoprocesses, or an empty message? */
static bool hung_up(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

int port_receive(int sock, char *buf, size_t *size, int *fds, unsigned *nfds)
{
	union {
		char buf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, *size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*nfds = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0)
		return -EPIPE;
	*nfds = take_fds(&msg, fds); /* an empty message may bring some, too */
	*size = (size_t)n;
	if (n == 0 && hung_up(sock))
		return -EPIPE;
	return msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : 0;
}

static void on_readable(evutil_socket_t sock, short what, void *arg)
{
	static char buf[MON_MSG_MAX];
	struct monitor *m = arg;
	int fds[MON_FDS_MAX] = { -1 };
	size_t size = sizeof(buf);
	unsigned nfds;
	int err = port_receive(sock, buf, &size, fds, &nfds);

	(void)what;
	if (err == -EPIPE)
		event_del(m->port_ev);
	else if (err == -EMSGSIZE)
		monitor_violation(m, "a request that is too long");
	else if (!err)
		handle(m, buf, size, fds, nfds);
	for (unsigned i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int port_start(struct monitor *m)
{
	m->port_ev = event_new(m->base, m->port, EV_READ | EV_PERSIST, on_readable, m);
	return m->port_ev && !event_add(m->port_ev, NULL) ? 0 : -ENOMEM;
}

void port_close(struct monitor *m)
{
	if (m->port < 0)
		return;
	if (m->port_ev)
		event_free(m->port_ev);
	close(m->port);
	m->port = -1;
	split_port_close_all(m);
}
