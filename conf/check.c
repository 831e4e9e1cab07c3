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

/* What stands behind the last colon, if it is no path; else what holds where nothing is said. */
static enum conf_bind bind_mode(const char *word)
{
	static const char *const words[] = { "rw", "ro", "cow" };

	for (int i = 0; i < CONF_BIND_WRONG; i++)
		if (!strcmp(word, words[i]))
			return (enum conf_bind)i;
	return CONF_BIND_WRONG;
}

enum conf_bind conf_bind(const char *value, char *from, char *at, size_t size)
{
	const char *home = getenv("HOME"), *colon = strchrnul(value, ':'), *last = strrchr(value, ':');
	bool tilde = !strncmp(value, "~/", 2), said = last && last[1] != '/';
	const char *end = said ? last : value + strlen(value);

	snprintf(from, size, "%s%.*s", tilde && home ? home : "", (int)(colon - value - tilde), value + tilde);
	if (colon < end)
		snprintf(at, size, "%.*s", (int)(end - colon - 1), colon + 1);
	else
		snprintf(at, size, "%s", from);
	for (size_t n = strlen(at); n > 1 && at[n - 1] == '/';)
		at[--n] = '\0';
	return said ? bind_mode(last + 1) : CONF_BIND_RW;
}

static const char *conf_is_bind(const char *value)
{
	char from[CONF_VALUE_MAX * 2], at[CONF_VALUE_MAX * 2];
	enum conf_bind mode;

	if (*value != '/' && strncmp(value, "~/", 2))
		return "it must be HOST[:INSIDE], absolute paths";
	mode = conf_bind(value, from, at, sizeof(at));
	if (mode == CONF_BIND_WRONG)
		return "it must end in :ro, :rw or :cow, or in a path";
	if (strchr(at, ':'))
		return "there is one colon too many";
	if (!is_plain(from) || !is_plain(at))
		return "it must be HOST[:INSIDE], absolute paths without . and ..";
	if (!at[1] || strlen(at) >= 768)
		return "it cannot be mounted there";
	if (mode == CONF_BIND_COW && strcmp(from, at))
		return "with :cow it is at its own place: to have it elsewhere, copy it (gsh cp)";
	return NULL;
}

/* To be read only, so nothing else can be said. */
static const char *conf_is_bind_ro(const char *value)
{
	char from[CONF_VALUE_MAX * 2], at[CONF_VALUE_MAX * 2];
	const char *wrong = conf_is_bind(value), *last = strrchr(value, ':');

	if (wrong || !last || last[1] == '/')
		return wrong;
	return conf_bind(value, from, at, sizeof(at)) == CONF_BIND_RO
		       ? NULL
		       : "it is to be read only: Bind= takes :rw and :cow";
}

const char *conf_device(const char *value, char name[CONF_DEVICE_MAX], bool *read, bool *write)
{
	const char *at = value + 5, *rights;
	size_t n = strncmp(value, "/dev/", 5) ? 0 : strcspn(at, " \t");

	name[0] = '\0';
	*read = *write = false;
	if (!n || n >= CONF_DEVICE_MAX || *at == '.' || memchr(at, '/', n))
		return "it must be /dev/NAME, and r, w or rw behind it";
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)at[i]) && !strchr("_-.:", at[i]))
			return "its name may hold letters, digits, and _-.: only";
	rights = at + n + strspn(at + n, " \t");
	if (strcmp(rights, "r") != 0 && strcmp(rights, "w") != 0 && strcmp(rights, "rw") != 0 && *rights)
		return "its rights must be r, w or rw";
	snprintf(name, CONF_DEVICE_MAX, "%.*s", (int)n, at);
	*read = !*rights || strchr(rights, 'r');
	*write = !*rights || strchr(rights, 'w');
	return NULL;
}

static const char *conf_is_device(const char *value)
{
	char name[CONF_DEVICE_MAX];
	bool ignored;

	return conf_device(value, name, &ignored, &ignored);
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

static const char *conf_is_user(const char *value)
{
	return !strcmp(value, "self") || !strcmp(value, "root") ? NULL : "it must be self or root";
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
