// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The trees that a call compares or reads.
 *
 * gshd tells where the layers of a version lie; reading them is gsh's own work, for it is as slow
 * as the user's disk and ends when the user says so. What a base must not show is the same as
 * inside and in the mount: the store, the runtime directory, the mount point.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/client.h"
#include "shell/cmd.h"

#define LAYERS_TRIES 20

/* An object that is looked at is a descriptor for each of its layers. */
static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static bool all_as_inside;

static int hide(struct version *v, struct json_object *layers)
{
	struct json_object *list = NULL;
	struct paths paths;
	char why[1024];

	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	v->tree.hidden = v->hidden;
	v->tree.nhidden += tree_hide(&v->hidden[v->tree.nhidden], paths.store);
	v->tree.nhidden += tree_hide(&v->hidden[v->tree.nhidden], paths.runtime);
	v->tree.nhidden += tree_hide(&v->hidden[v->tree.nhidden], paths.mount);
	v->nhidden = v->tree.nhidden;
	if (!json_object_object_get_ex(layers, "hidden", &list) ||
	    json_object_array_length(list) > VERSION_HIDDEN - v->nhidden)
		return fail(FAIL_NO, "gshd", "it does not tell what is hidden");
	for (size_t i = 0; i < json_object_array_length(list); i++)
		v->nhidden += tree_hide(&v->hidden[v->nhidden],
					json_object_get_string(json_object_array_get_idx(list, i)));
	v->tree.nled = v->nhidden;
	v->inaccessible = json_object_get(list);
	return 0;
}

static int ask_layers(const char *sandbox, const char *word, struct json_object **layers)
{
	struct json_object *params = json_object_new_object();
	int result;

	json_object_object_add(params, "name", json_object_new_string(sandbox));
	if (strcmp(word, "now") != 0)
		json_object_object_add(params, "version", json_object_new_string(word));
	result = ask_daemon("Layers", params, layers);
	if (result == -FAIL_NOSUCH && strcmp(word, "now") != 0 && strcmp(word, sandbox) != 0 && !hint_sandbox(word))
		hint("gsh log -s %s lists them", sandbox);
	return result;
}

int version_open(struct version *v, const char *sandbox, const char *word)
{
	struct json_object *layers = NULL;
	int result, err = 0;

	memset(v, 0, sizeof(*v));
	raise_limit();
	/* A layer that was told of is elsewhere once an op began, or was taken back. */
	for (int i = 0; i < LAYERS_TRIES; i++) {
		result = ask_layers(sandbox, word, &layers);
		if (result)
			return result;
		err = tree_open_layers(&v->tree, layers);
		if (err != -ENOENT)
			break;
		if (i < LAYERS_TRIES - 1)
			json_object_put(layers);
	}
	snprintf(v->base, sizeof(v->base), "%s", reply_string(layers, "base"));
	v->image = json_object_get_boolean(json_object_object_get(layers, "image"));
	result = err ? fail(FAIL_NO, sandbox, "cannot open its layers: %s", strerror(-err)) : hide(v, layers);
	json_object_put(layers);
	if (result && !err)
		version_close(v);
	if (!result && all_as_inside)
		version_as_inside(v);
	return result;
}

void version_as_inside(struct version *v)
{
	v->tree.nhidden = v->nhidden;
}

void versions_as_inside(void)
{
	all_as_inside = true;
}

int version_open_word(struct version *v, const char *sandbox, const char *word)
{
	const char *at = strchr(word, '@');
	char name[80];

	if (!at)
		return version_open(v, sandbox, word);
	snprintf(name, sizeof(name), "%.*s", (int)(at - word), word);
	if (sandbox_name_check(name))
		return -FAIL_USAGE;
	return version_open(v, name, at[1] ? at + 1 : "now");
}

void version_close(struct version *v)
{
	tree_close(&v->tree);
	json_object_put(v->inaccessible);
	v->inaccessible = NULL;
}

const char *version_hidden_at(const struct version *v, const char *path)
{
	size_t skip = strcmp(v->base, "/") == 0 ? 0 : strlen(v->base);

	for (size_t i = 0; i < json_object_array_length(v->inaccessible); i++) {
		const char *hidden = json_object_get_string(json_object_array_get_idx(v->inaccessible, i));

		if (strncmp(hidden, v->base, skip) == 0 && home_below(path, hidden + skip))
			return hidden + skip;
	}
	return NULL;
}

/* What a relative path begins at, to be freed. Where that cannot be told, nothing is guessed. */
static char *place_here(const char *word)
{
	char *here = *word == '/' ? strdup("") : getcwd(NULL, 0);

	if (!here)
		(void)!fail(FAIL_USAGE, word, "it is relative to a folder that has no path: %s", strerror(errno));
	return here;
}

char *version_path(const char *word)
{
	char *here, *joined = NULL, *path, *to;

	/* A script's variable that is not set, most likely, and surely not all that lies here. */
	if (!*word) {
		(void)!fail(FAIL_USAGE, "\"\"", "a path is empty");
		return NULL;
	}
	here = place_here(word);
	if (!here)
		return NULL;
	if (asprintf(&joined, "%s/%s", here, word) < 0)
		joined = NULL;
	free(here);
	path = joined ? malloc(strlen(joined) + 2) : NULL;
	to = path;
	for (char *p = joined; path && *p;) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (n && !(n == 1 && *p == '.')) {
			*to++ = '/';
			to = mempcpy(to, p, n);
		}
		p += n;
	}
	if (path && to == path)
		*to++ = '/';
	if (path)
		*to = '\0';
	else
		(void)!fail(FAIL_NO, "out of memory", NULL);
	free(joined);
	return path;
}

/* As version_path(), but ".." stays: it is the sandbox's links that decide where it leads. */
static char *version_place_path(const char *word)
{
	char *here = place_here(word), *path = NULL;

	if (here && asprintf(&path, "%s%s%s", here, *here ? "/" : "", word) < 0)
		path = NULL;
	free(here);
	return path;
}

int version_place(struct place *place, const struct call *call, const char *word, bool inside)
{
	const char *colon = strchr(word, ':'), *slash = strchr(word, '/'), *at;
	const char *path = word, *sandbox = opt_value(call, 's');
	int result = 0;

	memset(place, 0, sizeof(*place));
	strcpy(place->version, "now");
	if (!sandbox)
		sandbox = DEFAULT_SANDBOX;
	if (colon && !(slash && slash < colon)) {
		path = colon + 1;
		at = memchr(word, '@', (size_t)(colon - word));
		inside = true;
		if (colon > word) {
			snprintf(place->sandbox, sizeof(place->sandbox), "%.*s",
				 (int)((at ? at : colon) - word), word);
			sandbox = place->sandbox;
		}
		if (at && at + 1 < colon)
			snprintf(place->version, sizeof(place->version), "%.*s",
				 (int)(colon - at - 1), at + 1);
	}
	if (inside) {
		result = sandbox_name_check(sandbox);
		if (sandbox != place->sandbox)
			snprintf(place->sandbox, sizeof(place->sandbox), "%s", sandbox);
	}
	place->path = inside ? version_place_path(path) : strdup(path);
	if (!place->path && !result)
		result = -FAIL_USAGE;
	return result;
}

void version_place_free(struct place *place)
{
	free(place->path);
	place->path = NULL;
}
