// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Completion of what is inside a sandbox: paths of its tree, or of one of its versions, and the versions themselves.
 *
 * Nothing is run inside for it, and a sandbox that is stopped stays so: the layers are read as gsh cat reads them. The
 * names are a stranger's, and those that would drive the terminal are left out (complete_offer).
 */
#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/client.h"
#include "shell/cmd.h"

#define LINKS_MAX 100 /* so many are looked at: who has more to choose from goes on typing */

/* A directory, or a link that leads to one? */
static bool is_directory(const struct tree *tree, const char *dir, const char *name, unsigned type, unsigned *links)
{
	cleanup_spot struct spot s = {.n = 0};
	char path[4096];

	if (type != DT_LNK || ++*links > LINKS_MAX)
		return type == DT_DIR;
	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       spot_resolve(tree, path, true, &s, NULL) == 0 && S_ISDIR(s.st.st_mode);
}

/* head: what was typed up to the last slash. */
static void offer_names(const struct tree *tree, const char *dir, const char *head, const char *name, const char *typed)
{
	cleanup_spot struct spot s = {.n = 0};
	struct union_list list = {0};
	int err = spot_resolve(tree, dir, true, &s, NULL);
	unsigned links = 0;
	char word[4096];

	for (unsigned i = 0; !err && S_ISDIR(s.st.st_mode) && i < s.n; i++)
		err = spot_list(&s, i, &list);
	for (uint32_t i = 0; !err && i < list.count; i++) {
		const char *found = union_list_text(&list, &list.names[i]);

		if (list.names[i].hidden || strncmp(found, name, strlen(name)) != 0 || (*found == '.' && *name != '.'))
			continue;
		if (snprintf(word, sizeof(word), "%s%s%s", head, found,
			     is_directory(tree, dir, found, list.names[i].type, &links) ? "/" : "") < (int)sizeof(word))
			complete_offer(word, typed, NULL);
	}
	union_list_free(&list);
}

bool complete_is_place(const char *typed)
{
	size_t n = strcspn(typed, ":/");

	return typed[n] == ':';
}

void complete_paths(const char *sandbox, const char *typed)
{
	static const struct opt by_sandbox = {'s', "sandbox", "NAME", NULL, WORDS_SANDBOX};
	const struct call call = {.given = {{&by_sandbox, sandbox}}, .ngiven = sandbox != NULL};
	const char *from = complete_is_place(typed) ? strchr(typed, ':') + 1 : typed;
	const char *slash = strrchr(from, '/'), *name = slash ? slash + 1 : from;
	char *head = strndup(typed, (size_t)(name - typed));
	struct place place;
	struct version v;

	if (head && daemon_runs() && version_place(&place, &call, head, true) == 0) {
		if (version_open(&v, place.sandbox, place.version) == 0) {
			offer_names(&v.tree, place.path, head, name, typed);
			version_close(&v);
		}
		version_place_free(&place);
	}
	free(head);
}

static void offer_ops(struct json_object *ops, const char *typed)
{
	char number[32], what[128];

	for (size_t i = json_object_array_length(ops); i-- > 0;) {
		struct json_object *op = json_object_array_get_idx(ops, i);

		complete_offer(show_field(op, "op", number, sizeof(number)), typed,
			       show_field(op, "cmd", what, sizeof(what)));
	}
}

static void offer_names_of_versions(struct json_object *snapshots, const char *typed)
{
	char name[128];

	for (size_t i = 0; snapshots && i < json_object_array_length(snapshots); i++)
		complete_offer(show_field(json_object_array_get_idx(snapshots, i), "name", name, sizeof(name)), typed,
			       "a snapshot");
	complete_offer("now", typed, "as it is");
	complete_offer("base", typed, "as it began");
}

void complete_versions(const char *sandbox, const char *typed, bool ops_only)
{
	struct json_object *params = json_object_new_object(), *reply = NULL;

	json_object_object_add(params, "name", json_object_new_string(sandbox ? sandbox : DEFAULT_SANDBOX));
	if (!daemon_runs()) {
		json_object_put(params);
		return;
	}
	if (ask_daemon("Log", params, &reply) == 0) {
		if (!ops_only)
			offer_names_of_versions(json_object_object_get(reply, "snapshots"), typed);
		offer_ops(reply_items(reply), typed);
	}
	json_object_put(reply);
}
