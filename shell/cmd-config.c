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
#include "shell/project.h"

enum { OPT_ORIGIN = 660, OPT_LIST, OPT_FORGET, OPT_WIDEN };

static const struct opt opts[] = {
	{OPT_ORIGIN, "origin", NULL, "say which file and line a value comes from", WORDS_NONE},
	{'s', "sandbox", "NAME", "those of a sandbox, its own included", WORDS_SANDBOX},
	{OPT_LIST, "list", NULL, "with trust: which files are trusted", WORDS_NONE},
	{OPT_FORGET, "forget", NULL, "with trust: do not trust the file any more", WORDS_NONE},
	{OPT_WIDEN, "widen", NULL, "with trust: even where it lets sandboxes do more than your settings", WORDS_NONE},
	{'y', "yes", NULL, "with trust: do not ask", WORDS_NONE},
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

	if (call->argc < 2) {
		static struct project p;
		const char *unfit;
		int result = load(&conf, NULL);

		if (!result && project_find(&p, &unfit) > 0 && project_check(&p, &conf, why, sizeof(why)))
			return fail(FAIL_USAGE, "settings", "%s", why);
		return result;
	}
	if (access(call->argv[1], R_OK) < 0)
		return fail(FAIL_NOSUCH, call->argv[1], "%s", strerror(errno));
	conf_defaults(&conf);
	if (conf_read_file(&conf, call->argv[1], why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	return 0;
}

/* ---- trust ---- */

static const struct column said_columns[] = {
	{"KEY", "name", false},
	{"VALUE", "value", false},
	{"", "opens", false},
};

static const struct column trusted_columns[] = {
	{"PATH", "path", false},
	{"STATE", "state", false},
};

/* What the file says, and what of that, or of a profile that it names, lets sandboxes do more than without it, by which
 * line. */
static int show_said(const struct conf *said, const struct conf *with, const bool *widens)
{
	struct json_object *items = json_object_new_array();
	char text[CONF_ORIGIN_MAX + 32];
	size_t i;
	int result;

	for (i = 0; i < conf_nkeys; i++) {
		struct json_object *o;

		if (!*said->origin[i] && !widens[i])
			continue;
		o = row(widens[i] ? with : said, i);
		snprintf(text, sizeof(text), "widens what sandboxes may (%s)", with->origin[i]);
		if (widens[i])
			json_object_object_add(o, "opens", json_object_new_string(text));
		json_object_array_add(items, o);
	}
	result = show_list(false, "config", items, said_columns, 3);
	json_object_put(items);
	return result;
}

/* What widens is not let in on the way. */
static int trust_width(const struct call *call, const struct project *p, const struct conf *said, enum trust *trust)
{
	static struct conf with;
	bool widens[CONF_KEYS_MAX];
	char why[1024];
	int n = project_widens(p, &with, widens, why, sizeof(why)), result;

	if (n < 0)
		return fail(FAIL_USAGE, "settings", "%s", why);
	result = show_said(said, &with, widens);
	*trust = n && opt_given(call, OPT_WIDEN) ? TRUST_WIDE : TRUST_PLAIN;
	if (result || !n || *trust == TRUST_WIDE)
		return result;
	fail(FAIL_NO, "config trust", "%s lets sandboxes do more than your settings do; it is not trusted", p->path);
	hint("--widen trusts it all the same");
	return -FAIL_NO;
}

static int trust_ask(const struct call *call, const struct project *p, enum trust trust)
{
	char line[16];

	if (opt_given(call, 'y'))
		return 0;
	if (!isatty(0) || !isatty(2)) {
		fail(FAIL_NO, "config trust", "nobody can be asked; %s is not trusted", p->path);
		hint("-y trusts it without a question");
		return -FAIL_NO;
	}
	fputs(trust == TRUST_WIDE ? "Let these settings hold there, what widens too? [y/N] "
				  : "Let these settings hold there? [y/N] ",
	      stderr);
	if (fgets(line, sizeof(line), stdin) && line[0] == 'y')
		return 0;
	note("it is not trusted");
	return -FAIL_NO;
}

static int list_trusted(const char *digest, const char *path, enum trust trust, void *arg)
{
	static struct project p;
	struct json_object *o = json_object_new_object();
	const char *why, *state = "changed";
	int found;

	snprintf(p.path, sizeof(p.path), "%s", path);
	found = project_read(&p, &why);
	if (found <= 0)
		state = found ? "unfit" : "missing";
	else if (strcmp(p.digest, digest) == 0)
		state = trust == TRUST_WIDE ? "trusted, may widen" : "trusted";
	show_add_path(o, "path", path);
	json_object_object_add(o, "digest", json_object_new_string(digest));
	json_object_object_add(o, "state", json_object_new_string(state));
	json_object_array_add(arg, o);
	return 0;
}

static int trust_list(const struct call *call)
{
	struct json_object *items = json_object_new_array();
	int err = trusted_each(list_trusted, items), result;

	result = err ? fail(FAIL_HOST, "config trust", "%s", strerror(-err))
		     : show_list(opt_given(call, OPT_JSON), "trusted", items, trusted_columns, 2);
	json_object_put(items);
	return result;
}

/* The file that was named, a directory's, or the nearest: 1, 0, -1 as project_find(). */
static int trust_named(const struct call *call, struct project *p, const char **why)
{
	char dir[PATH_MAX], parent[PATH_MAX];
	const char *named = call->argc > 1 ? call->argv[1] : NULL, *slash;

	if (!named)
		return project_find(p, why);
	slash = strrchr(named, '/');
	if (realpath(named, dir) && strcmp(strrchr(dir, '/') + 1, PROJECT_NAME) != 0)
		snprintf(parent, sizeof(parent), "%s", named); /* a directory */
	else
		snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - named) + 1 : 1, slash ? named : ".");
	if (!realpath(parent, dir))
		snprintf(dir, sizeof(dir), "%s", parent);
	if (snprintf(p->path, sizeof(p->path), "%s/" PROJECT_NAME, dir) >= (int)sizeof(p->path)) {
		*why = strerror(ENAMETOOLONG);
		return -1;
	}
	return project_read(p, why);
}

static int trust_exec(const struct call *call)
{
	static struct project p;
	static struct conf conf;
	char why[1024];
	const char *unfit = NULL;
	enum trust trust = TRUST_NONE;
	int found, result;

	if (opt_given(call, OPT_ORIGIN) || opt_given(call, 's') ||
	    opt_given(call, OPT_LIST) + opt_given(call, OPT_FORGET) +
			    (opt_given(call, 'y') || opt_given(call, OPT_WIDEN)) >
		    1 ||
	    (opt_given(call, OPT_JSON) && !opt_given(call, OPT_LIST)))
		return usage_fail(call->cmd, "trust takes one of --list, --forget and --yes or --widen");
	if (opt_given(call, OPT_LIST))
		return call->argc > 1 ? usage_fail(call->cmd, "--list takes no file") : trust_list(call);
	found = trust_named(call, &p, &unfit);
	if (opt_given(call, OPT_FORGET)) {
		result = *p.path ? project_forget(p.path) : 0;
		if (result < 0)
			return fail(FAIL_HOST, "config trust", "%s", strerror(-result));
		return result ? 0 : fail(FAIL_NOSUCH, *p.path ? p.path : PROJECT_NAME, "it was not trusted");
	}
	if (!found)
		return fail(FAIL_NOSUCH, PROJECT_NAME, "there is none here");
	if (found < 0)
		return fail(FAIL_REFUSED, p.path, "%s", unfit);
	if (project_check(&p, &conf, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	result = trust_width(call, &p, &conf, &trust);
	if (!result)
		result = trust_ask(call, &p, trust);
	if (result)
		return result;
	result = project_trust(&p, trust);
	return result ? fail(FAIL_HOST, "config trust", "%s", strerror(-result)) : 0;
}

static int exec(const struct call *call)
{
	bool shows = strcmp(call->argv[0], "show") == 0, trusts = strcmp(call->argv[0], "trust") == 0;

	if (!trusts && (opt_given(call, OPT_LIST) || opt_given(call, OPT_FORGET) || opt_given(call, OPT_WIDEN) ||
			opt_given(call, 'y')))
		return usage_fail(call->cmd, "--list, --forget, --widen and --yes belong to trust");
	if (shows && call->argc == 1)
		return show(call);
	if (shows)
		return usage_fail(call->cmd, "too many words: %s", call->argv[1]);
	if (trusts)
		return trust_exec(call);
	if (strcmp(call->argv[0], "check") != 0)
		return usage_fail(call->cmd, "show, check or trust, not %s", call->argv[0]);
	if (opt_given(call, OPT_ORIGIN) || opt_given(call, OPT_JSON) || opt_given(call, 's'))
		return usage_fail(call->cmd, "check says nothing but what is wrong");
	return check(call);
}

const struct cmd cmd_config = {
	.name = "config",
	.args = "show|check|trust [FILE]",
	.summary = "show the settings that hold, check the files that make them, trust a project's",
	.help = "show lists every setting; with --origin where its value comes from: a file and a\n"
		"line (that of a profile, too), a variable, or the default. check is silent if all files are right, "
		"or the\n"
		"one that is named. trust lets the settings of a project hold, ./.gsh.conf or the nearest\n"
		"one above, as it is now; what it says is shown first. If it lets sandboxes do more than your\n"
		"settings do, it is refused without --widen. Exit status: 0, or 2 if something in\n"
		"them is wrong.",
	.opts = opts,
	.min = 1,
	.max = 2,
	.words = WORDS_CONFIG,
	.group = GROUP_HOST,
	.exec = exec,
};
