// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh run: one command, its words untouched. */
#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'x', "throwaway", NULL, "a sandbox of its own, removed at the end", WORDS_NONE},
	{'C', "chdir", "DIR", "start in DIR (default: here)", WORDS_DIR},
	{'e', "env", "K[=V]", "set a variable inside, or pass it; may be repeated", WORDS_NONE},
	OPT_ROW_PUBLISH,
	OPT_ROWS_POLICY,
	OPT_ROWS_RUN,
	OPT_ROWS_LIMITS,
	OPT_ROW_EDIT,
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	struct run run = {.argv = call->argv};

	return cmd_run_in(call, &run);
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[--] CMD [ARG...]",
	.summary = "run a command in a sandbox",
	.help = "The first word that is no option begins the command; its words are untouched.\n"
		"Its input and output are those of gsh; for a terminal it gets one inside.\n"
		"Exit status: the command's; 125 gsh failed, 126 cannot be executed,\n"
		"127 not found, 128+N ended by signal N, 124 ended by --timeout.",
	.opts = opts,
	.group = GROUP_USE,
	.flags = CMD_RUNS | CMD_ARGV,
	.min = 1,
	.max = -1,
	.words = WORDS_COMMAND,
	.exec = exec,
};
