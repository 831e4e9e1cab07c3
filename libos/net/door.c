// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The leader brings sockets together: a stream's far end goes through its listener's; the far end
 * of a receiver of datagrams is lent to who sends.
 *
 * How many connections wait at a listener only the host knows (accepting processes may die at any
 * instruction): what the far end has sent and nobody has received yet is counted in units of one
 * connection, the first of which is measured.
 */
#include "libos/net/leader.h"
#include "libos/vfs/file.h"

#define TCP_WAITING_MAX 4096 /* net.core.somaxconn */

static bool full(struct net_entry *l)
{
	struct net_record *r = net_record_of(l);
	u32 most = r->domain == AF_UNIX ? r->backlog : TCP_WAITING_MAX;
	int used = 0;

	if (at_once(pal_ioctl(l->far, TIOCOUTQ, (uintptr_t)&used)) < 0 || used <= 0 || !l->unit)
		return false;
	return (u32)used / l->unit > most;
}

static int hand_over(struct net_entry *l, const struct net_arrival *a, int fd)
{
	struct iovec iov = { (void *)a, sizeof(*a) };
	union {
		struct cmsghdr hdr;
		u8 bytes[CMSG_SPACE(sizeof(int))];
	} ctl = { .hdr = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
	};
	int before = 0, after = 0;
	long n;

	memcpy(CMSG_DATA(&ctl.hdr), &fd, sizeof(fd));
	if (!l->unit)
		(void)at_once(pal_ioctl(l->far, TIOCOUTQ, (uintptr_t)&before));
	n = at_once(pal_sendmsg(l->far, &m, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (n < 0)
		return n == -EPIPE ? -ECONNREFUSED : (int)n;
	/* Only from an empty queue can one be measured: acceptors empty it meanwhile. */
	if (!l->unit && before <= 0 && at_once(pal_ioctl(l->far, TIOCOUTQ, (uintptr_t)&after)) == 0 && after > 0)
		l->unit = (unsigned)after;
	return 0;
}

/* The record of the side that will be accepted, and what its process is told. */
static int arrive(struct net_entry *l, int far, const struct net_addr *local, const struct net_addr *remote,
		  const u32 peer[3])
{
	struct net_record *lr = net_record_of(l), *s;
	struct net_arrival a = { .local = *local, .remote = *remote };
	int index = net_record_take(far, lr), r;

	if (index < 0)
		return index;
	s = &the_area->net[index];
	s->local = *local;
	s->remote = *remote;
	memcpy(s->peer, peer, sizeof(s->peer));
	atomic_store(&s->flags, NET_CONNECTED);
	a.index = (u32)index;
	a.cookie = s->cookie;
	r = hand_over(l, &a, far);
	if (r < 0)
		net_record_give((u32)index);
	return r;
}

/* With its far end gone the socket is ready for everything, as one is whose connect failed. */
static int refuse(struct net_entry *e)
{
	struct net_record *r = net_record_of(e);

	atomic_store(&r->error, ECONNREFUSED);
	atomic_or(&r->flags, NET_REFUSED);
	net_entry_drop(e, true);
	return -ECONNREFUSED;
}

static int connect_stream(struct net_entry *e, const struct net_ask *q)
{
	struct net_record *r = net_record_of(e);
	struct net_addr to = q->addr, from;
	struct net_entry *l;
	int err;

	if (r->flags & NET_LISTENING)
		return r->domain == AF_UNIX ? -EINVAL : -EISCONN;
	net_concrete(&to);
	l = net_entry_at(r, &to, &to);
	if (l && full(l) && !q->value)
		return -EAGAIN;
	if (!l || full(l))
		return q->value ? refuse(e) : -ECONNREFUSED;
	from = net_source(&r->local, &to);
	if (r->domain != AF_UNIX && !from.family) {
		from = (struct net_addr){ .family = AF_INET6 };
		memcpy(from.ip, to.ip, 12);
		from = net_source(&from, &to);
		from.port = net_port_free(r);
	}
	err = arrive(l, e->far, to.family == AF_UNIX ? &net_record_of(l)->local : &to, &from, q->who);
	if (err)
		return err;
	memcpy(r->peer, net_record_of(l)->peer, sizeof(r->peer));
	net_entry_drop(e, true); /* while its name is the one that it is filed under */
	if (r->domain != AF_UNIX)
		r->local = from;
	r->remote = to;
	atomic_or(&r->flags, NET_CONNECTED);
	return 0;
}

/* ---- datagrams ---- */

static int gram_bound(struct net_entry *e, const struct net_ask *q)
{
	struct net_addr any = { .family = AF_INET6 };
	struct net_record *r = net_record_of(e);

	if (r->local.family || r->domain == AF_UNIX)
		return 0;
	e->auto_port = true;
	if (r->domain == AF_INET)
		any.ip[10] = any.ip[11] = 0xff;
	return net_bind_entry(e, &any, q->reuse, q->who[1]);
}

static void disconnect_gram(struct net_entry *e)
{
	struct net_record *r = net_record_of(e);

	atomic_and(&r->flags, ~(u32)NET_CONNECTED);
	memset(&r->remote, 0, sizeof(r->remote));
	if (e->auto_port) {
		net_unname(e);
		memset(&r->local, 0, sizeof(r->local));
	} else if (e->was_any) {
		memset(r->local.ip, 0, sizeof(r->local.ip));
		if (r->domain == AF_INET)
			r->local.ip[10] = r->local.ip[11] = 0xff;
	}
	e->auto_port = e->was_any = false;
}

static int connect_gram(struct net_entry *e, const struct net_ask *q)
{
	struct net_record *r = net_record_of(e);
	struct net_entry *to;
	int err;

	if (!q->addr.family) {
		disconnect_gram(e);
		return 0;
	}
	err = gram_bound(e, q);
	if (err)
		return err;
	if (r->domain == AF_UNIX) {
		to = net_door_find(e, &q->addr);
		if (IS_ERR(to) || !to)
			return to ? PTR_ERR(to) : -ECONNREFUSED;
	}
	r->remote = q->addr;
	net_concrete(&r->remote);
	/* It is filed by its port, which stays. */
	e->was_any |= r->domain != AF_UNIX && net_is_any(&r->local);
	r->local = net_source(&r->local, &r->remote);
	atomic_or(&r->flags, NET_CONNECTED);
	return 0;
}

struct net_entry *net_door_find(struct net_entry *e, const struct net_addr *to)
{
	struct net_record *r = net_record_of(e), *other;
	struct net_addr from = net_source(&r->local, to);
	struct net_entry *o = net_entry_at(r, to, &from);

	if (!o || r->domain != AF_UNIX)
		return o;
	/* unix_may_send: who is connected hears its peer only. */
	other = net_record_of(o);
	if (atomic_load(&other->flags) & NET_CONNECTED && !net_same(&other->remote, &r->local))
		return ERR_PTR(-EPERM);
	return o;
}

int net_connect_entry(struct net_entry *e, const struct net_ask *q)
{
	return net_record_of(e)->type == SOCK_DGRAM ? connect_gram(e, q) : connect_stream(e, q);
}

/* ---- from outside ---- */

int net_leader_publish(int fd, u16 port)
{
	struct net_record asker = { .domain = AF_INET, .type = SOCK_STREAM };
	struct net_addr to = { .family = AF_INET6, .port = port, .ip = { [10] = 0xff, [11] = 0xff } };
	u32 nobody[3] = { 0 };
	struct net_addr from = to;
	struct net_entry *l;
	int r = -ECONNREFUSED;

	net_concrete(&to);
	l = net_entry_at(&asker, &to, &to);
	if (!l) {
		memset(to.ip, 0, sizeof(to.ip) - 1);
		l = net_entry_at(&asker, &to, &to);
	}
	from = to;
	from.port = net_port_free(&asker);
	if (l)
		r = full(l) ? -EAGAIN : arrive(l, fd, &to, &from, nobody);
	pal_close(fd);
	return r;
}
