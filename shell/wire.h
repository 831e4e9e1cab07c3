/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection that speaks gshd/PROTOCOL: NUL-terminated JSON, descriptors beside it. */
#ifndef SHELL_WIRE_H
#define SHELL_WIRE_H

#include "shell/shell.h"

struct json_object;

struct wire {
	int fd;
	char *buf;
	size_t start, end, room;
};

#define WIRE_MORE 1u
#define WIRE_UPGRADE 2u

int wire_connect(struct wire *w, const char *path) MUST_CHECK;
void wire_close(struct wire *w);
int wire_call(struct wire *w, const char *method, struct json_object *params, unsigned int flags, const int *fds,
	      size_t nfds) MUST_CHECK;
/* The next message: 0 and a new reference; -EAGAIN with `wait` false and no whole message; -EPIPE, -EPROTO... */
int wire_reply(struct wire *w, bool wait, struct json_object **reply) MUST_CHECK;
int wire_runtime(char *buf, size_t size) MUST_CHECK;
int wire_start_daemon(void) MUST_CHECK;

#endif
