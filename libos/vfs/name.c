// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Calls that make and remove names: mkdir, mknod, symlink, link, unlink, rmdir. rename has its own file.
 *
 * Each walks to the parent, looks the last component up, checks in Linux's order (fs/namei.c: filename_create,
 * may_create, may_delete), and frames the file system's act with dentry_begin and dentry_changed.
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/notify.h"
#include "libos/task/task.h"

/* To the directory only. */
static int place_walk(int dirfd, const char *path, struct place *p)
{
	int r = path_walk(dirfd, path, WALK_PARENT, &p->w);

	p->d = NULL;
	p->node = NULL;
	if (!r)
		p->dir = path_node(&p->w.path);
	return r;
}

static int place_look(struct place *p)
{
	int r;

	if (p->w.last_dots)
		return 0;
	p->d = dentry_lookup(p->w.path.dentry, p->w.last, strlen(p->w.last));
	if (IS_ERR(p->d)) {
		r = PTR_ERR(p->d);
		p->d = NULL;
		place_put(p);
		return r;
	}
	p->node = p->d->node;
	return 0;
}

int place_find(int dirfd, const char *path, struct place *p)
{
	int r = place_walk(dirfd, path, p);

	return r < 0 ? r : place_look(p);
}

void place_put(struct place *p)
{
	if (p->d)
		dentry_put(p->d);
	path_put(&p->w.path);
}

int may_create(const struct place *p)
{
	if (p->w.path.dentry->unlinked)
		return -ENOENT;
	return vfs_permission(p->dir, MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory only the owner of the file or of the directory removes. */
static int sticky_check(const struct place *p)
{
	struct attr dir, a;
	int r;

	if (!(p->dir->mode & S_ISVTX) || !p->dir->ops->getattr)
		return 0;
	r = p->dir->ops->getattr(p->dir, &dir);
	if (!r)
		r = p->node->ops->getattr(p->node, &a);
	if (r < 0)
		return r;
	return attr_owner(&a) || attr_owner(&dir) ? 0 : -EPERM;
}

int may_delete(const struct place *p, bool is_dir)
{
	int r = vfs_permission(p->dir, MAY_WRITE | MAY_EXEC);

	if (!r)
		r = sticky_check(p);
	if (r < 0)
		return r;
	if (is_dir && !S_ISDIR(p->node->mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(p->node->mode))
		return -EISDIR;
	return p->d->mounted ? -EBUSY : 0;
}

static bool read_only(const struct place *p)
{
	return p->w.path.mnt->flags & MS_RDONLY;
}

/* After the file system's answer: -ESTALE means our view was old; let the caller look again. */
int place_stale(struct place *p, int r)
{
	/* Somebody made what was not there when we looked, and has not said so yet: whoever hears EEXIST is to find
	 * it. */
	if ((r == -ESTALE || (r == -EEXIST && !p->node)) && p->d)
		dentry_forget(p->d);
	if (r == -ESTALE)
		dentry_forget(p->w.path.dentry);
	return r;
}

/* ---- making ---- */

enum make { MAKE_DIR, MAKE_NODE, MAKE_LINK_TEXT };

struct making {
	enum make what;
	u32 mode;
	u64 rdev;
	const char *text;
};

static int make_act(const struct place *p, const struct making *m, struct node **out)
{
	const struct node_ops *ops = p->dir->ops;
	const char *name = p->w.last;

	switch (m->what) {
	case MAKE_DIR:
		return ops->mkdir ? ops->mkdir(p->dir, name, m->mode, out) : -EPERM;
	case MAKE_NODE:
		return ops->mknod ? ops->mknod(p->dir, name, m->mode, m->rdev) : -EPERM;
	default:
		return ops->symlink ? ops->symlink(p->dir, name, m->text) : -EPERM;
	}
}

static int make_checks(const struct place *p, bool is_dir)
{
	if (p->w.last_dots || p->node)
		return -EEXIST;
	if (p->w.trailing_slash && !is_dir)
		return -ENOENT;
	return read_only(p) ? -EROFS : may_create(p);
}

static void name_made(struct dentry_change *c, struct node *made)
{
	struct dentry *d;

	if (!made) {
		dentry_changed(c, false);
		return;
	}
	d = dentry_created(c, made);
	if (!IS_ERR(d))
		dentry_put(d);
}

static int make_once(int dirfd, const char *path, const struct making *m)
{
	struct node *made = NULL;
	struct dentry_change c;
	struct place p;
	int r = place_find(dirfd, path, &p);

	if (r < 0)
		return r;
	r = make_checks(&p, m->what == MAKE_DIR);
	if (!r) {
		dentry_begin(&c, p.w.path.dentry, p.w.last);
		r = make_act(&p, m, &made);
		if (!r) {
			name_made(&c, made);
			notify_entry(p.dir, p.w.last, IN_CREATE, m->what == MAKE_DIR);
		}
	}
	r = place_stale(&p, r);
	place_put(&p);
	return r;
}

static int make(int dirfd, const char *path, const struct making *m)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = make_once(dirfd, path, m);
	return r == -ESTALE ? -ENOENT : r;
}

static u32 masked(u32 mode)
{
	return mode & ~atomic_load_relaxed(&this_process()->fs->umask);
}

int vfs_mkdir(int dirfd, const char *path, u32 mode)
{
	struct making m = { .what = MAKE_DIR, .mode = S_IFDIR | masked(mode & (S_IRWXUGO | S_ISVTX)) };

	return make(dirfd, path, &m);
}

int vfs_mknod(int dirfd, const char *path, u32 mode, u64 rdev)
{
	struct making m = { .what = MAKE_NODE, .rdev = rdev };

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		m.rdev = 0;
		break;
	case S_IFCHR:
	case S_IFBLK:
		if (!capable(this_process()))
			return -EPERM;
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	m.mode = (mode & S_IFMT) | masked(mode & S_IALLUGO);
	return make(dirfd, path, &m);
}

int vfs_symlink(const char *target, int dirfd, const char *path)
{
	struct making m = { .what = MAKE_LINK_TEXT, .text = target };

	return *target ? make(dirfd, path, &m) : -ENOENT;
}

/* ---- link ---- */

/* protected_hardlinks, as distributions set it: only what one owns, or may read and write and is harmless. */
static int may_link(struct node *n, const struct attr *a)
{
	if (attr_owner(a))
		return 0;
	if (!S_ISREG(a->mode) || a->mode & S_ISUID || (a->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return vfs_permission(n, MAY_READ | MAY_WRITE) ? -EPERM : 0;
}

/* a: of what is to be linked, if got is 0. */
static int link_checks(const struct target *from, const struct place *to, const struct attr *a, int got)
{
	struct node *n = path_node(&from->path);
	int r;

	if (to->w.last_dots || to->node)
		return -EEXIST;
	if (to->w.trailing_slash)
		return -ENOENT;
	if (from->path.mnt != to->w.path.mnt)
		return -EXDEV;
	if (read_only(to))
		return -EROFS;
	r = got ?: may_link(n, a);
	if (!r)
		r = may_create(to);
	if (r < 0)
		return r;
	if (S_ISDIR(n->mode))
		return -EPERM;
	return to->dir->ops->link ? 0 : -EPERM;
}

static int link_once(int from, const char *a, int to, const char *b, int at_flags)
{
	int flags = at_flags & AT_EMPTY_PATH;
	struct dentry_change c;
	struct target t;
	struct place p;
	struct attr attr;
	int r, got = -EPERM;

	if (!(at_flags & AT_SYMLINK_FOLLOW))
		flags |= AT_SYMLINK_NOFOLLOW;
	r = target_find(from, a, flags, &t);
	if (r < 0)
		return r;
	/* As long as the walk that found it tells. */
	if (t.path.dentry && path_node(&t.path)->ops->getattr)
		got = path_node(&t.path)->ops->getattr(path_node(&t.path), &attr);
	r = t.path.dentry ? place_find(to, b, &p) : -EXDEV;
	if (r < 0) {
		target_put(&t);
		return r;
	}
	r = link_checks(&t, &p, &attr, got);
	if (!r) {
		dentry_begin(&c, p.w.path.dentry, p.w.last);
		r = p.dir->ops->link(path_node(&t.path), p.dir, p.w.last);
		if (!r) {
			dentry_changed(&c, false);
			dentry_touched(t.path.dentry);
			notify_self(path_node(&t.path), IN_ATTRIB);
			notify_entry(p.dir, p.w.last, IN_CREATE, false);
		}
	}
	if (r == -ESTALE)
		dentry_forget(t.path.dentry);
	r = place_stale(&p, r);
	place_put(&p);
	target_put(&t);
	return r;
}

int vfs_link(int from, const char *a, int to, const char *b, int at_flags)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = link_once(from, a, to, b, at_flags);
	return r == -ESTALE ? -ENOENT : r;
}

/* ---- removing ---- */

static bool ends_in_dotdot(const char *path)
{
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	return n >= 2 && path[n - 1] == '.' && path[n - 2] == '.' && (n == 2 || path[n - 3] == '/');
}

static bool ends_in_dot(const char *path)
{
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	return n >= 1 && path[n - 1] == '.' && (n == 1 || path[n - 2] == '/');
}

static int rmdir_checks(const struct place *p, const char *path)
{
	if (p->w.last_dots)
		return ends_in_dotdot(path) ? -ENOTEMPTY : ends_in_dot(path) ? -EINVAL : -EBUSY;
	if (read_only(p))
		return -EROFS;
	if (!p->node)
		return -ENOENT;
	return may_delete(p, true);
}

static int unlink_checks(const struct place *p)
{
	if (p->w.last_dots)
		return -EISDIR;
	if (p->w.trailing_slash)
		return !p->node ? -ENOENT : S_ISDIR(p->node->mode) ? -EISDIR : -ENOTDIR;
	if (read_only(p))
		return -EROFS;
	if (!p->node)
		return -ENOENT;
	return may_delete(p, false);
}

static int remove_act(const struct place *p, bool is_dir)
{
	const struct node_ops *ops = p->dir->ops;

	if (is_dir)
		return ops->rmdir ? ops->rmdir(p->dir, p->w.last, p->node) : -EPERM;
	return ops->unlink ? ops->unlink(p->dir, p->w.last, p->node) : -EPERM;
}

/*
 * A file that nobody has looked at is removed without looking, where the file system can: half of the host calls of
 * rm -rf. Whatever is in the way, an error above all, is left to those who look.
 */
static bool removed_unseen(struct place *p)
{
	struct dentry *dir = p->w.path.dentry;
	struct dentry_change c;
	bool seen;

	if (!p->dir->ops->unlink_unseen || p->w.last_dots || p->w.trailing_slash || read_only(p) || notify_wanted())
		return false;
	lock(&dcache_lock);
	seen = dir->unlinked || dentry_peek(dir, p->w.last, strlen(p->w.last));
	dcache_unlock();
	if (seen || p->dir->mode & S_ISVTX || vfs_permission(p->dir, MAY_WRITE | MAY_EXEC))
		return false;
	dentry_begin(&c, dir, p->w.last);
	if (p->dir->ops->unlink_unseen(p->dir, p->w.last))
		return false;
	dentry_changed(&c, true);
	return true;
}

static int remove_once(int dirfd, const char *path, bool is_dir)
{
	struct dentry_change c;
	struct place p;
	int r = place_walk(dirfd, path, &p);

	if (r < 0)
		return r;
	if (!is_dir && removed_unseen(&p)) {
		place_put(&p);
		return 0;
	}
	r = place_look(&p);
	if (r < 0)
		return r;
	r = is_dir ? rmdir_checks(&p, path) : unlink_checks(&p);
	if (!r) {
		u32 links = notify_links(p.node);

		dentry_begin(&c, p.w.path.dentry, p.w.last);
		r = remove_act(&p, is_dir);
		if (!r) {
			dentry_changed(&c, true);
			notify_unlinked(p.node, links);
			notify_entry(p.dir, p.w.last, IN_DELETE, is_dir);
		}
	}
	r = place_stale(&p, r);
	place_put(&p);
	return r;
}

int vfs_unlink(int dirfd, const char *path, int at_flags)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = remove_once(dirfd, path, at_flags & AT_REMOVEDIR);
	return r == -ESTALE ? -ENOENT : r;
}
