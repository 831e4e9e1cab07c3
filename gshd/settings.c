/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A sandbox's own settings: boxes/NAME/gsh.conf in the store, read on top of the user's (conf/conf.h); between them
 * boxes/NAME/project.conf, what the client sent of a project that its user trusts, replaced at each start.
 *
 * They are written when the sandbox is made, when it is started with other ones, and when an exception is kept (gsh
 * allow); always whole, aside and renamed, so that a start never sees half of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/settings.h"

int settings_load(const struct paths *paths, const char *name, const char *more, struct conf *conf, char *why,
		  size_t size)
{
	char path[PATH_MAX + 128], of_project[PATH_MAX + 128];
	const struct conf_project project = { .path = of_project };
	int err = conf_own_path(path, sizeof(path), paths->store, name);

	if (!err)
		err = conf_project_path(of_project, sizeof(of_project), paths->store, name);
	if (err) {
		snprintf(why, size, "sandbox %s: %s", name, strerror(-err));
		return err;
	}
	return conf_load_own(conf, &project, path, more, why, size);
}

static int read_all(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, text, size);
	close(fd);
	if (n < 0 || n == (ssize_t)size)
		return n < 0 ? -EIO : -EFBIG;
	text[n] = '\0';
	return 0;
}

static int write_all(const char *path, const char *text)
{
	char aside[PATH_MAX + 160];
	int fd, err = 0;
	size_t n = strlen(text);

	snprintf(aside, sizeof(aside), "%s.new-%d", path, getpid());
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n || fsync(fd))
		err = -EIO;
	if (close(fd) && !err)
		err = -EIO;
	if (!err && rename(aside, path))
		err = -errno;
	if (err)
		unlink(aside);
	return err;
}

int settings_put(const struct paths *paths, const char *name, const char *text)
{
	char path[PATH_MAX + 128];
	int err = conf_own_path(path, sizeof(path), paths->store, name);

	return err ? err : write_all(path, text);
}

int settings_put_project(const struct paths *paths, const char *name, const char *text)
{
	char path[PATH_MAX + 128];
	int err = conf_project_path(path, sizeof(path), paths->store, name);

	return err ? err : write_all(path, text);
}

int settings_get(const struct paths *paths, const char *name, char *text, size_t size)
{
	char path[PATH_MAX + 128];
	int err = conf_own_path(path, sizeof(path), paths->store, name);

	return err ? err : read_all(path, text, size);
}

int settings_drop(const struct paths *paths, const char *name, const char *key, const char *value)
{
	static char text[SETTINGS_MAX], left[SETTINGS_MAX + 2];
	char line[CONF_VALUE_MAX + 32], *rest = text, *at, *to = left;
	int found = 0, err = settings_get(paths, name, text, sizeof(text));

	if (err)
		return err;
	snprintf(line, sizeof(line), "%s=%s", key, value);
	*to = '\0';
	while ((at = strsep(&rest, "\n"))) {
		if (!strcmp(at, line))
			found = 1;
		else if (*at)
			to += sprintf(to, "%s\n", at);
	}
	err = found ? settings_put(paths, name, left) : 0;
	return err ? err : found;
}

int settings_add(const struct paths *paths, const char *name, const char *more)
{
	static char text[SETTINGS_MAX];
	int err = settings_get(paths, name, text, sizeof(text));
	size_t n = strlen(text);

	if (err)
		return err;
	if (n + strlen(more) + 2 > sizeof(text))
		return -EFBIG;
	sprintf(text + n, "%s%s", n && text[n - 1] != '\n' ? "\n" : "", more);
	return settings_put(paths, name, text);
}
