// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh set: what a sandbox may use up. */
#include <json-c/json.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_JSON,
	OPT_ROW_END,
};

/* Words with "=" are limits; one without may name the sandbox. */
static int read_words(const struct call *call, const char **sandbox, struct json_object *changes)
{
	const char *name = opt_value(call, 's');
	int i, result = 0;

	for (i = 0; i < call->argc && !result; i++) {
		if (strchr(call->argv[i], '='))
			result = limits_of_word(call->argv[i], changes);
		else if (name)
			result = usage_fail(call->cmd, "'%s' is no LIMIT=VALUE, and the sandbox is named already",
					    call->argv[i]);
		else
			name = call->argv[i];
	}
	*sandbox = name ? name : DEFAULT_SANDBOX;
	return result ? result : sandbox_name_check(*sandbox);
}

static int exec(const struct call *call)
{
	struct json_object *changes = json_object_new_object(), *answer = NULL, *limits = NULL, *p;
	const char *sandbox;
	int result = read_words(call, &sandbox, changes);

	if (!result) {
		p = json_object_new_object();
		json_object_object_add(p, "name", json_object_new_string(sandbox));
		json_object_object_add(p, "limits", json_object_get(changes));
		result = ask_daemon("Limits", p, &answer);
	}
	if (!result) {
		json_object_object_get_ex(answer, "limits", &limits);
		if (opt_given(call, OPT_JSON)) {
			json_object_object_add(answer, "name", json_object_new_string(sandbox));
			result = show_json("set", answer);
		} else if (!json_object_object_length(changes)) {
			limits_print(limits, true);
			result = show_done();
		}
	}
	json_object_put(answer);
	json_object_put(changes);
	return result;
}

const struct cmd cmd_set = {
	.name = "set",
	.args = "[NAME] [LIMIT=VALUE...]",
	.summary = "change what a sandbox may use up, or show it",
	.help = "MemoryMax=, TasksMax=, CPUQuota=, LimitNOFILE=, DiskMax=, InodesMax= and\n"
		"RuntimeMaxSec=, as in gsh.conf(5), or memory=, pids=, cpu=, nofile=, disk=, inodes=\n"
		"and time=, as the options of gsh; infinity is no limit, an empty value the settings'.\n"
		"They are kept with the sandbox and hold at once, LimitNOFILE and RuntimeMaxSec for\n"
		"what is started from then on.",
	.opts = opts,
	.group = GROUP_SHAPE,
	.max = -1,
	.words = WORDS_SANDBOX,
	.exec = exec,
};
