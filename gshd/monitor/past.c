/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What clients ask about a sandbox's past, and to change of it: Log, Show, Undo, Redo, Snapshot.
 *
 * Runs in a child of gshd, which takes the sandbox's lock. Where its monitor has the lock, the
 * monitor does it, for only it can tell the processes.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/client/client.h"
#include "gshd/daemon.h"
#include "gshd/store/effects.h"
#include "gshd/store/history.h"
#include "gshd/wire/json.h"

#define SHOWN_MAX 100000

/* ---- changing it ---- */

static void fail(struct wire_call *call, const char *what, int err)
{
	if (err == -EBUSY)
		wire_fail(call, "org.gsh.Conflict", what,
			  "something changed since, or a process that split off needs its layers", NULL);
	else if (err == -E2BIG)
		wire_fail(call, "org.gsh.Failed", what, "there are too many layers", "gsh gc joins old ones");
	else
		wire_fail(call, "org.gsh.Failed", what, strerror(-err), NULL);
}

void history_answer(struct wire_call *call, struct history *h,
		    int (*fn)(struct history *h, unsigned count, unsigned *done))
{
	int64_t count = json_int(call->params, "count", 1);
	struct json_object *p;
	unsigned done = 0;
	int err;

	if (count < 1 || count > HISTORY_COUNT_MAX) {
		wire_fail(call, "org.gsh.BadRequest", "count", "it must be 1 to 1000", NULL);
		return;
	}
	err = fn(h, (unsigned)count, &done);
	if (err) {
		fail(call, "the layers", err);
		return;
	}
	p = json_object_new_object();
	json_put_int(p, "layers", done);
	wire_reply(call, p);
}

void history_answer_snapshot(struct wire_call *call, struct history *h)
{
	const char *snapshot = json_str(call->params, "snapshot", "");
	int err;

	/* Words that mean something else, and numbers, which are ops. */
	if (!paths_name_ok(snapshot) || !snapshot[strspn(snapshot, "0123456789")] || !strcmp(snapshot, "now") ||
	    !strcmp(snapshot, "base")) {
		wire_fail(call, "org.gsh.BadRequest", snapshot,
			  "a snapshot's name is letters, digits, dots, underscores and dashes, not a number alone, "
			  "and neither base nor now",
			  NULL);
		return;
	}
	err = history_snapshot(h, snapshot);
	if (err == -EEXIST)
		wire_fail(call, "org.gsh.Conflict", snapshot, "there is a snapshot of that name", NULL);
	else if (err)
		fail(call, snapshot, err);
	else
		wire_reply(call, NULL);
}

struct json_object *history_argv(struct wire_call *call)
{
	struct json_object *argv = json_get(call->params, "argv", json_type_array);

	for (size_t i = 0; argv && i < json_object_array_length(argv); i++)
		if (!json_object_is_type(json_object_array_get_idx(argv, i), json_type_string))
			argv = NULL;
	if (argv && json_object_array_length(argv))
		return argv;
	wire_fail(call, "org.gsh.BadRequest", "argv", "it must be a list of at least one string", NULL);
	return NULL;
}

void history_answer_adopt(struct wire_call *call, struct history *h)
{
	struct json_object *argv = history_argv(call), *p;
	const char *layer = json_str(call->params, "layer", "");
	int64_t op = 0;
	int err;

	if (!argv)
		return;
	err = history_adopt(h, layer, argv, json_str(call->params, "cwd", "/"), &op);
	if (err) {
		fail(call, "the layers", err);
		return;
	}
	p = json_object_new_object();
	json_put_int(p, "op", op);
	wire_reply(call, p);
}

void history_answer_seal(struct wire_call *call, struct history *h)
{
	int err = history_seal(h);

	if (err)
		fail(call, "the layers", err);
	else
		wire_reply(call, NULL);
}

/* done: nobody will tell how it ended. */
void history_answer_push(struct wire_call *call, struct history *h)
{
	struct json_object *argv = history_argv(call), *p;
	int64_t op = 0;
	int err;

	if (!argv)
		return;
	err = history_begin(h, argv, json_str(call->params, "cwd", "/"), &op);
	if (err) {
		wire_fail(call, "org.gsh.Failed", "op", strerror(-err), NULL);
		return;
	}
	if (json_flag(call->params, "done", false))
		history_end(h, op, 0, 0, NULL);
	p = json_object_new_object();
	json_put_int(p, "op", op);
	json_put_int(p, "layer", h->number[h->n - 1]);
	wire_reply(call, p);
}

/* The monitor's answer is ours. */
static void relay(struct wire_call *call, const char *name, const char *method)
{
	const struct daemon *d = call->server->context;
	struct client_reply r = { .params = NULL };
	struct client *c = NULL;
	char path[SOCKET_MAX];
	int err;

	box_socket(d, name, path);
	err = client_open(&c, path);
	if (!err)
		err = client_call(c, method, json_object_get(call->params), NULL, 0, &r);
	if (err)
		wire_fail(call, "org.gsh.Conflict", name, "it is being started or stopped", "try again");
	else if (r.error[0])
		wire_error(call, r.error, json_object_get(r.params));
	else
		wire_reply(call, json_object_get(r.params));
	client_reply_free(&r);
	client_close(c);
}

static void no_such(struct wire_call *call, const char *name)
{
	struct json_object *p = json_object_new_object();

	json_put_str(p, "name", name);
	wire_error(call, "org.gsh.NoSuchSandbox", p);
}

static void with_lock(struct wire_call *call, const char *method,
		      void (*fn)(struct wire_call *call, struct history *h))
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	struct history h;
	char why[STORE_WHY];
	int lock;

	if (!name)
		return;
	lock = store_lock(d->store, name);
	if (lock == -ENOENT) {
		no_such(call, name);
	} else if (lock == -EAGAIN) {
		relay(call, name, method);
	} else if (lock < 0) {
		wire_fail(call, "org.gsh.Failed", name, strerror(-lock), NULL);
	} else if (history_open(d->store, name, &h, why)) {
		wire_fail(call, "org.gsh.Failed", name, why, NULL);
	} else {
		fn(call, &h);
		history_close(&h);
		(void)history_sweep(d->store, name); /* what is left is swept the next time */
	}
	if (lock >= 0)
		close(lock);
}

static void undo(struct wire_call *call, struct history *h)
{
	history_answer(call, h, history_undo);
}

static void redo(struct wire_call *call, struct history *h)
{
	history_answer(call, h, history_redo);
}

void past_undo(struct wire_call *call)
{
	with_lock(call, "org.gsh.Box.Undo", undo);
}

void past_redo(struct wire_call *call)
{
	with_lock(call, "org.gsh.Box.Redo", redo);
}

void past_adopt(struct wire_call *call)
{
	with_lock(call, "org.gsh.Box.AdoptLayer", history_answer_adopt);
}

void past_push_op(struct wire_call *call)
{
	with_lock(call, "org.gsh.Box.PushOp", history_answer_push);
}

void past_seal(struct wire_call *call)
{
	with_lock(call, "org.gsh.Box.Seal", history_answer_seal);
}

void past_snapshot(struct wire_call *call)
{
	with_lock(call, "org.gsh.Box.Snapshot", history_answer_snapshot);
}

/* ---- looking at it ---- */

/* A level of a walk has a descriptor a layer. */
static void more_descriptors(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* What an op's own layer changed. False: it has none. */
static bool find_effects(const struct daemon *d, const char *name, struct json_object *op, struct effects *e)
{
	char word[24], why[STORE_WHY];
	static struct chain c;
	bool found = false;

	if (!json_int(op, "layer", 0))
		return false;
	snprintf(word, sizeof(word), "%lld", (long long)json_int(op, "op", 0));
	if (chain_open(d->store, name, word, &c, why))
		return false;
	if (c.n && c.layer[0].number == (uint64_t)json_int(op, "layer", 0)) {
		effects_find(&c, e);
		found = true;
	}
	chain_close(&c);
	return found;
}

static void add_effects(const struct daemon *d, const char *name, struct json_object *op)
{
	const char *state = json_str(op, "state", "");
	bool lost = !strcmp(state, "squashed") || !strcmp(state, "dropped");
	struct effects e = { .each = NULL };
	char text[PATH_MAX + 128];

	if (lost)
		return;
	if (!find_effects(d, name, op, &e))
		e = (struct effects){ .each = NULL };
	effects_text(&e, text, sizeof(text));
	json_put_str(op, "effects", text);
	json_put_int(op, "added", e.added);
	json_put_int(op, "changed", e.changed);
	json_put_int(op, "removed", e.removed);
}

/* All ops of a sandbox, or NULL: the call was answered. */
static struct json_object *ops_of(struct wire_call *call, const char *name)
{
	const struct daemon *d = call->server->context;
	int box = name ? store_open_box(d->store, name) : -EINVAL;
	struct json_object *list;
	bool stopped;

	if (!name)
		return NULL;
	if (box < 0) {
		no_such(call, name);
		return NULL;
	}
	list = history_ops(box);
	stopped = list && store_locked(d->store, name) == 0;
	close(box);
	/* Nothing can run: the end of an op was not written, for its monitor was killed or the disk was full. */
	for (size_t i = 0; stopped && i < json_object_array_length(list); i++) {
		struct json_object *op = json_object_array_get_idx(list, i);

		if (!strcmp(json_str(op, "state", ""), "running"))
			json_put_str(op, "state", "done");
	}
	return list;
}

void past_log(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	int64_t limit = json_int(call->params, "count", HISTORY_COUNT_MAX);
	struct json_object *list = ops_of(call, name), *items, *p;
	size_t n, first;
	int box;

	if (!list)
		return;
	more_descriptors();
	n = json_object_array_length(list);
	first = limit > 0 && (size_t)limit < n ? n - (size_t)limit : 0;
	items = json_object_new_array();
	for (size_t i = first; i < n; i++) {
		struct json_object *op = json_object_array_get_idx(list, i);
		if (!json_flag(call->params, "brief", false))
			add_effects(d, name, op);
		json_object_array_add(items, json_object_get(op));
	}
	json_object_put(list);
	p = json_object_new_object();
	json_object_object_add(p, "items", items);
	box = store_open_box(d->store, name);
	if (box >= 0) {
		json_object_object_add(p, "snapshots", history_snapshots(box));
		close(box);
	}
	wire_reply(call, p);
}

static void add_item(const char *path, char change, mode_t mode, off_t size, void *arg)
{
	struct json_object *items = arg, *o;
	char letter[2] = { change, '\0' };

	if (json_object_array_length(items) >= SHOWN_MAX)
		return;
	o = json_object_new_object();
	json_put_str(o, "path", path);
	json_put_str(o, "change", letter);
	json_put_str(o, "kind", S_ISDIR(mode) ? "d" : S_ISLNK(mode) ? "l" : S_ISREG(mode) ? "f" : "s");
	json_put_int(o, "size", size);
	json_object_array_add(items, o);
}

void past_show(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	int64_t wanted = json_int(call->params, "op", 0);
	struct json_object *list = ops_of(call, name), *op = NULL, *items;
	struct effects e = { .each = add_item };
	char text[32];

	if (!list)
		return;
	more_descriptors();
	for (size_t i = 0; i < json_object_array_length(list) && !op; i++) {
		op = json_object_array_get_idx(list, i);
		if (json_int(op, "op", 0) != wanted)
			op = NULL;
	}
	if (!op) {
		snprintf(text, sizeof(text), "op %lld", (long long)wanted);
		wire_fail(call, "org.gsh.NoSuchOp", text, "the sandbox's journal has none of that number",
			  "gsh log lists them");
	} else {
		items = json_object_new_array();
		add_effects(d, name, op);
		e.arg = items;
		(void)find_effects(d, name, op, &e);
		op = json_object_get(op);
		json_object_object_add(op, "items", items);
		wire_reply(call, op);
	}
	json_object_put(list);
}
