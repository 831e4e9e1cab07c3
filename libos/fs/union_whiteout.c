// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Whiteouts: character devices 0/0 at the names that are removed.
 *
 * An inode costs the host a multiple of what a name does, ten to a hundred times as much where it looks for a free one
 * past those that were just given back. So a process that removes one file after another makes one device in work and
 * gives it many names, as the kernel's overlayfs does. A name tells nothing of when it was made but by its inode's
 * birth, which commit takes for the time of the removal (gshd/tree/plan.c): the device is shared for a second only, and
 * within one layer, so that what the host changed before an op began is never told from what it changed after.
 */
#include "libos/fs/union_impl.h"
#include "libos/coord/area.h"

#define SHARED_NAME "whiteout"
#define SHARED_FOR 4 /* quarters of a second */
#define NAMES_MAX 8192 /* file systems end at some 65,000, and layers are joined by giving all another name */

static int make_one(int dir, const char *path)
{
	return pal_mknodat(dir, path, S_IFCHR, 0);
}

/* The one in work is of this layer and of this second from now on. */
static int renew(const struct ufs *u, u64 stamp)
{
	struct stage s;
	int r;

	stage_name(&s);
	r = make_one(u->work, s.name);
	if (!r)
		r = pal_renameat2(u->work, s.name, u->work, SHARED_NAME, 0);
	if (!r) {
		atomic_store(&the_area->whiteout_names, 0);
		atomic_store(&the_area->whiteout, stamp);
	}
	return r;
}

/* May the shared one have another name? */
static bool is_good(const struct ufs *u, u32 now)
{
	u64 stamp = atomic_load(&the_area->whiteout);

	return stamp >> 32 == union_layer_mark(u, u->top) && now - (u32)stamp < SHARED_FOR &&
	       atomic_add(&the_area->whiteout_names, 1) < NAMES_MAX;
}

/* ---- where this process put some ---- */

#define PUT_MAX 64

static u32 put[PUT_MAX]; /* atomic: hashes of places, where it is worth a try; 0: none */

static u32 *put_place(struct unode *dir, const char *name, u32 *hash)
{
	*hash = union_name_hash(name, strlen(name)) ^ (u32)dir->node.ino * 0x9e3779b9u;
	*hash |= !*hash;
	return &put[*hash % PUT_MAX];
}

void whiteout_note(struct unode *dir, const char *name)
{
	u32 hash, *place = put_place(dir, name, &hash);

	atomic_store(place, hash);
}

bool whiteout_noted(struct unode *dir, const char *name)
{
	u32 hash, *place = put_place(dir, name, &hash);

	return atomic_load_relaxed(place) == hash && atomic_cas(place, hash, 0);
}

int whiteout_make(const struct ufs *u, int dir, const char *path)
{
	static u32 last; /* atomic: when this process made one */
	u32 now = dcache_clock(), before = atomic_xchg(&last, now);
	u64 stamp = (u64)union_layer_mark(u, u->top) << 32 | now;
	int r;

	/* One that comes alone is worth no device in work. */
	if (!the_area || now - before >= SHARED_FOR)
		return make_one(dir, path);
	r = is_good(u, now) ? 0 : renew(u, stamp);
	if (!r)
		r = pal_linkat(u->work, SHARED_NAME, dir, path, 0);
	/* It is not there, or has all the names that this host allows: whatever it is, the answer to this one
	 * counts. */
	return !r || r == -EEXIST ? r : make_one(dir, path);
}
