/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Layers made on the host's side: what restore, clone and import write. In the format of libos/union/union.h.
 *
 * The directory that is written is the caller's own and nobody else's yet; what is read is as hostile as ever. Functions
 * return 0 or negative errno.
 */
#ifndef GSHD_TREE_LAYER_H
#define GSHD_TREE_LAYER_H

#include <stdio.h>
#include "gshd/tree/copy.h"
#include "gshd/tree/touched.h"

/* Give an object of a layer, a file or a directory open for reading or writing, the attributes that the sandbox is to
 * see. origin: the inode number that it had, 0: its own. */
int layer_set_attr(int fd, const struct union_attr *a, uint64_t origin) tree_must_check;
/* The name is removed. */
int layer_whiteout(int dir, const char *name) tree_must_check;
/* Put what s is at a name that is not taken; of a directory no contents. Its inode number is a new one. */
int layer_put(const struct copy *c, const struct spot *s, int dir, const char *name) tree_must_check;
/* The same to lie above what s is, as the same object with the same number: what copy-up makes. */
int layer_raise(const struct copy *c, const struct spot *s, int dir, const char *name) tree_must_check;
/* Make the directory s again, to lie above it (merged) or in its stead (opaque). */
int layer_put_dir(const struct spot *s, int dir, const char *name, bool opaque) tree_must_check;
/* Make the directory is again, to lie above was, as the same object. */
int layer_put_above(const struct spot *was, const struct spot *is, int dir, const char *name) tree_must_check;
/* A directory's times, once it has its contents. */
int layer_set_times(const struct spot *s, int fd) tree_must_check;

/* A copy of a whole layer as it lies there, with all of gsh's and overlayfs' marks; data is shared where the file system
 * can. Names of one file stay so. The directory `to` is empty. A copy is younger than what it is of: when that was
 * touched first, by its number and what is written down of it, is written to `note`. */
struct layer_note {
	FILE *to;
	uint32_t layer;
	const struct touched *old;
};
int layer_copy(const struct copy *c, int from, int to, const struct layer_note *note) tree_must_check;

#endif
