/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Starting, stopping and removing sandboxes; boxes_list.c lists them. Runs in a child of gshd, so it may wait; but
 * for box_running() and box_socket(), which the daemon uses too.
 *
 * A sandbox runs as long as its lock is held; it is ready when the lock file says who holds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "gshd/client/client.h"
#include "gshd/daemon.h"
#include "gshd/store/ended.h"
#include "gshd/wire/json.h"
#include "gshd/monitor/limits.h"
#include "gshd/log.h"
#include "gshd/settings.h"
#include "gshd/monitor/shm.h"

#define START_MS 15000
#define STOP_EXTRA_MS 5000

void box_socket(const struct daemon *d, const char *name, char *path)
{
	snprintf(path, SOCKET_MAX, "%s/box/%s.sock", d->paths.runtime, name);
}

struct json_object *box_running(const struct daemon *d, const char *name)
{
	struct json_object *o;
	char text[256];

	if (store_locked(d->store, name) != 1)
		return NULL;
	store_lock_text(d->store, name, text, sizeof(text));
	o = *text ? json_tokener_parse(text) : NULL;
	if (o && json_int(o, "pid", 0) <= 1) {
		json_object_put(o);
		o = NULL;
	}
	return o;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void)
{
	struct timespec t = { .tv_nsec = 5000000 };

	nanosleep(&t, NULL);
}

static void fail_no_such(struct wire_call *call, const char *name)
{
	struct json_object *p = json_object_new_object();

	json_put_str(p, "name", name);
	wire_error(call, "org.gsh.NoSuchSandbox", p);
}

int box_connect(const struct daemon *d, const char *name, struct client **c, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };
	char path[SOCKET_MAX];
	int err;

	box_socket(d, name, path);
	err = client_open(c, path);
	if (!err && setsockopt(client_fd(*c), SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)))
		err = -errno;
	return err;
}

/* ---- limits ---- */

/* The changes of a call's "limits" are kept, if there are any. False: the call was answered with why not. */
static bool set_limits(struct wire_call *call, const char *name)
{
	const struct daemon *d = call->server->context;
	struct json_object *changes = json_get(call->params, "limits", json_type_object);
	char why[STORE_WHY];
	int err = 0;

	if (changes && json_object_object_length(changes))
		err = limits_change(d->store, name, changes, why, sizeof(why));
	if (err)
		wire_fail(call, err == -EINVAL ? "org.gsh.BadRequest" : "org.gsh.Failed", name, why, NULL);
	return !err;
}

/* Have a sandbox that runs keep what is in the store, and tell what holds. NULL: it does not run. */
static struct json_object *running_limits(const struct daemon *d, const char *name)
{
	struct client_reply r = { .params = NULL };
	struct json_object *limits = NULL;
	struct client *c = NULL;

	if (store_locked(d->store, name) != 1 || box_connect(d, name, &c, START_MS))
		return NULL;
	if (!client_call(c, "org.gsh.Box.Limits", NULL, NULL, 0, &r) && !r.error[0])
		limits = json_object_get(json_get(r.params, "limits", json_type_object));
	client_reply_free(&r);
	client_close(c);
	return limits;
}

/* Of a sandbox that does not run: what will hold. */
static struct json_object *stopped_limits(const struct daemon *d, const char *name, char *why)
{
	struct limits limits;
	struct conf conf;

	if (settings_load(&d->paths, name, NULL, &conf, why, STORE_WHY) ||
	    limits_load(d->store, name, &conf, &limits, why, STORE_WHY))
		return NULL;
	return limits_describe(&limits, NULL);
}

void boxes_limits(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	struct json_object *limits, *p;
	char why[STORE_WHY] = "";
	struct box_spec spec;

	if (!name)
		return;
	if (store_read_spec(d->store, name, &spec, why) == -ENOENT) {
		fail_no_such(call, name);
		return;
	}
	if (!set_limits(call, name))
		return;
	limits = running_limits(d, name);
	if (!limits)
		limits = stopped_limits(d, name, why);
	if (!limits) {
		wire_fail(call, "org.gsh.Failed", name, why, NULL);
		return;
	}
	p = json_object_new_object();
	json_object_object_add(p, "limits", limits);
	wire_reply(call, p);
}

/* ---- starting ---- */

static void run_monitor(const char *name, int ready)
{
	char number[16];
	int null = open("/dev/null", O_RDWR);

	/* Away from gshd: its end, and its terminal's, are nothing to the monitor. */
	setsid();
	dup2(null, 0);
	dup2(null, 1);
	if (dup2(ready, 3) < 0 || close_range(4, ~0u, 0))
		_exit(126);
	fcntl(3, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", 3);
	execl("/proc/self/exe", "gshd", log_verbose ? "-v" : "-q", "--ready", number, "--monitor",
	      name, (char *)NULL);
	_exit(126);
}

/* What the monitor says of its start, or NULL. */
static struct json_object *spawn_monitor(const char *name, int64_t until)
{
	char text[2048];
	size_t have = 0;
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return NULL;
	pid = fork();
	if (pid == 0) {
		/* Twice, so that it is nobody's child here. */
		pid = fork();
		if (pid == 0)
			run_monitor(name, ready[1]);
		_exit(pid < 0);
	}
	close(ready[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	while (have < sizeof(text) - 1) {
		struct pollfd p = { .fd = ready[0], .events = POLLIN };
		int64_t left = until - now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		ssize_t n = read(ready[0], text + have, sizeof(text) - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(ready[0]);
	text[have] = '\0';
	return have ? json_tokener_parse(text) : NULL;
}

static void reply_started(struct wire_call *call, const char *name, bool started)
{
	const struct daemon *d = call->server->context;
	struct json_object *p = json_object_new_object(), *box = box_running(d, name);
	char socket[SOCKET_MAX];

	box_socket(d, name, socket);
	json_put_str(p, "name", name);
	json_put_str(p, "socket", socket);
	json_put_bool(p, "started", started);
	json_put_str(p, "rung", box ? json_str(box, "rung", "") : "");
	json_object_put(box);
	wire_reply(call, p);
}

static void reply_failed(struct wire_call *call, const char *name, struct json_object *said)
{
	char what[128];

	snprintf(what, sizeof(what), "cannot start sandbox %s", name);
	if (said)
		wire_fail(call, json_str(said, "error", "org.gsh.Failed"), what,
			  json_str(said, "why", "no reason given"), json_str(said, "hint", NULL));
	else
		wire_fail(call, "org.gsh.Failed", what, "its monitor ended without a word",
			  "see the file log in the sandbox's directory of the store");
}

/* True: it runs. False: the call was answered with the reason. */
static bool bring_up(struct wire_call *call, const char *name, bool *started)
{
	const struct daemon *d = call->server->context;
	int64_t until = now_ms() + START_MS;
	struct json_object *o;

	for (;;) {
		o = box_running(d, name);
		if (o) {
			json_object_put(o);
			*started = false;
			return true;
		}
		/* Held but not ready: it comes up for somebody else, or goes down. */
		if (store_locked(d->store, name) == 1 && now_ms() < until) {
			nap();
			continue;
		}
		o = spawn_monitor(name, until);
		if (o && json_flag(o, "ok", false)) {
			json_object_put(o);
			*started = true;
			return true;
		}
		if (o && json_int(o, "errno", 0) == EAGAIN && now_ms() < until) {
			json_object_put(o);
			nap();
			continue;
		}
		reply_failed(call, name, o);
		json_object_put(o);
		return false;
	}
}

static bool fill_spec(struct wire_call *call, struct box_spec *spec)
{
	const char *base = json_str(call->params, "base", "/");
	struct stat st;

	spec->created = time(NULL);
	if (base[0] != '/' || !realpath(base, spec->base) || stat(spec->base, &st) ||
	    !S_ISDIR(st.st_mode)) {
		wire_fail(call, "org.gsh.BadRequest", base,
			  "the base must be the absolute path of a directory", NULL);
		return false;
	}
	return true;
}

/* Settings that came with the call must hold from the start: they do, or can be written down now. */
static bool settle(struct wire_call *call, const char *name, const char *more)
{
	const struct daemon *d = call->server->context;
	static struct conf now, then;
	char why[1024];
	int err = settings_load(&d->paths, name, NULL, &now, why, sizeof(why));

	if (!err)
		err = settings_load(&d->paths, name, more, &then, why, sizeof(why));
	if (err) {
		wire_fail(call, "org.gsh.BadRequest", "settings", why, NULL);
		return false;
	}
	if (conf_same(&now, &then))
		return true;
	if (store_locked(d->store, name) == 1) {
		wire_fail(call, "org.gsh.Conflict", name, "it runs, with other settings than these",
			  "gsh stop it first; gsh allow makes exceptions while it runs");
		return false;
	}
	err = settings_add(&d->paths, name, more);
	if (err)
		wire_fail(call, "org.gsh.Failed", name, strerror(-err), NULL);
	return !err;
}

/* What the client says of its project holds from the next start to the one after. */
static bool settle_project(struct wire_call *call, const char *name)
{
	const struct daemon *d = call->server->context;
	const char *text = json_str(call->params, "project", NULL);
	int err;

	if (!text || store_locked(d->store, name) == 1)
		return true;
	err = settings_put_project(&d->paths, name, text);
	if (err)
		wire_fail(call, "org.gsh.Failed", name, strerror(-err), NULL);
	return !err;
}

static bool check_settings(struct wire_call *call, const char *more)
{
	static struct conf conf;
	char why[1024];
	const struct conf_project project = { json_str(call->params, "projectPath", "the project's settings"),
					      json_str(call->params, "project", "") };

	if (strlen(more) < SETTINGS_MAX && strlen(project.text) < SETTINGS_MAX &&
	    !conf_load_own(&conf, &project, NULL, more, why, sizeof(why)))
		return true;
	wire_fail(call, "org.gsh.BadRequest", "settings",
		  strlen(more) < SETTINGS_MAX && strlen(project.text) < SETTINGS_MAX ? why : "too long", NULL);
	return false;
}

/* Make sure that the sandbox exists. *made: by us. False: the call was answered. */
static bool ensure(struct wire_call *call, struct box_spec *spec, bool *made)
{
	const struct daemon *d = call->server->context;
	char why[STORE_WHY];
	struct box_spec old;
	const char *more = json_str(call->params, "settings", "");
	int err = store_read_spec(d->store, spec->name, &old, why);

	*made = false;
	if ((*more || *json_str(call->params, "project", "")) && !check_settings(call, more))
		return false;
	if (!err && !settle_project(call, spec->name))
		return false;
	if (!err && *more && !settle(call, spec->name, more))
		return false;
	if (err == -ENOENT && !json_flag(call->params, "create", false) && !spec->ephemeral) {
		fail_no_such(call, spec->name);
		return false;
	}
	if (err == -ENOENT) {
		if (!fill_spec(call, spec))
			return false;
		spec->settings = *more ? more : NULL;
		err = store_create(d->store, spec, why);
		*made = !err;
		if (!err && !settle_project(call, spec->name))
			return false;
		if (err == -EEXIST) /* somebody else did, a moment ago */
			err = 0;
	}
	if (err)
		wire_fail(call, "org.gsh.Failed", spec->name, why,
			  err == -ENOSPC ? "free some space" : NULL);
	return !err;
}

void boxes_create(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call), *more = json_str(call->params, "settings", "");
	struct box_spec spec = { .settings = *more ? more : NULL };
	char why[STORE_WHY];
	int err;

	if (!name || (*more && !check_settings(call, more)) || !fill_spec(call, &spec))
		return;
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	err = store_create(d->store, &spec, why);
	if (err == -EEXIST)
		wire_fail(call, "org.gsh.Conflict", name, "there is a sandbox by this name already", NULL);
	else if (err)
		wire_fail(call, "org.gsh.Failed", name, why, err == -ENOSPC ? "free some space" : NULL);
	else
		wire_reply(call, NULL);
}

static bool exists(struct wire_call *call, const char *name);

/* Of one that does not run: settings put in, a line of them taken out. */
void boxes_settle(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	const char *more = json_str(call->params, "settings", ""), *key = json_str(call->params, "key", "");
	int r = 1;

	if (!name || !exists(call, name) || (*more && !check_settings(call, more)))
		return;
	if (store_locked(d->store, name) == 1) {
		wire_fail(call, "org.gsh.Conflict", name, "it runs", "gsh allow asks it");
		return;
	}
	if (*more && !settle(call, name, more))
		return;
	if (*key)
		r = settings_drop(&d->paths, name, key, json_str(call->params, "value", ""));
	if (r < 0)
		wire_fail(call, "org.gsh.Failed", name, strerror(-r), NULL);
	else if (!r)
		wire_fail(call, "org.gsh.BadRequest", json_str(call->params, "value", ""),
			  "nothing of this kind was granted", "gsh allow --list");
	else
		wire_reply(call, NULL);
}

void boxes_start(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	struct box_spec spec = { .ephemeral = json_flag(call->params, "ephemeral", false) };
	const char *name = json_str(call->params, "name", NULL);
	bool made, started;
	char why[STORE_WHY];
	unsigned id;

	if (spec.ephemeral && (!name || !*name)) {
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			id = (unsigned)getpid();
		snprintf(spec.name, sizeof(spec.name), "x-%08x", id);
	} else {
		name = daemon_name(call);
		if (!name)
			return;
		snprintf(spec.name, sizeof(spec.name), "%s", name);
	}
	if (!ensure(call, &spec, &made) || !set_limits(call, spec.name))
		return;
	if (bring_up(call, spec.name, &started)) {
		if (!started && json_get(call->params, "limits", json_type_object))
			json_object_put(running_limits(d, spec.name));
		reply_started(call, spec.name, started);
	} else if (made && store_remove(d->store, spec.name, why)) /* nothing is in it */
		log_line("%s", why);
}

/* ---- stopping and removing ---- */

static bool wait_unlocked(const struct daemon *d, const char *name, int ms)
{
	int64_t until = now_ms() + ms;

	while (store_locked(d->store, name) == 1) {
		if (now_ms() > until)
			return false;
		nap();
	}
	return true;
}

/* Ask the monitor to end; if it does not, end it: its leader dies with it. */
static bool stop(const struct daemon *d, const char *name, int timeout)
{
	struct json_object *box = box_running(d, name), *p = json_object_new_object();
	struct client_reply r = { .params = NULL };
	struct client *c = NULL;
	int64_t pid = json_int(box, "pid", 0);

	json_object_put(box);
	json_put_int(p, "timeout", timeout);
	if (!box_connect(d, name, &c, timeout + STOP_EXTRA_MS)) {
		if (client_call(c, "org.gsh.Box.Shutdown", p, NULL, 0, &r))
			log_debug("the monitor of %s went without an answer", name);
		client_reply_free(&r);
	} else {
		json_object_put(p);
	}
	client_close(c);
	if (wait_unlocked(d, name, STOP_EXTRA_MS))
		return true;
	if (pid > 1) {
		log_line("the monitor of %s does not end; killing it", name);
		kill((pid_t)pid, SIGKILL);
	}
	return wait_unlocked(d, name, STOP_EXTRA_MS);
}

static bool exists(struct wire_call *call, const char *name)
{
	const struct daemon *d = call->server->context;
	struct box_spec spec;
	char why[STORE_WHY];

	if (store_read_spec(d->store, name, &spec, why) != -ENOENT)
		return true; /* a damaged one too can be stopped and removed */
	fail_no_such(call, name);
	return false;
}

/* What a monitor that was killed could not take with it. */
static void clear_remains(const struct daemon *d, const char *name)
{
	char path[SOCKET_MAX];
	int lock = store_lock(d->store, name);

	if (lock < 0)
		return;
	box_socket(d, name, path);
	unlink(path);
	shm_sweep(d->paths.runtime);
	close(lock);
}

void boxes_stop(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	int64_t timeout = json_int(call->params, "timeout", 3000);

	if (!name || !exists(call, name))
		return;
	if (timeout < 0 || timeout > 600000)
		wire_fail(call, "org.gsh.BadRequest", "timeout",
			  "it must be milliseconds, at most 600000", NULL);
	else if (store_locked(d->store, name) == 1 && !stop(d, name, (int)timeout))
		wire_fail(call, "org.gsh.Failed", name, "it does not end",
			  "see its log in the store");
	else {
		clear_remains(d, name);
		wire_reply(call, NULL);
	}
}

/* There is no file to lock, and no room for one, or what is there is none: nobody can hold it. */
static bool nobody_locks(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EISDIR || err == -ELOOP || err == -ENOTDIR;
}

void boxes_remove(struct wire_call *call)
{
	const struct daemon *d = call->server->context;
	const char *name = daemon_name(call);
	char why[STORE_WHY];
	int lock;

	if (!name || !exists(call, name))
		return;
	if (store_locked(d->store, name) == 1 && json_flag(call->params, "force", false))
		stop(d, name, 1000);
	lock = store_lock(d->store, name);
	if (lock == -EAGAIN)
		wire_fail(call, "org.gsh.Conflict", name, "it is running",
			  "stop it first, or remove it with force");
	else if (lock == -ENOENT)
		fail_no_such(call, name);
	else if (lock < 0 && !nobody_locks(lock))
		wire_fail(call, "org.gsh.Failed", name, strerror(-lock),
			  lock == -EACCES ? "gsh doctor --repair" : NULL);
	else if (store_remove(d->store, name, why))
		wire_fail(call, "org.gsh.Failed", name, why, NULL);
	else
		wire_reply(call, NULL);
	if (lock >= 0)
		close(lock);
}
