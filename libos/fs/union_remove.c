// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Removing: what only the top has goes for good; what a lower layer has, too, is hidden by a whiteout. A file is
 * replaced by it in one step, a directory is taken away by the host's RENAME_WHITEOUT.
 */
#include "libos/fs/union_impl.h"
#include "libos/fs/quota.h"

static int below(struct unode *dir, const char *name, struct unode *victim)
{
	if (below_hint(victim) != BELOW_UNKNOWN)
		return below_hint(victim) == BELOW_SOMETHING;
	return union_below(dir, name);
}

static int make_whiteout(struct unode *dir, const char *name)
{
	struct hpath h;
	int r = union_copy_up_dir(dir);

	if (!r)
		r = unode_child_path(dir, name, ufs_of(dir)->top, &h);
	if (r)
		return r;
	r = whiteout_make(ufs_of(dir), h.dir, h.path);
	hpath_done(&h);
	if (!r)
		whiteout_note(dir, name);
	return r == -EEXIST ? -ESTALE : r;
}

/* In place of what the top has. */
static int put_whiteout(struct unode *dir, const char *name)
{
	struct ufs *u = ufs_of(dir);
	struct stage s;
	struct hpath h;
	int r = unode_child_path(dir, name, u->top, &h);

	if (r < 0)
		return r;
	stage_name(&s);
	r = whiteout_make(u, u->work, s.name);
	if (!r) {
		r = pal_renameat2(u->work, s.name, h.dir, h.path, 0);
		if (r < 0)
			stage_drop(u, &s);
		else
			whiteout_note(dir, name);
	}
	hpath_done(&h);
	return r == -EISDIR ? -ESTALE : r;
}

/* Move the top's object to work, leaving a whiteout or nothing. */
static int take_away(struct unode *dir, const char *name, struct stage *s, bool whiteout)
{
	struct ufs *u = ufs_of(dir);
	struct hpath h;
	int r = unode_child_path(dir, name, u->top, &h);

	if (r < 0)
		return r;
	stage_name(s);
	r = pal_renameat2(h.dir, h.path, u->work, s->name, whiteout ? RENAME_WHITEOUT : 0);
	hpath_done(&h);
	return r;
}

static int remove_from_top(struct unode *dir, const char *name, int flags)
{
	struct hpath h;
	int r = unode_child_path(dir, name, ufs_of(dir)->top, &h);

	if (r < 0)
		return r;
	r = pal_unlinkat(h.dir, h.path, flags);
	hpath_done(&h);
	return r;
}

static int remove_file(struct unode *dir, const char *name, struct unode *victim)
{
	bool in_top = unode_in_top(victim);
	/* One that is found by the index lies in the top, and its directory may not. */
	int r = in_top ? union_copy_up_dir(dir) : 1;

	if (in_top && !r)
		r = below(dir, name, victim);

	if (r < 0)
		return r;
	switch (union_removal(in_top, r)) {
	case UNION_UNLINK:
		return remove_from_top(dir, name, 0);
	case UNION_TAKE_AND_HIDE:
		return put_whiteout(dir, name);
	case UNION_HIDE:
		break;
	}
	return make_whiteout(dir, name);
}

static int done(struct unode *victim, int r)
{
	if (r == -ENOENT || r == -ENOTDIR)
		return -ESTALE;
	if (!r)
		victim->gone = true;
	if (!r && quota_on())
		quota_freed();
	return r;
}

int union_unlink(struct node *d, const char *name, struct node *v)
{
	struct unode *dir = to_unode(d), *victim = to_unode(v);

	return done(victim, remove_file(dir, name, victim));
}

/* ---- one after another ---- */

#define LISTED_AFTER 3 /* removals from a directory that are worth a listing of it */
#define LISTED_FOR 4 /* quarters of a second, as a miss in the base is believed */

/* What the layer below had in the directory from which was removed last. */
static struct {
	const struct unode *dir;
	u64 ino, layers;
	u32 seq, clock;
	u32 count;
	struct union_list list;
} emptied; /* of processes that are alone in their memory */

static bool is_emptied(const struct unode *dir, u64 layers, u32 now)
{
	return emptied.dir == dir && emptied.ino == dir->node.ino && emptied.layers == layers &&
	       emptied.seq == ufs_of(dir)->seq && now - emptied.clock < LISTED_FOR;
}

/*
 * Is it sure that a lower layer has a file of that name? Who removes one file after another asks the host for a list
 * of them, not for each. Sealed layers do not change. Whoever else in the sandbox removes the file, or makes another,
 * leaves something in the top, which is in the whiteout's way.
 */
static bool listed_below(struct unode *dir, const char *name)
{
	struct ufs *u = ufs_of(dir);
	u64 layers = unode_layers(dir) & layers_below(u->top);
	u32 now = dcache_clock();
	const struct union_name *found;

	if (!process_is_alone(this_process()) || !layers || layers & (layers - 1))
		return false;
	if (!is_emptied(dir, layers, now)) {
		union_list_free(&emptied.list);
		emptied.dir = dir;
		emptied.ino = dir->node.ino;
		emptied.layers = layers;
		emptied.seq = u->seq;
		emptied.clock = now;
		emptied.count = 0;
	}
	if (emptied.count++ == LISTED_AFTER && union_read_some(dir, (unsigned)highest(layers), &emptied.list) < 0)
		union_list_free(&emptied.list);
	found = union_list_find(&emptied.list, name);
	return found && (found->type == DT_REG || found->type == DT_LNK);
}

/* Hide what lies below, if the top has nothing of that name: the host says so as it makes the whiteout. */
static int hide_unseen(struct unode *dir, const char *name)
{
	struct statx st;
	int r;

	if (listed_below(dir, name))
		return make_whiteout(dir, name);
	r = union_below_stat(dir, name, &st);
	if (r != 1 || S_ISDIR(st.stx_mode))
		return -EAGAIN; /* what it is, or that it is not there, is found by looking */
	return make_whiteout(dir, name);
}

int union_unlink_unseen(struct node *d, const char *name)
{
	struct unode *dir = to_unode(d);
	int r;

	if (dir->hollow || dir->gone)
		return -EAGAIN;
	/* In a directory that lies in the top alone there is nothing to hide. */
	if (unode_layers(dir) == 1ull << ufs_of(dir)->top)
		r = remove_from_top(dir, name, 0);
	else
		r = hide_unseen(dir, name);
	if (!r && quota_on())
		quota_freed();
	return r;
}

int union_check_empty(struct unode *n)
{
	struct union_list list = { 0 };
	int r = union_read_names(n, &list);

	for (u32 i = 0; !r && i < list.count; i++)
		if (!list.names[i].hidden)
			r = -ENOTEMPTY;
	union_list_free(&list);
	return r;
}

/* Something was made in the directory while we moved it away: put it back. */
static int put_back(struct unode *dir, const char *name, const struct stage *s, bool whiteout)
{
	struct ufs *u = ufs_of(dir);
	struct hpath h;
	int r = unode_child_path(dir, name, u->top, &h);

	if (r < 0)
		return r;
	r = pal_renameat2(u->work, s->name, h.dir, h.path, whiteout ? RENAME_EXCHANGE : RENAME_NOREPLACE);
	hpath_done(&h);
	if (!r && whiteout)
		stage_drop(u, s);
	return r ? r : -ENOTEMPTY;
}

/* A merged directory, or one of the top with whiteouts in it or something below. Caller holds the work lock. */
static int rmdir_merged(struct unode *dir, const char *name, struct unode *victim)
{
	struct stage s;
	int r, whiteout = below(dir, name, victim);

	if (whiteout < 0)
		return whiteout;
	r = union_check_empty(victim);
	if (!r)
		r = take_away(dir, name, &s, whiteout);
	if (r < 0)
		return r;
	r = stage_clear_dir(ufs_of(dir), &s);
	return r == -ENOTEMPTY ? put_back(dir, name, &s, whiteout) : r;
}

static int rmdir_lower(struct unode *dir, const char *name, struct unode *victim)
{
	int r = union_check_empty(victim);

	return r < 0 ? r : make_whiteout(dir, name);
}

int union_rmdir(struct node *d, const char *name, struct node *v)
{
	struct unode *dir = to_unode(d), *victim = to_unode(v);
	struct ufs *u = ufs_of(dir);
	u64 top = 1ull << u->top;
	int r, held;

	/* Of the top alone: the host knows whether it is empty. */
	if (unode_layers(victim) == top && !below(dir, name, victim)) {
		r = remove_from_top(dir, name, AT_REMOVEDIR);
		if (r != -ENOTEMPTY || u->work < 0)
			return done(victim, r);
	}
	held = work_lock(u);
	if (held < 0)
		return held;
	r = unode_in_top(victim) ? rmdir_merged(dir, name, victim) : rmdir_lower(dir, name, victim);
	work_unlock(held);
	return done(victim, r);
}
