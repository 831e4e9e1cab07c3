// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The words of a command line against the entry of a command.
 *
 * Short options may be clustered (-xs NAME, -sNAME), long ones take "=VALUE" or the next word, "--"
 * ends them, and there are no abbreviations: a script that works today must not break when an
 * option is added. Options may follow words, except where the words are somebody else's argv.
 */
#include <stdio.h>
#include <string.h>

#include "shell/cmd.h"

/* clang-format off */
const struct opt common_opts[] = {
	{ OPT_QUIET, "quiet", NULL, "no remarks and hints; of a list the names alone", WORDS_NONE },
	{ OPT_NULL, "null", NULL, "end lines by NUL and escape nothing", WORDS_NONE },
	{ OPT_COLOR, "color", "WHEN", "always, never or auto", WORDS_WHEN },
	{ OPT_NO_PAGER, "no-pager", NULL, "never show long lists by a pager", WORDS_NONE },
	{ 'h', "help", NULL, "this help", WORDS_NONE },
	OPT_ROW_END,
};
/* clang-format on */

static bool named(const struct opt *o, const char *name, size_t len)
{
	return strlen(o->name) == len && memcmp(o->name, name, len) == 0;
}

bool opt_common_for(const struct cmd *cmd, const struct opt *opt)
{
	const struct opt *o;
	bool list = false;

	for (o = cmd->opts; o && o->id; o++) {
		if (o->id == opt->id || strcmp(o->name, opt->name) == 0)
			return false;
		list |= o->id == OPT_JSON && !(cmd->flags & CMD_RUNS);
	}
	/* Before the verb it is not known yet whether there is a list to come. */
	return (opt->id != OPT_NULL && opt->id != OPT_NO_PAGER) || list || !*cmd->name;
}

const struct opt *opt_by_letter(const struct cmd *cmd, char letter)
{
	const struct opt *o;

	for (o = cmd->opts; o && o->id; o++)
		if (o->id == letter)
			return o;
	for (o = common_opts; o->id; o++)
		if (o->id == letter && opt_common_for(cmd, o))
			return o;
	return NULL;
}

const struct opt *opt_by_name(const struct cmd *cmd, const char *name, size_t len)
{
	const struct opt *o;

	for (o = cmd->opts; o && o->id; o++)
		if (named(o, name, len))
			return o;
	for (o = common_opts; o->id; o++)
		if (named(o, name, len) && opt_common_for(cmd, o))
			return o;
	return NULL;
}

static int give(struct call *call, const struct opt *opt, const char *value)
{
	if (call->ngiven == CALL_OPTS_MAX)
		return usage_fail(call->cmd, "more than %d options", CALL_OPTS_MAX);
	call->given[call->ngiven++] = (struct given){opt, value};
	return 0;
}

static int unknown_long(const struct cmd *cmd, const char *word, size_t len)
{
	const char *names[40] = {NULL};
	const struct opt *o;
	char name[64], like[96] = "";
	const char *near;
	size_t n = 0;

	for (o = cmd->opts; o && o->id && n < 32; o++)
		names[n++] = o->name;
	for (o = common_opts; o->id && n < 39; o++)
		if (opt_common_for(cmd, o))
			names[n++] = o->name;
	snprintf(name, sizeof(name), "%.*s", (int)len, word);
	near = nearest(name, names);
	if (near)
		snprintf(like, sizeof(like), " (did you mean --%s?)", near);
	return usage_fail(cmd, "unknown option --%s%s", name, like);
}

/* The word at argv[*at] begins with "--". */
static int parse_long(struct call *call, int argc, char **argv, int *at)
{
	const char *word = argv[*at] + 2;
	const char *eq = strchrnul(word, '=');
	const struct opt *o = opt_by_name(call->cmd, word, (size_t)(eq - word));

	if (!o)
		return unknown_long(call->cmd, word, (size_t)(eq - word));
	if (!o->arg)
		return *eq ? usage_fail(call->cmd, "option --%s takes no value", o->name)
			   : give(call, o, NULL);
	if (*eq)
		return give(call, o, eq + 1);
	if (*at + 1 >= argc)
		return usage_fail(call->cmd, "option --%s needs %s", o->name, o->arg);
	return give(call, o, argv[++*at]);
}

/* The word at argv[*at] is "-" and letters. */
static int parse_letters(struct call *call, int argc, char **argv, int *at)
{
	const struct opt *signal;
	const char *p;

	p = argv[*at] + 1;
	signal = call->cmd->flags & CMD_SIGNALS ? opt_by_letter(call->cmd, 'n') : NULL;
	if (signal && signal_number(p))
		return give(call, signal, p);
	for (; *p; p++) {
		const struct opt *o = opt_by_letter(call->cmd, *p);
		int err;

		if (!o && signal && p == argv[*at] + 1)
			return usage_fail(call->cmd, "%s is neither an option nor a signal", argv[*at]);
		if (!o)
			return usage_fail(call->cmd, "unknown option -%c", *p);
		if (o->arg && p[1])
			return give(call, o, p + 1);
		if (o->arg && *at + 1 >= argc)
			return usage_fail(call->cmd, "option -%c needs %s", *p, o->arg);
		err = give(call, o, o->arg ? argv[++*at] : NULL);
		if (err || o->arg)
			return err;
	}
	return 0;
}

static int take_over(struct call *call, const struct call *before)
{
	size_t i;
	int err;

	for (i = 0; before && i < before->ngiven; i++) {
		const struct opt *was = before->given[i].opt;
		const struct opt *is = opt_by_name(call->cmd, was->name, strlen(was->name));

		if (!is)
			return usage_fail(call->cmd, "option --%s does not concern it", was->name);
		err = give(call, is, before->given[i].value);
		if (err)
			return err;
	}
	return 0;
}

int parse_call(struct call *call, const struct cmd *cmd, int argc, char **argv,
	       const struct call *before)
{
	int at, left = 0, dash = -1, err;

	call->cmd = cmd;
	call->ngiven = 0;
	call->argv = argv;
	err = take_over(call, before);
	for (at = 0; at < argc && !err; at++) {
		const char *word = argv[at];

		if (strcmp(word, "--") == 0) {
			at++;
			dash = left;
			break;
		}
		if (word[0] == '-' && word[1] == '-')
			err = parse_long(call, argc, argv, &at);
		else if (word[0] == '-' && word[1])
			err = parse_letters(call, argc, argv, &at);
		else if (cmd->flags & CMD_ARGV)
			break;
		else
			argv[left++] = argv[at]; /* gathered at the front, never ahead of `at` */
	}
	if (err)
		return err;
	while (at < argc)
		argv[left++] = argv[at++];
	argv[left] = NULL;
	call->argc = left;
	call->dash = dash < 0 ? left : dash;
	if (opt_given(call, 'h'))
		return 0;
	if (left < cmd->min)
		return usage_fail(cmd, "needs %s", cmd->args);
	if (cmd->max >= 0 && left > cmd->max)
		return usage_fail(cmd, "too many words: %s", argv[cmd->max]);
	return 0;
}

bool opt_given(const struct call *call, int id)
{
	size_t i;

	for (i = 0; i < call->ngiven; i++)
		if (call->given[i].opt->id == id)
			return true;
	return false;
}

const char *opt_value(const struct call *call, int id)
{
	const char *value = NULL;
	size_t i;

	for (i = 0; i < call->ngiven; i++)
		if (call->given[i].opt->id == id)
			value = call->given[i].value;
	return value;
}
