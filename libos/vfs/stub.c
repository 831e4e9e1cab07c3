// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Directories that no file system has, to be mounted on: the base of a sandbox need not have /proc or /dev/shm. They
 * are empty and belong to root.
 */
#include "libos/vfs/impl.h"
#include "pal/base/heap.h"

static int stub_getattr(struct node *n, struct attr *a)
{
	*a = (struct attr){ .ino = n->ino, .dev = n->fs->dev, .mode = n->mode, .nlink = 2, .blksize = PAGE_SIZE };
	return 0;
}

static int stub_lookup(struct node *dir, const char *name, size_t len, struct node **out)
{
	return -ENOENT;
}

static void stub_release(struct node *n)
{
	base_free(n);
}

static const struct node_ops stub_ops = {
	.lookup = stub_lookup,
	.getattr = stub_getattr,
	.release = stub_release,
};

struct node *stub_create(struct fs *fs, u32 number)
{
	struct node *n = base_zalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->refs = 1;
	n->mode = S_IFDIR | 0755; /* a file is covered as well */
	n->ops = &stub_ops;
	n->fs = fs;
	n->flags = NODE_ATTR;
	n->ino = 1ull << 62 | number;
	return n;
}
