// SPDX-License-Identifier: LGPL-3.0-or-later
/* Layers made on the host's side; see layer.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/layer.h"

#define VALUE_MAX 65536

int layer_set_attr(int fd, const struct union_attr *a, uint64_t origin)
{
	char value[UNION_VALUE_MAX];
	bool differs;
	mode_t mode = union_host_mode(a->mode, false, &differs);
	int err = 0;

	if (a->uid != geteuid() || a->gid != getegid())
		differs = true;
	/* The host asks for the right to write before it takes an attribute. */
	if ((differs || origin) && fchmod(fd, mode | S_IWUSR))
		err = -errno;
	if (!err && origin && fsetxattr(fd, UNION_ORIGIN, value, union_origin_encode(value, origin), 0))
		err = -errno;
	if (!err && (differs || origin) && fsetxattr(fd, UNION_ATTR, value, union_attr_encode(value, a), 0))
		err = -errno;
	if (!err && fchmod(fd, mode | (differs || origin ? UNION_MARK : 0)))
		err = -errno;
	return err;
}

int layer_whiteout(int dir, const char *name)
{
	return mknodat(dir, name, S_IFCHR, 0) ? -errno : 0;
}

static int copy_xattrs(const struct spot *s, int to)
{
	char *names = NULL, *value = malloc(VALUE_MAX);
	ssize_t n = value ? spot_xattrs(s, &names) : -ENOMEM;
	int err = n < 0 ? (int)n : 0;

	for (char *p = names; !err && p < names + n; p += strlen(p) + 1) {
		ssize_t m = spot_xattr(s, p, value, VALUE_MAX);

		if (m >= 0 && fsetxattr(to, p, value, (size_t)m, 0))
			err = -errno;
	}
	free(names);
	free(value);
	return err;
}

int layer_set_times(const struct spot *s, int fd)
{
	struct timespec times[2] = { s->st.st_atim, s->st.st_mtim };

	return futimens(fd, times) ? -errno : 0;
}

/* A device is an empty file with its number beside it. */
static int put_file(const struct copy *c, const struct spot *s, const struct union_attr *a, uint64_t origin, int dir,
		    const char *name)
{
	bool data = S_ISREG(s->st.st_mode);
	int from = data ? spot_open(s, O_RDONLY) : -1, to, err = 0;

	if (data && from < 0)
		return from;
	to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		err = -errno;
	if (!err && data)
		err = copy_data(c, from, to, s->st.st_size);
	if (!err && data)
		err = copy_xattrs(s, to);
	if (!err)
		err = layer_set_attr(to, a, origin);
	if (!err)
		err = layer_set_times(s, to);
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	return err;
}

static int put_link(const struct spot *s, int dir, const char *name)
{
	struct timespec times[2] = { s->st.st_atim, s->st.st_mtim };
	char target[PATH_MAX];
	ssize_t n = spot_readlink(s, target, sizeof(target));

	if (n < 0)
		return (int)n;
	return symlinkat(target, dir, name) || utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int put_node(const struct spot *s, const struct union_attr *a, int dir, const char *name)
{
	struct timespec times[2] = { s->st.st_atim, s->st.st_mtim };

	int err = mknodat(dir, name, (a->mode & S_IFMT) | (a->mode & 0777), 0) ? -errno : 0;

	if (!err)
		err = copy_node_mode(dir, name, a->mode & S_IFMT, a->mode & 0777);
	return err ? err : utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* origin: of what it lies above; 0: of nothing. */
static int put_dir(const struct spot *s, int dir, const char *name, uint64_t origin)
{
	struct union_attr a;
	int fd, err = 0;

	if (mkdirat(dir, name, 0700))
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	spot_attr_inside(s, &a);
	if (fsetxattr(fd, origin ? UNION_IMPURE : UNION_OPAQUE, "y", 1, 0))
		err = -errno;
	if (!err)
		err = copy_xattrs(s, fd);
	if (!err)
		err = layer_set_attr(fd, &a, origin);
	if (!err)
		err = layer_set_times(s, fd);
	close(fd);
	return err;
}

int layer_put_dir(const struct spot *s, int dir, const char *name, bool opaque)
{
	return put_dir(s, dir, name, opaque ? 0 : spot_number(s));
}

int layer_put_above(const struct spot *was, const struct spot *is, int dir, const char *name)
{
	return put_dir(is, dir, name, spot_number(was));
}

/* origin: 0 for an object of its own; a directory has one anyhow, or is opaque. */
static int put(const struct copy *c, const struct spot *s, uint64_t origin, int dir, const char *name)
{
	struct union_attr a;
	int err;

	if (c->stop && *c->stop)
		return -EINTR;
	spot_attr_inside(s, &a);
	switch (a.mode & S_IFMT) {
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
		err = put_file(c, s, &a, origin, dir, name);
		break;
	case S_IFLNK:
		err = put_link(s, dir, name);
		break;
	case S_IFDIR:
		err = put_dir(s, dir, name, origin);
		break;
	default:
		err = put_node(s, &a, dir, name);
	}
	if (!err && c->step)
		c->step(1, 0, c->arg);
	return err;
}

int layer_put(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	return put(c, s, 0, dir, name);
}

/* One of several names whose other names nothing can lead to the copy is a new object, as in overlayfs without an
 * index. */
int layer_raise(const struct copy *c, const struct spot *s, int dir, const char *name)
{
	char path[UNION_LINK_MAX];
	bool same = S_ISDIR(s->st.st_mode) || s->st.st_nlink == 1 || spot_link_path(s, path);

	return put(c, s, same ? spot_number(s) : 0, dir, name);
}
