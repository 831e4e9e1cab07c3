// SPDX-License-Identifier: LGPL-3.0-or-later
/* memfd: the host's memory file, seals and all; only its name is kept here, for /proc/PID/fd and
 * maps. */
#include "libos/fs/kinds.h"
#include "libos/ckpt/cursor.h"
#include "pal/base/heap.h"

static void memfd_release(struct file *f)
{
	base_free(f->priv);
}

/* Its mode is the host's to keep, where the filter lets it be changed (rung A); its owner is who made it. */
static int memfd_setattr(struct file *f, const struct attr *a)
{
	struct attr now = { 0 };
	int r = file_getattr(f, &now);

	if (r < 0)
		return r;
	if ((a->valid & ATTR_UID && a->uid != now.uid) || (a->valid & ATTR_GID && a->gid != now.gid))
		return -EPERM;
	if (a->valid & ~(ATTR_UID | ATTR_GID | ATTR_MODE))
		return -EPERM;
	return a->valid & ATTR_MODE ? pal_fchmod(f->host_fd, a->mode & 01777) : 0;
}

static void memfd_save(struct file *f, struct buf *b)
{
	put_str(b, f->priv);
}

static int memfd_load(struct file *f, struct cursor *c)
{
	const char *name = get_str(c);

	if (c->err)
		return c->err;
	f->priv = name ? base_strdup(name) : NULL;
	return name && !f->priv ? -ENOMEM : 0;
}

const struct file_ops memfd_file_ops = {
	.name = "memfd",
	.release = memfd_release,
	.setattr = memfd_setattr,
	.save = memfd_save,
	.load = memfd_load,
};
