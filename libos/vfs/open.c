// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * open(2) in all its forms: find or make the object, check what Linux checks, let the file system fill the open file.
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/vfs.h"
#include "libos/vfs/notify.h"
#include "libos/fs/kinds.h"
#include "libos/task/busy.h"
#include "libos/task/task.h"

#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH)
#define TRANSIENT_FLAGS (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_LARGEFILE)
#define O_TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

static unsigned resolve_flags(u64 resolve)
{
	unsigned f = 0;

	if (resolve & RESOLVE_NO_XDEV)
		f |= WALK_NO_XDEV;
	if (resolve & RESOLVE_NO_MAGICLINKS)
		f |= WALK_NO_MAGIC;
	if (resolve & RESOLVE_NO_SYMLINKS)
		f |= WALK_NO_SYMLINKS | WALK_NO_MAGIC;
	if (resolve & RESOLVE_BENEATH)
		f |= WALK_BENEATH;
	if (resolve & RESOLVE_IN_ROOT)
		f |= WALK_IN_ROOT;
	return f;
}

static int open_mask(int flags)
{
	static const u8 masks[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

static int open_checks(const struct path *p, int flags)
{
	struct node *n = path_node(p);
	int mask = open_mask(flags), r;
	struct attr a;

	if (S_ISLNK(n->mode))
		return -ELOOP;
	if (S_ISDIR(n->mode) && mask & MAY_WRITE)
		return -EISDIR;
	if (mask & MAY_WRITE && p->mnt->flags & MS_RDONLY && (S_ISREG(n->mode) || S_ISDIR(n->mode)))
		return -EROFS;
	r = vfs_permission(n, mask);
	if (r < 0)
		return r;
	if (mask & MAY_WRITE && S_ISREG(n->mode) && n->mode & 0111 && busy_running(n))
		return -ETXTBSY;
	if (flags & O_NOATIME) {
		r = n->ops->getattr(n, &a);
		if (r < 0)
			return r;
		if (!attr_owner(&a))
			return -EPERM;
	}
	return 0;
}

static struct file *new_file(const struct path *p, int flags)
{
	return file_create(&path_file_ops, -1, flags, p);
}

static void settle(struct file *f)
{
	f->flags = (f->flags & ~TRANSIENT_FLAGS) | O_LARGEFILE;
	f->host_fd = host_fd_move(f->host_fd);
}

/* Open what is there. */
static int open_found(const struct path *p, int flags, struct file **out)
{
	struct node *n = path_node(p);
	struct file *f;
	int r;

	if (flags & O_PATH) {
		f = new_file(p, flags & PATH_FLAGS);
		if (IS_ERR(f))
			return PTR_ERR(f);
		r = n->ops->pin ? n->ops->pin(n, f) : 0;
		if (r < 0) {
			file_put(f);
			return r;
		}
		f->host_fd = host_fd_move(f->host_fd);
		*out = f;
		return 0;
	}
	r = open_checks(p, flags);
	if (r < 0)
		return r;
	if (!n->ops->open)
		return -ENXIO;
	f = new_file(p, flags);
	if (IS_ERR(f))
		return PTR_ERR(f);
	r = n->ops->open(n, f);
	if (gone_dir(p, r)) {
		f->ops = &gone_dir_ops;
		r = 0;
	}
	if (r < 0) {
		file_put(f);
		return r;
	}
	settle(f);
	if (flags & O_TRUNC)
		notify_object(f->path.dentry, IN_MODIFY);
	notify_object(f->path.dentry, IN_OPEN);
	*out = f;
	return 0;
}

static u32 masked(u32 mode)
{
	return mode & ~atomic_load_relaxed(&this_process()->fs->umask);
}

/* Make name in the directory dir and open it. -EEXIST: somebody else did. */
static int open_new(const struct path *dir, const char *name, int flags, u32 mode, struct file **out)
{
	struct node *parent = path_node(dir), *node = NULL;
	struct dentry_change c;
	struct dentry *d;
	struct file *f;
	int r;

	if (dir->mnt->flags & MS_RDONLY)
		return -EROFS;
	if (dir->dentry->unlinked)
		return -ENOENT;
	r = vfs_permission(parent, MAY_WRITE | MAY_EXEC);
	if (r < 0)
		return r;
	if (!parent->ops->create)
		return -EACCES;
	f = new_file(NULL, flags);
	if (IS_ERR(f))
		return PTR_ERR(f);
	dentry_begin(&c, dir->dentry, name);
	r = parent->ops->create(parent, name, S_IFREG | masked(mode & S_IALLUGO), f, &node);
	if (r < 0) {
		file_put(f);
		return r;
	}
	d = dentry_created(&c, node);
	if (IS_ERR(d)) {
		file_put(f);
		return PTR_ERR(d);
	}
	f->path = (struct path){ dir->mnt, d };
	settle(f);
	notify_entry(parent, name, IN_CREATE, false);
	notify_object(d, IN_OPEN);
	*out = f;
	return 0;
}

static int open_create(int dirfd, const char *path, int flags, u32 mode, unsigned wf, struct file **out)
{
	struct path target;
	struct walk w;
	int r;

	if (!(flags & (O_NOFOLLOW | O_EXCL)))
		wf |= WALK_FOLLOW;
	r = path_walk_create(dirfd, path, wf, &w, &target);
	if (r < 0)
		return r;
	/* A magic link has no last name either, but leads to anything. */
	if (w.last_dots && (!target.dentry->node || S_ISDIR(target.dentry->node->mode)))
		r = flags & O_EXCL ? -EEXIST : -EISDIR;
	else if (w.trailing_slash)
		r = -EISDIR;
	else if (!target.dentry->node)
		r = open_new(&w.path, w.last, flags, mode, out);
	else if (flags & O_EXCL)
		r = -EEXIST;
	else if (S_ISDIR(target.dentry->node->mode))
		r = -EISDIR;
	else
		r = open_found(&target, flags, out);
	/* Made by somebody who has not said so yet: who hears EEXIST is to find it. */
	if (r == -ESTALE || r == -EEXIST)
		dentry_forget(target.dentry);
	if (r == -EEXIST && !(flags & O_EXCL))
		r = -ESTALE;
	path_put(&target);
	path_put(&w.path);
	return r;
}

static int open_tmpfile(int dirfd, const char *path, int flags, u32 mode, unsigned wf, struct file **out)
{
	struct node *dir, *node = NULL;
	struct dentry *d;
	struct walk w;
	struct file *f;
	int r;

	r = path_walk(dirfd, path, wf | WALK_FOLLOW | WALK_DIRECTORY, &w);
	if (r < 0)
		return r;
	dir = path_node(&w.path);
	r = vfs_permission(dir, MAY_WRITE | MAY_EXEC);
	if (!r && w.path.mnt->flags & MS_RDONLY)
		r = -EROFS;
	if (!r && !dir->ops->tmpfile)
		r = -EOPNOTSUPP;
	f = r < 0 ? ERR_PTR(r) : new_file(NULL, flags & ~(O_TMPFILE_BIT | O_DIRECTORY));
	if (!IS_ERR(f)) {
		r = dir->ops->tmpfile(dir, S_IFREG | masked(mode & S_IALLUGO), f, &node);
		d = r < 0 ? ERR_PTR(r) : dentry_nameless(w.path.dentry, node);
		if (IS_ERR(d)) {
			file_put(f);
			f = (struct file *)d;
		} else {
			f->path = (struct path){ w.path.mnt, d };
			f->flags |= flags & O_TMPFILE_BIT;
			settle(f);
			*out = f;
		}
	}
	path_put(&w.path);
	return IS_ERR(f) ? PTR_ERR(f) : 0;
}

static int open_plain(int dirfd, const char *path, int flags, unsigned wf, struct file **out)
{
	struct walk w;
	int r;

	if (!(flags & O_NOFOLLOW))
		wf |= WALK_FOLLOW;
	if (flags & O_DIRECTORY)
		wf |= WALK_DIRECTORY;
	if (!(flags & ~READ_FLAGS))
		wf |= WALK_OPENING;
	r = path_walk(dirfd, path, wf, &w);
	if (r < 0)
		return r;
	r = open_found(&w.path, flags, out);
	if (r == -ESTALE)
		dentry_forget(w.path.dentry);
	path_put(&w.path);
	return r;
}

int vfs_open(int dirfd, const char *path, int flags, u32 mode, u64 resolve, struct file **out)
{
	unsigned wf = resolve_flags(resolve);
	int r = -ESTALE;

	if (flags & O_PATH)
		flags &= PATH_FLAGS | O_CLOEXEC;
	else if (flags & O_TMPFILE_BIT) {
		if ((flags & O_TMPFILE) != O_TMPFILE || flags & O_CREAT || !(open_mask(flags) & MAY_WRITE))
			return -EINVAL;
	} else if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) {
		return -EINVAL;
	}
	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++) {
		if (flags & O_TMPFILE_BIT)
			r = open_tmpfile(dirfd, path, flags, mode, wf, out);
		else if (flags & O_CREAT)
			r = open_create(dirfd, path, flags, mode, wf, out);
		else
			r = open_plain(dirfd, path, flags, wf, out);
	}
	return r == -ESTALE ? -ENOENT : r;
}

/* The object to execute; that of an open descriptor may have no name (a memfd). */
static int find_exec(int dirfd, const char *path, int at_flags, struct path *out)
{
	cleanup_file struct file *f = at_flags & AT_EMPTY_PATH && !*path ? fdtab_get_path(dirfd) : NULL;
	struct walk w;
	int r;

	if (f && !IS_ERR(f) && !f->path.dentry)
		return anon_path(f, out);
	r = path_walk(dirfd, path, (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
		      (at_flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), &w);
	if (!r)
		*out = w.path;
	return r;
}

static int open_exec_once(int dirfd, const char *path, int at_flags, struct file **out)
{
	struct path at;
	struct node *n;
	int r = find_exec(dirfd, path, at_flags, &at);

	if (r < 0)
		return r;
	n = path_node(&at);
	if (S_ISLNK(n->mode))
		r = -ELOOP;
	else if (!S_ISREG(n->mode) || at.mnt->flags & MS_NOEXEC)
		r = -EACCES;
	if (!r)
		r = vfs_permission(n, MAY_EXEC);
	/* Linux reads a program that its caller may not read; the host would not let us. */
	if (!r) {
		struct file *f = new_file(&at, O_RDONLY);

		r = IS_ERR(f) ? PTR_ERR(f) : n->ops->open ? n->ops->open(n, f) : -EACCES;
		if (!r) {
			settle(f);
			*out = f;
		} else if (!IS_ERR(f)) {
			file_put(f);
		}
	}
	if (r == -ESTALE && at.dentry)
		dentry_forget(at.dentry);
	path_put(&at);
	return r;
}

int vfs_open_exec(int dirfd, const char *path, int at_flags, struct file **out)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = open_exec_once(dirfd, path, at_flags, out);
	return r == -ESTALE ? -ENOENT : r;
}
