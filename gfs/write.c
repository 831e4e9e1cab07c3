// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Changes of names and attributes below root/. All else is read-only, and so is the past.
 *
 * Each takes the pen of its sandbox (pen.c), changes the layers (gshd/tree/change.h), and looks at what came of it for
 * the answer. The kernel holds the directories concerned while it waits, so that nodes follow without a race; what
 * happens inside at the same time is met by the look-up that every question begins with.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "gfs/gfs.h"

/* A change of one directory: where, and the right to. */
struct place {
	struct node *dir;
	struct pen pen;
	char path[TREE_PATH_MAX];
};

static int writable(fuse_req_t req, const struct node *n)
{
	int err = op_admit(req);

	return err ? err : n->kind == NODE_TREE && !n->box->version[0] ? 0 : -EROFS;
}

static int begin(fuse_req_t req, fuse_ino_t ino, struct place *p)
{
	int err;

	p->dir = node_of(ino);
	err = writable(req, p->dir);
	if (!err)
		err = node_path(p->dir, p->path, sizeof(p->path));
	return err ? err : pen_take(p->dir->box, &p->pen);
}

static void reply_entry(fuse_req_t req, struct node *dir, const char *name, int err)
{
	struct fuse_entry_param e = {0};
	struct lease *lease = NULL;
	bool held = !err && lease_hold(dir->box, &lease);

	if (!err)
		err = kind_tree.lookup(dir, name, &e);
	if (err)
		fuse_reply_err(req, -err);
	else
		reply_found(req, &e, held);
	lease_release(lease);
}

/* ---- new names ---- */

void write_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct place p;
	int err = begin(req, parent, &p);

	(void)rdev;
	if (!err) {
		err = change_mknod(&p.pen.change, p.path, name, mode);
		pen_done(&p.pen);
	}
	reply_entry(req, p.dir, name, err);
}

void write_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct place p;
	int err = begin(req, parent, &p);

	if (!err) {
		err = change_mkdir(&p.pen.change, p.path, name, mode);
		pen_done(&p.pen);
	}
	reply_entry(req, p.dir, name, err);
}

void write_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct place p;
	int err = begin(req, parent, &p);

	if (!err) {
		err = change_symlink(&p.pen.change, p.path, name, target);
		pen_done(&p.pen);
	}
	reply_entry(req, p.dir, name, err);
}

void write_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *as)
{
	char from[TREE_PATH_MAX], name[NAME_MAX + 1];
	struct node *old = node_of(ino);
	struct place p;
	int err = begin(req, parent, &p);

	if (!err) {
		err = old->box == p.dir->box ? node_parent_path(old, from, sizeof(from), name) : -EXDEV;
		if (!err)
			err = change_link(&p.pen.change, from, name, p.path, as);
		pen_done(&p.pen);
	}
	/* The new name is another node: what is known of the old one does not follow it. */
	if (!err)
		(void)fuse_lowlevel_notify_inval_inode(gfs.session, ino, -1, 0);
	reply_entry(req, p.dir, as, err);
}

void write_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param e = {0};
	struct open_file *f = NULL;
	struct place p;
	int err = begin(req, parent, &p), fd;

	if (!err) {
		fd = change_create(&p.pen.change, p.path, name, mode, O_RDWR | (fi->flags & O_APPEND));
		err = fd < 0 ? fd : kind_tree.lookup(p.dir, name, &e);
		f = err ? NULL : data_file(node_of(e.ino), fd, fi->flags);
		if (f) {
			f->top = p.pen.stack->top;
			f->number = e.attr.st_ino ^ p.dir->box->id << 48;
			fi->fh = (uint64_t)(uintptr_t)f;
			fi->direct_io = f->direct;
		} else if (!err) {
			node_drop(node_of(e.ino), 1);
			err = -ENOMEM;
		} else if (fd >= 0) {
			close(fd);
		}
		pen_done(&p.pen);
	}
	/* Made inside since the kernel looked. */
	if (err == -EEXIST && !(fi->flags & O_EXCL)) {
		err = kind_tree.lookup(p.dir, name, &e);
		if (!err && (err = data_open(node_of(e.ino), fi)))
			node_drop(node_of(e.ino), 1);
		f = (struct open_file *)(uintptr_t)fi->fh;
	}
	e.entry_timeout = fresh_by(false, e.entry_timeout);
	e.attr_timeout = fresh_by(false, e.attr_timeout);
	if (err) {
		fuse_reply_err(req, -err);
	} else if (fuse_reply_create(req, &e, fi)) {
		file_close(f);
		node_drop(node_of(e.ino), 1);
	}
}

/* ---- names that go ---- */

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name,
			int (*fn)(const struct change *c, const char *dir, const char *name))
{
	struct place p;
	int err = begin(req, parent, &p);

	if (!err) {
		err = fn(&p.pen.change, p.path, name);
		if (!err)
			node_removed(p.dir, name);
		pen_done(&p.pen);
	}
	fuse_reply_err(req, -err);
}

void write_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, change_unlink);
}

void write_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, change_rmdir);
}

static int join(char *out, size_t size, const char *dir, const char *name)
{
	return (size_t)snprintf(out, size, "%s%s%s", dir, *dir ? "/" : "", name) < size ? 0 : -ENAMETOOLONG;
}

/* A directory that moved takes those along who stand in it. */
static void tell_move(struct pen *p, const char *from, const char *name, const char *to, const char *as)
{
	char old[TREE_PATH_MAX], path[TREE_PATH_MAX];
	struct spot s;

	if (join(old, sizeof(old), from, name) || join(path, sizeof(path), to, as) ||
	    spot_find(&p->stack->tree, path, &s))
		return;
	if (S_ISDIR(s.st.st_mode))
		pen_tell_move(p, spot_number(&s), old, path);
	spot_put(&s);
}

void write_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t ino, const char *as, unsigned flags)
{
	struct node *to = node_of(ino);
	char path[TREE_PATH_MAX];
	struct place p;
	int err = begin(req, parent, &p);

	if (!err) {
		err = to->kind != NODE_TREE || to->box != p.dir->box ? -EXDEV : node_path(to, path, sizeof(path));
		if (!err && flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
			err = -EINVAL;
		if (!err)
			err = change_rename(&p.pen.change, p.path, name, path, as, flags);
		if (!err) {
			node_renamed(p.dir, name, to, as, flags & RENAME_EXCHANGE);
			tell_move(&p.pen, p.path, name, path, as);
			if (flags & RENAME_EXCHANGE)
				tell_move(&p.pen, path, as, p.path, name);
		}
		pen_done(&p.pen);
	}
	fuse_reply_err(req, -err);
}

/* ---- attributes ---- */

static void set_times(const struct stat *attr, int to_set, struct timespec times[2])
{
	times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
	times[1] = times[0];
	if (to_set & FUSE_SET_ATTR_ATIME)
		times[0] = attr->st_atim;
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	if (to_set & FUSE_SET_ATTR_MTIME)
		times[1] = attr->st_mtim;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
}

static int set_size(const struct spot *s, off_t size)
{
	int fd = spot_open(s, O_WRONLY), err;

	if (fd < 0)
		return fd;
	err = ftruncate(fd, size) ? -errno : 0;
	close(fd);
	return err;
}

/* f: opened for writing, or NULL. */
static int apply(const struct spot *s, const struct open_file *f, const struct stat *attr, int to_set)
{
	struct timespec times[2];
	int err = 0;

	/* Others' is nothing that the user could make it. */
	if ((to_set & FUSE_SET_ATTR_UID && attr->st_uid != gfs.uid) ||
	    (to_set & FUSE_SET_ATTR_GID && attr->st_gid != gfs.gid))
		return -EPERM;
	if (to_set & FUSE_SET_ATTR_SIZE) {
		if (f)
			err = ftruncate(f->fd, attr->st_size) ? -errno : 0;
		else
			err = set_size(s, attr->st_size);
	}
	if (!err && to_set & FUSE_SET_ATTR_MODE)
		err = change_mode(s, attr->st_mode);
	set_times(attr, to_set, times);
	if (!err && (times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT))
		err = change_times(s, times);
	return err;
}

/* Of a file without a name: what is open of it. */
static int find_open(const struct node *n, const struct pen *p, struct spot *s)
{
	bool base = false;
	int fd = node_file(n, &base);

	*s = (struct spot){.tree = &p->stack->tree};
	if (fd < 0)
		return -ESTALE;
	s->n = 1;
	s->at[0].fd = fd;
	s->at[0].layer = base ? 0 : p->stack->tree.n - 1;
	if (!fstat(fd, &s->st))
		return 0;
	spot_put(s);
	return -EIO;
}

static int find_to_change(struct node *n, struct pen *p, struct spot *s)
{
	char path[TREE_PATH_MAX];
	int err = node_path(n, path, sizeof(path));

	s->n = 0;
	if (err == -ESTALE && find_open(n, p, s) != -ESTALE)
		return s->n ? 0 : -EIO;
	/* Nobody has it open: who named it means what has the name now. */
	if (err == -ESTALE)
		err = node_path_then(n, path, sizeof(path));
	return err ? err : change_object(&p->change, path, s);
}

/* A directory's attributes are remembered inside with its name. */
static void tell_attr(struct node *n, struct pen *p)
{
	char path[TREE_PATH_MAX], name[NAME_MAX + 1];
	struct spot dir;

	if (node_parent_path(n, path, sizeof(path), name) || !*name || spot_find(&p->stack->tree, path, &dir))
		return;
	p->change.told(&p->change, &dir, name);
	spot_put(&dir);
}

static int setattr(struct node *n, struct open_file *f, const struct stat *attr, int to_set)
{
	struct spot s = {.n = 0};
	struct pen p;
	int err = pen_take(n->box, &p);

	if (err)
		return err;
	if (f && (f->flags & O_ACCMODE) == O_RDONLY)
		f = NULL;
	if (f)
		err = data_follow(&p, f);
	if (!err)
		err = find_to_change(n, &p, &s);
	if (!err)
		err = apply(&s, f, attr, to_set);
	if (!err)
		tell_attr(n, &p);
	spot_put(&s);
	pen_done(&p);
	return err;
}

void write_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct open_file *f = fi ? (struct open_file *)(uintptr_t)fi->fh : NULL;
	struct node *n = node_of(ino);
	struct stat st;
	int err = writable(req, n);

	if (!err && to_set & FUSE_SET_ATTR_SIZE)
		node_writer(n);
	if (!err) {
		err = setattr(n, f, attr, to_set);
		if (to_set & FUSE_SET_ATTR_SIZE)
			node_written(n);
	}
	if (!err)
		err = kind_tree.getattr(n, &st);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, 0);
}

/* value NULL: remove it. */
static int set_xattr(fuse_req_t req, struct node *n, const char *name, const char *value, size_t size, int flags)
{
	struct spot s = {.n = 0};
	struct pen p;
	int err = writable(req, n);

	/* Before anything is copied up for nothing. */
	if (!err && strncmp(name, "user.", 5))
		err = -EOPNOTSUPP;
	if (!err)
		err = pen_take(n->box, &p);
	if (err)
		return err;
	err = find_to_change(n, &p, &s);
	if (!err)
		err = value ? change_setxattr(&s, name, value, size, flags) : change_removexattr(&s, name);
	if (!err)
		tell_attr(n, &p);
	spot_put(&s);
	pen_done(&p);
	return err;
}

void write_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	fuse_reply_err(req, -set_xattr(req, node_of(ino), name, value, size, flags));
}

void write_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	fuse_reply_err(req, -set_xattr(req, node_of(ino), name, NULL, 0, 0));
}
