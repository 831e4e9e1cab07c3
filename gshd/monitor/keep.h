/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * After an op, the text that it changed is kept as the host has it, so that a commit can merge it with what the host may
 * make of it later (gshd/tree/common.h). A child of the monitor's does it, one at a time: nobody waits for it, and it may
 * be killed.
 */
#ifndef GSHD_KEEP_H
#define GSHD_KEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct monitor;

struct keeper {
	pid_t pid;     /* of the child; 0: none */
	uint32_t from; /* the lowest layer that may have something new */
	bool again;    /* when the child has ended */
};

/* An op ended. */
void keep_common(struct monitor *m);
void keep_reaped(struct monitor *m, pid_t pid);
/* Of a sandbox that does not run: what no layer needs any more goes, and first touches of layers that are no more. */
int keep_sweep(int store, const char *name) __attribute__((warn_unused_result));

#endif
