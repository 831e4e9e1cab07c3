// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh path: where the files of a sandbox lie on the host. */
#include <json-c/json.h>
#include <stdio.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{OPT_BASE, "base", NULL, "the read-only tree below it", WORDS_NONE},
	{OPT_WORK, "work", NULL, "the work folder of its top layer", WORDS_NONE},
	{OPT_MOUNT, "mount", NULL, "its merged tree, once \"gsh mount\" has been said", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static int print_line(const char *text)
{
	puts(text);
	return show_done();
}

static int mount_path(const char *sandbox, char *buf, size_t size)
{
	char mount[4096];
	int result = place_mount(mount, sizeof(mount)), n;

	if (result)
		return result;
	n = snprintf(buf, size, "%s/%s/root", mount, sandbox);
	return n < 0 || (size_t)n >= size ? fail(FAIL_NO, "GSH_MOUNT", "the path is too long") : 0;
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call);
	struct json_object *params, *reply;
	const char *key;
	char mount[4096];
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	params = json_object_new_object();
	json_object_object_add(params, "name", json_object_new_string(sandbox));
	result = ask_daemon("Layers", params, &reply);
	if (result)
		return result;
	result = mount_path(sandbox, mount, sizeof(mount));
	if (!result && opt_given(call, OPT_JSON)) {
		json_object_object_add(reply, "mount", json_object_new_string(mount));
		result = show_json("path", reply);
	} else if (!result && opt_given(call, OPT_MOUNT)) {
		result = print_line(mount);
	} else if (!result) {
		key = opt_given(call, OPT_BASE)	  ? "base"
		      : opt_given(call, OPT_WORK) ? "work"
						  : "top";
		result = print_line(reply_string(reply, key));
	}
	json_object_put(reply);
	return result;
}

const struct cmd cmd_path = {
	.name = "path",
	.args = "[NAME]",
	.summary = "print where the files of a sandbox lie",
	.help = "Without an option: the writable layer on top, which has what was changed.",
	.opts = opts,
	.group = GROUP_SEE,
	.max = 1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
