// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The framed bytes of an upgraded connection: one byte of type, three of length, then the payload. gshd/PROTOCOL has
 * the types. The reader never holds more than one frame of the greatest size; the writer holds what the socket has not
 * taken yet, and its user stops reading keys while that is much.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shell/shell.h"

unsigned char *frame_room(struct frame_reader *r, size_t *len)
{
	if (r->start) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	*len = sizeof(r->buf) - r->end;
	return r->buf + r->end;
}

void frame_filled(struct frame_reader *r, size_t len)
{
	r->end += len;
}

int frame_take(struct frame_reader *r, struct frame *f)
{
	const unsigned char *head = r->buf + r->start;
	size_t have = r->end - r->start;

	if (have < FRAME_HEAD)
		return 0;
	f->type = head[0];
	f->len = head[1] | (uint32_t)head[2] << 8 | (uint32_t)head[3] << 16;
	f->data = head + FRAME_HEAD;
	if (f->len > FRAME_MAX)
		return -EPROTO;
	if (have - FRAME_HEAD < f->len)
		return 0;
	r->start += FRAME_HEAD + f->len;
	return 1;
}

int frame_put(struct frame_writer *w, enum frame_type type, const void *data, size_t len)
{
	unsigned char *grown, *p;

	if (len > FRAME_MAX)
		return -EMSGSIZE;
	if (w->room - w->len < FRAME_HEAD + len) {
		grown = realloc(w->buf, w->len + FRAME_HEAD + len);
		if (!grown)
			return -ENOMEM;
		w->buf = grown;
		w->room = w->len + FRAME_HEAD + len;
	}
	p = w->buf + w->len;
	p[0] = (unsigned char)type;
	p[1] = len & 0xff;
	p[2] = len >> 8 & 0xff;
	p[3] = len >> 16 & 0xff;
	if (len)
		memcpy(p + FRAME_HEAD, data, len);
	w->len += FRAME_HEAD + len;
	return 0;
}

int frame_flush(struct frame_writer *w, int fd)
{
	while (w->len) {
		ssize_t n = send(fd, w->buf, w->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		memmove(w->buf, w->buf + n, w->len - (size_t)n);
		w->len -= (size_t)n;
	}
	return 0;
}
