/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Between the two halves of the child of screen.h: the model of the terminal and its answers. */
#ifndef GSHD_SCREEN_IMPL_H
#define GSHD_SCREEN_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vterm.h>

#define QUESTION_MAX 128

/* A sequence that may become a question. Zeroed: none. */
struct question {
	enum {
		QUESTION_NONE,
		QUESTION_ESCAPE,
		QUESTION_CSI,
		QUESTION_STRING,
		QUESTION_STRING_ESCAPE,
	} at;
	char kind; /* the byte behind ESC */
	char text[QUESTION_MAX];
	size_t n;
};
enum { QUESTION_FOREGROUND = -1, QUESTION_BACKGROUND = -2 }; /* not in the palette */

struct answer {
	char text[1024];
	size_t size;
};

/* ---- screen_answers.c ---- */
/* Look at a byte of output. True: with it ends a question that libvterm does not answer, and this is the answer. */
bool question_ends(struct question *q, uint8_t c, VTerm *vt, struct answer *a);

#endif
