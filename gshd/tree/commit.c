// SPDX-License-Identifier: LGPL-3.0-or-later
/* A commit from staging to the end, and the one that undoes it; see commit.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/tree/commit_impl.h"

/* ---- staging ---- */

static int by_order(const void *x, const void *y);

/* Does this folder go with the commit? Its actions are in order. */
static bool goes(const struct commit *c, char *dir)
{
	const struct commit_action key = { .what = COMMIT_RMDIR, .path = dir };

	return bsearch(&key, c->actions, c->n, sizeof(key), by_order) != NULL;
}

/* A name of its own in the nearest folder that is there, and stays. */
static int place_stage(const struct commit *c, struct commit_action *a)
{
	char name[32], *dir = strdup(a->path), *slash;
	int fd = -ENOENT;

	if (!dir)
		return -ENOMEM;
	copy_stage_name(name);
	while (fd < 0 && (slash = strrchr(dir, '/'))) {
		*slash = '\0';
		if (goes(c, dir))
			continue;
		fd = host_open(c->root, dir, O_RDONLY | O_DIRECTORY);
		/* What is no folder yet will be one. */
		if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
			break;
	}
	if (fd >= 0) {
		close(fd);
		fd = asprintf(&a->stage, "%s/%s", dir, name) < 0 ? -ENOMEM : 0;
		if (fd)
			a->stage = NULL;
	}
	free(dir);
	return fd;
}

/* Attributes are the sandbox's; mode and contents are what was chosen. */
static int fill_stage(const struct commit_action *a, const struct copy *copy, int dir,
		      const char *name)
{
	int fd, err = copy_node_mode(dir, name, S_IFREG, 0600);

	/* One that may not be written may be now: nobody knows its name yet. */
	if (err)
		return err;
	fd = openat(dir, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	err = fd < 0 ? -errno : copy_data(copy, a->content, fd, lseek(a->content, 0, SEEK_END));
	if (!err && fchmod(fd, a->mode_new & 07777))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* From now on this is what both have in common. Without it a later change of both is a conflict, no more. Of what was
 * merged the sandbox has only its own side. */
static void keep_put(const struct commit *c, struct common *common, const struct commit_action *a,
		     const struct spot *s)
{
	int fd = -1;

	if (common->dir < 0 || c->undoes || !S_ISREG(s->st.st_mode))
		return;
	fd = a->content >= 0 && a->host != HOST_MERGED ? fcntl(a->content, F_DUPFD_CLOEXEC, 3) : spot_open(s, O_RDONLY);
	if (fd < 0)
		return;
	(void)!common_put(common, c->number, a->path, fd, a->mode_new & 07777);
	close(fd);
}

static int make_stage(const struct commit *c, struct commit_action *a, const struct tree *source,
		      const char *name, const struct copy *copy, struct common *common)
{
	cleanup_spot struct spot s = { .n = 0 };
	const char *last;
	int err = spot_find(source, name, &s), dir;

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	dir = host_parent(c->root, a->stage, &last);
	if (dir < 0)
		return dir;
	err = copy_one(copy, &s, dir, last);
	if (!err && a->content >= 0)
		err = fill_stage(a, copy, dir, last);
	if (!err)
		err = stamp_at(dir, last, &a->is);
	close(dir);
	if (!err)
		keep_put(c, common, a, &s);
	return err;
}

static int place_stages(struct commit *c)
{
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		c->failed = i;
		if (action_stages(c->actions[i].what))
			err = place_stage(c, &c->actions[i]);
	}
	return err;
}

static int make_stages(struct commit *c, const struct tree *source, const struct copy *copy)
{
	struct common common = { .dir = -1 };
	char number[24];
	int err = 0;

	if (common_open(&common, c->box, NULL, NULL))
		common.dir = -1;
	for (size_t i = 0; i < c->n && !err; i++) {
		struct commit_action *a = &c->actions[i];

		c->failed = i;
		snprintf(number, sizeof(number), "%u", a->id);
		if (a->what == COMMIT_PUT || a->what == COMMIT_ADD)
			err = make_stage(c, a, source, c->undoes ? number : a->path, copy, &common);
		if (!err && copy->stop && *copy->stop)
			err = -EINTR;
	}
	common_close(&common);
	return err;
}

/* ---- all of them ---- */

/* What goes goes first, the deepest ahead; then folders come, the highest ahead; then files; modes
 * last, the deepest ahead, for a folder may become one that nobody can write in. */
static int by_order(const void *x, const void *y)
{
	static const int rank[] = {
		[COMMIT_UNLOCK] = 0, [COMMIT_DELETE] = 1, [COMMIT_RMDIR] = 2, [COMMIT_MKDIR] = 3,
		[COMMIT_PUT] = 4,    [COMMIT_ADD] = 4,	  [COMMIT_CHMOD] = 5,
	};
	const struct commit_action *a = x, *b = y;
	int r = rank[a->what] - rank[b->what];

	if (r)
		return r;
	r = strcmp(a->path, b->path);
	return a->what == COMMIT_RMDIR || a->what == COMMIT_CHMOD ? -r : r;
}

/* Both before the journal and before it says "done": every file system that is touched. */
static int sync_all(const struct commit *c)
{
	uint64_t synced[16];
	size_t n = 0;
	int err = syncfs(c->dir) ? -errno : 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		const char *last;
		int dir = host_parent(
			c->root, c->actions[i].stage ? c->actions[i].stage : c->actions[i].path,
			&last);
		struct stat st;
		size_t j = 0;

		if (dir < 0)
			continue; /* it comes with this commit, or went with it */
		if (!fstat(dir, &st)) {
			while (j < n && synced[j] != st.st_dev)
				j++;
			if (j == n && syncfs(dir))
				err = -errno;
			if (j == n && n < 16)
				synced[n++] = st.st_dev;
		}
		close(dir);
	}
	return err;
}

static int apply(struct commit *c)
{
	int err = 0;
	size_t i;

	for (i = 0; i < c->n && !err; i++) {
		c->failed = i;
		err = action_do(c, &c->actions[i]);
	}
	if (err)
		i--; /* that one is not done */
	else
		err = sync_all(c);
	if (!err)
		err = journal_state(c, c->number, "applied");
	if (err)
		commit_take_back(c, i);
	return err;
}

/* Move to where a rename does not reach. */
static int keep_copy(int dir, const char *name, int old, const char *number)
{
	const struct copy copy = { .flags = COPY_ATTRS | COPY_SET_ID };
	struct tree tree = { .n = 1, .fd = { dir } };
	cleanup_spot struct spot s = { .n = 0 };
	int err = spot_find(&tree, name, &s);

	(void)!unlinkat(old, number, 0); /* what a crash left of it */
	if (!err)
		err = copy_one(&copy, &s, old, number);
	if (!err && unlinkat(dir, name, 0))
		err = -errno;
	return err;
}

/* What was replaced lies under the staged name: beside the journal with it. What is not there any
 * more was moved before a crash. */
static int keep(const struct commit *c, int old)
{
	char number[24];
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		const struct commit_action *a = &c->actions[i];
		const char *last;
		int dir;

		if (a->what != COMMIT_PUT && a->what != COMMIT_DELETE)
			continue;
		dir = host_parent(c->root, a->stage, &last);
		if (dir < 0)
			return dir;
		snprintf(number, sizeof(number), "%u", a->id);
		err = host_rename(dir, last, old, number, 0);
		if (err == -EXDEV)
			err = keep_copy(dir, last, old, number);
		if (err == -ENOENT)
			err = 0;
		close(dir);
	}
	return err;
}

int commit_finish(struct commit *c)
{
	int old = journal_old(c, c->number), err = old < 0 ? old : keep(c, old);

	if (old >= 0)
		close(old);
	/* The other first: a crash between the two finishes this one again. */
	if (!err && c->undoes)
		err = journal_state(c, c->undoes, "undone");
	return err ? err : journal_state(c, c->number, c->undoes ? "undo" : "done");
}

static int run(struct commit *c, const struct tree *source, const struct copy *copy)
{
	int err;

	qsort(c->actions, c->n, sizeof(*c->actions), by_order);
	err = place_stages(c);
	if (!err)
		err = journal_begin(c);
	if (err)
		return err;
	err = make_stages(c, source, copy);
	if (!err)
		err = sync_all(c);
	if (!err && copy->stop && *copy->stop)
		err = -EINTR;
	if (!err)
		err = journal_write(c, "applying");
	if (err)
		commit_drop_stages(c);
	else
		err = apply(c);
	if (err) {
		journal_drop(c, c->number);
		return err;
	}
	/* From here on it is done: what fails is made good by who opens the commits next. */
	(void)!commit_finish(c);
	return 0;
}

int commit_run(struct commit *c, const struct tree *source, const struct copy *copy)
{
	struct copy how = *copy;

	/* Sandboxes' times are kept; set-ID bits are what the caller has let through. */
	how.flags |= COPY_ATTRS | COPY_SET_ID;
	return run(c, source, &how);
}

/* The reverse of an action. */
static int add_reverse(struct commit *c, const struct commit_action *a)
{
	static const enum commit_do reverse[] = {
		[COMMIT_UNLOCK] = COMMIT_CHMOD, [COMMIT_DELETE] = COMMIT_ADD,
		[COMMIT_RMDIR] = COMMIT_MKDIR,	[COMMIT_MKDIR] = COMMIT_RMDIR,
		[COMMIT_PUT] = COMMIT_PUT,	[COMMIT_ADD] = COMMIT_DELETE,
		[COMMIT_CHMOD] = COMMIT_CHMOD,
	};
	struct commit_action *r = commit_add(c, reverse[a->what], a->path);

	if (!r)
		return -ENOMEM;
	r->id = a->id;
	r->mode_old = a->mode_new;
	r->mode_new = a->mode_old;
	r->was = a->is;
	r->was.dev = r->was.ino = 0;
	r->host = a->host == HOST_SAME ? HOST_SAME : HOST_BACK;
	if (a->what == COMMIT_MKDIR)
		r->mode_old = 0700; /* it is unlocked first */
	if (a->what != COMMIT_RMDIR)
		return 0;
	r = commit_add(c, COMMIT_CHMOD, a->path);
	if (!r)
		return -ENOMEM;
	r->mode_old = 0700;
	r->mode_new = a->mode_old;
	return 0;
}

/* A folder that the commit made may have got a mode that lets nobody in, and now goes. */
static bool is_new_folder(const struct commit *done, const struct commit_action *a)
{
	for (size_t i = 0; i < done->n; i++)
		if (done->actions[i].what == COMMIT_MKDIR &&
		    !strcmp(done->actions[i].path, a->path))
			return true;
	return false;
}

static int add_all_reverse(struct commit *c, const struct commit *done)
{
	int err = 0;

	for (size_t i = 0; i < done->n && !err; i++) {
		err = add_reverse(c, &done->actions[i]);
		if (!err && done->actions[i].what == COMMIT_CHMOD &&
		    is_new_folder(done, &done->actions[i]))
			c->actions[c->n - 1].what = COMMIT_UNLOCK;
	}
	return err;
}

int commit_undo(struct commit *c, unsigned number)
{
	const struct copy copy = { .flags = COPY_ATTRS | COPY_SET_ID };
	struct commit done = { .dir = c->dir, .lock = -1, .root = c->root };
	struct tree old = { .n = 1 };
	int err = journal_find(c, &number);

	if (!err)
		err = journal_load(&done, number);
	if (!err)
		err = add_all_reverse(c, &done);
	c->undoes = number;
	old.fd[0] = err ? -1 : journal_old(c, number);
	if (!err && old.fd[0] < 0)
		err = old.fd[0];
	if (!err)
		err = run(c, &old, &copy);
	if (old.fd[0] >= 0)
		close(old.fd[0]);
	commit_free_actions(&done);
	return err;
}
