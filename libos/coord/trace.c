/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The ring of coordination records, and its text: /proc/gsh/coord/N is what happened from record N on.
 *
 * The first line says which record is the first that is there, which number to go on with (an answer holds so many),
 * the number behind the youngest record, and what time it is. Then a line a record: number, time, sender, receiver,
 * name, size of the payload, descriptors. Names are those of msgs.def, KICK for a doorbell, SIG15 for a signal,
 * "-" for what failed. Times are CLOCK_BOOTTIME in nanoseconds. A number without a line is a record that is not whole:
 * its writer is at it, or died.
 */
#include "libos/coord/trace.h"
#include "libos/coord/coord.h"
#include "libos/coord/ring.h"
#include "pal/pal.h"

_Static_assert(!(AREA_EVENTS & (AREA_EVENTS - 1)), "numbers wrap where the ring does");

static struct area_event *event_of(u64 number)
{
	return &the_area->event[number % AREA_EVENTS];
}

u64 trace_take(void)
{
	u64 until = atomic_load(&the_area->watched_until), now = ring_now(), number;

	if (now >= until) {
		(void)atomic_cas(&the_area->watched_until, until, 0);
		return 0;
	}
	number = atomic_add(&the_area->events, 1);
	atomic_store(&event_of(number)->number, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event_of(number)->time_ns = now;
	return number;
}

void trace_end(u64 number, s64 r, struct area_event e)
{
	struct area_event *to;

	if (likely(!number))
		return;
	to = event_of(number);
	to->from = e.from;
	to->to = e.to;
	to->size = e.size;
	to->type = e.type;
	to->fds = e.fds;
	to->kind = r < 0 ? TRACE_NOTHING : e.kind;
	atomic_store(&to->number, number);
}

void trace_kick(s32 to)
{
	trace_end(trace_begin(), 0, (struct area_event){ .kind = TRACE_KICK, .from = this_process()->pid, .to = to });
}

static void put_event(struct buf *b, const struct area_event *e)
{
	static const char *const messages[] = {
#define MSG(nr, name, direction, payload, fds) [nr] = #name,
#include "libos/coord/msgs.def"
#undef MSG
	};
	const char *name = e->kind == TRACE_KICK ? "KICK" : "-";
	char signal[16];

	if (e->kind == TRACE_SIGNAL) {
		base_snprintf(signal, sizeof(signal), "SIG%u", e->type);
		name = signal;
	} else if (e->kind == TRACE_MESSAGE && e->type < ARRAY_SIZE(messages) && messages[e->type]) {
		name = messages[e->type];
	}
	base_buf_printf(b, "%lu %lu %d %d %s %u %u\n", e->number, e->time_ns, e->from, e->to, name, e->size, e->fds);
}

static int show_coord(struct pseudo_node *n, struct buf *b)
{
	struct buf lines = { 0 };
	struct area_event e;
	u64 now = ring_now(), end, first, at;

	atomic_store(&the_area->watched_until, now + RING_WATCHED_NS);
	/* Numbers begin with 1, so that 0 is none. */
	end = atomic_load(&the_area->events) + 1;
	first = MIN(MAX((u64)n->key, end > AREA_EVENTS ? end - AREA_EVENTS : 1), end);
	for (at = first; at < end && lines.size < RING_TEXT_MAX; at++)
		if (ring_copy(at, &e, event_of(at), sizeof(e)))
			put_event(&lines, &e);
	return ring_put(b, &lines, first, at, end, now);
}

static const struct pseudo_desc coord_from = PSEUDO_TEXT("", show_coord);

static int coord_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref)
{
	return ring_find(&coord_from, name, ref);
}

const struct pseudo_desc proc_gsh_rows[] = {
	{ .name = "coord", .mode = S_IFDIR | 0555, .find = coord_find },
	{ .name = "calls", .mode = S_IFDIR | 0555, .find = calls_find },
	PSEUDO_TEXT("why", why_show),
	PSEUDO_END,
};
