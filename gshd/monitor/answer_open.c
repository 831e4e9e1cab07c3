/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Files of the base that Landlock does not know, on rung B.
 *
 * Landlock's rules hang on the files and directories that were there when the sandbox started.
 * Where a rule could not be given to a whole directory, because something hidden lies in it (a home
 * directory holds the store), what the user makes there later has none, and an editor that saves by
 * renaming makes such a file each time. So the picoprocess, refused, passes what it could only look
 * up (O_PATH) and gets it back open for reading, if it lies where the sandbox may read. That is
 * asked of the kernel as in answer_setattr.c: nothing hidden can get a path outside its hiding
 * place, for to move or link it takes a right that the sandbox does not have there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "gshd/monitor/monitor.h"

bool path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n && !strncmp(path, dir, n) && (path[n] == '/' || dir[n - 1] == '/');
}

int path_of_fd(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n <= 0 || n >= PATH_MAX - 1)
		return -EPERM;
	path[n] = '\0';
	return 0;
}

/* May the sandbox read what lies there? */
static bool readable_place(const struct monitor *m, const char *path)
{
	char dir[PATH_MAX + 16];

	if (!path_below(path, m->spec.base))
		return false;
	for (unsigned i = 0; i < m->nhidden; i++)
		if (!strcmp(path, m->hidden[i]) || path_below(path, m->hidden[i]))
			return false;
	for (unsigned i = 0; confine_host_dirs[i]; i++) {
		snprintf(dir, sizeof(dir), "%s/%s", strcmp(m->spec.base, "/") ? m->spec.base : "",
			 confine_host_dirs[i]);
		if (!strcmp(path, dir) || path_below(path, dir))
			return false;
	}
	return true;
}

/* Is it still what has that name? Of what was removed or replaced the kernel tells the last place, with words behind it
 * that a name may have, too; and what lay in a hidden place that is a single file would then be somewhere else. */
static int check_name(int fd, const char *path)
{
	struct statx is, named;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &is) ||
	    statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_INO, &named))
		return -EACCES;
	return is.stx_ino == named.stx_ino && is.stx_dev_major == named.stx_dev_major &&
			       is.stx_dev_minor == named.stx_dev_minor
		       ? 0
		       : -EACCES;
}

/* Opening anything but files and directories does something: a device's driver is woken, a fifo's writer too. And a
 * proc outside of /proc (a chroot has one) looks at who opens, which would be us. */
static int check_kind(int fd)
{
	struct statx stx;
	struct statfs fs;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) || fstatfs(fd, &fs))
		return -errno;
	if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode))
		return -EACCES;
	return fs.f_type == PROC_SUPER_MAGIC ? -EACCES : 0;
}

void answer_open(struct monitor *m, struct request *r)
{
	char path[PATH_MAX], link[32];
	int fd, err = m->rung == GRANT_RUNG_B ? path_of_fd(r->fds[0], path) : -EOPNOTSUPP;

	/* The place first: what is asked of a hidden file may be asked of gfs, and that would ask us. */
	if (!err && !readable_place(m, path)) {
		hidden_note(m, path);
		err = -EACCES;
	}
	if (!err)
		err = check_name(r->fds[0], path);
	if (!err)
		err = check_kind(r->fds[0]);
	if (!err) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", r->fds[0]);
		fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			err = -errno;
		else
			r->reply.fds[r->reply.nfds++] = fd;
	}
	r->reply.head.error = -err;
}
