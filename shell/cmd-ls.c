// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh ls: the sandboxes of this user. */
#include <json-c/json.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* clang-format off */
static const struct column columns[] = {
	{ "NAME", "name", false },
	{ "STATE", "state", false },
	{ "RUNG", "rung", false },
	{ "PROCESSES", "processes", true },
	{ "LAYERS", "layers", true },
	{ "CREATED", "created", false },
};
/* clang-format on */

static int exec(const struct call *call)
{
	struct json_object *reply, *items;
	int result = ask_daemon("List", NULL, &reply);
	size_t i;

	if (result)
		return result;
	items = reply_items(reply);
	for (i = 0; i < json_object_array_length(items); i++)
		reply_date(json_object_array_get_idx(items, i), "created");
	result = show_list(opt_given(call, OPT_JSON), "ls", items, columns,
			   sizeof(columns) / sizeof(columns[0]));
	if (!opt_given(call, OPT_JSON))
		note_ended(reply, NULL);
	json_object_put(reply);
	return result;
}

const struct cmd cmd_ls = {
	.name = "ls",
	.args = "",
	.summary = "list sandboxes",
	.opts = opts,
	.group = GROUP_SEE,
	.exec = exec,
};
