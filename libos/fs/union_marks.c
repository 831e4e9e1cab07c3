// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What a directory of a layer says about itself: opaque, redirected, and attributes of its own (union/union.h). By its
 * name, where the host has a call for that; else it is opened.
 */
#include "libos/fs/union_impl.h"

static void take_dir_marks(struct union_entry *e, bool opaque, char *redirect, ssize_t size)
{
	e->opaque = opaque;
	if (!opaque && size > 0 && union_redirect_valid(redirect, size)) {
		redirect[size] = '\0';
		e->redirected = true;
	}
}

/* By its name. False: it has to be opened. */
static bool read_dir_marks_at(struct unode *n, const struct hpath *h, const struct statx *st, struct union_entry *e,
			      char *value)
{
	char y;
	ssize_t opaque = pal_getxattrat(h->dir, h->path, UNION_OPAQUE, &y, 1), size = -ENODATA;

	if (opaque != -ENODATA && opaque != 1)
		return false;
	if (opaque != 1 || y != 'y')
		size = pal_getxattrat(h->dir, h->path, UNION_REDIRECT, value, UNION_REDIRECT_MAX - 1);
	if ((size < 0 && size != -ENODATA) ||
	    (n && union_is_marked(st->stx_mode) && !union_read_over_at(n, h, st)))
		return false;
	take_dir_marks(e, opaque == 1 && y == 'y', value, size);
	return true;
}

int union_read_dir_marks(struct unode *n, const struct hpath *h, const struct statx *st, struct union_entry *e,
			 char **at)
{
	char *value = *at ?: base_alloc(UNION_REDIRECT_MAX);
	bool opaque;
	char y;
	int fd;

	if (!value)
		return -ENOMEM;
	*at = value;
	if (read_dir_marks_at(n, h, st, e, value))
		return 0;
	fd = hpath_open(h, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -EACCES)
		union_split_mark(n, st, e, value);
	if (fd < 0)
		return 0;
	opaque = pal_fgetxattr(fd, UNION_OPAQUE, &y, 1) == 1 && y == 'y';
	take_dir_marks(e, opaque, value, pal_fgetxattr(fd, UNION_REDIRECT, value, UNION_REDIRECT_MAX - 1));
	if (n && union_is_marked(st->stx_mode))
		union_read_over(n, fd, st);
	pal_close(fd);
	return 0;
}
