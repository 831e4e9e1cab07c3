// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * gsh allow: exceptions that the host's side makes for a sandbox, running or not, and takes back.
 *
 * A running one is asked, and has what is of the network at once; of one that does not run the settings are written.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "shell/client.h"
#include "shell/cmd.h"

enum { OPT_LIST = 740, OPT_REVOKE, OPT_ONCE };

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	{'r', "read", NULL, "a path to be read (the default), a device to be read only", WORDS_NONE},
	{'w', "write", NULL, "a path to be written, too; a device to be written only", WORDS_NONE},
	{OPT_ONCE, "once", NULL, "until the sandbox ends; otherwise it is kept in its settings", WORDS_NONE},
	{OPT_REVOKE, "revoke", NULL, "take it back", WORDS_NONE},
	{OPT_LIST, "list", NULL, "what was granted", WORDS_NONE},
	OPT_ROW_JSON,
	OPT_ROW_END,
};

static const struct column columns[] = {
	{"KIND", "kind", false},
	{"WHAT", "what", false},
	{"STATE", "state", false},
};

static void add(struct json_object *items, const char *kind, const char *what)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "kind", json_object_new_string(kind));
	json_object_object_add(o, "what", json_object_new_string(what));
	json_object_object_add(o, "state", json_object_new_string("next"));
	json_object_array_add(items, o);
}

/* Of a sandbox that does not run: what its next start will have. */
static int list_stopped(const char *sandbox, struct json_object *items)
{
	static const char *const kinds[] = {"net", "read", "write", "device"};
	static struct conf conf;
	const char *lists[] = {conf.net_allow, conf.bind_ro, conf.bind, conf.devices};
	char value[CONF_VALUE_MAX];
	int result = settings_of(sandbox, &conf);
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !result; i++)
		while (conf_next(&lists[i], value, sizeof(value)))
			add(items, kinds[i], value);
	return result;
}

static int list(const struct call *call, const char *sandbox)
{
	struct json_object *reply = NULL, *items;
	int result = ask_box(sandbox, "Grants", NULL, &reply);

	if (result < 0)
		return result;
	items = result ? json_object_new_array() : json_object_get(reply_items(reply));
	result = result ? list_stopped(sandbox, items) : 0;
	if (!result)
		result = show_list(opt_given(call, OPT_JSON), "grants", items, columns,
				   sizeof(columns) / sizeof(columns[0]));
	json_object_put(items);
	json_object_put(reply);
	return result;
}

struct wanted {
	const char *kind, *key, *section;
	char *what;
};

/* The settings of one that does not run. 0 or a failure. */
static int change_stopped(const struct call *call, const char *sandbox, const struct wanted *w)
{
	struct json_object *p = json_object_new_object();
	char *text;

	if (opt_given(call, OPT_ONCE)) {
		json_object_put(p);
		return fail(FAIL_CONFLICT, sandbox, "it does not run, so there is no once");
	}
	json_object_object_add(p, "name", json_object_new_string(sandbox));
	if (opt_given(call, OPT_REVOKE)) {
		json_object_object_add(p, "key", json_object_new_string(w->key));
		json_object_object_add(p, "value", json_object_new_string(w->what));
	} else {
		if (asprintf(&text, "[%s]\n%s=%s\n", w->section, w->key, w->what) < 0)
			return fail(FAIL_NO, "out of memory", NULL);
		json_object_object_add(p, "settings", json_object_new_string(text));
		free(text);
	}
	return ask_daemon("Settle", p, NULL);
}

static int change(const struct call *call, const char *sandbox, const struct wanted *w)
{
	struct json_object *p = json_object_new_object(), *reply = NULL, *live;
	int result;

	json_object_object_add(p, "kind", json_object_new_string(w->kind));
	json_object_object_add(p, "what", json_object_new_string(w->what));
	json_object_object_add(p, "once", json_object_new_boolean(opt_given(call, OPT_ONCE)));
	result = ask_box(sandbox, opt_given(call, OPT_REVOKE) ? "Revoke" : "Allow", p, &reply);
	if (result > 0)
		return change_stopped(call, sandbox, w);
	if (!result && strcmp(w->section, "Files") == 0 && strcmp(w->kind, "device") != 0 &&
	    (opt_given(call, OPT_REVOKE) ||
	     (json_object_object_get_ex(reply, "live", &live) && !json_object_get_boolean(live))))
		note("%s runs: that holds from its next start on (gsh stop %s)", sandbox, sandbox);
	json_object_put(reply);
	return result;
}

/* With the rights that -r and -w say; both without. */
static int normal_device(const struct call *call, const char *what, struct wanted *w)
{
	bool read = opt_given(call, 'r'), write = opt_given(call, 'w');
	char text[CONF_VALUE_MAX], name[CONF_DEVICE_MAX];
	const char *wrong;

	snprintf(text, sizeof(text), "%.*s%s%s%s", CONF_DEVICE_MAX * 2, what, read || write ? " " : "", read ? "r" : "",
		 write ? "w" : "");
	wrong = conf_device(text, name, &read, &write);
	if (wrong)
		return usage_fail(call->cmd, "%s: %s", what, wrong);
	w->what = strdup(text);
	return w->what ? 0 : fail(FAIL_NO, "out of memory", NULL);
}

/* The rule in its one form, so that it is found again; a path as an absolute one. */
static int normal(const struct call *call, const char *what, struct wanted *w)
{
	const char *wrong, *colon = strchrnul(what, ':');
	char text[CONF_VALUE_MAX], *path, *from;
	struct conf_rule rule;

	if (strcmp(w->kind, "net") == 0) {
		wrong = conf_rule(what, &rule);
		if (wrong)
			return usage_fail(call->cmd, "%s: %s", what, wrong);
		conf_rule_text(&rule, text, sizeof(text));
		w->what = strdup(text);
		return w->what ? 0 : fail(FAIL_NO, "out of memory", NULL);
	}
	if (strcmp(w->kind, "device") == 0)
		return normal_device(call, what, w);
	from = strndup(what, (size_t)(colon - what));
	path = from && strncmp(from, "~/", 2) ? version_path(from) : from ? strdup(from) : NULL;
	free(from);
	if (!path || asprintf(&w->what, "%s%s", path, colon) < 0)
		w->what = NULL;
	free(path);
	return w->what ? 0 : fail(FAIL_NO, "out of memory", NULL);
}

static int exec(const struct call *call)
{
	bool write = opt_given(call, 'w');
	struct wanted w = {NULL};
	const char *sandbox = call_sandbox(call);
	int result;

	if (!sandbox)
		return -FAIL_USAGE;
	if (opt_given(call, OPT_LIST))
		return call->argc ? usage_fail(call->cmd, "--list takes no words") : list(call, sandbox);
	if (opt_given(call, OPT_JSON))
		return usage_fail(call->cmd, "--json is for --list");
	if (call->argc != 2)
		return usage_fail(call->cmd, "needs net HOST:PORT, path PATH or device /dev/NAME");
	if (strcmp(call->argv[0], "net") == 0 && !write && !opt_given(call, 'r'))
		w = (struct wanted){"net", "Allow", "Network", NULL};
	else if (strcmp(call->argv[0], "device") == 0)
		w = (struct wanted){"device", "DeviceAllow", "Files", NULL};
	else if (strcmp(call->argv[0], "path") == 0 && !(write && opt_given(call, 'r')))
		w = write ? (struct wanted){"write", "Bind", "Files", NULL}
			  : (struct wanted){"read", "BindReadOnly", "Files", NULL};
	else
		return usage_fail(call->cmd, "needs net HOST:PORT, device /dev/NAME, or path PATH with -r or -w");
	result = normal(call, call->argv[1], &w);
	if (!result)
		result = change(call, sandbox, &w);
	free(w.what);
	return result;
}

const struct cmd cmd_allow = {
	.name = "allow",
	.args = "net HOST:PORT[/udp] | path PATH[:INSIDE] | device /dev/NAME",
	.summary = "make an exception for a sandbox, or take it back",
	.help = "net: it may speak to that host and port, at once. path: it has that directory or file\n"
		"of the host as it is, from its next start on. HOST is a name, *.NAME, an address or *;\n"
		"PORT a number or *. device: a character device of the host, at once; -r and -w to read or\n"
		"write only. What was refused so far: gsh denials.",
	.opts = opts,
	.max = 2,
	.words = WORDS_GRANT,
	.group = GROUP_SHAPE,
	.exec = exec,
};
