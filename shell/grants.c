// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Exceptions for a sandbox, by gsh allow and gsh bind: made, taken back, listed.
 *
 * A running one is asked, and has at once what can be had at once; of one that does not run the settings are written.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "shell/client.h"
#include "shell/cmd.h"

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

/* All but paths. */
static void drop_others(struct json_object *items)
{
	size_t i = json_object_array_length(items);

	while (i--) {
		const char *kind = json_object_get_string(
			json_object_object_get(json_object_array_get_idx(items, i), "kind"));

		if (strcmp(kind, "read") != 0 && strcmp(kind, "write") != 0)
			json_object_array_del_idx(items, i, 1);
	}
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

int grant_list(const char *sandbox, bool paths, bool json)
{
	struct json_object *reply = NULL, *items;
	int result = ask_box(sandbox, "Grants", NULL, &reply);

	if (result < 0)
		return result;
	items = result ? json_object_new_array() : json_object_get(reply_items(reply));
	result = result ? list_stopped(sandbox, items) : 0;
	if (paths)
		drop_others(items);
	if (!result)
		result = show_list(json, "grants", items, columns,
				   sizeof(columns) / sizeof(columns[0]));
	json_object_put(items);
	json_object_put(reply);
	return result;
}

/* The settings of one that does not run. 0 or a failure. */
static int change_stopped(const char *sandbox, const struct grant *w)
{
	struct json_object *p = json_object_new_object();
	char *text;

	if (w->once) {
		json_object_put(p);
		fail(FAIL_CONFLICT, sandbox, "it does not run, and --once is until it ends");
		hint("gsh start %s, or say it without --once", sandbox);
		return -FAIL_CONFLICT;
	}
	json_object_object_add(p, "name", json_object_new_string(sandbox));
	if (w->revoke) {
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

int grant_change(const char *sandbox, const struct grant *w)
{
	struct json_object *p = json_object_new_object(), *reply = NULL, *live;
	int result;

	json_object_object_add(p, "kind", json_object_new_string(w->kind));
	json_object_object_add(p, "what", json_object_new_string(w->what));
	json_object_object_add(p, "once", json_object_new_boolean(w->once));
	result = ask_box(sandbox, w->revoke ? "Revoke" : "Allow", p, &reply);
	if (result > 0)
		return change_stopped(sandbox, w);
	if (!result && json_object_object_get_ex(reply, "live", &live) && !json_object_get_boolean(live) &&
	    strcmp(w->kind, "net") != 0)
		note("%s runs: that holds from its next start on (gsh stop %s)", sandbox, sandbox);
	json_object_put(reply);
	return result;
}

int grant_path(const char *what, char **value)
{
	const char *colon = strchrnul(what, ':');
	char *path, *from;

	from = strndup(what, (size_t)(colon - what));
	if (!from)
		return fail(FAIL_NO, "out of memory", NULL);
	path = strncmp(from, "~/", 2) ? version_path(from) : strdup(from);
	free(from);
	if (!path)
		return -FAIL_USAGE;
	if (asprintf(value, "%s%s", path, colon) < 0)
		*value = NULL;
	free(path);
	return *value ? 0 : fail(FAIL_NO, "out of memory", NULL);
}
