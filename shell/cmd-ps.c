// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh ps: the processes of a sandbox, as its own libOS counts them. */
#include <json-c/json.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* clang-format off */
static const struct column columns[] = {
	{ "PID", "pid", true },
	{ "PPID", "ppid", true },
	{ "PGID", "pgid", true },
	{ "SID", "sid", true },
	{ "TTY", "tty", false },
	{ "S", "state", false },
	{ "COMMAND", "cmdline", false },
};
/* clang-format on */

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *reply = NULL, *items;
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	result = ask_box(sandbox, "Processes", NULL, &reply);
	if (result < 0)
		return result;
	/* A sandbox that does not run has no processes; that is an answer. */
	items = result ? json_object_new_array() : json_object_get(reply_items(reply));
	/* The kernel's way to show one that has no words: its pid 1, or a zombie. */
	if (!opt_given(call, OPT_JSON))
		show_words(items, "cmdline", "comm");
	result = show_list(opt_given(call, OPT_JSON), "ps", items, columns,
			   sizeof(columns) / sizeof(columns[0]));
	json_object_put(items);
	json_object_put(reply);
	return result;
}

const struct cmd cmd_ps = {
	.name = "ps",
	.args = "[NAME]",
	.summary = "list the processes of a sandbox",
	.opts = opts,
	.max = 1,
	.words = WORDS_SANDBOX,
	.group = GROUP_SEE,
	.exec = exec,
};
