/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Frames: see frames.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "gshd/client/frames.h"

void frame_head(uint8_t head[FRAME_HEAD], uint8_t type, size_t size)
{
	head[0] = type;
	head[1] = (uint8_t)size;
	head[2] = (uint8_t)(size >> 8);
	head[3] = (uint8_t)(size >> 16);
}

static size_t payload(const uint8_t *head)
{
	return head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16;
}

int frame_ready(const struct frame_reader *r)
{
	size_t left = r->have - r->used;

	return left >= FRAME_HEAD && left >= FRAME_HEAD + payload(r->buf + r->used);
}

int frame_read(struct frame_reader *r, int fd, struct frame *frame)
{
	ssize_t n;

	r->have -= r->used;
	memmove(r->buf, r->buf + r->used, r->have);
	r->used = 0;
	for (;;) {
		if (r->have >= FRAME_HEAD && payload(r->buf) > FRAME_MAX)
			return -EPROTO;
		if (frame_ready(r))
			break;
		n = read(fd, r->buf + r->have, sizeof(r->buf) - r->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return r->have ? -EPROTO : 0;
		r->have += (size_t)n;
	}
	frame->type = r->buf[0];
	frame->size = payload(r->buf);
	frame->data = r->buf + FRAME_HEAD;
	r->used = FRAME_HEAD + frame->size;
	return 1;
}

int frame_write(int fd, uint8_t type, const void *data, size_t size)
{
	uint8_t head[FRAME_HEAD];
	size_t done = 0;

	if (size > FRAME_MAX)
		return -EMSGSIZE;
	frame_head(head, type, size);
	while (done < FRAME_HEAD + size) {
		size_t in_head = done < FRAME_HEAD ? FRAME_HEAD - done : 0;
		size_t in_data = done < FRAME_HEAD ? 0 : done - FRAME_HEAD;
		struct iovec iov[2] = { { head + (in_head ? done : 0), in_head },
					{ (char *)data + in_data, size - in_data } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };
			if (poll(&p, 1, -1) < 0 && errno != EINTR)
				return -errno;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (n > 0) {
			done += (size_t)n;
		}
	}
	return 0;
}

static void put16(uint8_t *to, uint16_t v)
{
	to[0] = (uint8_t)v;
	to[1] = (uint8_t)(v >> 8);
}

void frame_put_winsize(uint8_t data[8], const struct frame_winsize *w)
{
	put16(data, w->rows);
	put16(data + 2, w->cols);
	put16(data + 4, w->xpixel);
	put16(data + 6, w->ypixel);
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] | from[1] << 8);
}

int frame_get_winsize(const struct frame *frame, struct frame_winsize *w)
{
	if (frame->size != 8)
		return -EPROTO;
	w->rows = get16(frame->data);
	w->cols = get16(frame->data + 2);
	w->xpixel = get16(frame->data + 4);
	w->ypixel = get16(frame->data + 6);
	return 0;
}

int frame_get_u32(const struct frame *frame, uint32_t *value)
{
	if (frame->size != 4)
		return -EPROTO;
	*value = get16(frame->data) | (uint32_t)get16(frame->data + 2) << 16;
	return 0;
}

void frame_put_u32(uint8_t data[4], uint32_t value)
{
	put16(data, (uint16_t)value);
	put16(data + 2, (uint16_t)(value >> 16));
}
