/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A cgroup of version 2 for a sandbox, where one is delegated to us; found by trying.
 *
 * The place is the cgroup in which gshd was started, if its delegation is marked (systemd's Delegate= sets the
 * attribute user.delegate), or the directory that GSH_CGROUP names. Processes and limits do not go together in one
 * cgroup, so whoever is in it moves to "gsh.host" below, and each sandbox gets "gsh-NAME" beside that. Elsewhere
 * nothing is tried: a cgroup that is not marked belongs to others, even where its files can be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/monitor/limits.h"
#include "gshd/log.h"

#define HOST "gsh.host"
#define PERIOD_US 100000

static const char *const files[LIMITS] = {
	[LIMIT_MEMORY] = "memory.max", [LIMIT_TASKS] = "pids.max", [LIMIT_CPU] = "cpu.max"
};

static int put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static ssize_t get(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* The value of a line that begins with key in one of the files of /proc/self. */
static bool line_of(const char *path, const char *key, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(line, (int)size, f))
		found = strstr(line, key) != NULL;
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = '\0';
	return found;
}

/* Our own cgroup's directory, without a "gsh.host" at its end; false: version 2 is not mounted. */
static bool own_place(char path[PATH_MAX])
{
	char mount[PATH_MAX], group[PATH_MAX], *word, *save = NULL;
	size_t n;

	/* "36 25 0:30 / /sys/fs/cgroup rw,... - cgroup2 cgroup2 rw": the fifth word */
	if (!line_of("/proc/self/mountinfo", " - cgroup2 ", mount, sizeof(mount)) ||
	    !line_of("/proc/self/cgroup", "0::/", group, sizeof(group)))
		return false;
	word = strtok_r(mount, " ", &save);
	for (int i = 1; i < 5 && word; i++)
		word = strtok_r(NULL, " ", &save);
	if (!word || snprintf(path, PATH_MAX, "%s%s", word, group + 3) >= PATH_MAX)
		return false;
	n = strlen(path);
	if (n > sizeof(HOST) && !strcmp(path + n - sizeof(HOST), "/" HOST))
		path[n - sizeof(HOST)] = '\0';
	return true;
}

static int open_place(void)
{
	const char *set = getenv("GSH_CGROUP");
	char path[PATH_MAX], value[8];

	if (set && *set == '/')
		return open(set, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!own_place(path) || getxattr(path, "user.delegate", value, sizeof(value)) != 1 || value[0] != '1')
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Everybody who is in the place itself goes to gsh.host. */
static void make_way(int place)
{
	char list[16384], *word, *save = NULL;

	(void)!mkdirat(place, HOST, 0755);
	for (int tries = 0; tries < 10 && get(place, "cgroup.procs", list, sizeof(list)) > 0; tries++)
		for (word = strtok_r(list, "\n", &save); word; word = strtok_r(NULL, "\n", &save))
			(void)put(place, HOST "/cgroup.procs", word);
	(void)put(place, "cgroup.subtree_control", "+memory");
	(void)put(place, "cgroup.subtree_control", "+pids");
	(void)put(place, "cgroup.subtree_control", "+cpu");
}

int cgroup_open(const char *name)
{
	int place = open_place(), dir = -1;
	char path[80];

	if (place < 0)
		return -1;
	make_way(place);
	snprintf(path, sizeof(path), "gsh-%s", name);
	if (!mkdirat(place, path, 0755) || errno == EEXIST)
		dir = openat(place, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(place);
	if (dir >= 0 && faccessat(dir, "cgroup.procs", W_OK, 0)) {
		log_line("a cgroup is delegated, but cannot be used: %s", strerror(errno));
		close(dir);
		dir = -1;
	}
	return dir;
}

bool cgroup_keeps(int cgroup, enum limit which)
{
	return cgroup >= 0 && files[which] && !faccessat(cgroup, files[which], W_OK, 0);
}

void cgroup_set(int cgroup, const struct limits *limits)
{
	char text[64];

	for (int i = 0; i < LIMITS; i++) {
		uint64_t v = limits->value[i];
		int err;

		if (!cgroup_keeps(cgroup, (enum limit)i))
			continue;
		if (i == LIMIT_CPU && v != LIMIT_NONE)
			snprintf(text, sizeof(text), "%" PRIu64 " %d", v * (PERIOD_US / 100), PERIOD_US);
		else if (v == LIMIT_NONE)
			snprintf(text, sizeof(text), "max");
		else
			snprintf(text, sizeof(text), "%" PRIu64, v);
		err = put(cgroup, files[i], text);
		if (err)
			log_line("cannot set %s: %s", files[i], strerror(-err));
	}
}

uint64_t cgroup_killed(int cgroup)
{
	char text[512], *p;

	get(cgroup, "memory.events", text, sizeof(text));
	p = strstr(text, "oom_kill ");
	return p ? strtoull(p + 9, NULL, 10) : 0;
}

uint64_t cgroup_memory(int cgroup)
{
	char text[32];

	return get(cgroup, "memory.current", text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

void cgroup_remove(int cgroup, const char *name)
{
	int place = cgroup < 0 ? -1 : openat(cgroup, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[80];

	if (place < 0)
		return;
	close(cgroup);
	snprintf(path, sizeof(path), "gsh-%s", name);
	(void)unlinkat(place, path, AT_REMOVEDIR);
	close(place);
}
