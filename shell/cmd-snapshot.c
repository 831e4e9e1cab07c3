// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh snapshot: the files of a sandbox as they are now, under a name. */
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	const char *sandbox = opt_value(call, 's');
	struct json_object *params;
	char name[64];
	time_t now = time(NULL);
	struct tm tm;
	int result;

	if (!sandbox)
		sandbox = DEFAULT_SANDBOX;
	result = sandbox_name_check(sandbox);
	if (result)
		return result;
	if (call->argc)
		snprintf(name, sizeof(name), "%.63s", call->argv[0]);
	else if (!localtime_r(&now, &tm) || !strftime(name, sizeof(name), "at-%Y%m%d-%H%M%S", &tm))
		return fail(FAIL_NO, "snapshot", "no name for it");
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	json_object_object_add(params, "snapshot", json_object_new_string(name));
	result = ask_daemon("Snapshot", params, NULL);
	if (!result)
		printf("%s\n", name);
	return result;
}

const struct cmd cmd_snapshot = {
	.name = "snapshot",
	.args = "[NAME]",
	.summary = "keep the files of a sandbox as they are now, under a name",
	.help = "The name can be given wherever a version is asked for. It costs nothing but what later changes.",
	.opts = opts,
	.max = 1,
	.group = GROUP_BACK,
	.exec = exec,
};
