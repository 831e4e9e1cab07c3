/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Does a value let a sandbox do, reach or use more than another one?
 *
 * Settings of a project come from whoever wrote it, so those that widen what the user's settings
 * say are told from those that do not. A key that is not in the table is one that may widen
 * whatever its change is: who adds a key says here what it means.
 */
#include <string.h>
#include "conf/conf.h"

#define BLANKS " \t\n"

/* Is the word, of n bytes, among those of the list? */
static bool has_word(const char *list, const char *word, size_t n, const char *between)
{
	while (*(list += strspn(list, between))) {
		size_t len = strcspn(list, between);

		if (len == n && !memcmp(list, word, n))
			return true;
		list += len;
	}
	return false;
}

static bool has_all(const char *list, const char *words, const char *between)
{
	while (*(words += strspn(words, between))) {
		size_t n = strcspn(words, between);

		if (!has_word(list, words, n, between))
			return false;
		words += n;
	}
	return true;
}

static bool never(const char *was, const char *now)
{
	(void)was, (void)now;
	return false;
}

static bool differs(const char *was, const char *now)
{
	return strcmp(was, now) != 0;
}

/* What is allowed, a value a line. */
static bool adds_line(const char *was, const char *now)
{
	return !has_all(was, now, "\n");
}

/* What is held back. */
static bool lacks_line(const char *was, const char *now)
{
	return !has_all(now, was, "\n");
}

static bool lacks_word(const char *was, const char *now)
{
	return !has_all(now, was, BLANKS);
}

/* host and nat differ in who carries it: neither is less than the other. */
static bool opens_network(const char *was, const char *now)
{
	return strcmp(was, now) && strcmp(now, "none") &&
	       !(strcmp(now, "private") == 0 && strcmp(was, "none"));
}

static bool below_a(const char *was, const char *now)
{
	return !strcmp(was, "A") && strcmp(now, "A");
}

static bool not_lean(const char *was, const char *now)
{
	return !strcmp(was, "lean") && strcmp(now, "lean");
}

static bool raises(const char *key, const char *was, const char *now)
{
	uint64_t before, after;
	const char *why;
	int which = limit_find(key);

	return which < 0 || limit_parse((enum limit)which, was, &before, &why) ||
	       limit_parse((enum limit)which, now, &after, &why) || after > before;
}

static const struct {
	const char *section, *key;
	bool (*widens)(const char *was, const char *now);
} rows[] = {
	{ "Shell", "Program", never },
	{ "Shell", "Edit", never },
	{ "Sandbox", "Hostname", never },
	{ "Sandbox", "User", never },	 /* names and records inside only */
	{ "Sandbox", "Profile", never }, /* what it says is compared itself */
	{ "Network", "Access", opens_network },
	{ "Network", "Allow", adds_line },
	{ "Network", "Deny", lacks_word },
	{ "Confine", "MinimumRung", below_a },
	{ "Confine", "Calls", not_lean },
	{ "Exec", "PassEnvironment", adds_line },
	{ "Exec", "UnsetEnvironment", lacks_line },
	/* A bind may lie on what is not to be seen or written: one that is gone widens, too. */
	{ "Files", "Bind", differs },
	{ "Files", "BindReadOnly", differs },
	{ "Files", "DeviceAllow", adds_line },
	{ "Files", "Inaccessible", lacks_word },
};

bool conf_widens(const struct conf_key *key, const char *was, const char *now)
{
	if (!strcmp(key->section, "Limits"))
		return strcmp(was, now) && raises(key->key, was, now);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].section, key->section) && !strcmp(rows[i].key, key->key))
			return rows[i].widens(was, now);
	return strcmp(was, now) != 0;
}
