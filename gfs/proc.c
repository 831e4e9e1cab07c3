// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * proc/: what the sandbox's libOS says of its processes, asked of its monitor (org.gsh.Box).
 *
 * Connections are kept for the next question, a few for each sandbox. The answers come from inside:
 * types and sizes are bounded, names must be names, links must not lead out. A sandbox that does
 * not answer within RPC_TIMEOUT is left alone for as long again: whoever asks meanwhile is told EIO
 * at once, so that no more threads wait for it than are in the door already. A sandbox that does
 * not run has an empty proc/.
 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include "gfs/gfs.h"
#include "gshd/client/client.h"

#define INSIDE_MAX 4 /* questions to one sandbox at a time */
/* Those that wait for their turn; more are refused, or they would take up every thread. */
#define WAITING_MAX 8
#define FILE_SIZE_MAX (4u << 20)
#define ENTRIES_MAX 65536

struct proc_door {
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t left;
	unsigned inside, waiting;
	struct client *idle[INSIDE_MAX];
	unsigned nidle;
	time_t hung_until; /* CLOCK_MONOTONIC seconds */
};

struct proc_door *proc_door_create(void)
{
	struct proc_door *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->left, NULL);
	return d;
}

void proc_door_free(struct proc_door *d)
{
	if (!d)
		return;
	while (d->nidle)
		client_close(d->idle[--d->nidle]);
	pthread_cond_destroy(&d->left);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Wait for a place, and take a connection along if there is one. */
static int door_enter(struct proc_door *d, struct client **c)
{
	int err = 0;

	*c = NULL;
	pthread_mutex_lock(&d->lock);
	while (d->inside >= INSIDE_MAX && d->hung_until <= seconds()) {
		if (d->waiting == WAITING_MAX) {
			err = -EBUSY;
			break;
		}
		d->waiting++;
		pthread_cond_wait(&d->left, &d->lock);
		d->waiting--;
	}
	if (!err && d->hung_until > seconds())
		err = -EIO;
	if (!err) {
		d->inside++;
		if (d->nidle)
			*c = d->idle[--d->nidle];
	}
	pthread_mutex_unlock(&d->lock);
	return err;
}

static void door_leave(struct proc_door *d, struct client *c, bool hung)
{
	pthread_mutex_lock(&d->lock);
	d->inside--;
	if (hung)
		d->hung_until = seconds() + RPC_TIMEOUT;
	if (c && d->nidle < INSIDE_MAX) {
		d->idle[d->nidle++] = c;
		c = NULL;
	}
	pthread_cond_broadcast(&d->left);
	pthread_mutex_unlock(&d->lock);
	client_close(c);
}

static int connect_box(const struct box *b, struct client **c)
{
	const struct timeval limit = {.tv_sec = RPC_TIMEOUT};
	char path[PATH_MAX + 80];
	int err;

	snprintf(path, sizeof(path), "%s/box/%s.sock", gfs.paths.runtime, b->name);
	err = client_open(c, path);
	if (err)
		return err;
	setsockopt(client_fd(*c), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(client_fd(*c), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return 0;
}

static int call_on(struct client *c, const char *method, const char *path, uint64_t offset,
		   struct client_reply *r)
{
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "path", json_object_new_string(path));
	json_object_object_add(p, "offset", json_object_new_int64((int64_t)offset));
	return client_call(c, method, p, NULL, 0, r);
}

static uint64_t number(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? (uint64_t)json_object_get_int64(v) : 0;
}

static int error_of(const struct client_reply *r)
{
	uint64_t e = strcmp(r->error, "org.gsh.Errno") ? EIO : number(r->params, "errno");

	return e > 0 && e < 4096 ? -(int)e : -EIO;
}

/* One question. On success the reply is the caller's. -ENOENT: the sandbox does not run, or has no
 * such thing. */
static int ask(struct box *b, const char *method, const char *path, uint64_t offset,
	       struct client_reply *r)
{
	struct client *c;
	int err = door_enter(b->door, &c);
	bool kept = c != NULL;

	if (err)
		return err;
	if (!c)
		err = connect_box(b, &c);
	if (!err)
		err = call_on(c, method, path, offset, r);
	/* A kept connection may be to a monitor that has gone; there may be another by now. */
	if (err == -EPIPE && kept) {
		client_close(c);
		c = NULL;
		err = connect_box(b, &c);
		if (!err)
			err = call_on(c, method, path, offset, r);
	}
	if (err) {
		client_close(c);
		c = NULL;
	}
	door_leave(b->door, c, err == -EAGAIN);
	if (err)
		return err == -EAGAIN ? -EIO : -ENOENT;
	if (r->error[0]) {
		err = error_of(r);
		client_reply_free(r);
	}
	return err;
}

/* ---- attributes ---- */

/* What a sandbox may call itself: a directory, a file or a link, readable. */
static mode_t mode_shown(uint64_t mode)
{
	if (S_ISDIR(mode))
		return S_IFDIR | 0555;
	return S_ISLNK(mode) ? S_IFLNK | 0777 : S_IFREG | 0444;
}

static uint64_t hash_of(const struct box *b, const char *path)
{
	uint64_t h = 14695981039346656037ull ^ b->id;

	while (*path)
		h = (h ^ (unsigned char)*path++) * 1099511628211ull;
	return h | 1ull << 63;
}

static int stat_path(struct box *b, const char *path, struct stat *st)
{
	struct client_reply r;
	mode_t mode;
	int err;

	if (!*path) {
		fill_dir(st, hash_of(b, ""));
		return 0;
	}
	err = ask(b, "org.gsh.Box.ProcStat", path, 0, &r);
	if (err)
		return err;
	mode = mode_shown(number(r.params, "mode"));
	client_reply_free(&r);
	if (S_ISDIR(mode))
		fill_dir(st, hash_of(b, path));
	else
		fill_file(st, hash_of(b, path), 0);
	st->st_mode = mode;
	clock_gettime(CLOCK_REALTIME, &st->st_mtim);
	st->st_atim = st->st_ctim = st->st_mtim;
	return 0;
}

static int proc_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	char path[TREE_PATH_MAX];
	int err = node_path(n, path, sizeof(path) - NAME_MAX - 2);
	struct node *child;

	if (err)
		return err;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (*path)
		strcat(path, "/");
	strcat(path, name);
	err = stat_path(n->box, path, &e->attr);
	if (err)
		return err;
	child = node_take(n, NODE_PROC, n->box, name, e->attr.st_mode & S_IFMT);
	if (!child)
		return -ENOMEM;
	e->ino = node_ino(child);
	e->entry_timeout = e->attr_timeout = PROC_FRESH;
	return 0;
}

static int proc_getattr(struct node *n, struct stat *st)
{
	char path[TREE_PATH_MAX];
	int err = node_path(n, path, sizeof(path));

	return err ? err : stat_path(n->box, path, st);
}

/* ---- links ---- */

static bool has_dotdot(const char *p)
{
	while (*p) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			return true;
		p += len + (p[len] == '/');
	}
	return false;
}

/* "/usr/bin/x" seen from proc/12/exe is ../../root/usr/bin/x. What is no path ("pipe:[7]") is shown
 * as it is. */
static int proc_readlink(struct node *n, char *buf, size_t size)
{
	char path[TREE_PATH_MAX];
	struct client_reply r;
	struct json_object *v;
	const char *target = "";
	size_t used = 0;
	int err = node_path(n, path, sizeof(path));

	if (!err)
		err = ask(n->box, "org.gsh.Box.ProcLink", path, 0, &r);
	if (err)
		return err;
	if (json_object_object_get_ex(r.params, "target", &v) &&
	    json_object_is_type(v, json_type_string))
		target = json_object_get_string(v);
	if (!*target || has_dotdot(target))
		err = -EIO;
	if (*target == '/') {
		for (const char *p = path; p && used + 8 < size; p = strchr(p + 1, '/'), used += 3)
			memcpy(buf + used, "../", 3);
		memcpy(buf + used, "root", 4);
		used += 4;
	}
	if (!err && used + strlen(target) + 1 > size)
		err = -ENAMETOOLONG;
	if (!err)
		strcpy(buf + used, target);
	client_reply_free(&r);
	return err;
}

/* ---- listings ---- */

static bool name_ok(const char *name, size_t len)
{
	return len && len <= NAME_MAX && !memchr(name, '/', len) && !memchr(name, '\0', len);
}

static int add_entries(struct listing *l, const struct box *b, struct json_object *entries,
		       size_t *count)
{
	*count = json_object_is_type(entries, json_type_array) ? json_object_array_length(entries)
							       : 0;
	for (size_t i = 0; i < *count; i++) {
		struct json_object *e = json_object_array_get_idx(entries, i), *v;
		const char *name;
		int err;

		if (!json_object_object_get_ex(e, "name", &v) ||
		    !json_object_is_type(v, json_type_string))
			continue;
		name = json_object_get_string(v);
		if (!name_ok(name, (size_t)json_object_get_string_len(v)))
			continue;
		err = listing_add(l, name, mode_shown(number(e, "mode")) >> 12, hash_of(b, name));
		if (err)
			return err;
	}
	return 0;
}

static int list_all(struct box *b, const char *path, struct listing *l)
{
	uint64_t seen = 0;
	bool eof = false;

	while (!eof && seen < ENTRIES_MAX) {
		struct json_object *v = NULL;
		struct client_reply r;
		size_t count;
		int err = ask(b, "org.gsh.Box.ProcList", path, seen, &r);

		if (err)
			return err;
		json_object_object_get_ex(r.params, "entries", &v);
		err = add_entries(l, b, v, &count);
		eof = !count || number(r.params, "eof");
		client_reply_free(&r);
		if (err)
			return err;
		seen += count;
	}
	return 0;
}

static int proc_list(struct node *n, struct listing **out)
{
	char path[TREE_PATH_MAX];
	struct listing *l;
	int err = node_path(n, path, sizeof(path));

	if (err)
		return err;
	l = listing_empty();
	if (!l)
		return -ENOMEM;
	err = list_all(n->box, path, l);
	/* It does not run, or has just ended: nothing there. */
	if (err && !*path)
		err = 0;
	if (err)
		listing_free(l);
	else
		*out = l;
	return err;
}

/* ---- contents: read whole at open, so that it is of one moment ---- */

static int append(struct client_reply *r, char **text, size_t *size, size_t *got)
{
	struct json_object *v;
	const char *data;
	size_t len;
	char *more;

	*got = 0;
	if (!json_object_object_get_ex(r->params, "data_b64", &v) ||
	    !json_object_is_type(v, json_type_string))
		return 0;
	data = json_object_get_string(v);
	len = (size_t)json_object_get_string_len(v);
	if (*size + len > FILE_SIZE_MAX)
		return -EFBIG;
	more = realloc(*text, *size + len + 1);
	if (!more)
		return -ENOMEM;
	*text = more;
	*got = client_unbase64(data, len, more + *size);
	*size += *got;
	return 0;
}

static int proc_open(struct node *n, struct fuse_file_info *fi)
{
	char path[TREE_PATH_MAX], *text = NULL;
	size_t size = 0, got = 1;
	bool eof = false;
	int err = node_path(n, path, sizeof(path));

	while (!err && !eof && got) {
		struct client_reply r;

		err = ask(n->box, "org.gsh.Box.ProcRead", path, size, &r);
		if (err)
			break;
		err = append(&r, &text, &size, &got);
		eof = number(r.params, "eof");
		client_reply_free(&r);
	}
	if (err) {
		free(text);
		return err;
	}
	return open_text(fi, text ? text : strdup(""), size);
}

const struct kind kind_proc = {
	.lookup = proc_lookup,
	.getattr = proc_getattr,
	.readlink = proc_readlink,
	.list = proc_list,
	.open = proc_open,
};
