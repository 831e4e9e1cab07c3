/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Private to pal/confine: the state that the steps hand on to each other, and the steps' names by
 * file. */
#ifndef PAL_CONFINE_IMPL_H
#define PAL_CONFINE_IMPL_H

#include "pal/confine/confine.h"

/* What the child has opened so far. -1: not open. */
struct confine_state {
	const struct confine_spec *spec;
	struct confine_note
		*note; /* a step may leave a detail or a hint here before it returns -errno */
	int null, base, tree, work, shm, pts;
	int binds; /* rung A: the directory of all places to bind at */
	int sys;   /* base/sys/devices/system: the processors, read-only; -1: not there */
	int cache; /* rung A: of its own mount; else -1, and the caller's stands */
	int image; /* as cache */
	int layer[GRANT_LAYERS_MAX]; /* 0 is base's */
	int bind[GRANT_BINDS_MAX];   /* the directory, or the one that holds the file; those of spec->nbinds */
	int bound[GRANT_BINDS_MAX];  /* the object itself, for its rule */
	int report;		     /* to the parent, close-on-exec */
	pid_t parent;
	uid_t uid; /* as seen from outside */
	gid_t gid;
};

#define CONFINE_CLOSED_STATE                                                                      \
	{                                                                                         \
		.null = -1, .base = -1, .tree = -1, .work = -1, .shm = -1, .pts = -1, .sys = -1, .binds = -1, \
		.cache = -1, .image = -1, .report = -1                                                         \
	}

/* Say what happened, for a person. Returns err, so that a step can `return confine_say(...)`. */
int confine_say(struct confine_state *st, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void confine_hint(struct confine_state *st, const char *hint);

/* userns.c */
int userns_map(struct confine_state *st);
int userns_names(struct confine_state *st);
/* mounts.c */
int mounts_enter(struct confine_state *st);
/* A place as a mount that is nowhere yet. 0 or -errno */
int mounts_copy_bind(const struct confine_bind *b, int *mnt) __attribute__((warn_unused_result));
/* Where it is attached, below the new root. */
void mounts_bind_at(const struct confine_bind *b, unsigned slot, char at[32]);
int mounts_attach(int mnt, const char *at) __attribute__((warn_unused_result));
int mounts_detach(const char *at) __attribute__((warn_unused_result));
int mounts_id(int fd, uint64_t *id) __attribute__((warn_unused_result)); /* as statx() tells it */
/* without a root of its own: opens the real paths */
int paths_open(struct confine_state *st);
/* caps.c */
int caps_drop(struct confine_state *st);
/* limits.c */
int limits_set(struct confine_state *st);
int limits_die_with_parent(struct confine_state *st);
/* landlock.c */
int landlock_enter(struct confine_state *st);
/* keeper.c: never returns in the keeper */
int keeper_run(int lifeline, pid_t leader, bool leads_namespace);
pid_t confine_parent_of(pid_t pid); /* -1: there is none such */

/* dial.c: a descriptor, or none (-1) with a word of it, by a socket: 0 or -1; one that comes, or -errno */
int confine_send_fd(int to, int fd);
int confine_take_fd(int from) __attribute__((warn_unused_result));
int confine_open_ns(pid_t pid, const char *kind) __attribute__((warn_unused_result));
/* dial.c: descriptors of the user and the network namespace of the leader; -1 where there was an error. 0 or -errno */
int confine_namespaces(const struct confine_child *child, int ns[2]) __attribute__((warn_unused_result));

/* Names at the top of a base that belong to the host's kernel and services, never to a sandbox. */

#endif
