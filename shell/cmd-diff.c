// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh diff: the changes of a sandbox as git shows them; so far by name and status. */
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
	if (!opt_given(call, OPT_NAME_STATUS)) {
		fail(FAIL_USAGE, "diff", "a diff of contents is not there yet");
		hint("gsh diff --name-status lists what has changed");
		return -FAIL_USAGE;
	}
	return changes_show(call, "diff", columns, sizeof(columns) / sizeof(columns[0]));
}

const struct cmd cmd_diff = {
	.name = "diff",
	.args = "",
	.summary = "compare a sandbox with its base (--name-status)",
	.help = "A added, M modified, D deleted, T another type of file than below.",
	.opts = opts,
	.exec = exec,
};
