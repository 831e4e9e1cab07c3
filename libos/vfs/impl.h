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

#endif
