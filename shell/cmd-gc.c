// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh gc: give back what sandboxes need no longer. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_PROGRESS,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

struct gc {
	struct json_object *items;
	size_t failed;
	int64_t freed;
};

static int take(struct json_object *piece, void *arg)
{
	struct gc *gc = arg;
	struct json_object *items = reply_items(piece);

	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *o = json_object_array_get_idx(items, i);

		progress_add(1, (uint64_t)reply_number(o, "freed", 0));
		gc->freed += reply_number(o, "freed", 0);
		if (*reply_string(o, "error")) {
			progress_clear();
			fail(FAIL_NO, reply_string(o, "name"), "%s", reply_string(o, "error"));
			gc->failed++;
		}
		json_object_array_add(gc->items, json_object_get(o));
	}
	return 0;
}

static int show(const struct call *call, struct gc *gc)
{
	static const struct column columns[] = {
		{ "NAME", "name", false },
		{ "FREED", "freed", true },
		{ "JOINED", "joined", true },
	};

	return show_list(opt_given(call, OPT_JSON), "gc", gc->items, columns, sizeof(columns) / sizeof(columns[0]));
}

static int exec(const struct call *call)
{
	const char *sandbox = call->argc ? call->argv[0] : opt_value(call, 's');
	struct json_object *params = json_object_new_object();
	struct gc gc = { .items = json_object_new_array() };
	int result = sandbox ? sandbox_name_check(sandbox) : 0;

	if (!result)
		result = progress_start("gc", opt_value(call, OPT_PROGRESS));
	if (result) {
		json_object_put(params);
	} else {
		if (sandbox)
			json_object_object_add(params, "name", json_object_new_string(sandbox));
		result = ask_daemon_each("Collect", params, take, &gc);
	}
	progress_end(result);
	if (!result)
		result = show(call, &gc);
	if (!result)
		note("freed %lld KiB", (long long)(gc.freed / 1024));
	json_object_put(gc.items);
	return result ? result : gc.failed ? -FAIL_NO : 0;
}

const struct cmd cmd_gc = {
	.name = "gc",
	.args = "[NAME]",
	.summary = "give back what sandboxes need no longer",
	.help = "Old ops beyond [Store] KeepOps= are joined, and cannot be undone from then on; layers that were "
		"undone for\n"
		"good and what crashes left are deleted. Says how many bytes each sandbox gave and how many layers "
		"were\n"
		"joined. Of one that runs only the trash is emptied, half a minute after the last came\n"
		"into it. It may be ended at any time.",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SHAPE,
	.exec = exec,
};
