// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Changing attributes: in the top, after copy-up; in the host's own attributes where these can hold them, else in
 * user.gsh.attr with the mark.
 */
#include "libos/fs/union_impl.h"

/* Does the host's own mode and owner say what a says? Else user.gsh.attr must. *host_mode is without the mark. */
bool union_needs_over(const struct ufs *u, const struct union_attr *a, u32 *host_mode)
{
	bool differs;

	/* A place of the host's gets no notes of ours; who creates there, and what set-id bits its directories hand on,
	 * the host knows. */
	if (u->shared) {
		*host_mode = a->mode & (0777 | S_ISVTX);
		return false;
	}
	*host_mode = union_host_mode(a->mode, u->guest_root, &differs);
	return differs || a->uid != u->uid || a->gid != u->gid;
}

/* path: where it lies, from dir; NULL: that is not known. */
static int write_mode(int fd, int dir, const char *path, u32 mode)
{
	return path ? pal_fchmod_named(fd, dir, path, mode) : pal_fchmod(fd, mode);
}

static int write_note(int fd, int dir, const char *path, const char *value, size_t size)
{
	return path ? pal_fsetxattr_named(fd, dir, path, UNION_ATTR, value, size, 0) :
		      pal_fsetxattr(fd, UNION_ATTR, value, size, 0);
}

static int write_attr(const struct ufs *u, int fd, int dir, const char *path, const struct union_attr *a, bool marked)
{
	char value[UNION_VALUE_MAX];
	u32 host_mode;
	bool over = union_needs_over(u, a, &host_mode);
	int r = 0;

	/* A mark once set stays: there may be an origin, too. The host asks for write permission by mode. */
	if (over || marked) {
		size_t size = union_attr_encode(value, a);

		r = write_note(fd, dir, path, value, size);
		if (r == -EACCES) {
			r = write_mode(fd, dir, path, 0700 | UNION_MARK);
			if (!r)
				r = write_note(fd, dir, path, value, size);
		}
	}
	if (r < 0)
		return r;
	return write_mode(fd, dir, path, host_mode | (over || marked ? UNION_MARK : 0));
}

int union_write_attr(const struct ufs *u, int fd, const char *staged, const struct union_attr *a, bool marked)
{
	return write_attr(u, fd, u->work, staged, a, marked);
}

/* n is known to have these attributes of its own; their ctime is not known yet, so the next stat reads them again. */
void union_set_over(struct unode *n, const struct union_attr *a, bool has)
{
	n->over_valid = has;
	n->over_read = false;
	n->over = *a;
	if (has)
		union_note_setid(a);
	n->changed_s = n->changed_ns = 0;
}

void union_new_attr(struct unode *dir, u32 mode, struct union_attr *a)
{
	const struct process *p = this_process();
	const struct node *d = &dir->node;

	*a = (struct union_attr){ .mode = mode, .uid = p->cred.fsuid, .gid = p->cred.fsgid };
	if (ufs_of(dir)->shared) {
		a->uid = ufs_of(dir)->uid;
		a->gid = ufs_of(dir)->gid;
	}
	if (!(d->mode & S_ISGID))
		return;
	a->gid = d->gid;
	if (S_ISDIR(mode))
		a->mode |= S_ISGID;
	else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && p->cred.fsgid != a->gid &&
		 !in_group(&p->cred, a->gid) && !capable(p))
		a->mode &= ~S_ISGID;
}

/* Open an object of the top so that its attributes can be changed: for reading, which our host modes always allow. */
static int open_top(struct unode *n, int flags)
{
	int fd;

	if (n->tmp_fd >= 0)
		return pal_dup(n->tmp_fd, pal_fd_free());
	fd = unode_open(n, ufs_of(n)->top, flags | O_NONBLOCK);
	return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
}

/* at: n's name, or NULL. */
static int set_owner_mode(struct unode *n, int fd, const struct hpath *at, const struct attr *a)
{
	struct ufs *u = ufs_of(n);
	struct union_attr want;
	struct attr old;
	struct statx st;
	bool marked;
	u32 host_mode;
	int r = pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st);

	if (r < 0)
		return r;
	marked = !u->shared && union_is_marked(st.stx_mode);
	if (marked)
		union_read_over(n, fd, &st);
	union_fill_attr(n, u->top, &st, &old);
	want = (struct union_attr){ .mode = old.mode, .uid = old.uid, .gid = old.gid, .rdev = old.rdev };
	if (a->valid & ATTR_MODE)
		want.mode = (old.mode & S_IFMT) | (a->mode & S_IALLUGO);
	if (a->valid & ATTR_UID)
		want.uid = a->uid;
	if (a->valid & ATTR_GID)
		want.gid = a->gid;
	r = write_attr(u, fd, at ? at->dir : -1, at ? at->path : NULL, &want, marked);
	if (r < 0)
		return r;
	union_set_over(n, &want, marked || union_needs_over(u, &want, &host_mode));
	lock(&dcache_lock);
	n->node.mode = want.mode;
	n->node.uid = want.uid;
	n->node.gid = want.gid;
	dcache_unlock();
	return 0;
}

/* By a name an attribute is changed without a request to the monitor: where fd is what lies at n's. Another process may
 * rename something there between the look and the change, a microsecond in which Linux has no such moment. */
static bool lies_at_name(struct unode *n, int fd, struct hpath *h)
{
	struct statx open, named;

	if (!pal_changes_by_name() || n->tmp_fd >= 0 || n->gone || unode_path(n, ufs_of(n)->top, h) < 0)
		return false;
	if (!pal_statx(fd, "", AT_EMPTY_PATH, STATX_INO, &open) &&
	    !pal_statx(h->dir, h->path, AT_SYMLINK_NOFOLLOW, STATX_INO, &named) && open.stx_ino == named.stx_ino &&
	    open.stx_dev_major == named.stx_dev_major && open.stx_dev_minor == named.stx_dev_minor)
		return true;
	hpath_done(h);
	return false;
}

static int set_by_fd(struct unode *n, int fd, const struct attr *a)
{
	struct timespec times[2] = { a->atime, a->mtime };
	struct hpath h;
	bool named = lies_at_name(n, fd, &h);
	int r = 0;

	if (a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		r = set_owner_mode(n, fd, named ? &h : NULL, a);
	if (!r && a->valid & ATTR_TIMES)
		r = named ? pal_futimens_named(fd, h.dir, h.path, times) : pal_futimens(fd, times);
	if (named)
		hpath_done(&h);
	return r;
}

void union_note_setid(const struct union_attr *a)
{
	if (S_ISREG(a->mode) && a->mode & (S_ISUID | S_ISGID))
		atomic_store(&files_setid, 1);
}

/* What setattr_should_drop_suidgid() takes away. */
static u32 lost_bits(const struct unode *n)
{
	const struct process *p = this_process();
	const struct union_attr *a = &n->over;
	u32 lost = a->mode & S_ISUID;

	if (!n->over_valid || !S_ISREG(a->mode) || !(a->mode & (S_ISUID | S_ISGID)) || capable(p))
		return 0;
	if (a->mode & S_IXGRP || (p->cred.fsgid != a->gid && !in_group(&p->cred, a->gid)))
		lost |= a->mode & S_ISGID;
	return lost;
}

bool union_loses_setid(const struct unode *n)
{
	return lost_bits(n);
}

void union_lose_setid(struct unode *n, int fd)
{
	struct attr a = { .valid = ATTR_MODE, .mode = n->over.mode & ~lost_bits(n) };

	if (lost_bits(n) && !set_owner_mode(n, fd, NULL, &a))
		unode_bump(n);
}

/* Where attributes go through the monitor, it wants a descriptor, if only of the name. */
static int special_mode(const struct hpath *h, u32 mode)
{
	int fd, r = pal_fchmodat(h->dir, h->path, mode);

	if (r != -EPERM)
		return r;
	fd = pal_openat(h->dir, h->path, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	r = pal_fchmod(fd, mode);
	pal_close(fd);
	return r;
}

/* The change time moves with whatever is set; here with the other two, set to what they are. */
static int special_touch(const struct hpath *h)
{
	struct statx st;
	struct timespec times[2];
	int r = pal_statx(h->dir, h->path, AT_SYMLINK_NOFOLLOW, STATX_ATIME | STATX_MTIME, &st);

	if (r < 0)
		return r;
	times[0] = (struct timespec){ .tv_sec = st.stx_atime.tv_sec, .tv_nsec = st.stx_atime.tv_nsec };
	times[1] = (struct timespec){ .tv_sec = st.stx_mtime.tv_sec, .tv_nsec = st.stx_mtime.tv_nsec };
	return pal_utimensat(h->dir, h->path, times);
}

/* Symlinks, fifos and sockets: the host gives them no user attributes and the libOS no descriptor. What can be set by
 * name is; an owner that the host can't express is dropped, as the mode of a symlink is on Linux. */
static int set_special(struct unode *n, const struct attr *a)
{
	struct timespec times[2] = { a->atime, a->mtime };
	struct hpath h;
	int r = unode_path(n, ufs_of(n)->top, &h);

	if (r < 0)
		return r;
	if (a->valid & ATTR_TIMES)
		r = pal_utimensat(h.dir, h.path, times);
	if (!r && a->valid & ATTR_MODE && !S_ISLNK(n->node.mode))
		r = special_mode(&h, a->mode & 0777);
	if (!r && a->valid & (ATTR_UID | ATTR_GID))
		r = special_touch(&h);
	hpath_done(&h);
	return r == -ENOENT ? -ESTALE : r;
}

static int set_size(struct unode *n, u64 size)
{
	int fd = open_top(n, O_WRONLY);
	int r;

	if (fd < 0)
		return fd;
	union_lose_setid(n, fd);
	r = pal_ftruncate(fd, size);
	pal_close(fd);
	return r;
}

/* The common cases by name, in one call: times, and a mode that the host can hold. -EPERM: it takes a descriptor. */
static int set_by_name(struct unode *n, const struct attr *a)
{
	struct ufs *u = ufs_of(n);
	struct timespec times[2] = { a->atime, a->mtime };
	struct union_attr want = { .mode = (n->node.mode & S_IFMT) | (a->mode & S_IALLUGO),
				   .uid = u->uid, .gid = u->gid };
	bool marked = !u->shared && (n->over_valid || n->origin);
	struct hpath h;
	u32 host_mode = 0;
	int r;

	if (n->tmp_fd >= 0 || a->valid & ~(ATTR_TIMES | ATTR_MODE) || a->valid == (ATTR_TIMES | ATTR_MODE))
		return -EPERM;
	if (a->valid & ATTR_MODE && (marked || S_ISDIR(n->node.mode) || union_needs_over(u, &want, &host_mode)))
		return -EPERM;
	r = unode_path(n, u->top, &h);
	if (r < 0)
		return r;
	if (a->valid & ATTR_TIMES)
		r = pal_utimensat(h.dir, h.path, times);
	else
		r = pal_fchmodat(h.dir, h.path, host_mode);
	hpath_done(&h);
	if (!r && a->valid & ATTR_MODE)
		n->node.mode = want.mode;
	return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}

/* Of a place of the host's: its owners and set-id bits are not the guest's to give. */
static int shared_refuses(const struct node *node, const struct attr *a)
{
	bool foreign = (a->valid & ATTR_UID && a->uid != node->uid) || (a->valid & ATTR_GID && a->gid != node->gid);

	return foreign || (a->valid & ATTR_MODE && a->mode & (S_ISUID | S_ISGID)) ? -EPERM : 0;
}

int union_setattr(struct node *node, const struct attr *a)
{
	struct unode *n = to_unode(node);
	int fd, r = ufs_of(n)->shared ? shared_refuses(node, a) : 0;

	if (r < 0)
		return r;
	if (n->gone && n->tmp_fd < 0)
		return -ENOENT;
	union_fresh_drop(n);
	if (n->tmp_fd < 0) {
		r = union_copy_up(n, !(a->valid & ATTR_SIZE && a->size == 0));
		if (r < 0)
			return r;
	}
	if (a->valid & ATTR_SIZE)
		return set_size(n, a->size);
	if (!S_ISREG(node->mode) && !S_ISDIR(node->mode))
		return set_special(n, a);
	r = set_by_name(n, a);
	if (r != -EPERM)
		return r;
	fd = open_top(n, O_RDONLY);
	if (fd < 0)
		return fd;
	r = set_by_fd(n, fd, a);
	pal_close(fd);
	return r;
}

int union_file_setattr(struct file *f, const struct attr *a)
{
	struct unode *n = to_unode(path_node(&f->path));

	if (ufs_of(n)->shared && shared_refuses(&n->node, a) < 0)
		return -EPERM;
	/* A descriptor of a lower layer: the change goes to the copy. */
	if (!union_file_in_top(f))
		return union_setattr(&n->node, a);
	if (a->valid & ATTR_SIZE) {
		union_lose_setid(n, f->host_fd);
		return pal_ftruncate(f->host_fd, a->size);
	}
	return set_by_fd(n, f->host_fd, a);
}
