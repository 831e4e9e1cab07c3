/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Frames on an upgraded connection: a byte of type, three of length, the payload. gshd/PROTOCOL
 * lists the types. */
#ifndef GSHD_CLIENT_FRAMES_H
#define GSHD_CLIENT_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 65536
#define FRAME_HEAD 4

enum frame_type {
	FRAME_DATA = 'd',
	FRAME_WINSIZE = 'w',
	FRAME_EXIT = 'x',
	FRAME_DETACH = 'q',
	FRAME_SIGNAL = 's',
	FRAME_EDIT = 'e',
	FRAME_EDIT_READY = 'a',
	FRAME_EDIT_GO = 'g',
	FRAME_EDIT_KEYS = 'k',
	FRAME_EDIT_OVER = 'p',
	FRAME_LINE = 'l',
};

struct frame {
	uint8_t type;
	size_t size;
	const uint8_t *data; /* in the reader, until its next call */
};

struct frame_reader {
	size_t have, used; /* bytes in buf; of them, those of the frame last handed out */
	uint8_t buf[FRAME_HEAD + FRAME_MAX];
};

/* The next frame: 1; 0: end of file; -EAGAIN: not yet (descriptor not blocking); -EPROTO: no frame;
 * -errno. */
int frame_read(struct frame_reader *r, int fd, struct frame *frame)
	__attribute__((warn_unused_result));
/* Is a whole frame there without reading? (poll says nothing about those.) */
int frame_ready(const struct frame_reader *r);
/* Write a frame, whole, waiting as long as it takes. 0 or -errno. */
int frame_write(int fd, uint8_t type, const void *data, size_t size)
	__attribute__((warn_unused_result));
/* The head alone. */
void frame_head(uint8_t head[FRAME_HEAD], uint8_t type, size_t size);

/* Payloads of more than plain bytes. */
struct frame_winsize {
	uint16_t rows, cols, xpixel, ypixel;
};
void frame_put_winsize(uint8_t data[8], const struct frame_winsize *w);
int frame_get_winsize(const struct frame *frame, struct frame_winsize *w);
int frame_get_u32(const struct frame *frame, uint32_t *value); /* 'x', 's' */
void frame_put_u32(uint8_t data[4], uint32_t value);

#endif
