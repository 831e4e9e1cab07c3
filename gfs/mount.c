// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The mount point: making it, and clearing what a killed gfs left on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "gfs/mount.h"
#include "gshd/client/mounts.h"

extern char **environ;

static int say(char *why, size_t size, int err, const char *path, const char *what)
{
	snprintf(why, size, "%s: %s", path, what);
	return err;
}

/* A parent that we make, or find, must not let others put something else in our place: ours, or
 * root's and sticky. */
static int check_parent(const char *path, char *why, size_t size)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return say(why, size, -errno, path, strerror(errno));
	if (stat(path, &st))
		return say(why, size, -errno, path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return say(why, size, -ENOTDIR, path, "it is not a directory");
	if (st.st_uid != geteuid() && (st.st_uid || (st.st_mode & 022 && !(st.st_mode & S_ISVTX))))
		return say(why, size, -EPERM, path,
			   "it belongs to somebody else; choose another place by GSH_MOUNT");
	return 0;
}

static int check_point(const char *path, char *why, size_t size)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return say(why, size, -errno, path, strerror(errno));
	if (lstat(path, &st))
		return say(why, size, -errno, path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return say(why, size, -ENOTDIR, path, "it is not a directory");
	if (st.st_uid != geteuid())
		return say(why, size, -EPERM, path,
			   "it belongs to somebody else; choose another place by GSH_MOUNT");
	return 0;
}

static int unmount_lazily(const char *path)
{
	char *argv[] = {"fusermount3", "-u", "-z", "-q", (char *)path, NULL};
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		return -ENOENT;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

/* Is something there already? Alive: refuse. Dead (its gfs was killed): clear it. */
static int clear_stale(const char *path, char *why, size_t size)
{
	struct stat st;
	dev_t dev;

	while (mounts_fuse(path, &dev) > 0) {
		if (!stat(path, &st))
			return say(why, size, -EBUSY, path, "it is mounted already");
		if (errno != ENOTCONN && errno != ECONNABORTED)
			return say(why, size, -errno, path, strerror(errno));
		if (unmount_lazily(path))
			return say(why, size, -EIO, path,
				   "a dead mount is in the way; try: fusermount3 -u -z on it");
	}
	return 0;
}

int mount_prepare(const char *wanted, char *path, char *why, size_t size)
{
	char parent[PATH_MAX], *slash;
	int err;

	snprintf(parent, sizeof(parent), "%s", wanted);
	slash = strrchr(parent, '/');
	if (*wanted != '/' || !slash[1] || !strcmp(slash, "/.") || !strcmp(slash, "/.."))
		return say(why, size, -EINVAL, wanted, "the mount point must be an absolute path");
	*slash = '\0';
	if (*parent) {
		err = check_parent(parent, why, size);
		if (err)
			return err;
	}
	if (!realpath(*parent ? parent : "/", path))
		return say(why, size, -errno, parent, strerror(errno));
	if (strlen(path) + strlen(slash + 1) + 2 > PATH_MAX)
		return say(why, size, -ENAMETOOLONG, wanted, "the path is too long");
	if (strcmp(path, "/"))
		strcat(path, "/");
	strcat(path, strrchr(wanted, '/') + 1);
	err = clear_stale(path, why, size);
	return err ? err : check_point(path, why, size);
}

int mount_check_device(char *why, size_t size)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	snprintf(why, size, "cannot use FUSE: /dev/fuse: %s; %s", strerror(errno),
		 errno == EACCES || errno == EPERM ? "as root: chmod 0666 /dev/fuse"
						   : "as root: modprobe fuse");
	return -errno;
}
