/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Settings: INI files with drop-ins, in the manner of systemd.nspawn(5). What there is stands in
 * keys.def.
 *
 * Read in this order, later files win key by key:
 *
 *	/etc/gsh/gsh.conf, /etc/gsh/gsh.conf.d/NAME.conf (in the order of their names),
 *	$XDG_CONFIG_HOME/gsh/gsh.conf, and its gsh.conf.d/ likewise
 *
 * then those of a project and those of one sandbox (conf_load_own). $GSH_CONFIG, a file, replaces all but these two. A
 * file that does not exist is none; an unknown section or key, or a value out of its range, is an error with file, line
 * and, for a near miss, a suggestion.
 *
 * A key that is a list may be given many times: each value is appended, an empty one drops those before.
 *
 * A profile is a file of settings with a name ([Sandbox] Profile=). Named in the settings it is read before them, so
 * that they may differ from it; named for one sandbox it is read after them and before what was set for that sandbox.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/limits.h"

#define CONF_VALUE_MAX 1024
#define CONF_KEYS_MAX 32
#define CONF_ORIGIN_MAX 512
#define CONF_LIST_MAX 8192 /* a list: its values, each ended by a newline */

struct conf {
	char store_path[CONF_VALUE_MAX];
	char keep_ops[CONF_VALUE_MAX];
	char shell_program[CONF_VALUE_MAX];
	char edit[CONF_VALUE_MAX];
	char hostname[CONF_VALUE_MAX];
	char user[CONF_VALUE_MAX];
	char limit[LIMITS][CONF_VALUE_MAX]; /* limits.h */
	char minimum_rung[CONF_VALUE_MAX];
	char calls[CONF_VALUE_MAX];
	char inaccessible[CONF_VALUE_MAX];
	char profile[CONF_VALUE_MAX];
	char bind[CONF_LIST_MAX], bind_ro[CONF_LIST_MAX];
	char devices[CONF_LIST_MAX];
	char pass_env[CONF_LIST_MAX], unset_env[CONF_LIST_MAX];
	char net_access[CONF_VALUE_MAX];
	char net_allow[CONF_LIST_MAX];
	char net_deny[CONF_VALUE_MAX];
	char origin[CONF_KEYS_MAX][CONF_ORIGIN_MAX]; /* of each row of conf_keys: FILE:LINE, or "" */
};

/* 0, or -errno with a sentence in why. */
int conf_load(struct conf *conf, char *why, size_t size) __attribute__((warn_unused_result));
/* The settings of a project, which stand between the user's and a sandbox's own: text, called `path` in what is said,
 * or, if text is NULL, that file; a missing one is none. Whoever hands them in has seen that they are trusted. */
struct conf_project {
	const char *path, *text;
};
/* The same for one sandbox, with those of a project, or NULL; its own are in the file `own` (conf_own_path; a missing
 * one is none, as is NULL), followed by the text `more`, or NULL. */
int conf_load_own(struct conf *conf, const struct conf_project *project, const char *own, const char *more, char *why,
		  size_t size) __attribute__((warn_unused_result));
/* Do both say the same, wherever it was said? */
bool conf_same(const struct conf *a, const struct conf *b);
/* Where a store keeps the settings of one sandbox. -ENAMETOOLONG. */
int conf_own_path(char *path, size_t size, const char *store, const char *name)
	__attribute__((warn_unused_result));
/* Where it keeps those of the project that the sandbox was started in. -ENAMETOOLONG. */
int conf_project_path(char *path, size_t size, const char *store, const char *name)
	__attribute__((warn_unused_result));
/* Text as a file's would be, called `path` in what is said. */
int conf_read_text(struct conf *conf, const char *path, const char *text, char *why, size_t size)
	__attribute__((warn_unused_result));
/* One file on top of what conf holds; a missing one is 0. */
int conf_read_file(struct conf *conf, const char *path, char *why, size_t size)
	__attribute__((warn_unused_result));
void conf_defaults(struct conf *conf);

/* ---- profile.c ---- */
/* Where a profile's file is, of the first folder that has it: the user's ($XDG_CONFIG_HOME/gsh/profiles), the host's
 * (/etc/gsh/profiles), what came with gsh. -ENOENT with a sentence that may suggest another. */
int conf_profile_path(const char *name, char *path, size_t path_size, char *why, size_t size)
	__attribute__((warn_unused_result));
/* Call each with every profile's name, one name once, in no order. */
void conf_profiles(void (*each)(const char *name, void *arg), void *arg);

/* ---- rule.c: [Network] Allow= ---- */
struct conf_rule {
	char host[256];	   /* a name in small letters, "*.NAME" or "*"; "" if it is an address */
	uint8_t addr[16];  /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;	   /* 0: any */
	bool udp;
};
/* NULL, or what is wrong with the text. */
const char *conf_rule(const char *text, struct conf_rule *r);
/* [Network] Deny=: addresses by how they begin, IPv4 as ::ffff:a.b.c.d */
struct conf_prefix {
	uint8_t addr[16];
	unsigned bits; /* of those 16 bytes; what follows is zero */
};
/* The first n bytes of text, as 10.0.0.0/8, fd00::/8 or one address: NULL, or what is wrong with them. */
const char *conf_prefix(const char *text, size_t n, struct conf_prefix *p);
/* The one form in which a rule is written down. */
void conf_rule_text(const struct conf_rule *r, char *text, size_t size);

/* HOST[:INSIDE][:ro|rw|cow] taken apart, both absolute, the home put for "~"; size bytes of room each. */
enum conf_bind { CONF_BIND_RW, CONF_BIND_RO, CONF_BIND_COW, CONF_BIND_WRONG };
enum conf_bind conf_bind(const char *value, char *from, char *at, size_t size);

/* [Files] DeviceAllow=: /dev/NAME [r|w|rw] taken apart, without rights both. NULL, or what is wrong with it. */
#define CONF_DEVICE_MAX 64
const char *conf_device(const char *value, char name[CONF_DEVICE_MAX], bool *read, bool *write);

/* The values of a list, one by one: *at begins at the list and moves; false at the end. */
bool conf_next(const char **at, char *value, size_t size);

/* The rows, and whether a value fits its row. */
struct conf_key {
	const char *section, *key;
	size_t offset, size;			 /* of the value in struct conf */
	bool list;
	const char *(*check)(const char *value); /* NULL, or what is wrong with it */
	const char *fallback, *help;
};
extern const struct conf_key conf_keys[];
extern const size_t conf_nkeys;
/* ---- widen.c ---- */
/* Does the value now let a sandbox do, reach or use what the value was does not? Values as struct conf holds them. */
bool conf_widens(const struct conf_key *key, const char *was, const char *now);
/* The nearest known name to a misspelt one ("Hostname" for "HostName"), or NULL. section NULL: a
 * section's. */
const char *conf_suggest(const char *section, const char *name);
/* How far two words are apart: Levenshtein's distance, letters alike in either case. */
unsigned conf_distance(const char *a, const char *b);

#endif
