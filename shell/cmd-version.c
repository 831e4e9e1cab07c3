// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh version. */
#include <json-c/json.h>
#include <stdio.h>

#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	struct json_object *object;
	int result;

	if (!opt_given(call, OPT_JSON)) {
		puts("gsh " GSH_VERSION);
		return show_done();
	}
	object = json_object_new_object();
	json_object_object_add(object, "version", json_object_new_string(GSH_VERSION));
	result = show_json("version", object);
	json_object_put(object);
	return result;
}

const struct cmd cmd_version = {
	.name = "version",
	.args = "",
	.summary = "say which gsh this is",
	.opts = opts,
	.group = GROUP_HOST,
	.exec = exec,
};
