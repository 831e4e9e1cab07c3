/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions to gshd and to the monitor of a sandbox, with failures said in gsh's own words.
 *
 * Thin: the wire is gshd/client's. What is added here is that an error of the protocol becomes a
 * sentence and one of enum fail, and that the daemon is started when it is needed. `params` are
 * always taken, and may be NULL.
 */
#ifndef SHELL_CLIENT_H
#define SHELL_CLIENT_H

#include "shell/shell.h"

struct json_object;

/* Ask gshd, starting it if it does not run. On success *reply, if wanted, is a new reference. 0 or
 * a failure. */
int ask_daemon(const char *method, struct json_object *params,
	       struct json_object **reply) MUST_CHECK;
/* The same, and with the error `well` all is well, too. */
int ask_daemon_unless(const char *well, const char *method, struct json_object *params) MUST_CHECK;
/* The same for a method that answers in pieces; each piece is borrowed. A failure of `each` ends
 * it. */
int ask_daemon_each(const char *method, struct json_object *params,
		    int (*each)(struct json_object *piece, void *arg), void *arg) MUST_CHECK;
/* Does gshd run? Never starts it. */
bool daemon_runs(void) MUST_CHECK;
/* End gshd if it runs. 0 or a failure. */
int daemon_end(void) MUST_CHECK;

/* Ask the monitor of a sandbox. 0, a failure (FAIL_NOSUCH if there is no such sandbox), or 1 and no
 * reply if there is one but it does not run. */
int ask_box(const char *sandbox, const char *method, struct json_object *params,
	    struct json_object **reply) MUST_CHECK;

/* The daemon's row of a sandbox, a new reference, if wanted. 0 or a failure, if there is no such sandbox too. */
int ask_row(const char *sandbox, struct json_object **row) MUST_CHECK;
/* Start a sandbox; NULL = a throwaway one. limits: to keep first, or NULL; taken over. settings: what it may do
 * (settings_given), or NULL. *reply, if wanted: {name, socket, started, rung}. */
int ask_start(const char *sandbox, struct json_object *limits, const char *settings, struct json_object **reply) MUST_CHECK;

/* Of an answer to List: say why this sandbox (NULL: each) does not run any more, if nobody stopped it. */
void note_ended(struct json_object *list, const char *sandbox);

/* A field of a reply: never NULL; "" and an empty array when it is missing. Borrowed. */
const char *reply_string(struct json_object *reply, const char *key) MUST_CHECK;
struct json_object *reply_items(struct json_object *reply) MUST_CHECK;
/* A number, or `missing`. */
int64_t reply_number(struct json_object *reply, const char *key, int64_t missing) MUST_CHECK;
/* Seconds since 1970 become a date as in RFC 3339. */
void reply_date(struct json_object *item, const char *key);

/*
 * A command on its way: a connection to the monitor that belongs to it.
 *
 * Life: box_open, then box_begin (again, if the exec failed and another program shall be tried);
 * with a tty box_upgrade gives the connection to relay.c, without one box_ended() waits for its
 * answer; box_close.
 */
struct box {
	char name[80]; /* of the sandbox */
	char *path;    /* of the monitor's socket */
	int session;   /* after box_begin(); and the command's pid, which leads its process group */
	int pid;
	int runtime_max; /* seconds that it may run, 0: as long as it likes */
	bool ended;    /* its status has been learnt */
	bool restart;  /* start the sandbox anew if it ends before anything began in it */
	struct client *conn;
};

/* Connect to the monitor of a sandbox, starting it if need be; NULL = a throwaway one. 0 or a
 * failure. */
int box_open(struct box *box, const char *sandbox) MUST_CHECK;
/* The same, and have it keep other limits (names and values as in gsh.conf(5)) and settings (settings_given); NULL: none.
 * Borrowed. */
int box_open_with(struct box *box, const char *sandbox, struct json_object *limits, const char *settings) MUST_CHECK;
/* Connect only if it runs. */
int box_open_running(struct box *box, const char *sandbox) MUST_CHECK;
/* Run or Attach, as `method` says. 0, a failure (said), or the positive errno with which the exec
 * failed (not said). */
int box_begin(struct box *box, const char *method, struct json_object *params, bool upgrade,
	      const int *fds, unsigned int nfds) MUST_CHECK;
/* The connection's descriptor, to poll, unless the answer has come already. */
int box_fd(const struct box *box) MUST_CHECK;
bool box_ready(const struct box *box) MUST_CHECK;
/* Take the connection over for frames: the descriptor, the caller's, or -errno. */
int box_upgrade(struct box *box, struct frame_reader *reader) MUST_CHECK;
/* It was readable, or ready: 0 and the status as wait4() gives it, or a failure. */
int box_ended(struct box *box, int *status) MUST_CHECK;
/* A signal for the command's process group, on a connection of its own. 0 or -errno, unsaid: the
 * command may have ended just now, and then that is what there is to say. */
int box_signal(const struct box *box, int sig) MUST_CHECK;
/* One question on a connection of its own; takes params. 0 or a failure. */
int box_ask(const struct box *box, const char *method, struct json_object *params,
	    struct json_object **answer) MUST_CHECK;
/* End a throwaway sandbox in which nothing was started. */
void box_discard(const struct box *box);
void box_close(struct box *box);

/* ---- deadline.c: --timeout ---- */

struct deadline {
	double seconds; /* 0: none */
	int fd;		/* a timer to poll, or -1 */
	bool passed;	/* the command was told to end */
};

/* As the user gave it, or NULL for none. 0 or a failure. */
int deadline_set(struct deadline *d, const char *text) MUST_CHECK;
/* No longer than so many seconds, 0: whatever was asked for. */
void deadline_at_most(struct deadline *d, int seconds);
/* The time runs from now. 0 or a failure. */
int deadline_start(struct deadline *d) MUST_CHECK;
/* The timer was readable: tell, or kill, the command. */
void deadline_passed(struct deadline *d, const struct box *box);
void deadline_close(struct deadline *d);

/* ---- trace.c ---- */
/* Begin to show; 0 or a failure. What was begun is to be finished. */
int trace_start(struct trace *t, const struct box *box) MUST_CHECK;
/* Show the rest. */
void trace_finish(struct trace *t);

/* ---- ports.c: -p [ADDRESS:]HOST:IN ---- */
/* Are they well formed? Says why not. */
int ports_check(char *const *ports) MUST_CHECK;
/* Publish them all; one whose host port is 0 gets any, which is said. */
int ports_publish(const struct box *box, char *const *ports) MUST_CHECK;

#endif
