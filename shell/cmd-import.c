// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh import, gsh create --image: a sandbox made of an image instead of the host's files.
 *
 * An archive is unpacked by a confined child (gshd/tree/unpack.h), a directory is copied. What comes of it is the
 * lowest layer, above an empty directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <json-c/json.h>

#include "gshd/client/delete.h"
#include "gshd/tree/layer.h"
#include "gshd/tree/unpack.h"
#include "shell/client.h"
#include "shell/cmd.h"

#define DEPTH_MAX 512

static const struct opt import_opts[] = {
	OPT_ROW_PROGRESS,
	OPT_ROW_END,
};

/* ---- a directory with a system in it ---- */

static int copy_names(const struct copy *c, const struct spot *s, int to, unsigned int depth)
{
	struct union_list list = { 0 };
	int err = spot_list(s, 0, &list);

	for (uint32_t i = 0; i < list.count && !err; i++) {
		cleanup_spot struct spot child = { .n = 0 };
		const char *name = union_list_text(&list, &list.names[i]);
		int down;

		err = spot_step(s, name, &child);
		if (!err)
			err = layer_put(c, &child, to, name);
		if (err || !S_ISDIR(child.st.st_mode))
			continue;
		down = depth < DEPTH_MAX ? stage_open_dir(to, name) : -ENAMETOOLONG;
		err = down < 0 ? down : copy_names(c, &child, down, depth + 1);
		if (!err)
			err = layer_set_times(&child, down);
		if (down >= 0)
			close(down);
	}
	union_list_free(&list);
	return err;
}

static void count(struct total *t, void *arg)
{
	total_spot(arg, 0, t);
}

static int copy_system(int from, int to)
{
	const struct copy c = { .step = progress_step, .stop = &stage_stop };
	struct tree tree = { .n = 1, .fd = { from } };
	cleanup_spot struct spot root = { .n = 0 };
	int err = spot_find(&tree, "", &root);

	progress_count(count, &root);
	return err ? err : copy_names(&c, &root, to, 0);
}

/* ---- any ---- */

/* The guest's root directory is what the image's is, in the top, too. */
static int make_top(int tree, int layer)
{
	char value[UNION_VALUE_MAX];
	struct stat st;
	ssize_t n = fgetxattr(layer, UNION_ATTR, value, sizeof(value));
	int top, err = 0;

	if (mkdirat(tree, "top", 0700) || mkdirat(tree, "top/0002", 0755) || fstat(layer, &st))
		return -errno;
	top = stage_open_dir(tree, "top/0002");
	if (top < 0)
		return top;
	if ((n > 0 && fsetxattr(top, UNION_ATTR, value, (size_t)n, 0)) || fchmod(top, st.st_mode & 07777))
		err = -errno;
	close(top);
	return err;
}

static bool is_layout(int from)
{
	return !faccessat(from, "index.json", F_OK, 0) && !faccessat(from, "oci-layout", F_OK, 0);
}

static int fill(struct stage *stage, int from, const char *file)
{
	struct unpack u = { .step = progress_step, .stop = &stage_stop, .dir = -1, .blobs = -1 };
	char why[UNPACK_WHY] = "";
	unpack_fn *unpack = unpacker_load();
	int tree = -1, err = 0;
	struct stat st;

	if (mkdirat(stage->dir, "tree", 0700) || mkdirat(stage->dir, "tree/layers", 0700) ||
	    mkdirat(stage->dir, "tree/layers/0001", 0755) || mkdirat(stage->dir, "blobs", 0700) || fstat(from, &st))
		return stage_fail(file, -errno);
	tree = stage_open_dir(stage->dir, "tree");
	u.dir = stage_open_dir(stage->dir, "tree/layers/0001");
	u.blobs = stage_open_dir(stage->dir, "blobs");
	if (tree < 0 || u.dir < 0 || u.blobs < 0)
		err = -EIO;
	else if (S_ISDIR(st.st_mode) && !is_layout(from))
		err = copy_system(from, u.dir);
	else
		err = unpack ? unpack(&u, from, why) : -ENOEXEC;
	if (!err)
		err = store_delete_tree(stage->dir, "blobs");
	if (!err)
		err = make_top(tree, u.dir);
	if (!err && stage_stop)
		err = -EINTR;
	if (tree >= 0)
		close(tree);
	if (u.dir >= 0)
		close(u.dir);
	if (u.blobs >= 0)
		close(u.blobs);
	progress_clear();
	if (err && *why)
		return fail(err == -EPERM ? FAIL_REFUSED : FAIL_NO, file, "%s; nothing was made", why);
	return err ? stage_fail(file, err) : 0;
}

static int adopt(const struct stage *stage, const char *name)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "name", json_object_new_string(name));
	json_object_object_add(params, "from", json_object_new_string(stage->name));
	return ask_daemon("Adopt", params, NULL);
}

static int keep_settings(const struct stage *stage, const char *settings)
{
	size_t size = settings ? strlen(settings) : 0;
	int err = 0, fd;

	if (!settings)
		return 0;
	fd = openat(stage->dir, "gsh.conf", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, settings, size) != (ssize_t)size)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err ? stage_fail("gsh.conf", err) : 0;
}

static int import(const char *file, const char *name, const char *settings)
{
	struct stage stage;
	int from = open(file, O_RDONLY | O_NOCTTY | O_CLOEXEC), result;

	if (from < 0)
		return fail(FAIL_NO, file, "%s", strerror(errno));
	/* gshd makes the store. */
	result = ask_daemon("GetInfo", NULL, NULL);
	if (!result)
		result = stage_free_name(name);
	if (!result)
		result = stage_make(&stage, NULL);
	if (!result) {
		result = fill(&stage, from, file);
		if (!result)
			result = keep_settings(&stage, settings);
		if (!result)
			result = adopt(&stage, name);
		stage_end(&stage);
	}
	close(from);
	return result;
}

int import_run(const struct call *call, const char *file, const char *name, const char *settings)
{
	int result = sandbox_name_check(name);

	if (!result)
		result = progress_start(call->cmd->name, opt_value(call, OPT_PROGRESS));
	if (!result)
		result = import(file, name, settings);
	progress_end(result);
	return result;
}

static int exec_import(const struct call *call)
{
	return import_run(call, call->argv[0], call->argv[1], NULL);
}

const struct cmd cmd_import = {
	.name = "import",
	.args = "FILE NAME",
	.summary = "make a sandbox of an image",
	.help = "FILE is a tar, an OCI image as a tar or a directory, compressed by gzip, zstd, xz or bzip2 or not "
		"at all, or\n"
		"a directory with a system in it. What it holds is what the sandbox begins with, instead of the "
		"host's files.\n"
		"It is read by a process that can do nothing else; names that lead elsewhere are refused.",
	.opts = import_opts,
	.min = 2,
	.max = 2,
	.words = WORDS_FILE,
	.group = GROUP_SHAPE,
	.exec = exec_import,
};
