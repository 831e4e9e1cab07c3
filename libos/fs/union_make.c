// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * New objects in the top. Where the host's own attributes can hold what is asked and nothing is in the way, one host
 * call makes the object in its place. Else it is staged: with user.gsh.attr, or to replace a whiteout.
 */
#include "libos/fs/union_impl.h"
#include "libos/fs/quota.h"

/* What the host answers when the top lacks a directory we believed in. */
static int lost(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? -ESTALE : r;
}

static bool whiteout_at(struct unode *dir, const char *name)
{
	struct hpath h;
	struct statx st;
	bool is = false;

	if (!unode_child_path(dir, name, ufs_of(dir)->top, &h)) {
		is = !hpath_stat(&h, &st) &&
		     union_is_whiteout(st.stx_mode, dev_make(st.stx_rdev_major, st.stx_rdev_minor));
		hpath_done(&h);
	}
	return is;
}

/* Is dir ready to take a new name? It gets its place in the top. */
static int prepare(struct unode *dir)
{
	int r = dir->gone ? -ENOENT : union_copy_up_dir(dir);

	return r < 0 || !quota_on() || ufs_of(dir)->work < 0 ? r : quota_take_inode();
}

/* ---- regular files ---- */

static int open_flags(const struct file *f)
{
	return f->flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_NOATIME);
}

static int open_staged(const struct ufs *u, const struct stage *s, int flags, u32 mode)
{
	return host_fd_move(pal_openat(u->work, s->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
}

/* With attributes that the host's can't hold. Opened as asked before it has its mode, which may forbid just that. */
static int create_over(struct unode *dir, const char *name, const struct union_attr *a, int flags)
{
	struct ufs *u = ufs_of(dir);
	struct stage s;
	int attr_fd, r, fd;

	stage_name(&s);
	fd = open_staged(u, &s, flags, 0600);
	if (fd < 0)
		return fd;
	attr_fd = pal_openat(u->work, s.name, O_RDONLY | O_NOFOLLOW, 0);
	r = attr_fd < 0 ? attr_fd : union_write_attr(u, attr_fd, s.name, a, false);
	if (attr_fd >= 0)
		pal_close(attr_fd);
	if (r < 0)
		stage_drop(u, &s);
	else
		r = stage_place(u, &s, dir, name, false);
	if (r < 0) {
		pal_close(fd);
		return r;
	}
	return fd;
}

/* Where something is that the guest does not see: a whiteout, or what somebody made just now. */
static int create_in_place_of(struct unode *dir, const char *name, u32 host_mode, int flags)
{
	struct ufs *u = ufs_of(dir);
	struct stage s;
	int r, fd;

	stage_name(&s);
	fd = open_staged(u, &s, flags, host_mode);
	if (fd < 0)
		return fd;
	r = stage_replace(u, &s, dir, name);
	if (r < 0) {
		pal_close(fd);
		return r;
	}
	return fd;
}

/* tmpfs has nowhere to stage, and needs it not: nobody but us gives its files other attributes. */
static int create_here(struct unode *dir, const struct hpath *h, const struct union_attr *a, int flags)
{
	u32 host_mode;
	int r, fd;

	union_needs_over(ufs_of(dir), a, &host_mode);
	fd = hpath_open(h, flags | O_CREAT | O_EXCL, host_mode);
	if (fd < 0 || !union_needs_over(ufs_of(dir), a, &host_mode))
		return fd;
	r = union_write_attr(ufs_of(dir), fd, NULL, a, false);
	if (r < 0) {
		pal_close(fd);
		(void)pal_unlinkat(h->dir, h->path, 0);
		return r;
	}
	return fd;
}

/* *below: is anything of that name in lower layers? BELOW_*. */
static int create_fd(struct unode *dir, const char *name, const struct union_attr *a, int flags, u8 *below)
{
	struct ufs *u = ufs_of(dir);
	struct hpath h;
	u32 host_mode;
	bool over = union_needs_over(u, a, &host_mode);
	int fd, r = unode_child_path(dir, name, u->top, &h);

	if (r < 0)
		return r;
	/* Who removed the file that he now makes knows what is in the way. */
	if (u->work >= 0 && !over && whiteout_noted(dir, name)) {
		fd = create_in_place_of(dir, name, host_mode, flags);
		if (fd != -EEXIST && fd != -ESTALE) {
			hpath_done(&h);
			*below = BELOW_SOMETHING;
			return lost(fd);
		}
	}
	*below = BELOW_NOTHING;
	if (u->work < 0)
		fd = create_here(dir, &h, a, flags);
	else if (!over)
		fd = hpath_open(&h, flags | O_CREAT | O_EXCL, host_mode);
	else
		fd = create_over(dir, name, a, flags);
	hpath_done(&h);
	if (fd == -EEXIST && u->work >= 0 && !over) {
		*below = BELOW_SOMETHING;
		fd = create_in_place_of(dir, name, host_mode, flags);
	} else if (over) {
		*below = BELOW_UNKNOWN;
	}
	return lost(fd);
}

int union_create(struct node *d, const char *name, u32 mode, struct file *f, struct node **out)
{
	struct unode *dir = to_unode(d), *n;
	struct union_attr a;
	struct statx st;
	int fd, r = prepare(dir);
	u8 below;

	if (r < 0)
		return r;
	union_new_attr(dir, mode, &a);
	fd = create_fd(dir, name, &a, open_flags(f), &below);
	if (fd < 0)
		return fd;
	r = pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st);
	n = r < 0 ? ERR_PTR(r) : union_fresh(dir, name, &st);
	if (IS_ERR(n)) {
		pal_close(fd);
		return PTR_ERR(n);
	}
	if (layer_ours(ufs_of(dir), ufs_of(dir)->top) && union_is_marked(st.stx_mode)) {
		union_read_over(n, fd, &st);
		union_adopt(n, ufs_of(dir)->top, &st);
	}
	below_note(n, below);
	f->ops = &union_file_ops;
	f->host_fd = fd;
	f->priv = (void *)(uintptr_t)union_layer_mark(ufs_of(dir), ufs_of(dir)->top);
	*out = &n->node;
	return 0;
}

int union_tmpfile(struct node *d, u32 mode, struct file *f, struct node **out)
{
	struct unode *dir = to_unode(d), *n;
	struct ufs *u = ufs_of(dir);
	struct union_attr a;
	struct hpath h;
	struct statx st;
	u32 host_mode;
	int fd, r = prepare(dir);

	if (!r)
		r = unode_path(dir, u->top, &h);
	if (r < 0)
		return r;
	union_new_attr(dir, mode, &a);
	union_needs_over(u, &a, &host_mode);
	fd = hpath_open(&h, open_flags(f) | O_TMPFILE | (f->flags & O_EXCL), host_mode);
	hpath_done(&h);
	if (fd < 0)
		return lost(fd);
	r = union_needs_over(u, &a, &host_mode) ? union_write_attr(u, fd, NULL, &a, false) : 0;
	if (!r)
		r = pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st);
	n = r < 0 ? ERR_PTR(r) : union_fresh(dir, "#tmpfile", &st);
	if (!IS_ERR(n)) {
		n->tmp_fd = pal_dup(fd, pal_fd_free());
		if (n->tmp_fd < 0) {
			r = n->tmp_fd;
			node_put(&n->node);
			n = ERR_PTR(r);
		}
	}
	if (IS_ERR(n)) {
		pal_close(fd);
		return PTR_ERR(n);
	}
	f->ops = &union_file_ops;
	f->host_fd = fd;
	f->priv = (void *)(uintptr_t)union_layer_mark(ufs_of(dir), ufs_of(dir)->top);
	*out = &n->node;
	return 0;
}

/* ---- directories ---- */

static int mkdir_staged(struct unode *dir, const char *name, const struct union_attr *a, bool opaque)
{
	struct ufs *u = ufs_of(dir);
	struct stage s;
	u32 host_mode;
	bool over;
	int fd, r;

	over = union_needs_over(u, a, &host_mode);
	stage_name(&s);
	r = pal_mkdirat(u->work, s.name, host_mode);
	if (!r && !over && !opaque)
		return stage_place(u, &s, dir, name, true);
	if (r < 0)
		return r;
	fd = pal_openat(u->work, s.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	r = MIN(fd, 0);
	if (!r && opaque)
		r = pal_fsetxattr_named(fd, u->work, s.name, UNION_OPAQUE, "y", 1, 0);
	if (!r && over)
		r = union_write_attr(u, fd, s.name, a, false);
	if (fd >= 0)
		pal_close(fd);
	if (r < 0) {
		stage_drop(u, &s);
		return r;
	}
	return stage_place(u, &s, dir, name, true);
}

/* What was just made where nothing was: no lower layer, no marks, so one look is enough. */
static void adopt_dir(struct unode *dir, const char *name, const struct hpath *h, struct node **out)
{
	struct statx st;
	struct unode *n;

	if (hpath_stat(h, &st) || !S_ISDIR(st.stx_mode) || union_is_marked(st.stx_mode))
		return;
	n = union_fresh(dir, name, &st);
	if (IS_ERR(n))
		return;
	below_note(n, BELOW_NOTHING);
	*out = &n->node;
}

int union_mkdir(struct node *d, const char *name, u32 mode, struct node **out)
{
	struct unode *dir = to_unode(d);
	struct ufs *u = ufs_of(dir);
	struct union_attr a;
	struct hpath h;
	u32 host_mode;
	bool over;
	int fd, r = prepare(dir);

	if (!r)
		r = unode_child_path(dir, name, u->top, &h);
	if (r)
		return r;
	union_new_attr(dir, mode, &a);
	over = union_needs_over(u, &a, &host_mode);
	if (over && u->work >= 0) {
		r = -EEXIST;
	} else {
		r = pal_mkdirat(h.dir, h.path, host_mode);
		if (!r && over) {
			fd = hpath_open(&h, O_RDONLY | O_DIRECTORY, 0);
			r = fd < 0 ? fd : union_write_attr(u, fd, NULL, &a, false);
			if (fd >= 0)
				pal_close(fd);
		}
		if (!r && !over)
			adopt_dir(dir, name, &h, out);
	}
	hpath_done(&h);
	if (r == -EEXIST && u->work >= 0) {
		bool whiteout = whiteout_at(dir, name);

		if (over || whiteout)
			r = mkdir_staged(dir, name, &a, whiteout);
	}
	return lost(r);
}

/* ---- all other kinds ---- */

struct kind {
	u32 mode;
	const char *text;	/* of a symlink */
	u64 rdev;
};

static int make_at(int dir, const char *path, const struct kind *k)
{
	if (S_ISLNK(k->mode))
		return pal_symlinkat(k->text, dir, path);
	return pal_mknodat(dir, path, (k->mode & S_IFMT) | (k->mode & 0777), 0);
}

static int make_special(struct unode *dir, const char *name, const struct kind *k)
{
	struct ufs *u = ufs_of(dir);
	struct stage s;
	struct hpath h;
	int r = prepare(dir);

	if (!r)
		r = unode_child_path(dir, name, u->top, &h);
	if (r)
		return r;
	r = make_at(h.dir, h.path, k);
	hpath_done(&h);
	if (r != -EEXIST || u->work < 0 || !whiteout_at(dir, name))
		return lost(r);
	stage_name(&s);
	r = make_at(u->work, s.name, k);
	return r < 0 ? r : stage_place(u, &s, dir, name, false);
}

int union_mknod(struct node *d, const char *name, u32 mode, u64 rdev)
{
	struct unode *dir = to_unode(d);
	struct kind k = { .mode = mode };
	struct union_attr a;
	int r, fd;
	u8 below;

	if (S_ISFIFO(mode) || S_ISSOCK(mode)) {
		r = make_special(dir, name, &k);
		if (!r && S_ISFIFO(mode))
			union_fifo_new(dir, name);
		return r;
	}
	/* A device is an empty file with the attributes of one: it can be seen and copied, never opened. */
	r = prepare(dir);
	if (r < 0)
		return r;
	union_new_attr(dir, mode, &a);
	a.rdev = rdev;
	fd = create_fd(dir, name, &a, O_RDONLY, &below);
	if (fd >= 0)
		pal_close(fd);
	return MIN(fd, 0);
}

int union_symlink(struct node *d, const char *name, const char *target)
{
	struct kind k = { .mode = S_IFLNK, .text = target };

	return make_special(to_unode(d), name, &k);
}

/* ---- hard links ---- */

/* The object `old` again at path in dir. */
static int link_at(struct unode *old, int dir, const char *path)
{
	struct hpath h;
	int r;

	if (old->tmp_fd >= 0)
		return pal_linkat(old->tmp_fd, "", dir, path, AT_EMPTY_PATH);
	r = unode_path(old, ufs_of(old)->top, &h);
	if (r < 0)
		return r;
	r = pal_linkat(h.dir, h.path, dir, path, 0);
	hpath_done(&h);
	return r;
}

static int link_staged(struct unode *old, struct unode *dir, const char *name)
{
	struct ufs *u = ufs_of(dir);
	struct stage s;
	int r;

	stage_name(&s);
	r = link_at(old, u->work, s.name);
	return r < 0 ? r : stage_place(u, &s, dir, name, false);
}

int union_link(struct node *o, struct node *d, const char *name)
{
	struct unode *old = to_unode(o), *dir = to_unode(d);
	struct ufs *u = ufs_of(dir);
	struct hpath h;
	int r;

	if (old->gone && old->tmp_fd < 0)
		return -ENOENT;
	r = old->tmp_fd < 0 ? union_copy_up(old, true) : 0;
	if (!r)
		r = prepare(dir);
	if (!r)
		r = unode_child_path(dir, name, u->top, &h);
	if (r)
		return r;
	r = link_at(old, h.dir, h.path);
	hpath_done(&h);
	if (r == -EEXIST && u->work >= 0 && whiteout_at(dir, name))
		r = link_staged(old, dir, name);
	if (!r)
		union_mark_impure(dir, old);
	return lost(r);
}

/* ---- sockets ---- */

int union_sock_at(struct node *d, const char *name, bool create, u32 mode, int *host_dir, char host_name[256])
{
	struct unode *dir = to_unode(d), *n;
	struct node *found;
	unsigned layer = ufs_of(dir)->top;
	struct hpath h;
	int fd, r;

	if (create) {
		r = prepare(dir);
	} else {
		r = union_lookup(d, name, strlen(name), &found);
		if (r < 0)
			return r;
		n = to_unode(found);
		layer = (unsigned)highest(n->layers);
		node_put(found);
		/* A socket of the base is the host's: no way leads there. */
		if (!layer && ufs_of(dir)->has_base)
			r = -ECONNREFUSED;
	}
	if (!r)
		r = unode_path(dir, layer, &h);
	if (r < 0)
		return r;
	fd = hpath_open(&h, O_PATH | O_DIRECTORY, 0);
	hpath_done(&h);
	if (fd < 0)
		return lost(fd);
	if (create && whiteout_at(dir, name))
		(void)pal_unlinkat(fd, name, 0);
	*host_dir = fd;
	base_strlcpy(host_name, name, 256);
	return 0;
}
