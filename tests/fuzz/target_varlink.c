/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Varlink messages from any peer, in pieces of any size: what comes back is JSON, the connection
 * ends when the peer goes, and every call ends. Of the input: a byte for the size of pieces (its
 * highest bit: a descriptor with each), then the bytes.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/wire/wire.h"
#include "tests/fuzz/fuzz.h"

int log_verbose;
static struct wire_call *kept; /* of Later */

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

static void do_echo(struct wire_call *call)
{
	must(call->params && call->nfds <= WIRE_FDS_MAX);
	wire_reply(call, json_object_get(call->params));
}

static void do_more(struct wire_call *call)
{
	for (int i = 0; i < 3; i++)
		if (!wire_reply_more(call, NULL))
			break;
	wire_fail(call, "org.gsh.Fuzz.Failed", "what", "why", NULL);
}

static void do_later(struct wire_call *call)
{
	if (kept)
		wire_reply(kept, NULL);
	kept = call;
}

static void on_bytes(struct wire_conn *conn, struct evbuffer *in, void *arg)
{
	char buf[256];
	int n = evbuffer_remove(in, buf, sizeof(buf));

	(void)arg;
	if (n > 0)
		wire_write(conn, buf, (size_t)n);
}

static void on_gone(struct wire_conn *conn, void *arg)
{
	(void)conn, (void)arg;
}

static void do_take(struct wire_call *call)
{
	static const struct wire_raw raw = { .bytes = on_bytes, .gone = on_gone };

	if (call->upgrade)
		wire_upgrade(call, NULL, &raw, NULL);
	else
		wire_reply(call, NULL);
}

static const struct wire_method methods[] = {
	{ "Echo", 0, do_echo },
	{ "More", WIRE_MORE, do_more },
	{ "Later", 0, do_later },
	{ "Take", WIRE_UPGRADE, do_take },
};
static const struct wire_interface interface = { "org.gsh.Fuzz", "vendor", "product", methods, 4 };
static struct wire_server server = { .interface = &interface };
static struct sockaddr_un name = { .sun_family = AF_UNIX };
static socklen_t name_size = sizeof(sa_family_t);

static void serve(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	must(!bind(fd, (struct sockaddr *)&name, name_size) && !listen(fd, 8));
	name_size = sizeof(name);
	must(!getsockname(fd, (struct sockaddr *)&name, &name_size));
	signal(SIGPIPE, SIG_IGN); /* as the daemons do */
	server.base = event_base_new();
	must(!wire_serve(&server, fd));
}

static void put(int fd, const uint8_t *data, size_t n, int with)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)data, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (with >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &with, sizeof(int));
	}
	(void)!sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Whole messages are JSON; after an upgrade anything may come. */
static void get(int fd, const char *sent, size_t size)
{
	static char buf[1 << 18];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct json_object *o;

	if (n <= 0 || memmem(sent, size, "upgrade", 7) || memmem(sent, size, "\\u", 2))
		return;
	for (char *p = buf, *end; (end = memchr(p, '\0', (size_t)(buf + n - p))); p = end + 1) {
		o = json_tokener_parse(p);
		must(o && json_object_is_type(o, json_type_object));
		json_object_put(o);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = take(&data, &size);
	size_t piece = 1 + (how & 0x7f) * 8u;
	const char *sent = (const char *)data;
	size_t total = size;
	int fd, with;

	if (!server.base)
		serve();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(!connect(fd, (struct sockaddr *)&name, name_size));
	with = how & 0x80 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	event_base_loop(server.base, EVLOOP_NONBLOCK);
	must(server.nconns == 1);
	while (size) {
		size_t n = piece < size ? piece : size;

		put(fd, data, n, with);
		data += n;
		size -= n;
		event_base_loop(server.base, EVLOOP_NONBLOCK);
	}
	for (int i = 0; i < 4; i++)
		event_base_loop(server.base, EVLOOP_NONBLOCK);
	get(fd, sent, total);
	close(fd);
	if (with >= 0)
		close(with);
	for (int i = 0; i < 1000 && server.nconns; i++)
		event_base_loop(server.base, EVLOOP_NONBLOCK);
	must(!server.nconns);
	if (kept)
		wire_reply(kept, NULL);
	kept = NULL;
	return 0;
}
