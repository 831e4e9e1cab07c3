// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh try: a command in a new sandbox, then what it changed, then the question what to do with it.
 *
 * The sandbox has a name from the beginning and is an ordinary one until the answer: should gsh be
 * killed or detached meanwhile, nothing is lost. The words of the command are never joined into
 * one. Nobody is asked where nobody can answer; then the changes are thrown away, as one who tries
 * something out expects, unless --keep was said.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/cmd.h"

#define SHOWN_MAX 10 /* paths in the summary */

enum { OPT_KEEP = 650, OPT_KEEP_AS, OPT_DISCARD };

static const struct opt opts[] = {
	{ OPT_KEEP, "keep", NULL, "keep the sandbox, without a question", WORDS_NONE },
	{ OPT_KEEP_AS, "keep-as", "NAME", "keep it by this name, which must be new", WORDS_NONE },
	{ OPT_DISCARD, "discard", NULL, "throw the changes away, without a question", WORDS_NONE },
	{ 'C', "chdir", "DIR", "start in DIR (default: here)", WORDS_DIR },
	{ 'e', "env", "K[=V]", "set a variable inside, or pass it; may be repeated", WORDS_NONE },
	OPT_ROW_PUBLISH,
	OPT_ROWS_POLICY,
	OPT_ROWS_RUN,
	OPT_ROW_END,
};

static int new_name(char *buf, size_t size)
{
	unsigned char r[4];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return fail(FAIL_NO, "try", "%s", strerror(errno));
	snprintf(buf, size, "try-%02x%02x%02x%02x", r[0], r[1], r[2], r[3]);
	return 0;
}

/* Is there a sandbox of this name? 1, 0 or a failure. */
static int exists(const char *name)
{
	struct json_object *reply = NULL, *items;
	int result = ask_daemon("List", NULL, &reply);
	size_t i;

	if (result)
		return result;
	items = reply_items(reply);
	for (i = 0; i < json_object_array_length(items) && !result; i++)
		result = strcmp(reply_string(json_object_array_get_idx(items, i), "name"), name) ==
			 0;
	json_object_put(reply);
	return result;
}

static int check_new(const char *name)
{
	int result = sandbox_name_check(name);

	if (!result)
		result = exists(name);
	return result > 0 ? fail(FAIL_CONFLICT, name, "there is a sandbox by this name already")
			  : result;
}

static int discard(const char *name)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "name", json_object_new_string(name));
	json_object_object_add(params, "force", json_object_new_boolean(true));
	return ask_daemon("Remove", params, NULL);
}

static void say_path(struct json_object *item)
{
	char buf[4096];

	fprintf(stderr, "  %s ", reply_string(item, "change"));
	fprintf(stderr, "%s\n", show_field(item, "path", buf, sizeof(buf)));
}

static void summary(struct json_object *items, size_t most)
{
	static const char letters[] = "AMDT";
	size_t count[sizeof(letters)] = { 0 }, n = json_object_array_length(items), i;

	for (i = 0; i < n; i++) {
		const char *change = reply_string(json_object_array_get_idx(items, i), "change");
		const char *p = *change ? strchr(letters, *change) : NULL;

		count[p ? p - letters : 1]++;
	}
	note("%zu added, %zu modified, %zu deleted", count[0], count[1] + count[3], count[2]);
	if (ui_quiet())
		return;
	for (i = 0; i < n && i < most; i++)
		say_path(json_object_array_get_idx(items, i));
	if (n > most)
		fprintf(stderr, "  ... and %zu more\n", n - most);
}

/* Keep? Whoever cannot answer does not want to. */
static bool ask_keep(struct json_object *items)
{
	char line[64];

	if (!isatty(0) || !isatty(2))
		return false;
	for (;;) {
		fputs("keep, discard, or list all of them? [k/D/l] ", stderr);
		if (!fgets(line, sizeof(line), stdin)) {
			fputc('\n', stderr);
			return false;
		}
		if (*line == 'k' || *line == 'K')
			return true;
		if (*line == 'd' || *line == 'D' || *line == '\n')
			return false;
		if (*line == 'l' || *line == 'L')
			summary(items, (size_t)-1);
	}
}

static void say_kept(const char *name)
{
	note("kept as %s: look with  gsh status %s ; go on with  gsh -s %s ; end with  gsh rm -f "
	     "%s",
	     name, name, name, name);
}

/* After the command: 0 or a failure. */
static int decide(const struct call *call, const char *name)
{
	bool keep = opt_given(call, OPT_KEEP) || opt_given(call, OPT_KEEP_AS);
	struct json_object *items = NULL;
	int result = changes_ask(name, &items);

	if (result)
		return result;
	if (json_object_array_length(items)) {
		summary(items, SHOWN_MAX);
		keep = keep || (!opt_given(call, OPT_DISCARD) && ask_keep(items));
	} else {
		note("nothing was changed");
	}
	json_object_put(items);
	if (keep) {
		say_kept(name);
		return 0;
	}
	result = discard(name);
	if (!result)
		note("discarded");
	return result;
}

static int exec(const struct call *call)
{
	const char *name = opt_value(call, OPT_KEEP_AS);
	bool began = false, ended = false;
	struct run run = { .argv = call->argv, .began = &began, .ended = &ended };
	char made[64];
	int result, err = 0;

	if (opt_given(call, OPT_DISCARD) && (name || opt_given(call, OPT_KEEP)))
		return usage_fail(call->cmd, "keep it, or discard it");
	if (!name) {
		result = new_name(made, sizeof(made));
		name = made;
	} else {
		result = check_new(name);
	}
	if (result)
		return result;
	run.sandbox = name;
	result = cmd_run_in(call, &run);
	if (ended)
		err = decide(call, name);
	else if (began)
		say_kept(name);
	else if (daemon_runs() && exists(name) > 0)
		err = discard(name); /* the command was not found */
	return err ? err : result;
}

const struct cmd cmd_try = {
	.name = "try",
	.args = "[--] CMD [ARG...]",
	.summary = "run a command in a new sandbox, then keep or discard what it changed",
	.help = "Afterwards it is told what was changed, and asked what to do with it; without a\n"
		"terminal to ask at, and without --keep, it is discarded.\n"
		"Exit status: as run.",
	.opts = opts,
	.flags = CMD_RUNS | CMD_ARGV,
	.min = 1,
	.max = -1,
	.words = WORDS_COMMAND,
	.group = GROUP_USE,
	.exec = exec,
};
