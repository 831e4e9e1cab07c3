// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh kill: a signal to processes of a sandbox, by the numbers that "gsh ps" shows. */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>

#include "shell/client.h"
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'n', "signal", "SIGNAL", "which signal, by name or number; also -KILL, -9 (default: TERM)",
	 WORDS_SIGNAL},
	{OPT_ALL, "all", NULL, "all processes of the sandbox", WORDS_NONE},
	OPT_ROW_END,
};

static int send_to(const char *sandbox, long pid, int sig)
{
	struct json_object *params = json_object_new_object();
	int result;

	json_object_object_add(params, "pid", json_object_new_int64(pid));
	json_object_object_add(params, "signal", json_object_new_int(sig));
	result = ask_box(sandbox, "Signal", params, NULL);
	return result > 0 ? fail(FAIL_NOSUCH, sandbox,
				 "this sandbox does not run, so there is nothing to kill")
			  : result;
}

/* Of processes alone it is known who there is: a signal is on its way, and nobody says where it came. 0, or a
 * failure. */
static int check_processes(const struct call *call, const char *sandbox)
{
	struct json_object *reply = NULL, *items;
	int result = ask_box(sandbox, "Processes", NULL, &reply);
	size_t k;

	if (result > 0)
		result = 0; /* the signal's answer says it */
	items = reply ? reply_items(reply) : NULL;
	for (int i = 0; items && i < call->argc; i++) {
		for (k = 0; k < json_object_array_length(items); k++)
			if (reply_number(json_object_array_get_idx(items, k), "pid", -1) == atol(call->argv[i]))
				break;
		if (k == json_object_array_length(items)) {
			result = fail(FAIL_NOSUCH, call->argv[i], "no such process");
			hint("gsh ps -s %s lists them", sandbox);
		}
	}
	json_object_put(reply);
	return result;
}

static int exec(const struct call *call)
{
	const char *sandbox = call_sandbox(call), *name = opt_value(call, 'n');
	int sig = name ? signal_number(name) : SIGTERM, result = 0, i;

	if (!sandbox)
		return -FAIL_USAGE;
	if (!sig)
		return usage_fail(call->cmd, "%s is no signal", name);
	if (opt_given(call, OPT_ALL) == (call->argc > 0))
		return usage_fail(call->cmd, "needs the numbers of processes, or --all");
	if (!call->argc)
		return send_to(sandbox, -1, sig);
	for (i = 0; i < call->argc; i++) {
		char *end;
		long pid;

		errno = 0;
		pid = strtol(call->argv[i], &end, 10);
		if (*end || end == call->argv[i] || errno || pid < 1 || pid > 0x7fffffff)
			return usage_fail(call->cmd, "%s is no number of a process", call->argv[i]);
	}
	result = check_processes(call, sandbox);
	for (i = 0; i < call->argc && !result; i++) {
		int err = send_to(sandbox, strtol(call->argv[i], NULL, 10), sig);

		result = err ? err : result;
	}
	return result;
}

const struct cmd cmd_kill = {
	.name = "kill",
	.args = "PID...",
	.summary = "send a signal to processes of a sandbox",
	.opts = opts,
	.group = GROUP_SHAPE,
	.flags = CMD_SIGNALS,
	.max = -1,
	.words = WORDS_PID,
	.exec = exec,
};
