/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Changes of a sandbox's tree from the host's side: what a write through the mount does to the layers, by the rules that
 * the libOS follows inside (libos/union/union.h). What lies below the top is copied up, what is removed is hidden.
 *
 *	change.c	copy-up; new objects
 *	change_remove.c	unlink, rmdir
 *	change_rename.c	rename
 *	change_attr.c	modes, times, extended attributes
 *
 * Processes inside may be at work on the same layers: each step is one host call, or is made in `work` and put in place
 * by one, or is done under the lock that they take, too. A crash at any point leaves nothing half done in the tree. The
 * caller sees to it that no layer is put on the top meanwhile (gshd/store/pens.c).
 *
 * Paths are from the root, without a slash ahead; "" is the root. Functions return 0 or negative errno.
 */
#ifndef GSHD_TREE_CHANGE_H
#define GSHD_TREE_CHANGE_H

#include "gshd/tree/tree.h"

struct change {
	const struct tree *tree; /* its top is written */
	int work;		 /* where objects are made, on the top's file system */
	/* The name in dir leads elsewhere now. */
	void (*told)(const struct change *c, const struct spot *dir, const char *name);
	void *arg; /* told's */
};

/* ---- change.c ---- */
/* Find what is to be written to: with a directory's own part in the top, or copied up with its data. */
int change_dir(const struct change *c, const char *path, struct spot *out) tree_must_check;
int change_object(const struct change *c, const char *path, struct spot *out) tree_must_check;
/* Make a file and open it (flags: as open(2)'s): a descriptor, -EEXIST. */
int change_create(const struct change *c, const char *dir, const char *name, mode_t mode, int flags) tree_must_check;
int change_mkdir(const struct change *c, const char *dir, const char *name, mode_t mode) tree_must_check;
int change_symlink(const struct change *c, const char *dir, const char *name, const char *target) tree_must_check;
/* Fifos and sockets. */
int change_mknod(const struct change *c, const char *dir, const char *name, mode_t mode) tree_must_check;
/* Another name for the object `name` of a directory. */
int change_link(const struct change *c, const char *from, const char *name, const char *dir,
		const char *as) tree_must_check;

/* ---- change_remove.c ---- */
int change_unlink(const struct change *c, const char *dir, const char *name) tree_must_check;
int change_rmdir(const struct change *c, const char *dir, const char *name) tree_must_check;

/* ---- change_rename.c ---- */
/* flags: renameat2(2)'s, without RENAME_WHITEOUT. */
int change_rename(const struct change *c, const char *from, const char *name, const char *to, const char *as,
		  unsigned flags) tree_must_check;

/* ---- change_attr.c ---- */
/* s lies in the top. */
int change_mode(const struct spot *s, mode_t mode) tree_must_check;
/* It was written to by whoever takes set-id bits away by that. */
int change_lose_setid(const struct spot *s) tree_must_check;
int change_times(const struct spot *s, const struct timespec times[2]) tree_must_check;
int change_setxattr(const struct spot *s, const char *name, const void *value, size_t size, int flags) tree_must_check;
int change_removexattr(const struct spot *s, const char *name) tree_must_check;

/* ---- for these files ---- */
/* The directory of the top that s is of: borrowed. */
static inline int change_top(const struct spot *s)
{
	return s->at[0].fd;
}
static inline bool change_in_top(const struct spot *s)
{
	return s->at[0].layer == s->tree->n - 1;
}
/* Does a layer below the top show this name? 0, 1 or -errno. */
int change_below(const struct spot *dir, const char *name);
bool change_is_whiteout(int dir, const char *name);
/* Has the top's own directory this name? One of several names of a file may lie in the top by its index alone. */
bool change_has(const struct spot *dir, const char *name);
/* Then it gets the name, which is to be moved or linked. */
int change_own_name(const struct spot *dir, const char *name, const struct spot *s);
/* What is staged goes. */
void change_drop(const struct change *c, const char *stage);
/* The lock of what takes several steps: a descriptor to be closed. */
int change_lock(const struct change *c) tree_must_check;
/* -ENOTEMPTY: something shows in the directory. */
int change_check_empty(const struct spot *s) tree_must_check;
/* Remove a staged directory that holds nothing but whiteouts. */
int change_clear(const struct change *c, const char *stage) tree_must_check;
/* Have look-ups read what the directory says of itself. */
int change_mark(const struct spot *dir) tree_must_check;

#endif
