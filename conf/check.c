/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The table of settings, what values they take, and what a misspelt name was meant to be. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "conf/conf.h"

static const char *conf_is_path(const char *value)
{
	return !*value || *value == '/' ? NULL : "it must be an absolute path";
}

static const char *conf_is_name(const char *value)
{
	if (strlen(value) > 64)
		return "it must be at most 64 characters";
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && *value != '-' && *value != '.')
			return "it may hold letters, digits, dots and dashes only";
	return NULL;
}

static const char *conf_is_profile(const char *value)
{
	if (!*value || strlen(value) > 63 || *value == '.')
		return "it must be the name of a profile";
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && !strchr("-_.", *value))
			return "it may hold letters, digits, dots, dashes and underscores only";
	return NULL;
}

static const char *conf_is_rung(const char *value)
{
	return !strcmp(value, "A") || !strcmp(value, "B") ? NULL : "it must be A or B";
}

/* "default", ~/NAME or /NAME, between blanks. */
static const char *conf_is_paths(const char *value)
{
	while (*(value += strspn(value, " \t"))) {
		size_t n = strcspn(value, " \t");

		if (*value != '/' && strncmp(value, "~/", 2) && (n != 7 || strncmp(value, "default", 7)))
			return "it may hold absolute paths, ~/paths and the word default";
		value += n;
	}
	return NULL;
}

/* Plain: absolute, no "." and "..". */
static bool is_plain(const char *path)
{
	size_t n;

	if (*path != '/')
		return false;
	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if ((n == 1 && *path == '.') || (n == 2 && !strncmp(path, "..", 2)))
			return false;
	}
	return true;
}

void conf_bind(const char *value, char *from, char *at, size_t size)
{
	const char *home = getenv("HOME"), *colon = strchrnul(value, ':');
	bool tilde = !strncmp(value, "~/", 2);

	snprintf(from, size, "%s%.*s", tilde && home ? home : "", (int)(colon - value - tilde), value + tilde);
	if (*colon)
		snprintf(at, size, "%s", colon + 1);
	else
		snprintf(at, size, "%s", from);
	for (size_t n = strlen(at); n > 1 && at[n - 1] == '/';)
		at[--n] = '\0';
}

static const char *conf_is_bind(const char *value)
{
	char from[CONF_VALUE_MAX * 2], at[CONF_VALUE_MAX * 2];
	const char *colon = strchr(value, ':');

	if (*value != '/' && strncmp(value, "~/", 2))
		return "it must be HOST[:INSIDE], absolute paths";
	if (colon && strchr(colon + 1, ':'))
		return "there is one colon too many";
	conf_bind(value, from, at, sizeof(at));
	if (!is_plain(from) || !is_plain(at))
		return "it must be HOST[:INSIDE], absolute paths without . and ..";
	if (!at[1] || strlen(at) >= 768)
		return "it cannot be mounted there";
	return NULL;
}

static const char *conf_is_names(const char *value)
{
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && !strchr("_*? \t", *value))
			return "it may hold names of variables, with * and ?, between blanks";
	return NULL;
}

static const char *conf_is_access(const char *value)
{
	return !strcmp(value, "none") || !strcmp(value, "private") || !strcmp(value, "host") || !strcmp(value, "nat")
		       ? NULL
		       : "it must be none, private, host or nat";
}

/* "host", "private", ADDRESS[/BITS], between blanks. */
static const char *conf_is_deny(const char *value)
{
	struct conf_prefix ignored;

	while (*(value += strspn(value, " \t"))) {
		size_t n = strcspn(value, " \t");
		bool word = (n == 4 && !strncmp(value, "host", 4)) || (n == 7 && !strncmp(value, "private", 7));
		const char *wrong = word ? NULL : conf_prefix(value, n, &ignored);

		if (wrong)
			return wrong;
		value += n;
	}
	return NULL;
}

static const char *conf_is_rule(const char *value)
{
	struct conf_rule r;

	return conf_rule(value, &r);
}

static const char *conf_is_calls(const char *value)
{
	return !strcmp(value, "full") || !strcmp(value, "lean") ? NULL : "it must be full or lean";
}

static const char *conf_is_edit(const char *value)
{
	return !strcmp(value, "auto") || !strcmp(value, "native") || !strcmp(value, "host")
		       ? NULL
		       : "it must be auto, native or host";
}

static const char *conf_is_keep(const char *value)
{
	size_t n = strlen(value);

	return !n || n > 2 || value[strspn(value, "0123456789")] || atoi(value) < 1 || atoi(value) > 60
		       ? "it must be a number from 1 to 60"
		       : NULL;
}

/* One function a row, for the table knows no arguments. */
#define LIMIT(name, which)                                         \
	static const char *conf_is_##name(const char *value)       \
	{                                                          \
		const char *why;                                   \
		uint64_t ignored;                                  \
		return limit_parse(which, value, &ignored, &why) ? why : NULL; \
	}
LIMIT(memory, LIMIT_MEMORY)
LIMIT(tasks, LIMIT_TASKS)
LIMIT(cpu, LIMIT_CPU)
LIMIT(files, LIMIT_FILES)
LIMIT(disk, LIMIT_DISK)
LIMIT(inodes, LIMIT_INODES)
LIMIT(runtime, LIMIT_RUNTIME)
#undef LIMIT

#define ROW(section, key, field, list, check, fallback, help)                                               \
	{ #section, #key, offsetof(struct conf, field), sizeof(((struct conf *)0)->field), list, conf_is_##check, \
	  fallback, help },
#define KEY(section, key, field, check, fallback, help) ROW(section, key, field, false, check, fallback, help)
#define LIST(section, key, field, check, fallback, help) ROW(section, key, field, true, check, fallback, help)
const struct conf_key conf_keys[] = {
#include "conf/keys.def"
};
_Static_assert(sizeof(conf_keys) / sizeof(conf_keys[0]) <= CONF_KEYS_MAX, "an origin each");
const size_t conf_nkeys = sizeof(conf_keys) / sizeof(conf_keys[0]);

/* Names are short. */
unsigned conf_distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);

	if (n >= 63 || strlen(a) >= 63)
		return 63;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; a++, i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned best = diagonal + (tolower((unsigned char)*a) !=
						    tolower((unsigned char)b[j - 1]));
			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[n];
}

const char *conf_suggest(const char *section, const char *name)
{
	const char *best = NULL;
	unsigned least = 4;

	for (size_t i = 0; i < conf_nkeys; i++) {
		const char *candidate = section ? conf_keys[i].key : conf_keys[i].section;
		if (section && strcasecmp(section, conf_keys[i].section))
			continue;
		unsigned d = conf_distance(name, candidate);
		if (d < least) {
			least = d;
			best = candidate;
		}
	}
	return best;
}
