/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The journal of a commit: what is read after a crash, which may have left anything. What is taken over names paths below
 * the root and objects that are there; nothing is done to the host by reading it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/tree/commit_impl.h"
#include "tests/fuzz/fuzz.h"

static char place[64];

static void leave(void)
{
	char path[128];

	snprintf(path, sizeof(path), "rm -rf '%s'", place);
	(void)!system(path);
}

static int box(void)
{
	static int fd = -1;
	char path[128];

	if (fd >= 0)
		return fd;
	strcpy(place, "/tmp/fuzz-journal.XXXXXX");
	must(mkdtemp(place));
	atexit(leave);
	snprintf(path, sizeof(path), "%s/commits", place);
	must(!mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/commits/1", place);
	must(!mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/root", place);
	must(!mkdir(path, 0700));
	fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

/* Below the root, and nowhere else. */
static bool is_plain(const char *path)
{
	return path && path[0] == '/' && path[1] && path[strlen(path) - 1] != '/' && !strstr(path, "//") &&
	       !strstr(path, "/./") && !strstr(path, "/../") && strcmp(strrchr(path, '/'), "/.") != 0 &&
	       strcmp(strrchr(path, '/'), "/..") != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int err, root = openat(box(), "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(box(), "commits/1/journal.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct commit c;
	unsigned number = 0;

	must(root >= 0 && fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	must(!commit_open(&c, box(), root, place));
	err = journal_find(&c, &number);
	must(err == -ENOENT || (!err && number == 1));
	err = journal_load(&c, 1);
	must(err <= 0);
	for (size_t i = 0; !err && i < c.n; i++) {
		const struct commit_action *a = &c.actions[i];

		must(is_plain(a->path));
		must(action_stages(a->what) ? is_plain(a->stage) && strstr(a->stage, "/.gsh-") : !a->stage);
		must(a->content < 0);
	}
	commit_close(&c);
	close(root);
	return 0;
}
