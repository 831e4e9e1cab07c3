/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Deleting a tree that a sandbox wrote: any names, any modes, any depth, perhaps changing as we
 * look.
 *
 * One descriptor a level would let a deep tree exhaust them, so the tree is made flat as it goes:
 * what is found two levels down and cannot be removed at once is moved to the first level under a
 * name of its own, and the first level is looked through again until it is empty. Nothing is ever
 * outside the directory that is deleted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/client/delete.h"

/* The top of a deletion, and names in it that are not taken. */
struct flat {
	int top;
	unsigned salt, count;
};

/* Open a directory of ours, whatever its mode, and make it one that can be emptied. */
static int open_dir(int at, const char *name)
{
	char path[32];
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int dir;

	if (fd < 0)
		return -errno;
	/* fchmod takes no O_PATH descriptor, and chmod by name would follow a link that came
	 * meanwhile. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	dir = chmod(path, 0700) ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		dir = -errno;
	close(fd);
	return dir;
}

static DIR *open_stream(int at, const char *name)
{
	int fd = open_dir(at, name);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd < 0)
		errno = -fd;
	else if (!d)
		close(fd);
	return d;
}

/* The next entry that is neither "." nor "..". */
static const char *next_name(DIR *d)
{
	struct dirent *e;

	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return e->d_name;
	return NULL;
}

static int move_up(struct flat *f, int from, const char *name)
{
	char number[32];
	int fd = open_dir(from, name); /* moving changes its "..": it must be writable */

	if (fd < 0)
		return fd;
	close(fd);
	snprintf(number, sizeof(number), ".gsh-%08x-%u", f->salt, f->count++);
	return renameat2(from, name, f->top, number, RENAME_NOREPLACE) && errno != ENOENT ? -errno
											  : 0;
}

/* 0: gone. -ENOTEMPTY: a directory with something in it. */
static int remove_one(int at, const char *name)
{
	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	return unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

/* Remove `name` of the top, a directory: its files go, its directories come up. */
static int flatten(struct flat *f, const char *name)
{
	DIR *d = open_stream(f->top, name);
	const char *inner;
	int err = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (inner = next_name(d))) {
		err = remove_one(dirfd(d), inner);
		if (err == -ENOTEMPTY)
			err = move_up(f, dirfd(d), inner);
	}
	closedir(d);
	return err ? err : remove_one(f->top, name);
}

int store_empty(int at, const char *name)
{
	struct flat f = { 0 };
	DIR *d = open_stream(at, name);
	const char *inner;
	bool again = true;
	int err = 0;

	if (!d)
		return -errno;
	f.top = dirfd(d);
	if (getrandom(&f.salt, sizeof(f.salt), 0) != (ssize_t)sizeof(f.salt))
		err = -EIO;
	while (again && !err) {
		again = false;
		rewinddir(d);
		while (!err && (inner = next_name(d))) {
			err = remove_one(f.top, inner);
			if (err == -ENOTEMPTY)
				err = flatten(&f, inner);
			if (err == -ENOTEMPTY)
				err = 0; /* something came in meanwhile: next time */
			again = true;
		}
	}
	closedir(d);
	return err;
}

int store_delete_tree(int at, const char *name)
{
	int err = remove_one(at, name);

	if (err != -ENOTEMPTY)
		return err;
	err = store_empty(at, name);
	return err ? err : remove_one(at, name);
}
