// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The options that say what a sandbox may do (--profile, --bind, --net ...) as the settings that they stand for, in the
 * form of a settings file: what is right and wrong in them is known in one place, conf/.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "gshd/client/paths.h"
#include "shell/cmd.h"
#include "shell/project.h"

static const struct {
	int opt;
	const char *section, *key;
} rows[] = {
	{OPT_PROFILE, "Sandbox", "Profile"},
	{OPT_BIND, "Files", "Bind"},
	{OPT_BIND_RO, "Files", "BindReadOnly"},
	{OPT_NET, "Network", "Access"},
	{OPT_ROOT, "Sandbox", "User"},
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

/* --net: an access by name, or whom there is to be spoken to, between commas. */
static int add_net(char **text, const struct opt *opt, const char *value)
{
	static const char *const names[] = {"none", "private", "host", "nat", NULL};
	char *copy, *rest, *word, line[2 * CONF_VALUE_MAX];
	int result = 0;
	size_t i;

	for (i = 0; names[i]; i++)
		if (strcmp(value, names[i]) == 0) {
			snprintf(line, sizeof(line), "[Network]\nAccess=%s\n", value);
			result = check(opt, value, line);
			return result ? result : add(text, line);
		}
	rest = copy = strdup(value);
	if (!copy)
		return fail(FAIL_NO, "out of memory", NULL);
	result = add(text, "[Network]\nAccess=private\n");
	while (!result && (word = strsep(&rest, ","))) {
		snprintf(line, sizeof(line), "[Network]\nAllow=%.1000s\n", word);
		result = *word ? check(opt, word, line) : fail(FAIL_USAGE, "--net", "%s: an empty place", value);
		if (!result)
			result = add(text, line);
	}
	free(copy);
	return result;
}

int settings_given(const struct call *call, char **text)
{
	int result = 0;
	size_t i, k;

	*text = NULL;
	for (i = 0; i < call->ngiven && !result; i++)
		for (k = 0; k < ROWS && !result; k++) {
			const struct given *g = &call->given[i];
			const char *value = g->opt->id == OPT_ROOT ? "root" : g->value;
			char *line;

			if (rows[k].opt != g->opt->id)
				continue;
			if (g->opt->id == OPT_NET) {
				result = add_net(text, g->opt, g->value);
				continue;
			}
			if (asprintf(&line, "[%s]\n%s=%s\n", rows[k].section, rows[k].key, value) < 0)
				return fail(FAIL_NO, "out of memory", NULL);
			result = check(g->opt, value, line);
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

int settings_of(const char *sandbox, struct conf *conf)
{
	char why[1024], own[PATH_MAX + 128], kept[PATH_MAX + 128];
	struct conf_project project = {.path = kept};
	const struct project *here = sandbox ? NULL : project_here();
	struct paths paths;

	if (sandbox && (paths_find(&paths, why, sizeof(why)) ||
			conf_own_path(own, sizeof(own), paths.store, sandbox) ||
			conf_project_path(kept, sizeof(kept), paths.store, sandbox)))
		return fail(FAIL_HOST, "settings", "%s", why);
	if (here)
		project = (struct conf_project){here->path, here->text};
	return conf_load_own(conf, sandbox || here ? &project : NULL, sandbox ? own : NULL, NULL, why, sizeof(why))
		       ? fail(FAIL_USAGE, "settings", "%s", why)
		       : 0;
}
