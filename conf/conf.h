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
 * $GSH_CONFIG, a file, replaces them all. A file that does not exist is none; an unknown section or
 * key, or a value out of its range, is an error with file, line and, for a near miss, a suggestion.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stddef.h>
#include "conf/limits.h"

#define CONF_VALUE_MAX 1024
#define CONF_KEYS_MAX 32
#define CONF_ORIGIN_MAX 512

struct conf {
	char store_path[CONF_VALUE_MAX];
	char shell_program[CONF_VALUE_MAX];
	char edit[CONF_VALUE_MAX];
	char hostname[CONF_VALUE_MAX];
	char limit[LIMITS][CONF_VALUE_MAX]; /* limits.h */
	char minimum_rung[CONF_VALUE_MAX];
	char calls[CONF_VALUE_MAX];
	char inaccessible[CONF_VALUE_MAX];
	char origin[CONF_KEYS_MAX][CONF_ORIGIN_MAX]; /* of each row of conf_keys: FILE:LINE, or "" */
};

/* 0, or -errno with a sentence in why. */
int conf_load(struct conf *conf, char *why, size_t size) __attribute__((warn_unused_result));
/* One file on top of what conf holds; a missing one is 0. */
int conf_read_file(struct conf *conf, const char *path, char *why, size_t size)
	__attribute__((warn_unused_result));
void conf_defaults(struct conf *conf);

/* The rows, and whether a value fits its row. */
struct conf_key {
	const char *section, *key;
	size_t offset;				 /* of the value in struct conf */
	const char *(*check)(const char *value); /* NULL, or what is wrong with it */
	const char *fallback, *help;
};
extern const struct conf_key conf_keys[];
extern const size_t conf_nkeys;
/* The nearest known name to a misspelt one ("Hostname" for "HostName"), or NULL. section NULL: a
 * section's. */
const char *conf_suggest(const char *section, const char *name);

#endif
