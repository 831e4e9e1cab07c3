// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The completion script for bash, written from the entries.
 *
 * The script is one loop over tables: for each verb its options, which of them take what, and what
 * its words are. It needs bash alone, not the package bash-completion, but for completing the
 * command of "gsh run" it uses that if there.
 */
#include <stdio.h>

#include "shell/cmd.h"

static const char *const kinds[] = {
	[WORDS_NONE] = "none",	     [WORDS_SANDBOX] = "sandbox", [WORDS_DIR] = "dir",
	[WORDS_COMMAND] = "command", [WORDS_VERB] = "verb",	  [WORDS_SIGNAL] = "signal",
};

/* In bash an associative array cannot have the empty subscript. */
static const char *subscript(const struct cmd *cmd)
{
	return *cmd->name ? cmd->name : "-";
}

static void print_options(const struct cmd *cmd)
{
	const struct opt *o;

	printf("\t\t[%s]=\"", subscript(cmd));
	for (o = cmd->opts; o && o->id; o++) {
		if (o->id < 256)
			printf("-%c ", o->id);
		printf("--%s%s ", o->name, o->arg ? "=" : "");
	}
	printf("--help\"\n");
}

static void print_values(const struct cmd *cmd)
{
	const struct opt *o;

	for (o = cmd->opts; o && o->id; o++) {
		if (!o->arg)
			continue;
		if (o->id < 256)
			printf("\t\t[%s,-%c]=%s", subscript(cmd), o->id, kinds[o->words]);
		printf("\t\t[%s,--%s]=%s\n", subscript(cmd), o->name, kinds[o->words]);
	}
}

static const char script[] =
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb=- kind=\"\" i word\n"
	"\tlocal -a names\n"
	"\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ $word == = ]]; then\n"
	"\t\t\tcontinue\n"
	"\t\telif [[ $kind && $kind != words ]]; then\n"
	"\t\t\tkind=\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\tkind=${values[$verb,$word]-}\n"
	"\t\telif [[ $verb == - && ${options[$word]-} ]]; then\n"
	"\t\t\tverb=$word\n"
	"\t\telif [[ ${words[$verb]} == command ]]; then\n"
	"\t\t\tCOMPREPLY=()\n"
	"\t\t\tif declare -F _command_offset >/dev/null; then\n"
	"\t\t\t\t_command_offset \"$i\"\n"
	"\t\t\telse\n"
	"\t\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\t\t\tfi\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t[[ $cur == = ]] && cur=\n"
	"\tif [[ ! $kind && $cur == -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"${options[$verb]}\" -- \"$cur\")\n"
	"\t\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tcase ${kind:-${words[$verb]}} in\n"
	"\tsandbox)\n"
	"\t\tmapfile -t names < <(\"${COMP_WORDS[0]}\" __complete sandboxes 2>/dev/null)\n"
	"\t\t;;\n"
	"\tverb) names=(\"${!options[@]}\") ;;\n"
	"\tsignal) names=(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP TSTP WINCH) ;;\n"
	"\tdir) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return ;;\n"
	"\tcommand) mapfile -t COMPREPLY < <(compgen -c -- \"$cur\"); return ;;\n"
	"\tesac\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"${names[*]}\" -- \"$cur\")\n"
	"\t[[ ${COMPREPLY[0]-} == - ]] && COMPREPLY=(\"${COMPREPLY[@]:1}\")\n"
	"}\n"
	"complete -F _gsh gsh\n";

int complete_bash(void)
{
	size_t i;

	printf("# SPDX-License-Identifier: GPL-3.0-or-later\n"
	       "# Completion of gsh for bash, written by \"gsh __complete bash\".\n"
	       "# shellcheck shell=bash\n"
	       "_gsh()\n{\n");
	printf("\tlocal -A options=(\n");
	for (i = 0; cmd_list[i]; i++)
		if (!(cmd_list[i]->flags & CMD_HIDDEN))
			print_options(cmd_list[i]);
	printf("\t)\n\tlocal -A values=(\n");
	for (i = 0; cmd_list[i]; i++)
		if (!(cmd_list[i]->flags & CMD_HIDDEN))
			print_values(cmd_list[i]);
	printf("\t)\n\tlocal -A words=(\n");
	for (i = 0; cmd_list[i]; i++)
		if (!(cmd_list[i]->flags & CMD_HIDDEN))
			printf("\t\t[%s]=%s\n", subscript(cmd_list[i]), kinds[cmd_list[i]->words]);
	printf("\t)\n");
	fputs(script, stdout);
	return show_done();
}
