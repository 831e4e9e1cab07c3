/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A session: one program that a client started, with its descendants, and perhaps a terminal.
 *
 * STARTING (the leader was asked) -> RUNNING -> DRAINING (it ended; its terminal may still hold
 * output) -> EXITED, which is kept for a while so that who attaches later learns how it ended.
 * session.c keeps the states, terminal.c the bytes.
 */
#ifndef GSHD_SESSION_H
#define GSHD_SESSION_H

#include "gshd/client/frames.h"
#include "gshd/monitor/monitor.h"
#include "gshd/session/ring.h"
#include "gshd/session/screen.h"
#include "gshd/session/typed.h"

enum session_state { SESSION_STARTING, SESSION_RUNNING, SESSION_DRAINING, SESSION_EXITED };

/* A client that sees the terminal. */
struct viewer {
	struct viewer *next;
	struct session *session;
	struct wire_conn *conn;
	bool waiting; /* for a drawing of the screen, before it gets output */
	bool edits;   /* it has an editor for lines */
};

/* Lines that a client edits: edit.c. */
struct edit {
	enum edit_state {
		EDIT_OFF,    /* the terminal edits */
		EDIT_ASKED,  /* the client was asked whether it is ready */
		EDIT_TAKING, /* the terminal has let go; what it had of a line is coming */
		EDIT_ON,     /* the client edits */
		EDIT_PAUSED, /* the reader was interrupted, and may come back */
		EDIT_SENT,   /* a line is on its way to the reader */
	} state;
	bool asked;   /* the client has not answered yet */
	bool reading; /* a process waits for a line */
	int reader;   /* its pid, the guest's */
	int64_t settled; /* when the terminal has surely given to a reader what was written to it; monotonic milliseconds */
	struct event *timer;
	struct evbuffer *back; /* of an unfinished line, as the reader handed it back; the terminal has echoed it */
	struct evbuffer *keys; /* typed while it is not settled who gets them */
	struct evbuffer *input; /* for the terminal, which took no more */
	bool line;	       /* input holds one for the reader that is interrupted */
	struct typed typed;    /* what may come back */
};

/* Lines as ops: lines.c. */
struct lines {
	bool on;
	char *cwd; /* where the session began */
	uint64_t from;	/* count of output where the shell began to edit; 0: it does not */
	unsigned ends;	/* lines that clients typed, and no op began for yet */
	bool touched;	/* a key came since */
	size_t prompt;	/* bytes of output then, from `from` on */
	char sent[256]; /* the last line of a client's editor */
	char *text;	/* of the op; grown: it has become more than the op began with */
	bool grown, going_on; /* going_on: the next line belongs to it */
	char shown_prompt[256]; /* the last that was seen, of a shell that edits itself */
	size_t prompt_size;
	struct event *judged; /* when it is clear what a shell waits for that does not tell; status: of the line before */
	int status;
	bool asked;	/* a shell waits for an answer: id, to sock, when `shown` comes */
	int sock;
	uint64_t id;
	struct event *shown;
};

struct session {
	struct session *next;
	struct monitor *m;
	unsigned id;
	enum session_state state;
	int pid;    /* guest's */
	int status; /* as wait4() gives it */
	bool hung_up; /* its last client vanished, rather than detach */
	bool viewed;  /* a client has been attached */
	struct event *end_ev; /* RuntimeMaxSec: its time is up, and no client has ended it */
	bool told_to_end;
	struct json_object *argv;
	int64_t op, begun_ms; /* 0: it is no op */
	struct wire_call *call; /* Run; NULL once answered to the end, or the client has gone */

	/* With a terminal: */
	int master, number, slave; /* slave: open until the program has it */
	struct event *out_ev;	   /* output to read */
	struct event *in_ev;	   /* room for input */
	struct event *quiet_ev;	   /* no output for a while */
	struct viewer *viewers;
	struct ring *ring;
	struct screen *screen; /* or NULL */
	bool drawing;
	bool edits; /* the client that started it has an editor */
	struct edit edit;
	struct lines lines;
	uint64_t printed; /* bytes of output so far */
	struct viewer *draws_for; /* NULL if it has gone meanwhile */
};

/* ---- terminal.c ---- */
int terminal_open(struct session *s, uint16_t rows, uint16_t cols)
	__attribute__((warn_unused_result));
/* Answer the call with params and make its connection a viewer: what the screen shows first, or, without one, what the
 * ring holds. */
void terminal_view(struct session *s, struct wire_call *call, struct json_object *params, bool edits);
/* What the terminal would have echoed, for those who look later. */
void terminal_echo(struct session *s, const char *text, size_t size);
/* Input is to be offered to the terminal again when it has room. */
void terminal_when_room(struct session *s);
/* The terminal takes input again: let the viewers' connections be read. */
void terminal_go_on(struct session *s);
void terminal_resize(struct session *s, uint16_t rows, uint16_t cols);
/* Read what is left, then call session_drained(). */
void terminal_drain(struct session *s);
/* Tell the viewers the status, let them go, close the terminal. */
void terminal_close(struct session *s);
void session_drained(struct session *s);
/* To those who follow: attach, detach. */
void session_tell(struct session *s, const char *event);

/* ---- lines.c ---- */
/* The session's program waits for a line: the one before is carried out, or is not the end of its command. */
void lines_wait(struct session *s, const struct mon_pty *q);
/* The op of the session, if there is one, has ended. */
void lines_end_op(struct session *s, int status);
/* It has one: an op begins. */
void lines_begin(struct session *s, const char *text, size_t size);
/* The same for a shell that edits itself. */
void lines_prompt(struct session *s, const struct mon_pty *q);
void lines_key(struct session *s); /* a key comes */
void lines_typed(struct session *s, const struct mon_pty *q, const char *text, size_t size, struct request *r);
void lines_answer(struct session *s);
void lines_close(struct session *s);
/* A client typed the end of a line. */
void lines_ended(struct session *s);
/* A client's editor sends this line. */
void lines_sent(struct session *s, const void *text, size_t size);

/* ---- edit.c ---- */
int edit_open(struct session *s) __attribute__((warn_unused_result));
void edit_close(struct session *s);
bool edit_waits(struct session *s, int pid);
bool edit_waited(struct session *s, const char *text, size_t size);
/* A viewer came, or goes (and is off the list already). */
void edit_viewers(struct session *s, const struct viewer *gone);
/* A frame of a viewer. EDIT_TAKEN: nothing else is to be done with it; EDIT_FULL: it is to be offered again when there
 * is room. */
enum edit_takes { EDIT_NOT, EDIT_TAKEN, EDIT_FULL } edit_frame(struct session *s, const struct frame *f);
/* There is room for input. */
void edit_room(struct session *s);

/* A client vanished: to a throwaway sandbox that is a hang-up, if it was the last one. */
void session_client_gone(struct session *s);

#endif
