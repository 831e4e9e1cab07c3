// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh rename: another name for a sandbox that does not run. */
#include <json-c/json.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	struct json_object *params;
	int result = sandbox_name_check(call->argv[0]);

	if (!result)
		result = sandbox_name_check(call->argv[1]);
	if (result)
		return result;
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(call->argv[0]));
	json_object_object_add(params, "to", json_object_new_string(call->argv[1]));
	return ask_daemon("Rename", params, NULL);
}

const struct cmd cmd_rename = {
	.name = "rename",
	.args = "NAME NEW",
	.summary = "give a sandbox another name",
	.help = "Not while it runs: programs inside know its host name.",
	.opts = opts,
	.min = 2,
	.max = 2,
	.words = WORDS_SANDBOX,
	.group = GROUP_SHAPE,
	.exec = exec,
};
