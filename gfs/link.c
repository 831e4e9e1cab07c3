// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Where symbolic links lead.
 *
 * The host's kernel follows the text that is shown, from the link's directory in the mount. An
 * absolute target would lead to the host's own tree, and so would enough "..". Both are rewritten
 * so that they mean, on the host, what they mean in the sandbox, where the root is its own parent:
 *
 *	/usr/lib/x in a/b	becomes ../../usr/lib/x
 *	../../../x in a/b	becomes ../../x
 *
 * A ".." behind a name can't be judged by the text, for the name may be a link itself: there the
 * path is resolved as the sandbox would, and shown as what it comes to. A target without ".." is
 * harmless, whatever links it meets on its way: they are shown by the same rules.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define LINKS_MAX 40 /* as Linux: MAXSYMLINKS */

/* A path that grows and shrinks by components: no leading slash, "" is the root. */
struct where {
	char path[TREE_PATH_MAX];
	size_t len;
};

static int where_push(struct where *w, const char *name, size_t len)
{
	if (w->len + len + 2 > sizeof(w->path))
		return -ENAMETOOLONG;
	if (w->len)
		w->path[w->len++] = '/';
	memcpy(w->path + w->len, name, len);
	w->len += len;
	w->path[w->len] = '\0';
	return 0;
}

static void where_pop(struct where *w)
{
	char *slash = strrchr(w->path, '/');

	w->len = slash ? (size_t)(slash - w->path) : 0;
	w->path[w->len] = '\0';
}

static void where_reset(struct where *w)
{
	w->len = 0;
	w->path[0] = '\0';
}

static bool is_dotdot(const char *p, size_t len)
{
	return len == 2 && p[0] == '.' && p[1] == '.';
}

static bool is_dot(const char *p, size_t len)
{
	return !len || (len == 1 && p[0] == '.');
}

/* Does a ".." stand behind a name? */
static bool goes_back(const char *target)
{
	bool named = false;

	while (*target) {
		size_t len = strcspn(target, "/");

		if (is_dotdot(target, len) && named)
			return true;
		named |= !is_dot(target, len) && !is_dotdot(target, len);
		target += len + (target[len] == '/');
	}
	return false;
}

static unsigned depth(const char *dir)
{
	unsigned n = *dir != '\0';

	for (; *dir; dir++)
		n += *dir == '/';
	return n;
}

/* "../" for each directory up, then the rest, or ".". */
static int put_relative(unsigned up, const char *rest, char *out, size_t size)
{
	size_t len;

	while (*rest == '/')
		rest++;
	len = strlen(rest);
	if (up * 3ull + len + 2 > size)
		return -ENAMETOOLONG;
	for (unsigned i = 0; i < up; i++, out += 3)
		memcpy(out, "../", 3);
	if (len)
		memcpy(out, rest, len + 1);
	else if (up)
		out[-1] = '\0';
	else
		memcpy(out, ".", 2);
	return 0;
}

/* The text of the link at w, or NULL if there is no link there. */
static char *link_text(const struct tree *tree, const struct where *w, char buf[PATH_MAX])
{
	struct spot s;
	ssize_t n = -1;

	if (spot_find(tree, w->path, &s))
		return NULL;
	if (S_ISLNK(s.st.st_mode))
		n = readlinkat(s.at[0].fd, "", buf, PATH_MAX - 1);
	spot_put(&s);
	if (n < 0)
		return NULL;
	buf[n] = '\0';
	return buf;
}

/* What is left to walk: text in front of what was left before. */
static int prepend(char *rest, size_t size, const char *text, const char *after)
{
	size_t n = strlen(text), m = strlen(after);

	if (n + m + 2 > size)
		return -ENAMETOOLONG;
	memmove(rest + n + 1, after, m + 1);
	memcpy(rest, text, n);
	rest[n] = '/';
	return 0;
}

/* Resolve target from w as the sandbox would; the last component is not followed. */
static int resolve(const struct tree *tree, struct where *w, const char *target)
{
	char buf[PATH_MAX], *rest = malloc(TREE_PATH_MAX), *p = rest;
	int links = 0, err = rest && strlen(target) < TREE_PATH_MAX ? 0 : -ENAMETOOLONG;

	if (!err)
		strcpy(rest, target);
	while (!err && *p) {
		size_t len;

		if (*p == '/' && p == rest)
			where_reset(w);
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (is_dotdot(p, len))
			where_pop(w);
		else if (!is_dot(p, len))
			err = where_push(w, p, len);
		if (!err && !is_dot(p, len) && !is_dotdot(p, len) && p[len] &&
		    link_text(tree, w, buf)) {
			where_pop(w);
			err = ++links > LINKS_MAX ? -ELOOP
						  : prepend(rest, TREE_PATH_MAX, buf, p + len);
			p = rest;
			continue;
		}
		p += len;
	}
	free(rest);
	return err;
}

int link_inside(const struct tree *tree, const char *dir, const char *target, char *out,
		size_t size)
{
	unsigned have = depth(dir), up = 0;
	struct where *w;
	int err;

	if (goes_back(target)) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -ENOMEM;
		err = *dir ? where_push(w, dir, strlen(dir)) : 0;
		if (!err)
			err = resolve(tree, w, target);
		if (!err)
			err = put_relative(have, w->path, out, size);
		free(w);
		return err;
	}
	if (*target == '/')
		return put_relative(have, target, out, size);
	/* Leading dots: as many as there are directories above. */
	for (;;) {
		size_t len = strcspn(target, "/");

		if (is_dotdot(target, len))
			up++;
		else if (!is_dot(target, len) || !*target)
			break;
		target += len + (target[len] == '/');
	}
	return put_relative(up < have ? up : have, target, out, size);
}
