// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Frames that wait for the monitor. A client that waited for its socket could not paint, nor could
 * a detach be typed, so frames are queued here, and relay.c reads no keys while the queue is long.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gshd/client/frames.h"
#include "shell/shell.h"

int outbox_put(struct outbox *o, int type, const void *data, size_t len)
{
	unsigned char *grown;

	if (len > FRAME_MAX)
		return -EMSGSIZE;
	if (o->room - o->len < FRAME_HEAD + len) {
		grown = realloc(o->buf, o->len + FRAME_HEAD + len);
		if (!grown)
			return -ENOMEM;
		o->buf = grown;
		o->room = o->len + FRAME_HEAD + len;
	}
	frame_head(o->buf + o->len, (uint8_t)type, len);
	if (len)
		memcpy(o->buf + o->len + FRAME_HEAD, data, len);
	o->len += FRAME_HEAD + len;
	return 0;
}

int outbox_flush(struct outbox *o, int fd)
{
	while (o->len) {
		ssize_t n = send(fd, o->buf, o->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		memmove(o->buf, o->buf + n, o->len - (size_t)n);
		o->len -= (size_t)n;
	}
	return 0;
}
