/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where layers lie, and changes of several of them that a crash may interrupt: see history.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/store/history_impl.h"
#include "gshd/wire/json.h"

#define PENDING_MAX 16384

/* ---- numbers in directories ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t layer_number(const char *name)
{
	size_t n = strlen(name);
	char plain[16];
	unsigned long v;

	if (n < 4 || n > 9 || name[strspn(name, "0123456789")])
		return 0;
	v = strtoul(name, NULL, 10);
	snprintf(plain, sizeof(plain), "%04lu", v);
	return strcmp(plain, name) ? 0 : (uint32_t)v;
}

/* Sorted numbers of the layers in a directory: their count, or -errno. Beyond max: -E2BIG. */
int layers_list(int at, const char *dir, uint32_t *number, int max)
{
	int fd = openat(at, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d)) && n >= 0) {
		uint32_t v = layer_number(e->d_name);
		if (v && n == max)
			n = -E2BIG;
		else if (v)
			number[n++] = v;
	}
	closedir(d);
	if (n > 0)
		qsort(number, (size_t)n, sizeof(*number), by_number);
	return n;
}

uint32_t layers_highest(int box)
{
	static const char *const places[] = { "tree/top", "tree/layers", "undone", "kept", "trash" };
	uint32_t list[1024], most = 0;

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int n = layers_list(box, places[i], list, 1024);

		if (n > 0 && list[n - 1] > most)
			most = list[n - 1];
	}
	return most;
}

int history_chain(int tree, uint32_t number[GRANT_LAYERS_MAX])
{
	uint32_t top[GRANT_LAYERS_MAX];
	/* The top first: what is sealed in between is then seen twice, not missed. */
	int tops = layers_list(tree, "top", top, GRANT_LAYERS_MAX - 1);
	int n = tops < 0 ? tops : layers_list(tree, "layers", number, GRANT_LAYERS_MAX - 1), out = 0;

	if (n < 0)
		return n;
	if (n + tops >= GRANT_LAYERS_MAX)
		return -E2BIG;
	for (int i = 0; i < tops; i++)
		number[n++] = top[i];
	if (n)
		qsort(number, (size_t)n, sizeof(*number), by_number);
	for (int i = 0; i < n; i++)
		if (!out || number[out - 1] != number[i])
			number[out++] = number[i];
	return out ? out : -EPROTO;
}

int history_find(int box, uint32_t number, char path[32])
{
	static const char *const places[] = { "tree/layers", "tree/top", "undone", "kept" };
	struct stat st;

	/* Twice: it may move from the second to the first while we look. */
	for (unsigned i = 0; i < 8; i++) {
		snprintf(path, 32, "%s/%04u", places[i % 4], number);
		if (!fstatat(box, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode))
			return 0;
	}
	return -ENOENT;
}

bool layers_dir_empty(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool empty = fd < 0 && errno == ENOENT;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return empty;
	}
	empty = true;
	errno = 0;
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	empty &= !errno;
	closedir(d);
	return empty;
}

/* ---- changes of several layers ---- */

int layers_sync(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int layers_dir(int at, const char *name, mode_t mode)
{
	return mkdirat(at, name, mode) && errno != EEXIST ? -errno : 0;
}

int layers_aside(int box, const char *path, bool stays)
{
	const char *last = strrchr(path, '/');
	int err = layers_dir(box, LAYERS_ASIDE, 0700);
	char to[300];

	last = last ? last + 1 : path;
	for (unsigned i = 0; !err && i < 1000; i++) {
		snprintf(to, sizeof(to), i ? LAYERS_ASIDE "/%.250s.%u" : LAYERS_ASIDE "/%.250s", last, i);
		if (stays && !linkat(box, path, box, to, 0))
			return 0;
		/* Where there are no hard links there is a moment without it; a crash then leaves it aside. */
		if ((!stays || errno != EEXIST) && !renameat2(box, path, box, to, RENAME_NOREPLACE))
			return 0;
		if (errno != EEXIST)
			err = -errno;
	}
	return err ? err : -EEXIST;
}

/* A layer that is not there any more was moved before. */
int layer_move(int box, const char *from, const char *to, uint32_t number)
{
	char a[48], b[48];

	snprintf(a, sizeof(a), "%s/%04u", from, number);
	snprintf(b, sizeof(b), "%s/%04u", to, number);
	return renameat2(box, a, box, b, RENAME_NOREPLACE) && errno != ENOENT ? -errno : 0;
}

/* The top is not known apart from the others: either place. */
static int take_layer(int box, const char *to, uint32_t number)
{
	int err = layer_move(box, "tree/top", to, number);

	return err ? err : layer_move(box, "tree/layers", to, number);
}

/* Which layers come from where and go where, by what `pending` says. An undo takes them from the top, too. */
static const struct change {
	const char *what, *from, *to;
} changes[] = {
	{ "undo", "tree/layers", "undone" }, { "redo", "undone", "tree/layers" }, { "drop", "undone", "trash" },
	{ "keep", "undone", "kept" },	     { "forget", "kept", "trash" },
};

static const struct change *find_change(const char *what)
{
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (!strcmp(changes[i].what, what))
			return &changes[i];
	return NULL;
}

/* The last of these holds what the others do, which go. */
static int carry_out_join(int box, const uint32_t *number, unsigned n)
{
	int err = n ? 0 : -EPROTO;

	for (unsigned i = 0; i + 1 < n && !err; i++)
		err = layer_move(box, "tree/layers", "trash", number[i]);
	return err;
}

/* Do what `pending` says, however much of it is done. */
static int carry_out(int box, struct json_object *o)
{
	struct json_object *layers = json_get(o, "layers", json_type_array);
	const char *what = json_str(o, "do", "");
	const struct change *c = find_change(what);
	uint32_t all[GRANT_LAYERS_MAX];
	unsigned count = 0;
	int err = 0;

	for (size_t i = 0; layers && i < json_object_array_length(layers) && count < GRANT_LAYERS_MAX; i++)
		all[count++] = (uint32_t)json_object_get_int64(json_object_array_get_idx(layers, i));
	if (!strcmp(what, "joined"))
		return carry_out_join(box, all, count);
	if (!c && layers && json_object_array_length(layers))
		return -EPROTO;
	for (size_t i = 0; layers && i < json_object_array_length(layers) && !err; i++) {
		uint32_t n = (uint32_t)json_object_get_int64(json_object_array_get_idx(layers, i));

		if (!strcmp(what, "undo"))
			err = take_layer(box, c->to, n);
		else
			err = layer_move(box, c->from, c->to, n);
	}
	return err;
}

/* Whoever asked for a change that failed is told so: it is taken back, the last of it first. What was taken from the
 * top goes below it, where there is a newer one. Layers that were joined are left as they are: they only hold what
 * the one that stays does. */
static int take_back(int box, const char *what, const uint32_t *number, unsigned n)
{
	const struct change *c = find_change(what);
	int err = c ? 0 : -EOPNOTSUPP;

	while (!err && n--)
		err = layer_move(box, c->to, c->from, number[n]);
	return err;
}

static int settle_pending(int box)
{
	static const char *const dirs[] = { "tree/top", "tree/layers", "undone", "kept" };
	int err = 0;

	for (unsigned i = 0; i < 4 && !err; i++)
		err = layers_sync(box, dirs[i]);
	if (!err && unlinkat(box, "pending", 0) && errno != ENOENT)
		err = -errno;
	return err;
}

int layers_settle(int box)
{
	char text[PENDING_MAX];
	struct json_object *o;
	int err = store_read_text(box, "pending", text, sizeof(text));

	if (err)
		return err == -ENOENT ? 0 : err;
	o = json_tokener_parse(text);
	err = o ? carry_out(box, o) : -EPROTO;
	json_object_put(o);
	return err ? err : settle_pending(box);
}

/* What a change that failed could not take back is carried through before anything else is done to the chain. */
int history_settle(struct history *h)
{
	int err = h->unsettled ? layers_settle(h->box) : 0;

	if (err || !h->unsettled)
		return err;
	h->unsettled = false;
	history_reread(h);
	history_tell(h, false);
	return 0;
}

void history_tell(struct history *h, bool pushed)
{
	if (h->publish)
		h->publish(h, pushed);
}

/* Whatever became of a change: the chain is what directories hold. */
void history_reread(struct history *h)
{
	uint32_t number[GRANT_LAYERS_MAX];
	int n = history_chain(h->tree, number);

	if (n <= 0)
		return;
	h->n = (unsigned)n;
	memcpy(h->number, number, sizeof(number));
}

/* The chain without these. */
static void leave_out(struct history *h, const uint32_t *number, unsigned n)
{
	unsigned out = 0;

	for (unsigned i = 0; i < h->n; i++) {
		bool stays = true;
		for (unsigned k = 0; k < n; k++)
			stays &= number[k] != h->number[i];
		if (stays)
			h->number[out++] = h->number[i];
	}
	h->n = out;
}

/* Begin a change, do it, end it. The list is in the order of doing. */
int layers_change(struct history *h, const char *what, const uint32_t *number, unsigned n, enum touch touch)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	int err = history_settle(h), pens;

	for (unsigned i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_int64(number[i]));
	json_put_str(o, "do", what);
	json_object_object_add(o, "layers", list);
	pens = err ? err : pens_wait(h->box);
	err = pens < 0 ? pens : 0;
	if (!err)
		err = store_write_text(h->box, "pending",
				       json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	if (!err) {
		err = layers_sync(h->box, ".");
		if (!err && (touch == TOUCH_TAKES || touch == TOUCH_JOINS)) {
			leave_out(h, number, n - (touch == TOUCH_JOINS));
			history_tell(h, false);
		}
		if (!err)
			err = carry_out(h->box, o);
		if (!err)
			err = settle_pending(h->box);
		if (err && (take_back(h->box, what, number, n) || settle_pending(h->box)))
			h->unsettled = true;
		history_reread(h);
		if (touch == TOUCH_ADDS || (touch && err))
			history_tell(h, false);
	}
	if (pens >= 0)
		close(pens);
	json_object_put(o);
	return err;
}

int history_change(struct history *h, const char *what, const uint32_t *number, unsigned n)
{
	return layers_change(h, what, number, n, TOUCH_NOTHING);
}
