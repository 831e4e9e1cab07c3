// SPDX-License-Identifier: LGPL-3.0-or-later
/* What a commit has to do, and whether the host has changed what it is about; see commit.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/tree/commit_impl.h"

struct commit_action *commit_add(struct commit *c, enum commit_do what, const char *path)
{
	struct commit_action *a;

	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct commit_action *more = realloc(c->actions, room * sizeof(*more));

		if (!more)
			return NULL;
		c->actions = more;
		c->room = room;
	}
	a = &c->actions[c->n];
	*a = (struct commit_action){
		.what = what, .path = strdup(path), .content = -1, .id = (unsigned)c->n
	};
	if (!a->path)
		return NULL;
	c->n++;
	return a;
}

static int plan_gone(struct commit *c, const struct diff_found *f)
{
	bool dir = S_ISDIR(f->a->st.st_mode);
	struct commit_action *a = commit_add(c, dir ? COMMIT_RMDIR : COMMIT_DELETE, f->path);

	if (!a)
		return -ENOMEM;
	a->mode_old = f->was.mode & 07777;
	stamp_take(&f->a->st, &a->was);
	return 0;
}

static int plan_mode(struct commit *c, const struct diff_found *f, uint32_t old)
{
	struct commit_action *a = commit_add(c, COMMIT_CHMOD, f->path);

	if (!a)
		return -ENOMEM;
	a->mode_old = old;
	a->mode_new = f->is.mode & 07777;
	if (f->a && S_ISREG(f->was.mode))
		stamp_take(&f->a->st,
			   &a->is); /* its time will move, but it will be no change of the host's */
	else if (f->a && S_ISDIR(f->was.mode))
		stamp_dir(&f->a->st, f->was.mode, &a->is);
	return 0;
}

static int plan_come(struct commit *c, const struct diff_found *f, enum commit_do what)
{
	struct commit_action *a = commit_add(c, what, f->path);

	if (!a)
		return -ENOMEM;
	a->mode_old = f->was.mode & 07777;
	a->mode_new = f->is.mode & 07777;
	if (f->a)
		stamp_take(&f->a->st, &a->was);
	return what == COMMIT_MKDIR ? plan_mode(c, f, 0700) : 0;
}

int commit_plan(struct commit *c, const struct diff_found *f)
{
	bool was_dir = f->a && S_ISDIR(f->was.mode), is_dir = f->b && S_ISDIR(f->is.mode);
	int err = 0;

	if (!f->b)
		return plan_gone(c, f);
	if (!f->a)
		return plan_come(c, f, is_dir ? COMMIT_MKDIR : COMMIT_ADD);
	if (was_dir != is_dir) {
		err = plan_gone(c, f);
		return err ? err : plan_come(c, f, is_dir ? COMMIT_MKDIR : COMMIT_ADD);
	}
	if (!is_dir && f->what & (DIFF_TYPE | DIFF_DATA | DIFF_XATTRS))
		return plan_come(c, f, COMMIT_PUT);
	return f->what & DIFF_MODE ? plan_mode(c, f, f->was.mode & 07777) : 0;
}

void commit_content(struct commit *c, int content)
{
	c->actions[c->n - 1].content = content;
}

void commit_host(struct commit *c, enum commit_host host, uint32_t mode)
{
	c->actions[c->n - 1].host = host;
	if (host == HOST_MERGED)
		c->actions[c->n - 1].mode_new = mode;
}

static int by_last_path(const void *x, const void *y)
{
	return strcmp(((const struct commit_last *)x)->path, ((const struct commit_last *)y)->path);
}

int commit_common(const struct commit *c, const struct tree *now, const char *path, uint32_t *mode)
{
	const struct commit_last key = { .path = (char *)path };
	const struct commit_last *last = c->nlast ? bsearch(&key, c->last, c->nlast, sizeof(key), by_last_path) : NULL;
	struct common common;
	int fd;

	if (last && !last->is_there)
		return -ENOENT;
	fd = common_open(&common, c->box, &c->touched, now);
	if (fd)
		return fd;
	fd = common_find(&common, last ? last->number : 0, path, mode);
	common_close(&common);
	return fd;
}

int commit_watch(struct commit *c, const struct tree *now)
{
	int err = 0;

	for (unsigned i = 1; i < now->n && !err; i++)
		err = touched_load(&c->touched, c->box, now->number[i]);
	touched_sort(&c->touched);
	return err;
}

static bool is_above(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

static void forget(struct commit *c, size_t i)
{
	free(c->actions[i].path);
	free(c->actions[i].stage);
	if (c->actions[i].content >= 0)
		close(c->actions[i].content);
	memmove(&c->actions[i], &c->actions[i + 1], (c->n - i - 1) * sizeof(c->actions[0]));
	c->n--;
}

size_t commit_spare(struct commit *c, const char *path)
{
	size_t spared = 0;

	for (size_t i = c->n; i-- > 0;) {
		if (c->actions[i].what != COMMIT_RMDIR || !is_above(c->actions[i].path, path))
			continue;
		spared++;
		/* If something else was to come in its place, that is planned right behind it. */
		while (i + 1 < c->n && !strcmp(c->actions[i + 1].path, c->actions[i].path))
			forget(c, i + 1);
		forget(c, i);
	}
	return spared;
}

bool commit_changed(const struct commit *c, const struct tree *now, const struct diff_found *f)
{
	struct statx_timestamp when;
	const struct timespec *host;
	struct commit_stamp stamp;

	if (!f->a)
		return false;
	/* A folder's times move with every name in it: only what it is itself counts, and that
	 * differs. */
	if (S_ISDIR(f->was.mode) && f->b && S_ISDIR(f->is.mode) &&
	    !(f->what & (DIFF_MODE | DIFF_XATTRS)))
		return false;
	/* One that goes: what is in it is asked about by itself. */
	if (S_ISDIR(f->was.mode) && !(f->b && S_ISDIR(f->is.mode)))
		return false;
	if (S_ISDIR(f->was.mode))
		stamp_dir(&f->a->st, f->was.mode, &stamp);
	else
		stamp_take(&f->a->st, &stamp);
	if (c->nknown && bsearch(&stamp, c->known, c->nknown, sizeof(stamp), stamp_order))
		return false;
	if (!touched_first(&c->touched, now, f->path, &when))
		return true;
	host = &f->a->st.st_ctim;
	return host->tv_sec > when.tv_sec ||
	       (host->tv_sec == when.tv_sec && host->tv_nsec >= (long)when.tv_nsec);
}
