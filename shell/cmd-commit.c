// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh commit: bring changes of a sandbox home to the host.
 *
 * What differs is looked at twice. First by name: what only a deliberate word lets through (set-ID
 * bits, devices, places that are neither below the home directory nor below the current one) is
 * refused unless the path was given, and gsh's own places always are; what is hidden inside goes
 * with no folder that it lies in. Then by time: what the host changed after the sandbox had first
 * touched it is merged if it is text (sides.c), or else a conflict, and one conflict leaves
 * everything as it is. What remains is carried out by gshd/tree/commit.c, all or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "gshd/tree/commit.h"
#include "gshd/tree/patch.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{ 'n', "dry-run", NULL, "only show what would be done", WORDS_NONE },
	{ 'p', "patch", NULL, "ask about each part of each change", WORDS_NONE },
	{ 'i', "interactive", NULL, "ask about each change", WORDS_NONE },
	{ 'y', "yes", NULL, "do not ask whether to begin", WORDS_NONE },
	{ OPT_TAKE, "take", "SIDE", "of a conflict: sandbox or host", WORDS_NONE },
	{ OPT_UNDO, "undo", NULL, "take the last commit, or number N, back", WORDS_NONE },
	OPT_ROW_PROGRESS,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

enum verdict { TAKEN, MERGED, LEFT, CONFLICT, REFUSED };

struct gather {
	const struct call *call;
	const char *sandbox;
	struct diff_scope scope; /* the paths that were given */
	struct version base, now;
	struct commit commit;
	struct json_object *items;
	const char *take; /* "sandbox", "host" or NULL */
	struct home home;
	bool all; /* -i: the rest is wanted, too */
	bool quit;
	size_t taken, conflicts, refused, lost;
	struct total total; /* of what is written */
};

/* ---- showing ---- */

static void add_item(struct gather *g, const struct diff_found *f, enum verdict verdict,
		     const char *why)
{
	static const char *const verdicts[] = { "commit", "merge", "leave", "conflict", "refuse" };
	char letter[2] = { patch_letter(f), '\0' };
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "do", json_object_new_string(verdicts[verdict]));
	json_object_object_add(o, "change", json_object_new_string(letter));
	show_add_path(o, "path", f->path);
	if (why)
		json_object_object_add(o, "why", json_object_new_string(why));
	json_object_array_add(g->items, o);
}

/* It is not committed: nor does a folder go that holds it. */
static void leave(struct gather *g, const struct diff_found *f, const char *why)
{
	size_t spared = f->a ? commit_spare(&g->commit, f->path) : 0;

	for (size_t i = json_object_array_length(g->items); spared && i-- > 0;) {
		struct json_object *o = json_object_array_get_idx(g->items, i);
		const char *path = reply_string(o, "path");

		if (strcmp(reply_string(o, "do"), "commit") != 0 || strcmp(path, f->path) == 0 ||
		    !home_below(f->path, path))
			continue;
		json_object_object_add(o, "do", json_object_new_string("leave"));
		json_object_object_add(o, "why", json_object_new_string("something in it stays"));
		g->taken--;
		spared--;
	}
	add_item(g, f, LEFT, why);
}

/* ---- asking ---- */

/* The first letter of an answer; 0 at the end of input. */
static int ask(const char *question)
{
	char line[64];

	fflush(stdout);
	fputs(question, stderr);
	if (!fgets(line, sizeof(line), stdin)) {
		putc('\n', stderr);
		return 0;
	}
	return line[0];
}

static bool is_asked(const struct gather *g)
{
	return opt_given(g->call, 'i') || opt_given(g->call, 'p');
}

static int ask_hunk(const char *path, const char *text, size_t size, void *arg)
{
	struct gather *g = arg;
	char question[1024], name[900];
	struct patch_sink sink;
	int answer;

	if (g->all || g->quit)
		return g->all ? 'y' : 'n';
	snprintf(question, sizeof(question), "M %s  commit this part? [y,n,a,d,q] ",
		 quote_name(path, name, sizeof(name)));
	for (;;) {
		sink = sides_sink(stderr);
		(void)!sink.put(sink.arg, PATCH_CONTEXT, text, size);
		answer = ask(question);
		if (!answer || answer == 'q') {
			g->quit = true;
			return 'q';
		}
		if (strchr("ynad", answer))
			return answer;
		note("y yes, n no, a this and the rest of the file, d none of the rest of it, q no "
		     "more");
	}
}

/* With -p, if it is text: what of it. False: nothing. *content: what the file gets, -1 the whole.
 */
static bool wanted_parts(struct gather *g, const struct diff_found *f, int *content, bool *whole)
{
	const struct hunk_asker asker = { ask_hunk, g };
	int choice = opt_given(g->call, 'p') && !g->quit ? hunks_choose(f, &asker, content)
							 : HUNKS_WHOLE;

	*whole = choice == HUNKS_WHOLE;
	return choice == HUNKS_ALL || choice == HUNKS_SOME;
}

static bool wanted(struct gather *g, const struct diff_found *f, const struct merged *m)
{
	char question[1024], name[900];

	if (!is_asked(g) || g->all)
		return true;
	while (!g->quit) {
		snprintf(question, sizeof(question), "%c %s  commit? [y,n,d,a,q] ", patch_letter(f),
			 quote_name(f->path, name, sizeof(name)));
		switch (ask(question)) {
		case 'y':
			return true;
		case 'n':
			return false;
		case 'd':
			if (m)
				merged_show(f, m, stderr);
			else
				sides_show(f, stderr);
			break;
		case 'a':
			g->all = true;
			return true;
		case 'q':
		case 0:
			g->quit = true;
			break;
		default:
			note("y yes, n no, d show the difference, a this and all that follow, q no "
			     "more");
		}
	}
	return false;
}

/* ---- what there is to do ---- */

static void tell_conflict(struct gather *g, const struct diff_found *f, const struct merged *m)
{
	g->conflicts++;
	add_item(g, f, CONFLICT, m->why);
	if (opt_given(g->call, OPT_JSON))
		return;
	progress_clear();
	fail(FAIL_CONFLICT, f->path, "%s", m->why);
	if (m->content >= 0)
		merged_show(f, m, stderr);
	else
		sides_show(f, stderr);
}

/* Both sides changed it. Is there something to commit, now in *m? */
static bool can_merge(struct gather *g, const struct diff_found *f, struct merged *m)
{
	sides_merge(&g->commit, &g->now.tree, f, m);
	if (m->result == MERGED_CONFLICT)
		tell_conflict(g, f, m);
	else if (m->result == MERGED_HOST)
		leave(g, f, m->why);
	return m->result == MERGED_CLEAN;
}

static int plan(struct gather *g, const struct diff_found *f, int content, struct merged *m, bool changed)
{
	int err = commit_plan(&g->commit, f);

	if (err)
		return err;
	if (f->b) {
		g->total.files += !S_ISDIR(f->is.mode);
		g->total.bytes += S_ISREG(f->is.mode) ? (uint64_t)f->b->st.st_size : 0;
	}
	if (m) {
		commit_content(&g->commit, m->content);
		m->content = -1;
	} else if (content >= 0) {
		commit_content(&g->commit, content);
	}
	if (changed)
		commit_host(&g->commit, m ? HOST_MERGED : HOST_TAKEN, m ? m->mode : 0);
	g->taken++;
	add_item(g, f, m ? MERGED : TAKEN, m ? m->why : NULL);
	return 0;
}

static int ask_and_plan(struct gather *g, const struct diff_found *f, struct merged *m, bool changed)
{
	int content = -1;
	bool take, whole = true;

	progress_clear();
	/* The parts of one that is merged belong together. */
	take = !m && wanted_parts(g, f, &content, &whole);
	if (whole)
		take = wanted(g, f, m);
	if (take)
		return plan(g, f, content, m, changed);
	leave(g, f, NULL);
	return 0;
}

static bool is_hidden(const struct gather *g, const char *path)
{
	const char *hidden = version_hidden_at(&g->base, path);

	return hidden && !home_named(&g->scope, hidden);
}

static int found(const struct diff_found *f, void *arg)
{
	struct gather *g = arg;
	const char *why = home_refusal(&g->home, &g->scope, f);
	struct merged m = { .content = -1 };
	bool changed;
	int err = 0;

	progress_add(1, 0);
	/* The host's user owns what is committed, whoever owned it inside. */
	if (f->what == DIFF_OWNER || (f->what & ~(unsigned)(DIFF_OWNER | DIFF_XATTRS)) == 0) {
		if (S_ISDIR(f->is.mode) || f->what == DIFF_OWNER)
			return 0;
	}
	if (!why && is_hidden(g, f->path)) {
		/* Moved or removed with the folder that it lies in: nobody inside saw it, nor has it. */
		if (!f->b) {
			leave(g, f, "it is hidden inside; give its path to remove it");
			return 0;
		}
		why = "the host has something there that is hidden inside; give its path to write to it "
		      "nevertheless";
	}
	if (why) {
		g->refused++;
		add_item(g, f, REFUSED, why);
		return 0;
	}
	changed = commit_changed(&g->commit, &g->now.tree, f);
	if (changed && g->take && strcmp(g->take, "host") == 0)
		leave(g, f, "the host's side was taken");
	else if (!changed || g->take)
		err = ask_and_plan(g, f, NULL, changed);
	else if (can_merge(g, f, &m))
		err = ask_and_plan(g, f, &m, changed);
	merged_free(&m);
	return err;
}

static void lost(const char *path, int err, void *arg)
{
	struct gather *g = arg;

	g->lost++;
	progress_clear();
	fail(FAIL_NO, path, "cannot be looked into: %s", strerror(-err));
}

static const struct column columns[] = {
	{ "DO", "do", false },
	{ "CHANGE", "change", false },
	{ "PATH", "path", false },
	{ "WHY", "why", false },
};

static int show_items(const struct gather *g)
{
	struct json_object *o;
	int result;

	if (!opt_given(g->call, OPT_JSON))
		return show_list(false, "commit", g->items, columns,
				 sizeof(columns) / sizeof(columns[0]));
	o = json_object_new_object();
	if (g->commit.number)
		json_object_object_add(o, "number", json_object_new_int64(g->commit.number));
	json_object_object_add(o, "items", json_object_get(g->items));
	result = show_json("commit", o);
	json_object_put(o);
	return result;
}

/* ---- doing it ---- */

static int run_failed(const struct commit *c, int err, const char *verb)
{
	const char *path = c->failed < c->n ? c->actions[c->failed].path : "/";

	if (err == -ESTALE) {
		fail(FAIL_CONFLICT, path, "it changed meanwhile; nothing was %s", verb);
		return -FAIL_CONFLICT;
	}
	if (err == -EACCES || err == -EPERM || err == -EROFS)
		return fail(FAIL_REFUSED, path, "%s; nothing was %s", strerror(-err), verb);
	return fail(FAIL_NO, path, "%s; nothing was %s", strerror(-err), verb);
}

static int confirm(const struct gather *g)
{
	char question[128];

	if (opt_given(g->call, 'y') || is_asked(g))
		return 0;
	if (!isatty(0) || !isatty(2)) {
		fail(FAIL_NO, "commit", "nobody can be asked; nothing was committed");
		hint("-n shows what would be done, -y does it");
		return -FAIL_NO;
	}
	snprintf(question, sizeof(question), "Write %zu changes to the host? [y/N] ", g->taken);
	if (ask(question) == 'y')
		return 0;
	note("nothing was committed");
	return -FAIL_NO;
}

static int carry_out(struct gather *g)
{
	const struct copy copy = { .step = progress_step, .stop = &stage_stop };
	int result, err;
	if (opt_given(g->call, 'n') || (!opt_given(g->call, OPT_JSON) && !is_asked(g))) {
		if (opt_given(g->call, 'y') && !opt_given(g->call, 'n'))
			ui_page_never();
		result = show_items(g);
		if (result || opt_given(g->call, 'n'))
			return result;
	}
	result = confirm(g);
	if (!result)
		result = borrowed_own(&g->base.tree, &g->now.tree, g->sandbox);
	if (result)
		return result;
	stage_catch_signals();
	progress_turn(&g->total);
	err = commit_run(&g->commit, &g->now.tree, &copy);
	progress_clear();
	if (err == -EINTR && stage_stop)
		return stage_fail("commit", err);
	if (err)
		return run_failed(&g->commit, err, "committed");
	if (opt_given(g->call, OPT_JSON))
		return show_items(g);
	note("committed %zu changes; gsh commit --undo takes them back", g->taken);
	return 0;
}

/* What the numbers say when nothing else went wrong. */
static int verdict(const struct gather *g)
{
	if (g->conflicts) {
		note("%zu conflicts; nothing was committed", g->conflicts);
		hint("--take=sandbox or --take=host with the paths decides; gsh diff base now -- "
		     "PATH compares");
		return -FAIL_CONFLICT;
	}
	if (g->refused) {
		for (size_t i = 0;
		     i < json_object_array_length(g->items) && !opt_given(g->call, OPT_JSON); i++) {
			struct json_object *o = json_object_array_get_idx(g->items, i);

			if (strcmp(reply_string(o, "do"), "refuse") == 0)
				fail(FAIL_REFUSED, reply_string(o, "path"), "%s",
				     reply_string(o, "why"));
		}
		note("%zu changes are refused; nothing was committed", g->refused);
		return -FAIL_REFUSED;
	}
	return g->lost ? -FAIL_NO : 0;
}

static int gather(struct gather *g)
{
	const struct diff_calls calls = { found, lost, g };
	int err = commit_watch(&g->commit, &g->now.tree), result;

	if (!err)
		err = tree_diff(&g->base.tree, &g->now.tree, &g->scope, &calls);
	progress_clear();
	if (err)
		return fail(FAIL_NO, "commit", "%s", strerror(-err));
	result = verdict(g);
	if (result) {
		int shown =
			opt_given(g->call, 'n') || opt_given(g->call, OPT_JSON) ? show_items(g) : 0;

		return shown ? shown : result;
	}
	if (!g->taken) {
		if (opt_given(g->call, OPT_JSON))
			(void)!show_items(g);
		note("there is nothing to commit");
		return -FAIL_NO;
	}
	return carry_out(g);
}

/* ---- around it ---- */

static int open_box_folder(const char *sandbox)
{
	struct paths paths;
	char why[1024], path[PATH_MAX + 80];
	int fd;

	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	snprintf(path, sizeof(path), "%s/boxes/%s", paths.store, sandbox);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(FAIL_NO, path, "%s", strerror(errno)) : fd;
}

static int open_commit(struct commit *c, const char *sandbox, int root, const char *root_path)
{
	int box = open_box_folder(sandbox), err;

	if (box < 0)
		return box;
	err = commit_open(c, box, root, root_path);
	close(box);
	if (err == -EWOULDBLOCK)
		return fail(FAIL_CONFLICT, sandbox, "another commit is at work");
	if (err)
		return fail(FAIL_NO, sandbox, "cannot open its commits: %s", strerror(-err));
	err = commit_recover(c);
	if (err < 0) {
		fail(FAIL_NO, sandbox, "a commit that was cut short cannot be put right: %s",
		     strerror(-err));
		commit_close(c);
		return -FAIL_NO;
	}
	if (err)
		note("%d commits that were cut short were put right", err);
	return 0;
}

static int undo(const struct call *call, struct commit *c)
{
	unsigned number = call->argc ? (unsigned)strtoul(call->argv[0], NULL, 10) : 0;
	int err;

	if (call->argc > 1 || (call->argc && !number))
		return usage_fail(call->cmd, "--undo takes the number of one commit");
	stage_catch_signals(); /* all or nothing, at once */
	err = commit_undo(c, number);
	if (err == -ENOENT && !c->n)
		return fail(FAIL_NOSUCH, "commit --undo", "there is no such commit to take back");
	if (err)
		return run_failed(c, err, "taken back");
	note("commit %u was taken back", c->undoes);
	return 0;
}

static int run(struct gather *g, const char *sandbox)
{
	int root, result = version_open(&g->base, sandbox, "base");

	if (result)
		return result;
	if (g->base.image) {
		version_close(&g->base);
		fail(FAIL_REFUSED, sandbox, "it is made of an image, so nothing of it belongs on the host");
		hint("gsh cp copies files out of it, gsh export makes an image of it");
		return -FAIL_REFUSED;
	}
	root = open(g->base.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = root < 0 ? fail(FAIL_NO, g->base.base, "%s", strerror(errno)) : 0;
	if (!result)
		result = open_commit(&g->commit, sandbox, root, g->base.base);
	if (!result) {
		if (opt_given(g->call, OPT_UNDO))
			result = undo(g->call, &g->commit);
		else
			result = version_open(&g->now, sandbox, "now");
		if (!result && !opt_given(g->call, OPT_UNDO)) {
			result = gather(g);
			version_close(&g->now);
		}
		commit_close(&g->commit);
	}
	if (root >= 0)
		close(root);
	version_close(&g->base);
	return result;
}

static int take_paths(struct gather *g, char **paths)
{
	g->scope.paths = (const char *const *)paths;
	for (int i = 0; i < g->call->argc && !opt_given(g->call, OPT_UNDO); i++) {
		paths[g->scope.n] = version_path(g->call->argv[i]);
		if (!paths[g->scope.n++])
			return -FAIL_USAGE;
	}
	return 0;
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct gather *g = calloc(1, sizeof(*g));
	char **paths = calloc((size_t)call->argc + 1, sizeof(*paths));
	int result = !g || !paths ? fail(FAIL_NO, "out of memory", NULL)
		     : !sandbox	  ? -FAIL_USAGE
				  : 0;

	if (!result) {
		g->call = call;
		g->sandbox = sandbox;
		g->take = opt_value(call, OPT_TAKE);
		g->items = json_object_new_array();
		if (g->take && strcmp(g->take, "sandbox") != 0 && strcmp(g->take, "host") != 0)
			result = usage_fail(call->cmd, "--take is sandbox or host");
		else if (g->take && !call->argc)
			result = usage_fail(call->cmd, "--take needs the paths that it is about");
	}
	if (!result)
		result = progress_start("commit", opt_value(call, OPT_PROGRESS));
	if (!result)
		result = take_paths(g, paths);
	if (!result)
		result = home_find(&g->home);
	if (!result)
		result = run(g, sandbox);
	progress_end(result);
	for (size_t i = 0; g && paths && i < g->scope.n; i++)
		free(paths[i]);
	if (g)
		home_free(&g->home);
	if (g)
		json_object_put(g->items);
	free(paths);
	free(g);
	return result;
}

const struct cmd cmd_commit = {
	.name = "commit",
	.args = "[--] [PATH...]",
	.summary = "write changes of a sandbox to the host",
	.help = "All that changed, or what did at and below the PATHs: all of it or nothing.\n"
		"With -i, y commits a change, n leaves it, d shows it, a takes the rest, q none;\n"
		"with -p, of text each part is asked about, and d leaves the rest of the file.\n"
		"Text that the host changed, too, since the sandbox first touched it is merged, and the list says\n"
		"so; where both changed the same lines, or it is no text, it is a conflict: 4, nothing is written.\n"
		"--undo [N] takes a commit back if nothing of it has changed since.",
	.opts = opts,
	.max = -1,
	.words = WORDS_INSIDE,
	.group = GROUP_BACK,
	.exec = exec,
};
