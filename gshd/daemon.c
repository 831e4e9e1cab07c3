/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * org.gsh.Daemon: the table of methods, and those that are answered at once.
 *
 * Whatever may take time (a sandbox's start, a walk over its files, a deletion) is answered by a
 * child process that has a copy of the call and of the connection: its code may simply wait, and if
 * it dies, the daemon tells the client.
 */
#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "gshd/store/chain.h"
#include "gshd/daemon.h"
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/settings.h"

#define WORKERS_MAX 32

/* The daemon's signals and its socket are not the worker's: it may outlive a killed daemon, and be
 * signalled itself. */
static void become_worker(struct daemon *d)
{
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	close(d->server.listener);
}

void daemon_work(struct wire_call *call, void (*fn)(struct wire_call *call))
{
	struct daemon *d = call->server->context;
	pid_t pid;

	if (d->workers >= WORKERS_MAX) {
		wire_fail(call, "org.gsh.Failed", call->method->name,
			  "gshd is busy with 32 other requests", "try again");
		return;
	}
	pid = wire_fork(call);
	if (pid < 0) {
		wire_fail(call, "org.gsh.Failed", "cannot create a process", strerror(-pid), NULL);
	} else if (pid == 0) {
		become_worker(d);
		fn(call);
		_exit(0);
	} else {
		d->workers++;
	}
}

const char *daemon_name(struct wire_call *call)
{
	const char *name = json_str(call->params, "name", NULL);

	if (name && paths_name_ok(name))
		return name;
	wire_fail(call, "org.gsh.BadRequest", name ? name : "name",
		  name ? "a sandbox's name is 1 to 63 letters, digits, dots, underscores and "
			 "dashes, and begins with "
			 "a letter, a digit or an underscore"
		       : "it is missing",
		  NULL);
	return NULL;
}

static void answer_info(struct wire_call *call)
{
	struct daemon *d = call->server->context;
	struct json_object *p = json_object_new_object();

	json_put_str(p, "version", GSH_VERSION);
	json_put_int(p, "pid", getpid());
	json_put_str(p, "store", d->paths.store);
	json_put_str(p, "runtime", d->paths.runtime);
	json_put_str(p, "mount", d->paths.mount);
	json_put_int(p, "started", d->started);
	wire_reply(call, p);
}

/* Of a sandbox that runs, which is the usual case, nothing more is needed than to look at its
 * lock. */
static void answer_start(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = json_str(call->params, "name", "");
	struct json_object *box = paths_name_ok(name) ? box_running(d, name) : NULL;
	struct json_object *p;
	char socket[SOCKET_MAX];

	if (!box || json_get(call->params, "limits", json_type_object) || *json_str(call->params, "settings", "")) {
		json_object_put(box);
		daemon_work(call, boxes_start);
		return;
	}
	p = json_object_new_object();
	box_socket(d, name, socket);
	json_put_str(p, "name", name);
	json_put_str(p, "socket", socket);
	json_put_bool(p, "started", false);
	json_put_str(p, "rung", json_str(box, "rung", ""));
	json_object_put(box);
	wire_reply(call, p);
}

static void answer_create(struct wire_call *call)
{
	daemon_work(call, boxes_create);
}

static void answer_settle(struct wire_call *call)
{
	daemon_work(call, boxes_settle);
}

static void answer_stop(struct wire_call *call)
{
	daemon_work(call, boxes_stop);
}

static void answer_remove(struct wire_call *call)
{
	daemon_work(call, boxes_remove);
}

static void answer_list(struct wire_call *call)
{
	daemon_work(call, boxes_list);
}

static void answer_limits(struct wire_call *call)
{
	daemon_work(call, boxes_limits);
}

static void answer_status(struct wire_call *call)
{
	daemon_work(call, status_answer);
}

static void answer_doctor(struct wire_call *call)
{
	daemon_work(call, doctor_answer);
}

static void answer_policy(struct wire_call *call)
{
	daemon_work(call, policy_answer);
}

static void answer_undo(struct wire_call *call)
{
	daemon_work(call, past_undo);
}

static void answer_redo(struct wire_call *call)
{
	daemon_work(call, past_redo);
}

static void answer_snapshot(struct wire_call *call)
{
	daemon_work(call, past_snapshot);
}

static void answer_adopt_layer(struct wire_call *call)
{
	daemon_work(call, past_adopt);
}

static void answer_push_op(struct wire_call *call)
{
	daemon_work(call, past_push_op);
}

static void answer_seal(struct wire_call *call)
{
	daemon_work(call, past_seal);
}

static void answer_adopt(struct wire_call *call)
{
	daemon_work(call, boxes_adopt);
}

static void answer_rename(struct wire_call *call)
{
	daemon_work(call, boxes_rename);
}

static void answer_collect(struct wire_call *call)
{
	daemon_work(call, collect_answer);
}

static void answer_log(struct wire_call *call)
{
	daemon_work(call, past_log);
}

static void answer_show(struct wire_call *call)
{
	daemon_work(call, past_show);
}

static void answer_layers(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call), *version = json_str(call->params, "version", "now");
	struct json_object *p, *layers;
	char path[PATH_MAX + 128], why[STORE_WHY];
	static struct chain chain;
	static struct conf conf;
	int err;

	if (!name)
		return;
	if (!chain_word_ok(version)) {
		wire_fail(call, "org.gsh.BadRequest", version, "this is no name of a version", NULL);
		return;
	}
	err = chain_open(d->store, name, version, &chain, why);
	if (err) {
		struct box_spec spec;
		char ignored[STORE_WHY];

		p = json_object_new_object();
		json_put_str(p, "name", name);
		json_put_str(p, "what", name);
		json_put_str(p, "why", why);
		if (err == -ENOENT && store_read_spec(d->store, name, &spec, ignored) == -ENOENT)
			wire_error(call, "org.gsh.NoSuchSandbox", p);
		else
			wire_error(call, err == -ENOENT ? "org.gsh.NoSuchVersion" : "org.gsh.Failed", p);
		return;
	}
	p = json_object_new_object();
	layers = json_object_new_array();
	json_put_str(p, "base", chain.base_path);
	json_put_bool(p, "image", chain.image);
	for (unsigned i = chain.n; i-- > 0;) {
		snprintf(path, sizeof(path), "%s/boxes/%s/%s", d->paths.store, name, chain.layer[i].path);
		json_object_array_add(layers, json_object_new_string(path));
	}
	json_object_object_add(p, "layers", layers);
	if (chain.now)
		json_put_str(p, "top", path);
	snprintf(path, sizeof(path), "%s/boxes/%s/tree/work", d->paths.store, name);
	json_put_str(p, "work", path);
	chain_close(&chain);
	if (settings_load(&d->paths, name, NULL, &conf, why, sizeof(why)) ||
	    !(layers = hidden_list(&d->paths, chain.image ? "" : conf.inaccessible))) {
		json_object_put(p);
		wire_fail(call, "org.gsh.Failed", name, "it cannot be told what is hidden in it",
			  "gsh config check tells what is wrong with its settings");
		return;
	}
	json_object_object_add(p, "hidden", layers);
	wire_reply(call, p);
}

static void answer_shutdown(struct wire_call *call)
{
	struct timeval soon = { 0, 50000 }; /* the answer is written first */

	event_base_loopexit(call->server->base, &soon);
	wire_reply(call, NULL);
}

static const struct wire_method methods[] = {
	{ "GetInfo", 0, answer_info },		{ "List", 0, answer_list },
	{ "Create", 0, answer_create },		{ "Settle", 0, answer_settle },
	{ "Start", 0, answer_start },		{ "Stop", 0, answer_stop },
	{ "Remove", 0, answer_remove },		{ "Layers", 0, answer_layers },
	{ "Status", WIRE_MORE, answer_status }, { "Doctor", 0, answer_doctor },
	{ "Shutdown", 0, answer_shutdown },	{ "Policy", 0, answer_policy },
	{ "Undo", 0, answer_undo },		{ "Redo", 0, answer_redo },
	{ "Snapshot", 0, answer_snapshot },	{ "Log", 0, answer_log },
	{ "Show", 0, answer_show },		{ "AdoptLayer", 0, answer_adopt_layer },
	{ "PushOp", 0, answer_push_op },	{ "Seal", 0, answer_seal },		{ "Adopt", 0, answer_adopt },
	{ "Rename", 0, answer_rename },		{ "Collect", WIRE_MORE, answer_collect },
	{ "Limits", 0, answer_limits },
};

const struct wire_interface daemon_interface = {
	.name = "org.gsh.Daemon",
	.vendor = "gsh",
	.product = "gshd",
	.methods = methods,
	.count = sizeof(methods) / sizeof(methods[0]),
};
