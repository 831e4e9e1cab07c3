/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The leader's port: it knows which stream leads to which instance and passes queries along. It keeps no answers and
 * waits for nobody.
 */
#include "libos/task/task.h"
#include "libos/coord/trace.h"
#include "libos/coord/wire.h"
#include "libos/net/net.h"
#include "pal/grant.h"

struct instance {
	struct list link;
	s32 pid, host_pid;	/* host_pid tells a later owner of the same id apart */
	int fd;			/* its stream, -1 until HELLO */
	int life;		/* outer end of its life (life.c), -1 until asked for */
	struct list waiting;	/* struct waiting */
	unsigned nwaiting;
};

struct waiting {
	struct list link;
	struct coord_msg m;
	struct coord_query q;
	int reply;
};

static struct list instances = { &instances, &instances };

int coord_port_create(void)
{
	int ends[2], r = wire_pair(ends);

	if (r)
		return r;
	r = pal_dup_to(ends[0], GRANT_FD_LEADER_READ);
	if (r >= 0)
		r = pal_dup_to(ends[1], GRANT_FD_LEADER);
	/* It is to survive an exec of the image. */
	if (r >= 0)
		r = pal_fcntl(GRANT_FD_LEADER, F_SETFD, 0);
	pal_close(ends[0]);
	pal_close(ends[1]);
	return r < 0 ? r : 0;
}

int coord_port_fd(void)
{
	return GRANT_FD_LEADER_READ;
}

static void refuse(const struct coord_msg *m, int reply)
{
	struct coord_msg no = { .version = COORD_VERSION, .type = COORD_NOOWNER, .pid = m->pid, .seq = m->seq };

	/* A life that nobody holds is over, and says so by its closing; so does a split that nobody heard of. */
	if (m->type != COORD_HOLD && m->type != COORD_SPLIT)
		wire_send(reply, &no, NULL, NULL, 0, -1);
	pal_close(reply);
}

static void drop_waiting(struct instance *i, struct waiting *w)
{
	list_del(&w->link);
	i->nwaiting--;
	base_free(w);
}

static void forget(struct instance *i)
{
	struct waiting *w, *next;

	list_for_each_safe(w, next, &i->waiting, link) {
		refuse(&w->m, w->reply);
		drop_waiting(i, w);
	}
	if (i->fd >= 0)
		pal_close(i->fd);
	if (i->life >= 0)
		pal_close(i->life);
	list_del(&i->link);
	base_free(i);
}

static struct instance *find(s32 pid, s32 host_pid)
{
	struct instance *i;

	list_for_each(i, &instances, link) {
		if (i->pid != pid)
			continue;
		if (i->host_pid == host_pid)
			return i;
		forget(i);
		break;
	}
	i = base_zalloc(sizeof(*i));
	if (!i)
		return NULL;
	i->pid = pid;
	i->host_pid = host_pid;
	i->fd = i->life = -1;
	list_init(&i->waiting);
	list_add(&instances, &i->link);
	return i;
}

void coord_port_gone(s32 pid)
{
	struct instance *i, *next;

	list_for_each_safe(i, next, &instances, link)
		if (i->pid == pid)
			forget(i);
}

static void ring(const struct instance *i)
{
	static const struct pal_kick look = { .extra = 1 };
	struct area_slot *s = area_process(i->pid);

	if (s)
		atomic_or(&s->flags, AREA_RUNG);
	trace_kick(i->pid);
	pal_kick(i->host_pid, 0, &look);
}

/* What came for an instance goes to its stream: 0 and fd is closed, -EAGAIN: not now, and fd is still open. */
static int pass(struct instance *i, const struct coord_msg *m, const struct coord_query *q, int fd)
{
	int r = i->fd < 0 ? -EAGAIN : wire_send(i->fd, m, q, NULL, 0, fd);

	if (r == -EAGAIN && (i->fd < 0 || m->type == COORD_HOLD))
		return r;
	if (r)
		refuse(m, fd);
	else
		pal_close(fd);
	return 0;
}

/* Takes fd. */
static void post(struct instance *i, const struct coord_msg *m, const struct coord_query *q, int fd)
{
	struct waiting *w;

	if (pass(i, m, q, fd)) {
		w = i->nwaiting < COORD_QUEUE_MAX || m->type == COORD_HOLD ? base_zalloc(sizeof(*w)) : NULL;
		if (!w) {
			refuse(m, fd);
			return;
		}
		w->m = *m;
		if (q)
			w->q = *q;
		w->reply = fd;
		list_add_tail(&i->waiting, &w->link);
		i->nwaiting++;
	}
	ring(i);
}

static void take_query(const struct coord_msg *m, const struct coord_query *q, int reply)
{
	struct area_slot *s = area_process(m->pid);
	bool asks = s && s->state == AREA_RUNNING && !(s->flags & AREA_SPLIT);
	struct instance *i = asks ? find(m->pid, s->host_pid) : NULL;

	if (i)
		post(i, m, q, reply);
	else
		refuse(m, reply);
}

int coord_port_split(s32 pid, int fd)
{
	struct coord_msg m = { .version = COORD_VERSION, .type = COORD_SPLIT, .pid = pid };
	struct area_slot *s = area_process(pid);
	struct instance *i;

	if (!s || s->state == AREA_ZOMBIE)
		return -ESRCH;
	if (s->flags & AREA_SPLIT)
		return -EALREADY;
	if (s->state != AREA_RUNNING)
		return -EAGAIN;
	if (pid == this_process()->pid)
		return -EBUSY;
	i = find(pid, s->host_pid);
	if (!i)
		return -ENOMEM;
	post(i, &m, NULL, fd);
	return 0;
}

/* The outer end of a process's life, made now if nobody asked before. */
static int life_of(struct instance *i, const struct coord_life *l)
{
	struct coord_msg m = { .version = COORD_VERSION, .type = COORD_HOLD, .pid = l->pid };
	int ends[2], r;

	if (i->life >= 0)
		return i->life;
	r = coord_life_pair(l, ends);
	if (r)
		return r;
	i->life = ends[1];
	if (l->pid != this_process()->pid) /* the leader's own inner end just stays open */
		post(i, &m, NULL, ends[0]);
	return i->life;
}

static void take_life(const struct coord_msg *m, int reply)
{
	struct coord_msg answer = { .version = COORD_VERSION, .type = COORD_LIFEEND, .pid = m->pid, .seq = m->seq };
	struct area_slot *s = area_process(m->pid);
	struct coord_life l = { .pid = m->pid, .stamp = s ? coord_life_stamp(s) : 0 };
	bool ended = s && s->state == AREA_ZOMBIE;
	struct instance *i = s && !ended ? find(m->pid, s->host_pid) : NULL;
	int fd = ended ? coord_life_ended(&l) : i ? life_of(i, &l) : -ESRCH;

	if (fd < 0 || wire_send(reply, &answer, NULL, NULL, 0, fd))
		refuse(m, reply);
	else
		pal_close(reply);
	if (ended && fd >= 0)
		pal_close(fd);
}

/* Instances whose process is gone: reaped by its parent, who tells nobody. */
static void sweep(void)
{
	struct instance *i, *next;

	list_for_each_safe(i, next, &instances, link) {
		const struct area_slot *s = area_process(i->pid);

		if (!s || s->host_pid != i->host_pid || s->state == AREA_ZOMBIE)
			forget(i);
	}
}

bool coord_port_tick(void)
{
	struct instance *i;
	bool waiting = false;

	list_for_each(i, &instances, link)
		waiting |= i->nwaiting != 0;
	if (!waiting)
		return false;
	sweep();
	list_for_each(i, &instances, link) {
		struct waiting *w, *next;

		list_for_each_safe(w, next, &i->waiting, link)
			if (i->fd >= 0 && !pass(i, &w->m, &w->q, w->reply))
				drop_waiting(i, w);
	}
	return true;
}

static void take_hello(const struct coord_msg *m, int stream)
{
	struct area_slot *s = area_process(m->pid);
	struct instance *i = s ? find(m->pid, s->host_pid) : NULL;
	struct waiting *w, *next;

	if (!i) {
		pal_close(stream);
		return;
	}
	if (i->fd >= 0)
		pal_close(i->fd);
	i->fd = stream;
	list_for_each_safe(w, next, &i->waiting, link)
		if (!pass(i, &w->m, &w->q, w->reply))
			drop_waiting(i, w);
	ring(i);
	sweep();
}

void coord_port_serve(void)
{
	struct {
		struct coord_msg m;
		union {
			struct coord_query q;
			struct net_ask net;
		};
	} in;
	ssize_t n;
	int fd;

	for (;;) {
		in.m.type = 0;
		n = wire_receive(GRANT_FD_LEADER_READ, &in, sizeof(in), &fd);
		if (n == -EAGAIN || n == -EPIPE || n == -EINTR)
			break;
		if (n < 0) {
			if (n == -EBADMSG && in.m.type == COORD_NET && in.m.len == sizeof(in.net))
				net_leader_drop(&in.net);
			continue;
		}
		if (in.m.type == COORD_QUERY)
			take_query(&in.m, &in.q, fd);
		else if (in.m.type == COORD_HELLO)
			take_hello(&in.m, fd);
		else if (in.m.type == COORD_LIFE)
			take_life(&in.m, fd);
		else if (in.m.type == COORD_NET || in.m.type == COORD_NET_WORD)
			net_leader_take(&in.m, &in.net, fd);
		else if (fd >= 0)
			pal_close(fd);
	}
}
