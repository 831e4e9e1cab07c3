/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Limits of a sandbox: which hold, and by what means.
 *
 *	limits.c   the settings' values, those of boxes/NAME/limits over them; SetLimits
 *	watch.c    the monitor looks at what its processes use, and acts
 *	measure.c  what the layers take on the disk
 *	cgroup.c   the kernel's own accounting, where a cgroup is delegated to us
 *
 * Three parties keep them. The libOS gives the errno that Linux gives; it is no boundary. The kernel keeps what it can
 * (rlimits, a tmpfs's size, cgroup v2). What neither promises against a hostile libOS, the monitor finds by looking, a
 * little late, and ends.
 */
#ifndef GSHD_LIMITS_H
#define GSHD_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/conf.h"
#include "gshd/wire/wire.h"

struct monitor;
struct request;
struct json_object;

/* ---- limits.c ---- */
/* Those of a sandbox: conf's, and its own over them. 0, or -errno with a sentence in why. */
int limits_load(int store, const char *name, const struct conf *conf, struct limits *limits, char *why, size_t size)
	__attribute__((warn_unused_result));
/* Change the sandbox's own: an object of KEY: "VALUE"; "" takes the settings' again. 0 or -errno with why. */
int limits_change(int store, const char *name, struct json_object *changes, char *why, size_t size)
	__attribute__((warn_unused_result));
/* Is it an object of known keys with fitting values? */
bool limits_valid(struct json_object *changes, char *why, size_t size);
/* In the monitor: read them anew and have them kept. 0 or -errno with why. */
int limits_apply(struct monitor *m, char *why, size_t size) __attribute__((warn_unused_result));
/* Tell the leader; memory_only: just how much memory is in use. */
void limits_tell(struct monitor *m, bool memory_only);
/* {KEY: {"value", "means", "used"?}} of a sandbox that runs; {KEY: {"value"}} without a monitor. */
struct json_object *limits_describe(const struct limits *limits, struct monitor *m);

/* ---- watch.c ---- */
int watch_start(struct monitor *m) __attribute__((warn_unused_result));
void watch_again(struct monitor *m); /* the limits changed */
void watch_close(struct monitor *m);

/* ---- measure.c ---- */
struct measured {
	uint64_t bytes, inodes;
};
/* Walk a directory; links are not followed. */
void measure_tree(int dir, struct measured *sum);
int measure_start(struct monitor *m) __attribute__((warn_unused_result));
void measure_again(struct monitor *m);
void measure_close(struct monitor *m);
void answer_quota(struct monitor *m, struct request *r);

/* ---- cgroup.c ---- */
/* A cgroup for the sandbox, if one can be had: the descriptor of its directory, else -1. */
int cgroup_open(const char *name);
/* Of LIMIT_MEMORY, LIMIT_TASKS and LIMIT_CPU: does the cgroup keep it? */
bool cgroup_keeps(int cgroup, enum limit which);
/* Write the limits. */
void cgroup_set(int cgroup, const struct limits *limits);
/* How many processes it has killed for want of memory so far; how much memory is used. */
uint64_t cgroup_killed(int cgroup);
uint64_t cgroup_memory(int cgroup);
/* The sandbox is gone. */
void cgroup_remove(int cgroup, const char *name);

#endif
