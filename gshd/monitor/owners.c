/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which op started a process, for who takes the op back.
 *
 * A process belongs to the op that its parent belongs to. The children of a shell at a terminal, whose lines
 * are ops, belong to the line after which they began. A process whose parent has ended belongs to the op of its
 * session, or, if it made a session of its own as daemons do, to the latest op during which it began.
 *
 * The monitor remembers the latest ops, and only for as long as it lives: a process of an older op is nobody's.
 */
#include <json-c/json.h>
#include <string.h>
#include <time.h>
#include "gshd/wire/json.h"
#include "gshd/monitor/monitor.h"

#define TICK_MS 10 /* what the start of a process is told in, since the sandbox's own boot */
#define DEPTH_MAX 64 /* parents that are looked at: the numbers come from the sandbox */

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The answer took its time: the earliest boot that any answer speaks for is the nearest to the truth. */
void owners_clock(struct monitor *m, int64_t uptime)
{
	int64_t boot = clock_ms() - uptime;

	if (!m->guest_boot || boot < m->guest_boot)
		m->guest_boot = boot;
}

void owners_begin(struct monitor *m, int64_t op, uint32_t layer, bool was_empty)
{
	struct op_note *o = &m->noted[m->nnoted++ % OPS_NOTED];

	/* Who had the layer before and left it empty changed nothing. */
	for (unsigned i = 0; was_empty && i < OPS_NOTED; i++)
		if (m->noted[i].layer == layer)
			m->noted[i].layer = 0;
	*o = (struct op_note){ .op = op, .begun = clock_ms(), .layer = layer };
}

static struct op_note *find_note(struct monitor *m, int64_t op)
{
	for (unsigned i = 0; op && i < OPS_NOTED; i++)
		if (m->noted[i].op == op)
			return &m->noted[i];
	return NULL;
}

void owners_session(struct monitor *m, int64_t op, int sid, bool shell)
{
	struct op_note *o = find_note(m, op);

	if (o) {
		o->sid = sid;
		o->shell = shell;
	}
}

void owners_end(struct monitor *m, int64_t op)
{
	struct op_note *o = find_note(m, op);

	if (o)
		o->ended = clock_ms();
}

/* ---- of a listing ---- */

/* start: since the sandbox's boot. */
static const struct op_note *latest(const struct monitor *m, int sid, int64_t start)
{
	int64_t at = m->guest_boot + start;
	const struct op_note *best = NULL;

	for (unsigned i = 0; i < OPS_NOTED; i++) {
		const struct op_note *o = &m->noted[i];
		bool meant = sid ? o->sid == sid : !o->ended || at - TICK_MS <= o->ended;

		if (o->op && meant && o->begun <= at + TICK_MS && (!best || o->op > best->op))
			best = o;
	}
	return best;
}

static struct json_object *by_pid(struct json_object *items, int64_t pid)
{
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		if (json_int(item, "pid", 0) == pid)
			return item;
	}
	return NULL;
}

static const struct op_note *owner(const struct monitor *m, struct json_object *items, struct json_object *item)
{
	for (unsigned depth = 0; item && depth < DEPTH_MAX; depth++) {
		int64_t pid = json_int(item, "pid", 0), up = json_int(item, "ppid", 0);
		int64_t start = json_int(item, "start", 0);
		int sid = (int)json_int(item, "sid", 0);
		const struct op_note *of_session = latest(m, sid, start), *of_parent;
		struct json_object *parent = up > 1 ? by_pid(items, up) : NULL;

		if (pid <= 1)
			return NULL;
		if (of_session && pid == sid)
			return of_session->shell ? NULL : of_session;
		if (!parent)
			return of_session ? of_session : latest(m, 0, start);
		of_parent = latest(m, (int)up, start);
		if (of_parent && of_parent->shell)
			return of_parent;
		item = parent;
	}
	return NULL;
}

static bool taken(const struct op_note *o, const uint32_t *layer, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (o->layer == layer[i])
			return true;
	return false;
}

struct json_object *owners_of_undone(struct monitor *m, struct json_object *items, unsigned count)
{
	struct json_object *out = json_object_new_array();
	uint32_t layer[GRANT_LAYERS_MAX];
	unsigned n = history_undoes(&m->history, count, layer);

	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const struct op_note *o = owner(m, items, item);

		if (!o || !taken(o, layer, n) || !strcmp(json_str(item, "state", ""), "Z"))
			continue;
		json_put_int(item, "op", o->op);
		json_object_array_add(out, json_object_get(item));
	}
	json_object_put(items);
	return out;
}
