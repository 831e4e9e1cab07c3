// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The leader's book of sockets and names.
 *
 * An entry lives while the guest's end of the pair is open anywhere: the far end, kept here, hears
 * the hang-up. That may be noticed late, so whoever stands in the way of a name or is about to be
 * spoken to is looked at again first.
 *
 * Everything is bounded: records are, and with them the far ends held; a question whose descriptor
 * finds no room here is dropped, and the asker sees its own end hang up.
 */
#include "libos/net/leader.h"
#include "libos/coord/wire.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"
#include "pal/grant.h"

#define BUCKETS 256
#define PORT_FIRST 32768 /* net.ipv4.ip_local_port_range */
#define PORT_LAST 60999
#define EVENTS 16

/* Out of the way of forks: only the leader touches them. */
#define LEADERS_OWN __attribute__((section(".bss.last")))
static struct net_entry *entries[NET_RECORDS] LEADERS_OWN; /* by record */
static struct net_entry *buckets[BUCKETS] LEADERS_OWN;
static int watch = -1;	/* epoll over all far ends */
static u32 fresh;	/* records from here on were never used */
static u16 spare[NET_RECORDS] LEADERS_OWN;
static u32 nspare;
static u32 hand;	/* where to look for a record to take away */
static u16 next_port;
static u32 turn;

int net_leader_fd(void)
{
	return watch;
}

/* ---- records ---- */

/* No record is free: take back those that somebody let go of, else the oldest that nobody here answers for. */
static void records_reclaim(void)
{
	for (u32 i = 0; i < NET_RECORDS; i++)
		if (!entries[i] && atomic_load(&the_area->net[i].flags) & NET_RELEASED)
			net_record_give(i);
	for (u32 n = 0; !nspare && n < NET_RECORDS; n++) {
		hand = (hand + 1) % NET_RECORDS;
		if (!entries[hand])
			net_record_give(hand);
	}
}

/* For the host socket of that cookie and inode. */
static int record_take(u64 cookie, u64 ino, const struct net_record *like)
{
	struct net_record *r;
	u32 index;

	if (!nspare && fresh == NET_RECORDS)
		records_reclaim();
	if (!nspare && fresh == NET_RECORDS)
		return -ENFILE;
	index = nspare ? spare[--nspare] : fresh++;
	r = &the_area->net[index];
	memset((char *)r + sizeof(r->cookie), 0, sizeof(*r) - sizeof(r->cookie));
	r->ino = ino;
	r->domain = like->domain;
	r->type = like->type;
	r->protocol = like->protocol;
	r->uid = like->uid;
	memcpy(r->linger, like->linger, sizeof(r->linger));
	memcpy(r->option, like->option, sizeof(r->option));
	atomic_store(&r->cookie, cookie);
	return (int)index;
}

int net_record_take(int fd, const struct net_record *like)
{
	unsigned len = sizeof(u64);
	struct stat st;
	u64 cookie;

	if (pal_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 || pal_fstat(fd, &st) < 0)
		return -ENFILE;
	return record_take(cookie, st.st_ino, like);
}

void net_record_give(u32 index)
{
	atomic_store(&the_area->net[index].cookie, 0);
	atomic_store(&the_area->net[index].flags, 0);
	spare[nspare++] = (u16)index;
}

/* ---- entries ---- */

struct net_entry *net_entry_find(u32 index, u64 cookie)
{
	struct net_entry *e = index < NET_RECORDS ? entries[index] : NULL;

	return e && the_area->net[index].cookie == cookie ? e : NULL;
}

static struct net_entry **bucket_of(const struct net_addr *a)
{
	u32 h = a->family == AF_UNIX ? base_hash(a->path, a->len) : a->port;

	return &buckets[h % BUCKETS];
}

void net_unname(struct net_entry *e)
{
	struct net_entry **p;

	if (!e->named)
		return;
	for (p = bucket_of(&net_record_of(e)->local); *p; p = &(*p)->next)
		if (*p == e) {
			*p = e->next;
			break;
		}
	e->named = false;
}

void net_entry_drop(struct net_entry *e, bool keep_record)
{
	struct epoll_event none = { 0 };

	net_unname(e);
	/* The host forgets it only with the last copy of the far end, which may live on elsewhere. */
	if (e->watched)
		(void)pal_epoll_ctl(watch, EPOLL_CTL_DEL, e->far, &none);
	pal_close(e->far);
	entries[e->index] = NULL;
	if (!keep_record)
		net_record_give(e->index);
	base_free(e);
}

static bool alive(const struct net_entry *e)
{
	struct pollfd p = { .fd = e->far };
	struct timespec zero = { 0 };

	return at_once(pal_ppoll(&p, 1, &zero)) <= 0 || !(p.revents & POLLHUP);
}

void net_leader_serve(void)
{
	struct epoll_event ev[EVENTS] = { 0 };
	struct timespec zero = { 0 };
	long n = watch < 0 ? 0 : at_once(pal_epoll_wait(watch, ev, EVENTS, &zero));

	for (long i = 0; i < n; i++) {
		struct net_entry *e = entries[(u32)ev[i].data % NET_RECORDS];

		if (e && !alive(e))
			net_entry_drop(e, false);
	}
}

void net_leader_leave(void)
{
	for (u32 i = 0; i < fresh; i++)
		if (entries[i])
			pal_close(entries[i]->far);
	if (watch >= 0)
		pal_close(watch);
}

/* Takes far unless it fails. The index of the record, or -errno. */
static int entry_create(const struct net_ask *q, int far)
{
	struct net_record like = {
		.domain = q->domain, .type = q->type, .protocol = q->protocol, .uid = q->who[1]
	};
	struct net_entry *e = base_zalloc(sizeof(*e));
	int index = e ? record_take(q->cookie, q->ino, &like) : -ENOMEM;

	if (index < 0) {
		base_free(e);
		return index;
	}
	e->index = (u32)index;
	e->far = far;
	entries[index] = e;
	return index;
}

/* Hear of its end. Not before its first question is answered: many a socket is connected then, and gone from here. */
static void entry_watch(struct net_entry *e)
{
	struct epoll_event ev = { .data = e->index };

	if (watch < 0)
		watch = host_fd_move(pal_epoll_create());
	/* Unwatched it is found dead when it stands in somebody's way. */
	e->watched = pal_epoll_ctl(watch, EPOLL_CTL_ADD, e->far, &ev) == 0;
}

/* ---- names ---- */

static bool covers(const struct net_addr *wide, bool v6only, const struct net_addr *a)
{
	if (!net_is_any(wide))
		return false;
	return net_is_v4(wide) == net_is_v4(a) || (!net_is_v4(wide) && !v6only);
}

static bool overlap(const struct net_addr *a, bool a6, const struct net_addr *b, bool b6)
{
	return a->port == b->port && (net_same(a, b) || covers(a, a6, b) || covers(b, b6, a));
}

/* May both have it? */
static bool together(const struct net_entry *a, const struct net_entry *b)
{
	const struct net_record *ra = net_record_of(a), *rb = net_record_of(b);
	u16 both = a->reuse & b->reuse;

	if (both & NET_REUSE_PORT && ra->uid == rb->uid)
		return true;
	return both & NET_REUSE_ADDR && (ra->type == SOCK_DGRAM || !(rb->flags & NET_LISTENING));
}

/* Who keeps e from having that address; NULL. */
static struct net_entry *in_the_way(struct net_entry *e, const struct net_addr *addr)
{
	const struct net_record *r = net_record_of(e);
	struct net_entry *o, *next;

	for (o = *bucket_of(addr); o; o = next) {
		const struct net_record *ro = net_record_of(o);
		bool clash;

		next = o->next;
		if (o == e || ro->type != r->type || ro->local.family != addr->family)
			continue;
		clash = addr->family == AF_UNIX
				? net_same(&ro->local, addr)
				: overlap(&ro->local, o->reuse & NET_V6ONLY, addr, e->reuse & NET_V6ONLY) &&
					  !together(e, o);
		if (!clash)
			continue;
		if (alive(o))
			return o;
		net_entry_drop(o, false);
	}
	return NULL;
}

u16 net_port_free(const struct net_record *r)
{
	struct net_record probe = *r;
	struct net_entry *o;

	probe.local = (struct net_addr){ .family = AF_INET6 };
	if (!next_port)
		next_port = PORT_FIRST + base_hash(pal_grant()->random, sizeof(u64)) % 20000;
	for (u32 i = 0; i <= PORT_LAST - PORT_FIRST; i++) {
		u16 port = next_port;

		next_port = port == PORT_LAST ? PORT_FIRST : port + 1;
		probe.local.port = port;
		for (o = *bucket_of(&probe.local); o; o = o->next)
			if (net_record_of(o)->type == r->type && net_record_of(o)->local.family == AF_INET6 &&
			    net_record_of(o)->local.port == port)
				break;
		if (!o)
			return port;
	}
	return 0;
}

/* unix(7): "the null byte followed by 5 bytes in the character set [0-9a-f]". */
static bool unix_name_free(struct net_entry *e, struct net_addr *a)
{
	static u32 number;

	for (u32 i = 0; i < 0x100000; i++) {
		char text[8];

		base_snprintf(text, sizeof(text), "%05x", number++ & 0xfffff);
		a->len = 6;
		a->path[0] = '\0';
		memcpy(a->path + 1, text, 5);
		if (!in_the_way(e, a))
			return true;
	}
	return false;
}

int net_bind_entry(struct net_entry *e, const struct net_addr *addr, u16 reuse, u32 uid)
{
	struct net_record *r = net_record_of(e);
	struct net_addr a = *addr;

	if (r->local.family)
		return -EINVAL;
	e->reuse = reuse;
	r->uid = uid;
	if (a.family == AF_UNIX && !a.len) {
		if (!unix_name_free(e, &a))
			return -ENOSPC;
	} else if (a.family == AF_INET6 && !a.port) {
		a.port = net_port_free(r);
		if (!a.port)
			return -EADDRINUSE;
	} else if (in_the_way(e, &a)) {
		return -EADDRINUSE;
	}
	r->local = a;
	e->next = *bucket_of(&a);
	*bucket_of(&a) = e;
	e->named = true;
	return 0;
}

/* How well does e suit what comes from `from`? 0: not at all. */
static int suits(const struct net_entry *e, const struct net_record *asker, const struct net_addr *to,
		 const struct net_addr *from)
{
	const struct net_record *r = net_record_of(e);
	u32 flags = atomic_load(&r->flags);
	int score = 1;

	if (r->local.family != to->family || r->type != asker->type)
		return 0;
	if (r->type != SOCK_DGRAM && !(flags & NET_LISTENING))
		return 0;
	if (to->family == AF_UNIX)
		return net_same(&r->local, to);
	if (!overlap(&r->local, e->reuse & NET_V6ONLY, to, true))
		return 0;
	if (r->type == SOCK_DGRAM && flags & NET_CONNECTED) {
		if (!net_same(&r->remote, from))
			return 0;
		score += 4;
	}
	return score + (net_is_any(&r->local) ? net_is_v4(&r->local) : 2);
}

struct net_entry *net_entry_at(const struct net_record *asker, const struct net_addr *to, const struct net_addr *from)
{
	for (;;) {
		struct net_entry *o, *best = NULL;
		int score = 0;
		u32 same = 0;

		for (o = *bucket_of(to); o; o = o->next) {
			int s = suits(o, asker, to, from);

			/* Equals, by SO_REUSEPORT, take turns; of others the youngest is first. */
			if (s > score || (s && s == score && o->reuse & NET_REUSE_PORT && !(turn % ++same))) {
				same = s > score ? 1 : same;
				score = s;
				best = o;
			}
		}
		turn++;
		if (!best || alive(best))
			return best;
		net_entry_drop(best, false);
	}
}

/* ---- questions ---- */

static void reply(int fd, const struct coord_msg *m, const struct net_answer *a, int door)
{
	struct coord_msg head = { .version = COORD_VERSION, .pid = m->pid, .seq = m->seq, .len = sizeof(*a) };

	head.type = door >= 0 ? COORD_NET_DOOR : COORD_NET_DONE;
	(void)wire_send(fd, &head, a, NULL, 0, door);
}

static int listen_entry(struct net_entry *e, const struct net_ask *q)
{
	struct net_record *r = net_record_of(e);
	struct net_addr any = { .family = AF_INET6 };
	struct net_entry *o;

	if (r->flags & NET_CONNECTED)
		return -EINVAL;
	if (!r->local.family) {
		int err;

		if (r->domain == AF_UNIX)
			return -EINVAL;
		if (r->domain == AF_INET)
			any.ip[10] = any.ip[11] = 0xff;
		err = net_bind_entry(e, &any, q->reuse, q->who[1]);
		if (err)
			return err;
	}
	if (!(r->flags & NET_LISTENING)) {
		e->reuse = q->reuse | (e->reuse & NET_V6ONLY);
		o = in_the_way(e, &r->local);
		if (o && net_record_of(o)->flags & NET_LISTENING)
			return -EADDRINUSE;
	}
	r->backlog = q->value;
	memcpy(r->peer, q->who, sizeof(r->peer));
	atomic_or(&r->flags, NET_LISTENING);
	return 0;
}

static void take_door(const struct coord_msg *m, const struct net_ask *q, struct net_entry *e, int fd)
{
	struct net_entry *to = net_door_find(e, &q->addr);
	struct net_answer a = { .error = !to ? -ECONNREFUSED : IS_ERR(to) ? PTR_ERR(to) : 0 };

	if (!a.error) {
		a.index = to->index;
		a.cookie = net_record_of(to)->cookie;
	}
	reply(fd, m, &a, a.error ? -1 : to->far);
}

/* The answer to a question that brought no descriptor for it. */
static void tell(const struct net_ask *q, const struct net_answer *a)
{
	struct area_slot *s = area_slot(q->tid);

	if (!s)
		return;
	s->net_error = a->error;
	s->net_index = a->index;
	atomic_store(&s->net_answered, q->number);
	(void)pal_futex_plain(&s->net_answered, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void net_leader_drop(const struct net_ask *q)
{
	struct net_answer a = { .error = -ENFILE, .index = NET_RECORDS };

	if (q->op != NET_DOOR)
		tell(q, &a);
}

static int answer(struct net_entry *e, const struct net_ask *q)
{
	switch (q->op) {
	case NET_NEW:
		return 0;
	case NET_BIND:
		return net_bind_entry(e, &q->addr, q->reuse, q->who[1]);
	case NET_LISTEN:
		return listen_entry(e, q);
	case NET_CONNECT:
		return net_connect_entry(e, q);
	}
	return -EINVAL;
}

void net_leader_take(const struct coord_msg *m, const struct net_ask *q, int fd)
{
	struct net_answer a = { .index = NET_RECORDS };
	struct net_entry *e = NULL;
	int index = 0;

	if (q->first && fd >= 0) {
		index = entry_create(q, fd);
		if (index < 0)
			pal_close(fd);
		else
			e = entries[index];
		a.index = index < 0 ? NET_RECORDS : (u32)index;
		fd = -1;
	} else {
		e = net_entry_find(q->index, q->cookie);
	}
	if (e && q->op == NET_DOOR) {
		if (fd >= 0)
			take_door(m, q, e, fd);
	} else if (e) {
		a.error = answer(e, q);
	} else if (index < 0) {
		a.error = index;
	} else {
		/* Its far end was given away: it is connected. */
		a.error = q->op == NET_CONNECT ? -EISCONN : -EINVAL;
	}
	if (q->first && index >= 0 && entries[index])
		entry_watch(entries[index]);
	if (q->op != NET_DOOR)
		tell(q, &a);
	else if (!e && fd >= 0)
		reply(fd, m, &a, -1);
	if (fd >= 0)
		pal_close(fd);
}
