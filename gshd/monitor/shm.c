/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Directories in memory for rung B: see shm.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "gshd/monitor/shm.h"
#include "gshd/store/store.h"

static const char *parent_of(const char *runtime)
{
	struct statfs fs;
	bool tmpfs = !statfs("/dev/shm", &fs) && fs.f_type == TMPFS_MAGIC &&
		     !access("/dev/shm", W_OK | X_OK);

	return tmpfs ? "/dev/shm" : runtime;
}

int shm_make(const char *runtime, const char *name, char *path)
{
	int fd, err = 0;

	if (snprintf(path, PATH_MAX, "%s/gsh-%u-%s-XXXXXX", parent_of(runtime), geteuid(), name) >=
	    PATH_MAX)
		err = -ENAMETOOLONG;
	else if (!mkdtemp(path))
		err = -errno;
	if (err) {
		path[0] = '\0';
		return err;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closed by the process's end */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
		rmdir(path);
		path[0] = '\0';
	}
	return err;
}

void shm_remove(const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd;

	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	store_delete_tree(fd, slash + 1);
	close(fd);
}

void shm_sweep(const char *runtime)
{
	const char *parent = parent_of(runtime);
	char mine[32];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(parent);

	snprintf(mine, sizeof(mine), "gsh-%u-", geteuid());
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, mine, strlen(mine)))
			continue;
		int fd = openat(dirfd(d), e->d_name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!fstat(fd, &st) && st.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB))
			store_delete_tree(dirfd(d), e->d_name);
		close(fd);
	}
	if (d)
		closedir(d);
}
