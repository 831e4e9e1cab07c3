// SPDX-License-Identifier: LGPL-3.0-or-later
/* Removing: what only the top has goes for good, what lies below is hidden. See change.h; libos/fs/union_remove.c does
 * the same inside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "gshd/tree/change.h"
#include "gshd/tree/copy.h"

int change_check_empty(const struct spot *s)
{
	struct union_list list = { 0 };
	int err = 0;

	for (unsigned i = 0; i < s->n && !err; i++)
		err = spot_list(s, i, &list);
	for (u32 i = 0; !err && i < list.count; i++)
		if (!list.names[i].hidden)
			err = -ENOTEMPTY;
	union_list_free(&list);
	return err;
}

int change_clear(const struct change *c, const char *stage)
{
	int fd = openat(c->work, stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while (!err && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!change_is_whiteout(fd, e->d_name))
			err = -ENOTEMPTY;
		else if (unlinkat(fd, e->d_name, 0))
			err = -errno;
	}
	closedir(d);
	return err ? err : unlinkat(c->work, stage, AT_REMOVEDIR) ? -errno : 0;
}

/* Something was made in the directory while it was moved away. */
static int put_back(const struct change *c, const char *stage, const struct spot *dir, const char *name, bool hidden)
{
	if (renameat2(c->work, stage, change_top(dir), name, hidden ? RENAME_EXCHANGE : RENAME_NOREPLACE))
		return -errno;
	if (hidden)
		change_drop(c, stage);
	return -ENOTEMPTY;
}

static int take_away(const struct change *c, const struct spot *dir, const char *name, bool is_dir, bool hide)
{
	char stage[32];
	int err;

	copy_stage_name(stage);
	if (renameat2(change_top(dir), name, c->work, stage, hide ? RENAME_WHITEOUT : 0))
		return -errno;
	if (!is_dir) {
		change_drop(c, stage);
		return 0;
	}
	err = change_clear(c, stage);
	return err == -ENOTEMPTY ? put_back(c, stage, dir, name, hide) : err;
}

static int hide(const struct spot *dir, const char *name)
{
	return mknodat(change_top(dir), name, S_IFCHR, 0) ? -errno : 0;
}

static int remove_dir(const struct change *c, const struct spot *dir, const char *name, const struct spot *s,
		      enum union_removal how)
{
	int lock, err;

	/* Of the top alone: the host knows whether it is empty, but for whiteouts in it. */
	if (how == UNION_UNLINK && s->n == 1 && !unlinkat(change_top(dir), name, AT_REMOVEDIR))
		return 0;
	lock = change_lock(c);
	if (lock < 0)
		return lock;
	err = change_check_empty(s);
	if (!err)
		err = how == UNION_HIDE ? hide(dir, name)
					: take_away(c, dir, name, true, how == UNION_TAKE_AND_HIDE);
	close(lock);
	return err;
}

static int remove_file(const struct change *c, const struct spot *dir, const char *name, enum union_removal how)
{
	switch (how) {
	case UNION_UNLINK:
		return unlinkat(change_top(dir), name, 0) ? -errno : 0;
	case UNION_TAKE_AND_HIDE:
		return take_away(c, dir, name, false, true);
	case UNION_HIDE:
		break;
	}
	return hide(dir, name);
}

static int remove_name(const struct change *c, const char *path, const char *name, bool is_dir)
{
	struct spot dir, s = { .n = 0 };
	int err = spot_find(c->tree, path, &dir), below = 1;
	bool in_top;

	if (err)
		return err;
	err = spot_step(&dir, name, &s);
	if (!err && is_dir != S_ISDIR(s.st.st_mode))
		err = is_dir ? -ENOTDIR : -EISDIR;
	/* Nothing is copied up for a directory that is not empty. */
	if (!err && is_dir && !change_in_top(&s))
		err = change_check_empty(&s);
	spot_put(&dir);
	if (!err)
		err = change_dir(c, path, &dir);
	if (err) {
		spot_put(&s);
		return err;
	}
	in_top = change_in_top(&s) && (is_dir || change_has(&dir, name));
	if (in_top)
		below = change_below(&dir, name);
	if (below < 0)
		err = below;
	else if (is_dir)
		err = remove_dir(c, &dir, name, &s, union_removal(in_top, below));
	else
		err = remove_file(c, &dir, name, union_removal(in_top, below));
	if (!err)
		c->told(c, &dir, name);
	spot_put(&s);
	spot_put(&dir);
	return err;
}

int change_unlink(const struct change *c, const char *path, const char *name)
{
	return remove_name(c, path, name, false);
}

int change_rmdir(const struct change *c, const char *path, const char *name)
{
	return remove_name(c, path, name, true);
}
