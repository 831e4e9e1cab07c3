// SPDX-License-Identifier: LGPL-3.0-or-later
/* From a tree to the host; see copy.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/copy.h"

#define DEPTH_MAX 512
#define CHUNK ((size_t)1 << 20)
#define VALUE_MAX 65536

static void step(const struct copy *c, uint64_t files, uint64_t bytes)
{
	if (c->step)
		c->step(files, bytes, c->arg);
}

void copy_stage_name(char name[32])
{
	unsigned long long id = 0;

	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		id = (unsigned long long)getpid() << 32;
	snprintf(name, 32, ".gsh-%016llx", id);
}

bool copy_is_stage_name(const char *name)
{
	return !strncmp(name, ".gsh-", 5) && strlen(name) == 21 && strspn(name + 5, "0123456789abcdef") == 16;
}

/* ---- data ---- */

static ssize_t copy_by_hand(int from, int to, off_t at, size_t size)
{
	static char buf[65536];
	ssize_t n = pread(from, buf, size < sizeof(buf) ? size : sizeof(buf), at);

	for (ssize_t done = 0; done < n;) {
		ssize_t m = pwrite(to, buf + done, (size_t)(n - done), at + done);

		if (m < 0)
			return -errno;
		done += m;
	}
	return n < 0 ? -errno : n;
}

static int copy_extent(const struct copy *c, int from, int to, off_t at, off_t end)
{
	bool by_hand = false;

	while (at < end) {
		size_t want = (size_t)(end - at) < CHUNK ? (size_t)(end - at) : CHUNK;
		off_t in = at, out = at;
		ssize_t n = by_hand ? copy_by_hand(from, to, at, want)
				    : copy_file_range(from, &in, to, &out, want, 0);

		if (c->stop && *c->stop)
			return -EINTR;
		if (n < 0 && !by_hand && errno != ENOSPC && errno != EDQUOT && errno != EIO) {
			by_hand = true;
			continue;
		}
		if (n < 0)
			return by_hand ? (int)n : -errno;
		if (!n)
			return 0; /* it became shorter */
		at += n;
		step(c, 0, (uint64_t)n);
	}
	return 0;
}

int copy_data(const struct copy *c, int from, int to, off_t size)
{
	off_t at = 0, data, hole;
	int err = 0;

	if (size && !ioctl(to, FICLONE, from)) {
		step(c, 0, (uint64_t)size);
		return 0;
	}
	if (ftruncate(to, size))
		return -errno;
	while (!err && at < size) {
		data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return copy_extent(c, from, to, 0, size);
		/* A hole is done as soon as it is found. */
		if (data < 0 || data > size)
			data = size;
		step(c, 0, (uint64_t)(data - at));
		at = data;
		if (at == size)
			break;
		hole = lseek(from, at, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		err = copy_extent(c, from, to, at, hole);
		at = hole;
	}
	return err;
}

/* ---- attributes ---- */

static void copy_xattrs(const struct spot *s, int to)
{
	char *names = NULL, *value = malloc(VALUE_MAX);
	ssize_t n = spot_xattrs(s, &names);

	for (char *p = names; value && n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t m = spot_xattr(s, p, value, VALUE_MAX);

		/* A host's file system that has none loses them, as cp(1) lets it. */
		if (m >= 0)
			(void)!fsetxattr(to, p, value, (size_t)m, 0);
	}
	free(names);
	free(value);
}

static mode_t kept_mode(const struct copy *c, const struct union_attr *a)
{
	return a->mode & (c->flags & COPY_SET_ID ? 07777 : 01777);
}

static int finish(const struct copy *c, const struct spot *s, const struct union_attr *a, int fd)
{
	struct timespec times[2] = { s->st.st_atim, s->st.st_mtim };

	if (!(c->flags & COPY_ATTRS))
		return 0;
	copy_xattrs(s, fd);
	if (fchmod(fd, kept_mode(c, a)) || futimens(fd, times))
		return -errno;
	return 0;
}

/* ---- objects ---- */

static int copy_file(const struct copy *c, const struct spot *s, const struct union_attr *a,
		     int dir, const char *name)
{
	mode_t mode = c->flags & COPY_ATTRS ? 0600 : (a->mode & 0777);
	int from = spot_open(s, O_RDONLY), to, err;

	if (from < 0)
		return from;
	to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	err = to < 0 ? -errno : copy_data(c, from, to, s->st.st_size);
	if (!err)
		err = finish(c, s, a, to);
	if (to >= 0)
		close(to);
	close(from);
	return err;
}

static int copy_link(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	struct timespec times[2] = { s->st.st_atim, s->st.st_mtim };
	char target[PATH_MAX];
	ssize_t n = spot_readlink(s, target, sizeof(target));

	if (n < 0)
		return (int)n;
	if (symlinkat(target, dir, name))
		return -errno;
	if (c->flags & COPY_ATTRS)
		(void)!utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

int copy_node_mode(int dir, const char *name, mode_t type, mode_t mode)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	char path[32];
	struct stat st;

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st))
		err = -errno;
	else if ((st.st_mode & S_IFMT) != type)
		err = -ESTALE;
	else if (chmod(path, mode))
		err = -errno;
	close(fd);
	return err;
}

static int copy_fifo(const struct copy *c, const struct spot *s, const struct union_attr *a,
		     int dir, const char *name)
{
	struct timespec times[2] = { s->st.st_atim, s->st.st_mtim };
	int err;

	if (mkfifoat(dir, name, a->mode & 0777))
		return -errno;
	if (!(c->flags & COPY_ATTRS))
		return 0;
	err = copy_node_mode(dir, name, S_IFIFO, a->mode & 0777);
	return err ? err : utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

int copy_one(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	struct union_attr a;
	int err;

	spot_attr_inside(s, &a);
	switch (a.mode & S_IFMT) {
	case S_IFREG:
		err = copy_file(c, s, &a, dir, name);
		break;
	case S_IFLNK:
		err = copy_link(c, s, dir, name);
		break;
	case S_IFDIR:
		err = mkdirat(dir, name, c->flags & COPY_ATTRS ? 0700 : (a.mode & 0777) | 0700)
			      ? -errno
			      : 0;
		break;
	case S_IFIFO:
		err = copy_fifo(c, s, &a, dir, name);
		break;
	default:
		return -ENODEV; /* a device is the host's own business; a socket is no file */
	}
	if (!err)
		step(c, 1, 0);
	return err;
}

/* The directory that all goes to. Where a sandbox's base is the host it may lie in what is copied, and would be copied
 * into itself without end. */
struct target {
	bool known;
	dev_t dev;
	ino_t ino;
};

static bool is_target(const struct spot *s, const struct target *into)
{
	struct stat st;

	for (unsigned i = 0; into->known && i < s->n; i++)
		if (!fstat(s->at[i].fd, &st) && st.st_dev == into->dev && st.st_ino == into->ino)
			return true;
	return false;
}

static int copy_dir(const struct copy *c, const struct spot *s, int dir, const char *name, struct target *into,
		    unsigned depth);

/* What is no directory: beside its place first, then over whatever file is there. */
static int copy_into_place(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	char stage[32];
	int err;

	copy_stage_name(stage);
	err = copy_one(c, s, dir, stage);
	if (!err && renameat(dir, stage, dir, name))
		err = -errno;
	if (err && err != -EEXIST)
		(void)!unlinkat(dir, stage, 0);
	return err;
}

static int copy_any(const struct copy *c, const struct spot *s, int dir, const char *name, struct target *into,
		    unsigned depth)
{
	if (!S_ISDIR(s->st.st_mode))
		return copy_into_place(c, s, dir, name);
	if (!(c->flags & COPY_RECURSIVE))
		return -EISDIR;
	if (is_target(s, into))
		return -EDEADLK;
	return depth < DEPTH_MAX ? copy_dir(c, s, dir, name, into, depth) : -ENAMETOOLONG;
}

static int copy_names(const struct copy *c, const struct spot *s, int to, struct target *into, unsigned depth)
{
	struct union_list list = { 0 };
	int err = 0, bad = 0;

	for (unsigned i = 0; i < s->n && !err; i++)
		err = spot_list(s, i, &list);
	for (uint32_t i = 0; i < list.count && !err; i++) {
		cleanup_spot struct spot child = { .n = 0 };
		const char *name = union_list_text(&list, &list.names[i]);
		int r = list.names[i].hidden ? -ENOENT : spot_step(s, name, &child);

		if (r == -ENOENT)
			continue;
		if (!r)
			r = copy_any(c, &child, to, name, into, depth + 1);
		if (c->stop && *c->stop)
			r = -EINTR;
		if (r == -ENOSPC || r == -EDQUOT || r == -EINTR)
			err = r;
		else if (r && r != -EIO && c->lost)
			c->lost(name, r, c->arg);
		bad |= r;
	}
	union_list_free(&list);
	return err ? err : bad ? -EIO : 0;
}

static int copy_dir(const struct copy *c, const struct spot *s, int dir, const char *name, struct target *into,
		    unsigned depth)
{
	struct union_attr a;
	struct stat st;
	int err = copy_one(c, s, dir, name), to, last;

	if (err && err != -EEXIST)
		return err;
	to = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return errno == ELOOP || errno == ENOTDIR ? -ENOTDIR : -errno;
	if (!into->known && !fstat(to, &st))
		*into = (struct target){ true, st.st_dev, st.st_ino };
	spot_attr_inside(s, &a);
	err = copy_names(c, s, to, into, depth);
	/* Last of all: it may be one that nobody can write in. */
	last = finish(c, s, &a, to);
	close(to);
	return err ? err : last;
}

int copy_spot(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	struct target into = { .known = false };

	return copy_any(c, s, dir, name, &into, 0);
}
