// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh trace: a command, and what goes on in its sandbox meanwhile. */
#include "shell/cmd.h"

static const struct opt opts[] = {
	{OPT_COORD, "coord", NULL, "show messages, kicks and signals between processes instead", WORDS_NONE},
	{'o', "output", "FILE", "write them to FILE instead of standard error", WORDS_FILE},
	{OPT_JSON, "json", NULL, "one JSON object a line", WORDS_NONE},
	OPT_ROW_SANDBOX,
	{'x', "throwaway", NULL, "a sandbox of its own, removed at the end", WORDS_NONE},
	{'C', "chdir", "DIR", "start in DIR (default: here)", WORDS_DIR},
	{'c', "summary", NULL, "count them: a table at the end instead of lines", WORDS_NONE},
	{'t', "time", NULL, "the time of day before each line", WORDS_NONE},
	{'r', "relative", NULL, "the seconds since the line before", WORDS_NONE},
	{'T', "took", NULL, "how long each call took behind it", WORDS_NONE},
	{'f', "follow", NULL, "children too: always so, and taken for strace's sake", WORDS_NONE},
	{'e', "only", "CLASS", "file, process, network, signal, ipc, memory, desc, or names; !: all but", WORDS_NONE},
	{OPT_ENV, "env", "K[=V]", "set a variable inside, or pass it; may be repeated", WORDS_NONE},
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	struct trace trace = {.file = opt_value(call, 'o'), .json = opt_given(call, OPT_JSON),
			      .coord = opt_given(call, OPT_COORD), .only = opt_value(call, 'e'),
			      .when = opt_given(call, 'r') ? 'r' : opt_given(call, 't') ? 't' : '\0',
			      .took = opt_given(call, 'T'), .count = opt_given(call, 'c')};
	struct run run = {.argv = call->argv, .trace = &trace};

	if (trace.coord && (trace.when || trace.took || trace.count || trace.only))
		return usage_fail(call->cmd, "--coord shows no system calls: -c, -e, -r, -t and -T do not go with it");
	if (!trace_words_ok(trace.only))
		return usage_fail(call->cmd, "-e takes classes or names of calls, with commas between");
	return cmd_run_in(call, &run);
}

const struct cmd cmd_trace = {
	.name = "trace",
	.args = "[--] CMD [ARG...]",
	.summary = "run a command and show the system calls of its sandbox",
	.help = "Shown are process, call and result, of the whole sandbox, its signals and the ends of\n"
		"its processes, in the words of strace(1); with --coord time,\n"
		"sender, receiver, name and size of each message. Exit status: as run.",
	.opts = opts,
	.group = GROUP_USE,
	.flags = CMD_RUNS | CMD_ARGV,
	.min = 1,
	.max = -1,
	.words = WORDS_COMMAND,
	.exec = exec,
};
