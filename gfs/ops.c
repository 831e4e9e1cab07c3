// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * FUSE's questions, handed on by the kind of node they are about. A kind that lacks an answer gets
 * the default here.
 *
 * How long the kernel remembers attributes and entries, the kind says: of a sandbox that runs not at
 * all, and what it did is seen at once; of one that does not, while there is a lease (lease.c). Data
 * of files in root/ may stay in the kernel's page cache, which drops it when size or times change
 * (AUTO_INVAL_DATA).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "gfs/gfs.h"

static const struct kind *const kinds[] = {
	[NODE_TOP] = &kind_top,	  [NODE_README] = &kind_readme, [NODE_BOX] = &kind_box,
	[NODE_INFO] = &kind_info, [NODE_TREE] = &kind_tree,	[NODE_PROC] = &kind_proc,
	[NODE_SNAPSHOTS] = &kind_snapshots, [NODE_OPS] = &kind_ops, [NODE_OP] = &kind_op,
	[NODE_OP_TEXT] = &kind_op_text, [NODE_CHANGES] = &kind_changes, [NODE_CHANGES_TEXT] = &kind_changes_text,
	[NODE_AT] = &kind_at,
};

static const struct kind *kind_of(const struct node *n)
{
	return kinds[n->kind];
}

static void fill_common(struct stat *st, uint64_t ino)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = gfs.uid;
	st->st_gid = gfs.gid;
	st->st_nlink = 1;
	st->st_atim = st->st_mtim = st->st_ctim = gfs.started;
}

void fill_dir(struct stat *st, uint64_t ino)
{
	fill_common(st, ino);
	st->st_mode = S_IFDIR | 0555;
}

void fill_file(struct stat *st, uint64_t ino, size_t size)
{
	fill_common(st, ino);
	st->st_mode = S_IFREG | 0444;
	st->st_size = (off_t)size;
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	(void)data;
	if (conn->capable & FUSE_CAP_AUTO_INVAL_DATA)
		conn->want |= FUSE_CAP_AUTO_INVAL_DATA;
	if (conn->capable & FUSE_CAP_PARALLEL_DIROPS)
		conn->want |= FUSE_CAP_PARALLEL_DIROPS;
	/* Set-ID bits that a write takes away are the kernel's to take. */
	conn->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV;
	leases_begin(conn->proto_minor);
	conn->want |= conn->capable & (unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
}

int op_admit(fuse_req_t req)
{
	return asker_refused(req) ? -EACCES : 0;
}

double fresh_by(bool held, double fresh)
{
	if (held)
		return fresh;
	return leases_given() || fresh < STOPPED_FRESH ? 0 : STOPPED_FRESH;
}

void reply_found(fuse_req_t req, struct fuse_entry_param *e, bool held)
{
	e->entry_timeout = fresh_by(held, e->entry_timeout);
	e->attr_timeout = fresh_by(held, e->attr_timeout);
	if (fuse_reply_entry(req, e))
		node_drop(node_of(e->ino), 1); /* interrupted: the kernel has not got the number */
}

static bool hold(const struct node *n, struct lease **l)
{
	*l = NULL;
	return n->kind != NODE_TREE || lease_hold(n->box, l);
}

static void op_lookup(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct node *n = node_of(ino);
	struct fuse_entry_param e = {0};
	struct lease *lease = NULL;
	int err = op_admit(req);
	bool held = !err && hold(n, &lease);

	if (!err)
		err = kind_of(n)->lookup ? kind_of(n)->lookup(n, name, &e) : -ENOTDIR;
	if (err)
		fuse_reply_err(req, -err);
	else
		reply_found(req, &e, held);
	lease_release(lease);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	node_drop(node_of(ino), count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		node_drop(node_of(forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	double fresh = 0;
	struct stat st;
	struct lease *lease = NULL;
	int err = op_admit(req);
	bool held = !err && hold(n, &lease);

	(void)fi;
	if (!err)
		err = n->kind == NODE_TREE ? root_attr(n, &st, &fresh) : kind_of(n)->getattr(n, &st);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, fresh_by(held, fresh));
	lease_release(lease);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct node *n = node_of(ino);
	char buf[PATH_MAX];
	int err = op_admit(req);

	if (!err)
		err = kind_of(n)->readlink ? kind_of(n)->readlink(n, buf, sizeof(buf)) : -EINVAL;
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_readlink(req, buf);
}

/* ---- directories ---- */

/* An open directory. It is listed when it is read from its beginning, so that rewinddir(3) shows what came since. The
 * kernel sends one question of it at a time. */
struct open_dir {
	struct listing *list; /* NULL: not yet */
};

static void open_dir_free(struct open_dir *d)
{
	listing_free(d->list);
	free(d);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_dir *d = NULL;
	int err = op_admit(req);

	if (!err)
		err = kind_of(node_of(ino))->list ? 0 : -ENOTDIR;
	if (!err)
		err = (d = calloc(1, sizeof(*d))) ? 0 : -ENOMEM;
	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)d;
	if (fuse_reply_open(req, fi))
		open_dir_free(d);
}

static int list_from(struct node *n, struct fuse_file_info *fi, off_t off, const struct listing **out)
{
	struct open_dir *d = (struct open_dir *)(uintptr_t)fi->fh;
	struct listing *fresh;
	int err = 0;

	if (!off || !d->list) {
		err = kind_of(n)->list(n, &fresh);
		if (!err) {
			listing_free(d->list);
			d->list = fresh;
		}
	}
	*out = d->list;
	return err;
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	const struct listing *list;
	int err = list_from(node_of(ino), fi, off, &list);
	char *buf = err ? NULL : malloc(size);

	if (!buf) {
		fuse_reply_err(req, err ? -err : ENOMEM);
		return;
	}
	size = listing_fill(req, list, buf, size, off);
	fuse_reply_buf(req, buf, size);
	free(buf);
}

static int look_unleased(struct node *n, const char *name, struct fuse_entry_param *e)
{
	int err = kind_tree.lookup(n, name, e);

	e->entry_timeout = fresh_by(false, e->entry_timeout);
	e->attr_timeout = fresh_by(false, e->attr_timeout);
	return err;
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	const struct listing *list;
	int err = list_from(n, fi, off, &list);
	char *buf = err ? NULL : malloc(size);
	/* Where nothing is remembered it is not looked at for nothing: an entry without a number is a name. */
	bool look = n->kind == NODE_TREE && pens_fresh(n->box) > 0, held;
	struct lease *lease;

	if (!buf) {
		fuse_reply_err(req, err ? -err : ENOMEM);
		return;
	}
	held = hold(n, &lease);
	look &= held || !leases_given();
	size = listing_fill_plus(req, list, !look ? NULL : held ? kind_tree.lookup : look_unleased, n, buf, size, off);
	fuse_reply_buf(req, buf, size);
	lease_release(lease);
	free(buf);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	open_dir_free((struct open_dir *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* ---- files ---- */

int open_text(struct fuse_file_info *fi, char *text, size_t size)
{
	struct open_file *f = text ? calloc(1, sizeof(*f)) : NULL;

	if (!f) {
		free(text);
		return -ENOMEM;
	}
	*f = (struct open_file){.fd = -1, .text = text, .size = size};
	fi->fh = (uint64_t)(uintptr_t)f;
	fi->direct_io = 1; /* its size is not what stat said */
	return 0;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	int err = op_admit(req);

	if (!err && !kind_of(n)->open)
		err = -EISDIR;
	if (!err && n->kind != NODE_TREE && (fi->flags & O_ACCMODE) != O_RDONLY)
		err = -EROFS;
	if (!err)
		err = kind_of(n)->open(n, fi);
	if (err)
		fuse_reply_err(req, -err);
	else if (fuse_reply_open(req, fi))
		file_close((struct open_file *)(uintptr_t)fi->fh);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	file_close((struct open_file *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* ---- the rest ---- */

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = {.f_namemax = 255, .f_bsize = 4096, .f_frsize = 4096};
	struct node *n = node_of(ino);
	struct stack *s = n->box ? box_stack(n->box) : NULL;

	if (s) {
		if (fstatvfs(s->tree.fd[s->tree.n - 1], &st))
			memset(&st, 0, sizeof(st));
		stack_put(s);
	}
	fuse_reply_statfs(req, &st);
}

/* Two calls alike: a value or a list of names, or only how long it is. */
static void reply_xattr(fuse_req_t req, ssize_t n, const char *buf, size_t size)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct node *n = node_of(ino);
	char *buf = malloc(size ? size : 1);

	if (!buf)
		fuse_reply_err(req, ENOMEM);
	else
		reply_xattr(req,
			    kind_of(n)->getxattr ? kind_of(n)->getxattr(n, name, buf, size)
						 : -ENODATA,
			    buf, size);
	free(buf);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct node *n = node_of(ino);
	char *buf = malloc(size ? size : 1);

	if (!buf)
		fuse_reply_err(req, ENOMEM);
	else
		reply_xattr(req, kind_of(n)->listxattr ? kind_of(n)->listxattr(n, buf, size) : 0,
			    buf, size);
	free(buf);
}

const struct fuse_lowlevel_ops gfs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.open = op_open,
	.read = data_read,
	.write_buf = data_write_buf,
	.fsync = data_fsync,
	.fallocate = data_fallocate,
	.lseek = data_lseek,
	.copy_file_range = data_copy,
	.setattr = write_setattr,
	.mknod = write_mknod,
	.mkdir = write_mkdir,
	.unlink = write_unlink,
	.rmdir = write_rmdir,
	.symlink = write_symlink,
	.rename = write_rename,
	.link = write_link,
	.create = write_create,
	.setxattr = write_setxattr,
	.removexattr = write_removexattr,
	.flush = locks_flush,
	.getlk = locks_get,
	.setlk = locks_set,
	.flock = locks_whole,
	.release = op_release,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
};
