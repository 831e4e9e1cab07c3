/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Between the parts of the child of screen.h: the model of the terminal, the recogniser beside it, and its answers. */
#ifndef GSHD_SCREEN_IMPL_H
#define GSHD_SCREEN_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vterm.h>

#define QUESTION_MAX 128
#define SCROLLED_LINES 10000
#define PARAMS_MAX 16
#define TITLE_MAX 256

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

struct bytes {
	char *text;
	size_t size, room;
};

struct line {
	char *text;
	size_t size;
};

struct model {
	int fd;
	VTerm *vt;
	VTermScreen *screen;
	VTermState *state;
	int rows, cols;
	bool viewed, alternate;
	struct line scrolled[SCROLLED_LINES]; /* a ring */
	size_t first, nscrolled, scrolled_bytes;
	struct bytes below; /* the normal screen below an alternate one */
	char title[TITLE_MAX];
	/* The recogniser. */
	enum { GROUND, ESCAPE, ESCAPE_MORE, CSI, CSI_PRIVATE, CSI_OTHER, OSC, STRING } at;
	bool behind_text;  /* the sequence stands behind a character that has a width */
	bool ends_in_text; /* so would one that comes now */
	unsigned param[PARAMS_MAX], nparams, nseparators;
	uint32_t modes;	      /* bit i: row i of the table is set */
	unsigned top, bottom; /* scrolling region; 0: all */
	unsigned cursor_style;
	bool keypad;
	struct question question;
};

/* ---- screen_model.c ---- */
/* What is on the screen, as bytes that draw it. */
void model_put_screen(struct model *m, struct bytes *b);
/* An answer for the program, unless a viewer's terminal gives it. arg: the model. */
void model_answers(const char *text, size_t size, void *arg);

/* ---- screen_feed.c ---- */
/* Modes that are noted, which libvterm does not tell. */
#define SCREEN_MODES 13
extern const struct screen_mode {
	unsigned mode;
	bool rest; /* so it is when nobody has said anything */
} screen_modes[SCREEN_MODES];
void model_modes_rest(struct model *m);
/* Output of the program's. */
void model_feed(struct model *m, const uint8_t *data, size_t size);

#endif
