// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * From a name to an object.
 *
 * The walk holds dcache_lock while it moves through names that are cached and valid, so that it counts nothing on the
 * way; it lets go for what must ask a file system (a miss, a symlink read for the first time), holding its place by a
 * count. A symlink's text is put before what is left of the name. Every directory passed is checked for search
 * permission, the start for being still in the tree.
 *
 * Linux: fs/namei.c; path_resolution(7), openat2(2).
 */
#include "libos/vfs/impl.h"
#include "libos/coord/area.h"
#include "libos/task/task.h"

struct walker {
	unsigned flags;
	struct path root;	/* ".." stops here; counted */
	struct path cur;	/* counted if held; else only looked at under dcache_lock */
	bool held, locked;
	const char *rest;	/* what is left of the name */
	char *text;		/* owns rest once a symlink was followed */
	unsigned links;
	bool slash;		/* the name ended in a slash */
	bool dots;		/* it ended in ".", ".." or was "/" */
	const char *last;	/* with WALK_PARENT: the final component */
	size_t last_len;
	struct attr *attr;	/* wanted, and no object (path_walk_attr) */
	bool glanced;		/* it was found */
};

u32 path_walks;

void path_get(const struct path *p)
{
	if (p->dentry)
		dentry_get(p->dentry);
}

void path_put(struct path *p)
{
	if (p->dentry)
		dentry_put(p->dentry);
	p->dentry = NULL;
}

static void walk_lock(struct walker *w)
{
	if (!w->locked)
		lock(&dcache_lock);
	w->locked = true;
}

static void walk_unlock(struct walker *w)
{
	if (!w->locked)
		return;
	if (!w->held)
		dentry_get(w->cur.dentry);
	w->held = true;
	w->locked = false;
	dcache_unlock();
}

/* Move on; counted: d's count is the walk's now. Lock is held. */
static void walk_to(struct walker *w, struct mount *mnt, struct dentry *d, bool counted)
{
	struct dentry *old = w->held ? w->cur.dentry : NULL;

	w->cur.mnt = mnt;
	w->cur.dentry = d;
	w->held = counted;
	if (old)
		dentry_put_locked(old);
}

/* Step from a mounted-on directory to what is mounted. */
static int cross_down(struct walker *w)
{
	while (w->cur.dentry->mounted) {
		struct mount *m = mount_at(w->cur.mnt, w->cur.dentry);

		if (!m)
			return 0;
		if (w->flags & WALK_NO_XDEV)
			return -EXDEV;
		walk_to(w, m, m->root, false);
	}
	return 0;
}

static int go_up(struct walker *w)
{
	struct path p = w->cur;

	if (p.dentry == w->root.dentry && p.mnt == w->root.mnt)
		return w->flags & WALK_BENEATH ? -EXDEV : 0;
	while (!p.dentry->parent) {
		if (!p.mnt->parent)
			return 0;
		if (w->flags & WALK_NO_XDEV)
			return -EXDEV;
		p = (struct path){ p.mnt->parent, p.mnt->point };
		if (p.dentry == w->root.dentry && p.mnt == w->root.mnt)
			break;
	}
	/* The root of the process may be mounted on: then it is a mount's root, and was met above. */
	if (p.dentry->parent)
		p.dentry = p.dentry->parent;
	walk_to(w, p.mnt, p.dentry, false);
	return 0;
}

/* May this directory be searched? Cached attributes decide; else the node is asked without the lock. */
static int may_search(struct walker *w)
{
	struct node *n = w->cur.dentry->node;
	int r;

	if (!n || !S_ISDIR(n->mode))
		return -ENOTDIR;
	if ((n->mode & 0111) == 0111)
		return 0;
	if (n->flags & NODE_ATTR)
		return vfs_permission(n, MAY_EXEC);
	walk_unlock(w);
	r = vfs_permission(n, MAY_EXEC);
	walk_lock(w);
	return r;
}

/* The name's text from here on: a symlink's, then what was left. */
static int splice_text(struct walker *w, const char *link, size_t len)
{
	size_t left = strlen(w->rest);
	char *text;

	if (++w->links > SYMLINKS_MAX)
		return -ELOOP;
	if (!len)
		return -ENOENT;
	text = base_alloc(len + left + 2);
	if (!text)
		return -ENOMEM;
	memcpy(text, link, len);
	if (left)
		text[len++] = '/';
	memcpy(text + len, w->rest, left + 1);
	base_free(w->text);
	w->text = text;
	w->rest = text;
	return 0;
}

static int jump_to_root(struct walker *w)
{
	if (w->flags & WALK_BENEATH)
		return -EXDEV;
	if (w->flags & WALK_NO_XDEV && w->cur.mnt != w->root.mnt)
		return -EXDEV;
	walk_to(w, w->root.mnt, w->root.dentry, false);
	return 0;
}

static int follow_magic(struct walker *w, struct node *n)
{
	struct path to = { 0 };
	int r;

	if (w->flags & (WALK_NO_MAGIC | WALK_BENEATH | WALK_IN_ROOT))
		return -ELOOP;
	if (++w->links > SYMLINKS_MAX)
		return -ELOOP;
	walk_unlock(w);
	r = n->ops->follow(n, &to);
	if (!r)
		dentry_refresh(to.dentry);
	walk_lock(w);
	if (r < 0)
		return r;
	if (w->flags & WALK_NO_XDEV && to.mnt != w->cur.mnt) {
		dentry_put_locked(to.dentry);
		return -EXDEV;
	}
	walk_to(w, to.mnt, to.dentry, true);
	return 0;
}

/* d (a counted or cached child of cur) is a symlink: go where it points, from its directory. */
static int follow(struct walker *w, struct dentry *d)
{
	struct node *n = d->node;
	char *text = NULL;
	ssize_t len;
	int r;

	if (w->flags & WALK_NO_SYMLINKS)
		return -ELOOP;
	if (n->ops->follow) {
		dentry_get(d);
		r = follow_magic(w, n);
		dentry_put_locked(d);
		return r;
	}
	if (!n->link) {
		text = base_alloc(PATH_MAX_LEN);
		if (!text)
			return -ENOMEM;
		dentry_get(d);
		walk_unlock(w);
		len = n->ops->readlink ? n->ops->readlink(n, text, PATH_MAX_LEN - 1) : -EINVAL;
		walk_lock(w);
		dentry_put_locked(d);
		if (len < 0) {
			base_free(text);
			return len;
		}
	}
	if (text)
		r = splice_text(w, text, len);
	else
		r = splice_text(w, n->link, strlen(n->link));
	base_free(text);
	if (!r && *w->rest == '/')
		r = jump_to_root(w);
	return r;
}

/* The child of cur by that name: from the cache, or from the file system. *counted says how it is held. */
static struct dentry *child(struct walker *w, const char *name, size_t len, bool *counted)
{
	struct dentry *d = dentry_cached(w->cur.dentry, name, len);

	*counted = false;
	if (d)
		return d;
	walk_unlock(w);
	d = dentry_lookup(w->cur.dentry, name, len);
	walk_lock(w);
	*counted = !IS_ERR(d);
	return d;
}

/* Are the attributes of the final component to be had without an object? */
static bool glance(struct walker *w, const char *name, size_t len)
{
	if (dentry_cached(w->cur.dentry, name, len) || !dentry_first_time(w->cur.dentry, name, len))
		return false;
	walk_unlock(w);
	w->glanced = !w->cur.dentry->node->ops->glance(w->cur.dentry->node, name, len, w->attr);
	walk_lock(w);
	return w->glanced;
}

static void opening(struct walker *w, const char *name, size_t len)
{
	struct node *dir = w->cur.dentry->node;

	if (!dir->ops->opening || w->cur.dentry->unlinked || dentry_cached(w->cur.dentry, name, len))
		return;
	walk_unlock(w);
	dir->ops->opening(dir, name, len);
	walk_lock(w);
}

/* Go to the component; last: it is the final one. */
static int step(struct walker *w, const char *name, size_t len, bool last)
{
	bool counted, want = !last || w->flags & WALK_FOLLOW || w->slash;
	struct dentry *d;
	int r;

	if (last && w->attr && !w->slash && glance(w, name, len))
		return 0;
	if (last && w->flags & WALK_OPENING && !w->slash)
		opening(w, name, len);
	d = child(w, name, len, &counted);

	if (IS_ERR(d))
		return PTR_ERR(d);
	if (!d->node)
		r = -ENOENT;
	else if (S_ISLNK(d->node->mode) && want && !d->mounted)
		r = follow(w, d);
	else {
		walk_to(w, w->cur.mnt, d, counted);
		return cross_down(w);
	}
	if (counted)
		dentry_put_locked(d);
	return r;
}

/* Walk what is left, or all but its last component. Lock is held. */
static int run(struct walker *w)
{
	int r;

	for (;;) {
		const char *name, *end;
		size_t len;
		bool last;

		while (*w->rest == '/')
			w->rest++;
		if (!*w->rest)
			return 0;
		name = w->rest;
		for (end = name; *end && *end != '/'; end++)
			;
		len = end - name;
		w->rest = end;
		while (*w->rest == '/')
			w->rest++;
		last = !*w->rest;
		w->dots = name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
		if (last && *end)
			w->slash = true;
		r = may_search(w);
		if (r < 0)
			return r;
		if (last && w->flags & WALK_PARENT && !w->dots) {
			w->last = name;
			w->last_len = len;
			return len > NAME_MAX_LEN ? -ENAMETOOLONG : 0;
		}
		if (w->dots)
			r = len == 2 ? go_up(w) : 0;
		else if (len > NAME_MAX_LEN)
			r = -ENAMETOOLONG;
		else
			r = step(w, name, len, last);
		if (r < 0)
			return r;
	}
}

/* Where a name that is not absolute begins: counted. */
static int start_path(int dirfd, struct path *p)
{
	struct fs_context *fs = this_process()->fs;
	struct file *f;

	if (dirfd == AT_FDCWD) {
		lock(&dcache_lock);
		*p = fs->cwd;
		path_get(p);
		dcache_unlock();
		return 0;
	}
	f = fdtab_get_path(dirfd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	*p = f->path;
	path_get(p);
	file_put(f);
	return 0;
}

static int begin(struct walker *w, int dirfd, const char *name, unsigned flags)
{
	struct fs_context *fs = this_process()->fs;
	struct path start = { 0 };
	int r;

	*w = (struct walker){ .flags = flags, .rest = name, .dots = true };
	moves_apply();
	if (unlikely(atomic_load_relaxed(&the_area->binds.seq) != this_process()->binds_seq))
		binds_follow();
	lock(&dcache_lock);
	path_walks++;
	dentry_set_clock();
	w->root = fs->root;
	path_get(&w->root);
	dcache_unlock();
	if (*name == '/' && !(flags & (WALK_BENEATH | WALK_IN_ROOT))) {
		start = w->root;
		path_get(&start);
	} else {
		if (*name == '/' && flags & WALK_BENEATH)
			return -EXDEV;
		r = start_path(dirfd, &start);
		if (r < 0)
			return r;
		if (!start.dentry)
			return -ENOTDIR;
		dentry_refresh(start.dentry);
	}
	if (flags & (WALK_BENEATH | WALK_IN_ROOT)) {
		path_put(&w->root);
		w->root = start;
		path_get(&w->root);
	}
	w->cur = start;
	w->held = true;
	if (!*name && !(flags & WALK_EMPTY))
		return -ENOENT;
	walk_lock(w);
	return 0;
}

static void end(struct walker *w)
{
	walk_unlock(w);
	if (w->held)
		path_put(&w->cur);
	path_put(&w->root);
	base_free(w->text);
}

/* Hand the place over to the caller. */
static void finish(struct walker *w, struct walk *out)
{
	walk_unlock(w);
	out->path = w->cur;
	w->held = false;
	out->trailing_slash = w->slash;
	out->last_dots = w->flags & WALK_PARENT && !w->last;
	out->last[0] = '\0';
	out->glanced = w->glanced;
	if (w->last) {
		memcpy(out->last, w->last, w->last_len);
		out->last[w->last_len] = '\0';
	}
}

static int walk_once(int dirfd, const char *name, unsigned flags, struct walk *out, struct attr *a)
{
	struct walker w;
	int r = begin(&w, dirfd, name, flags);

	w.attr = a;
	if (!r)
		r = run(&w);
	if (!r && (w.slash || flags & WALK_DIRECTORY) && !w.last &&
	    (!w.cur.dentry->node || !S_ISDIR(w.cur.dentry->node->mode)))
		r = -ENOTDIR;
	if (!r)
		finish(&w, out);
	end(&w);
	return r;
}

int path_walk_attr(int dirfd, const char *name, unsigned flags, struct walk *out, struct attr *a)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = walk_once(dirfd, name, flags, out, a);
	return r == -ESTALE ? -ENOENT : r;
}

int path_walk(int dirfd, const char *name, unsigned flags, struct walk *out)
{
	return path_walk_attr(dirfd, name, flags, out, NULL);
}

/* One round of path_walk_create: 1 when the last component was a symlink and the walk goes on behind it. */
static int create_round(struct walker *w, struct path *target)
{
	struct dentry *d;
	bool counted;
	int r = run(w);

	if (r < 0 || !w->last)
		return r;
	d = child(w, w->last, w->last_len, &counted);
	if (IS_ERR(d))
		return PTR_ERR(d);
	if (d->node && S_ISLNK(d->node->mode) && w->flags & WALK_FOLLOW && !d->mounted) {
		bool magic = d->node->ops->follow;

		w->last = NULL;
		r = follow(w, d);
		if (counted)
			dentry_put_locked(d);
		if (r < 0 || magic)
			return r;
		w->dots = true;
		return 1;
	}
	target->mnt = w->cur.mnt;
	target->dentry = counted ? d : dentry_get(d);
	while (target->dentry->mounted) {
		struct mount *m = mount_at(target->mnt, target->dentry);

		if (!m)
			break;
		dentry_put_locked(target->dentry);
		*target = (struct path){ m, dentry_get(m->root) };
	}
	return 0;
}

int path_walk_create(int dirfd, const char *name, unsigned flags, struct walk *out, struct path *target)
{
	struct walker w;
	int r = begin(&w, dirfd, name, flags | WALK_PARENT);

	target->dentry = NULL;
	if (!r)
		do
			r = create_round(&w, target);
		while (r > 0);
	if (!r && !target->dentry) {
		*target = w.cur;
		dentry_get(target->dentry);
	}
	if (!r)
		finish(&w, out);
	end(&w);
	return r;
}
