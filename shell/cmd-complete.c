// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh __complete: what shells ask while a line is typed. Never starts gshd: a key press must have
 * no effect. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_END,
};

static int complete_sandboxes(void)
{
	struct json_object *reply, *items;
	size_t i;

	if (!daemon_runs() || ask_daemon("List", NULL, &reply))
		return FAIL_NO;
	items = reply_items(reply);
	for (i = 0; i < json_object_array_length(items); i++)
		puts(reply_string(json_object_array_get_idx(items, i), "name"));
	json_object_put(reply);
	return show_done();
}

static int exec(const struct call *call)
{
	if (strcmp(call->argv[0], "bash") == 0)
		return complete_bash();
	if (strcmp(call->argv[0], "sandboxes") == 0)
		return complete_sandboxes();
	return usage_fail(call->cmd, "completes nothing called %s", call->argv[0]);
}

const struct cmd cmd_complete = {
	.name = "__complete",
	.args = "bash|sandboxes",
	.summary = "the completion script for bash, or the names of sandboxes",
	.opts = opts,
	.flags = CMD_HIDDEN,
	.min = 1,
	.max = 1,
	.exec = exec,
};
