// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Questions to gshd and to monitors, with failures said in gsh's own words.
 *
 * A sandbox that runs is reached by its monitor's socket directly, so a dead gshd is not even noticed; gshd is asked
 * only when there is no such socket, and started only then.
 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/wire.h"

#define START_WAIT_MS 5000

const char *reply_string(struct json_object *reply, const char *key)
{
	struct json_object *value = NULL;
	const char *text;

	if (!json_object_object_get_ex(reply, key, &value) || !value)
		return "";
	text = json_object_get_string(value);
	return text ? text : "";
}

int64_t reply_number(struct json_object *reply, const char *key, int64_t missing)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(reply, key, &value) || !json_object_is_type(value, json_type_int))
		return missing;
	return json_object_get_int64(value);
}

struct json_object *reply_items(struct json_object *reply)
{
	struct json_object *items = NULL;

	if (!json_object_object_get_ex(reply, "items", &items) || !json_object_is_type(items, json_type_array)) {
		items = json_object_new_array();
		json_object_object_add(reply, "items", items);
	}
	return items;
}

int fail_no_sandbox(const char *sandbox)
{
	fail(FAIL_NOSUCH, sandbox, "no such sandbox");
	hint("gsh ls lists them; any command with -s %s creates it", sandbox);
	return -FAIL_NOSUCH;
}

/* An error of the protocol as a sentence. */
static int fail_reply(const char *error, struct json_object *p)
{
	static const struct {
		const char *error;
		enum fail code;
	} table[] = {
		{ "org.gsh.Conflict", FAIL_CONFLICT }, { "org.gsh.Refused", FAIL_REFUSED },
		{ "org.gsh.HostLacks", FAIL_HOST },    { "org.gsh.BadRequest", FAIL_USAGE },
		{ "org.gsh.Failed", FAIL_NO },
	};
	const char *what = reply_string(p, "what"), *why = reply_string(p, "why"), *advice = reply_string(p, "hint");
	enum fail code = FAIL_NO;
	size_t i;

	if (strcmp(error, "org.gsh.NoSuchSandbox") == 0)
		return fail_no_sandbox(reply_string(p, "name"));
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(error, table[i].error) == 0)
			code = table[i].code;
	if (!*what)
		what = error;
	fail(code, what, *why ? "%s" : NULL, why);
	if (*advice)
		hint("%s", advice);
	return -(int)code;
}

/* The parameters of a reply, which replace it; or what it says has failed. */
static int open_reply(struct json_object **reply)
{
	struct json_object *p = NULL;
	const char *error = reply_string(*reply, "error");
	int result = 0;

	json_object_object_get_ex(*reply, "parameters", &p);
	p = p ? json_object_get(p) : json_object_new_object();
	if (*error)
		result = fail_reply(error, p);
	json_object_put(*reply);
	*reply = p;
	if (result) {
		json_object_put(p);
		*reply = NULL;
	}
	return result;
}

static int runtime_path(char *buf, size_t size, const char *what, const char *name)
{
	char runtime[PATH_MAX];
	int n;

	if (wire_runtime(runtime, sizeof(runtime)) < 0)
		return -ENAMETOOLONG;
	n = snprintf(buf, size, "%s/%s%s%s", runtime, what, name ? name : "", name ? ".sock" : "");
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int connect_daemon(struct wire *w, bool start)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	char path[PATH_MAX];
	int err = runtime_path(path, sizeof(path), "gshd.sock", NULL), waited;

	if (!err)
		err = wire_connect(w, path);
	if (!start || (err != -ENOENT && err != -ECONNREFUSED))
		return err;
	err = wire_start_daemon();
	for (waited = 0; !err && waited < START_WAIT_MS; waited += 2) {
		err = wire_connect(w, path);
		if (err != -ENOENT && err != -ECONNREFUSED)
			return err;
		err = 0;
		nanosleep(&pause, NULL);
	}
	return err ? err : -ETIMEDOUT;
}

static int fail_daemon(int err)
{
	fail(FAIL_HOST, "cannot reach gshd", "%s", strerror(-err));
	hint("gsh doctor looks for the cause");
	return -FAIL_HOST;
}

bool daemon_runs(void)
{
	struct wire w;

	if (connect_daemon(&w, false))
		return false;
	wire_close(&w);
	return true;
}

int daemon_end(void)
{
	struct json_object *reply;
	struct wire w;
	int err = connect_daemon(&w, false);

	if (err)
		return 0;
	err = wire_call(&w, "org.gsh.Daemon.Shutdown", NULL, 0, NULL, 0);
	if (!err)
		err = wire_reply(&w, true, &reply);
	if (!err)
		json_object_put(reply);
	wire_close(&w);
	return err && err != -EPIPE && err != -ECONNRESET ? fail_daemon(err) : 0;
}

int ask_daemon_each(const char *method, struct json_object *params, int (*each)(struct json_object *piece, void *arg),
		    void *arg)
{
	struct json_object *reply;
	struct wire w;
	char name[128];
	bool more = true;
	int err = connect_daemon(&w, true);

	if (err) {
		json_object_put(params);
		return fail_daemon(err);
	}
	snprintf(name, sizeof(name), "org.gsh.Daemon.%s", method);
	err = wire_call(&w, name, params, WIRE_MORE, NULL, 0);
	while (!err && more) {
		err = wire_reply(&w, true, &reply);
		if (err)
			break;
		more = strcmp(reply_string(reply, "continues"), "true") == 0;
		err = open_reply(&reply);
		if (err) {
			wire_close(&w);
			return err;
		}
		err = each(reply, arg);
		json_object_put(reply);
	}
	wire_close(&w);
	return err ? fail_daemon(err) : 0;
}

/* One question, one answer, on a connection that is closed afterwards. */
static int ask(struct wire *w, const char *interface, const char *method, struct json_object *params,
	       struct json_object **reply)
{
	struct json_object *answer = NULL;
	char name[128];
	int err;

	snprintf(name, sizeof(name), "org.gsh.%s.%s", interface, method);
	err = wire_call(w, name, params, 0, NULL, 0);
	if (!err)
		err = wire_reply(w, true, &answer);
	wire_close(w);
	if (err)
		return fail_daemon(err);
	err = open_reply(&answer);
	if (!err && reply)
		*reply = answer;
	else if (!err)
		json_object_put(answer);
	return err;
}

int ask_daemon(const char *method, struct json_object *params, struct json_object **reply)
{
	struct wire w;
	int err = connect_daemon(&w, true);

	if (err) {
		json_object_put(params);
		return fail_daemon(err);
	}
	return ask(&w, "Daemon", method, params, reply);
}

int ask_start(const char *sandbox, struct json_object **reply)
{
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "name", json_object_new_string(sandbox ? sandbox : ""));
	json_object_object_add(p, "create", json_object_new_boolean(true));
	json_object_object_add(p, "ephemeral", json_object_new_boolean(!sandbox));
	return ask_daemon("Start", p, reply);
}

static int exists(const char *sandbox)
{
	struct json_object *reply, *items;
	int result = ask_daemon("List", NULL, &reply);
	bool found = false;
	size_t i;

	if (result)
		return result;
	items = reply_items(reply);
	for (i = 0; i < json_object_array_length(items) && !found; i++)
		found = strcmp(reply_string(json_object_array_get_idx(items, i), "name"), sandbox) == 0;
	json_object_put(reply);
	return found ? 0 : fail_no_sandbox(sandbox);
}

int ask_box(const char *sandbox, const char *method, struct json_object *params, struct json_object **reply)
{
	struct wire w;
	char path[PATH_MAX];
	int err = runtime_path(path, sizeof(path), "box/", sandbox);

	if (!err)
		err = wire_connect(&w, path);
	if (!err)
		return ask(&w, "Box", method, params, reply);
	json_object_put(params);
	if (err != -ENOENT && err != -ECONNREFUSED)
		return fail_daemon(err);
	err = exists(sandbox);
	return err ? err : 1;
}

static int box_connect(struct box *box, const char *path, const char *name)
{
	struct wire *w = malloc(sizeof(*w));
	int err = w ? wire_connect(w, path) : -ENOMEM;

	*box = (struct box){ .fd = -1 };
	if (err) {
		free(w);
		return err;
	}
	box->path = strdup(path);
	snprintf(box->name, sizeof(box->name), "%s", name);
	box->conn = w;
	box->fd = w->fd;
	return 0;
}

int box_open(struct box *box, const char *sandbox)
{
	struct json_object *reply;
	char path[PATH_MAX];
	int err = -ENOENT;

	if (sandbox) {
		err = runtime_path(path, sizeof(path), "box/", sandbox);
		if (!err)
			err = box_connect(box, path, sandbox);
	}
	if (err != -ENOENT && err != -ECONNREFUSED)
		return err ? fail_daemon(err) : 0;
	err = ask_start(sandbox, &reply);
	if (err)
		return err;
	err = box_connect(box, reply_string(reply, "socket"), reply_string(reply, "name"));
	json_object_put(reply);
	return err ? fail_daemon(err) : 0;
}

int box_open_running(struct box *box, const char *sandbox)
{
	char path[PATH_MAX];
	int err = runtime_path(path, sizeof(path), "box/", sandbox);

	if (!err)
		err = box_connect(box, path, sandbox);
	if (!err)
		return 0;
	err = exists(sandbox);
	return err ? err : fail(FAIL_NOSUCH, sandbox, "this sandbox does not run, so it has no sessions");
}

int box_begin(struct box *box, const char *method, struct json_object *params, bool upgrade, const int *fds, size_t nfds)
{
	struct json_object *reply, *p = NULL;
	struct wire *w = box->conn;
	char name[128];
	int err;

	snprintf(name, sizeof(name), "org.gsh.Box.%s", method);
	err = wire_call(w, name, params, upgrade ? WIRE_UPGRADE : WIRE_MORE, fds, nfds);
	if (!err)
		err = wire_reply(w, true, &reply);
	if (err)
		return fail_daemon(err);
	json_object_object_get_ex(reply, "parameters", &p);
	if (strcmp(reply_string(reply, "error"), "org.gsh.ExecFailed") == 0) {
		err = (int)reply_number(p, "errno", EIO);
		json_object_put(reply);
		return err > 0 ? err : EIO;
	}
	err = open_reply(&reply);
	if (err)
		return err;
	box->session = (int)reply_number(reply, "session", 0);
	box->pid = (int)reply_number(reply, "pid", 0);
	json_object_put(reply);
	box->early = w->buf + w->start;
	box->early_len = w->end - w->start;
	return 0;
}

int box_ended(struct box *box, int *status)
{
	struct json_object *reply;
	int err = wire_reply(box->conn, false, &reply);

	if (err == -EAGAIN)
		return 0;
	if (err)
		return fail(FAIL_NO, box->name, "the sandbox ended while a command ran in it");
	err = open_reply(&reply);
	if (err)
		return err;
	*status = (int)reply_number(reply, "status", 0);
	json_object_put(reply);
	return 1;
}

int box_signal(const struct box *box, int sig)
{
	struct json_object *p = json_object_new_object();
	struct wire w;
	int err = wire_connect(&w, box->path);

	if (err)
		return -FAIL_NO;
	json_object_object_add(p, "session", json_object_new_int(box->session));
	json_object_object_add(p, "signal", json_object_new_int(sig));
	return ask(&w, "Box", "Signal", p, NULL);
}

void box_close(struct box *box)
{
	wire_close(box->conn);
	free(box->conn);
	free(box->path);
	*box = (struct box){ .fd = -1 };
}
