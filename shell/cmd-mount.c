// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh mount: show the sandboxes as files.
 *
 * gfs is a program of its own, so that its death disturbs no sandbox. It is started here and left
 * running; "gsh umount" ends it. What a killed gfs leaves, a mount that answers ENOTCONN, is
 * cleared first.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/cmd.h"

#define MOUNT_WAIT_MS 5000

static const struct opt opts[] = {
	OPT_ROW_END,
};

static int make_folder(const char *path)
{
	char parent[PATH_MAX], *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		if (mkdir(parent, 0700) < 0 && errno != EEXIST)
			return fail(FAIL_NO, parent, "%s", strerror(errno));
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail(FAIL_NO, path, "%s", strerror(errno));
	return 0;
}

/* FUSE is open to every user on real machines; on a bare virtual machine without udev it may not
 * be. */
static int check_device(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	fail(FAIL_HOST, "cannot mount", "/dev/fuse: %s", strerror(errno));
	if (errno == EACCES || errno == EPERM)
		hint("as root: chmod 0666 /dev/fuse");
	else
		hint("as root: modprobe fuse");
	return -FAIL_HOST;
}

static int wait_mounted(const char *path)
{
	struct timespec pause = {.tv_nsec = 5000000};
	int waited;

	for (waited = 0; waited < MOUNT_WAIT_MS; waited += 5) {
		if (place_mounted(path) > 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return fail(FAIL_NO, path, "gfs did not mount it within %d seconds", MOUNT_WAIT_MS / 1000);
}

static int start_gfs(const char *path)
{
	char program[PATH_MAX];
	char *argv[] = {program, (char *)path, NULL};
	int err = paths_beside("gfs", program, sizeof(program));

	if (err)
		return fail(FAIL_HOST, program, "%s", strerror(-err));
	err = place_run(argv, false);
	if (err < 0)
		return fail(FAIL_NO, program, "%s", strerror(-err));
	if (err)
		return fail(FAIL_NO, "gfs", "ended with status %d", err);
	return wait_mounted(path);
}

static int exec(const struct call *call)
{
	char path[PATH_MAX];
	int mounted, result;

	result = place_mount(path, sizeof(path));
	if (result)
		return result;
	mounted = place_mounted(path);
	if (mounted <= 0) {
		result = mounted < 0 ? place_unmount(path) : 0;
		if (!result)
			result = make_folder(path);
		if (!result)
			result = check_device();
		if (!result)
			result = start_gfs(path);
		if (result)
			return result;
	}
	puts(path);
	return show_done();
}

const struct cmd cmd_mount = {
	.name = "mount",
	.args = "",
	.summary = "mount the sandboxes as files and print where",
	.opts = opts,
	.group = GROUP_HOST,
	.exec = exec,
};
