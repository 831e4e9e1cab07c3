// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * How much there is to do in all, for the time that long work has left.
 *
 * Asked for when a verb has been at it for as long as it takes to show progress, so that short work never pays for the
 * walk. What cannot be looked into is not counted: the work itself says so.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gshd/tree/tree.h"
#include "shell/cmd.h"

#define DEPTH_MAX 512

void total_spot(const struct spot *s, unsigned int depth, struct total *t)
{
	struct union_list list = { 0 };
	int err = 0;

	t->files++;
	if (S_ISREG(s->st.st_mode))
		t->bytes += (uint64_t)s->st.st_size;
	if (!S_ISDIR(s->st.st_mode) || depth > DEPTH_MAX)
		return;
	for (unsigned int i = 0; i < s->n && !err; i++)
		err = spot_list(s, i, &list);
	for (uint32_t i = 0; i < list.count; i++) {
		cleanup_spot struct spot child = { .n = 0 };

		if (!list.names[i].hidden && spot_step(s, union_list_text(&list, &list.names[i]), &child) == 0)
			total_spot(&child, depth + 1, t);
	}
	union_list_free(&list);
}

static void total_names(int dir, unsigned int depth, struct total *t)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;

	if (!d) {
		close(dir);
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			total_path(dir, e->d_name, AT_SYMLINK_NOFOLLOW, depth + 1, t);
	closedir(d);
}

void total_path(int at, const char *name, int flags, unsigned int depth, struct total *t)
{
	struct stat st;
	int dir;

	if (fstatat(at, name, &st, flags))
		return;
	t->files++;
	/* Of one with several names each has its part. */
	if (S_ISREG(st.st_mode))
		t->bytes += (uint64_t)st.st_size / st.st_nlink;
	if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX)
		return;
	dir = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (flags ? O_NOFOLLOW : 0));
	if (dir >= 0)
		total_names(dir, depth, t);
}
