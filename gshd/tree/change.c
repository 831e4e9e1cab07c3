// SPDX-License-Identifier: LGPL-3.0-or-later
/* Copy-up, and new objects: see change.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include "gshd/tree/change.h"
#include "gshd/tree/layer.h"

#define LOCK_NAME "lock" /* libos/fs/union_stage.c */
#define LOCK_NAP_NS 1000000
#define LOCK_TRIES 2000

/* ---- steps ---- */

bool change_is_whiteout(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && union_is_whiteout(st.st_mode, st.st_rdev);
}

void change_drop(const struct change *c, const char *stage)
{
	if (unlinkat(c->work, stage, 0) && errno == EISDIR)
		(void)!unlinkat(c->work, stage, AT_REMOVEDIR);
}

/* It is the sandbox's own file, and may be anything or held for ever. */
int change_lock(const struct change *c)
{
	static const struct timespec nap = { .tv_nsec = LOCK_NAP_NS };
	int fd = openat(c->work, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		nanosleep(&nap, NULL);
	}
	close(fd);
	return -EBUSY;
}

int change_below(const struct spot *dir, const char *name)
{
	struct spot lower = { .tree = dir->tree, .root = dir->root, .led = dir->led }, found;
	int err;

	for (unsigned i = 0; i < dir->n; i++)
		if (dir->at[i].layer < dir->tree->n - 1)
			lower.at[lower.n++] = dir->at[i];
	err = lower.n ? spot_step(&lower, name, &found) : -ENOENT;
	if (!err)
		spot_put(&found);
	return err == -ENOENT ? 0 : err ? err : 1;
}

/* Put what was staged at a name where nothing is, or a whiteout. It is gone on failure. */
static int place(const struct change *c, const char *stage, const struct spot *dir, const char *name, bool is_dir)
{
	int top = change_top(dir), lock, err = 0;

	if (renameat2(c->work, stage, top, name, RENAME_NOREPLACE))
		err = -errno;
	if (err == -EEXIST && change_is_whiteout(top, name)) {
		lock = change_lock(c);
		err = lock < 0 ? lock : change_is_whiteout(top, name) ? 0 : -EEXIST;
		if (!err && renameat2(c->work, stage, top, name, is_dir ? RENAME_EXCHANGE : 0))
			err = -errno;
		else if (!err && is_dir)
			change_drop(c, stage); /* the whiteout */
		if (lock >= 0)
			close(lock);
	}
	if (err)
		change_drop(c, stage);
	return err;
}

/* ---- copy-up ---- */

/* For those inside nothing changed in the directory: it keeps its times. */
static void keep_times(const struct spot *dir)
{
	struct timespec times[2] = { dir->st.st_atim, dir->st.st_mtim };
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", change_top(dir));
	(void)!utimensat(AT_FDCWD, path, times, 0);
}

/* Where a copy was taken back by restore. */
static int replace_link(const struct change *c, const char *stage, const char *path)
{
	int top = c->tree->fd[c->tree->n - 1], lock = change_lock(c), err = lock < 0 ? lock : 0;
	char again[32];

	if (!err && !change_is_whiteout(top, path))
		err = -EEXIST;
	copy_stage_name(again);
	if (!err && linkat(c->work, stage, c->work, again, 0))
		err = -errno;
	else if (!err && renameat2(c->work, again, top, path, 0)) {
		err = -errno;
		change_drop(c, again);
	}
	if (lock >= 0)
		close(lock);
	return err;
}

/* The staged copy is what all names of the file lead to (libos/fs/union_index.c). -EEXIST: it was copied under another
 * one. */
static int link_copy(const struct change *c, const char *stage, const char *path)
{
	int top = c->tree->fd[c->tree->n - 1], err = linkat(c->work, stage, top, path, 0) ? -errno : 0;

	if (err == -ENOENT) {
		(void)!mkdirat(top, UNION_LINKS, 0700);
		err = linkat(c->work, stage, top, path, 0) ? -errno : 0;
	}
	return err == -EEXIST ? replace_link(c, stage, path) : err;
}

static void tell_links(const struct change *c)
{
	struct spot root;

	if (spot_find(c->tree, "", &root))
		return;
	c->told(c, &root, UNION_LINKS_NAME);
	spot_put(&root);
}

/* Somebody else's copy is as good as ours: the caller looks again. */
static int raise_one(const struct change *c, const struct spot *dir, const char *name, const struct spot *s)
{
	static const struct copy how;
	char stage[32], path[UNION_LINK_MAX];
	bool several = spot_link_path(s, path);
	int err;

	copy_stage_name(stage);
	err = layer_raise(&how, s, c->work, stage);
	if (!err && several)
		err = link_copy(c, stage, path);
	if (!err && several)
		tell_links(c);
	if (!err && renameat2(c->work, stage, change_top(dir), name, RENAME_NOREPLACE))
		err = -errno;
	if (err)
		change_drop(c, stage);
	else
		keep_times(dir);
	if (!err)
		c->told(c, dir, name);
	return err == -EEXIST ? 0 : err;
}

/* One name down from a directory of the top; at is put. */
static int step_up(const struct change *c, struct spot *at, const char *name, struct spot *out)
{
	int err = spot_step(at, name, out);

	if (!err && !change_in_top(out)) {
		err = raise_one(c, at, name, out);
		spot_put(out);
		if (!err)
			err = spot_step(at, name, out);
		if (!err && !change_in_top(out)) {
			spot_put(out);
			err = -ESTALE;
		}
	}
	spot_put(at);
	return err;
}

int change_own_name(const struct spot *dir, const char *name, const struct spot *s)
{
	char path[32];

	if (!S_ISREG(s->st.st_mode) || !change_in_top(s) || change_has(dir, name))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	return linkat(AT_FDCWD, path, change_top(dir), name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

bool change_has(const struct spot *dir, const char *name)
{
	struct stat st;

	return !fstatat(change_top(dir), name, &st, AT_SYMLINK_NOFOLLOW);
}

int change_object(const struct change *c, const char *path, struct spot *out)
{
	struct spot at;
	int err = spot_find(c->tree, "", &at);

	while (!err && *path) {
		size_t len = strcspn(path, "/");
		char name[NAME_MAX + 1];

		if (len > NAME_MAX || !S_ISDIR(at.st.st_mode)) {
			spot_put(&at);
			return len > NAME_MAX ? -ENAMETOOLONG : -ENOTDIR;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		err = step_up(c, &at, name, out);
		at = *out;
		path += len + (path[len] == '/');
	}
	if (!err)
		*out = at;
	return err;
}

int change_dir(const struct change *c, const char *path, struct spot *out)
{
	int err = change_object(c, path, out);

	if (!err && !S_ISDIR(out->st.st_mode)) {
		spot_put(out);
		err = -ENOTDIR;
	}
	return err;
}

/* ---- new objects ---- */

/* A directory to make something in: *over: there is a whiteout. */
static int prepare(const struct change *c, const char *path, const char *name, struct spot *dir, bool *over)
{
	struct spot there;
	int err = change_dir(c, path, dir);

	if (err)
		return err;
	err = spot_step(dir, name, &there);
	if (!err)
		spot_put(&there);
	if (err == -ENOENT) {
		*over = change_is_whiteout(change_top(dir), name);
		return 0;
	}
	spot_put(dir);
	return err ? err : -EEXIST;
}

static int finish(const struct change *c, struct spot *dir, const char *name, int err)
{
	if (!err)
		c->told(c, dir, name);
	spot_put(dir);
	return err;
}

/* Of what is made in dir, whose group a set-gid bit hands on. *host_mode: if the host can hold it, how. */
static struct union_attr new_attr(const struct spot *dir, mode_t mode, mode_t *host_mode, bool *differs)
{
	struct union_attr a = { .mode = mode, .uid = geteuid(), .gid = getegid() }, above;

	spot_attr_inside(dir, &above);
	if (above.mode & S_ISGID) {
		a.gid = above.gid;
		if (S_ISDIR(mode))
			a.mode |= S_ISGID;
	}
	*host_mode = union_host_mode(a.mode, false, differs);
	*differs |= a.gid != getegid();
	return a;
}

static int create_staged(const struct change *c, const struct spot *dir, const char *name, const struct union_attr *a,
			 int flags)
{
	char stage[32];
	int fd, err;

	copy_stage_name(stage);
	fd = openat(c->work, stage, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = layer_set_attr(fd, a, 0);
	if (err)
		change_drop(c, stage);
	else
		err = place(c, stage, dir, name, false);
	if (err)
		close(fd);
	return err ? err : fd;
}

int change_create(const struct change *c, const char *path, const char *name, mode_t mode, int flags)
{
	bool over, differs;
	struct union_attr a;
	struct spot dir;
	mode_t host;
	int fd, err = prepare(c, path, name, &dir, &over);

	if (err)
		return err;
	a = new_attr(&dir, S_IFREG | (mode & 07777), &host, &differs);
	flags &= O_ACCMODE | O_APPEND;
	if (over || differs) {
		fd = create_staged(c, &dir, name, &a, flags);
	} else {
		fd = openat(change_top(&dir), name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, host);
		fd = fd < 0 ? -errno : fd;
	}
	err = finish(c, &dir, name, fd < 0 ? fd : 0);
	return err ? err : fd;
}

static int mkdir_staged(const struct change *c, const struct spot *dir, const char *name, const struct union_attr *a,
			bool opaque)
{
	char stage[32];
	int fd, err = 0;

	copy_stage_name(stage);
	if (mkdirat(c->work, stage, 0700))
		return -errno;
	fd = openat(c->work, stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (opaque && fsetxattr(fd, UNION_OPAQUE, "y", 1, 0)))
		err = -errno;
	if (!err)
		err = layer_set_attr(fd, a, 0);
	if (fd >= 0)
		close(fd);
	if (err) {
		change_drop(c, stage);
		return err;
	}
	return place(c, stage, dir, name, true);
}

int change_mkdir(const struct change *c, const char *path, const char *name, mode_t mode)
{
	bool over, differs;
	struct union_attr a;
	struct spot dir;
	mode_t host;
	int err = prepare(c, path, name, &dir, &over);

	if (err)
		return err;
	a = new_attr(&dir, S_IFDIR | (mode & 07777), &host, &differs);
	if (over || differs)
		err = mkdir_staged(c, &dir, name, &a, over);
	else if (mkdirat(change_top(&dir), name, host))
		err = -errno;
	return finish(c, &dir, name, err);
}

static int make_at(int dir, const char *name, mode_t mode, const char *target)
{
	if (target)
		return symlinkat(target, dir, name) ? -errno : 0;
	return mknodat(dir, name, mode, 0) ? -errno : 0;
}

/* target: of a symbolic link. */
static int make(const struct change *c, const char *path, const char *name, mode_t mode, const char *target)
{
	char stage[32];
	struct spot dir;
	bool over;
	int err = prepare(c, path, name, &dir, &over);

	if (err)
		return err;
	if (over) {
		copy_stage_name(stage);
		err = make_at(c->work, stage, mode, target);
		if (!err)
			err = place(c, stage, &dir, name, false);
	} else {
		err = make_at(change_top(&dir), name, mode, target);
	}
	return finish(c, &dir, name, err);
}

int change_symlink(const struct change *c, const char *path, const char *name, const char *target)
{
	return make(c, path, name, 0, target);
}

int change_mknod(const struct change *c, const char *path, const char *name, mode_t mode)
{
	if (S_ISREG(mode)) {
		int fd = change_create(c, path, name, mode, O_RDONLY);

		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : 0;
	}
	if (!S_ISFIFO(mode) && !S_ISSOCK(mode))
		return -EPERM;
	return make(c, path, name, (mode & S_IFMT) | (mode & 0777), NULL);
}

/* A listing of the directory must look at this entry for its number. */
static int link_mark(const struct spot *dir, const struct spot *s)
{
	return spot_origin(s) ? change_mark(dir) : 0;
}

static int link_at(const struct spot *from, const char *name, int dir, const char *as)
{
	return linkat(change_top(from), name, dir, as, 0) ? -errno : 0;
}

int change_link(const struct change *c, const char *from, const char *name, const char *path, const char *as)
{
	struct spot old, dir, s = { .n = 0 };
	char stage[32];
	bool over;
	int err = change_dir(c, from, &old);

	if (err)
		return err;
	err = spot_step(&old, name, &s);
	if (!err && S_ISDIR(s.st.st_mode))
		err = -EPERM;
	if (!err && !change_in_top(&s)) {
		err = raise_one(c, &old, name, &s);
		spot_put(&s);
		if (!err)
			err = spot_step(&old, name, &s);
	}
	if (!err)
		err = change_own_name(&old, name, &s);
	if (!err)
		err = prepare(c, path, as, &dir, &over);
	if (err) {
		spot_put(&s);
		spot_put(&old);
		return err;
	}
	/* First the mark: without the link it costs a look, and a link whose mark failed would be there and told as
	 * failed. */
	err = link_mark(&dir, &s);
	if (!err && over) {
		copy_stage_name(stage);
		err = link_at(&old, name, c->work, stage);
		if (!err)
			err = place(c, stage, &dir, as, false);
	} else if (!err) {
		err = link_at(&old, name, change_top(&dir), as);
	}
	/* A copy-up that was only just made has the mark, too. */
	c->told(c, &old, name);
	spot_put(&s);
	spot_put(&old);
	return finish(c, &dir, as, err);
}
