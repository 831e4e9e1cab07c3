// SPDX-License-Identifier: LGPL-3.0-or-later
/* See touched.h. */
#include "gshd/tree/touched.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEXT_MAX ((off_t)256 << 20)

bool touched_before(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* ---- what is written down ---- */

void touched_write(FILE *f, const char *path, const struct statx_timestamp *when)
{
	fprintf(f, "%lld.%09u %s%c", (long long)when->tv_sec, (unsigned)when->tv_nsec, path, '\0');
}

static int add(struct touched *t, uint32_t layer, char *line)
{
	struct touched_at at = { .layer = layer };
	struct touched_at *more;
	char *end;

	at.when.tv_sec = strtoll(line, &end, 10);
	if (end == line || *end != '.')
		return -EPROTO;
	at.when.tv_nsec = (uint32_t)strtoul(end + 1, &end, 10);
	if (*end != ' ' || end[1] != '/')
		return -EPROTO;
	at.path = end + 1;
	/* Powers of two, so that adding stays cheap. */
	if (!(t->n & (t->n - 1))) {
		more = realloc(t->at, (t->n ? 2 * t->n : 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		t->at = more;
	}
	t->at[t->n++] = at;
	return 0;
}

static int read_all(int box, uint32_t layer, char **text, size_t *size)
{
	char path[32];
	struct stat st;
	ssize_t n = -1;
	int fd, err = 0;

	snprintf(path, sizeof(path), "touched/%04u", layer);
	fd = openat(box, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	*size = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) || st.st_size > TEXT_MAX)
		err = -EFBIG;
	*text = err ? NULL : malloc((size_t)st.st_size + 1);
	if (*text)
		n = pread(fd, *text, (size_t)st.st_size, 0);
	if (!err && n != st.st_size)
		err = *text ? -EIO : -ENOMEM;
	close(fd);
	if (err) {
		free(*text);
		*text = NULL;
		return err;
	}
	(*text)[n] = '\0';
	*size = (size_t)n;
	return 0;
}

int touched_load(struct touched *t, int box, uint32_t layer)
{
	char *text = NULL;
	size_t size, next;
	int err = t->ntext < TREE_LAYERS_MAX ? read_all(box, layer, &text, &size) : -E2BIG;

	if (err || !text)
		return err;
	t->text[t->ntext++] = text;
	for (size_t i = 0; i < size && !err; i = next) {
		next = i + strlen(text + i) + 1;
		err = add(t, layer, text + i);
	}
	return err;
}

static int by_place(const void *x, const void *y)
{
	const struct touched_at *a = x, *b = y;
	int r = a->layer < b->layer ? -1 : a->layer > b->layer;

	r = r ? r : strcmp(a->path, b->path);
	return r ? r : touched_before(&a->when, &b->when) ? -1 : touched_before(&b->when, &a->when);
}

static int by_path(const void *x, const void *y)
{
	const struct touched_at *a = x, *b = y;

	return a->layer != b->layer ? (a->layer < b->layer ? -1 : 1) : strcmp(a->path, b->path);
}

/* Of a path that is there more than once, the earliest stays. */
void touched_sort(struct touched *t)
{
	size_t out = 0;

	if (!t->n)
		return;
	qsort(t->at, t->n, sizeof(*t->at), by_place);
	for (size_t i = 1; i < t->n; i++)
		if (by_path(&t->at[out], &t->at[i]))
			t->at[++out] = t->at[i];
	t->n = out + 1;
}

void touched_free(struct touched *t)
{
	while (t->ntext)
		free(t->text[--t->ntext]);
	free(t->at);
	*t = (struct touched){ .at = NULL };
}

/* ---- what the host says ---- */

bool touched_object(const struct touched *t, uint32_t layer, const char *path, const struct statx *x,
		    struct statx_timestamp *when)
{
	const struct touched_at key = { .layer = layer, .path = path }, *at;
	bool known = true;

	/* The birth is the first touch: of a whiteout, too, which may have other names, that come and go
	 * (libos/fs/union_whiteout.c), and be joined. */
	if (x->stx_mask & STATX_BTIME)
		*when = x->stx_btime;
	else
		known = false;
	at = t->n ? bsearch(&key, t->at, t->n, sizeof(key), by_path) : NULL;
	if (at && (!known || touched_before(&at->when, when)))
		*when = at->when;
	return known || at;
}

/* Does this directory of a layer hide what lies below it? */
static bool hides(int dir)
{
	char v[2];

	return fgetxattr(dir, UNION_OPAQUE, v, sizeof(v)) > 0 || fgetxattr(dir, UNION_REDIRECT, NULL, 0) > 0;
}

/* When was the object made by which this layer decides what is at path: its own, be it a whiteout, or that of a folder
 * above it that hides all below. False: the layer does not decide, or it is not known. */
static bool made_in(const struct touched *t, int layer, uint32_t number, const char *path,
		    struct statx_timestamp *when)
{
	int dir = fcntl(layer, F_DUPFD_CLOEXEC, 3);
	char *so_far = strdup(path), *p = so_far;
	bool found = false, known = true;

	if (!so_far) {
		if (dir >= 0)
			close(dir);
		return false;
	}
	while (dir >= 0 && *p) {
		char *name = p + strspn(p, "/"), *end = name + strcspn(name, "/"), cut = *end;
		struct statx x;
		int next;

		if (name == end)
			break;
		*end = '\0';
		if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x)) {
			found = hides(dir);
			break;
		}
		found = !S_ISDIR(x.stx_mode) || !cut;
		known = touched_object(t, number, so_far, &x, when);
		next = S_ISDIR(x.stx_mode)
			       ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			       : -1;
		*end = cut;
		p = end;
		close(dir);
		dir = next;
	}
	if (dir >= 0)
		close(dir);
	free(so_far);
	return found && known;
}

bool touched_first(const struct touched *t, const struct tree *now, const char *path, struct statx_timestamp *when)
{
	bool found = false;

	for (unsigned i = 1; i < now->n; i++) {
		struct statx_timestamp made;

		if (!made_in(t, now->fd[i], now->number[i], path, &made))
			continue;
		if (!found || touched_before(&made, when))
			*when = made;
		found = true;
	}
	return found;
}
