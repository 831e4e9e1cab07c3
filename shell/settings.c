// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The options that say what a sandbox may do (--profile, --bind, --net ...) as the settings that they stand for, in the
 * form of a settings file: what is right and wrong in them is known in one place, conf/.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "shell/cmd.h"

static const struct {
	int opt;
	const char *section, *key;
} rows[] = {
	{OPT_PROFILE, "Sandbox", "Profile"},
	{OPT_BIND, "Files", "Bind"},
	{OPT_BIND_RO, "Files", "BindReadOnly"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Is the line what the setting takes? Says why not. */
static int check(const struct opt *opt, const char *value, const char *line)
{
	static struct conf conf;
	char why[1024], name[64], path[4096];
	const char *said;

	snprintf(name, sizeof(name), "--%s", opt->name);
	/* A comment, or another line, would be read as what was not meant. */
	if (strpbrk(value, "\n\r") || strstr(value, " ;") || *value == ' ')
		return fail(FAIL_USAGE, name, "%s holds what settings cannot", value);
	conf_defaults(&conf);
	if (conf_read_text(&conf, name, line, why, sizeof(why))) {
		said = strstr(why, "': ");
		return fail(FAIL_USAGE, name, "%s: %s", value, said ? said + 3 : why);
	}
	if (opt->id == OPT_PROFILE && conf_profile_path(value, path, sizeof(path), why, sizeof(why)))
		return fail(FAIL_USAGE, name, "%s", why);
	return 0;
}

static int add(char **text, const char *line)
{
	char *grown = NULL;

	if (asprintf(&grown, "%s%s", *text ? *text : "", line) < 0)
		return fail(FAIL_NO, "out of memory", NULL);
	free(*text);
	*text = grown;
	return 0;
}

int settings_given(const struct call *call, char **text)
{
	int result = 0;
	size_t i, k;

	*text = NULL;
	for (i = 0; i < call->ngiven && !result; i++)
		for (k = 0; k < ROWS && !result; k++) {
			const struct given *g = &call->given[i];
			char *line;

			if (rows[k].opt != g->opt->id)
				continue;
			if (asprintf(&line, "[%s]\n%s=%s\n", rows[k].section, rows[k].key, g->value) < 0)
				return fail(FAIL_NO, "out of memory", NULL);
			result = check(g->opt, g->value, line);
			if (!result)
				result = add(text, line);
			free(line);
		}
	if (result) {
		free(*text);
		*text = NULL;
	}
	return result;
}
