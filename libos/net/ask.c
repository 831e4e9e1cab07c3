// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Asking the leader, and making sockets.
 *
 * A socket is made without a question. What its record will hold lies in memory of the process until the leader is told
 * of it, which the first question does on the way: it carries the far end. Before a fork or exec, and before the socket
 * is passed on, it is told on purpose: a far end that two processes hold would not hang up with its acceptor.
 *
 * The answer is a word that the asking thread sleeps at. Should the leader have no room for a descriptor it says so.
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

	if (n->early && atomic_load(&n->far) >= 0)
		return n->early;
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
	struct coord_msg m = { .version = COORD_VERSION, .len = sizeof(*q) };
	struct pollfd p = { .fd = GRANT_FD_LEADER, .events = POLLOUT };
	struct process *me = this_process();
	int r;

	m.type = fd >= 0 ? COORD_NET : COORD_NET_WORD;
	m.pid = me->pid;
	q->who[0] = (u32)me->pid;
	q->who[1] = me->cred.euid;
	q->who[2] = me->cred.egid;
	q->tid = current()->tid;
	q->number = atomic_add(&the_area->net_asked, 1);
	while ((r = wire_send(GRANT_FD_LEADER, &m, q, NULL, 0, fd)) == -EAGAIN)
		(void)at_once(pal_ppoll(&p, 1, NULL));
	return r == -EPIPE ? -ENFILE : r;
}

/* The answer by word. */
static int await(const struct net_ask *q, struct net_answer *a)
{
	struct area_slot *s = area_slot(q->tid);
	u32 seen;

	while ((seen = atomic_load(&s->net_answered)) != q->number)
		(void)pal_futex_plain(&s->net_answered, FUTEX_WAIT, seen, NULL, NULL, 0);
	a->error = s->net_error;
	a->index = s->net_index;
	return a->error;
}

/* And by descriptor, with another one. */
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
	if (fd >= 0)
		*door = host_fd_move(fd);
	return in.m.type == COORD_NET_DOOR || in.m.type == COORD_NET_DONE ? a->error : -EIO;
}

static int ask_door(struct net_ask *q, struct net_answer *a, int *door)
{
	int ends[2], r = wire_pair(ends);

	if (r)
		return r;
	r = put(q, ends[1]);
	pal_close(ends[1]);
	if (!r)
		r = get(ends[0], a, door);
	pal_close(ends[0]);
	return r;
}

static int cookie_of(int fd, u64 *cookie)
{
	unsigned len = sizeof(*cookie);

	return pal_getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len);
}

/* The leader has taken the far end: the record is the area's from here on. */
static void introduced(struct net *n, u32 index, u64 cookie)
{
	struct net_record *r = &the_area->net[index];
	int far = n->far;

	memcpy(r->linger, n->early->linger, sizeof(r->linger));
	memcpy(r->option, n->early->option, sizeof(r->option));
	n->index = index;
	n->cookie = cookie;
	atomic_store(&n->far, -1);
	pal_close(far);
}

/* The first question, on whose way the far end goes. Caller holds f->lock. */
static int ask_first(struct file *f, struct net_ask *q, struct net_answer *a)
{
	struct net *n = to_net(f);
	struct stat st;
	int r = cookie_of(f->host_fd, &q->cookie);

	if (!r)
		r = pal_fstat(f->host_fd, &st);
	if (r)
		return r;
	q->ino = st.st_ino;
	q->domain = (u16)to_sock(f)->domain;
	q->type = (u16)to_sock(f)->type;
	q->protocol = n->protocol;
	q->first = 1;
	r = put(q, n->far);
	if (r)
		return r;
	r = await(q, a);
	if (a->index < NET_RECORDS)
		introduced(n, a->index, q->cookie);
	return r;
}

int net_ask(struct file *f, struct net_ask *q, struct net_answer *a, int *door)
{
	struct net *n = to_net(f);
	int r;

	q->reuse = (u16)net_reuse(f);
	if (!door && atomic_load(&n->far) >= 0) {
		lock(&f->lock);
		r = n->far >= 0 ? ask_first(f, q, a) : 1;
		unlock(&f->lock);
		if (r <= 0)
			return r;
	}
	q->index = n->index;
	q->cookie = n->cookie;
	if (door)
		return ask_door(q, a, door);
	r = put(q, -1);
	return r ?: await(q, a);
}

int net_ask_op(struct file *f, u32 op, const struct net_addr *addr)
{
	struct net_ask q = { .op = op, .addr = *addr };
	struct net_answer a;

	return net_ask(f, &q, &a, NULL);
}

int net_introduce(struct file *f)
{
	struct net_ask q = { .op = NET_NEW };
	struct net_answer a;

	return atomic_load(&to_net(f)->far) < 0 ? 0 : net_ask(f, &q, &a, NULL);
}

void net_introduce_all(void)
{
	struct process *p = this_process();

	if (likely(!atomic_load_relaxed(&p->early_sockets)) || !atomic_xchg(&p->early_sockets, 0))
		return;
	for (int fd = fdtab_next(p->files, 0); fd >= 0; fd = fdtab_next(p->files, fd + 1)) {
		struct file *f = fdtab_get_path(fd);

		if (IS_ERR(f))
			continue;
		/* One that the leader has no room for is told of later. */
		if (file_is_sock(f) && to_net(f) && net_introduce(f))
			atomic_store(&p->early_sockets, 1);
		file_put(f);
	}
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
	n->far = -1;
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

struct file *net_create(int domain, int type, int protocol, int flags)
{
	struct net_record *early = base_zalloc(sizeof(*early));
	struct file *f;
	int ends[2], r;

	if (!early)
		return ERR_PTR(-ENOMEM);
	/* Whole messages, in order, to one receiver: what datagrams on one machine are. */
	r = pal_socketpair_flags(AF_UNIX, (type == SOCK_DGRAM ? SOCK_SEQPACKET : type), 0, ends);
	if (r) {
		base_free(early);
		return ERR_PTR(r);
	}
	ends[0] = host_fd_move(ends[0]);
	ends[1] = host_fd_move(ends[1]);
	if (domain != AF_UNIX)
		protocol = protocol ?: type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
	early->domain = (u16)domain;
	early->type = (u16)type;
	early->protocol = (u16)protocol;
	if (flags & O_NONBLOCK)
		r = (int)at_once(pal_fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK));
	f = r < 0 ? ERR_PTR(r) : file_around(ends[0], early, 0, 0, flags);
	if (IS_ERR(f)) {
		pal_close(ends[0]);
		pal_close(ends[1]);
		base_free(early);
		return f;
	}
	to_net(f)->early = early;
	to_net(f)->far = ends[1];
	atomic_store(&this_process()->early_sockets, 1);
	return f;
}
