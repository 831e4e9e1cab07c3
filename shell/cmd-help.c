// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh help. */
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	const struct cmd *cmd;

	if (!call->argc)
		return usage_verbs();
	cmd = cmd_find(call->argv[0]);
	return cmd ? usage_help(cmd) : usage_no_help(call->argv[0]);
}

const struct cmd cmd_help = {
	.name = "help",
	.args = "[VERB]",
	.summary = "explain gsh, or one verb",
	.opts = opts,
	.group = GROUP_HOST,
	.max = 1,
	.words = WORDS_VERB,
	.exec = exec,
};
