// SPDX-License-Identifier: LGPL-3.0-or-later
/* rename: both directories and the object come to the top, then the host's rename does it there. What is to be seen to
 * before and after is told in libos/fs/union_rename.c, which does the same inside. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/change.h"
#include "gshd/tree/copy.h"

struct end {
	const char *path, *name;
	struct spot dir, s;
	bool there, below, whiteout;
};

static void end_put(struct end *e)
{
	spot_put(&e->dir);
	spot_put(&e->s);
}

static ssize_t redirect_of(const struct spot *s, char value[UNION_REDIRECT_MAX])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	n = change_in_top(s) ? getxattr(path, UNION_REDIRECT, value, UNION_REDIRECT_MAX - 1) : -1;
	if (n <= 0 || !union_redirect_valid(value, (size_t)n))
		return 0;
	value[n] = '\0';
	return n;
}

/* Where the layers below the top have the directory: with a slash ahead. */
static int lower_path(const struct tree *tree, const char *path, char out[UNION_REDIRECT_MAX])
{
	char value[UNION_REDIRECT_MAX], name[NAME_MAX + 1];
	struct spot at, next;
	size_t used = 0;
	int err = spot_find(tree, "", &at);

	if (err)
		return err;
	while (!err && *path) {
		size_t len = strcspn(path, "/");
		ssize_t n;

		if (len > NAME_MAX)
			break;
		memcpy(name, path, len);
		name[len] = '\0';
		err = spot_step(&at, name, &next);
		spot_put(&at);
		if (err)
			return err;
		at = next;
		n = redirect_of(&at, value);
		if (n && value[0] == '/')
			used = 0;
		n = snprintf(out + used, UNION_REDIRECT_MAX - used, "%s%s", n && value[0] == '/' ? "" : "/",
			     n ? value : name);
		used += (size_t)n;
		if (used >= UNION_REDIRECT_MAX)
			err = -ENAMETOOLONG;
		path += len + (path[len] == '/');
	}
	spot_put(&at);
	return err;
}

static int set_dir(const struct spot *s, const char *attribute, const char *value)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	return setxattr(path, attribute, value, strlen(value), 0) ? -errno : 0;
}

static int set_redirect(const struct tree *tree, const struct end *e)
{
	char path[TREE_PATH_ROOM], value[UNION_REDIRECT_MAX];
	int n = snprintf(path, sizeof(path), "%s%s%s", e->path, *e->path ? "/" : "", e->name), err;

	err = (size_t)n < sizeof(path) ? lower_path(tree, path, value) : -ENAMETOOLONG;
	if (!err)
		err = set_dir(&e->s, UNION_REDIRECT, value);
	return err ? err : change_mark(&e->s);
}

/* Make the directory ready to go to where `to` is. */
static int prepare_dir(const struct tree *tree, const struct end *e, const struct end *to)
{
	switch (union_move(e->s.n > 1, to->below || to->whiteout)) {
	case UNION_MOVE_REDIRECT:
		return set_redirect(tree, e);
	case UNION_MOVE_OPAQUE:
		return set_dir(&e->s, UNION_OPAQUE, "y");
	case UNION_MOVE_PLAIN:
		break;
	}
	return 0;
}

/* Look once more, now that all is in the top that has to be. */
static int find(const struct change *c, struct end *e)
{
	int err = change_dir(c, e->path, &e->dir), below;

	if (err)
		return err;
	err = spot_step(&e->dir, e->name, &e->s);
	e->there = !err;
	if (err && err != -ENOENT)
		return err;
	below = change_below(&e->dir, e->name);
	if (below < 0)
		return below;
	e->below = below;
	e->whiteout = !e->there && change_is_whiteout(change_top(&e->dir), e->name);
	return 0;
}

static int raise_end(const struct change *c, struct end *e)
{
	char path[TREE_PATH_ROOM];
	struct spot s;
	int n = snprintf(path, sizeof(path), "%s%s%s", e->path, *e->path ? "/" : "", e->name), err;

	err = (size_t)n < sizeof(path) ? change_object(c, path, &s) : -ENAMETOOLONG;
	if (!err)
		spot_put(&s);
	return err;
}

static int host_rename(const struct end *from, const struct end *to, unsigned flags)
{
	return renameat2(change_top(&from->dir), from->name, change_top(&to->dir), to->name, flags) ? -errno : 0;
}

/* An empty directory at the target: out of the way first. */
static int clear_target(const struct change *c, struct end *to)
{
	char stage[32];
	int err = change_check_empty(&to->s);

	if (err || !change_in_top(&to->s))
		return err;
	copy_stage_name(stage);
	if (renameat2(change_top(&to->dir), to->name, c->work, stage, to->below ? RENAME_WHITEOUT : 0))
		return -errno;
	to->whiteout = to->below;
	return change_clear(c, stage);
}

/* A directory can't replace a whiteout, but change places with it: it then hides the old name, or goes. */
static int dir_over_whiteout(const struct end *from, const struct end *to)
{
	int err = host_rename(from, to, RENAME_EXCHANGE);

	if (!err && !from->below && unlinkat(change_top(&from->dir), from->name, 0))
		err = -errno;
	return err;
}

static int move_dir(const struct change *c, const struct end *from, struct end *to)
{
	int err = to->there ? clear_target(c, to) : 0;

	if (!err)
		err = prepare_dir(c->tree, from, to);
	if (err)
		return err;
	return to->whiteout ? dir_over_whiteout(from, to) : host_rename(from, to, from->below ? RENAME_WHITEOUT : 0);
}

static int exchange(const struct change *c, const struct end *from, const struct end *to)
{
	int err = S_ISDIR(from->s.st.st_mode) ? prepare_dir(c->tree, from, to) : 0;

	if (!err && S_ISDIR(to->s.st.st_mode))
		err = prepare_dir(c->tree, to, from);
	return err ? err : host_rename(from, to, RENAME_EXCHANGE);
}

static int check(const struct end *from, const struct end *to, unsigned flags)
{
	bool dir = from->there && S_ISDIR(from->s.st.st_mode);

	if (!from->there)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE)
		return to->there ? 0 : -ENOENT;
	if (!to->there)
		return 0;
	if (flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (dir != S_ISDIR(to->s.st.st_mode))
		return dir ? -ENOTDIR : -EISDIR;
	return dir ? change_check_empty(&to->s) : 0;
}

/* Where a name of the other end is one of the same file, rename does nothing (rename(2)). */
static bool same(const struct end *from, const struct end *to)
{
	return to->there && !S_ISDIR(from->s.st.st_mode) && from->s.st.st_dev == to->s.st.st_dev &&
	       from->s.st.st_ino == to->s.st.st_ino;
}

static int settle(const struct end *from, const struct end *to, unsigned flags)
{
	int err = spot_origin(&from->s) ? change_mark(&to->dir) : 0;

	if (!err && flags & RENAME_EXCHANGE && spot_origin(&to->s))
		err = change_mark(&from->dir);
	return err;
}

static int rename_found(const struct change *c, struct end *from, struct end *to, unsigned flags)
{
	int err = settle(from, to, flags); /* before: a mark too many does no harm */

	if (err)
		return err;
	if (flags & RENAME_EXCHANGE)
		return exchange(c, from, to);
	if (S_ISDIR(from->s.st.st_mode))
		return move_dir(c, from, to);
	return host_rename(from, to, from->below ? RENAME_WHITEOUT : 0);
}

int change_rename(const struct change *c, const char *path, const char *name, const char *to_path, const char *as,
		  unsigned flags)
{
	struct end from = { .path = path, .name = name }, to = { .path = to_path, .name = as };
	int lock = -1, err = find(c, &from);

	if (!err)
		err = find(c, &to);
	if (!err)
		err = check(&from, &to, flags);
	if (err || same(&from, &to))
		goto out;
	err = raise_end(c, &from);
	if (!err && flags & RENAME_EXCHANGE)
		err = raise_end(c, &to);
	lock = err ? -1 : change_lock(c);
	if (!err && lock < 0)
		err = lock;
	end_put(&from);
	end_put(&to);
	if (!err)
		err = find(c, &from);
	if (!err)
		err = find(c, &to);
	if (!err)
		err = check(&from, &to, flags);
	if (!err)
		err = change_own_name(&from.dir, name, &from.s);
	if (!err && flags & RENAME_EXCHANGE)
		err = change_own_name(&to.dir, as, &to.s);
	if (!err)
		err = rename_found(c, &from, &to, flags);
	if (!err) {
		c->told(c, &from.dir, name);
		c->told(c, &to.dir, as);
	}
	if (lock >= 0)
		close(lock);
out:
	end_put(&from);
	end_put(&to);
	return err;
}
