// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A directory that was removed while somebody stands in it, or has it open. It has no place any more that a file system
 * could be asked about, but it can still be opened, looked at and left: it is empty, and nothing can be made in it.
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/file.h"

bool gone_dir(const struct path *p, int err)
{
	return (err == -ESTALE || err == -ENOENT) && p->dentry && p->dentry->unlinked && S_ISDIR(path_node(p)->mode);
}

int gone_attr(const struct path *p, struct attr *a)
{
	const struct node *n = p->dentry ? path_node(p) : NULL;

	*a = (struct attr){ .mode = S_IFDIR | 0755, .blksize = PAGE_SIZE };
	if (n) {
		a->ino = n->ino;
		a->dev = n->fs->dev;
		a->mode = n->mode;
		a->uid = n->uid;
		a->gid = n->gid;
	}
	pal_clock_gettime(CLOCK_REALTIME_COARSE, &a->ctime);
	a->atime = a->mtime = a->ctime;
	return 0;
}

static ssize_t gone_read(struct file *f, void *buf, size_t n)
{
	return -EISDIR;
}

static s64 gone_lseek(struct file *f, s64 off, int whence)
{
	return off < 0 ? -EINVAL : off;
}

/* fs/readdir.c: a dead directory says so. */
static ssize_t gone_getdents(struct file *f, void *buf, size_t size)
{
	return -ENOENT;
}

static int gone_fsync(struct file *f, bool data_only)
{
	return 0;
}

static int gone_getattr(struct file *f, struct attr *a)
{
	return gone_attr(&f->path, a);
}

const struct file_ops gone_dir_ops = {
	.name = "gone",
	.read = gone_read,
	.lseek = gone_lseek,
	.getdents = gone_getdents,
	.fsync = gone_fsync,
	.getattr = gone_getattr,
};
