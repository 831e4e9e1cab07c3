/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The leader's port: it knows which stream leads to which instance and passes queries along. It keeps no answers and
 * waits for nobody.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/coord/wire.h"
#include "pal/grant.h"

struct instance {
	struct list link;
	s32 pid, host_pid;	/* host_pid tells a later owner of the same id apart */
	int fd;			/* its stream, -1 until HELLO */
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

	wire_send(reply, &no, NULL, NULL, 0, -1);
	pal_close(reply);
}

static void forget(struct instance *i)
{
	struct waiting *w, *next;

	list_for_each_safe(w, next, &i->waiting, link) {
		refuse(&w->m, w->reply);
		base_free(w);
	}
	if (i->fd >= 0)
		pal_close(i->fd);
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
	i->fd = -1;
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

	pal_kick(i->host_pid, 0, &look);
}

/* Takes reply. */
static void pass(struct instance *i, const struct coord_msg *m, const struct coord_query *q, int reply)
{
	if (wire_send(i->fd, m, q, NULL, 0, reply))
		refuse(m, reply);
	else
		pal_close(reply);
	ring(i);
}

static void take_query(const struct coord_msg *m, const struct coord_query *q, int reply)
{
	struct area_slot *s = area_process(m->pid);
	struct instance *i = s && s->state == AREA_RUNNING ? find(m->pid, s->host_pid) : NULL;
	struct waiting *w;

	if (!i || (i->fd < 0 && i->nwaiting >= COORD_QUEUE_MAX)) {
		refuse(m, reply);
		return;
	}
	if (i->fd >= 0) {
		pass(i, m, q, reply);
		return;
	}
	w = base_alloc(sizeof(*w));
	if (!w) {
		refuse(m, reply);
		return;
	}
	w->m = *m;
	w->q = *q;
	w->reply = reply;
	list_add_tail(&i->waiting, &w->link);
	i->nwaiting++;
	ring(i);
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
	list_for_each_safe(w, next, &i->waiting, link) {
		list_del(&w->link);
		i->nwaiting--;
		pass(i, &w->m, &w->q, w->reply);
		base_free(w);
	}
}

void coord_port_serve(void)
{
	struct {
		struct coord_msg m;
		struct coord_query q;
	} in;
	ssize_t n;
	int fd;

	for (;;) {
		n = wire_receive(GRANT_FD_LEADER_READ, &in, sizeof(in), &fd);
		if (n == -EAGAIN || n == -EPIPE || n == -EINTR)
			break;
		if (n < 0)
			continue;
		if (in.m.type == COORD_QUERY)
			take_query(&in.m, &in.q, fd);
		else if (in.m.type == COORD_HELLO)
			take_hello(&in.m, fd);
		else if (fd >= 0)
			pal_close(fd);
	}
}
