// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The reference page gsh-verbs(1), written from the entries in mdoc(7): what the help of each verb
 * says, in one place. gsh(1) explains; this page is complete.
 */
#include <stdio.h>
#include <string.h>

#include "shell/cmd.h"

/* Text as roff would have it: nothing in it is a request, and each sentence begins a line. */
static void text(const char *s)
{
	bool begin = true;

	/* A blank is never the first character. */
	for (; *s; s++) {
		if (begin && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		begin = *s == '\n' || (*s == ' ' && s[-1] == '.');
		if (begin)
			putchar('\n');
		else if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
	}
}

/* A quoted argument of a macro. */
static void quoted(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"')
			putchar('"');
		if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
	putchar('"');
}

static void option(const struct opt *o)
{
	printf(".It ");
	if (o->id < 256) {
		printf("Fl %c", o->id);
		if (o->arg) {
			printf(" Ar ");
			quoted(o->arg);
		}
		printf(" , ");
	}
	printf("Fl -%s", o->name);
	if (o->arg) {
		printf(" Ns = Ns Ar ");
		quoted(o->arg);
	}
	printf("\n");
	text(o->help);
	printf("\n");
}

static void verb(const struct cmd *cmd)
{
	const struct opt *o;
	char line[512];

	printf(".Ss gsh %s\n", cmd->name);
	text(cmd->summary);
	printf("\n.Pp\n.Dl ");
	usage_line(cmd, line, sizeof(line));
	text(line);
	printf("\n");
	if (cmd->help) {
		printf(".Pp\n");
		text(cmd->help);
		printf("\n");
	}
	if (!cmd->opts || !cmd->opts->id)
		return;
	printf(".Bl -tag -width Ds\n");
	for (o = cmd->opts; o->id; o++)
		option(o);
	printf(".El\n");
}

int manual_page(void)
{
	const struct opt *o;
	size_t i;

	printf(".\\\" SPDX-License-Identifier: GPL-3.0-or-later\n"
	       ".\\\" Written by gsh from the entries of its verbs.\n"
	       ".Dd November 27, 2026\n.Dt GSH-VERBS 1\n.Os\n"
	       ".Sh NAME\n.Nm gsh-verbs\n.Nd every verb of gsh and its options\n"
	       ".Sh DESCRIPTION\n"
	       "This page lists what\n.Ic gsh help Ar VERB\nsays of each verb;\n.Xr gsh "
	       "1\nexplains.\n"
	       ".Pp\nEvery verb takes these options, before or after its name; the second and the "
	       "last but one\n"
	       "are for those that list:\n.Bl -tag -width Ds\n");
	for (o = common_opts; o->id; o++)
		option(o);
	printf(".El\n.Sh VERBS\n");
	verb(&cmd_shell);
	for (i = 0; cmd_list[i]; i++)
		if (*cmd_list[i]->name && !(cmd_list[i]->flags & CMD_HIDDEN))
			verb(cmd_list[i]);
	printf(".Sh EXIT STATUS\nSee\n.Xr gsh 1 .\n.Sh SEE ALSO\n.Xr gsh 1 ,\n.Xr gsh-errors 7\n");
	return show_done();
}
