/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The server side of the wire: connections. See wire.h for the contract, wire_call.c for what is
 * done with messages, PROTOCOL for the bytes.
 *
 * A connection is born by accept, which looks at the peer's uid first. It reads a message (bytes
 * and descriptors), hands one call to its method, and reads no further until that is answered. It
 * dies when the peer goes, when a bound is broken, or with wire_close().
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/wire/wire_impl.h"

/* ---- writing ---- */

void wire_conn_want(struct wire_conn *c)
{
	bool read = !c->finishing && !c->worker &&
		    ((c->raw && evbuffer_get_length(c->in) < WIRE_RAW_MAX) ||
		     (!c->raw && !c->call && !evbuffer_get_length(c->out)) ||
		     (c->call && evbuffer_get_length(c->in) < WIRE_MESSAGE_MAX));

	if (read)
		event_add(c->reading, NULL);
	else
		event_del(c->reading);
	if (evbuffer_get_length(c->out))
		event_add(c->writing, NULL);
}

static int flush_blocking(struct wire_conn *c)
{
	while (evbuffer_get_length(c->out))
		if (evbuffer_write(c->out, c->fd) < 0 && errno != EINTR)
			return -errno;
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct wire_conn *c = arg;

	(void)what;
	/* With nothing to write the result is -1 and errno whatever it was. */
	if (evbuffer_get_length(c->out) && evbuffer_write(c->out, fd) < 0 && errno != EAGAIN &&
	    errno != EINTR) {
		wire_conn_free(c);
		return;
	}
	if (evbuffer_get_length(c->out)) {
		event_add(c->writing, NULL);
		return;
	}
	if (c->finishing) {
		wire_conn_free(c);
		return;
	}
	if (c->raw) {
		if (c->raw->drained)
			c->raw->drained(c, c->raw_arg);
		return;
	}
	wire_conn_work(c);
}

/* Returns false if the connection cannot take it. */
bool wire_conn_send(struct wire_conn *c, const void *data, size_t size)
{
	if (evbuffer_add(c->out, data, size))
		return false;
	if (c->blocking)
		return flush_blocking(c) == 0;
	wire_conn_want(c);
	return evbuffer_get_length(c->out) <= WIRE_BACKLOG_MAX;
}

/* ---- reading ---- */

/* Up to a buffer of bytes, with any descriptors. >0 bytes, 0 end of file, -errno. */
static ssize_t receive(struct wire_conn *c)
{
	static char buf[65536];
	union {
		char buf[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bool full = false;

	if (n < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
		int fds[WIRE_FDS_MAX];
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
		    count > WIRE_FDS_MAX)
			continue;
		memcpy(fds, CMSG_DATA(h), count * sizeof(int));
		for (size_t i = 0; i < count; i++) {
			if (c->nfds < WIRE_FDS_MAX && !c->raw)
				c->fds[c->nfds++] = fds[i];
			else
				full = true, close(fds[i]);
		}
	}
	if (full || (msg.msg_flags & MSG_CTRUNC))
		return -EPROTO;
	if (n > 0 && evbuffer_add(c->in, buf, (size_t)n))
		return -ENOMEM;
	return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wire_conn *c = arg;
	ssize_t n = receive(c);

	(void)fd, (void)what;
	if ((n == -EAGAIN || n == -EINTR) && !(c->raw && evbuffer_get_length(c->in))) {
		wire_conn_want(c);
	} else if (n <= 0 && n != -EAGAIN && n != -EINTR) {
		wire_conn_free(c);
	} else if (c->raw) {
		wire_conn_want(c);
		c->raw->bytes(c, c->in, c->raw_arg); /* may finish or free c */
	} else {
		wire_conn_work(c);
	}
}

/* ---- birth and death ---- */

static void conn_free(struct wire_server *s, struct wire_conn *c)
{
	struct wire_call *call = c->call;

	if (c->raw && c->raw->gone)
		c->raw->gone(c, c->raw_arg);
	if (call) {
		call->conn = NULL;
		if (c->worker) /* the worker's copy is the one that is answered */
			wire_call_free(call);
		else if (call->gone)
			call->gone(call);
	}
	if (s->conns == c)
		s->conns = c->next;
	else
		c->prev->next = c->next;
	if (c->next)
		c->next->prev = c->prev;
	event_free(c->reading);
	event_free(c->writing);
	evbuffer_free(c->in);
	evbuffer_free(c->out);
	wire_close_fds(c->fds, c->nfds);
	if (!c->worker)
		shutdown(c->fd, SHUT_RDWR); /* workers for others hold copies */
	close(c->fd);
	free(c);
	s->nconns--;
	if (s->accepting)
		event_add(s->accepting, NULL);
	if (s->changed)
		s->changed(s);
}

void wire_conn_free(struct wire_conn *c)
{
	conn_free(c->server, c);
}

static bool peer_is_us(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) && cred.uid == geteuid();
}

static void conn_new(struct wire_server *s, int fd)
{
	struct wire_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->in = evbuffer_new();
	c->out = evbuffer_new();
	c->reading = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writing = event_new(s->base, fd, EV_WRITE, on_writable, c);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->nconns++;
	if (s->changed)
		s->changed(s);
	wire_conn_want(c);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct wire_server *s = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0) {
		/* Out of descriptors: wait for a connection to end instead of spinning. */
		if (errno == EMFILE || errno == ENFILE)
			event_del(s->accepting);
		return;
	}
	if (!peer_is_us(fd)) {
		close(fd);
		return;
	}
	conn_new(s, fd);
	if (s->nconns >= WIRE_CONNS_MAX)
		event_del(s->accepting);
}

int wire_serve(struct wire_server *s, int listener)
{
	s->listener = listener;
	s->accepting = event_new(s->base, listener, EV_READ | EV_PERSIST, on_accept, s);
	if (!s->accepting || event_add(s->accepting, NULL))
		return -ENOMEM;
	return 0;
}

static void stop_listening(struct wire_server *s)
{
	if (!s->accepting)
		return;
	event_free(s->accepting);
	s->accepting = NULL;
	close(s->listener);
}

void wire_shutdown(struct wire_server *s)
{
	stop_listening(s);
	for (struct wire_conn *c = s->conns; c; c = c->next) {
		c->finishing = true;
		wire_conn_want(c);
		event_active(c->writing, EV_WRITE, 0);
	}
}

void wire_close(struct wire_server *s)
{
	stop_listening(s);
	while (s->conns)
		conn_free(s, s->conns);
}

/* ---- upgraded connections ---- */

void wire_write(struct wire_conn *c, const void *data, size_t size)
{
	if (!c->finishing && !wire_conn_send(c, data, size)) {
		/* It does not read. Nothing can be said to it; let the event loop close it. */
		shutdown(c->fd, SHUT_RDWR);
		event_active(c->reading, EV_READ, 0);
	}
}

size_t wire_backlog(const struct wire_conn *c)
{
	return evbuffer_get_length(c->out);
}

void wire_again(struct wire_conn *c)
{
	if (evbuffer_get_length(c->in))
		event_active(c->reading, EV_READ, 0);
}

void wire_finish(struct wire_conn *c)
{
	c->finishing = true;
	c->raw = NULL;
	wire_conn_want(c);
	event_active(c->writing, EV_WRITE, 0);
}
