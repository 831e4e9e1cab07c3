/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* org.gsh.Box: what clients ask of a sandbox's monitor. gshd/PROTOCOL says what each means; here
 * arguments are checked. */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/monitor/monitor.h"

#define PATIENCE_MS 3000

static void bad(struct wire_call *call, const char *why)
{
	wire_fail(call, "org.gsh.BadRequest", call->method->name, why, NULL);
}

static void answer_info(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	struct json_object *p = json_object_new_object();
	char rung[2] = { (char)m->rung, '\0' };

	json_put_str(p, "name", m->spec.name);
	json_put_int(p, "pid", getpid());
	json_put_int(p, "leader", m->child.leader);
	json_put_str(p, "rung", rung);
	json_put_int(p, "uptime", time(NULL) - m->started);
	json_object_object_add(p, "limits", limits_describe(&m->limits, m));
	if (m->last_kill[0])
		json_put_str(p, "last_kill", m->last_kill);
	json_object_object_add(p, "published", publish_list(m));
	json_object_object_add(p, "sessions", session_list(m));
	wire_reply(call, p);
}

/* They were changed in the store. */
static void answer_limits(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	struct json_object *p;
	char why[512];

	if (m->state != BOX_RUNNING) {
		session_not_begun(m, call);
	} else if (limits_apply(m, why, sizeof(why))) {
		wire_fail(call, "org.gsh.Failed", m->spec.name, why, NULL);
	} else {
		p = json_object_new_object();
		json_object_object_add(p, "limits", limits_describe(&m->limits, m));
		wire_reply(call, p);
	}
}

static void answer_sessions(struct wire_call *call)
{
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "items", session_list(call->server->context));
	wire_reply(call, p);
}

/* An array of strings, none of them with a NUL inside. */
static bool all_strings(struct json_object *array)
{
	for (size_t i = 0; array && i < json_object_array_length(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i);
		if (!json_object_is_type(o, json_type_string) ||
		    strlen(json_object_get_string(o)) != (size_t)json_object_get_string_len(o))
			return false;
	}
	return true;
}

static uint16_t size_param(struct wire_call *call, const char *name)
{
	int64_t v = json_int(call->params, name, 0);

	return v > 0 && v < 65536 ? (uint16_t)v : 0;
}

static void answer_run(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	struct session_args args = {
		.argv = json_get(call->params, "argv", json_type_array),
		.env = json_get(call->params, "env", json_type_array),
		.said = json_get(call->params, "said", json_type_array),
		.cwd = json_str(call->params, "cwd", "/"),
		.there = json_flag(call->params, "there", false),
		.umask = (uint32_t)json_int(call->params, "umask", 022),
		.tty = json_flag(call->params, "tty", false),
		.op = json_flag(call->params, "op", true),
		.edit = json_flag(call->params, "edit", false),
		.lines = json_flag(call->params, "lines", false),
		.rows = size_param(call, "rows"),
		.cols = size_param(call, "cols"),
	};

	if (!args.argv || !json_object_array_length(args.argv) || !all_strings(args.argv) ||
	    !all_strings(args.env) || !all_strings(args.said) || (args.said && !json_object_array_length(args.said)))
		bad(call, "argv and said must be lists of at least one string, env a list of strings");
	else if (call->nfds != 3)
		bad(call, "three descriptors are needed");
	else if (args.tty != call->upgrade)
		bad(call, "with a terminal the call must be an upgrade, without one it must not");
	else if (m->state != BOX_RUNNING)
		session_not_begun(m, call);
	else
		session_run(m, call, &args);
}

static void answer_attach(struct wire_call *call)
{
	int64_t id = json_int(call->params, "session", -1);

	if (!call->upgrade)
		bad(call, "the call must be an upgrade");
	else if (id < 1 || id > UINT32_MAX)
		bad(call, "session must be a session's number");
	else
		session_attach(call->server->context, call, (unsigned)id, size_param(call, "rows"),
			       size_param(call, "cols"), json_flag(call->params, "edit", false));
}

static void answer_signal(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	struct mon_signal s = { .pid = (int32_t)json_int(call->params, "pid", 0),
				.sig = (int32_t)json_int(call->params, "signal", -1) };
	int64_t id = json_int(call->params, "session", 0);
	int err;

	if (id > 0)
		s.pid = session_pid(m, (unsigned)id);
	if (s.pid == 0) {
		bad(call, id ? "there is no such session" : "session or pid must be given");
		return;
	}
	if (s.sig < 0 || s.sig >= NSIG) {
		bad(call, "there is no such signal");
		return;
	}
	err = control_send(m, MON_SIGNAL, 0, &s, sizeof(s), NULL, 0);
	if (err)
		wire_fail(call, "org.gsh.Failed", "signal", strerror(-err), NULL);
	else
		wire_reply(call, NULL);
}

static void stopper_gone(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	m->stop_call = NULL;
	wire_reply(call, NULL);
}

static void answer_shutdown(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	int64_t timeout = json_int(call->params, "timeout", PATIENCE_MS);

	if (timeout < 0 || timeout > 600000) {
		bad(call, "timeout must be milliseconds, at most 600000");
		return;
	}
	if (m->stop_call) {
		wire_fail(call, "org.gsh.Conflict", m->spec.name, "it is being stopped already",
			  NULL);
		return;
	}
	m->stop_call = call;
	call->gone = stopper_gone;
	monitor_stop(m, (int)timeout);
}

static void holder_gone(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	m->nholders--;
	wire_reply(call, NULL);
	monitor_look(m);
}

static void answer_hold(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	if (!call->more) {
		bad(call, "it is answered twice, so the call must say more");
		return;
	}
	m->nholders++;
	call->gone = holder_gone;
	wire_reply_more(call, NULL);
}

static bool is_port(int64_t v, int64_t least)
{
	return v >= least && v < 65536;
}

static void publish_failed(struct wire_call *call, const char *address, int64_t host, int err)
{
	char what[96];

	snprintf(what, sizeof(what), "port %d of %.64s", (int)host, address);
	if (err == -EADDRINUSE)
		wire_fail(call, "org.gsh.Conflict", what, "somebody has it already", NULL);
	else if (err == -EACCES)
		wire_fail(call, "org.gsh.Refused", what, strerror(-err), "choose one from 1024 up");
	else
		wire_fail(call, "org.gsh.Failed", what, strerror(-err), NULL);
}

static void answer_publish(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	const char *address = json_str(call->params, "address", "127.0.0.1");
	int64_t host = json_int(call->params, "host", -1), inner = json_int(call->params, "inner", -1);
	struct json_object *p;
	uint16_t got;
	int err;

	if (!is_port(host, 0) || !is_port(inner, 1)) {
		bad(call, "host and inner must be ports");
		return;
	}
	if (m->state != BOX_RUNNING) {
		session_not_begun(m, call);
		return;
	}
	err = publish(m, address, (uint16_t)host, (uint16_t)inner, &got);
	if (err == -EINVAL) {
		bad(call, "address must be a numeric address");
	} else if (err) {
		publish_failed(call, address, host, err);
	} else {
		p = json_object_new_object();
		json_put_str(p, "address", address);
		json_put_int(p, "host", got);
		json_put_int(p, "inner", inner);
		wire_reply(call, p);
	}
}

static const struct wire_method methods[] = {
	{ "GetInfo", 0, answer_info },
	{ "Run", WIRE_MORE | WIRE_UPGRADE, answer_run },
	{ "Attach", WIRE_UPGRADE, answer_attach },
	{ "Signal", 0, answer_signal },
	{ "Sessions", 0, answer_sessions },
	{ "Publish", 0, answer_publish },
	{ "Split", 0, box_split },
	{ "Limits", 0, answer_limits },
	{ "Allow", 0, box_allow },
	{ "Revoke", 0, box_revoke },
	{ "Grants", 0, box_grants },
	{ "Denials", 0, box_denials },
	{ "Processes", 0, box_processes },
	{ "ProcRead", 0, box_proc_read },
	{ "ProcList", 0, box_proc_list },
	{ "ProcLink", 0, box_proc_link },
	{ "ProcStat", 0, box_proc_stat },
	{ "Hold", WIRE_MORE, answer_hold },
	{ "PushOp", 0, box_push_op },
	{ "EndOp", 0, box_end_op },
	{ "Undo", 0, box_undo },
	{ "Undoes", 0, box_undoes },
	{ "Redo", 0, box_redo },
	{ "Snapshot", 0, box_snapshot },
	{ "Events", WIRE_MORE, box_events },
	{ "AdoptLayer", 0, box_adopt },
	{ "Seal", 0, box_seal },
	{ "Counters", 0, box_counters },
	{ "Locks", 0, box_locks },
	{ "Shutdown", 0, answer_shutdown },
};

const struct wire_interface box_interface = {
	.name = "org.gsh.Box",
	.vendor = "gsh",
	.product = "gshd monitor",
	.methods = methods,
	.count = sizeof(methods) / sizeof(methods[0]),
};
