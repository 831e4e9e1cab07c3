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
	for (i = 0; i < call->argc; i++) {
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
