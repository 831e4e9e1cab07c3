// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What gsh says about itself: usage lines, help, "did you mean". All of it is read off the entries
 * (cmd.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shell/cmd.h"

#define HINT_MAX 120 /* a usage line that is longer is no hint any more */

static void append(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void append(char *buf, size_t size, const char *format, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf + len, size - len, format, ap);
	va_end(ap);
}

void usage_line(const struct cmd *cmd, char *buf, size_t size)
{
	const struct opt *o;

	snprintf(buf, size, "gsh%s%s", *cmd->name ? " " : "", cmd->name);
	for (o = cmd->opts; o && o->id; o++) {
		if (o->id < 256)
			append(buf, size, " [-%c%s%s]", o->id, o->arg ? " " : "",
			       o->arg ? o->arg : "");
		else
			append(buf, size, " [--%s%s%s]", o->name, o->arg ? "=" : "",
			       o->arg ? o->arg : "");
	}
	if (*cmd->args)
		append(buf, size, " %s", cmd->args);
}

int usage_fail(const struct cmd *cmd, const char *why, ...)
{
	char text[512], line[512];
	va_list ap;

	va_start(ap, why);
	vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	if (*cmd->name)
		fail(FAIL_USAGE, cmd->name, "%s", text);
	else
		fail(FAIL_USAGE, text, NULL);
	usage_line(cmd, line, sizeof(line));
	if (strlen(line) > HINT_MAX)
		hint("gsh %s%s says how", *cmd->name ? "help " : "--help", cmd->name);
	else
		hint("%s", line);
	return -FAIL_USAGE;
}

static void help_option(const struct opt *o)
{
	char left[64] = "";

	if (o->id < 256)
		append(left, sizeof(left), "-%c, ", o->id);
	else
		append(left, sizeof(left), "    ");
	append(left, sizeof(left), "--%s%s%s", o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
	printf("  %-24s %s\n", left, o->help);
}

int usage_help(const struct cmd *cmd)
{
	const struct opt *o;
	char line[512];

	usage_line(cmd, line, sizeof(line));
	printf("usage: %s\n\n%s\n", line, cmd->summary);
	if (cmd->help)
		printf("\n%s\n", cmd->help);
	printf("\n");
	for (o = cmd->opts; o && o->id; o++)
		help_option(o);
	for (o = common_opts; o->id; o++)
		if (opt_common_for(cmd, o))
			help_option(o);
	return show_done();
}

static const char *const heads[GROUPS] = {
	[GROUP_USE] = "use",	 [GROUP_SEE] = "look",	 [GROUP_BACK] = "go back",
	[GROUP_SHAPE] = "shape", [GROUP_HOST] = "host", [GROUP_MORE] = "more",
};

static bool listed(const struct cmd *cmd, int group)
{
	return *cmd->name && !(cmd->flags & CMD_HIDDEN) && (int)cmd->group == group;
}

/* The verbs of a group in lines of at most 72 columns. */
static void print_group(int group)
{
	int column = 0;
	size_t i;

	for (i = 0; cmd_list[i]; i++) {
		if (!listed(cmd_list[i], group))
			continue;
		if (column && column + (int)strlen(cmd_list[i]->name) > 72)
			column = printf("\n%10s", "") - 1;
		if (!column)
			column = printf("  %-8s", heads[group]);
		column += printf(" %s", cmd_list[i]->name);
	}
	if (column)
		printf("\n");
}

int usage_overview(void)
{
	char line[512];
	int group;

	usage_line(&cmd_shell, line, sizeof(line));
	printf("usage: %s\n       gsh VERB ...\n\n%s\n\n", line, cmd_shell.summary);
	for (group = 1; group <= GROUPS; group++)
		print_group(group % GROUPS);
	printf("\nMore: gsh help, gsh help VERB, gsh(1).\n");
	return show_done();
}

int usage_verbs(void)
{
	int group;
	size_t i;

	for (group = 1; group <= GROUPS; group++) {
		bool any = false;

		for (i = 0; cmd_list[i]; i++) {
			if (!listed(cmd_list[i], group % GROUPS))
				continue;
			if (!any)
				printf("%s%s\n", group > 1 ? "\n" : "", heads[group % GROUPS]);
			any = true;
			printf("  %-10s %s\n", cmd_list[i]->name, cmd_list[i]->summary);
		}
	}
	printf("\nMore: gsh help VERB, gsh(1).\n");
	return show_done();
}

/* How many letters must be changed, left out, put in or swapped with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i, j;
	size_t d[33][33];

	if (la > 32 || lb > 32)
		return la + lb;
	for (i = 0; i <= la; i++)
		d[i][0] = i;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *nearest(const char *word, const char *const *candidates)
{
	size_t len = strlen(word), best = len < 4 ? 2 : len < 6 ? 3 : 4; /* must be below this */
	const char *found = NULL;
	size_t i, begins = 0;

	/* Who left off the end meant no other word. */
	for (i = 0; len > 1 && candidates[i]; i++)
		if (strncmp(candidates[i], word, len) == 0 && !begins++)
			found = candidates[i];
	if (begins == 1)
		return found;
	found = NULL;

	for (; *candidates; candidates++) {
		size_t d = distance(word, *candidates);

		if (d < best && d < strlen(*candidates)) {
			best = d;
			found = *candidates;
		}
	}
	return found;
}

static const char *nearest_verb(const char *word)
{
	const char *names[64];
	size_t i, n = 0;

	for (i = 0; cmd_list[i] && n < 63; i++)
		if (*cmd_list[i]->name && !(cmd_list[i]->flags & CMD_HIDDEN))
			names[n++] = cmd_list[i]->name;
	names[n] = NULL;
	return nearest(word, names);
}

int usage_unknown_verb(const char *word)
{
	const char *near = nearest_verb(word);

	fail(FAIL_USAGE, word, "no such verb");
	if (near)
		hint("did you mean \"gsh %s\"? To run a command: gsh run -- %s", near, word);
	else
		hint("to run a command: gsh run -- %s ; verbs: gsh help", word);
	return -FAIL_USAGE;
}

int usage_no_help(const char *word)
{
	const char *near;

	fail(FAIL_USAGE, word, "no such verb");
	near = nearest_verb(word);
	if (near)
		hint("did you mean \"gsh help %s\"? gsh help lists them", near);
	else
		hint("gsh help lists them");
	return -FAIL_USAGE;
}
