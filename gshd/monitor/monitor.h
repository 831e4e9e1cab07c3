/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The monitor: one process per sandbox, the parent of its leader and the only thing outside that
 * the sandbox can talk to.
 *
 *	monitor.c   life: lock, log, start, stop, end
 *	launch.c    the grant, the rung, confine_spawn
 *	control.c   the leader's stream: orders, answers, events
 *	port.c      the request port: a table of what a picoprocess may ask; answer_*.c does it
 *	publish.c   ports of the sandbox on the host
 *	dial.c      peers outside that the policy has: reach.c decides, names.c answers for names
 *	denials.c   what was refused; grants.c: exceptions made while the sandbox runs
 *	split_port.c  the ports of processes that split off: what those may ask
 *	limits.h    what the sandbox may use up
 *	session.c   programs that clients started: terminals, rings, viewers; screen.c: their screens; edit.c: lines that
 *		    a client edits; lines.c: lines as ops
 *	ops.c       each program that a client starts is an op; undo and its kin while processes run; owners.c: which op
 *		    started a process
 *	split_off.c   a client wants a process to split off
 *	events.c    what happens, for those who follow it
 *	box.c       org.gsh.Box: what clients may ask; procs.c, of the libOS's /proc
 *
 * One thread, one libevent loop, nothing in it waits. What comes from the sandbox is checked
 * against a table of message and state; what is not in it is a violation, which ends the sandbox
 * and nothing else.
 */
#ifndef GSHD_MONITOR_H
#define GSHD_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "gshd/store/history.h"
#include "gshd/monitor/keep.h"
#include "gshd/monitor/limits.h"
#include "gshd/rewrite/rewrite.h"
#include "gshd/monitor/squash.h"
#include "gshd/wire/wire.h"
#include "pal/confine/confine.h"
#include "pal/monitor.h"

#define SESSIONS_MAX 256
#define PTYS_MAX 1024
#define ASKS_MAX 256
#define HIDDEN_MAX 128 /* the store, the runtime directory, the mount; what hidden.c and the settings add */
#define DENIALS_MAX 128
#define DEVICES_MAX 32
#define OPS_NOTED 256 /* the latest ops of which is remembered who started what */
#define INSIDE_MAX 4 /* clients that answer somebody inside, at a time */
#define DENIAL_WHAT 320 /* bytes of what was refused, with its end */
#define BUILDERS_MAX 4 /* workers of the image cache at a time */

enum box_state {
	BOX_BOOTING = 1, /* the leader has not said that it is ready */
	BOX_RUNNING = 2,
	BOX_STOPPING = 4, /* asked to end, by a client or a signal */
	BOX_ENDED = 8,	  /* the leader is gone; last answers are being written */
};

/* An op, as long as it is remembered: owners.c */
struct op_note {
	int64_t op, begun, ended; /* milliseconds; ended 0: not yet */
	uint32_t layer;		  /* 0: it changed nothing */
	int sid;		  /* guest's; 0: it was no program of a client's */
	bool shell;		  /* the session's program is a shell whose lines are ops */
};

/* A place of the host's that the sandbox has: binds.c */
struct bind {
	char *from, *at; /* real path on the host, path inside; owned */
	bool file, readonly;
	bool gone; /* taken away while the sandbox runs */
};

/* One in /dev of the host's: answer_device.c */
struct device {
	char name[64];
	bool read, write;
};

struct ask;
struct follower;
struct denial;
struct lookup;
struct names_client;
struct reach;
struct wire_out;
struct session;
struct held_pty;
struct published;
struct carried;

struct monitor {
	struct event_base *base;
	struct paths paths;
	int store, lock, ready; /* ready: tells gshd how the start went; -1 once told */
	struct box_spec spec;
	struct history history;
	struct op_note noted[OPS_NOTED]; /* a ring */
	unsigned nnoted;
	int64_t guest_boot; /* CLOCK_BOOTTIME, milliseconds; 0: not known yet */
	int area;		   /* memory that all picoprocesses share, ops.c; if chain is set */
	struct grant_chain *chain; /* in it */
	struct grant_binds *late_binds; /* in it */
	struct grant_dials *dials;
	uint32_t ndials; /* tickets given */
	struct contents *contents;
	struct keeper keeper;
	struct squash squash;
	char tree[PATH_MAX]; /* host path of boxes/NAME/tree */
	char shm[PATH_MAX];  /* rung B: made by us, removed at the end; "" on rung A */
	char socket[PATH_MAX];
	enum grant_rung rung;
	uint32_t grant_flags; /* GRANT_*, as the sandbox was given them */
	const char *hidden[HIDDEN_MAX]; /* host paths that the sandbox must not read; owned */
	unsigned nhidden, nown;		/* the first nown are gsh's own places */
	struct bind binds[GRANT_BINDS_MAX];
	unsigned nbinds;
	struct device devices[DEVICES_MAX];
	unsigned ndevices;
	pid_t inside[INSIDE_MAX]; /* 0: none */
	int64_t inside_due;	  /* when the next may be started: inside.c */
	struct confine_child child;
	enum box_state state;
	int64_t started; /* unix time */
	struct wire_server server;

	int control, port, log_pipe;
	struct event *control_ev, *control_out_ev, *asks_ev, *port_ev, *log_ev;
	struct event *sigchld_ev, *sigterm_ev;
	struct event *timer_ev; /* READY is late, the steps of stopping, the end */
	struct queued *queue; /* orders that the leader has not taken yet */
	unsigned nqueued;
	struct ask *asks;
	unsigned nasks;
	uint64_t next_id;

	struct session *sessions;
	unsigned nsessions, next_session, nrunning;
	bool hung_up;	   /* all were told that nobody is there any more */
	struct follower *followers;
	unsigned nholders; /* clients that want an ephemeral sandbox to stay: Hold */
	bool had_session;
	struct held_pty *ptys;
	unsigned nptys;
	struct published *published;
	struct carried *carried;
	unsigned ncarried;
	int dialer; /* rung A, once a port was published; -1 */
	struct confine_nat nat; /* [Network] Access=nat; lifeline -1 */
	struct reach *reach; /* whom outside it may speak to */
	struct wire_out *wires;
	struct names_client *names;
	struct lookup *lookups;
	unsigned nwires, nnames, nlookups;
	struct denial *denials;
	unsigned ndenials;
	struct image_cache images; /* images.view is -1 if there is none */
	struct split_port *splits;
	unsigned nsplits, nbroken;
	pid_t builders[BUILDERS_MAX];
	unsigned nbuilders;

	struct limits limits;
	int cgroup;	      /* of the sandbox; -1: none was to be had */
	struct event *watch_ev;
	uint64_t memory_used, memory_told; /* as seen last, as the leader knows it */
	unsigned tasks_seen, oom_kills;
	int watch_ms;
	bool waits_for_kill;
	char last_kill[256];
	struct measuring *measuring;
	struct measured disk; /* valid if disk_known; what it was the time before */
	uint64_t disk_before, inodes_before;
	bool disk_known;

	size_t logged;	      /* bytes of the sandbox's own diagnostics so far */
	char last_words[256]; /* the last line of them */
	char why[384];	      /* the sandbox ended though nobody asked it to; "" if not so */
	bool shutdown_sent;
	int64_t deadline; /* of the current step, monotonic milliseconds */
	struct wire_call *stop_call;
};

/* ---- monitor.c ---- */
int monitor_main(const char *name, int ready);
/* The sandbox did what it may not. Kills it. */
void monitor_violation(struct monitor *m, const char *what);
/* End all processes, then the monitor. Milliseconds of patience for programs that handle
 * SIGTERM. */
void monitor_stop(struct monitor *m, int patience);
/* SIGKILL for all of the sandbox. The end is noticed when the leader is reaped. */
void monitor_kill(struct monitor *m);
/* Tell gshd how the start went, once: NULL is well. */
void monitor_ready(struct monitor *m, const struct confine_note *failure);
/* A session ended or was left: an ephemeral sandbox may be done. */
void monitor_look(struct monitor *m);

/* ---- diag.c ---- */
/* What picoprocesses print on descriptor 2 goes to the monitor's log, line by line and not without
 * end. */
int diag_start(struct monitor *m) __attribute__((warn_unused_result));
void diag_close(struct monitor *m);
/* Append this process's own log to boxes/NAME/log. */
void diag_open_log(struct monitor *m);

/* ---- launch.c ---- */
/* hidden.c: fill m->hidden; `inaccessible` as the setting has it. 0 or -errno. */
int hidden_find(struct monitor *m, const char *inaccessible) __attribute__((warn_unused_result));
/* binds.c: fill m->binds from the settings; m->hidden is filled. 0, or -errno with a sentence in note. */
struct conf;
int binds_find(struct monitor *m, const struct conf *conf, struct confine_note *note)
	__attribute__((warn_unused_result));
void binds_free(struct monitor *m);
/* bind_place.c: where `from` leads, without links. planted: a link on the way that is not to be followed, or "". 0 or
 * -errno. */
int bind_place(const struct monitor *m, const char *from, char real[PATH_MAX], char planted[PATH_MAX])
	__attribute__((warn_unused_result));
/* As the picoprocesses are told of it. */
void bind_describe(const struct bind *b, enum grant_rung rung, struct grant_bind *to);
/* Rung A: have one in the sandbox that runs, in the settings' form, or end it (-ENOENT: there is none such). 0 or -errno,
 * for the first with the note filled. */
int bind_live(struct monitor *m, const char *value, bool readonly, struct confine_note *note)
	__attribute__((warn_unused_result));
int bind_end(struct monitor *m, const char *value, bool readonly) __attribute__((warn_unused_result));
/* Is that path of the host's one that the sandbox may write, because it is bound? */
bool binds_writable(const struct monitor *m, const char *path);
/* Start the leader on the best rung that is allowed. 0, or -errno with the note for a person. */
int launch(struct monitor *m, struct confine_note *note) __attribute__((warn_unused_result));

/* ---- control.c ---- */
int control_start(struct monitor *m) __attribute__((warn_unused_result));
void control_close(struct monitor *m);
/* Send an order; the descriptors stay the caller's. */
int control_send(struct monitor *m, uint32_t type, uint64_t id, const void *data, size_t size,
		 const int *fds, unsigned nfds) __attribute__((warn_unused_result));
/* Send an order that is answered. done() gets the answer (message and payload are valid during the
 * call only), or NULL when the leader has gone or does not answer in time. Returns -errno if it could not be sent: done() is
 * then not called. */
typedef void (*ask_done)(struct monitor *m, void *arg, const struct mon_msg *answer,
			 const void *payload);
int control_ask(struct monitor *m, uint32_t type, const void *data, size_t size, const int *fds,
		unsigned nfds, ask_done done, void *arg) __attribute__((warn_unused_result));

/* ---- port.c ---- */
int port_start(struct monitor *m) __attribute__((warn_unused_result));
void port_close(struct monitor *m);
/* One request: what came, and what will be answered. The answer functions fill in the latter. */
struct request {
	int sock; /* where the answer goes */
	uint64_t id;
	bool later; /* set by the answerer: somebody else calls port_reply */
	const void *data;
	size_t size;
	int *fds; /* without the reply end; who keeps one sets it to -1 */
	unsigned nfds;
	struct {
		struct mon_reply head;
		uint32_t more[256];
		unsigned nmore;
		int fds[2]; /* closed after sending */
		unsigned nfds;
	} reply;
};
void port_reply(const struct request *r);
void answer_pty(struct monitor *m, struct request *r);
void answer_setattr(struct monitor *m, struct request *r);
void answer_image(struct monitor *m, struct request *r);
void answer_net(struct monitor *m, struct request *r);
void answer_split(struct monitor *m, struct request *r);
/* One message: 0, -EAGAIN, -EPIPE (nobody is there any more), -EMSGSIZE. *nfds descriptors are the caller's to close. */
int port_receive(int sock, char *buf, size_t *size, int *fds, unsigned *nfds)
	__attribute__((warn_unused_result));

/* ---- answer_setattr.c ---- */
/* Is it a file of the sandbox's own, whoever asks? 0 or -errno. */
int setattr_check(struct monitor *m, int fd, uint32_t op) __attribute__((warn_unused_result));
/* Make the change that q (with its value behind it, size bytes in all) asks for, wherever fd's file lies. */
int setattr_perform(int fd, const void *q, size_t size) __attribute__((warn_unused_result));

/* ---- split_port.c ---- */
void split_port_close_all(struct monitor *m);

/* ---- answer_open.c ---- */
void answer_open(struct monitor *m, struct request *r);
/* Does path lie in dir, however deep? Not dir itself. "" holds nothing. */
bool path_below(const char *path, const char *dir);
/* The path by which the kernel knows what is open: 0 or -EPERM. */
int path_of_fd(int fd, char path[PATH_MAX]) __attribute__((warn_unused_result));

/* ---- answer_kick.c ---- */
void answer_kick(struct monitor *m, struct request *r);

/* ---- answer_image.c ---- */
/* A child of the monitor ended; it may have been a builder. */
void image_reaped(struct monitor *m, pid_t pid);

/* ---- answer_pty.c ---- */
/* A fresh terminal of this sandbox, whose master is the caller's. Nothing has opened its slave yet: until somebody does,
 * the master waits, and does not read as hung up. Its number or -errno. */
int pty_new(struct monitor *m, int *master) __attribute__((warn_unused_result));
void pty_close_all(struct monitor *m);

/* ---- session.c ---- */
struct session_args {
	struct json_object *argv, *env;
	struct json_object *said; /* what the op was, if not argv; or NULL */
	const char *cwd;
	uint32_t umask;
	bool there; /* in cwd or not at all */
	bool tty, op, edit; /* op: it is one; edit: its client edits lines */
	bool lines;	    /* it is a shell: each line typed is an op */
	uint16_t rows, cols;
};
/* Say that nothing was begun: the sandbox is coming or going. */
void session_not_begun(struct monitor *m, struct wire_call *call);
/* Start a program for a call of Run; answers the call, now or later. */
void session_run(struct monitor *m, struct wire_call *call, const struct session_args *args);
void session_attach(struct monitor *m, struct wire_call *call, unsigned id, uint16_t rows,
		    uint16_t cols, bool edit);
void session_exited(struct monitor *m, int pid, int status);
/* The sandbox is gone: every session ends as killed. */
void session_end_all(struct monitor *m);
struct json_object *session_list(struct monitor *m);
/* Does something run in a throwaway sandbox that nobody can come back to? */
bool session_all_hung_up(struct monitor *m);
/* Somebody inside begins to wait for a line of that terminal, or has read. What MON_PTY_WAIT and _DONE are answered. */
bool session_waits(struct monitor *m, const struct mon_pty *q);
/* A leader took its terminal out of canonical mode, or put it back. */
struct request;
void session_modes(struct monitor *m, const struct mon_pty *q, const char *text, size_t size, struct request *r);
bool session_waited(struct monitor *m, unsigned number, const char *text, size_t size);
/* The guest pid of a session, 0 if there is none such. */
int session_pid(struct monitor *m, unsigned id);

/* ---- publish.c ---- */
/* Let host port of that numeric address (0: any) lead to a port inside. *got: which it is. 0 or -errno. */
int publish(struct monitor *m, const char *address, uint16_t host, uint16_t inner, uint16_t *got)
	__attribute__((warn_unused_result));
struct json_object *publish_list(struct monitor *m);
void publish_close(struct monitor *m);

/* ---- ops.c ---- */
/* The chain of layers into the sandbox's area, for the first time. */
int ops_start(struct monitor *m, int area) __attribute__((warn_unused_result));
/* An op begins: its number, or 0: changes belong to the op before. */
int64_t ops_begin(struct monitor *m, struct json_object *argv, const char *cwd);
void ops_end(struct monitor *m, int64_t op, int status, int64_t started_ms, struct json_object *argv);
int64_t ops_clock(void); /* milliseconds, for started_ms */
void box_push_op(struct wire_call *call);
void box_end_op(struct wire_call *call);
void box_undo(struct wire_call *call);
void box_undoes(struct wire_call *call);
void box_redo(struct wire_call *call);
void box_snapshot(struct wire_call *call);
void box_adopt(struct wire_call *call);
void box_seal(struct wire_call *call);
void box_counters(struct wire_call *call);
void box_locks(struct wire_call *call);

/* ---- owners.c ---- */
/* An op begins. was_empty: the ops before it that have the same layer changed nothing. */
void owners_begin(struct monitor *m, int64_t op, uint32_t layer, bool was_empty);
/* It is a program of this session, or a line that its shell was given. */
void owners_session(struct monitor *m, int64_t op, int sid, bool shell);
void owners_end(struct monitor *m, int64_t op);
/* The sandbox says that it has been up for so many milliseconds. */
void owners_clock(struct monitor *m, int64_t uptime);
/* Those of a listing (taken) that were started by what an undo of count ops would take back. */
struct json_object *owners_of_undone(struct monitor *m, struct json_object *items, unsigned count)
	__attribute__((warn_unused_result));

/* ---- events.c ---- */
/* Something happened; o (may be NULL) is taken. */
void event_tell(struct monitor *m, const char *event, struct json_object *o);
void events_close(struct monitor *m);
void box_events(struct wire_call *call);

/* ---- answer_hidden.c ---- */
void answer_hidden(struct monitor *m, struct request *r);
/* The sandbox was refused that path because it is hidden, if it is. */
void hidden_note(struct monitor *m, const char *path);

/* ---- answer_device.c ---- */
void answer_device(struct monitor *m, struct request *r);
/* Those of the settings; one more, in the settings' form, or one less. 0 or -errno. */
int devices_find(struct monitor *m, const struct conf *conf) __attribute__((warn_unused_result));
int device_add(struct monitor *m, const char *value) __attribute__((warn_unused_result));
int device_remove(struct monitor *m, const char *value);

/* ---- inside.c ---- */
/* Start a client for somebody inside who opened /dev/gsh. The other end for him, or -errno: -EBUSY. */
int inside_open(struct monitor *m) __attribute__((warn_unused_result));
void inside_reaped(struct monitor *m, pid_t pid);

/* ---- dial.c, names.c ---- */
void answer_dial(struct monitor *m, struct request *r);
void dial_close_all(struct monitor *m);
/* End the connections that the policy has no more. */
void dial_close_refused(struct monitor *m);
/* Put an end that answers for names into the reply. 0 or -errno. */
int names_serve(struct monitor *m, struct request *r) __attribute__((warn_unused_result));
void names_close_all(struct monitor *m);

/* ---- denials.c ---- */
/* Something of that kind ("net", "path") was refused; "gsh allow KIND WHAT" would allow it. */
void denial_note(struct monitor *m, const char *kind, const char *what);
void denials_forget(struct monitor *m, const char *kind, const char *what);
struct json_object *denials_list(struct monitor *m);
void denials_read(struct monitor *m);
void denials_close(struct monitor *m);

/* ---- grants.c: methods of org.gsh.Box ---- */
void box_allow(struct wire_call *call);
void box_revoke(struct wire_call *call);
void box_grants(struct wire_call *call);
void box_denials(struct wire_call *call);

/* ---- box.c, procs.c ---- */
extern const struct wire_interface box_interface;
void box_proc_read(struct wire_call *call);
void box_proc_list(struct wire_call *call);
void box_proc_link(struct wire_call *call);
void box_proc_stat(struct wire_call *call);
void box_processes(struct wire_call *call);
/* The same, of which only those that undoing so many ops concerns. */
void box_processes_undone(struct wire_call *call, unsigned count);

/* ---- split_off.c ---- */
void box_split(struct wire_call *call);

#endif
