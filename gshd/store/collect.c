// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Collecting: what sandboxes need no longer. Old ops beyond what is to be kept are joined, layers that no chain and
 * no snapshot has are deleted, the trash is emptied.
 *
 * One sandbox after the other, each answered with what it gave; a client that goes away ends it after the one at
 * hand. It may be killed at any time: nothing here is done but what the next start would do, too. Of a sandbox that
 * runs only the trash is emptied, for the rest is its monitor's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/daemon.h"
#include "gshd/store/history.h"
#include "gshd/wire/json.h"
#include "gshd/monitor/keep.h"
#include "gshd/monitor/squash.h"

#define DEPTH_MAX 512

struct collector {
	struct wire_call *call;
	const struct daemon *d;
	const char *only; /* one sandbox, or NULL */
	unsigned keep;	  /* layers of ops */
	bool found;
};

/* What deleting would give: of a file with several names nothing until the last of them goes. */
static uint64_t room_in(int at, const char *name, unsigned depth)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t sum = 0;
	struct dirent *e;
	struct stat st;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (st.st_nlink == 1 || S_ISDIR(st.st_mode))
			sum += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			sum += room_in(fd, e->d_name, depth + 1);
	}
	if (d)
		closedir(d);
	return sum;
}

static int join(const struct collector *c, const char *name, unsigned *joined, char *why)
{
	struct history h;
	int err = history_open(c->d->store, name, &h, why);
	unsigned keep;

	*joined = 0;
	if (err)
		return err;
	err = history_forget_kept(&h);
	/* Beside those, one that the others are joined in, and a top in which nothing has been written yet. */
	keep = c->keep + 1 + history_top_empty(&h);
	if (!err && h.n > keep) {
		unsigned before = h.n;

		err = history_join(&h, keep);
		*joined = before - h.n;
		/* A directory that was renamed stops it, and nothing is lost. */
		if (err == -EOPNOTSUPP)
			err = 0;
	}
	if (err)
		snprintf(why, STORE_WHY, "%s", strerror(-err));
	history_close(&h);
	return err;
}

static void say(const struct collector *c, const char *name, bool runs, unsigned joined, uint64_t freed,
		const char *why)
{
	struct json_object *o = json_object_new_object(), *p = json_object_new_object(),
			   *items = json_object_new_array();

	json_put_str(o, "name", name);
	json_put_bool(o, "running", runs);
	json_put_int(o, "joined", joined);
	json_put_int(o, "freed", (int64_t)freed);
	if (*why)
		json_put_str(o, "error", why);
	json_object_array_add(items, o);
	json_object_object_add(p, "items", items);
	if (!wire_reply_more(c->call, p))
		_exit(0); /* the client has gone */
}

/* 0: it begins or ends just now. */
static int monitor_of(const struct collector *c, const char *name)
{
	struct json_object *o;
	char text[512];
	int pid;

	store_lock_text(c->d->store, name, text, sizeof(text));
	o = json_tokener_parse(text);
	pid = (int)json_int(o, "pid", 0);
	json_object_put(o);
	return pid;
}

static int one(const char *name, void *arg)
{
	struct collector *c = arg;
	char why[STORE_WHY] = "";
	unsigned joined = 0;
	uint64_t freed = 0;
	int lock, box, err = 0;

	if (c->only && strcmp(name, c->only))
		return 0;
	c->found = true;
	box = store_open_box(c->d->store, name);
	lock = store_lock(c->d->store, name);
	if (lock >= 0)
		err = join(c, name, &joined, why);
	else if (lock != -EAGAIN)
		err = lock;
	if (lock < 0 && err)
		snprintf(why, sizeof(why), "%s", strerror(-err));
	if (lock >= 0 && !err) {
		err = keep_sweep(c->d->store, name);
		if (err)
			snprintf(why, sizeof(why), "%s", strerror(-err));
	}
	if (box >= 0 && !err) {
		freed = room_in(box, "trash", 0);
		if (lock >= 0)
			err = history_sweep(c->d->store, name);
		else if (monitor_of(c, name) > 0)
			err = squash_sweep(box, monitor_of(c, name));
		freed -= room_in(box, "trash", 0);
		if (err)
			snprintf(why, sizeof(why), "%s", strerror(-err));
	}
	if (lock >= 0)
		close(lock);
	if (box >= 0)
		close(box);
	say(c, name, lock == -EAGAIN, joined, freed, why);
	return 0;
}

void collect_answer(struct wire_call *call)
{
	struct collector c = { .call = call, .d = call->server->context, .only = json_str(call->params, "name", NULL) };
	struct json_object *p;
	struct conf conf;
	char why[512];
	int err;

	if (c.only && !daemon_name(call))
		return;
	if (!call->more) {
		wire_fail(call, "org.gsh.BadRequest", call->method->name, "it is answered in pieces: say more", NULL);
		return;
	}
	if (conf_load(&conf, why, sizeof(why))) {
		wire_fail(call, "org.gsh.Failed", "the settings", why, "gsh config check");
		return;
	}
	c.keep = (unsigned)atoi(conf.keep_ops);
	if (!c.only)
		boxes_sweep(c.d);
	err = store_each(c.d->store, one, &c);
	if (err < 0) {
		wire_fail(call, "org.gsh.Failed", "cannot read the store", strerror(-err), NULL);
		return;
	}
	p = json_object_new_object();
	if (c.only && !c.found) {
		json_put_str(p, "name", c.only);
		wire_error(call, "org.gsh.NoSuchSandbox", p);
		return;
	}
	json_object_object_add(p, "items", json_object_new_array());
	wire_reply(call, p);
}
