// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Open files of the union: the host's own, opened in the layer where the object lies. Reading and writing are the
 * host's business alone.
 *
 * A file opened for reading in a lower layer stays with what it opened when the file is copied up later, as in
 * overlayfs: fstat then tells of the copy, read of the original. One opened for writing stays with its file, too, when
 * a layer is put on top: what it writes goes to that file and belongs to the op in which it was opened. priv tells the
 * layer of the descriptor (union_layer_mark).
 */
#include "libos/fs/union_impl.h"
#include "libos/fs/kinds.h"
#include "libos/ckpt/cursor.h"

bool union_file_in_top(const struct file *f)
{
	return union_mark_is_top((u32)(uintptr_t)f->priv);
}

static int host_flags(const struct file *f)
{
	return f->flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_NOATIME | O_TRUNC);
}

static int lost(int fd)
{
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
}

static int open_regular(struct unode *n, struct file *f)
{
	struct ufs *u = ufs_of(n);
	bool write = (f->flags & O_ACCMODE) != O_RDONLY || f->flags & O_TRUNC;
	unsigned layer;
	int fd = -1, r;

	if (write) {
		r = union_copy_up_open(n, host_flags(f), &fd);
		if (r < 0)
			return r;
	}
	layer = (unsigned)highest(unode_layers(n));
	if (!write)
		fd = union_opened(n, layer);
	if (fd < 0)
		fd = unode_open(n, layer, host_flags(f));
	if (fd < 0)
		return lost(fd);
	f->ops = &union_file_ops;
	f->host_fd = fd;
	f->priv = (void *)(uintptr_t)union_layer_mark(u, layer);
	if (f->flags & O_TRUNC)
		union_lose_setid(n, fd);
	return 0;
}

/* The object is in work no more by any name; what is open goes on by its descriptor. */
static int open_nameless(struct unode *n, struct file *f)
{
	int fd;

	if (n->tmp_fd < 0)
		return -ENOENT;
	fd = pal_dup(n->tmp_fd, pal_fd_free());
	if (fd < 0)
		return fd;
	f->ops = &union_file_ops;
	f->host_fd = fd;
	f->priv = (void *)(uintptr_t)union_layer_mark(ufs_of(n), ufs_of(n)->top);
	return 0;
}

/*
 * A fifo of a layer is a name; what is written and read is one in work, by its number: it stays the same when the fifo
 * is copied up, and layers below the top can't be written.
 */
#define FIFO_NAME 24

static void fifo_name(u64 ino, char name[FIFO_NAME])
{
	base_snprintf(name, FIFO_NAME, "f%lx", ino);
}

void union_fifo_new(struct unode *dir, const char *name)
{
	struct ufs *u = ufs_of(dir);
	char old[FIFO_NAME];
	struct statx st;
	struct hpath h;

	if (!u->has_base || unode_child_path(dir, name, u->top, &h))
		return;
	if (!hpath_stat(&h, &st)) {
		fifo_name(union_ino(u, &st), old);
		(void)pal_unlinkat(u->work, old, 0);
	}
	hpath_done(&h);
}

static int fifo_path(struct unode *n, struct hpath *h)
{
	struct ufs *u = ufs_of(n);
	int r;

	if (!u->has_base)
		return unode_path(n, u->top, h);
	*h = (struct hpath){ .dir = u->work };
	fifo_name(n->node.ino, h->buf);
	h->path = h->buf;
	r = pal_mknodat(u->work, h->path, S_IFIFO | 0600, 0);
	return r == -EEXIST ? 0 : r;
}

static int open_fifo(struct unode *n, struct file *f)
{
	struct hpath h;
	u32 depth;
	int fd, r = fifo_path(n, &h);

	if (r)
		return r;
	/* Waits for the other end; a signal breaks it off. */
	depth = chain_pause();
	fd = pal_openat_wait(h.dir, h.path, (f->flags & (O_ACCMODE | O_NONBLOCK)) | O_NOFOLLOW, 0);
	chain_resume(depth);
	hpath_done(&h);
	if (fd == -EINTR)
		return -ERESTARTSYS;
	if (fd < 0)
		return lost(fd);
	f->ops = &pipe_file_ops;
	f->host_fd = fd;
	return 0;
}

int union_open(struct node *node, struct file *f)
{
	struct unode *n = to_unode(node);

	if (n->gone || n->tmp_fd >= 0)
		return open_nameless(n, f);
	switch (node->mode & S_IFMT) {
	case S_IFREG:
		if (unlikely(node->flags & NODE_COVER))
			union_cover_tell(n, "");
		return open_regular(n, f);
	case S_IFDIR:
		return union_open_dir(n, f);
	case S_IFIFO:
		return open_fifo(n, f);
	case S_IFLNK:
		return -ELOOP;
	case S_IFSOCK:
		return -ENXIO;
	default:
		return -EACCES; /* as on a file system mounted nodev */
	}
}

int union_pin(struct node *node, struct file *f)
{
	struct unode *n = to_unode(node);
	unsigned layer = (unsigned)highest(unode_layers(n));
	int fd;

	if (n->gone || n->tmp_fd >= 0)
		return 0;
	fd = unode_open(n, layer, O_PATH);
	if (fd < 0)
		return lost(fd);
	f->ops = &union_pin_ops;
	f->host_fd = fd;
	f->priv = (void *)(uintptr_t)union_layer_mark(ufs_of(n), layer);
	return 0;
}

ssize_t union_readlink(struct node *node, char *buf, size_t size)
{
	struct unode *n = to_unode(node);
	char *text;
	struct hpath h;
	ssize_t len = node->link ? 0 : unode_path(n, (unsigned)highest(unode_layers(n)), &h);

	if (len < 0)
		return len;
	if (!node->link) {
		text = base_alloc(PATH_MAX_LEN);
		if (!text) {
			hpath_done(&h);
			return -ENOMEM;
		}
		len = pal_readlinkat(h.dir, h.path, text, PATH_MAX_LEN - 1);
		hpath_done(&h);
		if (len < 0) {
			base_free(text);
			return len == -EINVAL ? -ESTALE : lost((int)len);
		}
		text[len] = '\0';
		lock(&dcache_lock);
		if (!node->link) {
			node->link = base_strdup(text);
		}
		dcache_unlock();
		len = MIN((size_t)len, size);
		memcpy(buf, text, len);
		base_free(text);
		return len;
	}
	lock(&dcache_lock);
	len = MIN(strlen(node->link), size);
	memcpy(buf, node->link, len);
	dcache_unlock();
	return len;
}

/* ---- the open file ---- */

static struct unode *node_of(struct file *f)
{
	return f->path.dentry ? to_unode(path_node(&f->path)) : NULL;
}

/* Does the descriptor still stand for what the name's object is? Not if it was copied up since. */
static bool is_current(struct file *f, struct unode *n)
{
	return union_file_in_top(f) || n->gone || !unode_in_top(n);
}

static int attr_of_object(struct file *f, struct unode *n, struct attr *a)
{
	int r;

	if (!is_current(f, n)) {
		r = union_getattr_now(&n->node, a);
		if (r != -ESTALE && r != -ENOENT)
			return r;
	}
	/* Which layer of the sandbox's own makes no difference. */
	return union_fd_attr(n, f->host_fd, f->priv ? ufs_of(n)->top : 0, a);
}

static int file_attr(struct file *f, struct attr *a)
{
	struct unode *n = node_of(f);
	struct passage passage;
	struct stat st;
	int r;

	if (!n) {
		r = pal_fstat(f->host_fd, &st);
		if (!r)
			attr_from_stat(a, &st);
		return r;
	}
	if (union_fresh_take(n, a))
		return 0;
	passage = chain_enter(&n->node);
	r = attr_of_object(f, n, a);
	return (int)chain_leave(&passage, r);
}

static void file_save_top(struct file *f, struct buf *b)
{
	put_u32(b, (u32)(uintptr_t)f->priv);
}

static int file_load_top(struct file *f, struct cursor *c)
{
	f->priv = (void *)(uintptr_t)get_u32(c);
	return c->err;
}

static ssize_t file_getxattr(struct file *f, const char *name, void *value, size_t size)
{
	if (union_is_hidden_xattr(name))
		return -ENODATA;
	return pal_fgetxattr(f->host_fd, name, value, size);
}

static int file_setxattr(struct file *f, const char *name, const void *value, size_t size, int flags)
{
	struct unode *n = node_of(f);

	if (union_is_hidden_xattr(name))
		return -EPERM;
	if (union_file_in_top(f))
		return pal_fsetxattr(f->host_fd, name, value, size, flags);
	return n ? n->node.ops->setxattr(&n->node, name, value, size, flags) : -EROFS;
}

static int file_removexattr(struct file *f, const char *name)
{
	struct unode *n = node_of(f);

	if (union_is_hidden_xattr(name))
		return -EPERM;
	if (union_file_in_top(f))
		return pal_fremovexattr(f->host_fd, name);
	return n ? n->node.ops->removexattr(&n->node, name) : -EROFS;
}

static ssize_t file_listxattr(struct file *f, char *list, size_t size)
{
	return union_list_fd(f->host_fd, list, size);
}

static int file_setattr(struct file *f, const struct attr *a)
{
	struct unode *n = node_of(f);
	struct passage passage;

	if (n) {
		passage = chain_enter(&n->node);
		return (int)chain_leave(&passage, union_file_setattr(f, a));
	}
	return a->valid & ATTR_SIZE ? pal_ftruncate(f->host_fd, a->size) : -EPERM;
}

static long file_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return cmd == FIONREAD ? pal_ioctl(f->host_fd, cmd, arg) : -ENOTTY;
}

static void file_modifies(struct file *f)
{
	struct unode *n = node_of(f);
	struct passage passage;

	if (!n || !union_loses_setid(n) || !union_file_in_top(f))
		return;
	passage = chain_enter(&n->node);
	union_lose_setid(n, f->host_fd);
	(void)chain_leave(&passage, 0);
}

const struct file_ops union_file_ops = {
	.name = "union",
	.modify = file_modifies,
	.regular = true,
	.ioctl = file_ioctl,
	.lock_fd = union_lock_fd,
	.getattr = file_attr,
	.setattr = file_setattr,
	.getxattr = file_getxattr,
	.setxattr = file_setxattr,
	.listxattr = file_listxattr,
	.removexattr = file_removexattr,
	.save = file_save_top,
	.load = file_load_top,
};

const struct file_ops union_pin_ops = {
	.name = "pin",
	.getattr = file_attr,
	.save = file_save_top,
	.load = file_load_top,
};
