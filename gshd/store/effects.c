/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What one layer changed: a walk over it, with the directories of the same names below at hand.
 *
 * A directory that was moved (a redirect) counts as one that is new, and what it brought along is
 * not looked at.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/store/effects.h"
#include "libos/union/union.h"

#define DEPTH_MAX 256

/* A directory of the layer, and those of its name in the layers below, highest first. */
struct level {
	int fd, below[GRANT_LAYERS_MAX];
	unsigned nbelow;
	bool base; /* the last of them is the base's: its devices are devices */
};

struct finder {
	struct effects *e;
	char path[PATH_MAX];
	unsigned depth;
	bool any;
};

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static bool has_flag(int dir, const char *name)
{
	char v[2];

	return fgetxattr(dir, name, v, sizeof(v)) == 1 && v[0] == 'y';
}

static bool is_base(const struct level *l, unsigned i)
{
	return l->base && i == l->nbelow - 1;
}

/* Is there something of this name below? */
static bool exists_below(const struct level *l, const char *name, struct stat *st)
{
	for (unsigned i = 0; i < l->nbelow; i++)
		if (!fstatat(l->below[i], name, st, AT_SYMLINK_NOFOLLOW))
			return is_base(l, i) || !union_is_whiteout(st->st_mode, st->st_rdev);
	return false;
}

static void go_below(const struct level *from, const char *name, struct level *to)
{
	bool more = true;
	struct stat st;

	for (unsigned i = 0; i < from->nbelow && more; i++) {
		int fd = open_dir(from->below[i], name);
		if (fd >= 0) {
			to->below[to->nbelow++] = fd;
			to->base = is_base(from, i);
			more = !has_flag(fd, UNION_OPAQUE) && fgetxattr(fd, UNION_REDIRECT, NULL, 0) < 0;
		} else {
			more = fstatat(from->below[i], name, &st, AT_SYMLINK_NOFOLLOW) != 0;
		}
	}
}

static void common_dir(char *a, const char *path)
{
	size_t n = 0, cut = 0;

	for (; a[n] && a[n] == path[n]; n++)
		if (a[n] == '/')
			cut = n;
	if ((!a[n] && (path[n] == '/' || !path[n])) || (!path[n] && a[n] == '/'))
		cut = n;
	a[cut] = '\0';
}

static void place(struct finder *f)
{
	char dir[PATH_MAX], *slash;

	snprintf(dir, sizeof(dir), "%s", f->path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	if (f->any)
		common_dir(f->e->where, dir);
	else
		strcpy(f->e->where, dir);
	f->any = true;
}

static void tell(struct finder *f, char change, const struct stat *st)
{
	if (f->e->each)
		f->e->each(f->path, change, st->st_mode, S_ISREG(st->st_mode) ? st->st_size : 0, f->e->arg);
}

static void walk(struct finder *f, const struct level *l);

static void enter(struct finder *f, const struct level *l, const char *name, const struct stat *st, bool is_new)
{
	struct level *sub = calloc(1, sizeof(*sub));

	if (!sub)
		return;
	if (is_new) {
		f->e->dirs++;
		tell(f, 'A', st);
	}
	sub->fd = open_dir(l->fd, name);
	if (sub->fd >= 0) {
		if (!is_new && !has_flag(sub->fd, UNION_OPAQUE))
			go_below(l, name, sub);
		if (fgetxattr(sub->fd, UNION_REDIRECT, NULL, 0) < 0 || !is_new)
			walk(f, sub);
		close(sub->fd);
	}
	if (is_new && !f->any)
		place(f); /* nothing but itself */
	for (unsigned i = 0; i < sub->nbelow; i++)
		close(sub->below[i]);
	free(sub);
}

static void look(struct finder *f, const struct level *l, const char *name)
{
	struct stat st, old;
	bool was;

	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	was = exists_below(l, name, &old);
	if (union_is_whiteout(st.st_mode, st.st_rdev)) {
		f->e->removed += was;
		if (was) {
			place(f);
			tell(f, 'D', &old);
		}
	} else if (S_ISDIR(st.st_mode)) {
		enter(f, l, name, &st, !was || !S_ISDIR(old.st_mode));
	} else {
		f->e->added += !was;
		f->e->changed += was;
		place(f);
		tell(f, was ? 'M' : 'A', &st);
	}
}

static void walk(struct finder *f, const struct level *l)
{
	size_t at = strlen(f->path);
	struct dirent **names;
	int n;

	if (++f->depth > DEPTH_MAX) {
		f->depth--;
		return;
	}
	n = scandirat(l->fd, ".", &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		if (!at && union_is_links(name, strlen(name)))
			; /* other names of what has one in the layer */
		else if (strcmp(name, ".") && strcmp(name, "..") && at + strlen(name) + 2 < sizeof(f->path)) {
			snprintf(f->path + at, sizeof(f->path) - at, "/%s", name);
			look(f, l, name);
			f->path[at] = '\0';
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	f->depth--;
}

void effects_find(const struct chain *c, struct effects *e)
{
	struct finder *f = calloc(1, sizeof(*f));
	struct level top = { .fd = c->n ? c->layer[0].fd : -1, .base = true };

	e->added = e->changed = e->removed = e->dirs = 0;
	e->where[0] = '\0';
	if (!f || !c->n) {
		free(f);
		return;
	}
	f->e = e;
	for (unsigned i = 1; i < c->n; i++)
		top.below[top.nbelow++] = c->layer[i].fd;
	top.below[top.nbelow++] = c->base;
	walk(f, &top);
	free(f);
}

/* With a comma between thousands. */
static void count_text(unsigned n, char text[16])
{
	char plain[16];
	size_t len, out = 0;

	snprintf(plain, sizeof(plain), "%u", n);
	len = strlen(plain);
	for (size_t i = 0; i < len && out < 14; i++) {
		if (i && (len - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = plain[i];
	}
	text[out] = '\0';
}

void effects_text(const struct effects *e, char *text, size_t size)
{
	const struct {
		unsigned n;
		const char *sign, *word;
	} part[] = {
		{ e->added, "+", e->added == 1 ? " file" : " files" },
		{ e->added ? 0 : e->dirs, "+", e->dirs == 1 ? " directory" : " directories" },
		{ e->changed, "", " changed" },
		{ e->removed, "", " removed" },
	};
	bool placed = false;
	char number[16];
	size_t used = 0;

	snprintf(text, size, "no changes");
	for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		if (!part[i].n || used >= size)
			continue;
		count_text(part[i].n, number);
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", used ? ", " : "", part[i].sign,
					 number, part[i].word);
		if (!placed && used < size)
			used += (size_t)snprintf(text + used, size - used, " in %s", *e->where ? e->where : "/");
		placed = true;
	}
}
