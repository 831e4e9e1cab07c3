// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh discard: a sandbox's files as they are below it again.
 *
 * It is done inside, by rm(1) and tar(1), as any other change: so processes that run see it at
 * once, those that have a file open keep what they have, and whatever the sandbox made of links
 * stays its own business. What was on the host is read here and goes in as a stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gshd/tree/patch.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{ 'f', "force", NULL, "do not ask", WORDS_NONE },
	{ 'n', "dry-run", NULL, "only show what would be discarded", WORDS_NONE },
	OPT_ROW_JSON,
	OPT_ROW_END,
};

struct gone {
	const struct call *call;
	const char *sandbox;
	struct version base, now;
	struct diff_scope scope;
	struct json_object *items;
	int remove, restore; /* lists of names, each ended by NUL */
	size_t nremove, nrestore, lost;
};

static int add(int fd, size_t *n, const char *path)
{
	size_t size = strlen(path) + 1;

	++*n;
	return write(fd, path, size) == (ssize_t)size ? 0 : -EIO;
}

static int found(const struct diff_found *f, void *arg)
{
	struct gone *g = arg;
	char letter[2] = { patch_letter(f), '\0' };
	struct json_object *o;
	int err = 0;

	/* An owner that is not the user's cannot be given back, nor can it have been taken. */
	if (f->what == DIFF_OWNER)
		return 0;
	o = json_object_new_object();
	json_object_object_add(o, "change", json_object_new_string(letter));
	show_add_path(o, "path", f->path);
	json_object_array_add(g->items, o);
	if (!f->a || f->what & DIFF_TYPE)
		err = add(g->remove, &g->nremove, f->path);
	/* Seen from the root, as tar wants it. */
	if (!err && f->a)
		err = add(g->restore, &g->nrestore, f->path + 1);
	return err;
}

static void lost(const char *path, int err, void *arg)
{
	struct gone *g = arg;

	g->lost++;
	fail(FAIL_NO, path, "cannot be looked into: %s", strerror(-err));
}

static int look(struct gone *g)
{
	const struct diff_calls calls = { found, lost, g };
	int result = version_open(&g->now, g->sandbox, "now"), err;

	if (result)
		return result;
	err = tree_diff(&g->base.tree, &g->now.tree, &g->scope, &calls);
	version_close(&g->now);
	return err ? fail(FAIL_NO, "discard", "%s", strerror(-err)) : 0;
}

static int show(const struct gone *g)
{
	static const struct column columns[] = { { "CHANGE", "change", false },
						 { "PATH", "path", false } };

	return show_list(opt_given(g->call, OPT_JSON), "discard", g->items, columns,
			 sizeof(columns) / sizeof(columns[0]));
}

static int confirm(const struct gone *g)
{
	char line[16];

	if (opt_given(g->call, 'f'))
		return 0;
	if (!isatty(0) || !isatty(2)) {
		fail(FAIL_NO, "discard", "nobody can be asked; nothing was discarded");
		hint("-n shows what would be, -f does it");
		return -FAIL_NO;
	}
	fprintf(stderr, "Discard %zu changes in sandbox %s? [y/N] ",
		json_object_array_length(g->items), g->sandbox);
	if (fgets(line, sizeof(line), stdin) && line[0] == 'y')
		return 0;
	note("nothing was discarded");
	return -FAIL_NO;
}

/* ---- doing it ---- */

static int remove_all(const struct gone *g)
{
	static char *const script =
		"exec xargs -0 sh -c '"
		"for f; do [ -L \"$f\" ] || [ ! -d \"$f\" ] || chmod -R u+rwX \"$f\"; done; "
		"rm -rf -- \"$@\"' discard";
	char *argv[] = { "sh", "-c", script, NULL };

	if (!g->nremove)
		return 0;
	if (lseek(g->remove, 0, SEEK_SET))
		return fail(FAIL_NO, "discard", "%s", strerror(errno));
	return run_helper(g->sandbox, argv, g->remove, -1);
}

/* The host's tar(1) packs what the list names. */
static pid_t pack(const struct gone *g, int out)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (dup2(g->restore, 0) < 0 || dup2(out, 1) < 0)
		_exit(1);
	execlp("tar", "tar", "-C", g->base.base, "-cf", "-", "--xattrs", "--xattrs-include=user.*",
	       "--no-recursion", "--null", "--verbatim-files-from", "-T", "-", (char *)NULL);
	_exit(127);
}

static int restore_all(const struct gone *g)
{
	static char *const script = "case $(tar --version 2>/dev/null) in *GNU*) o='--xattrs "
				    "--xattrs-include=user.* --no-same-owner' ;; esac\n"
				    "set -f\n"
				    "exec tar -x $o -p -f - -C /\n";
	char *argv[] = { "sh", "-c", script, NULL };
	int ends[2], status = 1, result;
	pid_t pid;

	if (!g->nrestore)
		return 0;
	if (lseek(g->restore, 0, SEEK_SET) || pipe2(ends, O_CLOEXEC))
		return fail(FAIL_NO, "discard", "%s", strerror(errno));
	pid = pack(g, ends[1]);
	close(ends[1]);
	result = pid < 0 ? fail(FAIL_NO, "discard", "%s", strerror(errno))
			 : run_helper(g->sandbox, argv, ends[0], -1);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	return result ? result : status != 0;
}

/* What is still different after it. */
static int look_again(struct gone *g)
{
	size_t before = json_object_array_length(g->items), left;
	int result;

	json_object_put(g->items);
	g->items = json_object_new_array();
	result = look(g);
	left = json_object_array_length(g->items);
	if (result)
		return result;
	if (!left) {
		note("discarded %zu changes in sandbox %s", before, g->sandbox);
		return 0;
	}
	for (size_t i = 0; i < left && i < 5; i++)
		fail(FAIL_NO, reply_string(json_object_array_get_idx(g->items, i), "path"),
		     "it is still changed");
	return fail(FAIL_NO, "discard", "%zu of %zu changes are left", left, before);
}

static int discard(struct gone *g)
{
	int result = look(g);

	if (!result && !json_object_array_length(g->items)) {
		if (opt_given(g->call, OPT_JSON))
			result = show(g);
		note("there is nothing to discard");
		return result ? result : -FAIL_NO;
	}
	if (!result &&
	    (opt_given(g->call, 'n') || opt_given(g->call, OPT_JSON) || !opt_given(g->call, 'f')))
		result = show(g);
	if (result || opt_given(g->call, 'n'))
		return result;
	result = confirm(g);
	if (result)
		return result;
	result = remove_all(g);
	if (result >= 0)
		result = restore_all(g);
	/* What the helpers could not do they have said, and it shows. */
	return result < 0 ? result : look_again(g);
}

static int run(struct gone *g)
{
	int result = version_open(&g->base, g->sandbox, "base");

	if (result)
		return result;
	if (g->base.image) {
		version_close(&g->base);
		fail(FAIL_REFUSED, g->sandbox, "it is made of an image");
		hint("gsh restore -s %s base -- PATH brings back what the image has", g->sandbox);
		return -FAIL_REFUSED;
	}
	g->remove = memfd_create("remove", MFD_CLOEXEC);
	g->restore = memfd_create("restore", MFD_CLOEXEC);
	if (g->remove < 0 || g->restore < 0)
		result = fail(FAIL_NO, "discard", "%s", strerror(errno));
	else
		result = discard(g);
	if (g->remove >= 0)
		close(g->remove);
	if (g->restore >= 0)
		close(g->restore);
	version_close(&g->base);
	return result;
}

static int exec(const struct call *call)
{
	struct gone g = {
		.call = call, .sandbox = call_sandbox(call), .remove = -1, .restore = -1
	};
	char **paths;
	int result = 0;

	if (!g.sandbox)
		return -FAIL_USAGE;
	/* As with rm: work must not vanish by a missing word. */
	if (!call->argc && !opt_given(call, 's') && !opt_given(call, 'f') && !opt_given(call, 'n'))
		return usage_fail(call->cmd, "name the sandbox with -s, or the paths");
	paths = calloc((size_t)call->argc + 1, sizeof(*paths));
	g.items = json_object_new_array();
	if (!paths)
		result = fail(FAIL_NO, "out of memory", NULL);
	g.scope.paths = (const char *const *)paths;
	for (int i = 0; i < call->argc && !result; i++) {
		paths[i] = version_path(call->argv[i]);
		if (paths[i])
			g.scope.n++;
		else
			result = -FAIL_USAGE;
	}
	if (!result)
		result = run(&g);
	for (size_t i = 0; i < g.scope.n; i++)
		free(paths[i]);
	free(paths);
	json_object_put(g.items);
	return result;
}

const struct cmd cmd_discard = {
	.name = "discard",
	.args = "[--] [PATH...]",
	.summary = "undo what a sandbox changed, or what it did at PATHs",
	.help = "Files are as they are on the host again. It is done inside, as any other change:\n"
		"processes that run see it, those that have a file open keep what they have.",
	.opts = opts,
	.max = -1,
	.words = WORDS_INSIDE,
	.group = GROUP_BACK,
	.exec = exec,
};
