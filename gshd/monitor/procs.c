/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The sandbox's /proc for clients: every call becomes a question to the leader, and its answer the
 * reply.
 *
 * A question outlives a client that goes away: its call is then answered into the void. What the
 * leader says is bytes from the sandbox: every length is checked before it is believed, and no more
 * than the bytes is.
 */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/client/client.h"
#include "gshd/wire/json.h"
#include "gshd/monitor/monitor.h"

#define PATH_LEN_MAX 4096
#define PROCESSES_MAX 4096
#define TICKS_HZ 100 /* of the libOS, as of every Linux on x86-64 */

struct answer {
	struct mon_proc_data head;
	const char *bytes;
	size_t size;
};

static struct answer parse(const struct mon_msg *msg, const void *payload)
{
	struct answer a = { 0 };

	if (!msg) {
		a.head.error = EIO;
		return a;
	}
	memcpy(&a.head, payload, sizeof(a.head));
	a.bytes = (const char *)payload + sizeof(a.head);
	a.size = msg->len - sizeof(a.head);
	return a;
}

static int ask(struct monitor *m, uint32_t op, const char *path, uint64_t offset, ask_done done,
	       void *arg)
{
	struct {
		struct mon_proc q;
		char path[PATH_LEN_MAX];
	} p = { { .op = op, .offset = offset }, "" };
	size_t n = strlen(path);

	if (n >= sizeof(p.path))
		return -ENAMETOOLONG;
	memcpy(p.path, path, n + 1);
	return control_ask(m, MON_PROC, &p, sizeof(p.q) + n + 1, NULL, 0, done, arg);
}

static void fail_errno(struct wire_call *call, int error)
{
	struct json_object *p = json_object_new_object();

	json_put_int(p, "errno", error);
	wire_error(call, "org.gsh.Errno", p);
}

static void forget_call(struct wire_call *call)
{
	/* Kept until the leader's answer; wire_reply() then finds nobody and frees it. */
	(void)call;
}

static void ask_for(struct wire_call *call, uint32_t op, ask_done done)
{
	const char *path = json_str(call->params, "path", "");
	int64_t offset = json_int(call->params, "offset", 0);
	int err;

	while (*path == '/')
		path++;
	if (offset < 0) {
		wire_fail(call, "org.gsh.BadRequest", call->method->name,
			  "offset must not be negative", NULL);
		return;
	}
	call->gone = forget_call;
	err = ask(call->server->context, op, path, (uint64_t)offset, done, call);
	if (err)
		fail_errno(call, -err);
}

static struct json_object *attributes(const struct answer *a)
{
	struct json_object *p = json_object_new_object();

	json_put_int(p, "mode", a->head.mode);
	json_put_int(p, "uid", a->head.uid);
	json_put_int(p, "gid", a->head.gid);
	json_put_int(p, "size", (int64_t)a->head.size);
	return p;
}

static struct json_object *base64(const char *bytes, size_t size)
{
	char *text = client_base64(bytes, size);
	struct json_object *o = text ? json_object_new_string(text) : NULL;

	free(text);
	return o;
}

static void read_done(struct monitor *m, void *arg, const struct mon_msg *msg, const void *payload)
{
	struct answer a = parse(msg, payload);
	struct wire_call *call = arg;
	struct json_object *p;

	(void)m;
	if (a.head.error) {
		fail_errno(call, a.head.error);
		return;
	}
	p = attributes(&a);
	json_put_bool(p, "eof", a.head.eof);
	json_object_object_add(p, "data_b64", base64(a.bytes, a.size));
	wire_reply(call, p);
}

static void link_done(struct monitor *m, void *arg, const struct mon_msg *msg, const void *payload)
{
	struct answer a = parse(msg, payload);
	struct wire_call *call = arg;
	struct json_object *p;

	(void)m;
	if (a.head.error) {
		fail_errno(call, a.head.error);
		return;
	}
	p = json_object_new_object();
	json_object_object_add(p, "target",
			       json_object_new_string_len(a.bytes, (int)strnlen(a.bytes, a.size)));
	wire_reply(call, p);
}

static void stat_done(struct monitor *m, void *arg, const struct mon_msg *msg, const void *payload)
{
	struct answer a = parse(msg, payload);

	(void)m;
	if (a.head.error)
		fail_errno(arg, a.head.error);
	else
		wire_reply(arg, attributes(&a));
}

/* One entry off a listing; false: there is no whole one. */
static bool next_entry(const char **p, size_t *left, uint32_t *mode, const char **name,
		       uint32_t *len)
{
	if (*left < 8)
		return false;
	memcpy(mode, *p, 4);
	memcpy(len, *p + 4, 4);
	if (*len > *left - 8)
		return false;
	*name = *p + 8;
	*p += 8 + *len;
	*left -= 8 + *len;
	return true;
}

static void list_done(struct monitor *m, void *arg, const struct mon_msg *msg, const void *payload)
{
	struct answer a = parse(msg, payload);
	struct wire_call *call = arg;
	struct json_object *p, *list;
	const char *name;
	uint32_t mode, len;

	(void)m;
	if (a.head.error) {
		fail_errno(call, a.head.error);
		return;
	}
	p = attributes(&a);
	list = json_object_new_array();
	while (next_entry(&a.bytes, &a.size, &mode, &name, &len)) {
		struct json_object *e = json_object_new_object();
		json_object_object_add(e, "name", json_object_new_string_len(name, (int)len));
		json_put_int(e, "mode", mode);
		json_object_array_add(list, e);
	}
	json_object_object_add(p, "entries", list);
	json_put_bool(p, "eof", a.head.eof);
	wire_reply(call, p);
}

void box_proc_read(struct wire_call *call)
{
	ask_for(call, MON_PROC_READ, read_done);
}

void box_proc_list(struct wire_call *call)
{
	ask_for(call, MON_PROC_LIST, list_done);
}

void box_proc_link(struct wire_call *call)
{
	ask_for(call, MON_PROC_LINK, link_done);
}

void box_proc_stat(struct wire_call *call)
{
	ask_for(call, MON_PROC_STAT, stat_done);
}

/* ---- Processes: a listing, then stat and cmdline of each ---- */

struct walk {
	struct wire_call *call;
	struct json_object *items;
	struct json_object *item; /* being filled */
	uint64_t listed;	  /* entries of the listing seen */
	bool all_listed;
	unsigned undone; /* ops; 0: all processes are asked for */
	int pids[PROCESSES_MAX];
	unsigned npids, at;
};

static void walk_next(struct monitor *m, struct walk *w);

static void walk_end(struct walk *w)
{
	struct json_object *p = json_object_new_object();

	if (w->undone)
		w->items = owners_of_undone(w->call->server->context, w->items, w->undone);
	json_object_object_add(p, "items", w->items);
	wire_reply(w->call, p);
	free(w);
}

static void walk_fail(struct walk *w, const char *why)
{
	const struct monitor *m = w->call->server->context;

	json_object_put(w->items);
	wire_fail(w->call, "org.gsh.Failed", m->spec.name, why, NULL);
	free(w);
}

static void cmdline_done(struct monitor *m, void *arg, const struct mon_msg *msg,
			 const void *payload)
{
	struct answer a = parse(msg, payload);
	struct walk *w = arg;
	struct json_object *argv = json_object_new_array();

	for (size_t i = 0; !a.head.error && i < a.size;) {
		size_t n = strnlen(a.bytes + i, a.size - i);
		json_object_array_add(argv, json_object_new_string_len(a.bytes + i, (int)n));
		i += n + 1;
	}
	json_object_object_add(w->item, "cmdline", argv);
	json_object_array_add(w->items, w->item);
	w->item = NULL;
	if (!msg)
		walk_end(w);
	else
		walk_next(m, w);
}

/* "12 (name) S 1 12 12 34816 ...": proc(5). The name may hold anything, so its end is the last
 * parenthesis. */
static struct json_object *item_of(int pid, const char *bytes, size_t size)
{
	char text[1024], state[2] = "?", tty[32];
	unsigned long long ticks = 0;
	int ppid = 0, pgid = 0, sid = 0, tty_nr = 0;
	struct json_object *o;
	char *open, *shut;

	size = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
	memcpy(text, bytes, size);
	text[size] = '\0';
	open = strchr(text, '(');
	shut = strrchr(text, ')');
	if (!open || !shut ||
	    sscanf(shut + 1, " %1c %d %d %d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", state,
		   &ppid, &pgid, &sid, &tty_nr, &ticks) != 6)
		return NULL;
	*shut = '\0';
	o = json_object_new_object();
	json_put_int(o, "pid", pid);
	json_put_int(o, "ppid", ppid);
	json_put_int(o, "pgid", pgid);
	json_put_int(o, "sid", sid);
	snprintf(tty, sizeof(tty), "pts/%d", tty_nr & 0xff);
	if (tty_nr)
		json_put_str(o, "tty", tty);
	json_put_str(o, "state", state);
	json_put_str(o, "comm", open + 1);
	json_put_int(o, "start", (int64_t)(ticks * 1000 / TICKS_HZ));
	return o;
}

static void stat_of_done(struct monitor *m, void *arg, const struct mon_msg *msg,
			 const void *payload)
{
	struct answer a = parse(msg, payload);
	struct walk *w = arg;
	char path[32];

	w->item = a.head.error ? NULL : item_of(w->pids[w->at], a.bytes, a.size);
	snprintf(path, sizeof(path), "%d/cmdline", w->pids[w->at]);
	w->at++;
	if (!w->item || ask(m, MON_PROC_READ, path, 0, cmdline_done, w)) {
		json_object_put(w->item); /* gone meanwhile */
		w->item = NULL;
		if (!msg)
			walk_end(w);
		else
			walk_next(m, w);
	}
}

static void listing_done(struct monitor *m, void *arg, const struct mon_msg *msg,
			 const void *payload)
{
	struct answer a = parse(msg, payload);
	struct walk *w = arg;
	uint32_t mode, len, seen = 0;
	const char *name;
	char text[16];

	if (!msg && !w->listed) {
		walk_fail(w, m->control < 0 ? "the sandbox has ended" : "its first process does not answer");
		return;
	}
	while (!a.head.error && next_entry(&a.bytes, &a.size, &mode, &name, &len)) {
		seen++;
		if (len == 0 || len >= sizeof(text) || !isdigit((unsigned char)*name) ||
		    w->npids >= PROCESSES_MAX)
			continue;
		memcpy(text, name, len);
		text[len] = '\0';
		w->pids[w->npids++] = atoi(text);
	}
	w->listed += seen;
	w->all_listed = a.head.error || a.head.eof || !seen || w->npids >= PROCESSES_MAX;
	walk_next(m, w);
}

static void walk_next(struct monitor *m, struct walk *w)
{
	char path[32];
	int err;

	if (!w->all_listed) {
		err = ask(m, MON_PROC_LIST, "", w->listed, listing_done, w);
	} else if (w->at < w->npids && w->call->conn) {
		snprintf(path, sizeof(path), "%d/stat", w->pids[w->at]);
		err = ask(m, MON_PROC_READ, path, 0, stat_of_done, w);
	} else {
		err = -ECANCELED;
	}
	if (err == -ETIMEDOUT && !w->listed)
		walk_fail(w, "its first process does not answer");
	else if (err)
		walk_end(w);
}

static void uptime_done(struct monitor *m, void *arg, const struct mon_msg *msg, const void *payload)
{
	struct answer a = parse(msg, payload);
	char text[32] = "";
	double seconds;

	if (a.bytes)
		memcpy(text, a.bytes, a.size < sizeof(text) - 1 ? a.size : sizeof(text) - 1);
	if (!a.head.error && sscanf(text, "%lf", &seconds) == 1 && seconds >= 0 && seconds < 1e9)
		owners_clock(m, (int64_t)(seconds * 1000));
	walk_next(m, arg);
}

static void list_processes(struct wire_call *call, unsigned undone)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w) {
		wire_fail(call, "org.gsh.Failed", "processes", "out of memory", NULL);
		return;
	}
	w->call = call;
	w->undone = undone;
	w->items = json_object_new_array();
	call->gone = forget_call;
	if (!undone || ask(call->server->context, MON_PROC_READ, "uptime", 0, uptime_done, w))
		walk_next(call->server->context, w);
}

void box_processes(struct wire_call *call)
{
	list_processes(call, 0);
}

void box_processes_undone(struct wire_call *call, unsigned count)
{
	list_processes(call, count);
}
