/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lives: descriptors that tell of a process's end, whoever holds them and however it ends.
 *
 * A life is a socket pair. One end is held by the process itself, in GRANT_FD_LIFE, and by nobody else, so the host
 * closes it at the end, a kill -9 included; the other then reads as ended, which poll, select and epoll see. The leader
 * makes the pair when a life is first asked for, gives copies of the outer end to all that ask, and sends the inner one
 * along the process's stream. The process need not take it: what lies unread in a stream is closed with the stream. So
 * asking waits for the leader only, never for a process that is stopped or asleep in vfork.
 *
 * Whose life it is stands on the outer end, in two socket options that mean nothing to a socket nobody writes to: so it
 * is known after fork, exec and SCM_RIGHTS.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/coord/wire.h"
#include "pal/grant.h"

#define LIFE_MARK 0x4c690000 /* with the pid in SO_RCVLOWAT; the stamp is in SO_PEEK_OFF */
#define LIFE_MARK_MASK 0x7fff0000
#define LIFE_TRIES 2000

_Static_assert(AREA_PIDS <= 0x10000, "a pid fits below the mark");

u32 coord_life_stamp(const struct area_slot *s)
{
	return (u32)(s->start_ns >> 10 & 0x7fffffff) | 1;
}

static int mark(int fd, const struct coord_life *l)
{
	s32 low = LIFE_MARK | l->pid, off = (s32)l->stamp;
	int r = pal_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));

	return r ?: pal_setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
}

bool coord_life_of(int fd, struct coord_life *l)
{
	unsigned len = sizeof(s32);
	s32 low = 0, off = 0;

	if (pal_getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len) || (low & LIFE_MARK_MASK) != LIFE_MARK ||
	    pal_getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len) || off <= 0)
		return false;
	*l = (struct coord_life){ .pid = low & ~LIFE_MARK_MASK, .stamp = (u32)off };
	return true;
}

int coord_life_pair(const struct coord_life *l, int ends[2])
{
	int r = wire_pair(ends);

	if (r)
		return r;
	r = mark(ends[1], l);
	if (!r)
		r = pal_shutdown(ends[1], SHUT_WR); /* nobody writes to the process this way */
	if (r) {
		pal_close(ends[0]);
		pal_close(ends[1]);
	}
	return r;
}

int coord_life_ended(const struct coord_life *l)
{
	int ends[2], r = coord_life_pair(l, ends);

	if (r)
		return r;
	pal_close(ends[0]);
	return ends[1];
}

bool coord_life_over(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static const struct timespec now;

	return wire_poll(&p, &now) > 0;
}

static int await_end(int from)
{
	static const struct timespec limit = { .tv_sec = 10 };
	struct pollfd p = { .fd = from, .events = POLLIN };
	struct coord_msg m;
	ssize_t n;
	int fd;

	while ((n = wire_receive(from, &m, sizeof(m), &fd)) == -EAGAIN)
		if (wire_poll(&p, &limit) == 0)
			return -ENOMEM;
	if (n < 0)
		return n == -EPIPE ? -ESRCH : (int)n;
	if (m.type == COORD_LIFEEND)
		return fd;
	if (fd >= 0)
		pal_close(fd);
	return -ESRCH;
}

int coord_life_open(s32 pid)
{
	static const struct timespec nap = { .tv_nsec = 1000000 };
	struct coord_msg m = { .version = COORD_VERSION, .type = COORD_LIFE, .pid = pid };
	int ends[2], r = wire_pair(ends);

	if (r)
		return r;
	/* The port is full only while the leader has not run. */
	for (unsigned i = 0; i < LIFE_TRIES; i++) {
		r = wire_send(GRANT_FD_LEADER, &m, NULL, NULL, 0, ends[1]);
		if (r != -EAGAIN)
			break;
		(void)wire_poll(NULL, &nap);
	}
	pal_close(ends[1]);
	if (!r)
		r = await_end(ends[0]);
	pal_close(ends[0]);
	return r;
}
