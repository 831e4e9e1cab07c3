// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attributes: reading them, changing them, asking for access. The rules are Linux's fs/attr.c and fs/open.c.
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/notify.h"
#include "libos/task/busy.h"
#include "libos/task/task.h"

/* ---- what is meant ---- */

int target_fd(int fd, struct target *t)
{
	struct file *f = fdtab_get(fd);

	if (IS_ERR(f))
		return PTR_ERR(f);
	t->file = f;
	t->path = f->path;
	path_get(&t->path);
	return 0;
}

static int target_dirfd(int dirfd, struct target *t)
{
	struct fs_context *fs = this_process()->fs;

	if (dirfd == AT_FDCWD) {
		lock(&dcache_lock);
		path_walks++;
		t->path = fs->cwd;
		path_get(&t->path);
		dcache_unlock();
		return 0;
	}
	t->file = fdtab_get_path(dirfd);
	if (IS_ERR(t->file))
		return PTR_ERR(t->file);
	t->path = t->file->path;
	path_get(&t->path);
	return 0;
}

int target_find(int dirfd, const char *path, int at_flags, struct target *t)
{
	struct walk w;
	int r;

	*t = (struct target){ 0 };
	if (at_flags & AT_EMPTY_PATH && (!path || !*path))
		return target_dirfd(dirfd, t);
	if (!path)
		return -EFAULT;
	r = path_walk(dirfd, path, at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW, &w);
	if (!r)
		t->path = w.path;
	return r;
}

void target_put(struct target *t)
{
	path_put(&t->path);
	if (t->file)
		file_put(t->file);
}

bool target_put_stale(struct target *t, long *r, unsigned *tries)
{
	bool stale = *r == -ESTALE && t->path.dentry && !t->file;

	if (stale)
		dentry_forget(t->path.dentry);
	target_put(t);
	if (!stale)
		return false;
	if (++*tries < STALE_TRIES)
		return true;
	*r = -ENOENT;
	return false;
}

static bool read_only(const struct target *t)
{
	return t->path.dentry && t->path.mnt->flags & MS_RDONLY;
}

/* ---- reading ---- */

int vfs_getattr(const struct path *p, struct attr *a)
{
	struct node *n = path_node(p);
	int r = n->ops->getattr ? n->ops->getattr(n, a) : -EACCES;

	return gone_dir(p, r) ? gone_attr(p, a) : r;
}

int vfs_target_getattr(const struct target *t, struct attr *a)
{
	return t->file ? file_getattr(t->file, a) : vfs_getattr(&t->path, a);
}

/* By name, of what nothing need be kept of. 1: done. */
static int stat_at_a_glance(int dirfd, const char *path, int at_flags, struct attr *a, struct target *t)
{
	struct walk w;
	int r;

	if (!*path)
		return target_find(dirfd, path, at_flags, t);
	r = path_walk_attr(dirfd, path, at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW, &w, a);
	*t = (struct target){ 0 };
	if (r < 0)
		return r;
	t->path = w.path;
	if (!w.glanced)
		return 0;
	target_put(t);
	return 1;
}

int vfs_stat(int dirfd, const char *path, int at_flags, struct attr *a)
{
	struct target t;
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++) {
		r = stat_at_a_glance(dirfd, path, at_flags, a, &t);
		if (r)
			return MIN(r, 0);
		r = vfs_target_getattr(&t, a);
		if (r == -ESTALE && t.path.dentry)
			dentry_forget(t.path.dentry);
		target_put(&t);
	}
	return r == -ESTALE ? -ENOENT : r;
}

int vfs_access(int dirfd, const char *path, int mode, int at_flags)
{
	const struct cred *c = &this_process()->cred;
	bool effective = at_flags & AT_EACCESS;
	struct target t;
	struct attr a;
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++) {
		r = target_find(dirfd, path, at_flags, &t);
		if (r < 0)
			return r;
		r = vfs_target_getattr(&t, &a);
		if (r == -ESTALE && t.path.dentry)
			dentry_forget(t.path.dentry);
		if (!r)
			r = attr_permission(c, a.mode, a.uid, a.gid, effective ? c->fsuid : c->ruid,
					    effective ? c->fsgid : c->rgid, mode);
		if (!r && mode & MAY_WRITE && read_only(&t) && !(S_ISCHR(a.mode) || S_ISBLK(a.mode) ||
		    S_ISFIFO(a.mode) || S_ISSOCK(a.mode)))
			r = -EROFS;
		target_put(&t);
	}
	return r == -ESTALE ? -ENOENT : r;
}

ssize_t vfs_readlink(int dirfd, const char *path, char *buf, size_t size)
{
	struct walk w;
	struct node *n;
	ssize_t r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++) {
		/* An empty name means a symlink opened with O_PATH|O_NOFOLLOW. */
		r = path_walk(dirfd, path, WALK_EMPTY, &w);
		if (r < 0)
			return r;
		n = path_node(&w.path);
		r = !S_ISLNK(n->mode) ? (*path ? -EINVAL : -ENOENT) : n->ops->readlink ?
			n->ops->readlink(n, buf, size) : -EINVAL;
		if (r == -ESTALE)
			dentry_forget(w.path.dentry);
		path_put(&w.path);
	}
	return r == -ESTALE ? -ENOENT : r;
}

/* ---- changing ---- */

/* What a watcher is told of it (include/linux/fsnotify.h, fsnotify_change). */
static u32 change_mask(const struct attr *a)
{
	bool atime = a->valid & ATTR_ATIME && a->atime.tv_nsec != UTIME_OMIT;
	bool mtime = a->valid & ATTR_MTIME && a->mtime.tv_nsec != UTIME_OMIT;
	u32 mask = a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? IN_ATTRIB : 0;

	if (a->valid & ATTR_SIZE)
		mask |= IN_MODIFY;
	return mask | (atime && mtime ? IN_ATTRIB : atime ? IN_ACCESS : mtime ? IN_MODIFY : 0);
}

static int set(const struct target *t, const struct attr *a)
{
	struct node *n;
	int r;

	if (t->file && t->file->ops->setattr)
		r = t->file->ops->setattr(t->file, a);
	else if (!t->path.dentry)
		return -EPERM;
	else {
		n = path_node(&t->path);
		r = n->ops->setattr ? n->ops->setattr(n, a) : -EPERM;
	}
	if (!r)
		notify_object(t->path.dentry, change_mask(a));
	/* Mode and owner are cached with the names of directories. */
	if (!r && t->path.dentry && a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		dentry_touched(t->path.dentry);
	return r;
}

static bool member_or_root(u32 gid)
{
	const struct process *p = this_process();

	return p->cred.fsgid == gid || in_group(&p->cred, gid) || capable(p);
}

int vfs_chmod(const struct target *t, u32 mode)
{
	struct attr a, old;
	int r;

	if (read_only(t))
		return -EROFS;
	r = vfs_target_getattr(t, &old);
	if (r < 0)
		return r;
	if (S_ISLNK(old.mode))
		return -EOPNOTSUPP;
	if (!attr_owner(&old))
		return -EPERM;
	a = (struct attr){ .valid = ATTR_MODE, .mode = (old.mode & S_IFMT) | (mode & S_IALLUGO) };
	if (!member_or_root(old.gid))
		a.mode &= ~S_ISGID;
	return set(t, &a);
}

static int may_chown(const struct attr *old, u32 uid, u32 gid)
{
	const struct process *p = this_process();

	if (capable(p))
		return 0;
	if (uid != (u32)-1 && (p->cred.fsuid != old->uid || uid != old->uid))
		return -EPERM;
	if (gid != (u32)-1 &&
	    (p->cred.fsuid != old->uid || (gid != old->gid && p->cred.fsgid != gid && !in_group(&p->cred, gid))))
		return -EPERM;
	return 0;
}

int vfs_chown(const struct target *t, u32 uid, u32 gid)
{
	struct attr a = { 0 }, old;
	int r;

	if (read_only(t))
		return -EROFS;
	r = vfs_target_getattr(t, &old);
	if (!r)
		r = may_chown(&old, uid, gid);
	if (r < 0)
		return r;
	a.uid = uid == (u32)-1 ? old.uid : uid;
	a.gid = gid == (u32)-1 ? old.gid : gid;
	a.mode = old.mode;
	if (uid != (u32)-1)
		a.valid |= ATTR_UID;
	if (gid != (u32)-1)
		a.valid |= ATTR_GID;
	/* A change of owner takes set-id bits away (should_remove_suid). */
	if (!S_ISDIR(old.mode)) {
		if (old.mode & S_ISUID)
			a.mode &= ~S_ISUID;
		if ((old.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
		    (old.mode & S_ISGID && !member_or_root(old.gid)))
			a.mode &= ~S_ISGID;
		if (a.mode != old.mode)
			a.valid |= ATTR_MODE;
	}
	/* Nothing to change is a change still (chown_common), of which the change time tells. Not of another's file:
	 * that would be copied for it. */
	if (!a.valid && attr_owner(&old))
		a.valid = ATTR_UID | ATTR_GID;
	return a.valid ? set(t, &a) : 0;
}

static int may_touch(const struct target *t, const struct attr *old, bool to_now)
{
	const struct cred *c = &this_process()->cred;

	if (attr_owner(old))
		return 0;
	if (!to_now)
		return -EPERM;
	return attr_permission(c, old->mode, old->uid, old->gid, c->fsuid, c->fsgid, MAY_WRITE);
}

static bool time_valid(const struct timespec *ts)
{
	return ts->tv_nsec == UTIME_NOW || ts->tv_nsec == UTIME_OMIT || (ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000);
}

int vfs_utimes(const struct target *t, const struct timespec times[2])
{
	struct attr a = { .valid = ATTR_TIMES }, old;
	bool to_now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	int r;

	if (times && (!time_valid(&times[0]) || !time_valid(&times[1])))
		return -EINVAL;
	if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (read_only(t))
		return -EROFS;
	r = vfs_target_getattr(t, &old);
	if (!r)
		r = may_touch(t, &old, to_now);
	if (r < 0)
		return r;
	if (times) {
		a.atime = times[0];
		a.mtime = times[1];
	} else {
		a.atime.tv_nsec = a.mtime.tv_nsec = UTIME_NOW;
	}
	return set(t, &a);
}

static int truncate_target(const struct target *t, u64 size)
{
	struct attr a = { .valid = ATTR_SIZE, .size = size };
	struct node *n = path_node(&t->path);
	int r;

	if (S_ISDIR(n->mode))
		r = -EISDIR;
	else if (!S_ISREG(n->mode))
		r = -EINVAL;
	else if (read_only(t))
		r = -EROFS;
	else
		r = vfs_permission(n, MAY_WRITE);
	if (!r && n->mode & 0111 && busy_running(n))
		r = -ETXTBSY;
	return r ?: set(t, &a);
}

int vfs_truncate(int dirfd, const char *path, u64 size)
{
	long r = file_size_allowed(size);
	unsigned tries = 0;
	struct target t;

	if (r < 0)
		return (int)r;
	do {
		r = target_find(dirfd, path, 0, &t);
		if (r)
			return (int)r;
		r = truncate_target(&t, size);
	} while (target_put_stale(&t, &r, &tries));
	return (int)r;
}

int vfs_statfs(const struct target *t, struct statfs *st)
{
	struct node *n;
	int r;

	if (!t->path.dentry)
		return t->file && t->file->host_fd >= 0 ? pal_fstatfs(t->file->host_fd, st) : -ENOSYS;
	n = path_node(&t->path);
	memset(st, 0, sizeof(*st));
	st->f_bsize = st->f_frsize = PAGE_SIZE;
	st->f_namelen = NAME_MAX_LEN;
	st->f_type = t->path.mnt->fs->magic;
	r = n->ops->statfs ? n->ops->statfs(n, st) : 0;
	st->f_flags = ST_VALID | (t->path.mnt->flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC));
	if (t->path.mnt->flags & MS_RELATIME)
		st->f_flags |= ST_RELATIME;
	return r;
}
