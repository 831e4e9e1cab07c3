// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh create: a new sandbox that does not run yet, with what it may do. */
#include <json-c/json.h>
#include <stdlib.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_BASE, "base", "DIR", "the tree below it (default: /)", WORDS_DIR},
	{OPT_IMAGE, "image", "FILE", "made of a tar, an OCI image (a tar or a directory), or a directory", WORDS_FILE},
	OPT_ROWS_POLICY,
	OPT_ROW_PROGRESS,
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call), *base = opt_value(call, OPT_BASE),
		   *image = opt_value(call, OPT_IMAGE);
	struct json_object *params;
	char *settings = NULL;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (base && image)
		return usage_fail(call->cmd, "--base and --image exclude each other");
	result = settings_given(call, &settings);
	if (result)
		return result;
	if (image) {
		result = import_run(call, image, sandbox, settings);
		free(settings);
		return result;
	}
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	if (base)
		json_object_object_add(params, "base", json_object_new_string(base));
	if (settings)
		json_object_object_add(params, "settings", json_object_new_string(settings));
	free(settings);
	return ask_daemon("Create", params, NULL);
}

const struct cmd cmd_create = {
	.name = "create",
	.args = "[NAME]",
	.summary = "make a sandbox, and say what it may do",
	.help = "It starts with the first command that runs in it. A name that is taken already is\n"
		"refused (4). What is said here is kept with it: gsh config show -s NAME.",
	.opts = opts,
	.group = GROUP_SHAPE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
