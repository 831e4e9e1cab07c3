/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names private to libos/vfs. */
#ifndef LIBOS_VFS_IMPL_H
#define LIBOS_VFS_IMPL_H

#include "libos/vfs/vfs.h"

/* ---- name.c: a name in its directory, about to change ---- */
struct place {
	struct walk w;		/* the parent and the last component */
	struct dentry *d;	/* the last component, counted; NULL with w.last_dots */
	struct node *dir, *node; /* theirs; node NULL: nothing there */
};
int place_find(int dirfd, const char *path, struct place *p);
void place_put(struct place *p);
int place_stale(struct place *p, int r); /* r; if it is -ESTALE the cached names are forgotten */
int may_create(const struct place *p);
int may_delete(const struct place *p, bool is_dir);

/* ---- dentry.c ---- */
/* The cached child, out of date or not; NULL: none. Caller holds dcache_lock. */
struct dentry *dentry_peek(struct dentry *dir, const char *name, size_t len);
/* Another picoprocess moved d to name in `to`. */
void dentry_follow(struct dentry *d, struct dentry *to, const char *name);

/* Walks the cached names, in general those first that were looked up first; NULL begins, NULL ends. Caller holds
 * dcache_lock. */
struct dentry *dentry_older(const struct dentry *d);
bool dentry_is_current(const struct dentry *d); /* cached, and not out of date. Caller holds dcache_lock */
bool dentry_has_aged(const struct dentry *d);	 /* cached, and out of date for its age only. The same */
/* A name that was known before (keep.c) into the cache; takes node's count. Not counted; NULL: no memory. */
struct dentry *dentry_recall(struct dentry *dir, const char *name, size_t len, struct node *node, u32 generation,
			     u32 checked);

/* ---- keep.c ---- */
int names_recall(struct cursor *c); /* those of mount_keep, the root being mounted */

/* ---- stub.c ---- */
struct node *stub_create(struct fs *fs, u32 number); /* an empty directory; NULL: no memory */

/* ---- moves.c ---- */
/* Tell the others that a directory was renamed; absolute paths from the sandbox's root. */
void moves_record(u64 ino, const char *from, const char *to);
/* Take in what others told. */
void moves_apply(void);

/* ---- gone.c: directories that were removed while somebody stands in them ---- */
bool gone_dir(const struct path *p, int err); /* does err, of a call on p's node, say that? */
int gone_attr(const struct path *p, struct attr *a); /* 0 */
/* Such a directory made again from its attributes, as name below at, which then is it. */
int gone_make(struct path *at, const char *name, const struct attr *a);

#endif
