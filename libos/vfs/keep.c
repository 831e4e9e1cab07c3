// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Mounts and names across exec of a vfork child, whose fresh address space begins with an empty cache of names. A few
 * go along: those that lead to the program and to where it will run, and those that this process looked up first, which
 * are what every program asks for when it starts (the loader's cache, the C library). They are as good as cached names
 * that a fork copies: their counters and their age go along, and say when one is out of date.
 *
 *   kept     u32 1, or 0: nothing follows, everything is to be looked up
 *   root     the union's
 *   names    each: u32 parent (1: the root, 2 + i: the i-th name), str name, u32 generation, u32 checked, u32
 *            positive; if so the object; the last is followed by u32 0
 *   tmpfs    its root
 *   moves    u64 position, u32 counter
 */
#include "libos/vfs/impl.h"
#include "libos/ckpt/cursor.h"
#include "libos/fs/chain.h"
#include "libos/coord/area.h"
#include "libos/split/split.h"
#include "libos/task/task.h"

#define NAMES_MAX 40
#define STEPS_MAX 24 /* how many of the first are looked at: what is not asked for costs more than it brings */
#define DEPTH_MAX 12

struct names {
	struct dentry *d[NAMES_MAX];
	unsigned count;
};

/* Names of other file systems (/dev) never go along: they are none of the steps. Caller holds dcache_lock. */
static bool is_step(const struct dentry *d)
{
	return d->parent && d->parent->node && union_owns(d->parent->node);
}

/* What a name's record says of its parent; 0: it is not among them. */
static u32 place_of(const struct names *k, const struct dentry *d)
{
	if (d == mount_root->root)
		return 1;
	for (unsigned i = 0; i < k->count; i++)
		if (k->d[i] == d)
			return i + 2;
	return 0;
}

/* Caller holds dcache_lock. */
static void keep_name(struct buf *b, struct names *k, struct dentry *d)
{
	u32 parent = d->parent ? place_of(k, d->parent) : 0;
	size_t before = b->size;

	if (!parent || k->count == NAMES_MAX || !dentry_is_current(d) || place_of(k, d))
		return;
	put_u32(b, parent);
	put_str(b, d->name);
	/* Who mounts on it later must find it as good as we do, on whose it is mounted for good. */
	put_u32(b, d->mounted ? atomic_load(d->slot) : d->generation);
	put_u32(b, d->mounted ? dcache_clock() : d->checked);
	put_u32(b, d->node != NULL);
	if (d->node && (!union_owns(d->node) || !union_keep(b, d->node)))
		b->size = before;
	else
		k->d[k->count++] = d;
}

/* d and what leads to it. Caller holds dcache_lock. */
static void keep_way(struct buf *b, struct names *k, struct dentry *d)
{
	struct dentry *way[DEPTH_MAX];
	unsigned n = 0;

	for (; d && d->parent && n < DEPTH_MAX; d = d->parent)
		way[n++] = d;
	while (n)
		keep_name(b, k, way[--n]);
}

/* The next of the first names that has aged, counted; NULL: there are no more. */
static struct dentry *next_aged(unsigned *step)
{
	struct dentry *d;
	unsigned at = 0;

	lock(&dcache_lock);
	for (d = dentry_older(NULL); d && at < STEPS_MAX; d = dentry_older(d)) {
		if (!is_step(d) || at++ < *step || d->mounted || !dentry_has_aged(d))
			continue;
		*step = at;
		dentry_get(d);
		dcache_unlock();
		return d;
	}
	dcache_unlock();
	return NULL;
}

/* What has aged is looked up by us, whose memory keeps it, rather than by each of our children. */
static void renew(void)
{
	struct dentry *d;
	unsigned step = 0;

	while ((d = next_aged(&step))) {
		(void)dentry_refresh(d);
		dentry_put(d);
	}
}

void mount_keep(struct buf *b, struct dentry *const *wanted, unsigned n)
{
	struct names k = { .count = 0 };
	struct fs *shm = mount_tmpfs();
	unsigned steps = STEPS_MAX;
	size_t before = b->size;
	u64 moved;
	u32 chain, seen;

	renew();
	chain = chain_shared();
	/* Whoever split off has other layers than the leader's grant says; and places in the stack mean what they do
	 * in the chain that both memory and descriptors are of. */
	if (!shm || chain == 1 || the_area->split_on || !moves_keep(&moved, &seen)) {
		put_u32(b, 0);
		return;
	}
	put_u32(b, 1);
	lock(&dcache_lock);
	union_keep_root(b, mount_root->fs);
	for (unsigned i = 0; i < n; i++)
		keep_way(b, &k, wanted[i]);
	for (struct dentry *d = dentry_older(NULL); d && steps; d = dentry_older(d)) {
		if (!is_step(d))
			continue;
		keep_name(b, &k, d);
		steps--;
	}
	put_u32(b, 0);
	union_keep_root(b, shm);
	dcache_unlock();
	put_u64(b, moved);
	put_u32(b, seen);
	if (chain_shared() == chain)
		return;
	b->size = before;
	put_u32(b, 0);
}

/* Names that cannot be had are passed over, with what lies below them. */
int names_recall(struct cursor *c)
{
	struct names k = { .count = 0 };
	u32 parent;

	while ((parent = get_u32(c))) {
		const char *name = get_str(c);
		u32 generation = get_u32(c), checked = get_u32(c), positive = get_u32(c);
		size_t len = name ? strlen(name) : 0;
		struct dentry *dir;
		struct node *node = NULL;

		if (c->err || !len || len > NAME_MAX_LEN || parent > k.count + 1 || k.count == NAMES_MAX)
			return -EINVAL;
		dir = parent == 1 ? mount_root->root : k.d[parent - 2];
		if (!dir->node)
			return -EINVAL;
		if (positive) {
			node = union_recall(c, dir->node, name, len);
			if (!node)
				return c->err ?: -ENOMEM;
		}
		k.d[k.count] = dentry_recall(dir, name, len, node, generation, checked);
		if (!k.d[k.count++])
			return -ENOMEM;
	}
	return c->err;
}
