/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Deleting a tree that a sandbox wrote: any names, any modes, any depth, perhaps changing as we look.
 *
 * One descriptor a level would let a deep tree exhaust them, so the walk is flat: the tree is moved into a scratch
 * directory, and each directory found inside another is moved up to the scratch directory too, under a number. A crash
 * leaves a scratch directory, whose name begins with a dot: store_sweep() deletes it in the same way, unless it finds it
 * locked (flock), as it is while somebody works on it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/store.h"

/* Open a directory of ours, whatever its mode, and make it one that can be emptied. */
static int open_dir(int at, const char *name)
{
	char path[32];
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* fchmod takes no O_PATH descriptor, and chmod by name would follow a link that came meanwhile. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, 0700)) {
		int err = -errno;
		close(fd);
		return err;
	}
	int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = dir < 0 ? -errno : dir;
	close(fd);
	return err;
}

/* Move directory `name` of `from` to the scratch directory as the next number. */
static int set_aside(int from, const char *name, int scratch, unsigned *count)
{
	char number[16];
	int fd = open_dir(from, name);	/* moving changes its "..": it must be writable */

	if (fd < 0)
		return fd;
	close(fd);
	snprintf(number, sizeof(number), "%u", *count);
	if (renameat(from, name, scratch, number))
		return -errno;
	++*count;
	return 0;
}

static int delete_entry(int dir, const char *name, int scratch, unsigned *count)
{
	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (!unlinkat(dir, name, AT_REMOVEDIR))
		return 0;
	return set_aside(dir, name, scratch, count);
}

static int empty_into(int fd, int scratch, unsigned *count)
{
	struct dirent *e;
	int err = 0;
	DIR *d = fdopendir(fd);

	if (!d) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = delete_entry(fd, e->d_name, scratch, count);
	closedir(d);
	return err;
}

static int delete_numbers(int scratch, unsigned *count)
{
	char number[16];
	int err = 0;

	for (unsigned i = 0; i < *count && !err; i++) {
		snprintf(number, sizeof(number), "%u", i);
		int fd = open_dir(scratch, number);
		err = fd < 0 ? fd : empty_into(fd, scratch, count);
		if (!err && unlinkat(scratch, number, AT_REMOVEDIR))
			err = -errno;
	}
	return err;
}

int store_delete_tree(int at, const char *name)
{
	char scratch[32];
	unsigned count = 0, id;
	int err, fd;

	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -EIO;
	snprintf(scratch, sizeof(scratch), ".deleting-%08x", id);
	if (mkdirat(at, scratch, 0700))
		return -errno;
	fd = open_dir(at, scratch);
	if (fd >= 0)
		(void)!flock(fd, LOCK_EX | LOCK_NB);
	err = fd < 0 ? fd : set_aside(at, name, fd, &count);
	if (!err)
		err = delete_numbers(fd, &count);
	if (fd >= 0)
		close(fd);
	if (unlinkat(at, scratch, AT_REMOVEDIR) && !err)
		err = -errno;
	return err;
}

int store_empty(int at, const char *name)
{
	struct dirent *e;
	int err = 0;
	int fd = open_dir(at, name);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		err = fd < 0 ? fd : -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = store_delete_tree(fd, e->d_name);
	closedir(d);
	return err;
}
