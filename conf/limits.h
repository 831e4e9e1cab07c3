/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The limits of a sandbox: names and values in systemd's vocabulary (systemd.resource-control(5), systemd.exec(5)).
 *
 * The settings' [Limits] section holds for every sandbox, `gsh set` and the options of `gsh run` for one. A value is
 * "infinity" or a number as the row's kind says.
 */
#ifndef CONF_LIMITS_H
#define CONF_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define LIMIT_NONE UINT64_MAX
#define LIMIT_TEXT_MAX 48

enum limit {
	LIMIT_MEMORY,  /* bytes */
	LIMIT_TASKS,   /* processes and threads */
	LIMIT_CPU,     /* percent of one processor */
	LIMIT_FILES,   /* descriptors of a process */
	LIMIT_DISK,    /* bytes of the layers */
	LIMIT_INODES,  /* files, directories and links of the layers */
	LIMIT_RUNTIME, /* seconds of a command */
	LIMITS
};

struct limits {
	uint64_t value[LIMITS]; /* LIMIT_NONE: no such limit */
};

struct limit_row {
	const char *key;    /* "MemoryMax" */
	const char *option; /* of `gsh run`: "memory" */
};
extern const struct limit_row limit_rows[LIMITS];

/* The row of a key, or -1. */
int limit_find(const char *key);
/* A value of that row: 0, or what is wrong with it as a sentence in *why (constant text). */
int limit_parse(enum limit which, const char *text, uint64_t *value, const char **why) __attribute__((warn_unused_result));
/* As it would be written: "64M", "infinity". */
const char *limit_text(enum limit which, uint64_t value, char buf[LIMIT_TEXT_MAX]);

#endif
