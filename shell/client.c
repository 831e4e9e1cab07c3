// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Questions to gshd and to monitors, with failures said in gsh's own words.
 *
 * A sandbox that runs is reached by its monitor's socket directly, so a dead gshd is not even
 * noticed; gshd is asked only when there is no such socket, and started only then.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "gshd/client/client.h"
#include "conf/conf.h"
#include "shell/client.h"
#include "shell/cmd.h"
#include "shell/project.h"

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

	if (!json_object_object_get_ex(reply, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return missing;
	return json_object_get_int64(value);
}

void reply_date(struct json_object *item, const char *key)
{
	time_t when = (time_t)reply_number(item, key, -1);
	char text[64];
	struct tm tm;

	if (when == -1 || !gmtime_r(&when, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return;
	json_object_object_add(item, key, json_object_new_string(text));
}

struct json_object *reply_items(struct json_object *reply)
{
	struct json_object *items = NULL;

	if (!json_object_object_get_ex(reply, "items", &items) ||
	    !json_object_is_type(items, json_type_array)) {
		items = json_object_new_array();
		json_object_object_add(reply, "items", items);
	}
	return items;
}

static int fail_no_sandbox(const char *sandbox)
{
	static bool asked; /* once: a daemon that says so of its list, too, is asked no more */
	struct json_object *list = NULL, *items;
	const char *names[64] = {NULL}, *near = NULL;

	fail(FAIL_NOSUCH, sandbox, "no such sandbox");
	if (!asked) {
		asked = true;
		if (!ask_daemon("List", NULL, &list)) {
			items = reply_items(list);
			for (size_t i = 0; i < json_object_array_length(items) && i < 63; i++)
				names[i] = reply_string(json_object_array_get_idx(items, i), "name");
			near = nearest(sandbox, names);
		}
	}
	if (near)
		hint("did you mean %s? Any command with -s %s creates that one", near, sandbox);
	else
		hint("gsh ls lists them; any command with -s %s creates it", sandbox);
	json_object_put(list);
	return -FAIL_NOSUCH;
}

/* An error of the protocol as a sentence. */
static int fail_reply(const struct client_reply *reply)
{
	static const struct {
		const char *error;
		enum fail code;
	} table[] = {
		{"org.gsh.Conflict", FAIL_CONFLICT},
		{"org.gsh.NotRunning", FAIL_CONFLICT},
		{"org.gsh.Refused", FAIL_REFUSED},
		{"org.gsh.HostLacks", FAIL_HOST},
		{"org.gsh.BadRequest", FAIL_USAGE},
		{"org.gsh.NoSuchVersion", FAIL_NOSUCH},
		{"org.gsh.NoSuchOp", FAIL_NOSUCH},
		{"org.gsh.NoSuchProcess", FAIL_NOSUCH},
	};
	char text[1024], advice[1024];
	enum fail code = FAIL_NO;
	size_t i;

	if (strcmp(reply->error, "org.gsh.NoSuchSandbox") == 0)
		return fail_no_sandbox(reply_string(reply->params, "name"));
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(reply->error, table[i].error) == 0)
			code = table[i].code;
	client_explain(reply, text, sizeof(text), advice, sizeof(advice));
	fail(code, text, NULL);
	if (*advice)
		hint("%s", advice);
	return -(int)code;
}

static int fail_daemon(int err, const char *why)
{
	fail(FAIL_HOST, "cannot reach gshd", "%s", *why ? why : strerror(-err));
	hint("gsh doctor looks for the cause");
	return -FAIL_HOST;
}

/* The connection broke in the middle of a call. */
static int fail_broken(const char *who, int err)
{
	return fail(FAIL_NO, who, "%s",
		    err == -EPIPE ? "it ended before it answered" : strerror(-err));
}

bool daemon_runs(void)
{
	struct client *c;
	char why[1024];

	if (client_daemon(&c, 0, why, sizeof(why)))
		return false;
	client_close(c);
	return true;
}

int daemon_end(void)
{
	struct timeval patience = {.tv_sec = 2};
	struct client_reply reply = {0};
	struct client *c;
	char why[1024];
	int err;

	if (client_daemon(&c, 0, why, sizeof(why)))
		return 0;
	err = client_call(c, "org.gsh.Daemon.Shutdown", NULL, NULL, 0, &reply);
	client_reply_free(&reply);
	/* It answers first and ends then; its socket is gone when the connection closes. */
	if (!err &&
	    setsockopt(client_fd(c), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0)
		err = client_receive(c, &reply);
	client_reply_free(&reply);
	client_close(c);
	return err && err != -EPIPE ? fail_broken("gshd", err) : 0;
}

int ask_daemon_each(const char *method, struct json_object *params,
		    int (*each)(struct json_object *piece, void *arg), void *arg)
{
	struct client_reply reply = {.continues = true};
	struct client *c;
	char text[1024] = "";
	int err = client_daemon(&c, CLIENT_START, text, sizeof(text)), result = 0;

	if (err) {
		json_object_put(params);
		return fail_daemon(err, text);
	}
	snprintf(text, sizeof(text), "org.gsh.Daemon.%s", method);
	err = client_send(c, text, params, CLIENT_MORE, NULL, 0);
	while (!err && !result && reply.continues) {
		err = client_receive(c, &reply);
		if (!err) {
			result = reply.error[0] ? fail_reply(&reply) : each(reply.params, arg);
			client_reply_free(&reply);
		}
	}
	client_close(c);
	return err ? fail_broken("gshd", err) : result;
}

/* One question, one answer; closes the connection. well: an error that is none, or NULL. */
static int ask(struct client *c, const char *interface, const char *method,
	       struct json_object *params, const char *well, struct json_object **answer)
{
	struct client_reply reply = {0};
	char name[128];
	int err, result = 0;

	snprintf(name, sizeof(name), "org.gsh.%s.%s", interface, method);
	err = client_call(c, name, params, NULL, 0, &reply);
	if (!err && reply.error[0])
		result = well && strcmp(reply.error, well) == 0 ? 0 : fail_reply(&reply);
	else if (!err && answer)
		*answer = json_object_get(reply.params);
	client_reply_free(&reply);
	client_close(c);
	return err ? fail_broken(strcmp(interface, "Box") == 0 ? "the sandbox" : "gshd", err)
		   : result;
}

static int ask_gshd(const char *method, struct json_object *params, const char *well, struct json_object **answer)
{
	struct client *c;
	char why[1024] = "";
	int err = client_daemon(&c, CLIENT_START, why, sizeof(why));

	if (!err)
		return ask(c, "Daemon", method, params, well, answer);
	json_object_put(params);
	return fail_daemon(err, why);
}

int ask_daemon(const char *method, struct json_object *params, struct json_object **answer)
{
	return ask_gshd(method, params, NULL, answer);
}

int ask_daemon_unless(const char *well, const char *method, struct json_object *params)
{
	return ask_gshd(method, params, well, NULL);
}

int ask_start(const char *sandbox, struct json_object *limits, const char *settings, struct json_object **answer)
{
	const struct project *project = project_here();
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "name", json_object_new_string(sandbox ? sandbox : ""));
	json_object_object_add(p, "create", json_object_new_boolean(true));
	json_object_object_add(p, "ephemeral", json_object_new_boolean(!sandbox));
	if (limits)
		json_object_object_add(p, "limits", limits);
	if (settings)
		json_object_object_add(p, "settings", json_object_new_string(settings));
	json_object_object_add(p, "project", json_object_new_string(project ? project->text : ""));
	if (project)
		json_object_object_add(p, "projectPath", json_object_new_string(project->path));
	return ask_daemon("Start", p, answer);
}

void note_ended(struct json_object *list, const char *sandbox)
{
	struct json_object *items = reply_items(list);
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *name = reply_string(item, "name"), *why = reply_string(item, "ended");

		if (*why && (!sandbox || strcmp(name, sandbox) == 0))
			note("sandbox %s ended: %s", name, why);
	}
}

int ask_row(const char *sandbox, struct json_object **row)
{
	struct json_object *answer = NULL, *items, *item;
	int result = ask_daemon("List", NULL, &answer);
	bool found = false;
	size_t i;

	if (result)
		return result;
	items = reply_items(answer);
	for (i = 0; i < json_object_array_length(items) && !found; i++) {
		item = json_object_array_get_idx(items, i);
		found = strcmp(reply_string(item, "name"), sandbox) == 0;
		if (found && row)
			*row = json_object_get(item);
	}
	json_object_put(answer);
	return found ? 0 : fail_no_sandbox(sandbox);
}

/* Connect to a monitor that runs: 0, 1 if it does not, or a failure. *path is the caller's. */
static int open_monitor(const char *sandbox, struct client **c, char **path)
{
	struct paths paths;
	char why[1024];
	int err = paths_find(&paths, why, sizeof(why));

	if (err)
		return fail(FAIL_HOST, "settings", "%s", why);
	if (asprintf(path, "%s/box/%s.sock", paths.runtime, sandbox) < 0)
		return fail(FAIL_NO, "out of memory", NULL);
	err = client_open(c, *path);
	if (!err)
		return 0;
	free(*path);
	*path = NULL;
	return err == -ENOENT || err == -ECONNREFUSED
		       ? 1
		       : fail(FAIL_HOST, sandbox, "%s", strerror(-err));
}

int ask_box(const char *sandbox, const char *method, struct json_object *params,
	    struct json_object **answer)
{
	struct client *c = NULL;
	char *path = NULL;
	int result = open_monitor(sandbox, &c, &path);

	if (!result) {
		free(path);
		return ask(c, "Box", method, params, NULL, answer);
	}
	json_object_put(params);
	if (result < 0)
		return result;
	result = ask_row(sandbox, NULL);
	return result ? result : 1;
}

/* Of one that runs already: what the project says here holds only if it was started with it. */
static void note_project(const char *sandbox)
{
	const struct project *p = project_here();
	char why[1024], path[PATH_MAX + 128];
	static char kept[PROJECT_MAX + 2];
	struct paths paths;
	size_t n = 0;
	FILE *file;

	if (!p || paths_find(&paths, why, sizeof(why)) || conf_project_path(path, sizeof(path), paths.store, sandbox))
		return;
	file = fopen(path, "re");
	if (file) {
		n = fread(kept, 1, sizeof(kept), file);
		fclose(file);
	}
	if (n != strlen(p->text) || memcmp(kept, p->text, n) != 0)
		note("sandbox %s was not started with %s (gsh stop -s %s; then it will be)", sandbox, p->path, sandbox);
}

int box_open_with(struct box *box, const char *sandbox, struct json_object *limits, const char *settings)
{
	struct json_object *answer = NULL;
	int result = 1, err;

	*box = (struct box){.restart = sandbox != NULL};
	/* Whether it has these settings, gshd knows. */
	if (sandbox && !limits && !settings) {
		snprintf(box->name, sizeof(box->name), "%s", sandbox);
		result = open_monitor(sandbox, &box->conn, &box->path);
	}
	if (!result)
		note_project(sandbox);
	if (result <= 0)
		return result;
	result = ask_start(sandbox, json_object_get(limits), settings, &answer);
	if (result)
		return result;
	snprintf(box->name, sizeof(box->name), "%s", reply_string(answer, "name"));
	box->path = strdup(reply_string(answer, "socket"));
	json_object_put(answer);
	err = box->path ? client_open(&box->conn, box->path) : -ENOMEM;
	if (!err)
		return 0;
	free(box->path);
	box->path = NULL;
	return fail_broken(box->name, err);
}

int box_open(struct box *box, const char *sandbox)
{
	return box_open_with(box, sandbox, NULL, NULL);
}

int box_open_running(struct box *box, const char *sandbox)
{
	int result;

	*box = (struct box){0};
	snprintf(box->name, sizeof(box->name), "%s", sandbox);
	result = open_monitor(sandbox, &box->conn, &box->path);
	if (result <= 0)
		return result;
	result = ask_row(sandbox, NULL);
	return result ? result
		      : fail(FAIL_NOSUCH, sandbox,
			     "this sandbox does not run, so it has no sessions");
}

/*
 * The monitor has not begun what it was asked: its sandbox is coming or going (org.gsh.NotRunning),
 * or it ended with the request unread, which the socket tells from one read and not answered.
 */
static bool not_begun(int sent, int received, const struct client_reply *reply)
{
	if (sent)
		return sent == -EPIPE || sent == -ECONNRESET;
	if (received)
		return received == -ECONNRESET;
	return strcmp(reply->error, "org.gsh.NotRunning") == 0;
}

/* The monitor of the same sandbox once more, be it another by now. 0 or a failure. */
static int box_reopen(struct box *box)
{
	bool restart = box->restart;
	char name[sizeof(box->name)];

	memcpy(name, box->name, sizeof(name));
	box_close(box);
	usleep(20000);
	return restart ? box_open(box, name) : box_open_running(box, name);
}

int box_begin(struct box *box, const char *method, struct json_object *params, bool upgrade,
	      const int *fds, unsigned int nfds)
{
	struct client_reply reply = {0};
	char name[128], cwd[PATH_MAX];
	int err, received, tries = 0, result = 0;

	snprintf(name, sizeof(name), "org.gsh.Box.%s", method);
	for (;;) {
		received = 0;
		err = client_send(box->conn, name, json_object_get(params),
				  upgrade ? CLIENT_UPGRADE : CLIENT_MORE, fds, nfds);
		if (!err)
			received = client_receive(box->conn, &reply);
		if (!not_begun(err, received, &reply) || ++tries == 100)
			break;
		client_reply_free(&reply);
		result = box_reopen(box);
		if (result)
			break;
	}
	snprintf(cwd, sizeof(cwd), "%s", reply_string(params, "cwd"));
	json_object_put(params);
	if (result)
		return result;
	err = err ? err : received;
	if (err == -E2BIG) /* more words than a message holds: as a kernel says of too many */
		return E2BIG;
	if (err)
		return fail_broken(box->name, err);
	if (strcmp(reply.error, "org.gsh.ExecFailed") == 0 &&
	    json_object_get_boolean(json_object_object_get(reply.params, "place")))
		result = fail(FAIL_NO, cwd, "the sandbox cannot start there: %s",
			      strerror((int)reply_number(reply.params, "errno", EIO)));
	else if (strcmp(reply.error, "org.gsh.ExecFailed") == 0)
		result = (int)reply_number(reply.params, "errno", EIO);
	else if (reply.error[0])
		result = fail_reply(&reply);
	box->session = (int)reply_number(reply.params, "session", 0);
	box->pid = (int)reply_number(reply.params, "pid", 0);
	box->runtime_max = (int)reply_number(reply.params, "runtime_max", 0);
	client_reply_free(&reply);
	return result;
}

int box_fd(const struct box *box)
{
	return client_fd(box->conn);
}

bool box_ready(const struct box *box)
{
	return client_ready(box->conn);
}

int box_upgrade(struct box *box, struct frame_reader *reader)
{
	struct client *c = box->conn;

	box->conn = NULL;
	return client_upgrade(c, reader);
}

int box_ended(struct box *box, int *status)
{
	struct client_reply reply = {0};
	int err = client_receive(box->conn, &reply), result = 0;

	if (err)
		return fail(FAIL_NO, box->name, "the sandbox ended while a command ran in it");
	if (reply.error[0])
		result = fail_reply(&reply);
	*status = (int)reply_number(reply.params, "status", 0);
	client_reply_free(&reply);
	return result;
}

int box_signal(const struct box *box, int sig)
{
	struct json_object *p = json_object_new_object();
	struct client_reply reply = {0};
	struct client *c;
	int err = box->pid > 1 ? client_open(&c, box->path) : -ESRCH;

	json_object_object_add(p, "pid", json_object_new_int(-box->pid));
	json_object_object_add(p, "signal", json_object_new_int(sig));
	if (err) {
		json_object_put(p);
		return err;
	}
	err = client_call(c, "org.gsh.Box.Signal", p, NULL, 0, &reply);
	if (!err && reply.error[0])
		err = -ESRCH;
	client_reply_free(&reply);
	client_close(c);
	return err;
}

int box_ask(const struct box *box, const char *method, struct json_object *params,
	    struct json_object **answer)
{
	struct client *c;
	int err = client_open(&c, box->path);

	if (!err)
		return ask(c, "Box", method, params, NULL, answer);
	json_object_put(params);
	return fail_broken(box->name, err);
}

void box_discard(const struct box *box)
{
	struct json_object *p = json_object_new_object();
	struct client_reply reply = {0};
	struct client *c;

	json_object_object_add(p, "timeout", json_object_new_int(0));
	if (!box->path || client_open(&c, box->path)) {
		json_object_put(p);
		return;
	}
	/* If this fails, the monitor ends by itself when nothing has run for a while. */
	if (client_call(c, "org.gsh.Box.Shutdown", p, NULL, 0, &reply) == 0)
		client_reply_free(&reply);
	client_close(c);
}

void box_close(struct box *box)
{
	client_close(box->conn);
	free(box->path);
	*box = (struct box){0};
}
