// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh log: the ops of a sandbox, the newest first, and what each changed. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'n', "number", "N", "only the last N ops", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"OP", "op", true},	       {"WHEN", "when", false},	      {"TOOK", "took", true},
	{"STATUS", "result", false},   {"EFFECTS", "effects", false}, {"COMMAND", "cmd", false},
};

static void put(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void op_describe(struct json_object *op)
{
	const char *state = reply_string(op, "state");
	int64_t ms = reply_number(op, "ms", -1);
	time_t start = (time_t)(reply_number(op, "start", 0) / 1000);
	int status = (int)reply_number(op, "status", 0);
	char text[64] = "";
	struct tm tm;

	if (localtime_r(&start, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		put(op, "when", text);
	if (ms >= 0) {
		snprintf(text, sizeof(text), "%lld.%02ds", (long long)(ms / 1000), (int)(ms % 1000 / 10));
		put(op, "took", text);
		if (WIFSIGNALED(status))
			snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
		else
			snprintf(text, sizeof(text), "%d", WEXITSTATUS(status));
		put(op, "result", text);
	}
	if (strcmp(state, "done") != 0) {
		char effects[8192];

		snprintf(effects, sizeof(effects), "%s%s%s", state, *reply_string(op, "effects") ? ": " : "",
			 reply_string(op, "effects"));
		put(op, "effects", effects);
	}
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call), *number = opt_value(call, 'n');
	struct json_object *params, *reply, *items, *newest;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (number && (!*number || number[strspn(number, "0123456789")] || !atoi(number)))
		return usage_fail(call->cmd, "-n takes a number of ops");
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	if (number)
		json_object_object_add(params, "count", json_object_new_int64(atoll(number)));
	result = ask_daemon("Log", params, &reply);
	if (result)
		return result;
	items = reply_items(reply);
	newest = json_object_new_array();
	for (size_t i = json_object_array_length(items); i-- > 0;) {
		struct json_object *op = json_object_array_get_idx(items, i);

		if (!opt_given(call, OPT_JSON))
			op_describe(op);
		json_object_array_add(newest, json_object_get(op));
	}
	result = show_list(opt_given(call, OPT_JSON), "log", newest, columns, sizeof(columns) / sizeof(columns[0]));
	json_object_put(newest);
	json_object_put(reply);
	return result;
}

const struct cmd cmd_log = {
	.name = "log",
	.args = "[NAME]",
	.summary = "list the commands that ran in a sandbox and what each changed",
	.help = "Each command that gsh starts in a sandbox is an op, and each line that is typed to its\n"
		"shell; gsh undo takes their changes back. The status of a line is what $? says, of bash and\n"
		"zsh; of other shells that of the last program that they waited for.",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SEE,
	.exec = exec,
};
