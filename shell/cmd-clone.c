// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh clone: a sandbox that begins as another is, with its ops and snapshots.
 *
 * The copy is complete in itself: data is shared where the file system can share it without the files being one. gshd
 * seals what a sandbox that runs is writing; sealed layers do not change.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "gshd/tree/layer.h"
#include "shell/client.h"
#include "shell/cmd.h"

#define TRIES 5

static const struct opt opts[] = {
	OPT_ROW_PROGRESS,
	OPT_ROW_END,
};

struct clone {
	struct stage stage;
	struct copy copy;
	int from; /* the sandbox's directory */
};

static int make_dir(int at, const char *name)
{
	return mkdirat(at, name, 0700) && errno != EEXIST ? -errno : 0;
}

static int copy_noted(struct clone *c, int in, int out, uint32_t layer)
{
	struct touched old = { .n = 0 };
	struct layer_note note = { .layer = layer, .old = &old };
	int err = touched_load(&old, c->from, layer), fd;
	char path[32];

	touched_sort(&old);
	snprintf(path, sizeof(path), "touched/%04u", layer);
	fd = err ? -1 : openat(c->stage.dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	note.to = fd < 0 ? NULL : fdopen(fd, "w");
	if (!err && !note.to)
		err = -errno;
	if (!err)
		err = layer_copy(&c->copy, in, out, &note);
	if (note.to && fclose(note.to) && !err)
		err = -errno;
	touched_free(&old);
	return err;
}

/* A layer's directory, under its number. */
static int copy_layer(struct clone *c, int from, int to, const char *name)
{
	int in = stage_open_dir(from, name), out = -1, err = in < 0 ? in : 0;

	if (!err)
		err = make_dir(to, name);
	if (!err) {
		out = stage_open_dir(to, name);
		err = out < 0 ? out : copy_noted(c, in, out, (uint32_t)strtoul(name, NULL, 10));
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return err;
}

static int copy_file(struct clone *c, int from, int to, const char *name)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out = -1, err = 0;
	struct stat st;

	if (in < 0 || fstat(in, &st))
		err = -errno;
	if (!err) {
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		err = out < 0 ? -errno : copy_data(&c->copy, in, out, st.st_size);
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return err;
}

/* What lies in one of the sandbox's directories, which may be missing. Layers are directories, snapshots files. */
static int copy_all(struct clone *c, const char *name)
{
	int from = stage_open_dir(c->from, name), to = -1, n = 0, err = 0;
	struct dirent **names = NULL;

	if (from == -ENOENT)
		return 0;
	err = from < 0 ? from : make_dir(c->stage.dir, name);
	if (!err) {
		to = stage_open_dir(c->stage.dir, name);
		err = to < 0 ? to : 0;
	}
	if (!err) {
		n = scandirat(from, ".", &names, NULL, alphasort);
		err = n < 0 ? -errno : 0;
	}
	for (int i = 0; i < n; i++) {
		const char *one = names[i]->d_name;
		struct stat st;

		if (!err && one[0] != '.' && !fstatat(from, one, &st, AT_SYMLINK_NOFOLLOW))
			err = S_ISDIR(st.st_mode) ? copy_layer(c, from, to, one) : copy_file(c, from, to, one);
		free(names[i]);
	}
	free(names);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return err;
}

/* The top is empty, but for what came since it was made; a fresh one takes its number. */
static int make_top(struct clone *c)
{
	int top = stage_open_dir(c->from, "tree/top"), fresh, n, err = top < 0 ? top : 0;
	struct dirent **names = NULL;
	const char *last = NULL;
	struct stat st;

	if (err)
		return err;
	n = scandirat(top, ".", &names, NULL, alphasort);
	if (n > 0 && names[n - 1]->d_name[0] != '.')
		last = names[n - 1]->d_name;
	err = n < 0 ? -errno : !last ? -ENOENT : make_dir(c->stage.dir, "tree/top");
	if (!err) {
		fresh = stage_open_dir(c->stage.dir, "tree/top");
		err = fresh < 0 ? fresh : make_dir(fresh, last);
		/* Its mode is that of the root inside. */
		if (!err && (fstatat(top, last, &st, AT_SYMLINK_NOFOLLOW) ||
			     fchmodat(fresh, last, st.st_mode & 07777, 0)))
			err = -errno;
		if (fresh >= 0)
			close(fresh);
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	close(top);
	return err;
}

static const char *const dirs[] = { "tree/layers", "undone", "kept", "snapshots", "common" };

static void count(struct total *t, void *arg)
{
	const struct clone *c = arg;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		total_path(c->from, dirs[i], AT_SYMLINK_NOFOLLOW, 0, t);
}

static int copy_box(struct clone *c)
{
	int err = make_dir(c->stage.dir, "tree");

	if (!err)
		err = make_dir(c->stage.dir, "touched");
	if (!err)
		err = make_top(c);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !err; i++)
		err = copy_all(c, dirs[i]);
	if (!err)
		err = copy_file(c, c->from, c->stage.dir, "journal");
	return err == -ENOENT && !faccessat(c->from, "tree/top", F_OK, 0) &&
			       faccessat(c->from, "journal", F_OK, 0)
		       ? 0
		       : err;
}

static int seal(const char *name)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "name", json_object_new_string(name));
	return ask_daemon("Seal", params, NULL);
}

static int adopt(const struct clone *c, const char *name, const char *to)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "name", json_object_new_string(to));
	json_object_object_add(params, "from", json_object_new_string(c->stage.name));
	json_object_object_add(params, "like", json_object_new_string(name));
	return ask_daemon("Adopt", params, NULL);
}

static int open_box(const char *name)
{
	struct paths paths;
	char why[1024], path[PATH_MAX + 80];
	int fd;

	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	snprintf(path, sizeof(path), "%s/boxes/%s", paths.store, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(FAIL_NO, path, "%s", strerror(errno)) : fd;
}

/* Layers may be joined, undone or redone while they are copied: then all over again. */
static int clone(const char *name, const char *to)
{
	int result = 0, err = -ENOENT;

	for (int i = 0; i < TRIES && err == -ENOENT && !result; i++) {
		struct clone c = { .copy = { .step = progress_step, .stop = &stage_stop }, .from = open_box(name) };

		result = c.from < 0 ? c.from : seal(name);
		if (!result)
			result = stage_make(&c.stage, NULL);
		if (!result) {
			progress_count(count, &c);
			err = copy_box(&c);
			if (!err && stage_stop)
				err = -EINTR;
			progress_clear();
			if (!err)
				result = adopt(&c, name, to);
			stage_end(&c.stage);
		}
		if (c.from >= 0)
			close(c.from);
	}
	return result ? result : err ? stage_fail("clone", err) : 0;
}

static int exec(const struct call *call)
{
	const char *name = call->argv[0], *to = call->argv[1];
	int result = sandbox_name_check(name);

	if (!result)
		result = sandbox_name_check(to);
	if (!result)
		result = progress_start("clone", opt_value(call, OPT_PROGRESS));
	if (!result)
		result = ask_row(name, NULL);
	if (!result)
		result = stage_free_name(to);
	if (!result)
		result = clone(name, to);
	progress_end(result);
	return result;
}

const struct cmd cmd_clone = {
	.name = "clone",
	.args = "NAME NEW",
	.summary = "make a sandbox that begins as another one is",
	.help = "With its ops and snapshots, and nothing that runs in it. It stands by itself: either may be "
		"changed or\n"
		"removed. Of one that runs, files are taken as they are at one instant.",
	.opts = opts,
	.min = 2,
	.max = 2,
	.words = WORDS_SANDBOX,
	.group = GROUP_SHAPE,
	.exec = exec,
};
