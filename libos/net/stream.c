// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Streams of the sandbox's own network, and what all its sockets share: names, shutdown.
 *
 * A connect to a listener succeeds or fails at once, since the leader decides it; with O_NONBLOCK
 * the guest is told so in the two steps that TCP has: EINPROGRESS now, the outcome by poll,
 * SO_ERROR or another connect.
 */
#include "libos/net/net.h"
#include "libos/net/out.h"
#include "libos/coord/area.h"
#include "libos/sys/wait_end.h"
#include "pal/grant.h"

#define PORT_PRIVILEGED 1024
#define RETRY_FIRST_NS 500000
#define RETRY_MOST_NS 20000000

/* ---- bind and listen ---- */

int net_bind(struct file *f, const void *addr, unsigned len)
{
	struct net_addr a;
	int r = net_addr_read(f, addr, len, &a);

	if (r < 0)
		return r;
	if (!a.family)
		return to_sock(f)->domain == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
	if (a.family == AF_INET6) {
		if (net_is_v4(&a) && net_reuse(f) & NET_V6ONLY)
			return -EINVAL;
		if (!net_is_local(&a))
			return -EADDRNOTAVAIL;
		if (a.port && a.port < PORT_PRIVILEGED && !capable(this_process()))
			return -EACCES;
	}
	return net_ask_op(f, NET_BIND, &a);
}

int net_listen(struct file *f, int backlog)
{
	struct net_ask q = { .op = NET_LISTEN };
	struct net_answer a;

	if (net_is_gram(f))
		return -EOPNOTSUPP;
	q.value = backlog < 0 || backlog > 4096 ? 4096 : (u32)backlog;
	return net_ask(f, &q, &a, NULL);
}

/* ---- connect ---- */

static bool nonblocking(const struct file *f)
{
	return f->flags & O_NONBLOCK;
}

/* The listener's queue is full: a unix socket waits for room. */
static int connect_wait(s64 *ns)
{
	struct timespec ts = ns_timespec(*ns);

	*ns = MIN(*ns * 2, (s64)RETRY_MOST_NS);
	if (pal_nap(&ts) == -EINTR && wait_interrupted())
		return -EINTR;
	return 0;
}

static int ask_connect(struct file *f, const struct net_addr *to)
{
	struct net_ask q = { .op = NET_CONNECT, .addr = *to };
	s64 ns = RETRY_FIRST_NS;
	struct net_answer a;
	int r;

	q.value = nonblocking(f) && to->family != AF_UNIX;
	while ((r = net_ask(f, &q, &a, NULL)) == -EAGAIN) {
		if (nonblocking(f))
			return -EAGAIN;
		r = connect_wait(&ns);
		if (r < 0)
			return r;
	}
	if (!r || r == -EISCONN)
		net_settle(f);
	return r;
}

/* What is known before anybody is asked; 1: ask. */
static int connect_early(struct file *f, const struct net_addr *to)
{
	struct net_record *r = net_record(f);
	u32 flags = net_state(f);

	if (to_net(f)->ticket)
		return out_outcome(f);
	if (flags & NET_CONNECTED) {
		if (r && flags & NET_CONNECTING && atomic_and(&r->flags, ~(u32)NET_CONNECTING) & NET_CONNECTING)
			return 0;
		return -EISCONN;
	}
	if (flags & NET_REFUSED)
		return net_take_error(f) ?: -ECONNREFUSED;
	if (!to->family)
		return to_sock(f)->domain == AF_UNIX ? -EINVAL : 0;
	if (to_net(f)->failed)
		return out_again(to);
	if (to->family == AF_UNIX)
		return to->len ? 1 : -EINVAL;
	return net_is_local(to) && !(net_is_v4(to) && net_reuse(f) & NET_V6ONLY) ? 1 : -ENETUNREACH;
}

/* The second step: TCP with O_NONBLOCK. */
static int in_progress(struct file *f, int outcome)
{
	struct net_record *r = net_record(f);

	if (outcome && outcome != -ECONNREFUSED)
		return outcome;
	if (!outcome && r)
		atomic_or(&r->flags, NET_CONNECTING);
	return -EINPROGRESS;
}

int net_connect(struct file *f, const void *addr, unsigned len)
{
	struct net_addr to;
	int r = net_addr_read(f, addr, len, &to);

	if (r < 0)
		return r;
	if (net_is_gram(f))
		return net_gram_connect(f, &to);
	r = connect_early(f, &to);
	if (r <= 0)
		return r;
	r = ask_connect(f, &to);
	return nonblocking(f) && to.family != AF_UNIX ? in_progress(f, r) : r;
}

/* ---- accept ---- */

/* One arrival from the listener's queue; its descriptor. */
static int take_arrival(struct file *f, struct net_arrival *a)
{
	struct iovec iov = { a, sizeof(*a) };
	union {
		struct cmsghdr hdr;
		u8 bytes[64];
	} ctl;
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
	};
	ssize_t n = pal_recvmsg(f->host_fd, &m, MSG_CMSG_CLOEXEC);
	int fd = -EMFILE;

	if (n <= 0)
		return n < 0 ? (int)n : -EINVAL; /* shut down */
	/* With SO_PASSCRED the sender's credentials are here too. */
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c && CMSG_OK(&m, c); c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (fd >= 0 && n != sizeof(*a)) {
		pal_close(fd);
		return -ECONNABORTED;
	}
	return host_fd_move(fd);
}

static void inherit(struct file *f, int fd)
{
	int on = 0;
	unsigned len = sizeof(on);

	if (pal_getsockopt(f->host_fd, SOL_SOCKET, SO_PASSCRED, &on, &len) == 0 && on)
		(void)pal_setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

struct file *net_accept(struct file *f, void *addr, unsigned *len, int flags)
{
	struct net_arrival a;
	struct file *s;
	int fd;

	if (net_is_gram(f))
		return ERR_PTR(-EOPNOTSUPP);
	if (!(net_state(f) & NET_LISTENING))
		return ERR_PTR(-EINVAL);
	fd = take_arrival(f, &a);
	if (fd < 0)
		return ERR_PTR(fd);
	inherit(f, fd);
	if (flags & O_NONBLOCK)
		(void)at_once(pal_fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
	s = net_file_create(fd, a.index, a.cookie, flags & O_NONBLOCK);
	if (IS_ERR(s)) {
		pal_close(fd);
		return s;
	}
	a.remote.family = a.remote.family ?: AF_UNIX;
	net_addr_write(to_sock(f)->domain, &a.remote, addr, len);
	return s;
}

/* ---- names ---- */

int net_getsockname(struct file *f, void *addr, unsigned *len)
{
	struct net_record *r = net_record(f);

	net_addr_write(to_sock(f)->domain, r ? &r->local : &to_net(f)->local, addr, len);
	return 0;
}

int net_getpeername(struct file *f, void *addr, unsigned *len)
{
	struct net_record *r = net_record(f);

	if (!(net_state(f) & NET_CONNECTED))
		return -ENOTCONN;
	net_addr_write(to_sock(f)->domain, r ? &r->remote : &to_net(f)->remote, addr, len);
	return 0;
}

/* ---- shutdown ---- */

int net_shutdown(struct file *f, int how)
{
	struct net_record *r = net_record(f);
	u32 flags = net_state(f);

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (flags & NET_LISTENING)
		/* Not both directions: the far end would take that for the socket's end. */
		return how == SHUT_WR ? 0 : pal_shutdown(f->host_fd, SHUT_RD);
	if (!(flags & NET_CONNECTED))
		return to_sock(f)->domain == AF_UNIX ? 0 : -ENOTCONN;
	if (!net_is_gram(f))
		return pal_shutdown(f->host_fd, how);
	if (r && how != SHUT_RD)
		atomic_or(&r->flags, NET_SHUT_WRITE);
	return how == SHUT_WR ? 0 : pal_shutdown(f->host_fd, SHUT_RD);
}

/* ---- data ---- */

/* A stream that is not connected, as Linux's families say it. */
static ssize_t not_connected(const struct file *f, bool sending)
{
	const struct sock *s = to_sock(f);

	if (s->domain == AF_UNIX)
		return sending || s->type == SOCK_SEQPACKET ? -ENOTCONN : -EINVAL;
	return sending ? -EPIPE : -ENOTCONN;
}

ssize_t net_sendmsg(struct file *f, const struct msghdr *m, int flags)
{
	struct msghdr host = *m;
	int r;

	if (net_is_gram(f))
		return net_gram_send(f, m, flags);
	r = net_take_error(f);
	if (r < 0)
		return r;
	if (!(net_state(f) & NET_CONNECTED))
		return m->msg_name && to_sock(f)->type == SOCK_STREAM && to_sock(f)->domain == AF_UNIX
			       ? -EOPNOTSUPP
			       : not_connected(f, true);
	if (to_sock(f)->domain == AF_UNIX && to_sock(f)->type == SOCK_STREAM && m->msg_name)
		return -EISCONN;
	host.msg_name = NULL;
	host.msg_namelen = 0;
	if (to_sock(f)->domain != AF_UNIX) { /* descriptors do not travel by the internet */
		host.msg_control = NULL;
		host.msg_controllen = 0;
	}
	return pal_sendmsg(f->host_fd, &host, flags);
}

ssize_t net_recvmsg(struct file *f, struct msghdr *m, int flags)
{
	struct msghdr host = *m;
	unsigned len = 0;
	ssize_t n;

	if (net_is_gram(f))
		return net_gram_receive(f, m, flags);
	n = net_take_error(f);
	if (n < 0)
		return n;
	if (!(net_state(f) & NET_CONNECTED))
		return net_state(f) & NET_REFUSED ? 0 : not_connected(f, false);
	host.msg_name = NULL;
	host.msg_namelen = 0;
	n = pal_recvmsg(f->host_fd, &host, flags);
	if (n >= 0 && m->msg_name && to_sock(f)->domain == AF_UNIX)
		(void)net_getpeername(f, m->msg_name, &len);
	if (len <= sizeof(u16))
		len = 0;
	m->msg_namelen = (int)len;
	m->msg_controllen = host.msg_controllen;
	m->msg_flags = host.msg_flags;
	return n;
}
