/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Ports of the sandbox on the host: gsh -p [ADDRESS:]HOST:IN.
 *
 * The monitor listens on the host and carries bytes; nothing of the host's network enters the
 * sandbox, where a socket of the host could be turned elsewhere. What stands for the connection
 * inside depends on the rung:
 *
 *	A   a TCP socket made in the sandbox's network namespace by the dialer (pal/confine/dial.c)
 *	B   one end of a socket pair, which the leader brings to the listener (MON_CONNECT)
 *
 * Bounded: ports, connections, and bytes under way for each; a connection too many waits at the
 * listener until one has ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define PORTS_MAX 32
#define CONNECTIONS_MAX 256
#define BYTES_MAX (256 << 10) /* taken from one side and not yet by the other */

struct published {
	struct published *next;
	struct monitor *m;
	struct evconnlistener *listener;
	char address[64];
	uint16_t host, inner;
};

struct carried {
	struct carried *next;
	struct published *port;
	struct bufferevent *side[2]; /* the host's, the sandbox's */
	bool ended[2];		     /* nothing more is read from it */
	bool told[2];		     /* and the other was told so */
	bool again;		     /* IPv4 was refused: IPv6 is being tried */
};

static void listen_all(struct monitor *m, bool on)
{
	for (struct published *p = m->published; p; p = p->next)
		if (on)
			evconnlistener_enable(p->listener);
		else
			evconnlistener_disable(p->listener);
}

static void carried_free(struct monitor *m, struct carried **p)
{
	struct carried *c = *p;

	*p = c->next;
	for (int i = 0; i < 2; i++)
		if (c->side[i])
			bufferevent_free(c->side[i]);
	free(c);
	if (m->ncarried-- == CONNECTIONS_MAX)
		listen_all(m, true);
}

static void carried_end(struct carried *c)
{
	struct monitor *m = c->port->m;
	struct carried **p = &m->carried;

	while (*p != c) /* it is there from its making */
		p = &(*p)->next;
	carried_free(m, p);
}

static size_t waiting(struct bufferevent *b)
{
	return evbuffer_get_length(bufferevent_get_output(b));
}

/* An end of file travels once all bytes before it have. True if c is gone. */
static bool pass_end(struct carried *c)
{
	for (int i = 0; i < 2; i++) {
		if (!c->ended[i] || c->told[i] || waiting(c->side[!i]))
			continue;
		shutdown(bufferevent_getfd(c->side[!i]), SHUT_WR);
		c->told[i] = true;
	}
	if (!c->told[0] || !c->told[1])
		return false;
	carried_end(c);
	return true;
}

static void on_read(struct bufferevent *from, void *arg)
{
	struct carried *c = arg;
	struct bufferevent *to = c->side[from == c->side[0]];

	bufferevent_write_buffer(to, bufferevent_get_input(from));
	if (waiting(to) >= BYTES_MAX)
		bufferevent_disable(from, EV_READ);
}

static void on_written(struct bufferevent *to, void *arg)
{
	struct carried *c = arg;
	bool host = to == c->side[0];

	if (!pass_end(c) && !c->ended[host])
		bufferevent_enable(c->side[host], EV_READ);
}

static int dial_inside(struct carried *c, int family);

static void on_event(struct bufferevent *b, short what, void *arg)
{
	struct carried *c = arg;
	int i = b == c->side[1];

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_EOF) {
		on_read(b, c); /* what came with it */
		c->ended[i] = true;
		bufferevent_disable(b, EV_READ);
		pass_end(c);
		return;
	}
	/* A server that listens on ::1 only. */
	if (i && !c->again && !(c->port->m->grant_flags & GRANT_BROKER_SOCK) && EVUTIL_SOCKET_ERROR() == ECONNREFUSED) {
		struct evbuffer *kept = evbuffer_new();

		c->again = true;
		if (kept)
			evbuffer_add_buffer(kept, bufferevent_get_output(b));
		bufferevent_free(b);
		c->side[1] = NULL;
		if (kept && !dial_inside(c, AF_INET6)) {
			bufferevent_write_buffer(c->side[1], kept);
			evbuffer_free(kept);
			return;
		}
		if (kept)
			evbuffer_free(kept);
	}
	carried_end(c);
}

static int attach(struct carried *c, int i, int fd)
{
	struct bufferevent *b = bufferevent_socket_new(c->port->m->base, fd, BEV_OPT_CLOSE_ON_FREE);

	if (!b) {
		close(fd);
		return -ENOMEM;
	}
	c->side[i] = b;
	bufferevent_setcb(b, on_read, on_written, on_event, c);
	bufferevent_setwatermark(b, EV_READ, 0, BYTES_MAX);
	return 0;
}

/* Rung A: to the loopback of the sandbox's network namespace. */
static int dial_inside(struct carried *c, int family)
{
	struct monitor *m = c->port->m;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(c->port->inner) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(c->port->inner) };
	int fd = confine_dial(m->dialer, family), err;

	if (fd < 0)
		return fd;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in6.sin6_addr = in6addr_loopback;
	err = attach(c, 1, fd);
	if (err)
		return err;
	if (family == AF_INET ? bufferevent_socket_connect(c->side[1], (void *)&in, sizeof(in))
			      : bufferevent_socket_connect(c->side[1], (void *)&in6, sizeof(in6)))
		return -ECONNREFUSED;
	return bufferevent_enable(c->side[1], EV_READ) ? -EIO : 0;
}

/* Rung B: a pair, one end of which the leader takes to who listens; or it closes it. */
static int hand_in(struct carried *c)
{
	struct mon_connect order = { .port = c->port->inner };
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	evutil_make_socket_nonblocking(ends[0]);
	err = control_send(c->port->m, MON_CONNECT, 0, &order, sizeof(order), &ends[1], 1);
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	err = attach(c, 1, ends[0]);
	return err ? err : bufferevent_enable(c->side[1], EV_READ) ? -EIO : 0;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
		      void *arg)
{
	struct published *p = arg;
	struct carried *c = calloc(1, sizeof(*c));
	int err;

	(void)l, (void)addr, (void)len;
	if (!c) {
		close(fd);
		return;
	}
	c->port = p;
	c->next = p->m->carried;
	p->m->carried = c;
	if (++p->m->ncarried == CONNECTIONS_MAX)
		listen_all(p->m, false);
	err = attach(c, 0, fd);
	if (!err)
		err = !(p->m->grant_flags & GRANT_BROKER_SOCK) ? dial_inside(c, AF_INET) : hand_in(c);
	if (!err && bufferevent_enable(c->side[0], EV_READ))
		err = -EIO;
	if (err) {
		log_debug("a connection to port %u finds nobody: %s", p->host, strerror(-err));
		carried_end(c);
	}
}

static void on_listen_again(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;

	(void)fd, (void)what;
	if (m->ncarried < CONNECTIONS_MAX)
		listen_all(m, true);
}

/* Out of descriptors, which the sandbox can bring about: the connection goes on waiting, but we do not spin on it. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	static const struct timeval pause = { .tv_sec = 1 };
	struct published *p = arg;

	(void)l;
	listen_all(p->m, false);
	(void)event_base_once(p->m->base, -1, EV_TIMEOUT, on_listen_again, p->m, &pause);
}

/* ---- ports ---- */

/* The numeric address; size of *out or -EINVAL. */
static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (void *)out;
	struct sockaddr_in6 *in6 = (void *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	return -EINVAL;
}

static uint16_t listening_port(struct evconnlistener *l)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} at = { 0 };
	socklen_t len = sizeof(at);

	if (getsockname(evconnlistener_get_fd(l), &at.any, &len))
		return 0;
	return ntohs(at.any.sa_family == AF_INET ? at.in.sin_port : at.in6.sin6_port);
}

static struct published *find(struct monitor *m, const char *address, uint16_t host, uint16_t inner)
{
	struct published *p = m->published;

	while (p && (strcmp(p->address, address) || p->host != host || p->inner != inner))
		p = p->next;
	return host ? p : NULL;
}

static int need_dialer(struct monitor *m)
{
	if (m->grant_flags & GRANT_BROKER_SOCK || m->dialer >= 0)
		return 0;
	m->dialer = confine_dialer(&m->child);
	return m->dialer < 0 ? m->dialer : 0;
}

int publish(struct monitor *m, const char *address, uint16_t host, uint16_t inner, uint16_t *got)
{
	struct published *p = find(m, address, host, inner);
	struct sockaddr_storage at;
	int len = parse_address(address, host, &at), err = 0;
	unsigned n = 0;

	*got = host;
	if (p)
		return 0;
	for (p = m->published; p; p = p->next)
		n++;
	if (len < 0 || n >= PORTS_MAX)
		return len < 0 ? len : -EMFILE;
	err = need_dialer(m);
	if (err)
		return err;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->m = m;
	p->inner = inner;
	snprintf(p->address, sizeof(p->address), "%s", address);
	p->listener = evconnlistener_new_bind(m->base, on_accept, p,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
						      LEV_OPT_REUSEABLE,
					      64, (void *)&at, len);
	if (!p->listener) {
		err = -errno;
		free(p);
		return err ? err : -EIO;
	}
	evconnlistener_set_error_cb(p->listener, on_accept_error);
	*got = p->host = listening_port(p->listener);
	p->next = m->published;
	m->published = p;
	log_line("port %u is published at %s port %u", inner, p->address, p->host);
	return 0;
}

struct json_object *publish_list(struct monitor *m)
{
	struct json_object *list = json_object_new_array();

	for (struct published *p = m->published; p; p = p->next) {
		struct json_object *o = json_object_new_object();

		json_put_str(o, "address", p->address);
		json_put_int(o, "host", p->host);
		json_put_int(o, "inner", p->inner);
		json_object_array_add(list, o);
	}
	return list;
}

void publish_close(struct monitor *m)
{
	while (m->carried)
		carried_free(m, &m->carried);
	while (m->published) {
		struct published *p = m->published;

		m->published = p->next;
		evconnlistener_free(p->listener);
		free(p);
	}
	if (m->dialer >= 0)
		close(m->dialer);
	m->dialer = -1;
}
