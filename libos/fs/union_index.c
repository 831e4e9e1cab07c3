// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Several names of one file below that is changed under one of them.
 *
 * Its copy takes the place of that name, and gets a name in the index of the top (UNION_LINKS), by which whoever comes
 * by another name finds it: a regular file with several names is looked for there whenever it is found in a layer
 * below, and such a name is looked up again after each new copy of the kind (node.links). What was found so lies at its
 * place in the index (a redirect), and is read, written and linked there. It gets a place of its own, by a link, only
 * if that is to be moved.
 *
 * So no name has to be found at copy-up, and none comes apart. Of names in the sandbox's own layers those that are
 * found get the copy at once (union_links.c), which keeps count of them; the index has the rest. The copy counts one
 * name for itself in it, in place of all those that lead there by it.
 */
#include "libos/fs/union_impl.h"

bool union_index_asks(const struct ufs *u, unsigned layer, const struct statx *st)
{
	return st->stx_nlink > 1 && S_ISREG(st->stx_mode) && layer < u->top && u->has_base && !u->shared &&
	       st->stx_mask & STATX_BTIME;
}

static void path_of(const struct statx *st, char *path)
{
	union_link_path(path, st->stx_ino, st->stx_btime.tv_sec, st->stx_btime.tv_nsec);
}

/* Hardly a sandbox has any copy of that kind. That none of its layers has was seen when it was at this chain and
 * counter. */
static u64 none_at; /* atomic */

static u64 state_now(const struct ufs *u)
{
	return ~((u64)names_links(&u->fs) << 32 | u->seq);
}

bool union_index_none(const struct ufs *u)
{
	return atomic_load(&none_at) == state_now(u);
}

static bool has_none(const struct ufs *u)
{
	u64 now = state_now(u);
	struct statx st;

	if (likely(union_index_none(u)))
		return true;
	for (unsigned l = 1; l <= u->top; l++)
		if (!union_layer_lacks(u, l, UNION_LINKS) &&
		    !pal_statx(layer_fd(u, l), UNION_LINKS, AT_SYMLINK_NOFOLLOW, UNION_STATX, &st))
			return false;
	atomic_store(&none_at, now);
	return true;
}

static bool step(const struct ufs *u, unsigned *layer, struct statx *st, char *path)
{
	char at[UNION_LINK_MAX];
	struct statx copy;

	path_of(st, at);
	for (unsigned l = u->top; l > *layer; l--) {
		if (union_layer_lacks(u, l, UNION_LINKS) ||
		    pal_statx(layer_fd(u, l), at, AT_SYMLINK_NOFOLLOW, UNION_STATX, &copy))
			continue;
		if (!S_ISREG(copy.stx_mode))
			return false;
		*layer = l;
		*st = copy;
		memcpy(path, at, sizeof(at));
		return true;
	}
	return false;
}

/* A copy may have been copied again. */
bool union_index_find(const struct ufs *u, unsigned *layer, struct statx *st, char *path)
{
	bool found = false;

	if (has_none(u))
		return false;
	while (union_index_asks(u, *layer, st) && step(u, layer, st, path))
		found = true;
	return found;
}

bool union_index_follow(struct unode *n, int fd, unsigned layer)
{
	struct ufs *u = ufs_of(n);
	char path[UNION_LINK_MAX];
	struct statx st;

	if (pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st) || !union_index_find(u, &layer, &st, path) ||
	    unode_add_redirect(n, layer, path))
		return false;
	lock(&dcache_lock);
	atomic_store(&n->layers, 1ull << layer);
	n->host_ino = st.stx_ino;
	n->host_dev = statx_dev(&st);
	n->origin = n->node.ino;
	n->over_valid = n->over_read = false;
	n->changed_s = n->changed_ns = 0;
	dcache_unlock();
	return true;
}

static int link_at_index(const struct ufs *u, int dir, const char *from, const char *path)
{
	int top = layer_fd(u, u->top), r = pal_linkat(dir, from, top, path, 0);

	if (r == -ENOENT) {
		(void)pal_mkdirat(top, UNION_LINKS, 0700);
		r = pal_linkat(dir, from, top, path, 0);
	}
	return r;
}

/* Where a copy was taken back by restore. */
static int replace_whiteout(const struct ufs *u, const struct stage *s, const char *path)
{
	int top = layer_fd(u, u->top), r, held = work_lock(u);
	struct stage again;
	struct statx st;

	if (held < 0)
		return held;
	r = pal_statx(top, path, AT_SYMLINK_NOFOLLOW, UNION_STATX, &st);
	if (!r && S_ISREG(st.stx_mode))
		r = -EEXIST;
	stage_name(&again);
	if (!r)
		r = pal_linkat(u->work, s->name, u->work, again.name, 0);
	if (!r) {
		r = pal_renameat2(u->work, again.name, top, path, 0);
		if (r < 0)
			stage_drop(u, &again);
	}
	work_unlock(held);
	return r;
}

int union_index_put(const struct ufs *u, const struct stage *s, int fd)
{
	char path[UNION_LINK_MAX];
	struct statx st;
	int r = pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st);

	if (r < 0)
		return r;
	path_of(&st, path);
	r = link_at_index(u, u->work, s->name, path);
	if (r == -EEXIST)
		r = replace_whiteout(u, s, path);
	if (!r)
		names_bump(to_unode(u->fs.root), UNION_LINKS_NAME);
	return r;
}

void union_index_drop(const struct ufs *u, int fd)
{
	char path[UNION_LINK_MAX];
	struct statx st;

	if (pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st))
		return;
	path_of(&st, path);
	(void)pal_unlinkat(layer_fd(u, u->top), path, 0);
}

void union_index_link(struct unode *n, const char *path)
{
	struct ufs *u = ufs_of(n);
	struct hpath h;

	if (unode_path(n, u->top, &h))
		return;
	/* On failure the names that it leads to stay with the old object. */
	if (!link_at_index(u, h.dir, h.path, path))
		names_bump(to_unode(u->fs.root), UNION_LINKS_NAME);
	hpath_done(&h);
}

/* Its name, where it stands, and no redirect: in h. */
static int own_place(struct unode *n, struct hpath *h)
{
	char name[NAME_MAX_LEN + 1];

	lock(&dcache_lock);
	base_strlcpy(name, n->name, sizeof(name));
	dcache_unlock();
	return unode_child_path(n->parent, name, ufs_of(n)->top, h);
}

int union_index_settle(struct unode *n)
{
	struct ufs *u = ufs_of(n);
	struct uredirect **at, *gone;
	struct hpath h;
	int r;

	if (!S_ISREG(n->node.mode) || !n->redirects || !unode_in_top(n))
		return 0;
	for (at = &n->redirects; *at && (*at)->layer != u->top;)
		at = &(*at)->next;
	if (!*at)
		return 0;
	r = union_copy_up_dir(n->parent);
	if (!r)
		r = own_place(n, &h);
	if (r)
		return r;
	r = pal_linkat(layer_fd(u, u->top), (*at)->path, h.dir, h.path, 0);
	hpath_done(&h);
	if (r)
		return r == -EEXIST || r == -ENOENT ? -ESTALE : r;
	lock(&dcache_lock);
	gone = *at;
	*at = gone->next;
	gone->next = NULL;
	n->node.flags &= ~NODE_LINKED;
	dcache_unlock();
	union_drop_redirects(gone);
	below_note(n, BELOW_SOMETHING);
	unode_bump(n);
	return 0;
}
