// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh undo, gsh redo: take back what the last ops changed, and put it back. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

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
	.help = "Ops that changed nothing are passed over. Processes that run stay; what they have open stays\n"
		"open, even if it has no name any more. gsh redo puts everything back until something else is done.",
	.opts = opts,
	.max = 1,
	.group = GROUP_BACK,
	.exec = exec_undo,
};

const struct cmd cmd_redo = {
	.name = "redo",
	.args = "[N]",
	.summary = "put back what the last undo took (the last N ops)",
	.help = "Not once something else changed: then what was undone is gone for good.",
	.opts = opts,
	.max = 1,
	.group = GROUP_BACK,
	.exec = exec_redo,
};
