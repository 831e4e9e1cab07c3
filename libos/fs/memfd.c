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
	.save = memfd_save,
	.load = memfd_load,
};
