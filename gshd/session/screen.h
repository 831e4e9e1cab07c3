/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a session's terminal shows, for those who attach later.
 *
 * A program's output is parsed by libvterm in a child of the monitor, one a session, that can do
 * nothing else: what a sandbox writes is hostile, and the monitor itself never looks at it. The
 * child also answers what programs ask the terminal while nobody is attached. If it dies or does
 * not keep up, the session goes on without it, and those who attach get the last 64 KiB as they
 * came.
 *
 * screen.c is the monitor's side, screen_model.c and screen_answers.c the child's.
 */
#ifndef GSHD_SCREEN_H
#define GSHD_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct screen;

/* Frames between the two (gshd/client/frames.h): 'd' output, 'w' size, 'v' is there a viewer (one
 * byte), 'r' draw. Back: 'd' a piece of the drawing, 'e' its end, 'a' an answer for the program. */

struct screen_ops {
	/* An answer to what a program asked. */
	void (*answer)(void *arg, const void *data, size_t size);
	/* A piece of the drawing that screen_draw() asked for. */
	void (*piece)(void *arg, const void *data, size_t size);
	/* It is whole; or, if not ok, there is none, and the screen is gone. */
	void (*drawn)(void *arg, bool ok);
	/* There is room for output again. */
	void (*room)(void *arg);
};

/* Start the child. NULL: there is none, and none is needed. */
struct screen *screen_open(struct event_base *base, uint16_t rows, uint16_t cols,
			   const struct screen_ops *ops, void *arg);
/* Output, in order. Nothing happens if the child is gone. */
void screen_feed(struct screen *s, const void *data, size_t size);
void screen_resize(struct screen *s, uint16_t rows, uint16_t cols);
/* Is somebody there whose terminal answers? In order with the output. */
void screen_viewed(struct screen *s, bool viewed);
/* So much is waiting for the child that no more output should be read. */
bool screen_behind(const struct screen *s);
/* Ask for the drawing: pieces, then drawn(). False: there is none. */
bool screen_draw(struct screen *s);
void screen_close(struct screen *s);

/* ---- screen_model.c: in the child ---- */
/* Serve the monitor at fd until it closes. */
void screen_model(int fd, uint16_t rows, uint16_t cols);

#endif
