/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The store: what of a sandbox outlives it.
 *
 *	STORE/VERSION                     "gsh-store 2"
 *	STORE/boxes/NAME/spec.json        what it was made with
 *	STORE/boxes/NAME/gsh.conf         its own settings (conf/conf.h), if it has any
 *	STORE/boxes/NAME/project.conf     those of the project that it was started in last
 *	STORE/boxes/NAME/lock             locked by the monitor for as long as it runs; holds what a
 *	                                  client may know of it
 *	STORE/boxes/NAME/log              its monitor's log
 *	STORE/boxes/NAME/base             empty: what lies below the lowest layer of an image
 *	STORE/boxes/NAME/tree/layers/NUMBER  changes, in overlayfs' format (userxattr)
 *	STORE/boxes/NAME/tree/top/NUMBER  those of now: the layer that the sandbox writes
 *	STORE/boxes/NAME/tree/work        where copy-up stages; emptied at start
 *	STORE/boxes/NAME/...              what was done when: history.h
 *
 * Layers and work share one directory because rename(2) must work between them inside the sandbox,
 * where that directory is one mount. A sandbox appears and disappears by rename of a directory
 * whose name begins with a dot, so it is never seen in part; what a crash leaves of such a
 * directory is removed by store_sweep().
 *
 * Everything belongs to the user. Errors are -errno with a sentence in `why`.
 */
#ifndef GSHD_STORE_H
#define GSHD_STORE_H

#include "gshd/client/delete.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "gshd/client/paths.h"
#include "pal/grant.h"

struct box_spec {
	char name[64];
	char base[PATH_MAX];
	bool image; /* the lowest layer is its base; below is an empty directory of its own */
	bool ephemeral;
	int64_t created;   /* unix time */
	char hostname[65]; /* "": the name */
	char rung;	   /* 'A', 'B': take this one and no other; 0: the best there is */
	const char *settings; /* to be made with: the text of its gsh.conf, or NULL; borrowed */
	/* As directories have it, not the specification. */
	unsigned nlayers;
	char layers[GRANT_LAYERS_MAX][24]; /* below tree/, lowest first; the last is the top */
};

#define STORE_WHY 512

/* Open (make) the store's directory. A descriptor. */
int store_open(const char *path, char *why) __attribute__((warn_unused_result));
/* Remove what crashes left. 0, or the first error of what could not be removed. */
int store_sweep(int store);

/* Make a sandbox with an empty top layer. -EEXIST: there is one of that name. */
int store_create(int store, const struct box_spec *spec, char *why)
	__attribute__((warn_unused_result));
/* A client made the directory boxes/FROM, ".making-ID", with the tree's layers in it, and holds its flock: it becomes a
 * sandbox. -EEXIST; -ENOENT: it is none, or no name that may be meant. */
int store_adopt(int store, const char *from, const struct box_spec *spec, char *why)
	__attribute__((warn_unused_result));
/* Its lock is the caller's. -EEXIST. */
int store_rename(int store, const char *name, const char *to, char *why) __attribute__((warn_unused_result));
/* -ENOENT: no such sandbox. */
int store_read_spec(int store, const char *name, struct box_spec *spec, char *why)
	__attribute__((warn_unused_result));
/* What it was made with, into its directory. */
int store_write_spec(int box, const struct box_spec *spec) __attribute__((warn_unused_result));
/* Delete; the caller holds the lock or knows that no monitor runs. */
int store_remove(int store, const char *name, char *why) __attribute__((warn_unused_result));
/* Call fn for each sandbox, in the order of their names, until it returns nonzero. */
int store_each(int store, int (*fn)(const char *name, void *arg), void *arg);

/* The sandbox's directory: a descriptor. */
int store_open_box(int store, const char *name) __attribute__((warn_unused_result));
/* Write a file so that after a crash it is whole or absent (name without a slash), once the directory was synced. */
int store_write_text(int dir, const char *name, const char *text) __attribute__((warn_unused_result));
/* At most size - 1 bytes, NUL-terminated. */
int store_read_text(int dir, const char *name, char *text, size_t size) __attribute__((warn_unused_result));

/* Take the sandbox's lock: a descriptor to keep open, -EAGAIN if somebody has it. */
int store_lock(int store, const char *name) __attribute__((warn_unused_result));
/* Is it held? 1, 0 or -errno. */
int store_locked(int store, const char *name);
/* What the holder wrote into the lock file (at most size - 1 bytes, NUL-terminated), or "". */
void store_lock_text(int store, const char *name, char *text, size_t size);


#endif
