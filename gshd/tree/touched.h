/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * When a sandbox first touched an object of the host.
 *
 * The birth of the object in the layer that decides about it tells, and the change time of a whiteout. Where layers are
 * joined, an object may come from the highest of them, a whiteout gets another name, and directories are made anew: what
 * that would move to a later time is written down first, in BOX/touched/NUMBER, by the number of the joined layer.
 *
 *	SECONDS.NANOSECONDS PATH NUL	the path as seen from the root, "/d/f"; one of several for a path: the earliest
 */
#ifndef GSHD_TREE_TOUCHED_H
#define GSHD_TREE_TOUCHED_H

#include <stdio.h>
#include <sys/stat.h>
#include "gshd/tree/tree.h"

/* What was written down of some layers, sorted. */
struct touched {
	struct touched_at {
		uint32_t layer;
		const char *path;
		struct statx_timestamp when;
	} *at;
	size_t n;
	char *text[TREE_LAYERS_MAX];
	unsigned ntext;
};

bool touched_before(const struct statx_timestamp *a, const struct statx_timestamp *b);
/* Add what is written down of a layer; 0 too if that is nothing. touched_sort() before it is asked. */
int touched_load(struct touched *t, int box, uint32_t layer) tree_must_check;
void touched_sort(struct touched *t);
void touched_free(struct touched *t);

/* When the object `name` of a layer's directory came there; path: its whole path, to look it up. False: the file system
 * does not tell. x: what the host says of it. */
bool touched_object(const struct touched *t, uint32_t layer, const char *path, const struct statx *x,
		    struct statx_timestamp *when);
/* The first touch of a path in all layers of a tree above its base. False: no layer decides about it, or it is not
 * known. */
bool touched_first(const struct touched *t, const struct tree *now, const char *path, struct statx_timestamp *when);

void touched_write(FILE *f, const char *path, const struct statx_timestamp *when);

#endif
