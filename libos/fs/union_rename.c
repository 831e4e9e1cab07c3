// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * rename: both parents and the object come to the top, then the host's rename does it there. What has to be seen to
 * before and after, as in overlayfs (fs/overlayfs/dir.c, ovl_rename):
 *
 *   a directory with parts in lower layers gets a redirect to where these lie, so that nothing is copied
 *   a directory of the top alone becomes opaque, lest it merge with a lower one of its new name
 *   if a lower layer has the old name, a whiteout stays behind
 *   the target may be a whiteout, or an empty directory that holds whiteouts
 */
#include "libos/fs/union_impl.h"

struct move {
	struct unode *dir, *n;	/* n NULL: nothing there */
	const char *name;
	struct hpath h;
	int below;		/* a lower layer has the name */
	bool whiteout;		/* the top has a whiteout there */
};

static bool merged(const struct unode *n)
{
	return n->layers & (n->layers - 1);
}

/* The directory in the top, if it is still the one we know: what is written to it must not land on another that took
 * its name meanwhile. */
static int open_dir(struct unode *n)
{
	int fd = unode_open(n, ufs_of(n)->top, O_RDONLY | O_DIRECTORY);
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	if (n->parent && (pal_fstat(fd, &st) < 0 || st.st_ino != n->host_ino)) {
		pal_close(fd);
		return -ESTALE;
	}
	return fd;
}

static int set_dir_xattr(struct unode *n, const char *name, const char *value)
{
	int r, fd = open_dir(n);

	if (fd < 0)
		return fd;
	r = pal_fsetxattr(fd, name, value, strlen(value), 0);
	pal_close(fd);
	return r;
}

/* The mark makes lookups look for the redirect even where no lower layer has the directory's parent. */
static int set_mark(struct unode *n)
{
	struct union_attr want;
	struct attr a;
	int r = union_getattr_now(&n->node, &a), fd;

	if (r < 0)
		return r;
	fd = open_dir(n);
	if (fd < 0)
		return fd;
	want = (struct union_attr){ .mode = a.mode, .uid = a.uid, .gid = a.gid };
	r = union_write_attr(ufs_of(n), fd, NULL, &want, true);
	pal_close(fd);
	return r;
}

/* n goes on to consist of what it consists of, wherever its name goes. */
static int pin_lower_parts(struct unode *n)
{
	u64 lower = n->layers & ((1ull << ufs_of(n)->top) - 1);
	struct uredirect *list = NULL;

	for (; lower; lower &= lower - 1) {
		unsigned l = (unsigned)__builtin_ctzl(lower);
		struct uredirect *r;
		struct hpath h;
		size_t len;

		if (unode_whole_path(n, l, &h) < 0)
			break;
		len = strlen(h.path);
		r = h.owned ? NULL : base_alloc(sizeof(*r) + len + 1);
		if (r) {
			r->layer = l;
			memcpy(r->path, h.path, len + 1);
			r->next = list;
			list = r;
		}
		hpath_done(&h);
		if (!r)
			break;
	}
	if (lower) {
		union_drop_redirects(list);
		return -ENOMEM;
	}
	lock(&dcache_lock);
	union_drop_redirects(n->redirects);
	n->redirects = list;
	dcache_unlock();
	return 0;
}

int union_set_redirect(struct unode *n)
{
	char *path = unode_lower_path(n);
	int r = path ? set_dir_xattr(n, UNION_REDIRECT, path) : -ENAMETOOLONG;

	base_free(path);
	if (!r)
		r = set_mark(n);
	return r ? r : pin_lower_parts(n);
}

/* Make the directory of m ready to go to where `to` is. */
static int prepare_dir(struct move *m, const struct move *to)
{
	switch (union_move(merged(m->n), to->below || to->whiteout)) {
	case UNION_MOVE_REDIRECT:
		return union_set_redirect(m->n);
	case UNION_MOVE_OPAQUE:
		return set_dir_xattr(m->n, UNION_OPAQUE, "y");
	case UNION_MOVE_PLAIN:
		break;
	}
	return 0;
}

static int find(struct move *m)
{
	struct ufs *u = ufs_of(m->dir);
	struct statx st;
	int r = union_copy_up_dir(m->dir);

	if (!r)
		r = unode_child_path(m->dir, m->name, u->top, &m->h);
	if (r < 0)
		return r;
	if (m->n && below_hint(m->n) != BELOW_UNKNOWN)
		m->below = below_hint(m->n) == BELOW_SOMETHING;
	else
		m->below = union_below(m->dir, m->name);
	if (m->below < 0)
		return m->below;
	m->whiteout = m->below && !hpath_stat(&m->h, &st) &&
		      union_is_whiteout(st.stx_mode, dev_make(st.stx_rdev_major, st.stx_rdev_minor));
	return 0;
}

/* An empty directory at the target, with whiteouts in it or parts below: out of the way first. */
static int clear_target(struct move *to)
{
	struct ufs *u = ufs_of(to->dir);
	struct stage s;
	int r = union_check_empty(to->n);

	if (r < 0 || !unode_in_top(to->n))
		return r;
	stage_name(&s);
	r = pal_renameat2(to->h.dir, to->h.path, u->work, s.name, to->below ? RENAME_WHITEOUT : 0);
	if (!r)
		r = stage_clear_dir(u, &s);
	if (!r)
		to->whiteout = to->below;
	return r;
}

static int host_rename(struct move *from, struct move *to, unsigned flags)
{
	return pal_renameat2(from->h.dir, from->h.path, to->h.dir, to->h.path, flags);
}

/* A directory can't replace a whiteout, but change places with it: it then hides the old name, or goes. */
static int dir_over_whiteout(struct move *from, struct move *to)
{
	int r = host_rename(from, to, RENAME_EXCHANGE);

	if (!r && !from->below)
		r = pal_unlinkat(from->h.dir, from->h.path, 0);
	return r;
}

static int move_dir(struct move *from, struct move *to)
{
	int r = 0;

	if (to->n)
		r = clear_target(to);
	if (!r)
		r = prepare_dir(from, to);
	if (r < 0)
		return r;
	if (to->whiteout)
		return dir_over_whiteout(from, to);
	return host_rename(from, to, from->below ? RENAME_WHITEOUT : 0);
}

static int move_file(struct move *from, struct move *to, unsigned flags)
{
	if (!to->whiteout)
		flags &= RENAME_NOREPLACE;
	else
		flags = 0; /* nothing there, for the guest */
	/* The host takes one of the two flags: a name that may appear meanwhile is watched by the work lock. */
	return host_rename(from, to, from->below ? RENAME_WHITEOUT : flags);
}

static int exchange(struct move *from, struct move *to)
{
	int r = 0;

	if (S_ISDIR(from->n->node.mode))
		r = prepare_dir(from, to);
	if (!r && S_ISDIR(to->n->node.mode))
		r = prepare_dir(to, from);
	return r ? r : host_rename(from, to, RENAME_EXCHANGE);
}

static int rename_by_steps(struct move *from, struct move *to, unsigned flags)
{
	if (flags & RENAME_EXCHANGE)
		return exchange(from, to);
	return S_ISDIR(from->n->node.mode) ? move_dir(from, to) : move_file(from, to, flags);
}

/* Nothing below the top is concerned: one host call is all. */
static bool is_plain(const struct move *from, const struct move *to, unsigned flags)
{
	u64 top = 1ull << ufs_of(from->dir)->top;

	if (from->below || to->whiteout)
		return false;
	if (!S_ISDIR(from->n->node.mode))
		return !(flags & RENAME_EXCHANGE) || !S_ISDIR(to->n->node.mode);
	return from->n->layers == top && !to->below && (!to->n || to->n->layers == top);
}

static int rename_found(struct move *from, struct move *to, unsigned flags)
{
	struct ufs *u = ufs_of(from->dir);
	int r, held;

	if (is_plain(from, to, flags)) {
		r = host_rename(from, to, flags);
		if (r != -ENOTEMPTY || u->work < 0)
			return r;
	}
	held = work_lock(u);
	if (held < 0)
		return held;
	r = rename_by_steps(from, to, flags);
	work_unlock(held);
	return r;
}

/* A listing of the directory must look at this entry for its number. Said once of a directory of the top. */
void union_mark_impure(struct unode *dir, const struct unode *n)
{
	u32 top = union_layer_mark(ufs_of(dir), ufs_of(dir)->top);

	if (!n->origin || dir->impure_in == top)
		return;
	if (!set_dir_xattr(dir, UNION_IMPURE, "y") && !set_mark(dir))
		dir->impure_in = top;
}

static int settle(struct move *from, struct move *to, unsigned flags)
{
	int r;

	union_mark_impure(to->dir, from->n);
	if (!(flags & RENAME_EXCHANGE)) {
		if (to->n)
			to->n->gone = true;
		r = unode_move(from->n, to->dir, to->name);
		below_note(from->n, to->below ? BELOW_SOMETHING : BELOW_NOTHING);
		return r;
	}
	union_mark_impure(from->dir, to->n);
	r = unode_move(from->n, to->dir, to->name);
	if (!r)
		r = unode_move(to->n, from->dir, from->name);
	from->n->below = to->n->below = BELOW_UNKNOWN;
	return r;
}

static int bring_up(struct unode *n)
{
	int r = union_copy_up(n, true);

	return r ? r : union_index_settle(n);
}

int union_rename(struct node *fd, const char *a, struct node *na, struct node *td, const char *b, struct node *nb,
		 unsigned flags)
{
	struct move from = { .dir = to_unode(fd), .n = to_unode(na), .name = a };
	struct move to = { .dir = to_unode(td), .n = nb ? to_unode(nb) : NULL, .name = b };
	char old_name[NAME_MAX_LEN + 1];
	int r;

	base_strlcpy(old_name, a, sizeof(old_name));
	from.name = old_name;
	r = bring_up(from.n);
	if (!r && to.n && (flags & RENAME_EXCHANGE || to.n->node.ino == from.n->node.ino))
		r = bring_up(to.n);
	if (!r)
		r = find(&from);
	if (!r)
		r = find(&to);
	if (!r)
		r = rename_found(&from, &to, flags);
	hpath_done(&from.h);
	hpath_done(&to.h);
	if (!r)
		r = settle(&from, &to, flags);
	return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}
