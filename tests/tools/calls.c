/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * calls NAME N DIR: do something N times, for tests/calls.bats, which counts the host calls that it
 * takes. Prints the page faults that it took, its children's included.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *const argv_true[] = { "true", NULL };
static const char *dir;

static void reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child failed");
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	reap(pid);
}

static void do_fork_exec(void)
{
	pid_t pid = fork();

	if (!pid) {
		execv("/bin/true", argv_true);
		_exit(127);
	}
	reap(pid);
}

static void do_vfork(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	reap(pid);
}

static void do_spawn(void)
{
	pid_t pid = -1;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv_true, environ))
		errx(1, "posix_spawn");
	reap(pid);
}

static void do_open(void)
{
	int fd = open("/bin/true", O_RDONLY);

	if (fd < 0 || close(fd))
		err(1, "/bin/true");
}

static void do_stat(void)
{
	struct stat st;

	if (stat("/bin/true", &st) || !stat("/bin/no-such-program", &st))
		errx(1, "stat");
}

static void do_create(void)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/new", dir);
	fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);
	if (fd < 0 || close(fd) || unlink(name))
		err(1, "%s", name);
}

static void do_list(void)
{
	DIR *d = opendir(dir);

	if (!d)
		err(1, "%s", dir);
	while (readdir(d))
		;
	closedir(d);
}

/* Another of the files 0, 1, ... of DIR, by a path below it. */
static const char *next_file(void)
{
	static char name[4096];
	static int count;

	snprintf(name, sizeof(name), "%s/%d", dir, count++);
	return name;
}

static void do_stat_each(void)
{
	struct stat st;

	if (lstat(next_file(), &st))
		err(1, "stat");
}

/* As who walks a tree reads its files: relative to the directory, which he has listed. */
static void do_read_each(void)
{
	static int at = -1;
	const char *name = strrchr(next_file(), '/') + 1;
	struct stat st;
	char some[64];
	int fd;

	if (at < 0) {
		DIR *d = opendir(dir);

		while (d && readdir(d))
			;
		if (!d || (at = dirfd(d)) < 0)
			err(1, "%s", dir);
	}
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) || read(fd, some, sizeof(some)) < 0 || close(fd))
		err(1, "%s", name);
}

static void do_remove_each(void)
{
	if (unlink(next_file()))
		err(1, "unlink");
}

/* As a checkout of another branch does it. */
static void do_replace_each(void)
{
	const char *name = next_file();
	int fd = unlink(name) ? -1 : open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);

	if (fd < 0 || close(fd))
		err(1, "%s", name);
}

static void do_change_each(void)
{
	int fd = open(next_file(), O_RDWR);

	if (fd < 0 || close(fd))
		err(1, "open for writing");
}

/* A directory in which all was changed once. */
static void do_list_changed(void)
{
	static int changed;

	for (; changed < 30; changed++)
		do_change_each();
	do_list();
}

/* As a clone of a repository does with its objects. */
static void do_link_each(void)
{
	static unsigned n;
	char name[4096];

	snprintf(name, sizeof(name), "%s/../link%u", dir, n++);
	if (link(next_file(), name))
		err(1, "link");
}

/* By way of a lock file. */
static void do_update(void)
{
	char name[4096], aside[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/kept", dir);
	snprintf(aside, sizeof(aside), "%s/kept.lock", dir);
	fd = open(aside, O_CREAT | O_WRONLY | O_EXCL, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) || rename(aside, name))
		err(1, "%s", name);
}

static const struct {
	const char *name;
	void (*once)(void);
} table[] = {
	{ "fork", do_fork },
	{ "fork-exec", do_fork_exec },
	{ "vfork", do_vfork },
	{ "spawn", do_spawn },
	{ "open", do_open },
	{ "stat", do_stat },
	{ "create", do_create },
	{ "list", do_list },
	{ "stat-each", do_stat_each },
	{ "read-each", do_read_each },
	{ "remove-each", do_remove_each },
	{ "replace-each", do_replace_each },
	{ "change-each", do_change_each },
	{ "list-changed", do_list_changed },
	{ "link-each", do_link_each },
	{ "update", do_update },
};

int main(int argc, char **argv)
{
	struct rusage self, children;

	if (argc != 4)
		errx(2, "usage: calls NAME N DIR");
	dir = argv[3];
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, argv[1]))
			continue;
		for (int n = atoi(argv[2]); n > 0; n--)
			table[i].once();
		getrusage(RUSAGE_SELF, &self);
		getrusage(RUSAGE_CHILDREN, &children);
		printf("%ld\n", self.ru_minflt + children.ru_minflt);
		return 0;
	}
	errx(2, "no such work: %s", argv[1]);
}
