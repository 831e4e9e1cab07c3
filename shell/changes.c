// SPDX-License-Identifier: GPL-3.0-or-later
/* What a sandbox has changed: gathered from gshd in batches, sorted by path, shown. */
#include <json-c/json.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static int add_batch(struct json_object *piece, void *arg)
{
	struct json_object *all = arg, *items = reply_items(piece);
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++)
		json_object_array_add(all, json_object_get(json_object_array_get_idx(items, i)));
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(reply_string(*(struct json_object *const *)a, "path"),
		      reply_string(*(struct json_object *const *)b, "path"));
}

int changes_ask(const char *sandbox, struct json_object **items)
{
	struct json_object *params = json_object_new_object(), *all = json_object_new_array();
	int result;

	json_object_object_add(params, "name", json_object_new_string(sandbox));
	result = ask_daemon_each("Status", params, add_batch, all);
	if (result) {
		json_object_put(all);
		return result;
	}
	json_object_array_sort(all, by_path);
	*items = all;
	return 0;
}

int changes_show(const struct call *call, const char *schema, const struct column *columns,
		 size_t ncolumns)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *items;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	result = changes_ask(sandbox, &items);
	if (result)
		return result;
	result = show_list(opt_given(call, OPT_JSON), schema, items, columns, ncolumns);
	json_object_put(items);
	return result;
}
