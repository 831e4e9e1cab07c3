// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /dev/shm: the union of one layer, on the host's tmpfs that the grant supplies. Nothing lies below it, so there are no
 * whiteouts, and nothing is staged.
 */
#include "libos/fs/union_impl.h"

struct fs *tmpfs_create(struct cursor *kept)
{
	static struct ufs u = {
		.fs = { .type = "tmpfs", .dev = dev_make(0, 41), .magic = TMPFS_MAGIC },
		.root_mode = S_IFDIR | S_ISVTX | 0777,
	};
	int layer = GRANT_FD_SHM;

	return union_setup(&u, &layer, 1, -1, kept) < 0 ? NULL : &u.fs;
}
