// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Paths as the sandbox would follow them: symbolic links lead from its root on, never out of it;
 * and patterns of names.
 *
 * Every step is one of tree.c's, and a link is a text that is read and then walked like any other,
 * so a link that is swapped meanwhile leads to another place inside, at worst.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/tree/tree.h"

#define LINKS_MAX 40 /* as Linux: MAXSYMLINKS */

/* A way that is being gone: where it has come to, and what is left of it. */
struct way {
	char at[TREE_PATH_ROOM];   /* "" or "/a/b" */
	char todo[TREE_PATH_ROOM]; /* "c/d" */
	unsigned links;
};

static int push(char *path, const char *name, size_t len)
{
	size_t n = strlen(path);

	if (n + len + 2 > TREE_PATH_ROOM)
		return -ENAMETOOLONG;
	path[n] = '/';
	memcpy(path + n + 1, name, len);
	path[n + 1 + len] = '\0';
	return 0;
}

static void pop(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

/* The link's target ahead of what is left. */
static int turn(struct way *w, const struct spot *link)
{
	char target[PATH_MAX];
	size_t left = strlen(w->todo);
	ssize_t n = spot_readlink(link, target, sizeof(target));

	if (n <= 0)
		return -ENOENT;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if ((size_t)n + left + 2 > sizeof(w->todo))
		return -ENAMETOOLONG;
	memmove(w->todo + n + 1, w->todo, left + 1);
	memcpy(w->todo, target, (size_t)n);
	w->todo[n] = '/';
	if (target[0] == '/')
		w->at[0] = '\0';
	return 0;
}

/* The spot of w->at: behind a link, nothing that is hidden inside. */
static int come(const struct tree *tree, const struct way *w, struct spot *out)
{
	return w->links ? spot_find_led(tree, w->at, out) : spot_find(tree, w->at, out);
}

/* One name of what is left. The spot of w->at is in *out after it. */
static int advance(const struct tree *tree, struct way *w, bool follow, struct spot *out)
{
	size_t skip = strspn(w->todo, "/"), len = strcspn(w->todo + skip, "/");
	char name[NAME_MAX + 1];
	bool last;
	int err;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->todo + skip, len);
	name[len] = '\0';
	memmove(w->todo, w->todo + skip + len, strlen(w->todo + skip + len) + 1);
	last = !w->todo[strspn(w->todo, "/")];
	if (!len || !strcmp(name, "."))
		return 0;
	if (!S_ISDIR(out->st.st_mode))
		return -ENOTDIR;
	spot_put(out);
	if (!strcmp(name, "..")) {
		pop(w->at);
		return come(tree, w, out);
	}
	err = push(w->at, name, len);
	if (!err)
		err = come(tree, w, out);
	/* A slash behind the last name asks for what the link leads to, too. */
	if (!err && S_ISLNK(out->st.st_mode) && (!last || follow || w->todo[0])) {
		err = turn(w, out);
		spot_put(out);
		pop(w->at);
		if (!err)
			err = come(tree, w, out);
	}
	return err;
}

int spot_resolve(const struct tree *tree, const char *path, bool follow, struct spot *out,
		 char *real)
{
	struct way *w = calloc(1, sizeof(*w));
	int err;

	out->n = 0;
	if (!w)
		return -ENOMEM;
	err = strlen(path) < sizeof(w->todo) ? 0 : -ENAMETOOLONG;
	if (!err) {
		strcpy(w->todo, path);
		err = spot_find(tree, "", out);
	}
	while (!err && w->todo[0])
		err = advance(tree, w, follow, out);
	if (err)
		spot_put(out);
	if (!err && real)
		strcpy(real, w->at[0] ? w->at : "/");
	free(w);
	return err;
}

/* ---- patterns ---- */

struct found {
	char **paths;
	size_t n, room;
};

static int add(struct found *f, const char *path)
{
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 16;
		char **more = realloc(f->paths, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		f->paths = more;
		f->room = room;
	}
	f->paths[f->n] = strdup(path);
	return f->paths[f->n] ? (f->n++, 0) : -ENOMEM;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_pattern(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

static int match(const struct tree *tree, const char *dir, const char *pattern, struct found *f);

/* Names of dir that fit. rest: what comes behind them. */
static int match_names(const struct tree *tree, const char *dir, const char *pattern,
		       const char *rest, struct found *f)
{
	cleanup_spot struct spot s = { .n = 0 };
	struct union_list list = { 0 };
	char *path = malloc(TREE_PATH_ROOM);
	int err = path ? spot_resolve(tree, dir, true, &s, NULL) : -ENOMEM;

	for (unsigned i = 0; !err && S_ISDIR(s.st.st_mode) && i < s.n; i++)
		err = spot_list(&s, i, &list);
	for (uint32_t i = 0; !err && i < list.count; i++) {
		const char *name = union_list_text(&list, &list.names[i]);

		if (list.names[i].hidden || fnmatch(pattern, name, FNM_PERIOD))
			continue;
		if (snprintf(path, TREE_PATH_ROOM, "%s/%s", dir, name) < TREE_PATH_ROOM)
			err = match(tree, path, rest, f);
	}
	union_list_free(&list);
	free(path);
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ? 0 : err;
}

/* dir is plain, "" or without a slash at its end; what follows it may be a pattern. */
static int match(const struct tree *tree, const char *dir, const char *pattern, struct found *f)
{
	size_t skip = strspn(pattern, "/"), len = strcspn(pattern + skip, "/");
	char name[NAME_MAX + 1], *path;
	cleanup_spot struct spot s = { .n = 0 };
	int err;

	if (!len)
		return spot_resolve(tree, dir, false, &s, NULL) ? 0 : add(f, *dir ? dir : "/");
	if (len > NAME_MAX)
		return 0;
	memcpy(name, pattern + skip, len);
	name[len] = '\0';
	if (has_pattern(name))
		return match_names(tree, dir, name, pattern + skip + len, f);
	path = malloc(TREE_PATH_ROOM);
	err = path ? 0 : -ENOMEM;
	if (path && snprintf(path, TREE_PATH_ROOM, "%s/%s", dir, name) < TREE_PATH_ROOM)
		err = match(tree, path, pattern + skip + len, f);
	free(path);
	return err;
}

int tree_glob(const struct tree *tree, const char *pattern, char ***paths, size_t *n)
{
	struct found f = { 0 };
	int err = match(tree, "", pattern, &f);

	if (!err && !f.n)
		err = -ENOENT;
	if (err) {
		tree_glob_free(f.paths, f.n);
		return err;
	}
	qsort(f.paths, f.n, sizeof(*f.paths), by_text);
	*paths = f.paths;
	*n = f.n;
	return 0;
}

void tree_glob_free(char **paths, size_t n)
{
	while (n)
		free(paths[--n]);
	free(paths);
}
