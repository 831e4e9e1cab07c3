/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The editor of lines for what reads lines inside: readline on the user's own terminal.
 *
 * relay.c begins an edit when the monitor says that somebody inside waits for a line, gives it keys and what is printed
 * meanwhile, and takes what comes of it. One at a time: readline has one state.
 *
 *	module.c	loads it
 *	edit.c		readline, its prompt, its place on the screen
 *	edit_complete.c	what a word may become: a helper inside is asked
 *	edit_past.c	the lines of before, and those that begin with a colon
 */
#ifndef SHELL_EDIT_H
#define SHELL_EDIT_H

#include "shell/client.h"

enum edit_event {
	EDIT_MORE,   /* nothing yet */
	EDIT_LINE,   /* a line was finished: edit_text() */
	EDIT_EOF,    /* ^D on an empty one */
	EDIT_SIGNAL, /* a key that is a signal to what runs inside: edit_signal() */
	EDIT_DETACH, /* the key that detaches, typed often enough */
	EDIT_OWN,    /* a line for gsh itself; edit_keys() carries it out and goes on */
};

/* ---- edit.c ---- */

/* What gsh asks of it. The editor is an object of its own, loaded when it is wanted: readline costs each start of a program
 * half a millisecond, and most starts edit nothing. */
struct edit_ops {
	/* Once, before the first. `detach` is asked about each key. */
	void (*init)(struct tty *t, const struct box *box, bool (*detach)(void *arg, unsigned char key), void *arg);
	/* A process waits for a line: prompt as it stands on the screen; shell: it is the session's own program. */
	void (*begin)(const unsigned char *prompt, size_t size, int pid, bool shell);
	bool (*active)(void);
	/* Keys; *used: how many were taken, if something came of it. */
	enum edit_event (*keys)(const unsigned char *keys, size_t n, size_t *used);
	/* Paint output while a line is edited. 0 or -errno. */
	int (*output)(const unsigned char *bytes, size_t len);
	/* The line goes from the screen, the prompt stays. What had been typed is text(). */
	void (*abandon)(void);
	void (*resize)(void);
	const char *(*text)(size_t *size); /* with its newline if it is a whole line */
	int (*signal)(void);
	void (*end)(void); /* of gsh */
};
extern const struct edit_ops edit_ops;

/* ---- module.c, of gsh ---- */
/* NULL: there is none; then whoever reads lines, or his terminal, edits them. */
const struct edit_ops *editor_load(void) MUST_CHECK;

/* ---- edit_complete.c ---- */
char **edit_complete(const struct box *box, int pid, const char *line, const char *word, int start, int end) MUST_CHECK;
void edit_complete_end(void);

/* ---- edit_past.c ---- */
void edit_past_open(const char *sandbox);
/* A line was given to the session's shell (keep) or to another program; continued: it goes on with the one before. */
void edit_past_add(const char *line, bool keep, bool continued);
/* It will not go on. */
void edit_past_write(void);
/* Is this a line for gsh? */
bool edit_is_own(const char *line) MUST_CHECK;
/* Then carry it out, with the terminal as it was before gsh. */
void edit_own(struct tty *t, const char *sandbox, const char *line);

#endif
