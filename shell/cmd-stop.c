// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh stop: end the processes of a sandbox; its files stay.
 *
 * What was started only to serve running sandboxes goes with the last of them: the mount and gshd.
 * Both come back when they are needed, and so nothing of gsh is left in memory by one who has
 * finished.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_ALL, "all", NULL, "all sandboxes", WORDS_NONE},
	OPT_ROW_END,
};

static struct json_object *named(const char *name)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "name", json_object_new_string(name));
	return params;
}

/* Stop those that run (none if `all` is false) and count what still runs. */
static int sweep(bool all, size_t *running)
{
	struct json_object *reply, *items;
	int result = ask_daemon("List", NULL, &reply), err;
	size_t i;

	*running = 0;
	if (result)
		return result;
	items = reply_items(reply);
	for (i = 0; i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		const char *state = reply_string(item, "state");

		/* One that is just starting or stopping needs gshd too. */
		if (strcmp(state, "stopped") == 0 || strcmp(state, "damaged") == 0)
			continue;
		/* A throwaway one may have ended by itself since. */
		err = !all ? 0 : ask_daemon_unless("org.gsh.NoSuchSandbox", "Stop", named(reply_string(item, "name")));
		*running += !all || err;
		result = err ? err : result;
	}
	json_object_put(reply);
	return result;
}

static int leave_nothing(void)
{
	char mount[4096];
	int result = place_mount(mount, sizeof(mount));

	if (!result)
		result = place_unmount(mount);
	return daemon_end() ? -FAIL_NO : result;
}

static int exec(const struct call *call)
{
	bool all = opt_given(call, OPT_ALL);
	const char *sandbox = NULL;
	size_t running;
	int result = 0, err;

	if (all && (opt_given(call, 's') || call->argc))
		return usage_fail(call->cmd, "all sandboxes, or one by name");
	if (!all) {
		sandbox = call_sandbox(call);
		if (!sandbox)
			return -FAIL_USAGE;
		result = ask_daemon("Stop", named(sandbox), NULL);
	}
	err = sweep(all, &running);
	if (!err && !running)
		err = leave_nothing();
	return result ? result : err;
}

const struct cmd cmd_stop = {
	.name = "stop",
	.args = "[NAME]",
	.summary = "end the processes of a sandbox; its files stay",
	.help = "With the last sandbox that runs, the mount and gshd end too.",
	.opts = opts,
	.group = GROUP_SHAPE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
