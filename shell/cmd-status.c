// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh status: what a sandbox has changed against its base, with kind and size. */
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"CHANGE", "change", false},
	{"KIND", "kind", false},
	{"SIZE", "size", true},
	{"PATH", "path", false},
};

static int exec(const struct call *call)
{
	return changes_show(call, "status", columns, sizeof(columns) / sizeof(columns[0]));
}

const struct cmd cmd_status = {
	.name = "status",
	.args = "[NAME]",
	.summary = "list what a sandbox has changed",
	.help = "A added, M modified, D deleted, T another type of file than below.",
	.opts = opts,
	.group = GROUP_SEE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
