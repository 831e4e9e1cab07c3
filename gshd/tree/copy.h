/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a sandbox wrote, copied to the host.
 *
 * The tree may change under the copy and may be made to harm who copies it. Nothing is created but by a name in an open
 * directory, nothing is followed on either side, and a file takes its place by rename(2) when it is whole. Set-user-ID and
 * set-group-ID bits, owners and devices stay inside.
 *
 * Functions return 0 or negative errno.
 */
#ifndef GSHD_TREE_COPY_H
#define GSHD_TREE_COPY_H

#include <signal.h>
#include "gshd/tree/tree.h"

enum {
	COPY_RECURSIVE = 1,
	COPY_ATTRS = 2,	   /* mode, times, user.* attributes as they are; else by the umask and now */
	COPY_SET_ID = 4,   /* set-ID bits, too */
};

struct copy {
	unsigned flags;
	/* Not 0: give up, with -EINTR; may be NULL. A signal's handler may set it. */
	const volatile sig_atomic_t *stop;
	/* So much was done; may be NULL. */
	void (*step)(uint64_t files, uint64_t bytes, void *arg);
	/* This could not be copied: the copy goes on, and ends with -EIO. name: of the object in its directory. -EDEADLK: it is
	 * the directory that is copied to. */
	void (*lost)(const char *name, int err, void *arg);
	void *arg;
};

/* Copy what s is to `name` in dir, over a file or into a directory that is there. */
int copy_spot(const struct copy *c, const struct spot *s, int dir, const char *name) tree_must_check;
/* Make one object, no directory's contents, at a name that is not taken yet. */
int copy_one(const struct copy *c, const struct spot *s, int dir, const char *name) tree_must_check;
/* All bytes of one file to another, holes left out, by the file system itself where it can. */
int copy_data(const struct copy *c, int from, int to, off_t size) tree_must_check;
/* The mode of what was just made there, by what is open and not by name: where a sandbox may write, too (its layers,
 * Bind=), it can put a link in its place, and chmod(2) would follow that to the host. -ESTALE: it did. */
int copy_node_mode(int dir, const char *name, mode_t type, mode_t mode) tree_must_check;
/* A name in dir that is not taken, for staging. */
void copy_stage_name(char name[32]);
/* Is it one that was made so? */
bool copy_is_stage_name(const char *name);

#endif
