// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh start: a sandbox that runs, with nothing in it yet but its pid 1. */
#include <json-c/json.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROWS_LIMITS,
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *limits = NULL;
	int result = sandbox ? limits_of_options(call, &limits) : -FAIL_USAGE;

	return result ? result : ask_start(sandbox, limits, NULL, NULL);
}

const struct cmd cmd_start = {
	.name = "start",
	.args = "[NAME]",
	.summary = "start a sandbox, creating it if need be",
	.help = "Any command does so by itself; a sandbox that runs already is left as it is.",
	.opts = opts,
	.group = GROUP_SHAPE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
