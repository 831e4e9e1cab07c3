/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See held.h. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/held.h"

#define DELETED " (deleted)"

struct place {
	char path[PATH_MAX]; /* with a slash at its end */
	size_t len;
};

static bool place_of(int dir, struct place *p)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, p->path, sizeof(p->path) - 1);
	if (n <= 1)
		return false;
	p->path[n] = '/';
	p->len = (size_t)n + 1;
	return true;
}

static bool is_below(const struct place *p, const char *path, size_t len)
{
	size_t tail = sizeof(DELETED) - 1;

	return len > p->len && !memcmp(path, p->path, p->len) &&
	       !(len > tail && !memcmp(path + len - tail, DELETED, tail));
}

static FILE *open_text(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f && fd >= 0)
		close(fd);
	return f;
}

static DIR *open_list(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static bool is_written_or_locked(int proc, const char *fd)
{
	char name[64], line[256];
	unsigned flags;
	bool yes = false;
	FILE *f;

	snprintf(name, sizeof(name), "fdinfo/%.20s", fd);
	f = open_text(proc, name);
	while (f && !yes && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "flags: %o", &flags) == 1)
			yes = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
		else
			yes = !strncmp(line, "lock:", 5);
	}
	if (f)
		fclose(f);
	return yes;
}

static bool has_open(int proc, const struct place *p)
{
	DIR *d = open_list(proc, "fd");
	char path[PATH_MAX];
	struct dirent *e;
	bool yes = false;

	while (d && !yes && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, path, sizeof(path));

		yes = n > 0 && is_below(p, path, (size_t)n) && is_written_or_locked(proc, e->d_name);
	}
	if (d)
		closedir(d);
	return yes;
}

static bool has_mapped(int proc, const struct place *p)
{
	FILE *f = open_text(proc, "maps");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	bool yes = false;

	while (f && !yes && (n = getline(&line, &size, f)) > 0) {
		char *path = strchr(line, '/'), *perms = strchr(line, ' ');

		if (path && perms && path > perms + 4 && perms[2] == 'w' && perms[4] == 's')
			yes = is_below(p, path, strcspn(path, "\n"));
	}
	free(line);
	if (f)
		fclose(f);
	return yes;
}

static int open_process(int pid)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/%d", pid);
	return open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Behind those that are known already. */
static void add_children(int proc, int *pid, unsigned *n)
{
	DIR *tasks = open_list(proc, "task");
	struct dirent *e;

	while (tasks && (e = readdir(tasks))) {
		char name[64];
		int child;
		FILE *f;

		snprintf(name, sizeof(name), "%.20s/children", e->d_name);
		f = open_text(dirfd(tasks), name);
		while (f && *n <= HELD_PROCESSES && fscanf(f, "%d", &child) == 1)
			pid[(*n)++] = child;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
}

bool held_below(int dir)
{
	int pid[HELD_PROCESSES + 1] = { getpid() };
	unsigned n = 1;
	struct place p;
	bool yes = false;

	if (!place_of(dir, &p))
		return false;
	for (unsigned i = 0; i < n && !yes; i++) {
		int proc = open_process(pid[i]);

		if (proc < 0)
			continue;
		add_children(proc, pid, &n);
		yes = n > HELD_PROCESSES || (i && (has_open(proc, &p) || has_mapped(proc, &p)));
		close(proc);
	}
	return yes;
}
