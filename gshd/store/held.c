/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See held.h. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/store/held.h"

#define DELETED " (deleted)"

static bool is_below(const char *place, const char *path)
{
	size_t len = strlen(path), tail = sizeof(DELETED) - 1;

	return strstr(path, place) && !(len > tail && !strcmp(path + len - tail, DELETED));
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

static bool has_open(int proc, const char *place)
{
	DIR *d = open_list(proc, "fd");
	char path[PATH_MAX];
	struct dirent *e;
	bool yes = false;

	while (d && !yes && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, path, sizeof(path) - 1);

		path[n > 0 ? n : 0] = '\0';
		yes = is_below(place, path) && is_written_or_locked(proc, e->d_name);
	}
	if (d)
		closedir(d);
	return yes;
}

static bool has_mapped(int proc, const char *place)
{
	FILE *f = open_text(proc, "maps");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	bool yes = false;

	while (f && !yes && (n = getline(&line, &size, f)) > 0) {
		char *path = strchr(line, '/'), *perms = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (path && perms && path > perms + 4 && perms[2] == 'w' && perms[4] == 's')
			yes = is_below(place, path);
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

/*
 * Who held nothing when it was looked at last, and how long it had run by then. One that has not run since holds
 * nothing of a layer that is newer, nor of the same: an op that begins among processes that sleep need not read what
 * they have.
 */
static struct looked {
	int pid;
	uint64_t ran; /* nanoseconds, of all threads */
} looked[HELD_PROCESSES + 1];
static unsigned nlooked;

#define RAN_UNKNOWN UINT64_MAX

static bool has_not_run(int pid, uint64_t ran)
{
	for (unsigned i = 0; i < nlooked; i++)
		if (looked[i].pid == pid)
			return ran != RAN_UNKNOWN && looked[i].ran == ran;
	return false;
}

/* Short texts of /proc are read without stdio: of each process that there is, at each op. */
static uint64_t ran_of(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? strtoull(text, NULL, 10) : RAN_UNKNOWN;
}

static void take_children(int at, const char *name, int *pid, unsigned *n)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC), number = 0;
	char text[1024];
	ssize_t size = 0;

	while (fd >= 0 && *n <= HELD_PROCESSES && (size = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < size && *n <= HELD_PROCESSES; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				number = number * 10 + text[i] - '0';
			} else if (number) {
				pid[(*n)++] = number;
				number = 0;
			}
		}
	}
	if (fd >= 0)
		close(fd);
}

static uint64_t add_thread(int proc, const char *task, int *pid, unsigned *n)
{
	char name[64];

	snprintf(name, sizeof(name), "task/%.20s/children", task);
	take_children(proc, name, pid, n);
	snprintf(name, sizeof(name), "task/%.20s/schedstat", task);
	return ran_of(proc, name);
}

/* Children of one, behind those that are known already. How long it has run. */
static uint64_t add_children(int proc, int self, int *pid, unsigned *n)
{
	uint64_t sum = 0, ran;
	char task[24];
	struct dirent *e;
	struct stat st;
	DIR *tasks;

	/* Most have one thread; the links of the directory are two more (fs/proc/base.c, proc_task_getattr). */
	if (!fstatat(proc, "task", &st, 0) && st.st_nlink == 3) {
		snprintf(task, sizeof(task), "%d", self);
		return add_thread(proc, task, pid, n);
	}
	tasks = open_list(proc, "task");
	if (!tasks)
		return RAN_UNKNOWN;
	while ((e = readdir(tasks))) {
		if (e->d_name[0] == '.')
			continue;
		ran = add_thread(proc, e->d_name, pid, n);
		sum = sum == RAN_UNKNOWN || ran == RAN_UNKNOWN ? RAN_UNKNOWN : sum + ran;
	}
	closedir(tasks);
	return sum;
}

bool held_below(const char *place)
{
	struct looked now[HELD_PROCESSES + 1];
	int pid[HELD_PROCESSES + 1] = { getpid() };
	unsigned n = 1, nnow = 0;
	bool yes = false;

	for (unsigned i = 0; i < n && !yes; i++) {
		int proc = open_process(pid[i]);
		uint64_t ran;

		if (proc < 0)
			continue;
		ran = add_children(proc, pid[i], pid, &n); /* before its descriptors are read: it may be running */
		yes = n > HELD_PROCESSES || (i && !has_not_run(pid[i], ran) &&
					     (has_open(proc, place) || has_mapped(proc, place)));
		if (!yes)
			now[nnow++] = (struct looked){ pid[i], ran };
		close(proc);
	}
	memcpy(looked, now, nnow * sizeof(now[0]));
	nlooked = nnow;
	return yes;
}

/* The letter behind the name, which may hold anything. */
static bool is_stopped(int proc)
{
	FILE *f = open_text(proc, "stat");
	char line[512], *end;
	bool yes = false;

	if (f && fgets(line, sizeof(line), f) && (end = strrchr(line, ')')))
		yes = end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
	if (f)
		fclose(f);
	return yes;
}

bool held_stopped(int root)
{
	int pid[HELD_PROCESSES + 1] = { root };
	unsigned n = 1;
	bool yes = false;

	for (unsigned i = 0; i < n && !yes; i++) {
		int proc = open_process(pid[i]);

		if (proc < 0)
			continue;
		(void)add_children(proc, pid[i], pid, &n);
		yes = n > HELD_PROCESSES || (i && is_stopped(proc));
		close(proc);
	}
	return yes;
}
