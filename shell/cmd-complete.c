// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh __complete: what shells ask while a line is typed. Never starts gshd: a key press must have
 * no effect. */
#include <string.h>

#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	if (strcmp(call->argv[0], "line") == 0)
		return complete_line(call->argc - 1, call->argv + 1);
	if (strcmp(call->argv[0], "man") == 0)
		return manual_page();
	return usage_fail(call->cmd, "completes nothing called %s", call->argv[0]);
}

const struct cmd cmd_complete = {
	.name = "__complete",
	.args = "man|line WORD...",
	.summary = "what the last word may become, for completion; or the page gsh-verbs(1)",
	.opts = opts,
	.flags = CMD_HIDDEN | CMD_ARGV,
	.min = 1,
	.max = -1,
	.exec = exec,
};
