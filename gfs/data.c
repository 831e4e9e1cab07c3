// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Open files of root/, and what is in them.
 *
 * An open file is a descriptor. One that is open for writing lies in the top. When the top is sealed meanwhile, for
 * somebody's op begins, the next write copies the file up to the new one, and the descriptor becomes one of that: so a
 * write always belongs to the op that is, and what is sealed stays as it is. A file that was removed has no name to
 * be copied up by, and is nobody's past: it is written where it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gfs/gfs.h"

#define FILL_MAX 65536

static struct open_file *file_of(const struct fuse_file_info *fi)
{
	return (struct open_file *)(uintptr_t)fi->fh;
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

struct open_file *data_file(struct node *n, int fd, int flags)
{
	struct open_file *f = calloc(1, sizeof(*f));

	if (!f) {
		close(fd);
		return NULL;
	}
	f->fd = fd;
	f->flags = flags;
	f->direct = gfs.shares && writes(flags);
	node_opened(n, f);
	share_opened();
	if (writes(flags))
		pens_count(n->box, 1);
	return f;
}

void file_close(struct open_file *f)
{
	locks_closed(f);
	if (f->node) {
		if (node_closed(f))
			share_closed(f->node);
		if (writes(f->flags))
			pens_count(f->node->box, -1);
	}
	if (f->fd >= 0)
		close(f->fd);
	free(f->text);
	free(f);
}

int data_reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A file whose mode forbids writing may be open for it since it was made. */
static int open_top(const struct spot *s, int flags)
{
	int fd = spot_open(s, flags);
	char path[32];

	if (fd != -EACCES)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	if (chmod(path, (s->st.st_mode & 07777) | S_IWUSR))
		return -errno;
	fd = spot_open(s, flags);
	(void)!chmod(path, s->st.st_mode & 07777);
	return fd;
}

/* Host flags of a file that is written: it is read, too, for what the kernel reads of a page that it changes. */
static int flags_of(int flags)
{
	return O_RDWR | (flags & O_APPEND);
}

int data_follow(struct pen *p, struct open_file *f)
{
	char path[TREE_PATH_MAX];
	struct spot s = {.n = 0};
	struct stat st;
	int err, fd;

	if (f->top == p->stack->top)
		return 0;
	if (!fstat(f->fd, &st) && !st.st_nlink)
		return 0;
	err = node_path(f->node, path, sizeof(path));
	if (!err)
		err = spot_find(&p->stack->tree, path, &s);
	if (!err && (spot_number(&s) != f->number || !S_ISREG(s.st.st_mode)))
		err = -ESTALE;
	spot_put(&s);
	if (!err)
		err = change_object(&p->change, path, &s);
	if (err)
		return err == -ENOENT || err == -ENOTDIR ? -ESTALE : err;
	fd = open_top(&s, flags_of(f->flags));
	if (fd >= 0 && dup3(fd, f->fd, O_CLOEXEC) < 0)
		err = -errno;
	if (fd >= 0) {
		close(fd);
		f->number = spot_number(&s);
		f->top = p->stack->top;
		node_follow(f->node, f->number, f->fd);
	} else {
		err = fd;
	}
	spot_put(&s);
	return err;
}

bool data_catch_up(struct node *n, const struct spot *s)
{
	uint64_t number;
	int fd;

	if (!S_ISREG(s->st.st_mode) || !__atomic_load_n(&n->files, __ATOMIC_RELAXED))
		return false;
	number = spot_number(s);
	if (!node_behind(n, number, &s->st) || (fd = spot_open(s, O_RDONLY)) < 0)
		return false;
	node_follow(n, number, fd);
	close(fd);
	return true;
}

/* The same of one that is open for writing, and is read before it is written to again. */
static void catch_up(struct open_file *f)
{
	struct stack *stack = box_stack(f->node->box);
	struct spot s = {.n = 0};
	struct dir *dir = NULL;
	struct stat st;
	int fd = -1;

	if (stack && stack->top != f->top && !dir_find(f->node, &dir, &s) && spot_number(&s) == f->number &&
	    s.at[0].layer == s.tree->n - 1 && dir->stack->top == stack->top && !fstat(f->fd, &st) &&
	    (st.st_ino != s.st.st_ino || st.st_dev != s.st.st_dev))
		fd = open_top(&s, flags_of(f->flags));
	if (fd >= 0) {
		if (dup3(fd, f->fd, O_CLOEXEC) >= 0)
			f->top = stack->top;
		close(fd);
	}
	spot_put(&s);
	dir_put(dir);
	if (stack)
		stack_put(stack);
}

/* ---- opening ---- */

static int open_for_writing(struct node *n, struct fuse_file_info *fi)
{
	char path[TREE_PATH_MAX];
	struct spot s = {.n = 0};
	struct open_file *f;
	struct pen p;
	int err = node_path_then(n, path, sizeof(path)), fd = -1;

	if (err)
		return err;
	err = pen_take(n->box, &p);
	if (err)
		return err;
	err = change_object(&p.change, path, &s);
	if (!err && !S_ISREG(s.st.st_mode))
		err = S_ISDIR(s.st.st_mode) ? -EISDIR : -EACCES;
	if (!err)
		fd = open_top(&s, flags_of(fi->flags));
	if (!err && fd < 0)
		err = fd;
	/* Of this the kernel takes no bits away itself. */
	if (!err && fi->flags & O_TRUNC)
		err = change_lose_setid(&s);
	if (!err && fi->flags & O_TRUNC && ftruncate(fd, 0))
		err = -errno;
	if (err && fd >= 0)
		close(fd);
	f = err ? NULL : data_file(n, fd, fi->flags);
	if (f) {
		f->top = p.stack->top;
		f->number = spot_number(&s);
		node_follow(n, f->number, f->fd);
		fi->fh = (uint64_t)(uintptr_t)f;
		fi->direct_io = f->direct;
	} else if (!err) {
		err = -ENOMEM;
	}
	spot_put(&s);
	pen_done(&p);
	return err;
}

/* What is in a small file goes into the kernel's cache before it asks for it: the question to read it is saved, and
 * that for the attributes that it would have made out of date. Who has the file open may have written pages there that
 * we do not know of, so it is done only for the first, and who begins to write waits for it. What changes inside
 * meanwhile changes the times, and the kernel drops it as what it read. */
static void fill_cache(struct node *n, struct open_file *f, const struct stat *st)
{
	char text[FILL_MAX];
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(0);
	ssize_t len;

	if (st->st_size <= 0 || st->st_size > FILL_MAX || !node_fill_begin(n, f, &st->st_ctim))
		return;
	len = pread(f->fd, text, sizeof(text), 0);
	buf.buf[0].mem = text;
	buf.buf[0].size = len > 0 ? (size_t)len : 0;
	if (len == st->st_size)
		(void)fuse_lowlevel_notify_store(gfs.session, node_ino(n), 0, &buf, 0);
	node_fill_end(n, &st->st_ctim);
}

static int open_for_reading(struct node *n, struct fuse_file_info *fi)
{
	struct spot s = {.n = 0};
	struct dir *dir;
	struct open_file *f;
	struct stat shown;
	/* Who opens a name means what has it, whatever was put in its place since the kernel looked it up. */
	int err = dir_find_then(n, &dir, &s), fd = -1;

	if (!err) {
		spot_attr(&s, n->box, &shown);
		/* A device is shown as an empty file, and must not be opened. */
		if (S_ISREG(shown.st_mode) && (!S_ISREG(s.st.st_mode) || (!shown.st_size && s.st.st_size)))
			err = open_text(fi, strdup(""), 0);
		else if (!S_ISREG(s.st.st_mode))
			err = -EINVAL;
		else if ((fd = spot_open(&s, O_RDONLY)) < 0)
			err = fd;
	}
	f = fd >= 0 ? data_file(n, fd, fi->flags) : NULL;
	if (f) {
		f->number = spot_number(&s);
		f->base = s.at[0].layer == 0;
		fi->fh = (uint64_t)(uintptr_t)f;
		fi->keep_cache = !n->gone; /* dropped when size or times change; pages may be of what was replaced */
		fi->noflush = !locks_held(n->box, f->number); /* a question less when it is closed */
		if (!n->gone)
			fill_cache(n, f, &s.st);
	} else if (fd >= 0) {
		err = -ENOMEM;
	}
	spot_put(&s);
	dir_put(dir);
	return err;
}

int data_open(struct node *n, struct fuse_file_info *fi)
{
	int err;

	if (!writes(fi->flags) && !(fi->flags & O_TRUNC))
		return open_for_reading(n, fi);
	node_writer(n);
	err = open_for_writing(n, fi);
	node_written(n);
	return err;
}

/* ---- bytes ---- */

void data_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct open_file *f = file_of(fi);
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);

	(void)ino;
	if (f->direct)
		catch_up(f);
	if (f->node && __atomic_load_n(&f->node->direct, __ATOMIC_RELAXED) && !fi->lock_owner) {
		share_read(req, f, size, off);
		return;
	}
	if (f->fd < 0) {
		size_t from = (uint64_t)off < f->size ? (size_t)off : f->size;

		fuse_reply_buf(req, f->text + from, size < f->size - from ? size : f->size - from);
		return;
	}
	buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY;
	buf.buf[0].fd = f->fd;
	buf.buf[0].pos = off;
	fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
}

/* To change what f is: with a pen, and in the top. */
static int begin(struct open_file *f, struct pen *p)
{
	int err = f->node ? pen_take(f->node->box, p) : -EBADF;

	if (err)
		return err;
	err = data_follow(p, f);
	if (err)
		pen_done(p);
	return err;
}

/* Of what bypasses its cache the kernel takes no set-id bits away when it is written. */
static int lose_setid(const struct open_file *f, const struct pen *p)
{
	struct spot s = {.tree = &p->stack->tree, .n = 1, .at[0] = {.layer = p->stack->tree.n - 1, .fd = f->fd}};

	if (!f->direct)
		return 0;
	if (fstat(f->fd, &s.st))
		return -errno;
	return s.st.st_mode & (S_ISUID | S_ISGID | UNION_MARK) ? change_lose_setid(&s) : 0;
}

/* Pages of a map. */
static ssize_t write_pages(struct open_file *f, struct fuse_bufvec *in, off_t off)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	/* The kernel has them written by any file that is open for it. */
	int fd = f->flags & O_APPEND ? data_reopen(f->fd, O_RDWR) : f->fd;
	ssize_t n = -ENOMEM;

	if (fd < 0)
		return fd;
	out.buf[0].mem = malloc(out.buf[0].size);
	if (out.buf[0].mem)
		n = fuse_buf_copy(&out, in, 0);
	if (n > 0)
		n = share_write(f, fd, out.buf[0].mem, (size_t)n, off);
	free(out.buf[0].mem);
	if (fd != f->fd)
		close(fd);
	return n;
}

void data_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t off, struct fuse_file_info *fi)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	struct open_file *f = file_of(fi);
	struct pen p;
	ssize_t n = begin(f, &p);

	(void)ino;
	if (!n && fi->writepage && f->node) {
		n = write_pages(f, in, off);
		pen_done(&p);
	} else if (!n && (n = lose_setid(f, &p))) {
		pen_done(&p);
	} else if (!n) {
		out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
		out.buf[0].fd = f->fd;
		out.buf[0].pos = off;
		n = fuse_buf_copy(&out, in, 0);
		pen_done(&p);
	}
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

void data_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	const struct open_file *f = file_of(fi);
	int r = f->fd < 0 ? 0 : datasync ? fdatasync(f->fd) : fsync(f->fd);

	(void)ino;
	fuse_reply_err(req, r ? errno : 0);
}

void data_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t size, struct fuse_file_info *fi)
{
	struct open_file *f = file_of(fi);
	struct pen p;
	int err = begin(f, &p);

	(void)ino;
	if (!err) {
		err = fallocate(f->fd, mode, off, size) ? -errno : 0;
		pen_done(&p);
	}
	fuse_reply_err(req, -err);
}

void data_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	const struct open_file *f = file_of(fi);
	off_t at = f->fd < 0 ? -1 : lseek(f->fd, off, whence);

	(void)ino;
	if (f->fd < 0)
		fuse_reply_err(req, EINVAL);
	else if (at < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_lseek(req, at);
}

void data_copy(fuse_req_t req, fuse_ino_t in, off_t off_in, struct fuse_file_info *fi_in, fuse_ino_t out, off_t off_out,
	       struct fuse_file_info *fi_out, size_t size, int flags)
{
	struct open_file *from = file_of(fi_in), *to = file_of(fi_out);
	struct pen p;
	ssize_t n = from->fd < 0 ? -EOPNOTSUPP : begin(to, &p);

	(void)in;
	(void)out;
	if (!n) {
		n = copy_file_range(from->fd, &off_in, to->fd, &off_out, size, (unsigned)flags);
		if (n < 0)
			n = -errno;
		pen_done(&p);
	}
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}
