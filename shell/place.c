// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where things are: the programs beside gsh, and the mount point of gfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gshd/client/mounts.h"
#include "gshd/client/paths.h"
#include "shell/shell.h"

#define GFS_END_MS 2000 /* how long an unmounted gfs is waited for */

int place_mount(char *buf, size_t size)
{
	struct paths paths;
	char why[1024];
	int n;

	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	n = snprintf(buf, size, "%s", paths.mount);
	return n >= (int)size ? fail(FAIL_USAGE, "GSH_MOUNT", "%s", strerror(ENAMETOOLONG)) : 0;
}

/* The path as the kernel would name it. Its last part is not looked at: on a dead mount even
 * lstat() fails. */
static int canonical(const char *path, char *buf, size_t size)
{
	char copy[PATH_MAX], *slash, *real;
	int n;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	for (slash = copy + strlen(copy); slash > copy + 1 && slash[-1] == '/';)
		*--slash = '\0';
	slash = strrchr(copy, '/');
	if (!slash || slash == copy) {
		n = snprintf(buf, size, "%s", copy);
		return n >= (int)size ? -ENAMETOOLONG : 0;
	}
	*slash = '\0';
	real = realpath(copy, NULL);
	if (!real)
		return -errno;
	n = snprintf(buf, size, "%s/%s", strcmp(real, "/") == 0 ? "" : real, slash + 1);
	free(real);
	return n >= (int)size ? -ENAMETOOLONG : 0;
}

int place_mounted(const char *path)
{
	char want[PATH_MAX];
	struct stat st;
	dev_t dev;
	int found = canonical(path, want, sizeof(want));

	if (found)
		return found == -ENOENT ? 0 : found;
	found = mounts_fuse(want, &dev);
	if (found > 0 && stat(path, &st) < 0)
		return -errno;
	return found;
}

int place_run(char *const *argv, bool quiet)
{
	extern char **environ;
	posix_spawn_file_actions_t actions;
	int err, status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	/* gfs lives on: it must not hold our caller's pipes. */
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

/* gfs holds a lock for as long as it lives: wait until it has heard of its end, and ended. */
static void wait_ended(void)
{
	struct timespec pause = {.tv_nsec = 5000000};
	struct paths paths;
	char why[512], lock[PATH_MAX + 16];
	int fd, waited;

	if (paths_find(&paths, why, sizeof(why)))
		return;
	snprintf(lock, sizeof(lock), "%s/gfs.lock", paths.runtime);
	fd = open(lock, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (waited = 0; flock(fd, LOCK_SH | LOCK_NB) && waited < GFS_END_MS; waited += 5)
		nanosleep(&pause, NULL);
	close(fd);
}

int place_unmount(const char *path)
{
	char *gently[] = {"fusermount3", "-u", (char *)path, NULL};
	char *lazily[] = {"fusermount3", "-u", "-z", (char *)path, NULL};
	int mounted = place_mounted(path), result;

	if (mounted == 0)
		return 0;
	/* A dead mount ("Transport endpoint is not connected") has no data to lose. A live one is
	 * read-only, and its daemon ends when the last file is closed. */
	result = mounted > 0 ? place_run(gently, true) : 1;
	if (!result)
		wait_ended();
	else
		result = place_run(lazily, false);
	if (result == -ENOENT) {
		fail(FAIL_HOST, path, "cannot unmount: fusermount3 is not installed");
		hint("install the package fuse3");
		return -FAIL_HOST;
	}
	if (result)
		return fail(FAIL_NO, path, "fusermount3 could not unmount it");
	return 0;
}
