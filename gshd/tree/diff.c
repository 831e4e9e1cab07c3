// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The objects in which two trees differ.
 *
 * Two versions of a sandbox, or two sandboxes, have most of their layers in common. A directory
 * that is made up of the same directories in both is the same and not looked into; of one that is
 * not, only names in directories that are not common can differ, for a name that only the common
 * ones have means the same in both. So the price is that of what was changed, not of the base.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/tree/tree.h"

#define DEPTH_MAX 512
#define CHUNK 65536

struct walk {
	const struct diff_scope *scope;
	const struct diff_calls *calls;
	unsigned depth;
	size_t len;
	char path[TREE_PATH_ROOM];
};

/* ---- are two objects the same? ---- */

static bool same_object(const struct spot *a, const struct spot *b)
{
	return a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

static off_t next_data(int fd, off_t at, off_t size)
{
	off_t next = lseek(fd, at, SEEK_DATA);

	if (next >= 0)
		return next;
	return errno == ENXIO ? size : at;
}

/* Holes in both are passed over. */
static bool same_bytes(int a, int b, off_t size)
{
	char *x = malloc(2 * CHUNK);
	off_t at = 0;
	bool same = x != NULL;

	while (same && at < size) {
		off_t to_a = next_data(a, at, size), to_b = next_data(b, at, size);
		ssize_t n;

		at = to_a < to_b ? to_a : to_b;
		if (at >= size)
			break;
		n = pread(a, x, CHUNK, at);
		same = n > 0 && pread(b, x + CHUNK, (size_t)n, at) == n &&
		       !memcmp(x, x + CHUNK, (size_t)n);
		at += n;
	}
	free(x);
	return same;
}

static bool same_file(const struct spot *a, const struct spot *b)
{
	int x, y;
	bool same;

	if (a->st.st_size != b->st.st_size)
		return false;
	x = spot_open(a, O_RDONLY);
	y = spot_open(b, O_RDONLY);
	same = x >= 0 && y >= 0 && same_bytes(x, y, a->st.st_size);
	if (x >= 0)
		close(x);
	if (y >= 0)
		close(y);
	return same;
}

static bool same_link(const struct spot *a, const struct spot *b)
{
	char x[PATH_MAX], y[PATH_MAX];
	ssize_t n = spot_readlink(a, x, sizeof(x));

	return n >= 0 && spot_readlink(b, y, sizeof(y)) == n && !memcmp(x, y, (size_t)n);
}

static bool same_value(const struct spot *a, const struct spot *b, const char *name)
{
	char *x = malloc(2 * CHUNK);
	ssize_t n = x ? spot_xattr(a, name, x, CHUNK) : -ENOMEM;
	bool same = n >= 0 && spot_xattr(b, name, x + CHUNK, CHUNK) == n &&
		    !memcmp(x, x + CHUNK, (size_t)n);

	free(x);
	return same;
}

static bool same_xattrs(const struct spot *a, const struct spot *b)
{
	char *x = NULL, *y = NULL;
	ssize_t n = spot_xattrs(a, &x), m = spot_xattrs(b, &y);
	bool same = n == m && (n <= 0 || !memcmp(x, y, (size_t)n));

	for (char *p = x; same && n > 0 && p < x + n; p += strlen(p) + 1)
		same = same_value(a, b, p);
	free(x);
	free(y);
	return same;
}

/*
 * On rung A the kernel shows a sandbox every owner but its own as nobody, and the libOS says root
 * (union_attr.c): what was copied up then says root, too, which is no change of the owner.
 */
static bool same_owner(const struct spot *a, uint32_t was, uint32_t is)
{
	return was == is || (a->at[0].layer == 0 && is == 0 && was != geteuid());
}

static unsigned compare(const struct spot *a, const struct spot *b, struct diff_found *f)
{
	unsigned what = 0, type = f->was.mode & S_IFMT;

	if (type != (f->is.mode & S_IFMT))
		return DIFF_TYPE;
	/* The root's attributes are the base's unless it has its own: gshd made its directory. */
	if (same_object(a, b) || (b->root && !union_is_marked(b->st.st_mode)))
		return 0;
	if ((S_ISREG(type) && !same_file(a, b)) || (S_ISLNK(type) && !same_link(a, b)) ||
	    ((S_ISCHR(type) || S_ISBLK(type)) && f->was.rdev != f->is.rdev))
		what |= DIFF_DATA;
	if (!S_ISLNK(type) && (f->was.mode & 07777) != (f->is.mode & 07777))
		what |= DIFF_MODE;
	if (!same_owner(a, f->was.uid, f->is.uid) || !same_owner(a, f->was.gid, f->is.gid))
		what |= DIFF_OWNER;
	if (!S_ISLNK(type) && !same_xattrs(a, b))
		what |= DIFF_XATTRS;
	return what;
}

/* ---- the walk ---- */

enum where { OUTSIDE, ABOVE, INSIDE };

static enum where where_is(const struct walk *w)
{
	enum where best = w->scope && w->scope->n ? OUTSIDE : INSIDE;

	for (size_t i = 0; w->scope && i < w->scope->n && best != INSIDE; i++) {
		const char *p = w->scope->paths[i];
		size_t n = strlen(p);

		if (n == 1 || (!strncmp(w->path, p, n) && (!w->path[n] || w->path[n] == '/')))
			best = INSIDE;
		else if (!strncmp(w->path, p, w->len) && (p[w->len] == '/' || w->len == 1))
			best = ABOVE;
	}
	return best;
}

static void lost(const struct walk *w, int err)
{
	if (w->calls->lost)
		w->calls->lost(w->path, err, w->calls->arg);
}

/* How many directories, from the lowest, the two have in common. */
static unsigned common(const struct spot *a, const struct spot *b)
{
	unsigned n = 0;
	struct stat x, y;

	while (n < a->n && n < b->n && !fstat(a->at[a->n - 1 - n].fd, &x) &&
	       !fstat(b->at[b->n - 1 - n].fd, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino)
		n++;
	return n;
}

static int add_names(const struct walk *w, const struct spot *s, unsigned shared,
		     struct union_list *list)
{
	for (unsigned i = 0; s && i + shared < s->n; i++) {
		int err = spot_list(s, i, list);

		if (err == -ENOMEM)
			return err;
		if (err)
			lost(w, err);
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that may differ, sorted. *list keeps their text. */
static int names_of(const struct walk *w, const struct spot *a, const struct spot *b,
		    struct union_list *list, const char ***names)
{
	unsigned shared = a && b ? common(a, b) : 0;
	int err = add_names(w, a, shared, list);

	if (!err)
		err = add_names(w, b, shared, list);
	*names = err ? NULL : calloc(list->count + 1, sizeof(**names));
	if (!*names)
		return -ENOMEM;
	for (uint32_t i = 0; i < list->count; i++)
		(*names)[i] = union_list_text(list, &list->names[i]);
	qsort(*names, list->count, sizeof(**names), by_text);
	return 0;
}

static int walk_dirs(struct walk *w, const struct spot *a, const struct spot *b);

/* One name in both: a or b may be NULL. */
static int visit(struct walk *w, const struct spot *a, const struct spot *b, enum where where)
{
	struct diff_found f = { .path = w->path, .a = a, .b = b };
	bool down_a = a && S_ISDIR(a->st.st_mode), down_b = b && S_ISDIR(b->st.st_mode);
	int r = 0;

	if (a)
		spot_attr_inside(a, &f.was);
	if (b)
		spot_attr_inside(b, &f.is);
	if (where == INSIDE) {
		f.what = !a ? DIFF_ADDED : !b ? DIFF_DELETED : compare(a, b, &f);
		r = f.what ? w->calls->found(&f, w->calls->arg) : 0;
	}
	if (!r && (down_a || down_b))
		r = walk_dirs(w, down_a ? a : NULL, down_b ? b : NULL);
	return r;
}

/* 1: it cannot be looked at, which is told; that is no reason to take it for missing. */
static int step(const struct walk *w, const struct spot *dir, const char *name, struct spot *out)
{
	int err = dir ? spot_step(dir, name, out) : -ENOENT;

	if (err)
		out->n = 0;
	if (err && err != -ENOENT && err != -ENOMEM && err != -EMFILE && err != -ENFILE) {
		lost(w, err);
		return 1;
	}
	return err == -ENOENT ? 0 : err;
}

static int visit_name(struct walk *w, const struct spot *a, const struct spot *b, const char *name)
{
	cleanup_spot struct spot x = { .n = 0 }, y = { .n = 0 };
	size_t len = w->len;
	enum where where;
	int r = 0;

	if (len + strlen(name) + 2 >= sizeof(w->path)) {
		lost(w, -ENAMETOOLONG);
		return 0;
	}
	w->len += (size_t)snprintf(w->path + len, sizeof(w->path) - len, "%s%s", len > 1 ? "/" : "",
				   name);
	where = where_is(w);
	if (where != OUTSIDE) {
		r = step(w, a, name, &x);
		if (!r)
			r = step(w, b, name, &y);
		if (!r && (x.n || y.n))
			r = visit(w, x.n ? &x : NULL, y.n ? &y : NULL, where);
		else if (r > 0)
			r = 0;
	}
	w->len = len;
	w->path[len] = '\0';
	return r;
}

static int walk_dirs(struct walk *w, const struct spot *a, const struct spot *b)
{
	struct union_list list = { 0 };
	const char **names;
	int r;

	if (a && b && a->n == b->n && common(a, b) == a->n)
		return 0;
	if (w->depth >= DEPTH_MAX) {
		lost(w, -ENAMETOOLONG);
		return 0;
	}
	w->depth++;
	r = names_of(w, a, b, &list, &names);
	for (uint32_t i = 0; i < list.count && !r; i++)
		r = visit_name(w, a, b, names[i]);
	free(names);
	union_list_free(&list);
	w->depth--;
	return r;
}

int tree_diff(const struct tree *a, const struct tree *b, const struct diff_scope *scope,
	      const struct diff_calls *calls)
{
	cleanup_spot struct spot x = { .n = 0 }, y = { .n = 0 };
	struct walk *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->scope = scope;
	w->calls = calls;
	w->path[0] = '/';
	w->len = 1;
	r = spot_find(a, "", &x);
	if (!r)
		r = spot_find(b, "", &y);
	if (!r) {
		x.root = y.root = true;
		r = visit(w, &x, &y, where_is(w));
	}
	free(w);
	return r;
}
