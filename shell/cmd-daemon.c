// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh daemon: gshd itself. It may be ended and started anew at any time, as after an upgrade: sandboxes belong to their
 * monitors, and the next gshd finds them.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static int show(bool json)
{
	struct json_object *reply = NULL;
	char text[4096];
	int result;

	if (!daemon_runs()) {
		note("gshd does not run; any command that needs it starts it");
		return -FAIL_NO;
	}
	result = ask_daemon("GetInfo", NULL, &reply);
	if (result)
		return result;
	if (strcmp(reply_string(reply, "version"), GSH_VERSION) != 0)
		note("gshd is version %s, gsh %s: gsh daemon restart", show_field(reply, "version", text, sizeof(text)),
		     GSH_VERSION);
	reply_date(reply, "started");
	if (json) {
		result = show_json("daemon", reply);
		json_object_put(reply);
		return result;
	}
	json_object_object_foreach(reply, key, value) {
		(void)value;
		printf("%s\t%s\n", key, show_field(reply, key, text, sizeof(text)));
	}
	json_object_put(reply);
	return show_done();
}

/* Its pid, 0 if it cannot be asked. */
static int pid_now(void)
{
	struct json_object *reply = NULL;
	int pid = ask_daemon("GetInfo", NULL, &reply) ? 0 : (int)reply_number(reply, "pid", 0);

	json_object_put(reply);
	return pid;
}

static int restart(void)
{
	int before = daemon_runs() ? pid_now() : 0, result = daemon_end(), after;

	if (result)
		return result;
	after = pid_now(); /* starts it */
	if (!after)
		return -FAIL_HOST;
	if (after == before)
		return fail(FAIL_CONFLICT, "gshd", "it does not end: process %d", before);
	note("gshd runs anew, as process %d", after);
	return 0;
}

static int exec(const struct call *call)
{
	const char *word = call->argc ? call->argv[0] : "show";

	if (strcmp(word, "show") == 0)
		return show(opt_given(call, OPT_JSON));
	if (opt_given(call, OPT_JSON))
		return usage_fail(call->cmd, "--json is for show");
	if (strcmp(word, "restart") == 0)
		return restart();
	if (strcmp(word, "stop") == 0)
		return daemon_end();
	return usage_fail(call->cmd, "%s is none of show, restart, stop", word);
}

const struct cmd cmd_daemon = {
	.name = "daemon",
	.args = "[show|restart|stop]",
	.summary = "show, end or start anew gshd, which starts sandboxes",
	.help = "Sandboxes and what runs in them go on: after an upgrade, restart.",
	.opts = opts,
	.group = GROUP_HOST,
	.max = 1,
	.words = WORDS_DAEMON,
	.exec = exec,
};
