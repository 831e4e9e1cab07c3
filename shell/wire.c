// SPDX-License-Identifier: GPL-3.0-or-later
/* A connection that speaks gshd/PROTOCOL: NUL-terminated JSON, descriptors beside it. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shell/wire.h"

#define MESSAGE_MAX (1u << 20)

int wire_runtime(char *buf, size_t size)
{
	const char *set = getenv("GSH_RUNTIME"), *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (set && *set)
		n = snprintf(buf, size, "%s", set);
	else if (xdg && *xdg == '/')
		n = snprintf(buf, size, "%s/gsh", xdg);
	else
		n = snprintf(buf, size, "/tmp/gsh-%u", (unsigned int)getuid());
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int wire_connect(struct wire *w, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*w = (struct wire){ .fd = -1 };
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	if (connect(w->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = -errno;

		wire_close(w);
		return err;
	}
	return 0;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->buf);
	*w = (struct wire){ .fd = -1 };
}

static int send_all(int fd, const char *text, size_t len, const int *fds, size_t nfds)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	while (len) {
		ssize_t n;

		iov = (struct iovec){ (char *)text, len };
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

int wire_call(struct wire *w, const char *method, struct json_object *params, unsigned int flags, const int *fds,
	      size_t nfds)
{
	struct json_object *call = json_object_new_object();
	const char *text;
	size_t len;
	int err;

	json_object_object_add(call, "method", json_object_new_string(method));
	json_object_object_add(call, "parameters", params ? params : json_object_new_object());
	if (flags & WIRE_MORE)
		json_object_object_add(call, "more", json_object_new_boolean(true));
	if (flags & WIRE_UPGRADE)
		json_object_object_add(call, "upgrade", json_object_new_boolean(true));
	text = json_object_to_json_string_ext(call, JSON_C_TO_STRING_PLAIN);
	len = strlen(text) + 1;
	err = len > MESSAGE_MAX ? -E2BIG : send_all(w->fd, text, len, fds, nfds);
	json_object_put(call);
	return err;
}

static int take(struct wire *w, struct json_object **reply)
{
	char *nul = w->start < w->end ? memchr(w->buf + w->start, 0, w->end - w->start) : NULL;

	if (!nul)
		return w->end - w->start > MESSAGE_MAX ? -EPROTO : -EAGAIN;
	*reply = json_tokener_parse(w->buf + w->start);
	w->start = (size_t)(nul - w->buf) + 1;
	return *reply ? 0 : -EPROTO;
}

int wire_reply(struct wire *w, bool wait, struct json_object **reply)
{
	for (;;) {
		int err = take(w, reply);
		ssize_t n;

		if (err != -EAGAIN)
			return err;
		if (w->room - w->end < 4096) {
			char *grown;

			memmove(w->buf ? w->buf : "", w->buf ? w->buf + w->start : "", w->end - w->start);
			w->end -= w->start;
			w->start = 0;
			grown = realloc(w->buf, w->end + 65536);
			if (!grown)
				return -ENOMEM;
			w->buf = grown;
			w->room = w->end + 65536;
		}
		n = recv(w->fd, w->buf + w->end, w->room - w->end, wait ? 0 : MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		w->end += (size_t)n;
	}
}

int wire_start_daemon(void)
{
	char program[PATH_MAX];
	int err = place_beside("gshd", program, sizeof(program));
	pid_t pid;

	if (err)
		return err;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		setsid();
		dup2(null, 0);
		dup2(null, 1);
		execl(program, "gshd", (char *)NULL);
		_exit(127);
	}
	return 0;
}
