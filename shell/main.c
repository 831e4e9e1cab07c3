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
#include <json-c/json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmd.h"
#include "shell/inside.h"

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

/* What help is about needs no sandbox, and no host. */
static bool is_by_itself(const struct cmd *cmd)
{
	return cmd == &cmd_help || cmd == &cmd_version || cmd == &cmd_complete;
}

/* asked: the words as they were given, for the host's gsh; NULL: we are that. */
static int exec_call(struct call *call, char **asked, int (*admit)(struct call *call))
{
	bool runs = call->cmd->flags & CMD_RUNS;
	int result;

	if (opt_given(call, 'h'))
		return exit_status(*call->cmd->name ? usage_help(call->cmd) : usage_overview(),
				   false);
	if (asked && !is_by_itself(call->cmd))
		return inside_ask(call, asked);
	/* Of all: completion would tell somebody inside what is hidden there, and of the other sandboxes. */
	result = admit ? admit(call) : 0;
	if (result)
		return exit_status(result, false);
	/* Patterns for files are matched letter by letter. What runs a command has none, and should not wait. */
	if (!runs)
		setlocale(LC_CTYPE, "");
	if (ui_settle(call))
		return exit_status(-FAIL_USAGE, runs);
	return exit_status(call->cmd->exec(call), runs);
}

static char **as_given; /* the words of this gsh, NULL behind the last */

struct json_object *own_words(void)
{
	struct json_object *words = json_object_new_array();

	json_object_array_add(words, json_object_new_string("gsh"));
	for (char **w = as_given; *w && *++w;)
		json_object_array_add(words, json_object_new_string(*w));
	return words;
}

int gsh_main(int argc, char **argv, int (*admit)(struct call *call))
{
	static struct call first, call;
	const struct cmd *verb;
	char **asked;
	bool runs;

	/* Parsing moves words. */
	as_given = calloc((size_t)argc + 1, sizeof(*as_given));
	if (!as_given)
		return exit_status(fail(FAIL_NO, "out of memory", NULL), false);
	memcpy(as_given, argv, (size_t)argc * sizeof(*as_given));
	asked = !admit && inside_is() ? as_given : NULL;
	memset(&first, 0, sizeof(first));
	memset(&call, 0, sizeof(call));
	if (parse_call(&first, &cmd_shell, argc - 1, argv + 1, NULL))
		return FAIL_USAGE;
	if (!first.argc || opt_given(&first, 'c') || opt_given(&first, 'h'))
		return exec_call(&first, asked, admit);
	verb = cmd_find(first.argv[0]);
	if (!verb)
		return exit_status(usage_unknown_verb(first.argv[0]), false);
	runs = verb->flags & CMD_RUNS;
	if (parse_call(&call, verb, first.argc - 1, first.argv + 1, &first))
		return exit_status(-FAIL_USAGE, runs);
	return exec_call(&call, asked, admit);
}

int main(int argc, char **argv)
{
	if (fill_stdio() < 0)
		return EXIT_SELF;
	return gsh_main(argc, argv, NULL);
}
