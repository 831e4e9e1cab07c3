// SPDX-License-Identifier: LGPL-3.0-or-later
/* Attributes of what lies in the top: see change.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/change.h"
#include "gshd/tree/layer.h"

static void path_of(const struct spot *s, char path[32])
{
	snprintf(path, 32, "/proc/self/fd/%d", s->at[0].fd);
}

static int set_marked(int fd, const struct union_attr *a)
{
	char value[UNION_VALUE_MAX];
	bool differs;
	mode_t host = union_host_mode(a->mode, false, &differs);

	/* The host asks for the right to write before it takes an attribute. */
	if (fchmod(fd, host | S_IWUSR | UNION_MARK) ||
	    fsetxattr(fd, UNION_ATTR, value, union_attr_encode(value, a), 0) || fchmod(fd, host | UNION_MARK))
		return -errno;
	return 0;
}

int change_mode(const struct spot *s, mode_t mode)
{
	struct union_attr a;
	char path[32];
	int fd, err;

	spot_attr_inside(s, &a);
	a.mode = (a.mode & S_IFMT) | (mode & 07777);
	if (S_ISLNK(a.mode))
		return -EOPNOTSUPP;
	path_of(s, path);
	/* Nodes have no attributes of their own. */
	if (!S_ISREG(s->st.st_mode) && !S_ISDIR(s->st.st_mode))
		return chmod(path, a.mode & 0777) ? -errno : 0;
	fd = spot_open(s, O_RDONLY);
	if (fd < 0)
		return fd;
	/* What is marked stays so: a directory's mark may be for what else it says of itself. */
	err = union_is_marked(s->st.st_mode) ? set_marked(fd, &a) : layer_set_attr(fd, &a, 0);
	close(fd);
	return err;
}

int change_lose_setid(const struct spot *s)
{
	struct union_attr a;
	mode_t lost;

	spot_attr_inside(s, &a);
	if (!S_ISREG(a.mode) || !geteuid())
		return 0;
	lost = a.mode & S_ISUID;
	if (a.mode & S_IXGRP)
		lost |= a.mode & S_ISGID;
	return lost ? change_mode(s, a.mode & 07777 & ~lost) : 0;
}

int change_times(const struct spot *s, const struct timespec times[2])
{
	char path[32];

	path_of(s, path);
	/* A link is not to be followed: by the descriptor itself. */
	if (S_ISLNK(s->st.st_mode))
		return utimensat(s->at[0].fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ? -errno : 0;
	return utimensat(AT_FDCWD, path, times, 0) ? -errno : 0;
}

static bool may(const struct spot *s, const char *name)
{
	return !strncmp(name, "user.", 5) && !union_is_hidden_xattr(name) &&
	       (S_ISREG(s->st.st_mode) || S_ISDIR(s->st.st_mode));
}

int change_setxattr(const struct spot *s, const char *name, const void *value, size_t size, int flags)
{
	char path[32];

	if (!may(s, name))
		return strncmp(name, "user.", 5) ? -EOPNOTSUPP : -EPERM;
	path_of(s, path);
	return setxattr(path, name, value, size, flags) ? -errno : 0;
}

int change_removexattr(const struct spot *s, const char *name)
{
	char path[32];

	if (!may(s, name))
		return strncmp(name, "user.", 5) ? -EOPNOTSUPP : -ENODATA;
	path_of(s, path);
	return removexattr(path, name) ? -errno : 0;
}

int change_mark(const struct spot *dir)
{
	struct union_attr a;
	int fd = spot_open(dir, O_RDONLY | O_DIRECTORY), err;

	if (fd < 0)
		return fd;
	spot_attr_inside(dir, &a);
	err = fsetxattr(fd, UNION_IMPURE, "y", 1, 0) ? -errno : set_marked(fd, &a);
	close(fd);
	return err;
}
