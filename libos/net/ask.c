// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Asking the leader, and making sockets.
 *
 * A question carries a descriptor for its answer; should the leader have no room for that, the asker's end hangs up, so
 * nobody waits in vain. A new socket needs none: the answer comes through its own far end.
 */
#include "libos/net/net.h"
#include "libos/coord/area.h"
#include "libos/coord/wire.h"
#include "libos/task/task.h"
#include "pal/grant.h"

struct net_record *net_record(const struct file *f)
{
	const struct net *n = to_net(f);
	struct net_record *r = &the_area->net[n->index];

	return atomic_load(&r->cookie) == n->cookie ? r : NULL;
}

int net_take_error(const struct file *f)
{
	struct net_record *r = net_record(f);

	return r && atomic_load_relaxed(&r->error) ? -atomic_xchg(&r->error, 0) : 0;
}

/* ---- questions ---- */

/* The leader never waits for anybody, so neither is it waited for longer than it takes. */
static int put(struct net_ask *q, int fd)
{
	struct coord_msg m = { .version = COORD_VERSION, .type = COORD_NET, .len = sizeof(*q) };
	struct pollfd p = { .fd = GRANT_FD_LEADER, .events = POLLOUT };
	struct process *me = this_process();
	int r;

	m.pid = me->pid;
	q->who[0] = (u32)me->pid;
	q->who[1] = me->cred.euid;
	q->who[2] = me->cred.egid;
	while ((r = wire_send(GRANT_FD_LEADER, &m, q, NULL, 0, fd)) == -EAGAIN)
		(void)at_once(pal_ppoll(&p, 1, NULL));
	return r == -EPIPE ? -ENFILE : r;
}

static int get(int from, struct net_answer *a, int *door)
{
	struct {
		struct coord_msg m;
		struct net_answer a;
	} in;
	struct pollfd p = { .fd = from, .events = POLLIN };
	int fd = -1;
	ssize_t n;

	while ((n = wire_receive(from, &in, sizeof(in), &fd)) == -EAGAIN)
		(void)at_once(pal_ppoll(&p, 1, NULL));
	if (n < 0)
		return n == -EPIPE || n == -EBADMSG ? -ENFILE : (int)n;
	*a = in.a;
	if (door && fd >= 0)
		*door = host_fd_move(fd);
	else if (fd >= 0)
		pal_close(fd);
	return in.m.type == COORD_NET_DOOR || in.m.type == COORD_NET_DONE ? a->error : -EIO;
}

int net_ask(struct file *f, struct net_ask *q, struct net_answer *a, int *door)
{
	struct net *n = to_net(f);
	int ends[2], r;

	q->index = n->index;
	q->cookie = n->cookie;
	q->reuse = (u16)net_reuse(f);
	r = wire_pair(ends);
	if (r)
		return r;
	r = put(q, ends[1]);
	pal_close(ends[1]);
	if (!r)
		r = get(ends[0], a, door);
	pal_close(ends[0]);
	return r;
}

int net_ask_op(struct file *f, u32 op, const struct net_addr *addr)
{
	struct net_ask q = { .op = op, .addr = *addr };
	struct net_answer a;

	return net_ask(f, &q, &a, NULL);
}

/* ---- sockets ---- */

static struct net *net_alloc(u32 index, u64 cookie, u16 protocol)
{
	struct net *n = base_zalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->index = index;
	n->cookie = cookie;
	n->protocol = protocol;
	for (int i = 0; i < NET_DOORS; i++)
		n->door[i].fd = -1;
	return n;
}

static struct file *file_around(int fd, const struct net_record *r, u32 index, u64 cookie, int flags)
{
	struct net *n = net_alloc(index, cookie, r->protocol);
	struct file *f;

	if (!n)
		return ERR_PTR(-ENOMEM);
	f = sock_file_create(fd, r->domain, r->type, flags);
	if (IS_ERR(f)) {
		base_free(n);
		return f;
	}
	to_sock(f)->net = n;
	f->ops = &net_file_ops;
	return f;
}

void net_settle(struct file *f)
{
	struct net_record *r = net_record(f);
	struct net *n = to_net(f);

	if (!r || n->settled || net_is_gram(f))
		return;
	n->local = r->local;
	n->remote = r->remote;
	n->settled = true;
	f->ops = &net_stream_ops;
}

struct file *net_file_create(int fd, u32 index, u64 cookie, int flags)
{
	struct net_record *r = &the_area->net[index % NET_RECORDS];
	struct file *f;

	if (index >= NET_RECORDS || atomic_load(&r->cookie) != cookie)
		return ERR_PTR(-ECONNABORTED);
	f = file_around(fd, r, index, cookie, flags);
	if (!IS_ERR(f) && r->flags & NET_CONNECTED)
		net_settle(f);
	return f;
}

static int cookie_of(int fd, u64 *cookie)
{
	unsigned len = sizeof(*cookie);

	return pal_getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len);
}

struct file *net_from_host(int fd, int flags)
{
	u64 cookie;

	if (!(pal_grant()->flags & GRANT_BROKER_SOCK) || cookie_of(fd, &cookie) < 0)
		return NULL;
	for (u32 i = 0; i < NET_RECORDS; i++)
		if (atomic_load_relaxed(&the_area->net[i].cookie) == cookie)
			return net_file_create(fd, i, cookie, flags);
	return NULL;
}

/* The far end goes to the leader, which answers through it. */
static int introduce(int ends[2], struct net_ask *q, struct net_answer *a)
{
	struct stat st;
	int r = cookie_of(ends[0], &q->cookie);

	if (!r)
		r = pal_fstat(ends[0], &st);
	if (!r) {
		q->ino = st.st_ino;
		r = put(q, ends[1]);
	}
	pal_close(ends[1]);
	return r ?: get(ends[0], a, NULL);
}

struct file *net_create(int domain, int type, int protocol, int flags)
{
	struct net_ask q = { .op = NET_NEW, .domain = (u16)domain, .type = (u16)type };
	struct net_record like = { .domain = (u16)domain, .type = (u16)type };
	struct net_answer a = { 0 };
	struct file *f;
	int ends[2], r;

	/* Whole messages, in order, to one receiver: what datagrams on one machine are. */
	r = pal_socketpair_flags(AF_UNIX, type == SOCK_DGRAM ? SOCK_SEQPACKET : type, 0, ends);
	if (r)
		return ERR_PTR(r);
	ends[0] = host_fd_move(ends[0]);
	ends[1] = host_fd_move(ends[1]);
	if (domain != AF_UNIX)
		protocol = protocol ?: type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
	like.protocol = q.protocol = (u16)protocol;
	r = introduce(ends, &q, &a);
	if (!r && flags & O_NONBLOCK)
		r = (int)at_once(pal_fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK));
	f = r ? ERR_PTR(r) : file_around(ends[0], &like, a.index, q.cookie, flags);
	if (IS_ERR(f))
		pal_close(ends[0]);
	return f;
}
