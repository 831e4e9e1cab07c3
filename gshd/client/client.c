/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calls over a connection: see client.h. Finding and starting gshd is in start.c. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/client/client.h"

#define MESSAGE_MAX (1u << 20) /* of one we send; answers may be larger, up to ANSWER_MAX */
#define ANSWER_MAX (16u << 20)
#define FDS_MAX 16

struct client {
	int fd;
	char *in;
	size_t have, room;
	size_t taken; /* of the last answer, NUL included */
};

int client_open(struct client **out, const char *path)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = paths_connect(path);
	if (c->fd < 0) {
		int err = c->fd;
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	free(c);
}

int client_fd(const struct client *c)
{
	return c->fd;
}

bool client_ready(const struct client *c)
{
	return c->have > c->taken && memchr(c->in + c->taken, '\0', c->have - c->taken);
}

/* What all of the user's processes have on the way is counted together, and held against the limit of who sends: a
 * sandbox may have as much as its own, which is below our hard one (pal/confine/limits.c). */
static ssize_t send_some(int fd, const struct msghdr *msg)
{
	ssize_t n = sendmsg(fd, msg, MSG_NOSIGNAL);
	struct rlimit was, most;
	int err;

	if (n >= 0 || errno != ETOOMANYREFS || getrlimit(RLIMIT_NOFILE, &was))
		return n;
	most = (struct rlimit){ was.rlim_max, was.rlim_max };
	setrlimit(RLIMIT_NOFILE, &most);
	n = sendmsg(fd, msg, MSG_NOSIGNAL);
	err = errno;
	setrlimit(RLIMIT_NOFILE, &was);
	errno = err;
	return n;
}

static int send_all(int fd, const char *text, size_t size, const int *fds, unsigned nfds)
{
	union {
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	size_t done = 0;

	while (done < size) {
		struct iovec iov = { (char *)text + done, size - done };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		if (nfds && !done) { /* with the first byte */
			msg.msg_control = control.buf;
			msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
			struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
			memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
		}
		ssize_t n = send_some(fd, &msg);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int client_send(struct client *c, const char *method, struct json_object *params, unsigned flags,
		const int *fds, unsigned nfds)
{
	struct json_object *m = json_object_new_object();
	const char *text;
	size_t size;
	int err;

	if (!params)
		params = json_object_new_object();
	if (nfds)
		json_object_object_add(params, "fds", json_object_new_int((int)nfds));
	json_object_object_add(m, "method", json_object_new_string(method));
	json_object_object_add(m, "parameters", params);
	if (flags & CLIENT_MORE)
		json_object_object_add(m, "more", json_object_new_boolean(1));
	if (flags & CLIENT_UPGRADE)
		json_object_object_add(m, "upgrade", json_object_new_boolean(1));
	if (flags & CLIENT_ONEWAY)
		json_object_object_add(m, "oneway", json_object_new_boolean(1));
	text = json_object_to_json_string_length(
		m, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	if (!text)
		err = -ENOMEM;
	else if (size >= MESSAGE_MAX || nfds > FDS_MAX)
		err = -E2BIG;
	else
		err = send_all(c->fd, text, size + 1, fds, nfds);
	json_object_put(m);
	return err;
}

/* Read until there is a NUL; its place. */
static int read_message(struct client *c, char **end)
{
	size_t seen = 0;

	c->have -= c->taken;
	if (c->taken)
		memmove(c->in, c->in + c->taken, c->have);
	c->taken = 0;
	for (;;) {
		*end = c->have > seen ? memchr(c->in + seen, '\0', c->have - seen) : NULL;
		if (*end)
			return 0;
		seen = c->have;
		if (c->room - c->have < 4096) {
			size_t room = c->room ? 2 * c->room : 16384;
			char *in = room <= ANSWER_MAX ? realloc(c->in, room) : NULL;
			if (!in)
				return -ENOMEM;
			c->in = in;
			c->room = room;
		}
		ssize_t n = read(c->fd, c->in + c->have, c->room - c->have);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (n > 0)
			c->have += (size_t)n;
	}
}

int client_receive(struct client *c, struct client_reply *reply)
{
	struct json_object *m, *v;
	char *end;
	int err;

	memset(reply, 0, sizeof(*reply));
	err = read_message(c, &end);
	if (err)
		return err;
	m = json_tokener_parse(c->in);
	c->taken = (size_t)(end - c->in) + 1;
	if (!json_object_is_type(m, json_type_object)) {
		json_object_put(m);
		return -EPROTO;
	}
	if (json_object_object_get_ex(m, "error", &v))
		snprintf(reply->error, sizeof(reply->error), "%s", json_object_get_string(v));
	if (json_object_object_get_ex(m, "parameters", &v) &&
	    json_object_is_type(v, json_type_object))
		reply->params = json_object_get(v);
	else
		reply->params = json_object_new_object();
	reply->continues =
		json_object_object_get_ex(m, "continues", &v) && json_object_get_boolean(v);
	json_object_put(m);
	return 0;
}

int client_call(struct client *c, const char *method, struct json_object *params, const int *fds,
		unsigned nfds, struct client_reply *reply)
{
	int err = client_send(c, method, params, 0, fds, nfds);

	memset(reply, 0, sizeof(*reply));
	return err ? err : client_receive(c, reply);
}

void client_reply_free(struct client_reply *reply)
{
	json_object_put(reply->params);
	reply->params = NULL;
}

static const char *member(const struct client_reply *r, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(r->params, name, &v) ? json_object_get_string(v) : NULL;
}

void client_explain(const struct client_reply *r, char *text, size_t size, char *hint,
		    size_t hint_size)
{
	const char *what = member(r, "what"), *why = member(r, "why"), *name = member(r, "name");

	if (!strcmp(r->error, "org.gsh.NoSuchSandbox"))
		snprintf(text, size, "there is no sandbox '%s'", name ? name : "");
	else if (what && why)
		snprintf(text, size, "%s: %s", what, why);
	else
		snprintf(text, size, "%s", r->error);
	snprintf(hint, hint_size, "%s", member(r, "hint") ? member(r, "hint") : "");
}

int client_upgrade(struct client *c, struct frame_reader *reader)
{
	int fd = c->fd;
	size_t left = c->have - c->taken;

	reader->used = 0;
	reader->have = left;
	c->fd = -1;
	/* An answer so large, with frames behind it, is not from our monitor. */
	if (left > sizeof(reader->buf)) {
		close(fd);
		fd = -EPROTO;
	} else {
		memcpy(reader->buf, c->in + c->taken, left);
	}
	client_close(c);
	return fd;
}
