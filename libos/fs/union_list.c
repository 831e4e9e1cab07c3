// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Open directories.
 *
 * A directory of one layer is read from the host as it comes, with inode numbers made the sandbox's own. A merged one
 * is read whole at the first read, and again after a rewind: a snapshot, in which offsets are ordinals. They are kept
 * as the offset of the host's descriptor, which is the highest layer's directory and otherwise unread: so it is
 * shared over fork.
 *
 * Two threads that read through one descriptor are kept apart by file.lock, as Linux keeps them by f_pos_lock.
 */
#include "libos/fs/union_impl.h"
#include "libos/coord/area.h"
#include "libos/ckpt/cursor.h"

#define READ_SIZE 32768
#define OFF_FIRST 2 /* ordinals 0 and 1 are "." and ".." */

/* What an open directory keeps: file.priv. */
struct udir {
	bool snapshot;		/* else the host's own listing is passed on */
	bool filled;
	bool impure;
	unsigned layer;		/* of host_fd */
	u32 epoch;		/* when `impure` was read: joining layers makes directories so */
	struct union_list list;
	u64 dev[GRANT_LAYERS_MAX]; /* device of the directory in each layer, 0: not asked yet */
};

/* ---- reading layers ---- */

static bool shown_in(const struct unode *n, unsigned layer)
{
	return !(n->hollow && layer == 0);
}

static int add_read(struct union_list *list, const struct unode *dir, unsigned layer, const char *buf, ssize_t n)
{
	bool ours = layer_ours(ufs_of(dir), layer), root = !dir->parent;

	for (ssize_t at = 0; at < n;) {
		const struct linux_dirent64 *e = (const struct linux_dirent64 *)(buf + at);

		at += e->d_reclen;
		if (root && ours && union_is_links(e->d_name, strlen(e->d_name)))
			continue;
		if (union_list_add(list, layer, e->d_name, e->d_type, e->d_ino, e->d_type == DT_CHR && ours))
			return -ENOMEM;
	}
	return 0;
}

static int add_entries(struct union_list *list, const struct unode *dir, unsigned layer, int fd, char *buf)
{
	ssize_t n;
	int r = 0;

	while (!r && (n = pal_getdents(fd, buf, READ_SIZE)) != 0)
		r = n < 0 ? (int)n : add_read(list, dir, layer, buf, n);
	return r;
}

/* Where the rung lets nobody open the base's root (it rules on its entries one by one), the layer's own descriptor
 * lists it; its offset is shared by the whole sandbox. */
static int read_layer_root(const struct unode *root, struct union_list *list, unsigned layer, char *buf)
{
	const struct ufs *u = ufs_of(root);
	int r, held = work_lock(u);

	if (held < 0)
		return held;
	r = (int)pal_lseek(layer_fd(u, layer), 0, SEEK_SET);
	if (!r)
		r = add_entries(list, root, layer, layer_fd(u, layer), buf);
	work_unlock(held);
	return r;
}

static int read_layer(struct unode *n, struct union_list *list, unsigned layer, char *buf)
{
	int r, fd = unode_open(n, layer, O_RDONLY | O_DIRECTORY);

	if (fd == -EACCES && !n->parent && !the_area->split_on)
		return read_layer_root(n, list, layer, buf);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || union_blind(ufs_of(n), layer, fd) ? 0 : fd;
	r = add_entries(list, n, layer, fd, buf);
	pal_close(fd);
	return r;
}

int union_read_some(struct unode *n, unsigned layer, struct union_list *list)
{
	char *buf = base_alloc(READ_SIZE);
	int fd = buf ? unode_open(n, layer, O_RDONLY | O_DIRECTORY) : -ENOMEM;
	ssize_t r = fd;

	if (fd >= 0) {
		r = pal_getdents(fd, buf, READ_SIZE);
		if (r > 0)
			r = add_read(list, n, layer, buf, r);
		pal_close(fd);
	}
	base_free(buf);
	return (int)r;
}

int union_read_names(struct unode *n, struct union_list *list)
{
	char *buf = base_alloc(READ_SIZE);
	u64 layers = unode_layers(n);
	int r = 0;

	if (!buf)
		return -ENOMEM;
	for (; layers && !r; layers &= ~(1ull << highest(layers)))
		if (shown_in(n, (unsigned)highest(layers)))
			r = read_layer(n, list, (unsigned)highest(layers), buf);
	base_free(buf);
	return r;
}

/* ---- inode numbers ---- */

/* What name, in one of our own layers, says of the number it had before. 0: nothing. */
static u64 noted_ino(struct unode *dir, unsigned layer, const char *name)
{
	char value[UNION_VALUE_MAX];
	struct node *n;
	struct hpath h;
	ssize_t size;
	u64 ino = 0;

	if (unode_child_path(dir, name, layer, &h))
		return 0;
	size = pal_getxattrat(h.dir, h.path, UNION_ORIGIN, value, sizeof(value));
	hpath_done(&h);
	if (size == -ENODATA)
		return 0;
	if (size > 0)
		return union_origin_decode(value, size, &ino) ? 0 : ino;

	if (!union_lookup(&dir->node, name, strlen(name), &n)) {
		ino = n->ino;
		node_put(n);
	}
	return ino;
}

/* The device of a directory is not that of its neighbours in other layers; entries are on their directory's device but
 * for mount points, where Linux, too, shows the number of what is covered. */
static u64 layer_dev(struct unode *n, struct udir *d, unsigned layer)
{
	u64 *dev = d->dev;
	struct hpath h;
	struct statx st;

	if (!dev[layer] && !unode_path(n, layer, &h)) {
		if (!hpath_stat(&h, &st))
			dev[layer] = statx_dev(&st);
		hpath_done(&h);
	}
	return dev[layer];
}

static u64 entry_ino(struct unode *dir, struct udir *d, const struct union_name *e, const char *name)
{
	u64 ino = 0;

	if (layer_ours(ufs_of(dir), e->layer) && (e->twice || d->impure) && (e->type == DT_REG || e->type == DT_DIR))
		ino = noted_ino(dir, e->layer, name);
	return ino ? ino : union_fold_ino(e->ino, layer_dev(dir, d, e->layer), ufs_of(dir)->main_dev);
}

static u64 parent_ino(const struct unode *n)
{
	return n->parent ? n->parent->node.ino : n->node.ino;
}

/* ---- open, close ---- */

static struct unode *node_of(struct file *f)
{
	return f->path.dentry ? to_unode(path_node(&f->path)) : NULL;
}

static bool is_impure(struct unode *n, int fd, unsigned layer)
{
	char y;

	return layer_ours(ufs_of(n), layer) && pal_fgetxattr(fd, UNION_IMPURE, &y, 1) == 1;
}

int union_open_dir(struct unode *n, struct file *f)
{
	struct ufs *u = ufs_of(n);
	u64 layers = unode_layers(n);
	unsigned layer = (unsigned)highest(layers);
	struct udir *d = base_zalloc(sizeof(*d));
	bool blind;
	int fd;

	if (!d)
		return -ENOMEM;
	d->layer = layer;
	d->snapshot = (layers & (layers - 1)) || (n->hollow && layer == 0) || (!n->parent && u->has_base) ||
		      (f->path.dentry && mount_name_below(f->path.dentry, 0));
	fd = unode_open(n, layer, O_RDONLY | O_DIRECTORY);
	if (fd == -EACCES && !n->parent && !the_area->split_on) /* see read_layer_root */
		fd = unode_open(n, layer, O_PATH | O_DIRECTORY);
	blind = union_blind(u, layer, fd);
	if (blind) {
		d->snapshot = true;
		fd = host_fd_move(pal_memfd("dir", 0)); /* what keeps the place in the list */
	}
	if (fd < 0) {
		base_free(d);
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
	}
	d->impure = !blind && is_impure(n, fd, layer);
	d->epoch = u->epoch;
	f->ops = &union_dir_ops;
	f->host_fd = fd;
	f->priv = d;
	if (!blind)
		unode_dir_opened(n, layer, fd);
	return 0;
}

static void dir_release(struct file *f)
{
	struct udir *d = f->priv;
	struct unode *n = node_of(f);

	if (n)
		unode_dir_closed(n, f->host_fd);
	if (d)
		union_list_free(&d->list);
	base_free(d);
}

/* ---- reading ---- */

struct filler {
	char *buf;
	size_t size, used;
};

static bool put_entry(struct filler *fl, const char *name, size_t len, u8 type, u64 ino, s64 next)
{
	size_t reclen = ALIGN_UP(offsetof(struct linux_dirent64, d_name) + len + 1, 8);
	struct linux_dirent64 *e = (struct linux_dirent64 *)(fl->buf + fl->used);

	if (fl->used + reclen > fl->size)
		return false;
	e->d_ino = ino;
	e->d_off = next;
	e->d_reclen = (u16)reclen;
	e->d_type = type;
	memcpy(e->d_name, name, len);
	memset(e->d_name + len, 0, reclen - offsetof(struct linux_dirent64, d_name) - len);
	fl->used += reclen;
	return true;
}

/* Directories that are mounted on but exist in no layer. */
static int add_mount_points(struct file *f, struct union_list *list)
{
	const char *name;

	for (unsigned i = 0; (name = mount_name_below(f->path.dentry, i)); i++)
		if (union_list_add(list, 0, name, DT_DIR, 1ull << 62 | i, false))
			return -ENOMEM;
	return 0;
}

static int fill(struct file *f, struct udir *d, struct unode *n)
{
	int r;

	if (d->filled)
		return 0;
	if (d->epoch != ufs_of(n)->epoch) {
		d->epoch = ufs_of(n)->epoch;
		d->impure = is_impure(n, f->host_fd, d->layer);
	}
	union_list_free(&d->list);
	r = union_read_names(n, &d->list);
	if (!r)
		r = add_mount_points(f, &d->list);
	d->filled = !r;
	return r;
}

static ssize_t snapshot_getdents(struct file *f, struct udir *d, struct unode *n, struct filler *fl)
{
	s64 pos = pal_lseek(f->host_fd, 0, SEEK_CUR);
	int r = pos < 0 ? (int)pos : fill(f, d, n);
	bool room = true;

	if (r < 0)
		return r;
	if (pos == 0)
		room = put_entry(fl, ".", 1, DT_DIR, n->node.ino, 1);
	pos += pos == 0 && room;
	if (room && pos == 1)
		room = put_entry(fl, "..", 2, DT_DIR, parent_ino(n), OFF_FIRST);
	pos += pos == 1 && room;
	while (room && pos >= OFF_FIRST && pos - OFF_FIRST < (s64)d->list.count) {
		const struct union_name *e = &d->list.names[pos - OFF_FIRST];
		const char *name = union_list_text(&d->list, e);

		if (!e->hidden)
			room = put_entry(fl, name, e->len, e->type, entry_ino(n, d, e, name), pos + 1);
		pos += room;
	}
	pos = pal_lseek(f->host_fd, pos, SEEK_SET);
	if (pos < 0)
		return pos;
	return fl->used || room ? (ssize_t)fl->used : -EINVAL;
}

/* What the libOS itself keeps on the sandbox's tmpfs (inotify's fifos, names of sockets) is not the guest's to see. */
static bool is_own_note(const struct unode *n, const char *name)
{
	return name[0] == '.' && !strncmp(name, ".gsh-", 5) && n->node.fs->magic == TMPFS_MAGIC;
}

/* By directory and name, some bits of the hash of what was listed as a regular file of the base alone. */
static u8 listed[4096] PAL_SPARSE;

static u8 *listed_place(const struct unode *dir, const char *name, u8 *tag)
{
	u32 h = union_name_hash(name, strlen(name)) ^ (u32)dir->node.ino * 0x9e3779b9u;

	*tag = (u8)(h >> 24) | 1;
	return &listed[h % sizeof(listed)];
}

bool union_listed_regular(const struct unode *dir, const char *name)
{
	u8 tag, *place = listed_place(dir, name, &tag);

	return *place == tag;
}

static void note_listed(const struct unode *dir, const char *name)
{
	u8 tag, *place = listed_place(dir, name, &tag);

	*place = tag;
}

/* The host's own entries, numbers made ours, whiteouts left out. In place. */
static ssize_t fix_entries(struct unode *n, struct udir *d, char *buf, ssize_t size)
{
	bool ours = layer_ours(ufs_of(n), d->layer), base = !ours && !ufs_of(n)->shared;
	ssize_t in = 0, out = 0;

	while (in < size) {
		struct linux_dirent64 *e = (struct linux_dirent64 *)(buf + in);
		size_t reclen = e->d_reclen;
		struct union_name name = { .ino = e->d_ino, .layer = (u8)d->layer, .type = e->d_type };

		in += (ssize_t)reclen;
		if ((e->d_type == DT_CHR && ours) || is_own_note(n, e->d_name))
			continue;
		if (!strcmp(e->d_name, "."))
			e->d_ino = n->node.ino;
		else if (!strcmp(e->d_name, ".."))
			e->d_ino = parent_ino(n);
		else
			e->d_ino = entry_ino(n, d, &name, e->d_name);
		if (base && e->d_type == DT_REG)
			note_listed(n, e->d_name);
		memmove(buf + out, e, reclen);
		out += (ssize_t)reclen;
	}
	return out;
}

static ssize_t stream_getdents(struct file *f, struct udir *d, struct unode *n, struct filler *fl)
{
	ssize_t r;

	do {
		r = pal_getdents(f->host_fd, fl->buf, fl->size);
		if (r > 0)
			fl->used = r = fix_entries(n, d, fl->buf, r);
		else
			return r;
	} while (!r);
	return r;
}

static ssize_t read_entries(struct file *f, struct unode *n, void *buf, size_t size)
{
	struct udir *d = f->priv;
	struct filler fl = { .buf = buf, .size = size };
	ssize_t r;

	/* Layers went since it was found: is it still there? */
	if (n->epoch != ufs_of(n)->epoch)
		(void)dentry_refresh(f->path.dentry);
	if (n->gone || f->path.dentry->unlinked || n->epoch != ufs_of(n)->epoch)
		return -ENOENT;
	lock(&f->lock);
	r = d->snapshot ? snapshot_getdents(f, d, n, &fl) : stream_getdents(f, d, n, &fl);
	unlock(&f->lock);
	return r;
}

static ssize_t dir_getdents(struct file *f, void *buf, size_t size)
{
	struct unode *n = node_of(f);
	struct passage passage;

	if (!n)
		return pal_getdents(f->host_fd, buf, size);
	passage = chain_enter(&n->node);
	return chain_leave(&passage, read_entries(f, n, buf, size));
}

/* Back at the beginning, the directory is what it is by then: more layers, perhaps. */
static void rewind_dir(struct udir *d, struct unode *n)
{
	u64 layers = unode_layers(n);

	d->filled = false;
	if (layers & (layers - 1))
		d->snapshot = true;
}

static s64 dir_lseek(struct file *f, s64 off, int whence)
{
	struct udir *d = f->priv;
	struct unode *n;
	s64 r;

	/* Another process may have given it a layer since it was found. */
	if (whence == SEEK_SET && off == 0 && f->path.dentry)
		(void)dentry_refresh(f->path.dentry);
	n = node_of(f);
	lock(&f->lock);
	if (n && whence == SEEK_SET && off == 0)
		rewind_dir(d, n);
	r = n && d->snapshot && whence == SEEK_END ? -EINVAL : pal_lseek(f->host_fd, off, whence);
	unlock(&f->lock);
	return r;
}

static ssize_t dir_read(struct file *f, void *buf, size_t n)
{
	return -EISDIR;
}

static ssize_t dir_pread(struct file *f, void *buf, size_t n, u64 off)
{
	return -EISDIR;
}

static int dir_mmap(struct file *f, int prot, int flags, u64 *off)
{
	return -ENODEV;
}

static int attr_of_dir(struct file *f, const struct udir *d, struct unode *n, struct attr *a)
{
	int r;

	if (!n->gone) {
		r = union_getattr_now(&n->node, a);
		if (r != -ESTALE)
			return r;
	}
	r = union_fd_attr(n, f->host_fd, d->layer, a);
	if (!r)
		a->nlink = 0;
	return r;
}

static int dir_getattr(struct file *f, struct attr *a)
{
	struct udir *d = f->priv;
	struct unode *n = node_of(f);
	struct passage passage;
	int r;

	if (!n)
		return -EBADF;
	passage = chain_enter(&n->node);
	r = attr_of_dir(f, d, n, a);
	return (int)chain_leave(&passage, r);
}

/* ---- across exec ---- */

static void dir_save(struct file *f, struct buf *b)
{
	struct udir *d = f->priv;

	put_u32(b, d->layer);
	put_u32(b, d->snapshot);
	put_u32(b, d->impure);
}

static int dir_load(struct file *f, struct cursor *c)
{
	struct udir *d = base_zalloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->layer = get_u32(c) % GRANT_LAYERS_MAX;
	d->snapshot = get_u32(c);
	d->impure = get_u32(c);
	f->priv = d;
	return c->err;
}

const struct file_ops union_dir_ops = {
	.name = "dir",
	.read = dir_read,
	.pread = dir_pread,
	.lseek = dir_lseek,
	.getdents = dir_getdents,
	.mmap = dir_mmap,
	.getattr = dir_getattr,
	.release = dir_release,
	.save = dir_save,
	.load = dir_load,
};
