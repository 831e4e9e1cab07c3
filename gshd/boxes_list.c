/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Listing sandboxes, and sweeping up what crashes left of them. As boxes.c, in a child of gshd. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "gshd/client/client.h"
#include "gshd/daemon.h"
#include "gshd/store/ended.h"
#include "gshd/wire/json.h"
#include "gshd/monitor/limits.h"
#include "gshd/log.h"
#include "gshd/settings.h"
#include "gshd/monitor/shm.h"

#define ASK_MS 500

/* ---- listing ---- */

/* What only its monitor knows, if it says so in time: how many processes, which ports. */
static void add_live(const struct daemon *d, const char *name, struct json_object *row)
{
	struct client_reply r = { .params = NULL };
	struct json_object *items;
	struct client *c = NULL;

	if (box_connect(d, name, &c, ASK_MS))
		return;
	if (!client_call(c, "org.gsh.Box.Processes", NULL, NULL, 0, &r)) {
		items = json_get(r.params, "items", json_type_array);
		if (items)
			json_put_int(row, "processes", (int)json_object_array_length(items));
	}
	client_reply_free(&r);
	r = (struct client_reply){ .params = NULL };
	if (!client_call(c, "org.gsh.Box.GetInfo", NULL, NULL, 0, &r)) {
		items = json_get(r.params, "published", json_type_array);
		if (items)
			json_object_object_add(row, "published", json_object_get(items));
	}
	client_reply_free(&r);
	client_close(c);
}

struct listing {
	const struct daemon *d;
	struct json_object *items;
};

static int list_one(const char *name, void *arg)
{
	struct listing *l = arg;
	struct json_object *o = json_object_new_object(), *box = box_running(l->d, name);
	char why[STORE_WHY], end[ENDED_MAX];
	struct box_spec spec;
	int err = store_read_spec(l->d->store, name, &spec, why);

	json_put_str(o, "name", name);
	json_put_str(o, "state",
		     box				    ? "running"
		     : store_locked(l->d->store, name) == 1 ? "changing"
		     : err				    ? "damaged"
							    : "stopped");
	if (box) {
		json_put_int(o, "pid", json_int(box, "pid", 0));
		json_put_str(o, "rung", json_str(box, "rung", ""));
		add_live(l->d, name, o);
	} else if (!err && ended_read(l->d->store, name, end, sizeof(end))) {
		json_put_str(o, "ended", end);
	}
	if (!err) {
		json_put_int(o, "created", spec.created);
		json_put_int(o, "layers", spec.nlayers);
		json_put_str(o, "base", spec.base);
		json_put_bool(o, "ephemeral", spec.ephemeral);
	}
	json_object_put(box);
	json_object_array_add(l->items, o);
	return 0;
}

void boxes_list(struct wire_call *call)
{
	struct listing l = { call->server->context, json_object_new_array() };
	struct json_object *p = json_object_new_object();
	int err = store_each(l.d->store, list_one, &l);

	json_object_object_add(p, "items", l.items);
	if (err < 0) {
		json_object_put(p);
		wire_fail(call, "org.gsh.Failed", "cannot read the store", strerror(-err), NULL);
	} else {
		wire_reply(call, p);
	}
}

/* ---- sweeping ---- */

static int sweep_ephemeral(const char *name, void *arg)
{
	const struct daemon *d = arg;
	char why[STORE_WHY];
	struct box_spec spec;
	int lock;

	/* A fresh one may be about to be started. */
	if (store_read_spec(d->store, name, &spec, why) || !spec.ephemeral ||
	    spec.created + 60 > time(NULL))
		return 0;
	lock = store_lock(d->store, name);
	if (lock < 0)
		return 0;
	if (store_remove(d->store, name, why))
		log_line("%s", why);
	close(lock);
	return 0;
}

unsigned boxes_dead_sockets(const struct daemon *d, bool remove, int *err)
{
	char path[PATH_MAX + 8], name[80];
	struct dirent *e;
	unsigned n = 0;
	int held;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/box", d->paths.runtime);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		size_t size = strlen(e->d_name);
		if (size < 6 || size > 68 || strcmp(e->d_name + size - 5, ".sock"))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(size - 5), e->d_name);
		/* One that cannot be told may live. */
		held = store_locked(d->store, name);
		if (held && held != -EINVAL)
			continue;
		n++;
		if (remove && unlinkat(dirfd(dir), e->d_name, 0) && errno != ENOENT)
			*err = -errno;
	}
	if (dir)
		closedir(dir);
	return n;
}

void boxes_sweep(const struct daemon *d)
{
	int ignored;

	(void)store_sweep(d->store); /* the next start tries again */
	(void)boxes_dead_sockets(d, true, &ignored);
	if (store_each(d->store, sweep_ephemeral, (void *)d) < 0)
		log_line("cannot read the store");
	shm_sweep(d->paths.runtime);
}
