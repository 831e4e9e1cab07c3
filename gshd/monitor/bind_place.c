/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From what a bind names to a place without links.
 *
 * A sandbox that may write a directory may put a link where something is, or will be, bound below it; the next start,
 * or the next gsh bind, would hand it whatever the link leads to. So a link that lies in what the sandbox has for
 * writing is not followed, and to what is hidden none is that is not root's: what is hidden is an exception that is
 * asked for by its name. The walk is our own, so that what was looked at is what is bound: the result is opened with no
 * link on the way (pal/confine).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/monitor/monitor.h"

#define LINKS_MAX 40

struct walk {
	char real[PATH_MAX], rest[2 * PATH_MAX];
	char *strange; /* PATH_MAX: the first link of somebody's who is not root; "" */
	char *planted; /* PATH_MAX: the first that lies in what the sandbox may write; "" */
	int links;
};

static bool in_writable(const struct monitor *m, const char *dir)
{
	for (unsigned i = 0; i < m->nbinds; i++)
		if (!m->binds[i].readonly && !m->binds[i].file &&
		    (!strcmp(dir, m->binds[i].from) || path_below(dir, m->binds[i].from)))
			return true;
	return false;
}

static int follow(const struct monitor *m, struct walk *w, const char *link, const struct stat *st)
{
	char target[PATH_MAX], rest[2 * PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0 || ++w->links > LINKS_MAX)
		return n <= 0 ? -ENOENT : -ELOOP;
	target[n] = '\0';
	if (!*w->strange && st->st_uid != 0)
		strcpy(w->strange, link);
	if (!*w->planted && in_writable(m, *w->real ? w->real : "/"))
		strcpy(w->planted, link);
	strcpy(rest, w->rest);
	if (snprintf(w->rest, sizeof(w->rest), "%s/%s", target, rest) >= (int)sizeof(w->rest))
		return -ENAMETOOLONG;
	if (*target == '/')
		*w->real = '\0';
	return 0;
}

/* One name of rest. real is a path without a slash at its end: "" is the root. */
static int step(const struct monitor *m, struct walk *w)
{
	char path[PATH_MAX], *name = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(name, "/");
	bool up = n == 2 && !strncmp(name, "..", 2), stay = !n || (n == 1 && *name == '.');
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/%.*s", w->real, (int)n, name);

	if (len >= (int)sizeof(path))
		return -ENAMETOOLONG;
	memmove(w->rest, name + n, strlen(name + n) + 1);
	if (up && *w->real)
		*strrchr(w->real, '/') = '\0';
	if (up || stay)
		return 0;
	if (lstat(path, &st))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return follow(m, w, path, &st);
	if (w->rest[strspn(w->rest, "/")] && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	strcpy(w->real, path);
	return 0;
}

int bind_place(const struct monitor *m, const char *from, char real[PATH_MAX], char planted[PATH_MAX])
{
	char strange[PATH_MAX] = "";
	struct walk w = { .strange = strange, .planted = planted };
	int err = 0;

	*planted = '\0';
	if (snprintf(w.rest, sizeof(w.rest), "%s", from) >= PATH_MAX)
		return -ENAMETOOLONG;
	while (!err && *w.rest)
		err = step(m, &w);
	if (err)
		return err;
	strcpy(real, *w.real ? w.real : "/");
	for (unsigned i = 0; i < m->nhidden && !*planted; i++)
		if (!strcmp(real, m->hidden[i]) || path_below(real, m->hidden[i]))
			strcpy(planted, strange);
	return 0;
}
