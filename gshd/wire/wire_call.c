/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Calls: from a message to its method, from a method to its answer; upgrades; and calls that a
 * child process answers. See wire.h for the contract, wire.c for the connections below.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/log.h"
#include "gshd/wire/wire_impl.h"

/* A method may look at its call after it has answered: until it returns, the call is there. */
static struct wire_call *at_hand;

void wire_call_free(struct wire_call *call)
{
	if (call == at_hand) {
		call->over = true;
		return;
	}
	wire_close_fds(call->fds, call->nfds);
	json_object_put(call->params);
	free(call);
}

/* ---- answers ---- */

static bool send_object(struct wire_conn *c, struct json_object *message)
{
	size_t size;
	const char *text = json_object_to_json_string_length(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	bool ok = text && wire_conn_send(c, text, size + 1);

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
	wire_call_free(call);
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
	wire_conn_want(c);
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
	struct wire_call *call = calloc(1, sizeof(*call)), *outer;

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
		wire_call_free(call);
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
		outer = at_hand;
		at_hand = call;
		call->method->answer(call);
		at_hand = outer;
		if (call->over)
			wire_call_free(call);
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

void wire_conn_work(struct wire_conn *c)
{
	/* One call in flight, and its answer written, before the next is looked at. Anything that
	 * follows the upgrade's answer is no message. */
	if (!c->call && !c->raw && !c->finishing && !evbuffer_get_length(c->out))
		take_message(c);
	wire_conn_want(c);
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

/* ---- workers ---- */

pid_t wire_fork(struct wire_call *call)
{
	struct wire_conn *c = call->conn;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid) {
		c->worker = pid;
		wire_conn_want(c);
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
