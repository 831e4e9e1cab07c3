// SPDX-License-Identifier: LGPL-3.0-or-later
/* Attributes of a sandbox's objects as the mount shows them. */
#include "gfs/gfs.h"

void spot_attr(const struct spot *s, const struct box *b, struct stat *st)
{
	struct union_attr a;

	*st = s->st;
	st->st_ino = spot_number(s) ^ b->id << 48;
	spot_attr_inside(s, &a);
	st->st_mode = a.mode;
	/* A device is shown as an empty file. */
	if (S_ISCHR(a.mode) || S_ISBLK(a.mode)) {
		st->st_mode = S_IFREG | (a.mode & 07777);
		st->st_size = st->st_blocks = 0;
	}
	/* Several directories make up one: a count of links would be a lie, and 1 says so to
	 * find(1). */
	if (S_ISDIR(st->st_mode) && s->n > 1)
		st->st_nlink = 1;
	st->st_rdev = 0;
	st->st_uid = gfs.uid;
	st->st_gid = gfs.gid;
}
