// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * One action of a commit on the host: paths without links, stamps, doing it and taking it back. See
 * commit.h.
 *
 * Everything is a rename, or as small: each is done or not, and which of them the inode numbers
 * tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "gshd/tree/commit_impl.h"

/* ---- the host's paths ---- */

int host_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	while (*path == '/')
		path++;
	fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

int host_parent(int root, const char *path, const char **last)
{
	const char *slash = strrchr(path, '/');
	char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	int fd = parent ? host_open(root, parent, O_RDONLY | O_DIRECTORY) : -ENOMEM;

	*last = slash ? slash + 1 : path;
	free(parent);
	return fd;
}

void stamp_take(const struct stat *st, struct commit_stamp *s)
{
	*s = (struct commit_stamp){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = S_ISDIR(st->st_mode) ? 0 : st->st_size,
		.sec = st->st_mtim.tv_sec,
		.nsec = st->st_mtim.tv_nsec,
	};
}

void stamp_dir(const struct stat *st, uint32_t mode, struct commit_stamp *s)
{
	*s = (struct commit_stamp){ .dev = st->st_dev, .ino = st->st_ino, .size = mode & 07777, .sec = INT64_MIN };
}

bool stamp_is_dir(const struct commit_stamp *s)
{
	return s->sec == INT64_MIN;
}

int stamp_at(int dir, const char *name, struct commit_stamp *s)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	stamp_take(&st, s);
	return 0;
}

/* Is it what was planned against? A commit that undoes another does not insist on the inode: what
 * yet another put back may be a copy. */
static bool same_stamp(const struct commit_stamp *now, const struct commit_stamp *was)
{
	struct commit_stamp any = *now;

	if (!was->ino)
		any.dev = any.ino = 0;
	return stamp_order(&any, was) == 0;
}

int stamp_order(const void *x, const void *y)
{
	const struct commit_stamp *a = x, *b = y;

	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	if (a->sec != b->sec)
		return a->sec < b->sec ? -1 : 1;
	return a->nsec == b->nsec ? 0 : a->nsec < b->nsec ? -1 : 1;
}

/* ---- one action ---- */

bool action_stages(enum commit_do what)
{
	return what == COMMIT_PUT || what == COMMIT_ADD || what == COMMIT_DELETE;
}

struct ends {
	int dir, stage_dir;
	const char *last, *stage;
};

static int ends_open(const struct commit *c, const struct commit_action *a, struct ends *e)
{
	e->stage_dir = -1;
	e->dir = host_parent(c->root, a->path, &e->last);
	if (e->dir < 0)
		return e->dir;
	if (a->stage)
		e->stage_dir = host_parent(c->root, a->stage, &e->stage);
	if (a->stage && e->stage_dir < 0) {
		close(e->dir);
		return e->stage_dir;
	}
	return 0;
}

static void ends_close(const struct ends *e)
{
	close(e->dir);
	if (e->stage_dir >= 0)
		close(e->stage_dir);
}

int host_rename(int from, const char *a, int to, const char *b, unsigned flags)
{
	return renameat2(from, a, to, b, flags) ? -errno : 0;
}

static int set_mode(const struct ends *e, uint32_t expect, uint32_t mode)
{
	char path[32];
	struct stat st;
	int fd = openat(e->dir, e->last, O_PATH | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st)					      ? -errno
	      : S_ISLNK(st.st_mode) || (st.st_mode & 07777) != expect ? -ESTALE
								      : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!err && chmod(path, mode))
		err = -errno;
	close(fd);
	return err;
}

static int swap(const struct ends *e, const struct commit_action *a)
{
	struct commit_stamp old;
	int err = host_rename(e->stage_dir, e->stage, e->dir, e->last, RENAME_EXCHANGE);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	err = stamp_at(e->stage_dir, e->stage, &old);
	if (!err && same_stamp(&old, &a->was))
		return 0;
	(void)!host_rename(e->stage_dir, e->stage, e->dir, e->last, RENAME_EXCHANGE);
	return err ? err : -ESTALE;
}

static int put_aside(const struct ends *e, const struct commit_action *a)
{
	struct commit_stamp old;
	int err = host_rename(e->dir, e->last, e->stage_dir, e->stage, RENAME_NOREPLACE);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	err = stamp_at(e->stage_dir, e->stage, &old);
	if (!err && same_stamp(&old, &a->was))
		return 0;
	(void)!host_rename(e->stage_dir, e->stage, e->dir, e->last, RENAME_NOREPLACE);
	return err ? err : -ESTALE;
}

int action_do(const struct commit *c, const struct commit_action *a)
{
	struct ends e;
	int err = ends_open(c, a, &e);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	switch (a->what) {
	case COMMIT_DELETE:
		err = put_aside(&e, a);
		break;
	case COMMIT_RMDIR:
		err = unlinkat(e.dir, e.last, AT_REMOVEDIR) ? -errno : 0;
		err = err == -ENOTEMPTY || err == -ENOENT ? -ESTALE : err;
		break;
	case COMMIT_MKDIR:
		err = mkdirat(e.dir, e.last, 0700) ? -errno : 0;
		err = err == -EEXIST ? -ESTALE : err;
		break;
	case COMMIT_PUT:
		err = swap(&e, a);
		break;
	case COMMIT_ADD:
		err = host_rename(e.stage_dir, e.stage, e.dir, e.last, RENAME_NOREPLACE);
		err = err == -EEXIST ? -ESTALE : err;
		break;
	case COMMIT_UNLOCK:
	case COMMIT_CHMOD:
		err = set_mode(&e, a->mode_old, a->mode_new);
		break;
	}
	ends_close(&e);
	return err;
}

/* Take an action back if it is done, which the inode numbers tell. */
static void take_back(const struct commit *c, const struct commit_action *a)
{
	struct commit_stamp there, staged;
	struct ends e;
	bool is, is_staged;

	if (ends_open(c, a, &e))
		return;
	is = !stamp_at(e.dir, e.last, &there);
	is_staged = a->stage && !stamp_at(e.stage_dir, e.stage, &staged);
	switch (a->what) {
	case COMMIT_DELETE:
		if (is_staged)
			(void)!host_rename(e.stage_dir, e.stage, e.dir, e.last, RENAME_NOREPLACE);
		break;
	case COMMIT_RMDIR:
		if (!is && !mkdirat(e.dir, e.last, 0700))
			(void)!set_mode(&e, 0700, a->mode_old);
		break;
	case COMMIT_MKDIR:
		(void)!unlinkat(e.dir, e.last, AT_REMOVEDIR);
		break;
	case COMMIT_PUT:
		if (is && is_staged && there.ino == a->is.ino && there.dev == a->is.dev)
			(void)!host_rename(e.stage_dir, e.stage, e.dir, e.last, RENAME_EXCHANGE);
		break;
	case COMMIT_ADD:
		if (is && !is_staged && there.ino == a->is.ino && there.dev == a->is.dev)
			(void)!host_rename(e.dir, e.last, e.stage_dir, e.stage, RENAME_NOREPLACE);
		break;
	case COMMIT_UNLOCK:
	case COMMIT_CHMOD:
		(void)!set_mode(&e, a->mode_new, a->mode_old);
		break;
	}
	ends_close(&e);
}

void commit_take_back(const struct commit *c, size_t n)
{
	while (n)
		take_back(c, &c->actions[--n]);
	commit_drop_stages(c);
}

void commit_drop_stages(const struct commit *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct commit_action *a = &c->actions[i];
		const char *last;
		int dir = a->stage && a->what != COMMIT_DELETE
				  ? host_parent(c->root, a->stage, &last)
				  : -1;
		struct commit_stamp now;

		/* Only what was staged: under the same name lies what was replaced if an action is
		 * done. */
		if (dir >= 0 && !stamp_at(dir, last, &now) && (!a->is.ino || now.ino == a->is.ino))
			(void)!unlinkat(dir, last, 0);
		if (dir >= 0)
			close(dir);
	}
}
