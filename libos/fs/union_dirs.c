// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Directories that are open to the host because names in them are asked for again and again: it walks one component
 * then, instead of all from the layer's root.
 *
 * Of the process alone that began with it in this memory: a vfork child has descriptors of its own. Who uses one holds
 * it (pins), so that another thread does not close it meanwhile. One is forgotten with its directory, when any
 * directory is renamed, and when a look-up finds it changed; its descriptor is closed when the place is needed.
 */
#include "libos/fs/union_impl.h"

#define DIRS_MAX 16
#define DIRS_AFTER 8 /* paths through a directory until it is worth an open and a close */

/* All guarded by dcache_lock, but for pins that are taken back. */
static struct kept_dir {
	struct unode *dir;	/* NULL: forgotten */
	int fd;			/* 0: none */
	u32 epoch;
	u32 used;
	u32 pins;		/* atomic */
	u8 layer;
} kept[DIRS_MAX];
static u32 uses;
static const struct process *owner;

bool union_dirs_find(const struct unode *n, unsigned layer, struct hpath *h)
{
	if (likely(!n->kept_open) || owner != this_process())
		return false;
	for (struct kept_dir *k = kept; k < kept + DIRS_MAX; k++)
		if (k->dir == n && k->layer == layer && k->epoch == ufs_of(n)->epoch) {
			k->used = ++uses;
			(void)atomic_add(&k->pins, 1);
			h->pin = &k->pins;
			h->dir = k->fd;
			return true;
		}
	return false;
}

void union_dirs_unpin(struct hpath *h)
{
	(void)atomic_sub(h->pin, 1);
	h->pin = NULL;
}

void union_dirs_forget(const struct unode *n)
{
	for (struct kept_dir *k = kept; k < kept + DIRS_MAX; k++)
		if (k->dir && (!n || k->dir == n)) {
			k->dir->kept_open = false;
			k->dir = NULL;
		}
}

static bool may_own(void)
{
	return owner == this_process() || process_is_alone(this_process());
}

/* Whoever keeps a directory open keeps its file system mounted. On rung A the sandbox's mounts do so anyhow. */
static bool may_keep(const struct unode *n)
{
	return n->parent && S_ISDIR(n->node.mode) && !n->gone &&
	       (pal_grant()->rung == GRANT_RUNG_A || n->host_dev == ufs_of(n)->main_dev);
}

/*
 * A fork's child counts anew: with what its parent had, each of many that live short would open the directory for one
 * name. What a vfork child asks for is not counted: the directory would be open in the child alone.
 */
bool union_dirs_count(struct unode *n)
{
	u16 me = (u16)this_process()->pid;

	if (unlikely(n->heat_of != me)) {
		if (!may_own())
			return false;
		n->heat_of = me;
		n->heat = 0;
	}
	return !(++n->heat % DIRS_AFTER) && may_own() && may_keep(n);
}

/* The place that is the longest unused; NULL: all are in use. */
static struct kept_dir *place(void)
{
	struct kept_dir *best = NULL;

	for (struct kept_dir *k = kept; k < kept + DIRS_MAX; k++) {
		if (atomic_load(&k->pins))
			continue;
		if (!k->dir || k->epoch != ufs_of(k->dir)->epoch)
			return k;
		if (!best || uses - k->used > uses - best->used)
			best = k;
	}
	return best;
}

/* Into a place; the descriptor to be closed, 0: none. */
static int put(struct unode *n, unsigned layer, int fd)
{
	struct kept_dir *k;
	int old;

	/* What another process of this memory left is not open here, or not the same. */
	if (owner != this_process()) {
		if (!may_own())
			return fd;
		union_dirs_forget(NULL);
		memset(kept, 0, sizeof(kept));
		owner = this_process();
	}
	k = place();
	if (!k)
		return fd;
	old = k->fd;
	*k = (struct kept_dir){ n, fd, ufs_of(n)->epoch, ++uses, 0, (u8)layer };
	n->kept_open = true;
	return old;
}

void union_dirs_keep(struct unode *n, unsigned layer)
{
	struct hpath h;
	int fd = unode_whole_path(n, layer, &h), close;

	if (fd < 0)
		return;
	fd = hpath_open(&h, O_PATH | O_DIRECTORY, 0);
	hpath_done(&h);
	if (fd < 0)
		return;
	lock(&dcache_lock);
	close = put(n, layer, fd);
	unlock(&dcache_lock);
	if (close)
		pal_close(close);
}

void union_dirs_forked(void)
{
	for (struct kept_dir *k = kept; k < kept + DIRS_MAX; k++)
		if (k->pins)
			k->pins = 0;
}
