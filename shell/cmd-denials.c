// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh denials: what a sandbox was refused, each with the command that would allow it. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"LAST", "last", false},
	{"TIMES", "count", true},
	{"REFUSED", "refused", false},
	{"TO ALLOW IT", "allow", false},
};

/* Of a sandbox that does not run: what its monitor left. */
static struct json_object *left_behind(const char *sandbox)
{
	struct json_object *list = NULL;
	char path[PATH_MAX + 160], why[1024];
	struct paths paths;

	if (paths_find(&paths, why, sizeof(why)))
		return NULL;
	snprintf(path, sizeof(path), "%s/boxes/%s/denials.json", paths.store, sandbox);
	if (access(path, R_OK) == 0)
		list = json_object_from_file(path);
	return json_object_is_type(list, json_type_array) ? list : NULL;
}

static void tell(struct json_object *item)
{
	char text[512];

	snprintf(text, sizeof(text), "%s %s", reply_string(item, "kind"), reply_string(item, "what"));
	json_object_object_add(item, "refused", json_object_new_string(text));
	reply_date(item, "last");
	reply_date(item, "first");
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *reply = NULL, *items;
	size_t i;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	result = ask_box(sandbox, "Denials", NULL, &reply);
	if (result < 0)
		return result;
	items = result ? left_behind(sandbox) : json_object_get(reply_items(reply));
	if (!items)
		items = json_object_new_array();
	for (i = 0; i < json_object_array_length(items); i++)
		tell(json_object_array_get_idx(items, i));
	result = show_list(opt_given(call, OPT_JSON), "denials", items, columns, sizeof(columns) / sizeof(columns[0]));
	json_object_put(items);
	json_object_put(reply);
	return result;
}

const struct cmd cmd_denials = {
	.name = "denials",
	.args = "[NAME]",
	.summary = "what a sandbox was refused, and what would allow it",
	.help = "Each thing once, with how often and when last; it is kept when the sandbox ends.\n"
		"A name that was asked for is told with port 443, where the port is not known yet.",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SEE,
	.exec = exec,
};
