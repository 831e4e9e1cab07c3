// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh: a shell in a copy-on-write twin of this machine, and the command line of the sandboxes.
 *
 * "gsh" by itself, with options or with -c is the entry cmd_shell; a word that is no option makes
 * it a verb, and the options before it go to the verb. This file also fixes what a result means to
 * the caller, since only main() exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmd.h"

/* Descriptors 0, 1 and 2 exist from here on: otherwise a socket of ours would become somebody's
 * stdout. */
static int fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int exec_call(const struct call *call)
{
	bool runs = call->cmd->flags & CMD_RUNS;

	if (opt_given(call, 'h'))
		return exit_status(*call->cmd->name ? usage_help(call->cmd) : usage_overview(),
				   false);
	if (ui_settle(call))
		return exit_status(-FAIL_USAGE, runs);
	return exit_status(call->cmd->exec(call), runs);
}

int main(int argc, char **argv)
{
	static struct call first, call;
	const struct cmd *verb;
	bool runs;

	setlocale(LC_CTYPE, "");
	if (fill_stdio() < 0)
		return EXIT_SELF;
	if (parse_call(&first, &cmd_shell, argc - 1, argv + 1, NULL))
		return FAIL_USAGE;
	if (!first.argc || opt_given(&first, 'c') || opt_given(&first, 'h'))
		return exec_call(&first);
	verb = cmd_find(first.argv[0]);
	if (!verb)
		return exit_status(usage_unknown_verb(first.argv[0]), false);
	runs = verb->flags & CMD_RUNS;
	if (parse_call(&call, verb, first.argc - 1, first.argv + 1, &first))
		return exit_status(-FAIL_USAGE, runs);
	return exec_call(&call);
}
