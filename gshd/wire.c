/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The server side of the wire: connections, messages, answers. See wire.h for the contract,
 * PROTOCOL for the bytes.
 *
 * A connection is born by accept, which looks at the peer's uid first. It reads a message (bytes
 * and descriptors), hands one call to its method, and reads no further until that is answered. It
 * dies when the peer goes, when a bound is broken, or with wire_close().
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/wire.h"

struct wire_conn {
	struct wire_server *server;
	struct wire_conn *next, **prev;
	int fd;
	struct event *reading, *writing;
	struct evbuffer *in, *out;
	size_t scanned;	       /* bytes of `in` known to hold no NUL */
	int fds[WIRE_FDS_MAX]; /* received, not yet claimed by a message */
	unsigned nfds;
	struct wire_call *call;	    /* being answered */
	pid_t worker;		    /* answers it; 0: we do */
	const struct wire_raw *raw; /* upgraded */
	void *raw_arg;
	bool finishing; /* close once `out` is empty */
	bool blocking;	/* in a worker: answers are written at once */
};

static void conn_free(struct wire_conn *c);
static void conn_work(struct wire_conn *c);

static void close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void call_free(struct wire_call *call)
{
	close_fds(call->fds, call->nfds);
	json_object_put(call->params);
	free(call);
}

/* ---- writing ---- */

static void conn_want(struct wire_conn *c)
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
		conn_free(c);
		return;
	}
	if (evbuffer_get_length(c->out)) {
		event_add(c->writing, NULL);
		return;
	}
	if (c->finishing) {
		conn_free(c);
		return;
	}
	if (c->raw) {
		if (c->raw->drained)
			c->raw->drained(c, c->raw_arg);
		return;
	}
	conn_work(c);
}

/* Returns false if the connection cannot take it. */
static bool conn_send(struct wire_conn *c, const void *data, size_t size)
{
	if (evbuffer_add(c->out, data, size))
		return false;
	if (c->blocking)
		return flush_blocking(c) == 0;
	conn_want(c);
	return evbuffer_get_length(c->out) <= WIRE_BACKLOG_MAX;
}

static bool send_object(struct wire_conn *c, struct json_object *message)
{
	size_t size;
	const char *text = json_object_to_json_string_length(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	bool ok = text && conn_send(c, text, size + 1);

	json_object_put(message);
	return ok;
}

static struct json_object *or_empty(struct json_object *params)
{
	return params ? params : json_object_new_object();
}

bool wire_reply_more(struct wire_call *call, struct json_object *params)
{
	struct json_object *m;

	if (!call->conn || call->oneway) {
		json_object_put(params);
		return call->conn != NULL;
	}
	m = json_object_new_object();
	json_object_object_add(m, "parameters", or_empty(params));
	json_object_object_add(m, "continues", json_object_new_boolean(1));
	return send_object(call->conn, m);
}

/* The call is over, and the connection free for the next. */
static void call_end(struct wire_call *call, struct json_object *message)
{
	struct wire_conn *c = call->conn;

	if (c) {
		c->call = NULL;
		if (call->oneway)
			json_object_put(message);
		else
			send_object(c, message);
		if (!c->blocking && !evbuffer_get_length(c->out))
			event_active(c->writing, EV_WRITE, 0);
	} else {
		json_object_put(message);
	}
	call_free(call);
}

void wire_reply(struct wire_call *call, struct json_object *params)
{
	struct json_object *m = json_object_new_object();

	json_object_object_add(m, "parameters", or_empty(params));
	call_end(call, m);
}

void wire_error(struct wire_call *call, const char *name, struct json_object *params)
{
	struct json_object *m = json_object_new_object();

	json_object_object_add(m, "error", json_object_new_string(name));
	json_object_object_add(m, "parameters", or_empty(params));
	call_end(call, m);
}

void wire_fail(struct wire_call *call, const char *name, const char *what, const char *why,
	       const char *hint)
{
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "what", json_object_new_string(what));
	json_object_object_add(p, "why", json_object_new_string(why));
	if (hint && *hint)
		json_object_object_add(p, "hint", json_object_new_string(hint));
	wire_error(call, name, p);
}

/* ---- messages ---- */

/* Tell a peer what it did wrong, then close. */
static void conn_refuse(struct wire_conn *c, const char *why)
{
	struct json_object *m = json_object_new_object(), *p = json_object_new_object();

	log_line("a client broke the protocol: %s", why);
	json_object_object_add(p, "what", json_object_new_string("message"));
	json_object_object_add(p, "why", json_object_new_string(why));
	json_object_object_add(m, "error", json_object_new_string("org.gsh.BadRequest"));
	json_object_object_add(m, "parameters", p);
	c->finishing = true;
	send_object(c, m);
	conn_want(c);
}

static void answer_get_info(struct wire_call *call)
{
	const struct wire_interface *i = call->server->interface;
	struct json_object *p = json_object_new_object(), *names = json_object_new_array();

	json_object_array_add(names, json_object_new_string("org.varlink.service"));
	json_object_array_add(names, json_object_new_string(i->name));
	json_object_object_add(p, "vendor", json_object_new_string(i->vendor));
	json_object_object_add(p, "product", json_object_new_string(i->product));
	json_object_object_add(p, "version", json_object_new_string(GSH_VERSION));
	json_object_object_add(p, "url", json_object_new_string(""));
	json_object_object_add(p, "interfaces", names);
	wire_reply(call, p);
}

static const struct wire_method service = { "GetInfo", 0, answer_get_info };

static const struct wire_method *find_method(const struct wire_interface *i, const char *full)
{
	size_t n = strlen(i->name);

	if (!strcmp(full, "org.varlink.service.GetInfo"))
		return &service;
	if (strncmp(full, i->name, n) || full[n] != '.')
		return NULL;
	for (size_t k = 0; k < i->count; k++)
		if (!strcmp(full + n + 1, i->methods[k].name))
			return &i->methods[k];
	return NULL;
}

static bool flag(struct json_object *m, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(m, name, &v) && json_object_get_boolean(v);
}

/* Descriptors that the parameters speak of, off the head of those received. */
static bool claim_fds(struct wire_conn *c, struct wire_call *call)
{
	struct json_object *v;
	int64_t n = 0;

	if (json_object_object_get_ex(call->params, "fds", &v))
		n = json_object_get_int64(v);
	if (n < 0 || n > c->nfds)
		return false;
	call->nfds = (unsigned)n;
	memcpy(call->fds, c->fds, call->nfds * sizeof(int));
	c->nfds -= call->nfds;
	memmove(c->fds, c->fds + call->nfds, c->nfds * sizeof(int));
	return true;
}

static void dispatch(struct wire_conn *c, struct json_object *m)
{
	struct json_object *name, *params;
	struct wire_call *call = calloc(1, sizeof(*call));

	if (!call || !json_object_object_get_ex(m, "method", &name) ||
	    !json_object_is_type(name, json_type_string)) {
		free(call);
		conn_refuse(c, call ? "it names no method" : "out of memory");
		return;
	}
	call->server = c->server;
	call->conn = c;
	if (json_object_object_get_ex(m, "parameters", &params) &&
	    json_object_is_type(params, json_type_object))
		call->params = json_object_get(params);
	else
		call->params = json_object_new_object();
	call->more = flag(m, "more");
	call->oneway = flag(m, "oneway");
	call->upgrade = flag(m, "upgrade");
	c->call = call;
	if (!claim_fds(c, call)) {
		c->call = NULL;
		call_free(call);
		conn_refuse(c, "it speaks of more descriptors than came with it");
		return;
	}
	call->method = find_method(c->server->interface, json_object_get_string(name));
	if (!call->method) {
		params = json_object_new_object();
		json_object_object_add(params, "method", json_object_get(name));
		wire_error(call, "org.varlink.service.MethodNotFound", params);
	} else if (call->upgrade && !(call->method->flags & WIRE_UPGRADE)) {
		wire_fail(call, "org.gsh.BadRequest", call->method->name, "it takes no upgrade",
			  NULL);
	} else {
		call->method->answer(call);
	}
}

/* Take one message off the buffer and start to answer it. False: there is no whole one. */
static bool take_message(struct wire_conn *c)
{
	struct evbuffer_ptr from, nul;
	struct json_tokener *tok;
	struct json_object *m = NULL;
	size_t size;
	char *text;

	if (evbuffer_ptr_set(c->in, &from, c->scanned, EVBUFFER_PTR_SET))
		return false;
	nul = evbuffer_search(c->in, "", 1, &from);
	if (nul.pos < 0) {
		c->scanned = evbuffer_get_length(c->in);
		if (c->scanned > WIRE_MESSAGE_MAX)
			conn_refuse(c, "it is longer than 1 MiB");
		return false;
	}
	c->scanned = 0;
	size = (size_t)nul.pos + 1;
	text = size <= WIRE_MESSAGE_MAX ? (char *)evbuffer_pullup(c->in, (ssize_t)size) : NULL;
	tok = text ? json_tokener_new_ex(WIRE_DEPTH_MAX) : NULL;
	if (tok) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
		m = json_tokener_parse_ex(tok, text, (int)size);
		json_tokener_free(tok);
	}
	evbuffer_drain(c->in, size);
	if (!json_object_is_type(m, json_type_object))
		conn_refuse(c, "it is no JSON object within the bounds");
	else
		dispatch(c, m);
	json_object_put(m);
	return true;
}

static void conn_work(struct wire_conn *c)
{
	/* One call in flight, and its answer written, before the next is looked at. Anything that
	 * follows the upgrade's answer is no message. */
	if (!c->call && !c->raw && !c->finishing && !evbuffer_get_length(c->out))
		take_message(c);
	conn_want(c);
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
		conn_want(c);
	} else if (n <= 0 && n != -EAGAIN && n != -EINTR) {
		conn_free(c);
	} else if (c->raw) {
		conn_want(c);
		c->raw->bytes(c, c->in, c->raw_arg); /* may finish or free c */
	} else {
		conn_work(c);
	}
}

/* ---- birth and death ---- */

static void conn_free(struct wire_conn *c)
{
	struct wire_server *s = c->server;
	struct wire_call *call = c->call;

	if (c->raw && c->raw->gone)
		c->raw->gone(c, c->raw_arg);
	if (call) {
		call->conn = NULL;
		if (c->worker) /* the worker's copy is the one that is answered */
			call_free(call);
		else if (call->gone)
			call->gone(call);
	}
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	event_free(c->reading);
	event_free(c->writing);
	evbuffer_free(c->in);
	evbuffer_free(c->out);
	close_fds(c->fds, c->nfds);
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
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	s->conns = c;
	s->nconns++;
	if (s->changed)
		s->changed(s);
	conn_want(c);
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
		conn_want(c);
		event_active(c->writing, EV_WRITE, 0);
	}
}

void wire_close(struct wire_server *s)
{
	stop_listening(s);
	while (s->conns)
		conn_free(s->conns);
}

/* ---- upgraded connections ---- */

struct wire_conn *wire_upgrade(struct wire_call *call, struct json_object *params,
			       const struct wire_raw *raw, void *arg)
{
	struct wire_conn *c = call->conn;
	struct json_object *m = json_object_new_object();

	json_object_object_add(m, "parameters", or_empty(params));
	if (c) {
		c->raw = raw;
		c->raw_arg = arg;
		if (evbuffer_get_length(c->in))
			event_active(c->reading, EV_READ, 0);
	}
	call_end(call, m);
	return c;
}

void wire_write(struct wire_conn *c, const void *data, size_t size)
{
	if (!c->finishing && !conn_send(c, data, size)) {
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
	conn_want(c);
	event_active(c->writing, EV_WRITE, 0);
}

/* ---- workers ---- */

pid_t wire_fork(struct wire_call *call)
{
	struct wire_conn *c = call->conn;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid) {
		c->worker = pid;
		conn_want(c);
		return pid;
	}
	c->blocking = true;
	fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK);
	return 0;
}

void wire_resume(struct wire_server *s, pid_t pid, bool ok)
{
	for (struct wire_conn *c = s->conns; c; c = c->next) {
		if (c->worker != pid)
			continue;
		c->worker = 0;
		fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
		if (ok)
			c->call->oneway = true; /* answered already */
		if (ok)
			wire_reply(c->call, NULL);
		else
			wire_fail(c->call, "org.gsh.Failed", c->call->method->name,
				  "the process that worked on it has died", "see gshd's log");
		return;
	}
}
