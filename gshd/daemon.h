/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gshd, the daemon: finds, starts, stops and removes sandboxes. It holds nothing that is not in the
 * store.
 *
 *	main.c        options, the lock, the socket, the loop
 *	daemon.c      org.gsh.Daemon: the table and what is answered at once
 *	boxes.c       what takes time (starting, stopping, removing, listing), in a child process a
 *	              call
 *	status.c      what a sandbox changed
 *	shape.c       making them of what a client prepared, renaming
 *	collect.c     joining old ops, emptying the trash
 *	doctor.c      what the host offers
 *	policy.c      what a sandbox may do
 *	activation.c  systemd's two protocols, in a few lines
 *	past.c        its ops: log, show, undo, redo, snapshot
 *	history.c history_layers.c journal.c effects.c  the chain of layers, what it was for, what each changed
 *	store.c chain.c client/delete.c shm.c wire.c wire_call.c log.c
 */
#ifndef GSHD_DAEMON_H
#define GSHD_DAEMON_H

#include <stdint.h>
#include "gshd/store/store.h"
#include "gshd/wire/wire.h"

struct event;

struct daemon {
	struct event_base *base;
	struct paths paths;
	int store;
	int64_t started;    /* unix time */
	unsigned idle_exit; /* seconds; 0: never */
	struct event *idle_ev;
	unsigned workers;
	struct wire_server server;
};

extern const struct wire_interface daemon_interface;

/* Run fn(call) in a child process; it must answer the call. */
void daemon_work(struct wire_call *call, void (*fn)(struct wire_call *call));
/* A call's "name", checked. NULL: the call was answered with an error. */
const char *daemon_name(struct wire_call *call);

/* ---- boxes.c, boxes_list.c ---- */
/* A connection to a sandbox's monitor, whose answers are waited for so long. 0 or -errno. */
struct client;
int box_connect(const struct daemon *d, const char *name, struct client **c, int ms);
#define SOCKET_MAX (PATH_MAX + 80)
void box_socket(const struct daemon *d, const char *name, char *path); /* SOCKET_MAX bytes */
/* Is it up and ready? Its lock file's JSON then, else NULL. */
struct json_object *box_running(const struct daemon *d, const char *name);
void boxes_create(struct wire_call *call);
void boxes_settle(struct wire_call *call);
void boxes_start(struct wire_call *call);
void boxes_stop(struct wire_call *call);
void boxes_remove(struct wire_call *call);
void boxes_list(struct wire_call *call);
/* shape.c */
void boxes_adopt(struct wire_call *call);
void boxes_rename(struct wire_call *call);

void boxes_limits(struct wire_call *call); /* change them, and tell which hold */
/* Remove what crashes left: half-made sandboxes, sockets of the dead, ephemeral sandboxes without a
 * monitor. */
void boxes_sweep(const struct daemon *d);
/* Sockets of monitors that were killed: how many, and removed if asked; *err: as the last said that could not be. */
unsigned boxes_dead_sockets(const struct daemon *d, bool remove, int *err);

/* ---- past.c ---- */
void past_undo(struct wire_call *call);
void past_redo(struct wire_call *call);
void past_snapshot(struct wire_call *call);
void past_adopt(struct wire_call *call);
void past_seal(struct wire_call *call);
void past_push_op(struct wire_call *call);
void past_log(struct wire_call *call);
void past_show(struct wire_call *call);

/* ---- collect.c ---- */
void collect_answer(struct wire_call *call);

/* ---- status.c, doctor.c, policy.c ---- */
void status_answer(struct wire_call *call);
void doctor_answer(struct wire_call *call);
void policy_answer(struct wire_call *call);

/* ---- activation.c ---- */
/* The socket that the service manager passed, or -1. */
int activation_socket(void);
/* Tell the service manager (if there is one) "READY=1" or the like. */
void activation_notify(const char *state);

/* ---- hidden.c ---- */
/* The host paths that [Files] Inaccessible= stands for, without gsh's own. NULL: there are too many, or no memory. */
struct json_object *hidden_list(const struct paths *paths, const char *inaccessible);

#endif
