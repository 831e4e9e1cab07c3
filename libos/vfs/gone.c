// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A directory that was removed while somebody stands in it, or has it open. It has no place any more that a file system
 * could be asked about, but it can still be opened, looked at and left: it is empty, and nothing can be made in it.
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/file.h"
#include "pal/base/heap.h"

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

/* ---- one that another process knew ---- */

static int lost_getattr(struct node *n, struct attr *a)
{
	return -ESTALE;
}

static int lost_lookup(struct node *dir, const char *name, size_t len, struct node **out)
{
	return -ENOENT;
}

static int lost_open(struct node *n, struct file *f)
{
	return -ESTALE;
}

static void lost_release(struct node *n)
{
	base_free(n);
}

static const struct node_ops lost_node_ops = {
	.lookup = lost_lookup,
	.getattr = lost_getattr,
	.open = lost_open,
	.release = lost_release,
};

int gone_make(struct path *at, const char *name, const struct attr *a)
{
	struct node *n = base_zalloc(sizeof(*n));
	struct dentry *d;

	if (!n)
		return -ENOMEM;
	*n = (struct node){
		.refs = 1,
		.mode = a->mode,
		.ops = &lost_node_ops,
		.fs = path_node(at)->fs,
		.ino = a->ino,
		.flags = NODE_ATTR,
		.uid = a->uid,
		.gid = a->gid,
	};
	d = dentry_unlinked(at->dentry, name, n);
	if (IS_ERR(d))
		return PTR_ERR(d);
	dentry_put(at->dentry);
	at->dentry = d;
	return 0;
}
