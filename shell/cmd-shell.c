// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh without a verb: an interactive shell, or one command line with -c. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'x', "throwaway", NULL, "a sandbox of its own, removed at the end", WORDS_NONE},
	{'C', "chdir", "DIR", "start in DIR (default: here)", WORDS_DIR},
	{'e', "env", "K[=V]", "set a variable inside, or pass it; may be repeated", WORDS_NONE},
	OPT_ROW_PUBLISH,
	OPT_ROWS_POLICY,
	{'c', "command", "STRING", "run STRING by the sandbox's sh", WORDS_NONE},
	OPT_ROWS_RUN,
	OPT_ROWS_LIMITS,
	OPT_ROW_EDIT,
	{OPT_VERSION, "version", NULL, "which gsh this is", WORDS_NONE},
	OPT_ROW_END,
};

/* The values of an option, NULL-terminated; NULL without memory. */
static char **all_values(const struct call *call, int id)
{
	char **set = calloc(call->ngiven + 1, sizeof(*set));
	size_t i, n = 0;

	for (i = 0; set && i < call->ngiven; i++)
		if (call->given[i].opt->id == id)
			set[n++] = (char *)call->given[i].value;
	return set;
}

int cmd_run_in(const struct call *call, struct run *run)
{
	char **set = all_values(call, run->trace ? OPT_ENV : 'e'), **ports = all_values(call, 'p'), *settings = NULL;
	int result = 0;

	if (!set || !ports) {
		free(set);
		free(ports);
		return fail(FAIL_NO, "out of memory", NULL);
	}
	run->throwaway = opt_given(call, 'x');
	if (opt_given(call, 's'))
		run->sandbox = opt_value(call, 's');
	run->cwd = opt_value(call, 'C');
	run->timeout = opt_value(call, OPT_TIMEOUT);
	run->status_fd = opt_value(call, OPT_STATUS_FD);
	run->edit = opt_value(call, OPT_EDIT);
	run->set = set;
	run->ports = ports;
	if (!run->throwaway && !run->sandbox)
		run->sandbox = DEFAULT_SANDBOX;
	if (run->throwaway && run->sandbox)
		result = usage_fail(call->cmd, "a throwaway sandbox (-x) has no name (-s)");
	else
		result = run->sandbox ? sandbox_name_check(run->sandbox) : 0;
	if (!result)
		result = limits_of_options(call, &run->limits);
	if (!result)
		result = edit_word_check(run->edit);
	if (!result)
		result = settings_given(call, &settings);
	run->settings = settings;
	if (!result)
		result = run_command(run);
	json_object_put(run->limits);
	free(settings);
	free(set);
	free(ports);
	return result;
}

static int exec(const struct call *call)
{
	struct run run = {.shell = true};
	const char *string = opt_value(call, 'c');
	char **argv;
	int result;

	if (opt_given(call, OPT_VERSION))
		return exit_status(cmd_version.exec(call), false);
	if (!string)
		return cmd_run_in(call, &run);
	argv = calloc((size_t)call->argc + 4, sizeof(*argv));
	if (!argv)
		return fail(FAIL_NO, "out of memory", NULL);
	argv[0] = (char *)"sh";
	argv[1] = (char *)"-c";
	argv[2] = (char *)string;
	memcpy(argv + 3, call->argv, (size_t)call->argc * sizeof(*argv));
	run.shell = false;
	run.argv = argv;
	result = cmd_run_in(call, &run);
	free(argv);
	return result;
}

const struct cmd cmd_shell = {
	.name = "",
	.args = "",
	.summary = "a shell in a copy-on-write twin of this machine",
	.opts = opts,
	.flags = CMD_RUNS | CMD_ARGV,
	.max = -1,
	.words = WORDS_VERB,
	.exec = exec,
};
