// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh restore: paths of a version as they were, as a change of its own.
 *
 * What differs between now and then is written as one layer, which gshd puts on top. So processes that run see all
 * of it at once, and undo takes it back as it does the changes of a command.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "gshd/tree/layer.h"
#include "gshd/tree/patch.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{ 'n', "dry-run", NULL, "only show what would become different", WORDS_NONE },
	OPT_ROW_PROGRESS,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

struct restore {
	const struct call *call;
	const char *sandbox;
	struct version then, now;
	struct diff_scope scope;
	struct stage stage;
	struct copy copy;
	struct json_object *items;
	size_t lost;
	/* Files of several names that were put: of which inode of the version, and where. */
	struct several {
		dev_t dev;
		ino_t ino;
		char *path;
	} *several;
	size_t nseveral;
};

static void lost(const char *path, int err, void *arg)
{
	struct restore *r = arg;

	r->lost++;
	progress_clear();
	fail(FAIL_NO, path, "cannot be looked into: %s", strerror(-err));
}

/* The directory of one name in the layer, made above what is there now, or then. */
static int enter(struct restore *r, int at, const char *path, const char *name)
{
	cleanup_spot struct spot s = { .n = 0 };
	int fd = stage_open_dir(at, name), err;
	bool then = false;

	if (fd != -ENOENT)
		return fd;
	err = spot_find(&r->now.tree, path, &s);
	if (err || !S_ISDIR(s.st.st_mode)) {
		spot_put(&s);
		err = spot_find(&r->then.tree, path, &s);
		then = true;
	}
	if (!err)
		err = layer_put_dir(&s, at, name, then);
	return err ? err : stage_open_dir(at, name);
}

/* The directory of the layer in which path lies, and its last name. -ENOTDIR: what it lies in is removed as a whole. */
static int parent(struct restore *r, const char *path, const char **last)
{
	char *copy = strdup(path), *name = copy ? copy + 1 : NULL, *slash;
	int fd = copy ? stage_open_dir(r->stage.dir, ".") : -ENOMEM;

	while (fd >= 0 && (slash = strchr(name, '/'))) {
		int next;

		*slash = '\0';
		next = enter(r, fd, copy, name);
		close(fd);
		fd = next;
		*slash = '/';
		name = slash + 1;
	}
	*last = strrchr(path, '/') + 1;
	free(copy);
	return fd;
}

static int put_root(struct restore *r, const struct spot *s)
{
	struct union_attr a;

	spot_attr_inside(s, &a);
	return layer_set_attr(r->stage.dir, &a, 0);
}

static const char *put_already(const struct restore *r, const struct stat *st)
{
	for (size_t i = 0; i < r->nseveral; i++)
		if (r->several[i].ino == st->st_ino && r->several[i].dev == st->st_dev)
			return r->several[i].path;
	return NULL;
}

static int remember(struct restore *r, const struct stat *st, const char *path)
{
	struct several *more = reallocarray(r->several, r->nseveral + 1, sizeof(*more));
	char *copy = strdup(path);

	if (more)
		r->several = more;
	if (!more || !copy) {
		free(copy);
		return -ENOMEM;
	}
	more[r->nseveral++] = (struct several){ st->st_dev, st->st_ino, copy };
	return 0;
}

/* All names of a file of the base lead to what one of them has now (libos/fs/union_index.c). */
static int put_link(struct restore *r, const char *path, int dir, const char *last)
{
	struct tree base = r->then.tree;
	cleanup_spot struct spot s = { .n = 0 };
	char to[UNION_LINK_MAX];

	base.n = 1;
	if (spot_find(&base, path, &s) || !spot_link_path(&s, to))
		return 0;
	if (mkdirat(r->stage.dir, UNION_LINKS, 0700) && errno != EEXIST)
		return -errno;
	return linkat(dir, last, r->stage.dir, to, 0) && errno != EEXIST ? -errno : 0;
}

/* Names of one file stay so. */
static int put_file(struct restore *r, const struct diff_found *f, int dir, const char *last)
{
	const struct stat *st = &f->b->st;
	const char *other = S_ISREG(st->st_mode) && st->st_nlink > 1 ? put_already(r, st) : NULL;
	int err;

	if (other)
		return linkat(r->stage.dir, other + 1, dir, last, 0) ? -errno : 0;
	err = layer_put(&r->copy, f->b, dir, last);
	if (err || !S_ISREG(st->st_mode))
		return err;
	err = put_link(r, f->path, dir, last);
	return err || st->st_nlink < 2 ? err : remember(r, st, f->path);
}

static int make(struct restore *r, const struct diff_found *f)
{
	const char *last;
	int dir, err;

	if (f->path[1] == '\0')
		return put_root(r, f->b);
	dir = parent(r, f->path, &last);
	if (dir == -ENOTDIR)
		return 0;
	if (dir < 0)
		return dir;
	if (!f->b)
		err = layer_whiteout(dir, last);
	else if (S_ISDIR(f->b->st.st_mode) && f->a && S_ISDIR(f->a->st.st_mode))
		err = layer_put_above(f->a, f->b, dir, last);
	else
		err = put_file(r, f, dir, last);
	/* What a version holds and cannot be read does not come back; the rest does. */
	if (err == -EACCES && f->b) {
		lost(f->path, err, r);
		err = 0;
	}
	close(dir);
	return err;
}

static int found(const struct diff_found *f, void *arg)
{
	struct restore *r = arg;
	struct json_object *o;
	char letter[2] = { patch_letter(f), '\0' };

	/* An owner that is not the user's could not be taken from a file of the base. */
	if (f->what == DIFF_OWNER && f->b->at[0].layer == 0)
		return 0;
	o = json_object_new_object();
	json_object_object_add(o, "change", json_object_new_string(letter));
	show_add_path(o, "path", f->path);
	json_object_array_add(r->items, o);
	return opt_given(r->call, 'n') ? 0 : make(r, f);
}

static int show(const struct restore *r)
{
	static const struct column columns[] = { { "CHANGE", "change", false }, { "PATH", "path", false } };

	return show_list(opt_given(r->call, OPT_JSON), "restore", r->items, columns,
			 sizeof(columns) / sizeof(columns[0]));
}

static int adopt(const struct restore *r)
{
	struct json_object *params = json_object_new_object();
	char *here = getcwd(NULL, 0);

	json_object_object_add(params, "name", json_object_new_string(r->sandbox));
	json_object_object_add(params, "layer", json_object_new_string(r->stage.name));
	json_object_object_add(params, "argv", own_words());
	json_object_object_add(params, "cwd", json_object_new_string(here ? here : "/"));
	free(here);
	return ask_daemon("AdoptLayer", params, NULL);
}

/* The layer's root is as the root is now. */
static int begin(struct restore *r)
{
	cleanup_spot struct spot root = { .n = 0 };
	struct union_attr a;
	struct stat st;
	int result = stage_make(&r->stage, r->sandbox), err;

	if (result)
		return result;
	err = spot_find(&r->now.tree, "", &root);
	if (!err && spot_own_attr(&root, &a))
		err = layer_set_attr(r->stage.dir, &a, 0);
	else if (!err && (fstat(root.at[0].fd, &st) || fchmod(r->stage.dir, st.st_mode & 0777)))
		err = -errno;
	if (!err && fsetxattr(r->stage.dir, UNION_IMPURE, "y", 1, 0))
		err = -errno;
	return err ? stage_fail("restore", err) : 0;
}

static int restore(struct restore *r)
{
	const struct diff_calls calls = { found, lost, r };
	bool dry = opt_given(r->call, 'n');
	int result = dry ? 0 : begin(r), err;

	if (result)
		return result;
	err = tree_diff(&r->now.tree, &r->then.tree, &r->scope, &calls);
	progress_clear();
	if (!err && !dry && syncfs(r->stage.dir))
		err = -errno;
	if (!err && stage_stop)
		err = -EINTR;
	if (err)
		return stage_fail("restore", err);
	if (!json_object_array_length(r->items)) {
		if (opt_given(r->call, OPT_JSON))
			(void)!show(r);
		return fail(FAIL_NO, "restore", "it is as it was already");
	}
	result = dry ? 0 : adopt(r);
	if (!result && (dry || opt_given(r->call, OPT_JSON)))
		result = show(r);
	if (!result && !dry)
		note("restored %zu paths in sandbox %s", json_object_array_length(r->items), r->sandbox);
	return result ? result : r->lost ? -FAIL_NO : 0;
}

static int run(struct restore *r)
{
	int result = version_open_word(&r->then, r->sandbox, r->call->argv[0]);

	if (result)
		return result;
	result = version_open(&r->now, r->sandbox, "now");
	if (!result) {
		version_as_inside(&r->now);
		version_as_inside(&r->then);
		result = restore(r);
		version_close(&r->now);
		stage_end(&r->stage);
	}
	version_close(&r->then);
	return result;
}

static int take_paths(struct restore *r, char **paths)
{
	for (int i = 1; i < r->call->argc; i++) {
		paths[r->scope.n] = version_path(r->call->argv[i]);
		if (!paths[r->scope.n++])
			return -FAIL_USAGE;
	}
	return 0;
}

static int exec(const struct call *call)
{
	struct restore *r = calloc(1, sizeof(*r));
	char **paths = calloc((size_t)call->argc + 1, sizeof(*paths));
	const char *sandbox = opt_value(call, 's');
	int result = r && paths ? 0 : fail(FAIL_NO, "out of memory", NULL);

	if (!result && (call->dash < 1 || call->argc < 2))
		result = usage_fail(call->cmd, "name the paths after the version");
	if (!result) {
		*r = (struct restore){ .call = call,
				       .sandbox = sandbox ? sandbox : DEFAULT_SANDBOX,
				       .stage = { -1, -1, "" } };
		r->copy = (struct copy){ .flags = COPY_RECURSIVE | COPY_ATTRS,
					 .step = progress_step,
					 .stop = &stage_stop };
		r->items = json_object_new_array();
		r->scope.paths = (const char *const *)paths;
		result = sandbox_name_check(r->sandbox);
	}
	if (!result)
		result = progress_start("restore", opt_value(call, OPT_PROGRESS));
	if (!result)
		result = take_paths(r, paths);
	if (!result)
		result = run(r);
	progress_end(result);
	for (size_t i = 0; r && paths && i < r->scope.n; i++)
		free(paths[i]);
	for (size_t i = 0; r && i < r->nseveral; i++)
		free(r->several[i].path);
	if (r)
		free(r->several);
	if (r)
		json_object_put(r->items);
	free(paths);
	free(r);
	return result;
}

const struct cmd cmd_restore = {
	.name = "restore",
	.args = "VERSION [--] PATH...",
	.summary = "bring paths back as they were in a version",
	.help = "VERSION is base, the number of an op, a snapshot, or OTHER@VERSION of another sandbox. It is a "
		"change\n"
		"like that of a command: processes that run see all of it at once, and gsh undo takes it back.\n"
		"What has come to the PATHs since is removed; -n only lists what would become different.",
	.opts = opts,
	.max = -1,
	.words = WORDS_RESTORE,
	.group = GROUP_BACK,
	.exec = exec,
};
