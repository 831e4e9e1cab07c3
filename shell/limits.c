// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Limits on a command line: options of the verbs that start a sandbox, KEY=VALUE of `gsh set`. What is wrong with them
 * is found before a sandbox is made for them; who keeps them is the daemon's affair.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "conf/limits.h"
#include "shell/client.h"
#include "shell/cmd.h"

static int add(struct json_object *changes, int which, const char *name, const char *value)
{
	const char *why;
	uint64_t number;

	if (*value && limit_parse((enum limit)which, value, &number, &why))
		return fail(FAIL_USAGE, name, "'%s': %s", value, why);
	json_object_object_add(changes, limit_rows[which].key, json_object_new_string(value));
	return 0;
}

int limits_of_options(const struct call *call, struct json_object **changes)
{
	struct json_object *all = json_object_new_object();
	char name[32];
	int result = 0, i;

	for (i = 0; i < LIMITS && !result; i++) {
		const char *value = opt_value(call, OPT_LIMIT + i);

		snprintf(name, sizeof(name), "--%s", limit_rows[i].option);
		if (value)
			result = add(all, i, name, value);
	}
	*changes = NULL;
	if (!result && json_object_object_length(all))
		*changes = json_object_get(all);
	json_object_put(all);
	return result;
}

static const char *suggestion(const char *key)
{
	const char *keys[2 * LIMITS + 1] = {NULL};
	int i;

	for (i = 0; i < LIMITS; i++) {
		keys[i] = limit_rows[i].key;
		keys[LIMITS + i] = limit_rows[i].option;
	}
	return nearest(key, keys);
}

int limits_of_word(const char *word, struct json_object *changes)
{
	const char *equals = strchr(word, '='), *near;
	char key[32];
	int which;

	snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
	which = limit_find(key);
	/* The options' names are known to who started the sandbox with them. */
	for (int i = 0; i < LIMITS && which < 0; i++)
		if (strcmp(limit_rows[i].option, key) == 0)
			which = i;
	if (which >= 0)
		return add(changes, which, key, equals + 1);
	fail(FAIL_USAGE, "set", "there is no limit '%s'", key);
	near = suggestion(key);
	if (near)
		hint("did you mean %s=%s?", near, equals + 1);
	else
		hint("gsh help set names them");
	return -FAIL_USAGE;
}

/* "64M", "2.5G": for people. */
static const char *size_text(int64_t bytes, char buf[32])
{
	static const char letters[] = "KMGT";
	double n = (double)bytes;
	int up = 0;

	for (; n >= 1024 && up < 4; up++)
		n /= 1024;
	if (up)
		snprintf(buf, 32, n < 10 ? "%.1f%c" : "%.0f%c", n, letters[up - 1]);
	else
		snprintf(buf, 32, "%.0f", n);
	return buf;
}

void limits_print(struct json_object *limits, bool all)
{
	char used[32], text[256];
	int i;

	for (i = 0; limits && i < LIMITS; i++) {
		struct json_object *o = NULL;
		int64_t n;

		json_object_object_get_ex(limits, limit_rows[i].key, &o);
		if (!o || (!all && strcmp(reply_string(o, "value"), "infinity") == 0))
			continue;
		snprintf(text, sizeof(text), "%s", reply_string(o, "value"));
		n = reply_number(o, "used", -1);
		if (n >= 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %s used",
				 i == LIMIT_INODES ? json_object_get_string(json_object_object_get(o, "used"))
						   : size_text(n, used));
		n = reply_number(o, "killed", 0);
		if (n > 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %d killed", (int)n);
		if (*reply_string(o, "means"))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " (%s)", reply_string(o, "means"));
		printf("%s\t%s\n", limit_rows[i].key, text);
	}
}
