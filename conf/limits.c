/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Limits as text. Sizes take K, M, G and T (1024 each), times s, min, h and d as systemd.time(7) has them, a share of
 * the processors ends in "%". The least values are those that a sandbox can begin its life with.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/limits.h"

enum kind { SIZE, COUNT, PERCENT, TIME };

const struct limit_row limit_rows[LIMITS] = {
	[LIMIT_MEMORY] = { "MemoryMax", "memory" }, [LIMIT_TASKS] = { "TasksMax", "pids" },
	[LIMIT_CPU] = { "CPUQuota", "cpu" },	    [LIMIT_FILES] = { "LimitNOFILE", "nofile" },
	[LIMIT_DISK] = { "DiskMax", "disk" },	    [LIMIT_INODES] = { "InodesMax", "inodes" },
	[LIMIT_RUNTIME] = { "RuntimeMaxSec", "time" },
};

static const struct {
	enum kind kind;
	uint64_t least, most;
	const char *wrong;
} bounds[LIMITS] = {
	[LIMIT_MEMORY] = { SIZE, 16u << 20, 1ull << 50,
			   "it must be a size of at least 16M, as 512M or 2G, or infinity" },
	[LIMIT_TASKS] = { COUNT, 16, 32000, "it must be a number from 16 to 32000, or infinity" },
	[LIMIT_CPU] = { PERCENT, 1, 100000, "it must be a share of one processor, as 50% or 200%, or infinity" },
	[LIMIT_FILES] = { COUNT, 64, 1 << 20, "it must be a number from 64 to 1048576, or infinity" },
	[LIMIT_DISK] = { SIZE, 1u << 20, 1ull << 50, "it must be a size of at least 1M (as 512M, 2G), or infinity" },
	[LIMIT_INODES] = { COUNT, 16, 1ull << 40, "it must be a number of at least 16, or infinity" },
	[LIMIT_RUNTIME] = { TIME, 1, 1u << 30, "it must be a time (as 90, 90s, 5min, 2h, 1d), or infinity" },
};

int limit_find(const char *key)
{
	for (int i = 0; i < LIMITS; i++)
		if (!strcmp(limit_rows[i].key, key))
			return i;
	return -1;
}

/* What the letters behind a number multiply it by; 0: nothing known. */
static uint64_t factor(enum kind kind, const char *unit)
{
	static const struct {
		enum kind kind;
		const char *unit;
		uint64_t factor;
	} units[] = {
		{ SIZE, "", 1 },	   { SIZE, "K", 1u << 10 },   { SIZE, "M", 1u << 20 }, { SIZE, "G", 1u << 30 },
		{ SIZE, "T", 1ull << 40 }, { COUNT, "", 1 },	      { PERCENT, "%", 1 },     { TIME, "", 1 },
		{ TIME, "s", 1 },	   { TIME, "sec", 1 },	      { TIME, "min", 60 },     { TIME, "m", 60 },
		{ TIME, "h", 3600 },	   { TIME, "d", 86400 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].kind == kind && !strcmp(units[i].unit, unit))
			return units[i].factor;
	return 0;
}

int limit_parse(enum limit which, const char *text, uint64_t *value, const char **why)
{
	uint64_t n, times;
	char *end;

	*why = bounds[which].wrong;
	if (!strcmp(text, "infinity")) {
		*value = LIMIT_NONE;
		return 0;
	}
	if (!isdigit((unsigned char)*text) || strlen(text) > 20)
		return -1;
	n = strtoull(text, &end, 10);
	times = factor(bounds[which].kind, end);
	if (!times || n > bounds[which].most / times || n * times < bounds[which].least)
		return -1;
	*value = n * times;
	return 0;
}

const char *limit_text(enum limit which, uint64_t value, char buf[LIMIT_TEXT_MAX])
{
	static const char letters[] = "KMGT";
	unsigned up = 0;

	if (value == LIMIT_NONE) {
		snprintf(buf, LIMIT_TEXT_MAX, "infinity");
		return buf;
	}
	while (bounds[which].kind == SIZE && up < 4 && value && value % 1024 == 0) {
		value /= 1024;
		up++;
	}
	snprintf(buf, LIMIT_TEXT_MAX, "%" PRIu64 "%s", value,
		 bounds[which].kind == PERCENT ? "%" : bounds[which].kind == TIME ? "s" : "");
	if (up) {
		size_t n = strlen(buf);

		buf[n] = letters[up - 1];
		buf[n + 1] = '\0';
	}
	return buf;
}
