// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Datagrams of the sandbox's own network: whole messages through the receiver's far end, each with its sender's address
 * before it. The leader lends far ends; each socket keeps those it used last.
 *
 * UDP never waits for a receiver: what finds no room is lost, as on a wire. What is sent to nobody is lost too, but a
 * connected socket hears of it at its next call, as by ICMP. Unix datagrams wait, and say at once that nobody is there.
 */
#include "libos/net/net.h"
#include "libos/coord/area.h"
#include "libos/task/task.h"

#define IOV_INLINE 16
#define UDP_MAX 65507

static bool is_udp(const struct file *f)
{
	return to_sock(f)->domain != AF_UNIX;
}

/* ---- doors ---- */

void net_doors_close(struct net *n)
{
	for (int i = 0; i < NET_DOORS; i++) {
		if (n->door[i].fd >= 0)
			pal_close(n->door[i].fd);
		n->door[i].fd = -1;
	}
}

/* Does the door still lead to who would be found now? */
static bool door_fits(const struct net_door *d, const struct net_addr *from)
{
	const struct net_record *r = &the_area->net[d->index % NET_RECORDS];

	if (atomic_load(&r->cookie) != d->cookie)
		return false;
	return !(atomic_load(&r->flags) & NET_CONNECTED) || net_same(&r->remote, from);
}

static void door_drop(struct file *f, const struct net_addr *to)
{
	struct net *n = to_net(f);

	lock(&f->lock);
	for (int i = 0; i < NET_DOORS; i++)
		if (n->door[i].fd >= 0 && net_same(&n->door[i].to, to)) {
			pal_close(n->door[i].fd);
			n->door[i].fd = -1;
		}
	unlock(&f->lock);
}

/* A door that is known, or a new one; the descriptor stays the socket's. Caller holds f->lock. */
static int door_get(struct file *f, const struct net_addr *to, const struct net_addr *from)
{
	struct net_ask q = { .op = NET_DOOR, .addr = *to };
	struct net *n = to_net(f);
	struct net_answer a;
	struct net_door *d;
	int fd = -1, r;

	for (int i = 0; i < NET_DOORS; i++) {
		d = &n->door[i];
		if (d->fd >= 0 && net_same(&d->to, to) && door_fits(d, from))
			return d->fd;
	}
	r = net_ask(f, &q, &a, &fd);
	if (r < 0 || fd < 0)
		return r < 0 ? r : -EIO;
	d = &n->door[n->next_door++ % NET_DOORS];
	if (d->fd >= 0)
		pal_close(d->fd);
	*d = (struct net_door){ .fd = fd, .index = a.index, .cookie = a.cookie, .to = *to };
	return fd;
}

/* ---- connect ---- */

static int reachable(const struct file *f, const struct net_addr *to)
{
	if (to->family == AF_UNIX)
		return to->len ? 0 : -EINVAL;
	if (to_sock(f)->domain == AF_INET6 && net_is_v4(to) && net_reuse(f) & NET_V6ONLY)
		return -ENETUNREACH;
	return net_is_local(to) ? 0 : -ENETUNREACH;
}

int net_gram_connect(struct file *f, const struct net_addr *to)
{
	int r = to->family ? reachable(f, to) : 0;

	return r < 0 ? r : net_ask_op(f, NET_CONNECT, to);
}

/* ---- sending ---- */

struct outgoing {
	struct net_gram head;
	struct net_addr to;
	bool connected; /* to is the socket's peer */
};

/* To whom and from whom. */
static int address(struct file *f, const struct msghdr *m, struct outgoing *o)
{
	struct net_record *r = net_record(f);
	struct net_addr any = { .family = AF_INET6 };
	int err;

	if (!r)
		return -ENOTCONN;
	if (m->msg_name && m->msg_namelen) {
		err = net_addr_read(f, m->msg_name, (unsigned)m->msg_namelen, &o->to);
		if (!err && !o->to.family)
			err = -EAFNOSUPPORT;
		if (!err && o->to.family == AF_INET6 && !o->to.port)
			err = -EINVAL;
		if (!err)
			err = reachable(f, &o->to);
		if (err < 0)
			return err;
		net_concrete(&o->to);
	} else {
		if (!(atomic_load(&r->flags) & NET_CONNECTED))
			return is_udp(f) ? -EDESTADDRREQ : -ENOTCONN;
		o->to = r->remote;
		o->connected = true;
	}
	if (is_udp(f) && !r->local.family) {
		if (to_sock(f)->domain == AF_INET)
			any.ip[10] = any.ip[11] = 0xff;
		err = net_ask_op(f, NET_BIND, &any);
		r = net_record(f); /* another one, if that introduced it */
		if (err < 0 && (!r || !r->local.family))
			return err;
	}
	o->head.from = net_source(&r->local, &o->to);
	return 0;
}

static ssize_t total(const struct msghdr *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += m->msg_iov[i].iov_len;
	return (ssize_t)n;
}

/* Nobody is there. */
static ssize_t lost(struct file *f, const struct outgoing *o, ssize_t n)
{
	struct net_record *r = net_record(f);

	if (!is_udp(f))
		return -ECONNREFUSED;
	if (o->connected && r)
		atomic_store(&r->error, ECONNREFUSED);
	return n;
}

static ssize_t send_through(struct file *f, struct msghdr *host, struct outgoing *o, int flags)
{
	ssize_t n = -EPIPE;

	/* A door whose receiver has gone since is asked for once more. */
	for (int again = 0; n == -EPIPE && again < 2; again++) {
		int fd, copy = -1;

		lock(&f->lock);
		fd = door_get(f, &o->to, &o->head.from);
		n = fd < 0 ? fd : at_once(pal_sendmsg(fd, host, flags | MSG_DONTWAIT));
		/* Where it has to wait, the door must not be closed under it by another thread. */
		if (fd >= 0 && n == -EAGAIN && !(flags & MSG_DONTWAIT))
			copy = host_fd_move(pal_dup(fd, 0));
		unlock(&f->lock);
		if (fd < 0)
			return fd;
		if (copy >= 0) {
			n = pal_sendmsg(copy, host, flags);
			pal_close(copy);
		}
		if (n == -EPIPE)
			door_drop(f, &o->to);
	}
	return n == -EPIPE ? -ECONNREFUSED : n;
}

ssize_t net_gram_send(struct file *f, const struct msghdr *m, int flags)
{
	struct iovec few[IOV_INLINE + 1], *iov = few;
	struct msghdr host = *m;
	struct outgoing o = { 0 };
	ssize_t n = net_take_error(f), size = total(m);

	if (n < 0)
		return n;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (is_udp(f) && size > UDP_MAX)
		return -EMSGSIZE;
	n = address(f, m, &o);
	if (n < 0)
		return n;
	if (net_state(f) & NET_SHUT_WRITE)
		return -EPIPE;
	n = net_introduce(f); /* door_get can't: it asks with the file's lock held */
	if (n < 0)
		return n;
	if (m->msg_iovlen > IOV_INLINE)
		iov = base_alloc((m->msg_iovlen + 1) * sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	iov[0] = (struct iovec){ &o.head, sizeof(o.head) };
	memcpy(iov + 1, m->msg_iov, m->msg_iovlen * sizeof(*iov));
	host.msg_iov = iov;
	host.msg_iovlen++;
	host.msg_name = NULL;
	host.msg_namelen = 0;
	if (is_udp(f)) {
		host.msg_control = NULL;
		host.msg_controllen = 0;
	}
	if (is_udp(f) || f->flags & O_NONBLOCK)
		flags |= MSG_DONTWAIT;
	n = send_through(f, &host, &o, (flags & ~MSG_EOR) | MSG_NOSIGNAL);
	if (iov != few)
		base_free(iov);
	if (n == -ECONNREFUSED)
		return lost(f, &o, size);
	if (n == -EAGAIN && is_udp(f))
		return size;
	return n < 0 ? n : n - (ssize_t)sizeof(o.head);
}

/* ---- receiving ---- */

ssize_t net_gram_receive(struct file *f, struct msghdr *m, int flags)
{
	struct iovec few[IOV_INLINE + 1], *iov = few;
	struct msghdr host = *m;
	struct net_gram head;
	ssize_t n = net_take_error(f);
	unsigned len = 0;

	if (n < 0)
		return n;
	if (flags & (MSG_OOB | MSG_ERRQUEUE))
		return flags & MSG_OOB ? -EOPNOTSUPP : -EAGAIN;
	if (m->msg_iovlen > IOV_INLINE)
		iov = base_alloc((m->msg_iovlen + 1) * sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	iov[0] = (struct iovec){ &head, sizeof(head) };
	memcpy(iov + 1, m->msg_iov, m->msg_iovlen * sizeof(*iov));
	host.msg_iov = iov;
	host.msg_iovlen++;
	host.msg_name = NULL;
	host.msg_namelen = 0;
	n = pal_recvmsg(f->host_fd, &host, flags);
	if (iov != few)
		base_free(iov);
	m->msg_controllen = host.msg_controllen;
	m->msg_flags = host.msg_flags & ~(unsigned)MSG_EOR;
	m->msg_namelen = 0;
	if (n < (ssize_t)sizeof(head))
		return n < 0 ? n : 0; /* shut down */
	if (m->msg_name && (head.from.family || is_udp(f))) {
		net_addr_write(to_sock(f)->domain, &head.from, m->msg_name, &len);
		m->msg_namelen = (int)len;
	}
	return n - (ssize_t)sizeof(head);
}

int net_gram_waiting(struct file *f)
{
	struct net_gram head;
	ssize_t n = at_once(pal_recvfrom(f->host_fd, &head, sizeof(head), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, NULL,
					 NULL));

	return n < (ssize_t)sizeof(head) ? 0 : (int)(n - (ssize_t)sizeof(head));
}
