/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What host and sandbox had in common: the text of a file as it was before either changed it, without which two changes
 * cannot be merged.
 *
 * Nothing on the way of a program that writes pays for it. After each op the monitor looks at the files of the host that
 * the op's layer replaces (gshd/monitor/keep.c), and what is small and text is copied, if the host has not changed it since the
 * sandbox first touched it; it does not matter how the file was changed inside, be it in place or by a rename. A commit
 * keeps what it puts on the host, for that is what both have in common from then on.
 *
 *	BOX/common/HASH-N	the 40 first digits of the SHA-256 of the path; 0, or the number of a commit
 *
 * A file begins with a line of JSON: {"schema":"gsh.common/1","path":.., "mode":.., "changed":[seconds, nanoseconds],
 * "kept":[..]}: the change time of the host's file and when it was read. So it is known whether it is what the host had
 * when the sandbox first touched it: the one is before that, the other is not.
 *
 * What is missing costs a merge, never a file. Functions return 0 or negative errno.
 */
#ifndef GSHD_TREE_COMMON_H
#define GSHD_TREE_COMMON_H

#include "gshd/tree/touched.h"

#define COMMON_FILE_MAX ((off_t)1 << 20)
#define COMMON_ALL_MAX ((uint64_t)64 << 20) /* of a sandbox */

struct common {
	int box;		 /* borrowed */
	int dir;		 /* BOX/common; owned */
	uint64_t size;		 /* of all that is kept */
	const struct touched *touched; /* borrowed */
	const struct tree *now;	       /* borrowed */
};

/* Open (make) it. touched and now are for common_keep() and common_find(). */
int common_open(struct common *c, int box, const struct touched *touched, const struct tree *now) tree_must_check;
void common_close(struct common *c);

/* Keep what the host has at path (a base file's), if it can be of use. */
int common_keep(struct common *c, const char *path) tree_must_check;
/* Keep the contents of a file that commit number N leaves in common; an older one of that number goes, in any case. */
int common_put(struct common *c, unsigned number, const char *path, int fd, uint32_t mode) tree_must_check;
/* What both had after commit `number` (0: at the first touch): a descriptor. -ENOENT: it is not known. */
int common_find(const struct common *c, unsigned number, const char *path, uint32_t *mode) tree_must_check;
/* Drop what no layer of `now` decides about. */
int common_sweep(struct common *c) tree_must_check;

#endif
