/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Names and files: of the base, where it says so, else in the scratch directory, which is of the
 * topmost layer inside.
 */
#include "tests/bench/micro.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES 100
#define DEPTH 16

static char deep[sizeof(scratch) + 2 * DEPTH + 2];

static void make_file(const char *name)
{
	int fd = open(in_scratch(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

	must(fd >= 0 && !close(fd), name);
}

static void make_many(void)
{
	char name[16];

	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		make_file(name);
	}
}

static void make_deep(void)
{
	snprintf(deep, sizeof(deep), "%s", scratch);
	for (int i = 0; i < DEPTH; i++) {
		strcat(deep, "/d");
		must(!mkdir(deep, 0700), deep);
	}
}

static void make_one(void)
{
	make_file("one");
}

static void do_stat_hit(void)
{
	struct stat st;

	must(!stat("/usr/bin/env", &st), "stat");
}

static void do_stat_miss(void)
{
	struct stat st;

	must(stat("/usr/bin/no-such-program", &st) < 0, "stat of what is not there");
}

static void do_stat_deep(void)
{
	struct stat st;

	must(!stat(deep, &st), "stat");
}

static void do_access(void)
{
	must(!access("/usr/bin/env", X_OK), "access");
}

static void do_open(void)
{
	int fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && !close(fd), "open");
}

static void do_create(void)
{
	make_file("new");
	must(!unlink(in_scratch("new")), "unlink");
}

static void do_mkdir(void)
{
	must(!mkdir(in_scratch("dir"), 0700) && !rmdir(in_scratch("dir")), "mkdir");
}

static void do_rename(void)
{
	must(!rename(in_scratch("one"), in_scratch("two")) &&
		     !rename(in_scratch("two"), in_scratch("one")),
	     "rename");
}

static void do_write(void)
{
	static const char page[4096];
	int fd = open(in_scratch("new"), O_WRONLY | O_CREAT | O_EXCL, 0600);

	must(fd >= 0 && write(fd, page, sizeof(page)) == sizeof(page) && !close(fd), "write");
	must(!unlink(in_scratch("new")), "unlink");
}

static void read_all(const char *path, int least)
{
	DIR *dir = opendir(path);
	int n = 0;

	must(dir, path);
	while (readdir(dir))
		n++;
	must(n >= least && !closedir(dir), "readdir");
}

static void do_readdir(void)
{
	read_all(scratch, ENTRIES + 2);
}

static void do_readdir_base(void)
{
	read_all("/usr/bin", 3);
}

static void do_getcwd(void)
{
	char where[4096];

	must(getcwd(where, sizeof(where)), "getcwd");
}

/* clang-format off */
const struct row files_rows[] = {
	{ "stat-hit", 0.5, CPU, "stat, found", NULL, do_stat_hit },
	{ "stat-miss", 0.5, CPU, "stat, not found", NULL, do_stat_miss },
	{ "stat-deep", 0, CPU, "stat, 16 directories deep, of the top", make_deep, do_stat_deep },
	{ "access", 0, CPU, "access, found", NULL, do_access },
	{ "open-close", 1.3, CPU, "open and close a base file", NULL, do_open },
	{ "creat-unlink", 0, CPU, "creat, close, unlink", NULL, do_create },
	{ "write-unlink", 0, CPU, "creat, write 4 KiB, close, unlink", NULL, do_write },
	{ "mkdir-rmdir", 0, CPU, "mkdir, rmdir", NULL, do_mkdir },
	{ "rename", 0, CPU, "rename there and back", make_one, do_rename },
	{ "readdir", 0, CPU, "opendir, readdir of 100, closedir", make_many, do_readdir },
	{ "readdir-base", 0, CPU, "opendir, readdir of /usr/bin, closedir", NULL, do_readdir_base },
	{ "getcwd", 0, CPU, "getcwd", NULL, do_getcwd },
	{ NULL, 0, NULL, NULL, NULL, NULL },
};
