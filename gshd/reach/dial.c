/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * MON_DIAL: peers outside, for a sandbox whose policy has some (reach.h).
 *
 * The socket is ours and stays here: one that went in could be disconnected and turned elsewhere. What goes in is
 * one end of a pair, and bytes or messages are carried. A stream's answer waits until its connection stands or has
 * failed, so that the sandbox hears the errno. Who does not wait gets his end at once, but stuffed, so that it
 * cannot be written to, and a ticket for the outcome; the stuffing is taken out when the connection stands, and ends
 * with it where it fails. the sandbox's own network says ENETUNREACH to what is refused.
 *
 * Bounded: connections, bytes under way of each, the time to connect.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/reach/reach.h"

#define WIRES_MAX 256
#define BYTES_MAX (256 << 10) /* taken from one side and not yet by the other */
#define CONNECT_S 30
#define GRAM_MAX 65536
#define GRAM_IDLE_S 300

/* A connection: a stream's two buffers, or a datagram socket's two events. */
struct wire_out {
	struct wire_out *next;
	struct monitor *m;
	struct peer peer;
	struct bufferevent *side[2]; /* the peer's, the sandbox's */
	bool ended[2], told[2];
	int inner;	     /* the end for the sandbox, until it is known how it went; -1 */
	bool stands;
	uint32_t ticket;     /* 0: its answer waits */
	size_t stuffed;
	struct request later; /* what to answer */
	struct event *gram[2];
	int fd[2];
};

static void wire_free(struct wire_out *w)
{
	struct wire_out **p = &w->m->wires;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	w->m->nwires--;
	for (int i = 0; i < 2; i++) {
		if (w->side[i])
			bufferevent_free(w->side[i]);
		if (w->gram[i])
			event_free(w->gram[i]);
		if (w->fd[i] >= 0)
			close(w->fd[i]);
	}
	if (w->inner >= 0)
		close(w->inner);
	if (w->later.sock >= 0)
		close(w->later.sock);
	free(w);
}

static struct wire_out *wire_new(struct monitor *m, const struct peer *p)
{
	struct wire_out *w = m->nwires < WIRES_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	w->m = m;
	w->peer = *p;
	w->inner = w->fd[0] = w->fd[1] = w->later.sock = -1;
	w->next = m->wires;
	m->wires = w;
	m->nwires++;
	return w;
}

/* ---- streams ---- */

static size_t waiting(struct bufferevent *b)
{
	return evbuffer_get_length(bufferevent_get_output(b));
}

/* An end of file travels once all bytes before it have. True if w is gone. */
static bool pass_end(struct wire_out *w)
{
	for (int i = 0; i < 2; i++) {
		if (!w->ended[i] || w->told[i] || waiting(w->side[!i]))
			continue;
		shutdown(bufferevent_getfd(w->side[!i]), SHUT_WR);
		w->told[i] = true;
	}
	if (!w->told[0] || !w->told[1])
		return false;
	wire_free(w);
	return true;
}

static void on_read(struct bufferevent *from, void *arg)
{
	struct wire_out *w = arg;
	struct bufferevent *to = w->side[from == w->side[0]];

	bufferevent_write_buffer(to, bufferevent_get_input(from));
	if (waiting(to) >= BYTES_MAX)
		bufferevent_disable(from, EV_READ);
}

static void on_written(struct bufferevent *to, void *arg)
{
	struct wire_out *w = arg;
	int from = to == w->side[0];

	if (!w->side[1] || pass_end(w))
		return;
	if (!w->ended[from])
		bufferevent_enable(w->side[from], EV_READ);
}

/* What lies in the pair before anything of the guest's. */
static void unstuff(struct wire_out *w)
{
	static const int room = 212992; /* what a socket has by default */
	char buf[4096];

	(void)setsockopt(w->inner, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while (w->stuffed) {
		size_t want = w->stuffed < sizeof(buf) ? w->stuffed : sizeof(buf);
		ssize_t n = recv(bufferevent_getfd(w->side[1]), buf, want, MSG_DONTWAIT);

		if (n <= 0)
			return;
		w->stuffed -= (size_t)n;
	}
}

static void put_outcome(struct wire_out *w, uint32_t outcome)
{
	uint32_t *word = &w->m->dials->word[w->ticket & 0xffff];

	__atomic_store_n(word, (w->ticket & 0xffff0000u) | outcome, __ATOMIC_SEQ_CST);
}

/* It is known how it went. */
static void answer(struct wire_out *w, int err)
{
	if (w->stands)
		return;
	w->stands = !err;
	if (w->ticket) {
		put_outcome(w, (uint32_t)-err);
		if (!err)
			unstuff(w);
	} else if (w->later.sock >= 0) {
		w->later.reply.head.error = -err;
		if (!err) {
			w->later.reply.fds[0] = w->inner;
			w->later.reply.nfds = 1;
		}
		port_reply(&w->later);
		close(w->later.sock);
		w->later.sock = -1;
	}
	close(w->inner);
	w->inner = -1;
}

/* As little room as there may be, filled: poll then says of it what it says of a socket that is being connected. */
static void stuff(struct wire_out *w)
{
	static const int least = 0;
	static const char nothing[64];
	ssize_t n;

	(void)setsockopt(w->inner, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	while ((n = send(w->inner, nothing, sizeof(nothing), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		w->stuffed += (size_t)n;
}

/* The answer, at once. */
static int answer_early(struct wire_out *w, struct request *r)
{
	struct monitor *m = w->m;
	uint32_t count = m->ndials++;
	int fd = fcntl(w->inner, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	w->ticket = (count % 0xffff + 1) << 16 | count % GRANT_DIALS_MAX;
	put_outcome(w, GRANT_DIAL_PENDING);
	stuff(w);
	r->reply.head.value = w->ticket;
	r->reply.fds[r->reply.nfds++] = fd;
	return 0;
}

static int answer_later(struct wire_out *w, const struct request *r)
{
	w->later = *r;
	w->later.fds = NULL;
	w->later.nfds = 0;
	w->later.sock = fcntl(r->sock, F_DUPFD_CLOEXEC, 0);
	return w->later.sock < 0 ? -errno : 0;
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
	struct wire_out *w = arg;
	int i = b == w->side[1];

	if (what & BEV_EVENT_CONNECTED) {
		bufferevent_set_timeouts(b, NULL, NULL);
		answer(w, 0);
		bufferevent_enable(w->side[0], EV_READ);
		bufferevent_enable(w->side[1], EV_READ);
		return;
	}
	if (!w->stands) {
		int err = what & BEV_EVENT_TIMEOUT ? ETIMEDOUT : EVUTIL_SOCKET_ERROR();

		answer(w, err ? -err : -ECONNREFUSED);
		wire_free(w);
		return;
	}
	if (what & BEV_EVENT_EOF) {
		on_read(b, w); /* what came with it */
		w->ended[i] = true;
		bufferevent_disable(b, EV_READ);
		pass_end(w);
		return;
	}
	wire_free(w);
}

static int attach(struct wire_out *w, int i, int fd)
{
	w->side[i] = bufferevent_socket_new(w->m->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!w->side[i]) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	bufferevent_setcb(w->side[i], on_read, on_written, on_event, w);
	bufferevent_setwatermark(w->side[i], EV_READ, 0, BYTES_MAX);
	bufferevent_disable(w->side[i], EV_READ);
	return 0;
}

/* The peer's address, in the family that it has on the wire. */
static socklen_t address_of(const struct peer *p, struct sockaddr_storage *to)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (!memcmp(p->addr, mapped, sizeof(mapped))) {
		in->sin_family = AF_INET;
		in->sin_port = htons(p->port);
		memcpy(&in->sin_addr, p->addr + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(p->port);
	memcpy(&in6->sin6_addr, p->addr, 16);
	return sizeof(*in6);
}

static int make_pair(int type, int ends[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends))
		return -errno;
	return evutil_make_socket_nonblocking(ends[0]) ? -EIO : 0;
}

/* r is answered later if it is 0 and somebody waits. */
static int dial_stream(struct monitor *m, struct request *r, const struct peer *p, bool nowait)
{
	static const struct timeval limit = { .tv_sec = CONNECT_S };
	struct sockaddr_storage to;
	socklen_t len = address_of(p, &to);
	struct wire_out *w = wire_new(m, p);
	int ends[2], err, fd;

	if (!w)
		return -EADDRNOTAVAIL; /* as when all ports are taken */
	err = make_pair(SOCK_STREAM, ends);
	if (err)
		goto fail;
	w->inner = ends[1];
	err = attach(w, 1, ends[0]);
	fd = err ? -1 : socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!err)
		err = fd < 0 ? -errno : attach(w, 0, fd);
	if (err)
		goto fail;
	err = nowait ? answer_early(w, r) : answer_later(w, r);
	if (err)
		goto fail;
	bufferevent_set_timeouts(w->side[0], NULL, &limit);
	/* Fails at once where there is no way at all: then on_event has answered, and w is gone. */
	if (bufferevent_socket_connect(w->side[0], (void *)&to, (int)len)) {
		log_debug("a connection cannot be begun: %s", strerror(errno));
		for (struct wire_out *i = m->wires; i; i = i->next)
			if (i == w) {
				answer(w, errno ? -errno : -ENETUNREACH);
				wire_free(w);
				break;
			}
	}
	return 0;
fail:
	wire_free(w);
	return err;
}

/* ---- datagrams ---- */

/* An empty message, or the end of who would send one? */
static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

/* What finds no room is lost, as on a wire. */
static void on_gram(evutil_socket_t fd, short what, void *arg)
{
	static char buf[GRAM_MAX];
	struct wire_out *w = arg;
	int from = fd == w->fd[1];
	ssize_t n;

	if (what & EV_TIMEOUT) {
		wire_free(w); /* nothing was said for long; the sandbox's end hears the end */
		return;
	}
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0 || (n == 0 && (!from || !hung_up(fd))))
		(void)!send(w->fd[!from], buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (from && (n == 0 || errno != EAGAIN))
		wire_free(w); /* the sandbox let go of it */
	/* An error of the peer's side (nobody listens) is lost, as many are. */
}

static int dial_gram(struct monitor *m, struct request *r, const struct peer *p)
{
	static const struct timeval idle = { .tv_sec = GRAM_IDLE_S };
	struct sockaddr_storage to;
	socklen_t len = address_of(p, &to);
	struct wire_out *w = wire_new(m, p);
	int ends[2], err;

	if (!w)
		return -EADDRNOTAVAIL;
	err = make_pair(SOCK_SEQPACKET, ends);
	if (err)
		goto fail;
	w->fd[1] = ends[0];
	w->inner = ends[1];
	w->fd[0] = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd[0] < 0 || connect(w->fd[0], (void *)&to, len)) {
		err = -errno;
		goto fail;
	}
	for (int i = 0; i < 2; i++) {
		w->gram[i] = event_new(m->base, w->fd[i], EV_READ | EV_PERSIST, on_gram, w);
		if (!w->gram[i] || event_add(w->gram[i], i ? &idle : NULL)) {
			err = -ENOMEM;
			goto fail;
		}
	}
	r->reply.fds[r->reply.nfds++] = w->inner;
	w->inner = -1;
	return 0;
fail:
	wire_free(w);
	return err;
}

/* ---- the request ---- */

static int refused(struct monitor *m, const struct peer *p, bool quiet)
{
	char rule[320];

	if (!quiet) {
		reach_rule_for(m->reach, p, rule, sizeof(rule));
		denial_note(m, "net", rule);
	}
	return -ENETUNREACH;
}

/* With nat, what is not closed was tried, and refused by the peer itself. */
static bool has_own_way(const struct reach *r, const struct peer *p)
{
	return r->nat && !reach_special(p->addr) && !reach_denied(r, p->addr);
}

void answer_dial(struct monitor *m, struct request *r)
{
	struct mon_dial q;
	struct peer p;
	int err;

	memcpy(&q, r->data, sizeof(q));
	p = (struct peer){ .port = q.port, .udp = q.kind == MON_DIAL_GRAM };
	memcpy(p.addr, q.addr, sizeof(p.addr));
	if ((q.kind != MON_DIAL_STREAM && q.kind != MON_DIAL_GRAM) || m->reach->none)
		err = -ENETUNREACH;
	else if (p.udp && p.port == 53 && !reach_allows(m->reach, &p))
		err = names_serve(m, r);
	else if (!reach_allows(m->reach, &p))
		err = refused(m, &p, q.flags & MON_DIAL_QUIET || has_own_way(m->reach, &p));
	else
		err = p.udp ? dial_gram(m, r, &p) : dial_stream(m, r, &p, q.flags & MON_DIAL_NOWAIT);
	r->later = !err && !p.udp && !(q.flags & MON_DIAL_NOWAIT);
	r->reply.head.error = -err;
}

void dial_close_refused(struct monitor *m)
{
	struct wire_out *w = m->wires, *next;

	for (; w; w = next) {
		next = w->next;
		if (!reach_allows(m->reach, &w->peer)) {
			answer(w, -ENETUNREACH);
			wire_free(w);
		}
	}
}

void dial_close_all(struct monitor *m)
{
	for (struct wire_out *w = m->wires, *next; w; w = next) {
		next = w->next;
		wire_free(w);
	}
}
