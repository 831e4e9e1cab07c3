/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Watching the coordination of a sandbox: who sends what to whom.
 *
 * The area ends in a ring of records. Who reads it (/proc/gsh/coord, trace.c) is watching for a few seconds from then, so
 * a watcher that dies leaves nothing switched on; while nobody watches, a message costs a look at one word. Writers take
 * a number, fill the record of that number and write the number into it last: one that was killed in between left a
 * record that nobody believes. What was not read in time is overwritten, and its numbers say so.
 *
 * A message is recorded once, where both ends are known: what goes to the leader or to an owner where it is sent, an
 * answer where it is received. A split's world (split/split.h) has an area, and so a ring, of its own.
 */
#ifndef LIBOS_COORD_TRACE_H
#define LIBOS_COORD_TRACE_H

#include "libos/coord/area.h"

enum trace_kind {
	TRACE_NOTHING, /* what was to be told of did not happen */
	TRACE_MESSAGE, /* type: enum coord_type */
	TRACE_KICK,    /* a doorbell: "look what there is for you" */
	TRACE_SIGNAL,  /* type: the signal's number */
};

u64 trace_take(void); /* the slow half of trace_begin */

/* A number for what is about to happen; 0: nobody watches. */
static inline u64 trace_begin(void)
{
	return likely(!atomic_load_relaxed(&the_area->watched_until)) ? 0 : trace_take();
}

/* How it went; nothing is recorded when r is an error. */
void trace_end(u64 number, s64 r, struct area_event e);
/* What happens at once: this process kicks `to`. */
void trace_kick(s32 to);

#endif
