/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The ports of processes that split off from their sandbox (libos/split/split.h).
 *
 * A process that is about to split passes a socket and what it will still be allowed to write:
 * those descriptors are its places. Afterwards it has no other port, and its filter lets it change
 * no attribute by itself; it asks here, on both rungs. A file is changed if the kernel's path of
 * it, by the same mount, is one of the places' or lies below it. A file elsewhere cannot get such a
 * path: to rename or link one into a place takes Landlock's REFER where it comes from.
 *
 * Behind such a port stands another trust domain than the sandbox's, perhaps one that is after the
 * sandbox: so what is wrong here closes this port, and is never a violation that would end them
 * all.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define SPLITS_MAX 256
#define BROKEN_LOGGED 64 /* lines in one life of the sandbox: it can make such ports without end */
#define SPLITS_BELOW 8 /* ports that one may have made for splits of the split, in its life */

struct split_port {
	struct split_port *next;
	struct monitor *m;
	int sock;
	struct event *ev;
	int place[MON_SPLIT_PLACES];
	unsigned nplaces;
	unsigned budget; /* ports that may still be made by it: a split process must not use them all up */
};

static void split_free(struct split_port *s)
{
	if (s->ev)
		event_free(s->ev);
	if (s->sock >= 0)
		close(s->sock);
	for (unsigned i = 0; i < s->nplaces; i++)
		close(s->place[i]);
	free(s);
}

static void split_close(struct split_port *s)
{
	struct split_port **p = &s->m->splits;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	s->m->nsplits--;
	split_free(s);
}

void split_port_close_all(struct monitor *m)
{
	while (m->splits)
		split_close(m->splits);
}

/* Where fd's file lies by the kernel's word; path has room for PATH_MAX. */
static int path_of(int fd, char *path)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n <= 1 || n >= PATH_MAX - 1 || path[0] != '/')
		return -EPERM;
	path[n] = '\0';
	return 0;
}

static bool in_place(int place, const struct statx *of, const char *path)
{
	char dir[PATH_MAX];
	struct statx stx;
	size_t n;

	if (statx(place, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) ||
	    stx.stx_mnt_id != of->stx_mnt_id || path_of(place, dir))
		return false;
	n = strlen(dir);
	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

static int check_place(const struct split_port *s, int fd, uint32_t op)
{
	char path[PATH_MAX];
	struct statx stx;
	int err;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, &stx))
		return -errno;
	if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode) && !S_ISFIFO(stx.stx_mode) &&
	    !S_ISSOCK(stx.stx_mode) && !(S_ISLNK(stx.stx_mode) && op == MON_ATTR_TIMES))
		return -EPERM;
	/* The places came from the sandbox: they can narrow what is its own, not widen it. */
	err = setattr_check(s->m, fd, op);
	if (!err)
		err = path_of(fd, path);
	for (unsigned i = 0; i < s->nplaces && !err; i++)
		if (in_place(s->place[i], &stx, path))
			return 0;
	return err ? err : -EPERM;
}

static void on_readable(evutil_socket_t sock, short what, void *arg);

static bool is_port(int fd)
{
	int type = 0, domain = 0;
	socklen_t n = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) && type == SOCK_SEQPACKET &&
	       !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) && domain == AF_UNIX;
}

/* fds: the port and its places. What is kept is taken out of them. 0 or -errno. */
static int add_port(struct monitor *m, int *fds, unsigned nfds, unsigned budget)
{
	struct split_port *s;

	if (!is_port(fds[0]))
		return -EINVAL;
	s = m->nsplits < SPLITS_MAX ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return -EAGAIN;
	s->m = m;
	s->budget = budget;
	s->sock = fds[0];
	fds[0] = -1;
	for (unsigned i = 1; i < nfds; i++) {
		s->place[s->nplaces++] = fds[i];
		fds[i] = -1;
	}
	s->ev = event_new(m->base, s->sock, EV_READ | EV_PERSIST, on_readable, s);
	if (!s->ev || event_add(s->ev, NULL)) {
		split_free(s);
		return -EAGAIN;
	}
	s->next = m->splits;
	m->splits = s;
	m->nsplits++;
	return 0;
}

static int change(struct split_port *s, int fd, const char *data, size_t size)
{
	struct mon_setattr q;
	int err;

	memcpy(&q, data, sizeof(q));
	err = check_place(s, fd, q.op);
	return err ? err : setattr_perform(fd, data, size);
}

/* A split of the split: its places are among ours. */
static int split_further(struct split_port *s, int *fds, unsigned nfds)
{
	int err = s->budget ? 0 : -EAGAIN;

	for (unsigned i = 1; i < nfds && !err; i++)
		err = check_place(s, fds[i], 0);
	if (!err)
		err = add_port(s->m, fds, nfds, --s->budget / 2);
	return err;
}

/* false: out of shape. */
static bool handle(struct split_port *s, const char *buf, size_t size, int *fds, unsigned nfds)
{
	struct request r = { 0 };
	struct mon_msg msg;
	int err = -EPERM;

	if (size < sizeof(msg) || !nfds)
		return false;
	memcpy(&msg, buf, sizeof(msg));
	if (msg.len != size - sizeof(msg))
		return false;
	if (msg.type == MON_SETATTR) {
		if (msg.len < sizeof(struct mon_setattr) || nfds != 2)
			return false;
		err = change(s, fds[1], buf + sizeof(msg), msg.len);
	} else if (msg.type == MON_SPLIT) {
		if (msg.len || nfds < 3 || nfds > 2 + MON_SPLIT_PLACES)
			return false;
		err = split_further(s, fds + 1, nfds - 1);
	}
	r.sock = fds[0];
	r.id = msg.id;
	r.reply.head.error = -err;
	port_reply(&r);
	return true;
}

static void on_readable(evutil_socket_t sock, short what, void *arg)
{
	static char buf[MON_MSG_MAX];
	struct split_port *s = arg;
	int fds[MON_FDS_MAX];
	size_t size = sizeof(buf);
	unsigned nfds;
	int err = port_receive(sock, buf, &size, fds, &nfds);

	(void)what;
	if (!err && !handle(s, buf, size, fds, nfds))
		err = -EBADMSG;
	if ((err == -EBADMSG || err == -EMSGSIZE) && s->m->nbroken++ < BROKEN_LOGGED)
		log_line("sandbox %s: a process that split off broke the protocol; its port is closed",
			 s->m->spec.name);
	for (unsigned i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (err && err != -EAGAIN)
		split_close(s);
}

void answer_split(struct monitor *m, struct request *r)
{
	r->reply.head.error = -add_port(m, r->fds, r->nfds, SPLITS_BELOW);
}
