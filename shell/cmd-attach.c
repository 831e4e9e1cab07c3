// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh attach: back to a session that was detached, or whose terminal was lost. */
#include <errno.h>
#include <stdlib.h>

#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	long session = 0;
	char *end;

	if (!sandbox)
		return -FAIL_USAGE;
	if (call->argc) {
		errno = 0;
		session = strtol(call->argv[0], &end, 10);
		if (*end || errno || session < 1 || session > 0x7fffffff)
			return usage_fail(call->cmd, "%s is no number of a session", call->argv[0]);
	}
	return run_attach(sandbox, (int)session);
}

const struct cmd cmd_attach = {
	.name = "attach",
	.args = "[SESSION]",
	.summary = "return to a session (without a number: the newest)",
	.help = "Sessions are listed by \"gsh info\". ^] three times within a second leaves one running behind.\n"
		"Exit status: the command's; 125 gsh failed or there is no such session; 0 detached.",
	.opts = opts,
	.flags = CMD_RUNS,
	.max = 1,
	.exec = exec,
};
