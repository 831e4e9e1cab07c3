// SPDX-License-Identifier: LGPL-3.0-or-later
/* Peers outside the sandbox; see out.h. */
#include "libos/net/out.h"
#include "libos/ckpt/cursor.h"
#include "libos/coord/area.h"
#include "libos/fs/epoll.h"
#include "libos/sys/user.h"
#include "pal/base/heap.h"
#include "pal/grant.h"
#include "pal/monitor.h"

#define PORT_NAMES 53
#define NO_COOKIE (~0ull)

/* The address that we have to those outside: nobody's. */
static void own_address(const struct net_addr *remote, struct net_addr *local)
{
	static const u8 v4[4] = { 192, 0, 2, 1 }, v6[4] = { 0x20, 0x01, 0x0d, 0xb8 };

	*local = (struct net_addr){ .family = AF_INET6, .port = 49152 };
	if (net_is_v4(remote)) {
		memcpy(local->ip, remote->ip, 12);
		memcpy(local->ip + 12, v4, sizeof(v4));
	} else {
		memcpy(local->ip, v6, sizeof(v6));
		local->ip[15] = 1;
	}
}

static bool may_ask(const struct file *f)
{
	return pal_grant()->flags & GRANT_DIAL && to_sock(f)->domain != AF_UNIX && !the_area->split_on;
}

static int read_addr(const struct file *f, const void *addr, unsigned len, struct net_addr *to)
{
	int r = net_addr_read(f, addr, len, to);

	return r < 0 ? r : to->family == AF_INET6 && to->port ? 1 : 0;
}

/* Does the sandbox's own network lead there? Its loopback does, and with nat whatever is of IPv4. */
static bool own_way(const struct net_addr *to)
{
	return net_is_local(to) || (pal_grant()->flags & GRANT_NAT && net_is_v4(to));
}

bool out_first(const struct file *f, const void *addr, unsigned len)
{
	struct net_addr to;

	/* Streams ask servers of names as servers of anything. */
	return may_ask(f) && read_addr(f, addr, len, &to) > 0 && to.port == PORT_NAMES &&
	       (net_is_gram(f) || !own_way(&to));
}

/* The end of a pair at whose other end the monitor speaks to `to`. ticket: NULL: wait until it stands. */
static int dial(const struct file *f, const struct net_addr *to, bool quiet, u32 *ticket)
{
	struct mon_dial q = { .kind = net_is_gram(f) ? MON_DIAL_GRAM : MON_DIAL_STREAM,
			      .port = to->port,
			      .flags = (quiet ? MON_DIAL_QUIET : 0) | (ticket ? MON_DIAL_NOWAIT : 0) };
	struct mon_reply reply;
	int fd = -1, n = 1, r;

	memcpy(q.addr, to->ip, sizeof(q.addr));
	r = pal_monitor(MON_DIAL, &q, sizeof(q), NULL, 0, &reply, sizeof(reply), &fd, &n);
	if (r < 0)
		return r;
	if (ticket)
		*ticket = reply.value;
	return n == 1 ? host_fd_move(fd) : -ENETUNREACH;
}

static void keep_limit(int from, int to, int name)
{
	u64 limit[2];
	unsigned len = sizeof(limit);

	if (pal_getsockopt(from, SOL_SOCKET, name, limit, &len) == 0)
		(void)pal_setsockopt(to, SOL_SOCKET, name, limit, len);
}

/* The end takes the place of the guest's host socket, with what it was told about waiting. */
static int put_in_place(struct file *f, int fd)
{
	long flags = pal_fcntl(f->host_fd, F_GETFL, 0);
	int r;

	keep_limit(f->host_fd, fd, SO_RCVTIMEO_OLD);
	keep_limit(f->host_fd, fd, SO_SNDTIMEO_OLD);
	if (flags > 0 && flags & O_NONBLOCK)
		(void)at_once(pal_fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
	r = epoll_replace(f, fd);
	pal_close(fd);
	if (r >= 0)
		(void)pal_fcntl(f->host_fd, F_SETFD, FD_CLOEXEC);
	return r < 0 ? r : 0;
}

/* What the sandbox's own network knew of the socket is over. */
static void leave_net(struct net *n)
{
	net_doors_close(n);
	if (n->far >= 0)
		pal_close(n->far);
	n->far = -1;
}

static int become_stream(struct file *f, int fd, const struct net_addr *to, u32 ticket)
{
	struct net *n = to_net(f);
	int r;

	if (!n) {
		n = base_zalloc(sizeof(*n));
		if (!n) {
			pal_close(fd);
			return -ENOMEM;
		}
		n->far = -1;
		n->protocol = IPPROTO_TCP;
		for (int i = 0; i < NET_DOORS; i++)
			n->door[i].fd = -1;
	}
	lock(&f->lock);
	leave_net(n);
	r = put_in_place(f, fd);
	n->index = 0;
	n->cookie = NO_COOKIE;
	n->remote = *to;
	own_address(to, &n->local);
	n->settled = true;
	n->failed = false;
	n->ticket = ticket;
	to_sock(f)->net = n;
	f->ops = &net_stream_ops;
	unlock(&f->lock);
	return r;
}

static int become_gram(struct file *f, int fd)
{
	struct sock *s = to_sock(f);
	int r;

	lock(&f->lock);
	if (s->net) {
		leave_net(s->net);
		base_free(s->net->early);
		base_free(s->net);
		s->net = NULL;
	}
	f->ops = &sock_file_ops;
	r = put_in_place(f, fd);
	unlock(&f->lock);
	return r;
}

/* Have the pair that leads to the peer. Without asking: fails quietly if the policy does not have it. */
static int open_pair(struct file *f, bool quiet)
{
	struct out *o = to_out(f);
	int fd, r;

	if (o->dialed)
		return 0;
	fd = dial(f, &o->remote, quiet, NULL);
	if (fd < 0)
		return fd;
	r = become_gram(f, fd);
	o->dialed = !r;
	return r;
}

static int note_peer(struct file *f, const struct net_addr *to, bool connected)
{
	struct sock *s = to_sock(f);
	struct out *o = s->out ?: base_zalloc(sizeof(*o));

	if (!o)
		return -ENOMEM;
	if (!net_same(&o->remote, to))
		o->dialed = false;
	o->remote = *to;
	o->connected = connected;
	s->out = o;
	return 0;
}

/* A connect with O_NONBLOCK to the loopback, or to what nat has turned back to it: whether anybody listens is decided
 * by now, and only not told. It stays to be told. */
static int told_now(struct file *f)
{
	static const struct timespec now = { 0 };
	struct pollfd p = { .fd = f->host_fd, .events = POLLOUT };
	struct net_record *r = to_net(f) ? net_record(f) : NULL;

	if (to_net(f))
		return r && atomic_load(&r->error) == ECONNREFUSED ? -ECONNREFUSED : -EINPROGRESS;
	return pal_ppoll(&p, 1, &now) > 0 && p.revents & POLLERR ? -ECONNREFUSED : -EINPROGRESS;
}

int out_connect(struct file *f, const void *addr, unsigned len, int r)
{
	struct net_addr to;
	bool tried, later;
	u32 ticket = 0;
	int fd;

	if (!may_ask(f) || read_addr(f, addr, len, &to) <= 0)
		return r;
	tried = own_way(&to);
	later = r == -EINPROGRESS && tried;
	if (later)
		r = told_now(f);
	/* The sandbox's loopback is its own; the host's is to be had only where the policy names it, and where nobody
	 * inside listens. So is what nat does not lead to. */
	if (to.port != PORT_NAMES && (tried ? r != -ECONNREFUSED : r != -ENETUNREACH))
		return r;
	if (!net_is_gram(f)) {
		fd = dial(f, &to, net_is_local(&to), f->flags & O_NONBLOCK ? &ticket : NULL);
		if (fd < 0 && later)
			return -EINPROGRESS;
		if (fd < 0)
			return fd == -ENETUNREACH ? (r < 0 ? r : -ECONNREFUSED) : fd;
		r = become_stream(f, fd, &to, ticket);
		return !r && ticket ? -EINPROGRESS : r;
	}
	r = note_peer(f, &to, true);
	if (!r)
		(void)open_pair(f, true);
	return r;
}

int out_outcome(struct file *f)
{
	u32 ticket = atomic_load(&to_net(f)->ticket), word;

	if (!ticket)
		return 0;
	word = atomic_load(&the_area->dials.word[ticket % GRANT_DIALS_MAX]);
	if (!((word ^ ticket) >> 16) && (word & 0xffff) == GRANT_DIAL_PENDING)
		return -EALREADY;
	if (!((word ^ ticket) >> 16) && word & 0xffff)
		to_net(f)->failed = true;
	atomic_store(&to_net(f)->ticket, 0);
	return (word ^ ticket) >> 16 ? 0 : -(int)(word & 0xffff);
}

int out_again(const struct net_addr *to)
{
	return own_way(to) ? -ECONNREFUSED : -ENETUNREACH;
}

int out_reconnect(struct file *f, const void *addr, unsigned len)
{
	struct out *o = to_out(f);
	struct net_addr to;
	bool is = read_addr(f, addr, len, &to) > 0;

	if (is && (!own_way(&to) || to.port == PORT_NAMES))
		return out_connect(f, addr, len, -ENETUNREACH);
	if (o->dialed) { /* its own socket is gone */
		o->connected = false;
		return is ? -ENETUNREACH : 0;
	}
	base_free(o);
	to_sock(f)->out = NULL;
	return 1;
}

int out_send(struct file *f, const void *addr, unsigned len)
{
	struct out *o = to_out(f);
	struct net_addr to;
	int r;

	if (!addr || !len)
		return o && (o->connected || o->dialed) ? open_pair(f, false) : 1;
	if (!may_ask(f) || !net_is_gram(f) || read_addr(f, addr, len, &to) <= 0)
		return 1;
	if (own_way(&to) && to.port != PORT_NAMES)
		return o && o->dialed ? -ENETUNREACH : 1;
	r = note_peer(f, &to, o && o->connected);
	return r ? r : open_pair(f, false);
}

void out_name(const struct file *f, bool peer, void *addr, unsigned *len)
{
	struct net_addr local;

	own_address(&to_out(f)->remote, &local);
	net_addr_write(to_sock(f)->domain, peer ? &to_out(f)->remote : &local, addr, len);
}

/* ---- options: those of the internet mean nothing to a pair ---- */

static bool of_internet(int level)
{
	return level == IPPROTO_IP || level == IPPROTO_IPV6 || level == IPPROTO_UDP;
}

int out_setsockopt(struct file *f, int level, int name, const void *value, unsigned len)
{
	return of_internet(level) ? 0 : pal_setsockopt(f->host_fd, level, name, value, len);
}

int out_getsockopt(struct file *f, int level, int name, void *value, unsigned *len)
{
	int v = 0, room;
	unsigned n = sizeof(v);

	if (level == SOL_SOCKET && name == SO_TYPE)
		v = SOCK_DGRAM;
	else if (level == SOL_SOCKET && name == SO_DOMAIN)
		v = to_sock(f)->domain;
	else if (level == SOL_SOCKET && name == SO_PROTOCOL)
		v = IPPROTO_UDP;
	else if (!of_internet(level))
		return pal_getsockopt(f->host_fd, level, name, value, len);
	if (user_read(&room, len, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	n = MIN(n, (unsigned)room);
	return user_write(value, &v, n) < 0 || user_write(len, &n, sizeof(n)) < 0 ? -EFAULT : 0;
}

/* ---- across exec ---- */

void out_save(const struct file *f, struct buf *b)
{
	put_u32(b, to_out(f) != NULL);
	if (to_out(f))
		put_bytes(b, to_out(f), sizeof(struct out));
}

struct out *out_load(struct cursor *c)
{
	const void *p = get_u32(c) ? get_bytes(c, sizeof(struct out)) : NULL;
	struct out *o = p ? base_alloc(sizeof(*o)) : NULL;

	if (c->err || (p && !o))
		return ERR_PTR(c->err ?: -ENOMEM);
	if (o)
		memcpy(o, p, sizeof(*o));
	return o;
}
