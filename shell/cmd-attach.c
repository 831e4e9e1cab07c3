// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh attach: back to a session that was detached, or whose terminal was lost. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_EDIT,
	OPT_ROW_END,
};

/* The newest session that has a terminal and still runs. */
static int find_newest(const char *sandbox, long *session)
{
	struct json_object *reply = NULL, *items;
	int result = ask_box(sandbox, "Sessions", NULL, &reply);
	size_t i;

	if (result < 0)
		return result;
	items = result ? NULL : reply_items(reply);
	for (i = 0; items && i < json_object_array_length(items); i++) {
		struct json_object *item = json_object_array_get_idx(items, i);
		long id = (long)reply_number(item, "id", 0);

		if (*reply_string(item, "tty") &&
		    strcmp(reply_string(item, "exited"), "true") != 0 && id > *session)
			*session = id;
	}
	json_object_put(reply);
	return *session ? 0
			: fail(FAIL_NOSUCH, sandbox, "this sandbox has no session with a terminal");
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	long session = 0;
	char *end;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (call->argc) {
		errno = 0;
		session = strtol(call->argv[0], &end, 10);
		if (*end || errno || session < 1 || session > 0x7fffffff)
			return usage_fail(call->cmd, "%s is no number of a session", call->argv[0]);
	} else {
		result = find_newest(sandbox, &session);
		if (result)
			return result;
	}
	result = edit_word_check(opt_value(call, OPT_EDIT));
	return result ? result : run_attach(sandbox, (int)session, opt_value(call, OPT_EDIT));
}

const struct cmd cmd_attach = {
	.name = "attach",
	.args = "[SESSION]",
	.summary = "return to a session (without a number: the newest)",
	.help = "\"gsh info\" lists sessions. ^] three times within a second leaves one running.\n"
		"Exit status: the command's; 125 gsh failed, or no such session; 0 detached.",
	.opts = opts,
	.group = GROUP_USE,
	.flags = CMD_RUNS,
	.max = 1,
	.words = WORDS_SESSION,
	.exec = exec,
};
