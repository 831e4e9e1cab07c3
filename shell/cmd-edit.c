// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh edit: a file of a sandbox in the user's own editor.
 *
 * The editor gets a copy; what it leaves is written inside, into the file that is there, so that
 * mode, owner and names stay. If the file changed inside meanwhile nothing is written, and the copy
 * is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gshd/tree/copy.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

/* Its contents as of now, on a descriptor of our own; an empty one if there is no such file.
 * -errno. */
static int contents(const struct tree *tree, const char *path)
{
	const struct copy c = { 0 };
	cleanup_spot struct spot s = { .n = 0 };
	int err = spot_resolve(tree, path, true, &s, NULL), from, to;

	if (err && err != -ENOENT)
		return err;
	if (!err && !S_ISREG(s.st.st_mode))
		return S_ISDIR(s.st.st_mode) ? -EISDIR : -EINVAL;
	to = memfd_create("before", MFD_CLOEXEC);
	if (to < 0 || err)
		return to < 0 ? -errno : to;
	from = spot_open(&s, O_RDONLY);
	err = from < 0 ? from : copy_data(&c, from, to, s.st.st_size);
	if (from >= 0)
		close(from);
	if (err) {
		close(to);
		return err;
	}
	return to;
}

static int contents_now(const struct place *place)
{
	struct version v;
	int result = version_open(&v, place->sandbox, place->version), fd;

	if (result)
		return result;
	fd = contents(&v.tree, place->path);
	version_close(&v);
	return fd < 0 ? fail(FAIL_NO, place->path, "%s", strerror(-fd)) : fd;
}

static bool same(int a, int b)
{
	static char x[65536], y[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(a, x, sizeof(x), at)) > 0) {
		if (pread(b, y, (size_t)n, at) != n || memcmp(x, y, (size_t)n) != 0)
			return false;
		at += n;
	}
	return n == 0 && pread(b, y, 1, at) == 0;
}

static int run_editor(const char *file)
{
	const char *editor = getenv("VISUAL");
	int status;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	pid = fork();
	if (pid == 0) {
		setenv("GSH_EDITOR", editor, 1);
		/* It may be several words. */
		execl("/bin/sh", "sh", "-c", "eval \"$GSH_EDITOR\" '\"$1\"'", "edit", file,
		      (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		return fail(FAIL_NO, editor, "it failed; nothing was changed");
	return 0;
}

static int write_inside(const struct place *place, int fd)
{
	char *argv[] = { "sh", "-c", "exec cat >\"$1\"", "edit", place->path, NULL };
	int result = run_helper(place->sandbox, argv, fd, -1);

	return result > 0 ? -FAIL_NO : result;
}

/* The file was edited: put it inside. 1: it is of no use any more. */
static int put_back(const struct place *place, int before, const char *file)
{
	int after = open(file, O_RDONLY | O_CLOEXEC), now, result;

	if (after < 0)
		return fail(FAIL_NO, file, "%s", strerror(errno));
	if (same(before, after)) {
		note("%s: not changed", place->path);
		close(after);
		return 1;
	}
	now = contents_now(place);
	result = now < 0 ? now : 0;
	if (!result && !same(before, now))
		result = fail(FAIL_CONFLICT, place->path,
			      "it was changed inside meanwhile; nothing was written");
	if (now >= 0)
		close(now);
	if (!result)
		result = write_inside(place, after);
	close(after);
	return result ? result : 1;
}

static int edit(const struct place *place)
{
	const char *slash = strrchr(place->path, '/'), *tmp = getenv("TMPDIR");
	char dir[4096], *file = NULL;
	const struct copy c = { 0 };
	int before = contents_now(place), fd, result;
	struct stat st;

	if (before < 0)
		return before;
	snprintf(dir, sizeof(dir), "%s/gsh-edit.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!mkdtemp(dir) || asprintf(&file, "%s/%s", dir, slash ? slash + 1 : place->path) < 0)
		return fail(FAIL_NO, dir, "%s", strerror(errno));
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	result = fd < 0 || fstat(before, &st) || copy_data(&c, before, fd, st.st_size)
			 ? fail(FAIL_NO, file, "%s", strerror(errno))
			 : 0;
	if (fd >= 0)
		close(fd);
	if (!result)
		result = run_editor(file);
	if (!result)
		result = put_back(place, before, file);
	if (result < 0)
		hint("what was edited is in %s", file);
	else if (unlink(file) || rmdir(dir))
		note("%s: %s", dir, strerror(errno));
	free(file);
	close(before);
	return result > 0 ? 0 : result;
}

static int exec(const struct call *call)
{
	struct place place;
	int result = version_place(&place, call, call->argv[0], true);

	if (!result && strcmp(place.version, "now") != 0)
		result = fail(FAIL_REFUSED, place.version, "versions that are past do not change");
	if (!result)
		result = edit(&place);
	version_place_free(&place);
	return result;
}

const struct cmd cmd_edit = {
	.name = "edit",
	.args = "[SANDBOX:]PATH",
	.summary = "edit a file of a sandbox",
	.help = "With $VISUAL, $EDITOR or vi of the host. If the file changed inside meanwhile\n"
		"nothing is written, and the copy is kept: exit status 4.",
	.opts = opts,
	.min = 1,
	.max = 1,
	.words = WORDS_INSIDE,
	.group = GROUP_USE,
	.exec = exec,
};
