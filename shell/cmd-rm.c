// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh rm: remove a sandbox and all that was changed in it. */
#include <json-c/json.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'f', "force", NULL, "even if it runs", WORDS_NONE},
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *params;

	if (!sandbox)
		return -FAIL_USAGE;
	/* Elsewhere a missing name means the default; work must not vanish by a missing word. */
	if (!opt_given(call, 's') && !call->argc && !opt_given(call, 'f'))
		return usage_fail(call->cmd, "name the sandbox to remove");
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	json_object_object_add(params, "force", json_object_new_boolean(opt_given(call, 'f')));
	return ask_daemon("Remove", params, NULL);
}

const struct cmd cmd_rm = {
	.name = "rm",
	.args = "[NAME]",
	.summary = "remove a sandbox and its files",
	.opts = opts,
	.group = GROUP_SHAPE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
