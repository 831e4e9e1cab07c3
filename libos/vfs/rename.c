// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * rename(2), renameat2(2): the checks of Linux's do_renameat2 and vfs_rename, then the file system's act.
 */
#include "libos/vfs/impl.h"
#include "libos/vfs/notify.h"
#include "libos/task/task.h"

static bool is_below(const struct dentry *d, const struct dentry *top)
{
	bool below = false;

	lock(&dcache_lock);
	for (; d && !below; d = d->parent)
		below = d == top;
	dcache_unlock();
	return below;
}

static int find_checks(const struct place *from, const struct place *to, unsigned flags)
{
	if (from->w.path.mnt != to->w.path.mnt)
		return -EXDEV;
	if (from->w.last_dots)
		return -EBUSY;
	if (to->w.last_dots)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (from->w.path.mnt->flags & MS_RDONLY)
		return -EROFS;
	if (!from->node)
		return -ENOENT;
	if (flags & RENAME_NOREPLACE && to->node)
		return -EEXIST;
	if (flags & RENAME_EXCHANGE) {
		if (!to->node)
			return -ENOENT;
		if (!S_ISDIR(to->node->mode) && to->w.trailing_slash)
			return -ENOTDIR;
	}
	if (!S_ISDIR(from->node->mode) &&
	    (from->w.trailing_slash || (!(flags & RENAME_EXCHANGE) && to->w.trailing_slash)))
		return -ENOTDIR;
	if (is_below(to->w.path.dentry, from->d))
		return -EINVAL;
	if (to->node && is_below(from->w.path.dentry, to->d))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* Two names of one object: nothing is to be done. 1, 0 or -errno. A cache may know the object by its old and its new
 * name for a moment while another process moves it: only what has several names can be meant here. */
static int is_same(const struct place *from, const struct place *to)
{
	struct attr a;
	int r;

	if (!to->node)
		return 0;
	if (from->d == to->d)
		return 1;
	if (!from->node->ino || from->node->ino != to->node->ino)
		return 0;
	r = from->node->ops->getattr ? from->node->ops->getattr(from->node, &a) : -EACCES;
	if (r < 0)
		return r;
	return a.nlink > 1 && !S_ISDIR(a.mode) ? 1 : -ESTALE;
}

static int act_checks(const struct place *from, const struct place *to, unsigned flags)
{
	bool is_dir = S_ISDIR(from->node->mode), to_dir = to->node && S_ISDIR(to->node->mode);
	int r = may_delete(from, is_dir);

	if (r < 0)
		return r;
	if (!to->node)
		r = may_create(to);
	else
		r = may_delete(to, flags & RENAME_EXCHANGE ? to_dir : is_dir);
	if (r < 0)
		return r;
	/* A directory that gets another parent has its ".." rewritten. */
	if (from->dir != to->dir) {
		if (is_dir)
			r = vfs_permission(from->node, MAY_WRITE);
		if (!r && flags & RENAME_EXCHANGE && to_dir)
			r = vfs_permission(to->node, MAY_WRITE);
	}
	return r;
}

static void renamed(struct place *from, struct place *to, struct dentry_change *c, struct dentry_change *into,
		    unsigned flags)
{
	if (flags & RENAME_EXCHANGE) {
		/* Both names lead elsewhere now; what is open below keeps its dentries, looked up anew by name. */
		dentry_changed(c, false);
		dentry_changed(into, false);
		return;
	}
	dentry_moved(c, into, from->d, to->node ? to->d : NULL);
}

/* Directories of the root: tell the others. Names as they were before. */
struct told {
	char *from, *to;
};

static char *name_text(const struct place *p)
{
	size_t size = 2 * PATH_MAX_LEN, len = strlen(p->w.last) + 2;
	char *buf, *at, *text = NULL;

	if (p->w.path.mnt != mount_root)
		return NULL;
	buf = base_alloc(size);
	at = buf ? path_text_from(&p->w.path, NULL, buf, size - len) : ERR_PTR(-ENOMEM);
	if (!IS_ERR(at)) {
		text = base_alloc(strlen(at) + len);
		if (text)
			base_snprintf(text, strlen(at) + len, "%s/%s", at[1] ? at : "", p->w.last);
	}
	base_free(buf);
	return text;
}

static void tell(const struct told *t, const struct place *from, const struct place *to, unsigned flags)
{
	if (!t->from || !t->to)
		return;
	if (S_ISDIR(from->node->mode))
		moves_record(from->node->ino, t->from, t->to);
	if (flags & RENAME_EXCHANGE && S_ISDIR(to->node->mode))
		moves_record(to->node->ino, t->to, t->from);
}

static int rename_placed(struct place *from, struct place *to, unsigned flags)
{
	struct dentry_change c, into;
	struct told t = { 0 };
	u32 links;
	int r = find_checks(from, to, flags);

	if (r < 0)
		return r;
	r = is_same(from, to);
	if (r)
		return MIN(r, 0);
	r = act_checks(from, to, flags);
	if (r < 0)
		return r;
	if (!from->dir->ops->rename)
		return -EPERM;
	if (S_ISDIR(from->node->mode) || (flags & RENAME_EXCHANGE && S_ISDIR(to->node->mode)))
		t = (struct told){ name_text(from), name_text(to) };
	links = notify_links(to->node);
	dentry_begin(&c, from->w.path.dentry, from->w.last);
	dentry_begin(&into, to->w.path.dentry, to->w.last);
	r = from->dir->ops->rename(from->dir, from->w.last, from->node, to->dir, to->w.last, to->node, flags);
	if (!r) {
		tell(&t, from, to, flags);
		renamed(from, to, &c, &into, flags);
		notify_moved(from->dir, from->w.last, to->dir, to->w.last, from->node);
		if (to->node && !(flags & RENAME_EXCHANGE))
			notify_unlinked(to->node, links);
		else if (to->node)
			notify_moved(to->dir, to->w.last, from->dir, from->w.last, to->node);
	}
	base_free(t.from);
	base_free(t.to);
	return r;
}

static int rename_once(int from, const char *a, int to, const char *b, unsigned flags)
{
	struct place pa, pb;
	int r = place_find(from, a, &pa);

	if (r < 0)
		return r;
	r = place_find(to, b, &pb);
	if (r < 0) {
		place_put(&pa);
		return r;
	}
	r = rename_placed(&pa, &pb, flags);
	place_stale(&pa, r);
	place_stale(&pb, r);
	place_put(&pb);
	place_put(&pa);
	return r;
}

int vfs_rename(int from, const char *a, int to, const char *b, unsigned flags)
{
	int r = -ESTALE;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    (flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	for (int i = 0; r == -ESTALE && i < STALE_TRIES; i++)
		r = rename_once(from, a, to, b, flags);
	return r == -ESTALE ? -ENOENT : r;
}
