/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The leader: guest pid 1, the sandbox's first picoprocess. It runs no program. It starts commands for the monitor,
 * adopts and reaps orphans, serves the coordination port, and answers questions about /proc for the host side.
 *
 * It is one loop round one ppoll: everything in it is done at once or handed to a child, so nothing that a guest does
 * can hold it up.
 */
#ifndef LIBOS_COORD_LEADER_H
#define LIBOS_COORD_LEADER_H

#include "libos/task/task.h"
#include "pal/monitor.h"

/* A message from the monitor, whole, with its descriptors; whoever takes one out of fds sets it to -1. */
struct order {
	struct mon_msg head;
	const u8 *payload;
	int fds[MON_FDS_MAX];
	unsigned nfds;
};

/* ---- leader.c ---- */
void leader_run(void) noreturn_fn;
/* Give back the ids of orphans of which the host has nothing left; zombies: and of those that the host waits with, for
 * somebody else to reap. True: there are others. */
bool leader_bury_orphans(bool zombies);

/* ---- split_leader.c ---- */
void split_leader_run(void) noreturn_fn;

/* ---- control.c: the stream to the monitor ---- */
void *control_buffer(void);	/* MON_MSG_MAX bytes for receiving; NULL: no memory */
/* 1: *o is filled (payload in buffer), 0: nothing there, -EPIPE: the monitor has gone, -EBADMSG: not understood. */
int control_receive(void *buffer, struct order *o);
void control_send(u32 type, u64 id, const void *data, size_t size, const void *more, size_t more_size);
void order_close(struct order *o);

/* ---- start.c: MON_START ---- */
/* In the child of the leader's fork: become the command. outcome: pipe to tell how exec went. */
void start_command(struct order *o, int outcome) noreturn_fn;
/* Is the order well formed? Checked before the fork. */
bool start_valid(const struct order *o);

/* ---- proc_query.c: MON_PROC ---- */
void answer_proc(const struct order *o);

#endif
