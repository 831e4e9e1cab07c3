/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Old ops are joined while the sandbox runs, once there are too many layers: a child of the monitor's has the last of
 * them hold what all do (gshd/store/join.c), which nobody notices, then the monitor takes the others out of the chain, as undo
 * does, and another child deletes them. Nobody waits; each step may be killed.
 */
#ifndef GSHD_SQUASH_H
#define GSHD_SQUASH_H

#include <sys/types.h>
#include "gshd/store/store.h"

struct monitor;

struct squash {
	pid_t pid;  /* of the child, 0: none */
	unsigned n; /* layers that it joins; 0: nothing will come of it */
	uint32_t number[GRANT_LAYERS_MAX];
	bool trash;    /* there may be something to delete */
	int64_t swept; /* when that was tried last, or became so: ops_clock() */
};

/* A layer was put on top. */
void squash_look(struct monitor *m);
/* Layers are about to be taken away. */
void squash_cancel(struct monitor *m);
/* The sandbox ends: whatever child is at work ends too. */
void squash_end(struct monitor *m);
/* Empty a sandbox's trash, while it runs below the monitor `pid`. Who has not heard of the new chain may be in the middle
 * of an operation on the old one, and would take what is below for what it looks for. Such take moments: it is not done
 * within SQUASH_GRACE_S of the last layer's coming, nor while a process is stopped, wherever it was. */
#define SQUASH_GRACE_S 30
int squash_sweep(int box, int pid);
void squash_reaped(struct monitor *m, pid_t pid, int status);

#endif
