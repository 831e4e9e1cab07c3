// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The journal of commits; see commit.h for its place and shape. It lies in the sandbox's folder of
 * the store, where only the user writes, but a commit is not carried out on its word alone: what it
 * names is looked at before it is moved.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "gshd/tree/commit_impl.h"

#define JOURNAL_MAX ((off_t)1 << 30)

static const char *const names[] = {
	[COMMIT_UNLOCK] = "unlock", [COMMIT_DELETE] = "delete", [COMMIT_RMDIR] = "rmdir",
	[COMMIT_MKDIR] = "mkdir",   [COMMIT_PUT] = "put",	[COMMIT_ADD] = "add",
	[COMMIT_CHMOD] = "chmod",
};

static const char *const sides[] = {
	[HOST_SAME] = "same", [HOST_TAKEN] = "taken", [HOST_MERGED] = "merged", [HOST_BACK] = "back",
};

/* ---- JSON ---- */

static struct json_object *stamp_out(const struct commit_stamp *s)
{
	struct json_object *o = json_object_new_array();

	json_object_array_add(o, json_object_new_uint64(s->dev));
	json_object_array_add(o, json_object_new_uint64(s->ino));
	json_object_array_add(o, json_object_new_int64(s->size));
	json_object_array_add(o, json_object_new_int64(s->sec));
	json_object_array_add(o, json_object_new_int64(s->nsec));
	return o;
}

static void stamp_in(struct json_object *o, struct commit_stamp *s)
{
	if (!o || !json_object_is_type(o, json_type_array) || json_object_array_length(o) != 5)
		return;
	s->dev = json_object_get_uint64(json_object_array_get_idx(o, 0));
	s->ino = json_object_get_uint64(json_object_array_get_idx(o, 1));
	s->size = json_object_get_int64(json_object_array_get_idx(o, 2));
	s->sec = json_object_get_int64(json_object_array_get_idx(o, 3));
	s->nsec = json_object_get_int64(json_object_array_get_idx(o, 4));
}

static struct json_object *action_out(const struct commit_action *a)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "do", json_object_new_string(names[a->what]));
	json_object_object_add(o, "path", json_object_new_string(a->path));
	if (a->stage)
		json_object_object_add(o, "stage", json_object_new_string(a->stage));
	json_object_object_add(o, "id", json_object_new_int64(a->id));
	json_object_object_add(o, "mode_old", json_object_new_int64(a->mode_old));
	json_object_object_add(o, "mode_new", json_object_new_int64(a->mode_new));
	json_object_object_add(o, "was", stamp_out(&a->was));
	json_object_object_add(o, "is", stamp_out(&a->is));
	if (a->host != HOST_SAME)
		json_object_object_add(o, "host", json_object_new_string(sides[a->host]));
	return o;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

/* Names below the root, one slash between them, none that leads up. */
static bool path_ok(const char *path)
{
	if (!path || path[0] != '/' || !path[1])
		return false;
	while (*path) {
		size_t n = strcspn(++path, "/");

		if (!n || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
	}
	return true;
}

/* Where an action has staged, or puts aside: under a name that no one else gives. */
static bool stage_ok(enum commit_do what, const char *stage)
{
	return action_stages(what) ? path_ok(stage) && copy_is_stage_name(strrchr(stage, '/') + 1) : !stage;
}

static int action_in(struct commit *c, struct json_object *o)
{
	const char *what = json_object_get_string(get(o, "do")),
		   *path = json_object_get_string(get(o, "path"));
	const char *stage = json_object_get_string(get(o, "stage"));
	const char *side = json_object_get_string(get(o, "host"));
	struct commit_action *a;
	unsigned i = 0;

	while (what && i < sizeof(names) / sizeof(names[0]) && strcmp(names[i], what) != 0)
		i++;
	if (!what || i == sizeof(names) / sizeof(names[0]) || !path_ok(path) ||
	    !stage_ok((enum commit_do)i, stage))
		return -EPROTO;
	a = commit_add(c, (enum commit_do)i, path);
	if (!a)
		return -ENOMEM;
	a->stage = stage ? strdup(stage) : NULL;
	if (stage && !a->stage)
		return -ENOMEM;
	a->id = (unsigned)json_object_get_int64(get(o, "id"));
	a->mode_old = (uint32_t)json_object_get_int64(get(o, "mode_old")) & 07777;
	a->mode_new = (uint32_t)json_object_get_int64(get(o, "mode_new")) & 07777;
	stamp_in(get(o, "was"), &a->was);
	stamp_in(get(o, "is"), &a->is);
	for (enum commit_host h = HOST_SAME; side && h <= HOST_BACK; h++)
		if (!strcmp(sides[h], side))
			a->host = h;
	return 0;
}

/* ---- files ---- */

static int open_number(const struct commit *c, unsigned number)
{
	char name[24];
	int fd;

	snprintf(name, sizeof(name), "%u", number);
	fd = openat(c->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Whole or not at all, and on the disk. */
static int write_journal(int dir, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t size = strlen(text), done = 0;
	int fd = openat(dir, ".journal.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600),
	    err = 0;

	if (fd < 0)
		return -errno;
	while (!err && done < size) {
		ssize_t n = write(fd, text + done, size - done);

		err = n < 0 ? -errno : 0;
		done += n < 0 ? 0 : (size_t)n;
	}
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	if (!err && (renameat(dir, ".journal.new", dir, "journal.json") || fsync(dir)))
		err = -errno;
	return err;
}

static int read_journal(const struct commit *c, unsigned number, struct json_object **o)
{
	int dir = open_number(c, number), fd, err = 0;
	off_t size;
	char *text;

	if (dir < 0)
		return dir;
	fd = openat(dir, "journal.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd < 0)
		return -errno;
	size = lseek(fd, 0, SEEK_END);
	text = size >= 0 && size < JOURNAL_MAX ? calloc(1, (size_t)size + 1) : NULL;
	if (!text || pread(fd, text, (size_t)size, 0) != size)
		err = -EIO;
	close(fd);
	*o = err ? NULL : json_tokener_parse(text);
	free(text);
	if (!err && !json_object_is_type(*o, json_type_object)) {
		json_object_put(*o);
		*o = NULL;
		err = -EPROTO;
	}
	return err;
}

static const char *state_of(struct json_object *o)
{
	const char *state = json_object_get_string(get(o, "state"));

	return state ? state : "";
}

/* Numbers of all commits, the highest first, until fn returns nonzero. */
static int each(struct commit *c, int (*fn)(struct commit *c, unsigned number, void *arg),
		void *arg)
{
	unsigned *all = NULL;
	size_t n = 0;
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		unsigned *more, v = (unsigned)strtoul(e->d_name, NULL, 10);
		size_t i;

		if (!v || !(more = realloc(all, (n + 1) * sizeof(*all))))
			continue;
		all = more;
		for (i = n++; i > 0 && all[i - 1] < v; i--)
			all[i] = all[i - 1];
		all[i] = v;
	}
	closedir(d);
	for (size_t i = 0; i < n && !r; i++)
		r = fn(c, all[i], arg);
	free(all);
	return r;
}

static int first(struct commit *c, unsigned number, void *arg)
{
	(void)c;
	*(unsigned *)arg = number;
	return 1;
}

static struct json_object *commit_out(const struct commit *c, const char *state)
{
	struct json_object *o = json_object_new_object(), *actions = json_object_new_array();

	for (size_t i = 0; i < c->n; i++)
		json_object_array_add(actions, action_out(&c->actions[i]));
	json_object_object_add(o, "schema", json_object_new_string("gsh.commit/1"));
	json_object_object_add(o, "state", json_object_new_string(state));
	json_object_object_add(o, "root",
			       json_object_new_string(c->root_path ? c->root_path : "/"));
	if (c->undoes)
		json_object_object_add(o, "undoes", json_object_new_int64(c->undoes));
	json_object_object_add(o, "actions", actions);
	return o;
}

int journal_write(struct commit *c, const char *state)
{
	struct json_object *o = commit_out(c, state);
	int dir = open_number(c, c->number), err = dir < 0 ? dir : write_journal(dir, o);

	if (dir >= 0)
		close(dir);
	json_object_put(o);
	return err;
}

int journal_begin(struct commit *c)
{
	unsigned last = 0;
	char name[24];
	int dir = -1, err = each(c, first, &last);

	c->number = last + 1;
	snprintf(name, sizeof(name), "%u", c->number);
	if (err >= 0)
		err = mkdirat(c->dir, name, 0700) ? -errno : 0;
	if (!err)
		dir = open_number(c, c->number);
	if (!err && (dir < 0 || mkdirat(dir, "old", 0700)))
		err = dir < 0 ? dir : -errno;
	if (dir >= 0)
		close(dir);
	if (!err)
		err = journal_write(c, "staging");
	if (!err && fsync(c->dir))
		err = -errno;
	if (err)
		journal_drop(c, c->number);
	return err;
}

int journal_state(struct commit *c, unsigned number, const char *state)
{
	struct json_object *o;
	int dir, err = read_journal(c, number, &o);

	if (err)
		return err;
	json_object_object_add(o, "state", json_object_new_string(state));
	dir = open_number(c, number);
	err = dir < 0 ? dir : write_journal(dir, o);
	if (dir >= 0)
		close(dir);
	json_object_put(o);
	return err;
}

void journal_drop(struct commit *c, unsigned number)
{
	char name[24];
	int dir = open_number(c, number);

	if (dir < 0)
		return;
	snprintf(name, sizeof(name), "%u", number);
	(void)!unlinkat(dir, "journal.json", 0);
	(void)!unlinkat(dir, ".journal.new", 0);
	(void)!unlinkat(dir, "old", AT_REMOVEDIR);
	close(dir);
	(void)!unlinkat(c->dir, name, AT_REMOVEDIR);
}

int journal_old(const struct commit *c, unsigned number)
{
	int dir = open_number(c, number), fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, "old", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	return fd < 0 ? -errno : fd;
}

int journal_load(struct commit *c, unsigned number)
{
	struct json_object *o, *actions;
	int err = read_journal(c, number, &o);

	if (err)
		return err;
	c->number = number;
	c->undoes = (unsigned)json_object_get_int64(get(o, "undoes"));
	actions = get(o, "actions");
	if (!actions || !json_object_is_type(actions, json_type_array))
		err = -EPROTO;
	for (size_t i = 0; !err && i < json_object_array_length(actions); i++)
		err = action_in(c, json_object_array_get_idx(actions, i));
	json_object_put(o);
	return err;
}

static int is_done(struct commit *c, unsigned number, void *arg)
{
	struct json_object *o;
	int done;

	if (read_journal(c, number, &o))
		return 0;
	done = !strcmp(state_of(o), "done");
	json_object_put(o);
	if (done)
		*(unsigned *)arg = number;
	return done;
}

int journal_find(struct commit *c, unsigned *number)
{
	int r = *number ? is_done(c, *number, number) : each(c, is_done, number);

	return r < 0 ? r : r ? 0 : -ENOENT;
}

/* ---- the whole ---- */

void commit_free_actions(struct commit *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->actions[i].path);
		free(c->actions[i].stage);
		if (c->actions[i].content >= 0)
			close(c->actions[i].content);
	}
	free(c->actions);
	c->actions = NULL;
	c->n = c->room = 0;
}

int commit_open(struct commit *c, int box, int root, const char *root_path)
{
	*c = (struct commit){ .root = root, .dir = -1, .lock = -1, .box = fcntl(box, F_DUPFD_CLOEXEC, 3) };
	if (mkdirat(box, "commits", 0700) && errno != EEXIST)
		return -errno;
	c->dir = openat(box, "commits", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	c->lock = c->dir < 0
			  ? -1
			  : openat(c->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	c->root_path = strdup(root_path);
	if (c->lock < 0 || !c->root_path || flock(c->lock, LOCK_EX | LOCK_NB)) {
		int err = c->root_path ? -errno : -ENOMEM;

		commit_close(c);
		return err;
	}
	return 0;
}

void commit_close(struct commit *c)
{
	commit_free_actions(c);
	free(c->root_path);
	c->root_path = NULL;
	if (c->lock >= 0)
		close(c->lock);
	if (c->dir >= 0)
		close(c->dir);
	if (c->box >= 0)
		close(c->box);
	for (size_t i = 0; i < c->nlast; i++)
		free(c->last[i].path);
	free(c->last);
	free(c->known);
	touched_free(&c->touched);
	c->last = NULL;
	c->known = NULL;
	c->nlast = c->nknown = 0;
	c->lock = c->dir = c->box = -1;
}

static int recover_one(struct commit *c, unsigned number, void *arg)
{
	struct commit half = { .dir = c->dir, .lock = -1, .root = c->root };
	struct json_object *o;
	bool staging, applying, applied;
	int err;

	err = read_journal(c, number, &o);
	if (err == -ENOENT || err == -EPROTO) {
		journal_drop(c, number); /* its journal never was whole, so nothing was moved */
		return 0;
	}
	if (err)
		return err;
	staging = !strcmp(state_of(o), "staging");
	applying = !strcmp(state_of(o), "applying");
	applied = !strcmp(state_of(o), "applied");
	json_object_put(o);
	if (!staging && !applying && !applied)
		return 0;
	++*(int *)arg;
	err = journal_load(&half, number);
	if (!err && applied) {
		err = commit_finish(&half);
	} else if (!err) {
		commit_take_back(&half, applying ? half.n : 0);
		journal_drop(c, number);
	}
	commit_free_actions(&half);
	return err;
}

/* What it put on the host, be it undone by now: there the host has changed nothing. */
static int learn_known(struct commit *c, const struct commit *one)
{
	struct commit_stamp *more = realloc(c->known, (c->nknown + 2 * one->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	c->known = more;
	for (size_t i = 0; i < one->n; i++) {
		const struct commit_action *a = &one->actions[i];

		if (!a->is.ino || a->host == HOST_MERGED || a->host == HOST_BACK)
			continue;
		c->known[c->nknown++] = a->is;
		/* Of a directory that was the mode before: it may have been undone. */
		if (stamp_is_dir(&a->is)) {
			c->known[c->nknown++] = a->is;
			c->known[c->nknown - 1].size = a->mode_new;
		}
	}
	return 0;
}

static int learn_last(struct commit *c, const struct commit *one)
{
	struct commit_last *more = realloc(c->last, (c->nlast + one->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	c->last = more;
	for (size_t i = 0; i < one->n; i++) {
		enum commit_do what = one->actions[i].what;
		struct commit_last *l = &c->last[c->nlast];

		if (what == COMMIT_CHMOD || what == COMMIT_UNLOCK)
			continue;
		*l = (struct commit_last){ .path = strdup(one->actions[i].path), .number = one->number,
					   .is_there = what == COMMIT_PUT || what == COMMIT_ADD };
		if (!l->path)
			return -ENOMEM;
		c->nlast++;
	}
	return 0;
}

static int learn(struct commit *c, unsigned number, void *arg)
{
	struct commit one = { .dir = c->dir, .lock = -1, .root = c->root };
	unsigned done = 0;
	int err = journal_load(&one, number);

	(void)arg;
	if (!err)
		err = learn_known(c, &one);
	if (!err && is_done(c, number, &done))
		err = learn_last(c, &one);
	commit_free_actions(&one);
	return err;
}

static int by_path(const void *x, const void *y)
{
	const struct commit_last *a = x, *b = y;
	int r = strcmp(a->path, b->path);

	if (!r && a->number != b->number)
		r = a->number > b->number ? -1 : 1;
	return r ? r : b->is_there - a->is_there;
}

/* Sorted, and of each path the last. */
static void settle_last(struct commit *c)
{
	size_t out = 0;

	if (!c->nlast)
		return;
	qsort(c->last, c->nlast, sizeof(*c->last), by_path);
	for (size_t i = 1; i < c->nlast; i++) {
		if (strcmp(c->last[out].path, c->last[i].path) != 0)
			c->last[++out] = c->last[i];
		else
			free(c->last[i].path);
	}
	c->nlast = out + 1;
}

int commit_recover(struct commit *c)
{
	int count = 0, err = each(c, recover_one, &count);

	if (!err)
		err = each(c, learn, NULL);
	settle_last(c);
	if (c->nknown)
		qsort(c->known, c->nknown, sizeof(*c->known), stamp_order);
	return err ? err : count;
}
