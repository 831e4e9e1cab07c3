/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The chain of layers and what is done with it: see history.h. Where layers lie is in history_layers.c, what the
 * journal says in journal.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/history_impl.h"
#include "gshd/wire/json.h"
#include "libos/union/union.h"

#define MADE ".made-" /* layers that clients make begin so */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the top ---- */

bool history_top_empty(const struct history *h)
{
	char path[32];

	snprintf(path, sizeof(path), "top/%04u", h->number[h->n - 1]);
	return layers_dir_empty(h->tree, path);
}

static bool layer_empty(const struct history *h, uint32_t number)
{
	char path[32];

	return !history_find(h->box, number, path) && layers_dir_empty(h->box, path);
}

/* What the guest's root directory is, the new top's is, too. */
static int copy_root(int from, int to)
{
	char value[UNION_VALUE_MAX];
	struct stat st;
	ssize_t n;

	if (from < 0)
		return 0;
	n = fgetxattr(from, UNION_ATTR, value, sizeof(value));
	if (n > 0 && fsetxattr(to, UNION_ATTR, value, (size_t)n, 0))
		return -errno;
	return fstat(from, &st) || fchmod(to, st.st_mode & 07777) ? -errno : 0;
}

/* Make the directory of a layer, whole before it has its name. */
static int make_top(struct history *h, uint32_t number)
{
	char path[32], below[32];
	int from, to, err;

	store_delete_tree(h->box, "making");
	if (mkdirat(h->box, "making", 0755))
		return -errno;
	to = openat(h->box, "making", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	snprintf(below, sizeof(below), "top/%04u", h->n ? h->number[h->n - 1] : 0);
	from = openat(h->tree, below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = copy_root(from, to);
	snprintf(path, sizeof(path), "tree/top/%04u", number);
	if (!err && renameat2(h->box, "making", h->box, path, RENAME_NOREPLACE))
		err = -errno;
	close(to);
	if (from >= 0)
		close(from);
	return err;
}

/* Seal the top and put a fresh one above it. */
static int push(struct history *h)
{
	uint32_t old = h->number[h->n - 1];
	int err, pens;

	if (h->n >= HISTORY_LAYERS_MAX)
		return -E2BIG;
	pens = pens_wait(h->box);
	if (pens < 0)
		return pens;
	err = make_top(h, h->next);
	if (!err) {
		h->number[h->n++] = h->next++;
		history_tell(h, true);
		/* Where it can't be moved it is sealed at the next start; it is below the new one even so. */
		err = layer_move(h->box, "tree/top", "tree/layers", old);
	}
	close(pens);
	return err;
}

/* ---- opening ---- */

/* All but the highest in top are sealed; there is always one. */
static int settle_tops(struct history *h)
{
	uint32_t top[GRANT_LAYERS_MAX], layer[GRANT_LAYERS_MAX];
	int n = layers_list(h->tree, "top", top, GRANT_LAYERS_MAX - 1), below, err = 0;

	if (n < 0)
		return n;
	for (int i = 0; i < n - 1 && !err; i++)
		err = layer_move(h->box, "tree/top", "tree/layers", top[i]);
	if (n || err)
		return err;
	/* As the first format had it: the last of the layers is the top. */
	below = layers_list(h->tree, "layers", layer, GRANT_LAYERS_MAX - 1);
	if (below <= 0)
		return below < 0 ? below : -EPROTO;
	return layer_move(h->box, "tree/layers", "tree/top", layer[below - 1]);
}

/* Layers that were never adopted: who makes one holds a lock on it. */
static void sweep_made(int box)
{
	int fd = openat(box, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), made;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!history_made_name(e->d_name))
			continue;
		made = openat(box, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (made >= 0 && !flock(made, LOCK_EX | LOCK_NB))
			store_delete_tree(box, e->d_name);
		if (made >= 0)
			close(made);
	}
	if (d)
		closedir(d);
}

static int open_all(int store, const char *name, struct history *h)
{
	static const char *const dirs[] = { "tree/top", "tree/layers", "undone", "kept", "trash", "snapshots" };
	int err = store_open_box(store, name), n;
	struct stat st;

	h->box = err;
	if (err < 0)
		return err;
	h->tree = openat(h->box, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (h->tree < 0)
		return -errno;
	err = 0;
	for (unsigned i = 0; i < 6 && !err; i++)
		err = layers_dir(h->box, dirs[i], 0700);
	if (!err)
		err = layers_settle(h->box);
	if (!err)
		err = settle_tops(h);
	if (!err)
		sweep_made(h->box);
	h->image = !fstatat(h->box, "base", &st, AT_SYMLINK_NOFOLLOW);
	n = err ? err : history_chain(h->tree, h->number);
	if (n < 0)
		return n;
	h->n = (unsigned)n;
	h->next = layers_highest(h->box) + 1;
	err = journal_open(h);
	if (!err)
		history_trim(h, HISTORY_JOIN_LATEST);
	return err;
}

int history_open(int store, const char *name, struct history *h, char *why)
{
	int err;

	*h = (struct history){ .box = -1, .tree = -1, .journal = -1 };
	err = open_all(store, name, h);
	if (err < 0) {
		snprintf(why, STORE_WHY, "cannot open the layers of sandbox %s: %s", name,
			 err == -EPROTO ? "its directory is damaged (gsh doctor --repair)" : strerror(-err));
		history_close(h);
		return err;
	}
	return 0;
}

void history_close(struct history *h)
{
	int *fds[] = { &h->box, &h->tree, &h->journal };

	for (unsigned i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- ops ---- */

/* What was undone can be put back no longer, once something else was done. A snapshot keeps its own. */
static int forget_undone(struct history *h)
{
	uint32_t list[1024], keep[1024], drop[1024];
	unsigned nkeep = 0, ndrop = 0;
	int n = layers_list(h->box, "undone", list, 1024), err = 0;

	for (int i = 0; i < n; i++) {
		if (snapshot_needs(h->box, list[i]))
			keep[nkeep++] = list[i];
		else
			drop[ndrop++] = list[i];
	}
	if (nkeep)
		err = layers_change(h, "keep", keep, nkeep, TOUCH_NOTHING);
	if (!err && ndrop)
		err = layers_change(h, "drop", drop, ndrop, TOUCH_NOTHING);
	return err;
}

int history_forget_kept(struct history *h)
{
	uint32_t list[1024], drop[1024];
	int n = layers_list(h->box, "kept", list, 1024);
	unsigned ndrop = 0;

	for (int i = 0; i < n; i++)
		if (!snapshot_needs(h->box, list[i]))
			drop[ndrop++] = list[i];
	return n < 0 ? n : ndrop ? layers_change(h, "forget", drop, ndrop, TOUCH_NOTHING) : 0;
}

/* On a disk that is all but full, removing files of this op must give room: they are not to be in a sealed layer. */
static bool short_of_room(const struct history *h)
{
	struct statvfs v;

	return !fstatvfs(h->tree, &v) && (uint64_t)v.f_bavail * v.f_frsize < HISTORY_ROOM_LEAST;
}

int history_begin(struct history *h, struct json_object *argv, const char *cwd, int64_t *op)
{
	int err = history_settle(h);

	if (!err && !history_top_empty(h)) {
		err = forget_undone(h);
		if (!err && !h->frozen && !short_of_room(h))
			err = push(h);
		if (err == -E2BIG || err == -EBUSY) /* it shares the layer of the one before */
			err = 0;
	}
	if (!err)
		err = journal_begin(h, h->last_op + 1, h->number[h->n - 1], argv, cwd, now_ms());
	if (!err)
		*op = ++h->last_op;
	return err;
}

void history_end(struct history *h, int64_t op, int status, int64_t ms, struct json_object *argv)
{
	journal_end(h, op, status, ms, argv); /* a full disk: the op is shown as one without an end */
}

/* *done: of how many ops with changes. */
static unsigned choose_undone(const struct history *h, unsigned first, unsigned count, uint32_t *take, unsigned *done)
{
	unsigned n = 0, most = 0, ops = 0;

	/* The lowest layer stays: what was there before the first op is nobody's to undo. Empty layers go along. */
	for (unsigned i = first; i > 0 && ops < count; i--) {
		bool op = !layer_empty(h, h->number[i - 1]);

		if (op && !journal_has_layer(h, h->number[i - 1]))
			break;
		take[most++] = h->number[i - 1];
		ops += op;
		if (op)
			n = most;
	}
	*done = ops;
	return n;
}

unsigned history_undoes(const struct history *h, unsigned count, uint32_t take[GRANT_LAYERS_MAX])
{
	unsigned ops;

	return choose_undone(h, h->n - history_top_empty(h), count, take, &ops);
}

int history_undo(struct history *h, unsigned count, unsigned *done)
{
	uint32_t take[GRANT_LAYERS_MAX];
	unsigned n, first, ops;
	int err;

	*done = 0;
	if (h->frozen)
		return -EBUSY;
	err = history_settle(h);
	if (err)
		return err;
	first = h->n - history_top_empty(h);
	n = choose_undone(h, first, count, take, &ops);
	if (!n)
		return 0;
	err = first == h->n ? make_top(h, h->next) : 0;
	if (err)
		return err;
	if (first == h->n)
		h->number[h->n++] = h->next++;
	err = layers_change(h, "undo", take, n, TOUCH_TAKES);
	if (err)
		return err;
	/* Where layers lie says that they were undone; the note is for people. */
	(void)journal_note(h, "undo", take, n);
	*done = ops;
	return 0;
}

int history_redo(struct history *h, unsigned count, unsigned *done)
{
	uint32_t list[1024];
	int err = history_settle(h), n = err ? err : layers_list(h->box, "undone", list, 1024), all;
	unsigned ops = 0;

	*done = 0;
	if (n <= 0)
		return n;
	if (h->frozen || !history_top_empty(h))
		return -EBUSY;
	for (all = n, n = 0; n < all && ops < count; n++)
		ops += !layer_empty(h, list[n]);
	if (h->n + (unsigned)n > HISTORY_LAYERS_MAX)
		return -E2BIG;
	err = layers_change(h, "redo", list, (unsigned)n, TOUCH_ADDS);
	if (err)
		return err;
	(void)journal_note(h, "redo", list, (unsigned)n);
	*done = ops;
	return 0;
}

bool history_made_name(const char *name)
{
	return !strncmp(name, MADE, sizeof(MADE) - 1) && strlen(name) < 64 &&
	       !name[sizeof(MADE) - 1 + strspn(name + sizeof(MADE) - 1, "0123456789abcdef")];
}

/* A layer that somebody made in the sandbox's directory gets its place by one rename, between the top, which is sealed,
 * and a fresh one. */
static int insert(struct history *h, const char *made, uint32_t number)
{
	uint32_t old = h->number[h->n - 1];
	char path[32];
	int err, pens;

	if (h->n + 2 > HISTORY_LAYERS_MAX)
		return -E2BIG;
	pens = pens_wait(h->box);
	err = pens < 0 ? pens : make_top(h, number + 1);
	if (err) {
		if (pens >= 0)
			close(pens);
		return err;
	}
	h->next = number + 2;
	snprintf(path, sizeof(path), "tree/layers/%04u", number);
	if (renameat2(h->box, made, h->box, path, RENAME_NOREPLACE))
		err = -errno;
	if (!err)
		err = layers_sync(h->box, "tree/layers");
	/* It is told that it failed: then it is not there either. */
	if (err)
		(void)!renameat2(h->box, path, h->box, made, RENAME_NOREPLACE);
	history_reread(h);
	history_tell(h, false);
	/* As with push(). Ops may have the empty one: it stays. */
	(void)!layer_move(h->box, "tree/top", "tree/layers", old);
	history_reread(h);
	close(pens);
	return err;
}

int history_adopt(struct history *h, const char *made, struct json_object *argv, const char *cwd, int64_t *op)
{
	int64_t begun = now_ms();
	struct stat st;
	int err = 0;

	if (!history_made_name(made) || fstatat(h->box, made, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
		return -ENOENT;
	if (h->frozen)
		return -EBUSY;
	err = history_settle(h);
	if (!err)
		err = forget_undone(h);
	if (!err && !history_top_empty(h))
		err = push(h);
	if (!err)
		err = journal_begin(h, h->last_op + 1, h->next, argv, cwd, begun);
	if (!err) {
		*op = ++h->last_op;
		err = insert(h, made, h->next);
		history_end(h, *op, err ? 256 : 0, now_ms() - begun, NULL);
	}
	return err;
}

int history_seal(struct history *h)
{
	int err = history_settle(h);

	if (err || history_top_empty(h))
		return err;
	if (h->frozen)
		return -EBUSY;
	return push(h);
}

static int write_snapshot(struct history *h, int dir, const char *name)
{
	struct json_object *o, *list;
	int err = history_settle(h);
	struct stat st;

	if (err)
		return err;
	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -EEXIST;
	if (!history_top_empty(h)) {
		if (h->frozen)
			return -EBUSY;
		err = forget_undone(h);
		if (!err)
			err = push(h);
	}
	if (err)
		return err;
	o = json_object_new_object();
	list = json_object_new_array();
	for (unsigned i = 0; i + 1 < h->n; i++)
		json_object_array_add(list, json_object_new_int64(h->number[i]));
	json_put_str(o, "schema", "gsh.snapshot/1");
	json_object_object_add(o, "layers", list);
	json_put_int(o, "op", h->last_op);
	json_put_int(o, "when", now_ms());
	err = store_write_text(dir, name, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	if (!err && fsync(dir)) {
		err = -errno;
		unlinkat(dir, name, 0);
	}
	return err;
}

int history_snapshot(struct history *h, const char *name)
{
	int dir = openat(h->box, "snapshots", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err;

	if (dir < 0)
		return -errno;
	err = write_snapshot(h, dir, name);
	close(dir);
	return err;
}

int history_sweep(int store, const char *name)
{
	int box = store_open_box(store, name), err;

	if (box < 0)
		return box;
	err = store_empty(box, "trash");
	close(box);
	return err == -ENOENT ? 0 : err;
}
