// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Places of the host's that are mounted as they are: each a union of one layer, and that layer is the host's.
 *
 * Others change it behind us, so names in it are good for a second, as those of the base; there are no whiteouts, and
 * nothing is staged. One that may only be read is a base without anything above it. Whether it may be written the host
 * decides (a read-only mount, Landlock); the mount's flag gives the guest the errno of a read-only file system.
 */
#include "libos/fs/union_impl.h"
#include "libos/fs/bind.h"

static struct ufs *setup(unsigned i, int fd, bool readonly)
{
	struct ufs *u = base_zalloc(sizeof(*u));

	if (!u)
		return NULL;
	u->fs.type = "bind";
	u->fs.dev = dev_make(0, 64 + i);
	u->shared = true;
	if (union_setup(u, &fd, 1, -1, NULL) < 0) {
		base_free(u);
		return NULL;
	}
	u->has_base = readonly;
	return u;
}

/* The file that the directory was given for is the root. */
static int take_file(struct ufs *u, const char *name)
{
	struct node *n;
	int r = union_lookup(u->fs.root, name, strlen(name), &n);

	if (!r)
		u->fs.root = n;
	return r;
}

int bind_open(unsigned i, const struct grant_bind *b)
{
	int fd, r, number = GRANT_FD_LAYER + (int)(pal_grant()->nlayers + i);
	char at[16];

	base_snprintf(at, sizeof(at), "%s/%u", b->flags & GRANT_BIND_RDONLY ? "ro" : "rw", i);
	fd = pal_openat(GRANT_FD_BIND, at, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0 || fd == number) /* its number was free: after an exec nothing holds it */
		return fd;
	r = pal_dup_to(fd, number);
	pal_close(fd);
	return r < 0 ? r : number;
}

struct fs *bind_create(unsigned i, int fd, const struct grant_bind *b)
{
	struct ufs *u = fd < 0 ? NULL : setup(i, fd, b->flags & GRANT_BIND_RDONLY);

	if (!u || (b->name[0] && take_file(u, b->name) < 0))
		return NULL; /* gone from the host meanwhile */
	return &u->fs;
}
