// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a verb makes in the store before gshd gives it its place.
 *
 * It is made beside what counts, under a name that nobody looks at, and gshd puts it in by one rename: until then
 * nothing has happened, and whatever ends the verb leaves at most a directory that the next start or gsh gc deletes.
 * So ^C takes everything back.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "gshd/client/delete.h"
#include "shell/cmd.h"

volatile sig_atomic_t stage_stop;

static void stop(int sig)
{
	stage_stop = sig;
}

void stage_catch_signals(void)
{
	static const int sent[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = stop }, old;

	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		if (sigaction(sent[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(sent[i], &act, NULL);
}

int stage_free_name(const char *name)
{
	struct paths paths;
	char why[1024], path[PATH_MAX + 80];
	struct stat st;

	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	snprintf(path, sizeof(path), "%s/boxes/%s", paths.store, name);
	if (lstat(path, &st))
		return 0;
	fail(FAIL_CONFLICT, name, "there is a sandbox of that name");
	hint("gsh rm %s removes it", name);
	return -FAIL_CONFLICT;
}

int stage_make(struct stage *s, const char *box)
{
	struct paths paths;
	char why[1024], path[PATH_MAX + 80];
	unsigned int id;

	s->parent = s->dir = -1;
	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	snprintf(path, sizeof(path), "%s/boxes%s%s", paths.store, box ? "/" : "", box ? box : "");
	s->parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->parent < 0)
		return fail(FAIL_NO, path, "%s", strerror(errno));
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		id = (unsigned int)getpid();
	snprintf(s->name, sizeof(s->name), "%s-%08x", box ? ".made" : ".making", id);
	stage_catch_signals();
	if (mkdirat(s->parent, s->name, 0700) == 0)
		s->dir = openat(s->parent, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0 || flock(s->dir, LOCK_EX | LOCK_NB)) {
		fail(FAIL_NO, path, "%s", strerror(errno));
		stage_end(s);
		return -FAIL_NO;
	}
	return 0;
}

void stage_end(struct stage *s)
{
	if (s->dir >= 0)
		(void)store_delete_tree(s->parent, s->name);
	if (s->dir >= 0)
		close(s->dir);
	if (s->parent >= 0)
		close(s->parent);
	s->parent = s->dir = -1;
}

int stage_fail(const char *verb, int err)
{
	progress_clear();
	if (err == -EINTR && stage_stop) {
		fail(FAIL_NO, verb, "it was ended; nothing was changed");
		return -(128 + stage_stop);
	}
	return fail(FAIL_NO, verb, "%s; nothing was changed", strerror(-err));
}

int stage_open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void progress_step(uint64_t files, uint64_t bytes, void *arg)
{
	(void)arg;
	progress_add(files, bytes);
}
