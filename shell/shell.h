/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The map of shell/: every function that one file of gsh offers to another, grouped by file.
 *
 * gsh is a client and nothing else: it keeps no state, it trusts nothing that comes out of a
 * sandbox but the bytes it paints on the user's own terminal, and it may be killed at any moment
 * without harm to what runs inside.
 *
 * Reading order: cmd.h (what a command is), main.c, run.c (one command in a sandbox), relay.c (its
 * terminal).
 *
 * Return values: an exit status (0..255), or the negative of one of enum fail after the failure has
 * been said on stderr. Only main() turns a failure into an exit status, because its meaning depends
 * on the family of the verb.
 */
#ifndef SHELL_SHELL_H
#define SHELL_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <termios.h>

struct frame_reader;
struct json_object;

#define MUST_CHECK __attribute__((warn_unused_result))
#define DEFAULT_SANDBOX "default"

/* ---- fail.c: what went wrong, in a sentence ---- */

/* The number is the exit status of verbs that do not run a command (see exit_status()). */
enum fail {
	FAIL_NO = 1,	   /* no, differs, nothing to do; and what has no better number */
	FAIL_USAGE = 2,	   /* wrong words, or wrong settings */
	FAIL_NOSUCH = 3,   /* no such sandbox, session, process */
	FAIL_CONFLICT = 4, /* nothing was changed because something stood in the way */
	FAIL_REFUSED = 5,  /* by policy or permission */
	FAIL_HOST = 6,	   /* no daemon, or the host lacks something */
	/* Of a command that was to be run; these have exit statuses of their own. */
	FAIL_NOEXEC = 126,
	FAIL_NOTFOUND = 127,
};

/* Exit statuses of verbs that run a command; below 125 and above 128 they are the command's own. */
enum { EXIT_TIMEOUT = 124, EXIT_SELF = 125, EXIT_NOEXEC = 126, EXIT_NOTFOUND = 127, EXIT_SIGNAL = 128 };

/* Say "gsh: what: why [CODE]" on stderr (why may be NULL) and return -code. The codes are listed in
 * gsh-errors(7). */
int fail(enum fail code, const char *what, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
/* The one line of advice that may follow; not with -q. */
void hint(const char *text, ...) __attribute__((format(printf, 1, 2)));
/* A remark that is neither answer nor failure; not with -q. */
void note(const char *text, ...) __attribute__((format(printf, 1, 2)));
/* The exit status for a result of a command's exec; `runs` says that the verb runs a command. */
int exit_status(int result, bool runs) MUST_CHECK;

/* ---- ui.c: colours, remarks, pager ---- */

struct call;
/* Take the options that every verb has. 0 or a failure. */
int ui_settle(const struct call *call) MUST_CHECK;
/* Is the answer for a person who reads it now: is stdout a terminal, or does ui_reader() say so? */
bool ui_person(void) MUST_CHECK;
/* Who reads is elsewhere: READER_ bits. */
void ui_reader(unsigned int how);
enum { READER_PERSON = 1, READER_COLORS = 2, READER_COLORED_ERRORS = 4 };
bool ui_quiet(void) MUST_CHECK;
/* Do lines end by NUL, with nothing escaped? */
bool ui_null(void) MUST_CHECK;
bool ui_color(int fd) MUST_CHECK;
/* So many lines are about to be printed: show them by a pager if they do not fit. */
void ui_page(size_t lines);
/* What is shown is no answer that one reads before the verb goes on. */
void ui_page_never(void);
/* Wait for the user to leave the pager; false if there is none. */
bool ui_page_end(void);

/* ---- env.c: which variables enter a sandbox ---- */

struct env {
	char **vars; /* "K=V", NULL-terminated, owned */
	size_t count;
};

/* Is the variable of this name kept out? */
bool env_held_back(const char *name, size_t len) MUST_CHECK;
/* Everything in `from` but what is held back, by us or by the settings, which may also let it in. -ENOMEM. */
struct conf;
int env_collect(struct env *env, char *const *from, const struct conf *conf) MUST_CHECK;
/* Add or replace; `assignment` is K=V. -EINVAL without a name, -ENOMEM. */
int env_set(struct env *env, const char *assignment) MUST_CHECK;
const char *env_get(const struct env *env, const char *name) MUST_CHECK;
void env_free(struct env *env);

/* ---- outbox.c: frames that wait for the monitor (gshd/client/frames.h) ---- */

struct outbox {
	unsigned char *buf;
	size_t len, room;
};

/* -EMSGSIZE, -ENOMEM. */
int outbox_put(struct outbox *o, int type, const void *data, size_t len) MUST_CHECK;
/* Send what the socket takes; 0 or -errno, never -EAGAIN. */
int outbox_flush(struct outbox *o, int fd) MUST_CHECK;

/* ---- modes.c: what the program inside has switched on in the user's terminal ---- */

#define MODES_MAX 16
struct modes {
	uint32_t on;   /* bit i: row i of the table in modes.c differs from its rest state */
	uint8_t state; /* of the small recogniser */
	uint8_t count; /* parameters seen */
	uint16_t param[MODES_MAX];
};

void modes_feed(struct modes *m, const unsigned char *bytes, size_t len);
/* The bytes that bring the terminal to rest; at most `size`. */
size_t modes_reset(const struct modes *m, char *out, size_t size) MUST_CHECK;

/* ---- clipboard.c: what may not be asked of the user's terminal ---- */

#define CLIPBOARD_HELD 64
struct clipboard {
	uint8_t state, nheld, last;
	bool semicolon;
	uint16_t number;
	unsigned char held[CLIPBOARD_HELD];
};

/* Copy bytes from inside to `out`, which has room for CLIPBOARD_HELD more, without questions for the clipboard. How many
 * there are. */
size_t clipboard_guard(struct clipboard *c, const unsigned char *in, size_t len, unsigned char *out) MUST_CHECK;

/* ---- context.c: what the terminal is told of where it is ---- */

/* Is it one that would not show what it does not know? */
bool context_speaks(void) MUST_CHECK;
/* Bytes that say that a session begins to be seen, or is no longer; how many there are, 0: they do not fit. */
#define CONTEXT_MAX 1024
size_t context_enter(char *text, size_t size, const char *sandbox, int session) MUST_CHECK;
size_t context_leave(char *text, size_t size, const char *sandbox, int session) MUST_CHECK;

/* Directories that a shell inside tells of, as the host sees them in the mount. Zeroed: as they come. */
#define HERE_MAX 300
#define HERE_TIMES 64
struct here {
	char prefix[HERE_MAX]; /* what goes between "file://" and the path */
	size_t prefix_size, at;
};
void context_mounted(struct here *h, const char *sandbox);
/* Copy bytes to `out`, which has room for HERE_MAX * HERE_TIMES more. How many there are. */
size_t context_here(struct here *h, const unsigned char *in, size_t len, unsigned char *out) MUST_CHECK;

/* ---- tty.c: the user's own terminal ---- */

struct tty_shared;
struct tty {
	int in;	      /* where keys are read, or -1 */
	int out;      /* where bytes are painted, or -1 */
	bool own_out; /* out was opened here */
	bool raw;
	char leave[128]; /* what it is told at the end: context_leave() */
	size_t leave_size;
	struct termios saved, worked; /* before us; as we set it */
	struct tty_shared *shared;    /* seen by the watchdog */
	struct clipboard clipboard;
	struct here here;
	int alive; /* write end of the pipe that tells the watchdog of our death; or -1 */
};

/* Look at descriptors 0, 1, 2. */
void tty_find(struct tty *t);
/* Are we in the foreground of the terminal at fd? True when fd is no terminal of ours. */
bool tty_foreground(int fd) MUST_CHECK;
int tty_raw(struct tty *t) MUST_CHECK;
void tty_restore(struct tty *t);
/* Continued after a stop that could not be seen coming: set the terminal once more. */
void tty_again(struct tty *t);
/* The terminal is in other hands: do not touch it until tty_raw(). */
void tty_forget(struct tty *t);
void tty_size(const struct tty *t,
	      uint16_t size[4]); /* rows, columns, x and y pixels; zeroes if unknown */
/* Paint bytes from inside, at most FRAME_MAX. -errno. */
int tty_paint(struct tty *t, const unsigned char *bytes, size_t len) MUST_CHECK;
/* Tell the terminal which sandbox and session this is, until tty_close(). Not where nobody sees it. */
void tty_enter(struct tty *t, const char *sandbox, int session);
/* Restore, bring modes to rest if asked, send the watchdog home. */
void tty_close(struct tty *t, bool rest);

/* ---- signals.c: signals as something to poll ---- */

/* Block and collect the signals that gsh passes on; those that were ignored at the start stay
 * ignored. The descriptor is a signalfd; -errno. */
int signals_open(void) MUST_CHECK;
/* For a child that helps: what a terminal or a user sends to all of gsh is for the command. */
void signals_ignore(void);
/* The next signal, or 0. */
int signals_next(int fd) MUST_CHECK;
/* Stop as SIGTSTP does by default; returns when continued. */
void signals_stop_self(void);
/* Number of "TERM", "SIGTERM", "15"; 0 if there is none. */
int signal_number(const char *name) MUST_CHECK;

/* ---- relay.c: a terminal session until it ends ---- */

#define DETACH_KEY 0x1d /* ^], several times */

struct relay_end {
	bool detached, hung_up;
	int status; /* as wait4() gives it, if neither */
};

/* What else is to be looked at meanwhile: a descriptor, or -1, and what to do when it is readable. */
struct relay_also {
	int fd;
	void (*ready)(void *arg);
	void *arg;
};

/* Carry bytes between the user's terminal and the upgraded connection, whose reader may hold frames
 * already. `hang_up`: the command shall not outlive the terminal. `edits`: lines are edited here (the
 * connection was made so), in this sandbox; or NULL. 0 or -errno (-EPIPE: the monitor is gone). */
struct box;
int relay(int sock, struct frame_reader *in, struct tty *t, bool hang_up, const struct box *edits,
	  const struct relay_also *also, struct relay_end *end) MUST_CHECK;

/* ---- run.c: one command in a sandbox ---- */

/* What is shown of a sandbox while a command runs in it (trace.c). */
struct trace {
	const char *file; /* NULL: standard error */
	bool json;
	bool coord; /* coordination, not system calls */
	const char *only; /* which calls, as -e says (trace_classes.c); NULL: all */
	char when;  /* 't': the time before each line, 'r': since the line before; 0 */
	bool took;  /* how long each took behind it */
	bool count; /* a table at the end instead of lines */
	int pipe; /* its being closed ends the child */
	pid_t child;
};

/* ---- trace_classes.c ---- */
/* Is this one of them? call: its name, perhaps with arguments behind. */
bool trace_shows(const char *only, const char *call);
bool trace_words_ok(const char *only);

/* ---- trace_flags.c ---- */
/* A call as the libOS writes it, with flags and modes by name, at most `size` bytes of it. */
void trace_translate(char *to, size_t size, const char *call);
/* SIGTERM, SIGRT_3, or a number; buf. */
const char *trace_signal(int sig, char *buf, size_t size);

/* ---- trace_show.c ---- */
struct trace_line {
	int pid;
	uint64_t time_ns; /* CLOCK_BOOTTIME */
	const char *result, *call; /* as libos/task/calls.c writes them */
};
/* Show it, or count it. seconds: since the beginning. */
void trace_show(const struct trace *t, FILE *to, const char *end, const struct trace_line *l, double seconds);
void trace_count(const char *call, bool failed, double seconds);
/* What was counted. */
void trace_table(const struct trace *t, FILE *to, const char *end);

struct run {
	const char *sandbox; /* NULL with throwaway */
	bool throwaway;
	const char *cwd; /* as the user gave it, or NULL for here */
	char **argv;
	char *const *set; /* K=V or K from -e, NULL-terminated */
	char *const *ports; /* [ADDRESS:]HOST:IN from -p, NULL-terminated */
	const char *settings; /* what the sandbox may do, as text of a settings file, or NULL */
	struct trace *trace; /* or NULL */
	struct json_object *limits; /* of the sandbox, changed ahead; or NULL */
	const char *timeout; /* as the user gave it, or NULL */
	const char *status_fd; /* likewise */
	const char *edit; /* "auto", "host", "native", or NULL: as the settings say, for a shell */
	bool *began, *ended; /* set when it has; or NULL. Begun and not ended: detached, or lost */
	bool shell; /* an interactive shell: the prompt may tell where one is; argv is chosen here
		     */
};

/* An exit status, or a failure. */
int run_command(const struct run *run) MUST_CHECK;
/* A program of gsh's choice, without a terminal; in and out: descriptors, -1 is /dev/null. What it complains of is said.
 * For the log it is this gsh, as it was called; with an `out` it only reads, and is no op. Its exit status, or a failure. */
int run_helper(const char *sandbox, char *const *argv, int in, int out) MUST_CHECK;
/* The same for a session that exists. */
int run_attach(const char *sandbox, int session, const char *edit) MUST_CHECK;
/* Is it a word for --edit? Says why not. */
int edit_word_check(const char *word) MUST_CHECK;

/* ---- report.c: --status-fd ---- */

/* As the user gave it. 0 or a failure. Without it the others do nothing. */
int report_open(const char *word) MUST_CHECK;
void report_started(const char *sandbox, int session, int pid);
void report_timeout(const char *signal);
void report_detached(int session);
void report_exited(int status);	/* as wait4() gives it */
void report_failed(int code);	/* the exit status of gsh */

/* ---- show.c: answers on stdout ---- */

struct column {
	const char *head; /* on a terminal */
	const char *key;  /* in an item; missing = "-" */
	bool right;	  /* align to the right */
};

/* One object of this schema with items, or a table of them. */
int show_list(bool json, const char *schema, struct json_object *items, const struct column *cols,
	      size_t ncols) MUST_CHECK;
/* One object of this schema: takes `object` and adds the schema to it. */
int show_json(const char *schema, struct json_object *object) MUST_CHECK;
/* A field of an item as text, with control characters escaped as in C. Into buf. */
const char *show_field(struct json_object *item, const char *key, char *buf,
		       size_t size) MUST_CHECK;
/* For text: make one line of the list of words under `key` of each item; of an empty one the field
 * `otherwise` in brackets, if that is not NULL. */
void show_words(struct json_object *items, const char *key, const char *otherwise);
/* Flush stdout; a failure (full disk, closed pipe) is a failure of the verb. */
int show_done(void) MUST_CHECK;

/* A path as a JSON string, lossy if it is not UTF-8; then "KEY_b64" has its bytes. */
void show_add_path(struct json_object *object, const char *key, const char *path);

/* ---- progress.c: long work ---- */

/* What is said on stderr while something takes long: a line on a terminal after 300 ms, or JSON lines. Only one at a
 * time. how: "auto", "none", "json" or NULL for auto. 0 or a failure. */
int progress_start(const char *what, const char *how) MUST_CHECK;
/* How much there is in all: asked for once, when there is something to show. 0 is not known. */
struct total {
	uint64_t files, bytes;
};
typedef void progress_count_fn(struct total *total, void *arg);
void progress_count(progress_count_fn *count, void *arg);
/* What was counted so far was only looking: now so much is done about it. */
void progress_turn(const struct total *total);
/* So much more was done. */
void progress_add(uint64_t files, uint64_t bytes);
/* Clear the line, so that something else may be said. */
void progress_clear(void);
/* result: as the verb returns it. */
void progress_end(int result);
/* A child of ours shows it from now on. */
void progress_hand_over(void);

/* ---- place.c: where things are ---- */

/* The mount point of gfs. 0 or a failure. */
int place_mount(char *buf, size_t size) MUST_CHECK;
/* 1 mounted and answering, 0 not mounted, -ENOTCONN mounted but dead, -errno. */
int place_mounted(const char *path) MUST_CHECK;
/* Run a program with stdin and stdout, and stderr too if `quiet`, on /dev/null, and wait: its exit
 * status or -errno. */
int place_run(char *const *argv, bool quiet) MUST_CHECK;
/* Unmount gfs if it is mounted; 0, or a failure that has been said. */
int place_unmount(const char *path) MUST_CHECK;

#endif
