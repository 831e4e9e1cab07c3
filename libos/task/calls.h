/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Watching the system calls of a sandbox.
 *
 * As with coordination (coord/trace.h), who reads /proc/gsh/calls is watching for a few seconds from then, and a call that
 * nobody watches pays a look at one word. Here nothing is overwritten before it was read: a call that finds the ring full
 * waits for the reader, as long as there is one. So the lines of a thread are whole and in their order.
 *
 * Signals that are acted on and the ends of processes stand between the calls. A call is recorded when it returns; one
 * that does not (exit, and an execve that succeeds) when it begins. Paths are copied before the call, for it may change
 * or unmap them.
 */
#ifndef LIBOS_TASK_CALLS_H
#define LIBOS_TASK_CALLS_H

#include "libos/coord/area.h"

static inline bool calls_watched(void)
{
	return unlikely(atomic_load_relaxed(&the_area->calls_until));
}

enum { CALL_CALL, CALL_SIGNAL, CALL_END };

struct pal_regs;
struct siginfo;
/* Carry out the call in these registers by way of `run`, and record it. Its result. */
long calls_run(struct pal_regs *regs, long (*run)(struct pal_regs *regs));

/* If somebody watches: this process takes a signal; that one has ended, with a status as wait4() gives it. */
void calls_note_signal(const struct siginfo *info);
void calls_note_end(s32 pid, int status);

#endif
