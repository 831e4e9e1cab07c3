// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh undo, gsh redo: take back what the last ops changed, and put it back.
 *
 * Processes that such an op started may run on, and would write on in a tree that their command never
 * was in. So they can be ended before: asked for at a terminal, else said by an option, else they are
 * left and named.
 */
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/cmd.h"

#define NAMED_MAX 10 /* processes that are named */
#define MERCY_MS 2000 /* from the signal that asks to the one that does not, and from that to giving up */
#define LOOK_MS 50

static const struct opt redo_opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

static const struct opt undo_opts[] = {
	OPT_ROW_SANDBOX,
	{ 'e', "end", NULL, "first end the processes that what is undone started", WORDS_NONE },
	{ 'k', "keep", NULL, "let them run; do not ask", WORDS_NONE },
	OPT_ROW_END,
};

/* ---- what the ops started ---- */

/* *items: NULL if the sandbox does not run. */
static int ask_started(const char *sandbox, int count, struct json_object **items)
{
	struct json_object *params = json_object_new_object(), *reply = NULL;
	int result;

	json_object_object_add(params, "count", json_object_new_int(count));
	result = ask_box(sandbox, "Undoes", params, &reply);
	*items = result ? NULL : json_object_get(reply_items(reply));
	json_object_put(reply);
	return result > 0 ? 0 : result;
}

static void name_them(struct json_object *items)
{
	size_t n = json_object_array_length(items), i;
	char buf[200];

	show_words(items, "cmdline", "comm");
	for (i = 0; i < n && i < NAMED_MAX; i++) {
		struct json_object *item = json_object_array_get_idx(items, i);

		note("%7lld  %s", (long long)reply_number(item, "pid", 0),
		     show_field(item, "cmdline", buf, sizeof(buf)));
	}
	if (i < n)
		note("and %zu more", n - i);
}

static int signal_them(const char *sandbox, struct json_object *items, int sig)
{
	int result = 0;

	for (size_t i = 0; i < json_object_array_length(items) && result >= 0; i++) {
		struct json_object *item = json_object_array_get_idx(items, i), *params = json_object_new_object();

		json_object_object_add(params, "pid", json_object_new_int64(reply_number(item, "pid", 0)));
		json_object_object_add(params, "signal", json_object_new_int(sig));
		result = ask_box(sandbox, "Signal", params, NULL);
	}
	return result < 0 ? result : 0;
}

/* Until none is left: *left is false then. */
static int wait_for_end(const char *sandbox, int count, bool *left)
{
	struct timespec look = { 0, LOOK_MS * 1000000L };
	struct json_object *items;
	int result = 0;

	*left = true;
	for (int ms = 0; !result && *left && ms < MERCY_MS; ms += LOOK_MS) {
		nanosleep(&look, NULL);
		result = ask_started(sandbox, count, &items);
		*left = items && json_object_array_length(items);
		json_object_put(items);
	}
	return result;
}

static int end_them(const char *sandbox, int count)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	bool left = true;
	int result = 0;

	for (size_t i = 0; i < 2 && left && !result; i++) {
		struct json_object *items;

		/* Anew: what is gone has left its number to others. */
		result = ask_started(sandbox, count, &items);
		if (!result && items)
			result = signal_them(sandbox, items, signals[i]);
		if (!result && items && signals[i] == SIGTERM)
			result = signal_them(sandbox, items, SIGCONT);
		json_object_put(items);
		if (!result)
			result = wait_for_end(sandbox, count, &left);
	}
	if (!result && left) {
		fail(FAIL_NO, sandbox, "a process does not end; nothing was undone");
		hint("undo --keep undoes all the same");
		result = -FAIL_NO;
	}
	return result;
}

static bool yes(void)
{
	char line[16];

	fprintf(stderr, "End them first? [y/N] ");
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int settle_processes(const struct call *call, const char *sandbox, int count)
{
	struct json_object *items;
	size_t n;
	int result;

	if (opt_given(call, 'k'))
		return 0;
	result = ask_started(sandbox, count, &items);
	n = items ? json_object_array_length(items) : 0;
	if (!result && n && opt_given(call, 'e')) {
		result = end_them(sandbox, count);
		if (!result)
			note("ended %zu %s", n, n == 1 ? "process" : "processes");
	} else if (!result && n) {
		note("%zu %s that it started still %s:", n, n == 1 ? "process" : "processes", n == 1 ? "runs" : "run");
		name_them(items);
		if (!isatty(0) || !isatty(2))
			hint("they go on; undo --end would have ended them, gsh kill does");
		else if (yes())
			result = end_them(sandbox, count);
	}
	json_object_put(items);
	return result;
}

/* ---- the verbs ---- */

static int ask(const struct call *call, const char *method, const char *done)
{
	const char *sandbox = opt_value(call, 's'), *word = call->argc ? call->argv[0] : "1";
	struct json_object *params, *reply;
	int64_t layers;
	int result;

	if (!sandbox)
		sandbox = DEFAULT_SANDBOX;
	result = sandbox_name_check(sandbox);
	if (result)
		return result;
	if (!*word || word[strspn(word, "0123456789")] || strlen(word) > 4 || !atoi(word)) {
		result = fail(FAIL_USAGE, call->cmd->name, "'%s' is not a number of ops", word);
		if (!hint_sandbox(word))
			hint("gsh help %s says how", call->cmd->name);
		return result;
	}
	if (opt_given(call, 'e') && opt_given(call, 'k'))
		return usage_fail(call->cmd, "--end and --keep are opposites");
	if (call->cmd == &cmd_undo) {
		result = settle_processes(call, sandbox, atoi(word));
		if (result)
			return result;
	}
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	json_object_object_add(params, "count", json_object_new_int(atoi(word)));
	result = ask_daemon(method, params, &reply);
	if (result)
		return result;
	layers = reply_number(reply, "layers", 0);
	json_object_put(reply);
	if (!layers)
		return fail(FAIL_NO, call->cmd->name, "there is nothing to %s", call->cmd->name);
	if (layers < atoi(word))
		note("there were only %lld", (long long)layers);
	note("%s %lld %s", done, (long long)layers, layers == 1 ? "op" : "ops");
	return 0;
}

static int exec_undo(const struct call *call)
{
	return ask(call, "Undo", "took back");
}

static int exec_redo(const struct call *call)
{
	return ask(call, "Redo", "put back");
}

const struct cmd cmd_undo = {
	.name = "undo",
	.args = "[N]",
	.summary = "take back what the last op (the last N) changed",
	.help = "Ops that changed nothing are passed over. Processes that such an op started and that still run are\n"
		"shown, and ended first if you say so: at the terminal, or by --end. Without a terminal they go on,\n"
		"as all others do; what they have open stays open, even if it has no name any more.\n"
		"gsh redo puts everything back until something else is done.",
	.opts = undo_opts,
	.max = 1,
	.group = GROUP_BACK,
	.exec = exec_undo,
};

const struct cmd cmd_redo = {
	.name = "redo",
	.args = "[N]",
	.summary = "put back what the last undo took (the last N ops)",
	.help = "Not once something else changed: then what was undone is gone for good.",
	.opts = redo_opts,
	.max = 1,
	.group = GROUP_BACK,
	.exec = exec_redo,
};
