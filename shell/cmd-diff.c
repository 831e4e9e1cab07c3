// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh diff: the changes of a sandbox as git shows them; so far by name and status. */
#include <json-c/json.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_NAME_STATUS, "name-status", NULL, "a letter and a path for each change", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"CHANGE", "change", false},
	{"PATH", "path", false},
};

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *items;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (!opt_given(call, OPT_NAME_STATUS)) {
		fail(FAIL_USAGE, "diff", "a diff of contents is not there yet");
		hint("gsh diff --name-status lists what has changed");
		return -FAIL_USAGE;
	}
	result = ask_changes(sandbox, &items);
	if (result)
		return result;
	result = show_list(opt_given(call, OPT_JSON), "diff", items, columns,
			   sizeof(columns) / sizeof(columns[0]));
	json_object_put(items);
	return result;
}

const struct cmd cmd_diff = {
	.name = "diff",
	.args = "",
	.summary = "compare a sandbox with its base (--name-status)",
	.help = "A added, M modified, D deleted, T another type of file than below.",
	.opts = opts,
	.exec = exec,
};
