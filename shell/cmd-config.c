// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh config: which settings hold and where they come from, or whether the files are right. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "shell/client.h"
#include "shell/cmd.h"

enum { OPT_ORIGIN = 660 };

static const struct opt opts[] = {
	{OPT_ORIGIN, "origin", NULL, "say which file and line a value comes from", WORDS_NONE},
	{'s', "sandbox", "NAME", "those of a sandbox, its own included", WORDS_SANDBOX},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"KEY", "name", false},
	{"VALUE", "value", false},
	{"ORIGIN", "origin", false},
};

/* The values of a list in one line. */
static struct json_object *list_words(const char *list)
{
	char text[CONF_LIST_MAX], *p;

	snprintf(text, sizeof(text), "%.*s", (int)(strlen(list) - (*list != '\0')), list);
	for (p = text; (p = strchr(p, '\n'));)
		*p = ' ';
	return json_object_new_string(text);
}

/* One setting: "Section.Key", its value, where that was said. */
static struct json_object *row(const struct conf *conf, size_t i)
{
	const struct conf_key *k = &conf_keys[i];
	const char *value = (const char *)conf + k->offset, *origin = conf->origin[i];
	const char *store = getenv("GSH_STORE");
	struct json_object *o = json_object_new_object();
	char name[128];

	if (strcmp(k->section, "Store") == 0 && strcmp(k->key, "Path") == 0 && store && *store) {
		value = store;
		origin = "GSH_STORE";
	}
	snprintf(name, sizeof(name), "%s.%s", k->section, k->key);
	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "value", json_object_new_string(value));
	if (k->list)
		json_object_object_add(o, "value", list_words(value));
	json_object_object_add(o, "origin", json_object_new_string(*origin ? origin : "default"));
	json_object_object_add(o, "help", json_object_new_string(k->help));
	return o;
}

/* sandbox: NULL for what holds for all. */
static int load(struct conf *conf, const char *sandbox)
{
	int result = sandbox ? sandbox_name_check(sandbox) : 0;

	if (!result && sandbox)
		result = ask_row(sandbox, NULL);
	return result ? result : settings_of(sandbox, conf);
}

static int show(const struct call *call)
{
	static struct conf conf;
	struct json_object *items;
	int result = load(&conf, opt_value(call, 's'));
	size_t i;

	if (result)
		return result;
	items = json_object_new_array();
	for (i = 0; i < conf_nkeys; i++)
		json_object_array_add(items, row(&conf, i));
	result = show_list(opt_given(call, OPT_JSON), "config", items, columns,
			   opt_given(call, OPT_ORIGIN) ? 3 : 2);
	json_object_put(items);
	return result;
}

static int check(const struct call *call)
{
	static struct conf conf;
	char why[1024];

	if (call->argc < 2)
		return load(&conf, NULL);
	if (access(call->argv[1], R_OK) < 0)
		return fail(FAIL_NOSUCH, call->argv[1], "%s", strerror(errno));
	conf_defaults(&conf);
	if (conf_read_file(&conf, call->argv[1], why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	return 0;
}

static int exec(const struct call *call)
{
	bool shows = strcmp(call->argv[0], "show") == 0;

	if (shows && call->argc == 1)
		return show(call);
	if (shows)
		return usage_fail(call->cmd, "too many words: %s", call->argv[1]);
	if (strcmp(call->argv[0], "check") != 0)
		return usage_fail(call->cmd, "show or check, not %s", call->argv[0]);
	if (opt_given(call, OPT_ORIGIN) || opt_given(call, OPT_JSON) || opt_given(call, 's'))
		return usage_fail(call->cmd, "check says nothing but what is wrong");
	return check(call);
}

const struct cmd cmd_config = {
	.name = "config",
	.args = "show|check [FILE]",
	.summary = "show the settings that hold, or check the files that make them",
	.help = "show lists every setting; with --origin where its value comes from: a file and a\n"
		"line (that of a profile, too), a variable, or the default. check is silent if all files are right, "
		"or the\n"
		"one that is named. Exit status: 0, or 2 if something in them is wrong.",
	.opts = opts,
	.min = 1,
	.max = 2,
	.words = WORDS_CONFIG,
	.group = GROUP_HOST,
	.exec = exec,
};
