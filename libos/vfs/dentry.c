// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The tree of names, and its cache.
 *
 * Every picoprocess has a cache of its own; a fork copies it. What makes it right is one rule for everybody who changes
 * a name: first act on the host, then bump the name's counter in the sandbox area (dentry_changed). Who looks a name up
 * reads the counter first (slot), then asks the file system, and keeps both. A cached name is valid while its counter
 * stands where it stood. Counters are hashed by directory and name, so that a build that writes one object after
 * another does not spoil its neighbours' view of the headers.
 *
 * What the host can change behind us (the base) is good for a second only (NODE_FLEETING, NODE_NAMES_FLEETING);
 * positive files of the base are good for ever, since their uses ask the host and answer -ESTALE when they are
 * gone.
 *
 * Life of a dentry: made by lookup, hashed. Unused (refs 0) it stays; the clock evicts the longest unused. Who walks a
 * large tree asks for each file once, so once there are some, files are on trial first: they stay while a few others
 * come, and those that are asked for again after that are kept (the idea is 2Q's). What one walk made is soon memory
 * for the next then, instead of fresh pages. A stat of a name that was not asked for before makes no object at all.
 * Renamed, it moves with everything below it. Unlinked, it leaves the hash and lives as long as someone holds it.
 *
 * Long because all that touches the hash, its chains and its clock stands together.
 */
#include "libos/vfs/impl.h"
#include "libos/coord/area.h"
#include "libos/union/union.h"
#include "pal/base/heap.h"

#define BUCKETS_LOG 11
#define FEW_LOG 7
#define CACHED_MAX 8192
#define TRIAL_FROM 256 /* names */
#define TRIAL_MAX 32
#define SEEN_MAX 4096
#define SEEN_TRIAL 1
#define SEEN_GLANCE 2
#define GOOD_FOR 4 /* quarters of a second */

struct mutex dcache_lock;
/*
 * dcache_lock. First of a chain, counted from PAL_BASE; 0: none. Half of a pointer, as each page written is copied at a
 * fork; and few, beside what is written anyway, as long as there are few names.
 */
static u32 few_buckets[1 << FEW_LOG];
static u32 many_buckets[1 << BUCKETS_LOG] PAL_SPARSE;
static bool many;				/* dcache_lock: the second are in use */
_Static_assert(PAL_PAGES_BASE - PAL_BASE <= 1ul << 32, "the heap's addresses fit a bucket");
static struct list clock = { &clock, &clock };	/* dcache_lock */
static struct list trial = { &trial, &trial };	/* dcache_lock; those on trial are not in the clock */
static unsigned trial_count;			/* dcache_lock */
static u32 walk_clock;				/* dcache_lock: dcache_clock() when the last walk began */
static unsigned cached_count;			/* dcache_lock; on trial or not */
/* dcache_lock. By its hash, some bits of another part of it for each name that was glanced at, and SEEN_TRIAL if it was
 * on trial. */
static u8 seen[SEEN_MAX] PAL_SPARSE;
static struct dentry *doomed;			/* dcache_lock; linked by hash_next: freed by dcache_unlock */
u32 dcache_epoch;				/* atomic */
static u32 no_area;				/* before the area is mapped, there is nobody else */

static u32 name_hash(const char *name, size_t len)
{
	return union_name_hash(name, len);
}

static u32 *slot_of(const struct node *dir, u32 hash)
{
	return the_area ? &the_area->generation[union_counter(dir->ino, dir->fs->dev, hash)] : &no_area;
}

u32 *names_slot(const struct node *dir, const char *name)
{
	return slot_of(dir, name_hash(name, strlen(name)));
}

u32 names_links(const struct fs *fs)
{
	return atomic_load(names_slot(fs->root, UNION_LINKS_NAME));
}

static u32 *bucket_of(const struct dentry *dir, u32 hash)
{
	u64 h = ((uintptr_t)dir >> 4 ^ hash) * 0x9e3779b97f4a7c15ull;

	return many ? &many_buckets[h >> (64 - BUCKETS_LOG)] : &few_buckets[h >> (64 - FEW_LOG)];
}

static struct dentry *bucket_first(const u32 *b)
{
	return *b ? (struct dentry *)(PAL_BASE + *b) : NULL;
}

static void bucket_set(u32 *b, const struct dentry *d)
{
	*b = d ? (u32)((uintptr_t)d - PAL_BASE) : 0;
}

/* ---- counts ---- */

void node_get(struct node *n)
{
	__atomic_add_fetch(&n->refs, 1, __ATOMIC_RELAXED);
}

void node_put(struct node *n)
{
	if (atomic_sub(&n->refs, 1))
		return;
	base_free(n->link);
	if (n->ops->release)
		n->ops->release(n);
}

struct dentry *dentry_get(struct dentry *d)
{
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

static void doom(struct dentry *d)
{
	d->hash_next = doomed;
	doomed = d;
	if (d->parent)
		list_del(&d->sibling);
}

void dentry_put_locked(struct dentry *d)
{
	if (!atomic_sub(&d->refs, 1) && !d->hashed)
		doom(d);
}

/* The last count goes under the lock: whoever holds the lock may look at any dentry that is hashed. */
void dentry_put(struct dentry *d)
{
	u32 refs = atomic_load_relaxed(&d->refs);

	while (refs > 1)
		if (__atomic_compare_exchange_n(&d->refs, &refs, refs - 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return;
	lock(&dcache_lock);
	dentry_put_locked(d);
	dcache_unlock();
}

/* Releasing a node may do anything, take this lock included: so not under it. */
static void free_doomed(struct dentry *d)
{
	while (d) {
		struct dentry *next = d->hash_next, *parent = d->parent;

		if (d->node)
			node_put(d->node);
		if (d->name != d->first_name)
			base_free(d->name);
		base_free(d);
		if (parent)
			dentry_put(parent);
		d = next;
	}
}

void dcache_unlock(void)
{
	struct dentry *d = doomed;

	doomed = NULL;
	unlock(&dcache_lock);
	if (unlikely(d))
		free_doomed(d);
}

/* ---- the hash ---- */

static u8 *seen_place(const struct dentry *dir, u32 hash, u8 *tag)
{
	u32 h = hash ^ (u32)((uintptr_t)dir >> 4) * 0x9e3779b9u;

	*tag = (u8)(h >> 24) | SEEN_TRIAL | SEEN_GLANCE;
	return &seen[h % SEEN_MAX];
}

static bool wants_trial(const struct dentry *d)
{
	u8 tag;

	return cached_count >= TRIAL_FROM && d->node && S_ISREG(d->node->mode) &&
	       *seen_place(d->parent, d->hash, &tag) != tag;
}

bool dentry_first_time(struct dentry *dir, const char *name, size_t len)
{
	u8 tag, *place;

	if (cached_count < TRIAL_FROM || !dir->node->ops->glance || dir->unlinked || len > NAME_MAX_LEN)
		return false;
	place = seen_place(dir, name_hash(name, len), &tag);
	if ((*place | SEEN_TRIAL) == tag)
		return false;
	*place = tag & ~SEEN_TRIAL;
	return true;
}

static void chain_in(struct dentry *d)
{
	u32 *b = bucket_of(d->parent, d->hash);

	d->hash_next = bucket_first(b);
	bucket_set(b, d);
}

static void use_many(void)
{
	struct dentry *d;

	many = true;
	list_for_each(d, &clock, cached)
		chain_in(d);
	list_for_each(d, &trial, cached)
		chain_in(d);
}

static void hash_in(struct dentry *d)
{
	if (unlikely(!many && cached_count > 1 << FEW_LOG))
		use_many();
	chain_in(d);
	d->hashed = d->recent = true;
	d->trial = wants_trial(d);
	list_add_tail(d->trial ? &trial : &clock, &d->cached);
	trial_count += d->trial;
	cached_count++;
}

static void hash_out(struct dentry *d)
{
	u32 *b = bucket_of(d->parent, d->hash);
	struct dentry *before = bucket_first(b);

	if (before == d) {
		bucket_set(b, d->hash_next);
	} else {
		while (before->hash_next != d)
			before = before->hash_next;
		before->hash_next = d->hash_next;
	}
	d->hashed = false;
	list_del(&d->cached);
	trial_count -= d->trial;
	cached_count--;
}

/* Out of the cache; gone: its object is no longer there. */
static void drop(struct dentry *d, bool gone)
{
	if (!d->hashed)
		return;
	hash_out(d);
	if (gone && d->node)
		d->unlinked = true;
	if (!d->refs)
		doom(d);
}

static void end_trial(void)
{
	struct dentry *d = list_first(&trial, struct dentry, cached);
	u8 tag, *place = seen_place(d->parent, d->hash, &tag);

	*place = tag;
	if (!d->refs && !d->mounted) {
		drop(d, false);
		return;
	}
	d->trial = false;
	trial_count--;
	list_del(&d->cached);
	list_add_tail(&clock, &d->cached);
}

/* Second chance: what was used since the hand last passed stays. */
static void evict(void)
{
	for (unsigned steps = 64; steps && cached_count > CACHED_MAX; steps--) {
		struct dentry *d = list_first(&clock, struct dentry, cached);

		if (d->refs || d->recent || d->mounted) {
			d->recent = false;
			list_del(&d->cached);
			list_add_tail(&clock, &d->cached);
		} else {
			drop(d, false);
		}
	}
}

static struct dentry *find(struct dentry *dir, const char *name, size_t len, u32 hash)
{
	struct dentry *d = bucket_first(bucket_of(dir, hash));

	for (; d; d = d->hash_next)
		if (d->hash == hash && d->parent == dir && d->len == len && !memcmp(d->name, name, len))
			return d;
	return NULL;
}

/* now: dcache_clock(), or not much older. */
static bool valid_at(const struct dentry *d, u32 now)
{
	u32 flags;

	if (d->mounted)
		return true;
	if (atomic_load_relaxed(d->slot) != d->generation || d->epoch != atomic_load_relaxed(&dcache_epoch))
		return false;
	if (d->node && d->node->flags & NODE_LINKED && d->node->links != names_links(d->node->fs))
		return false;
	/* Who split off changes names without bumping our counters, and we do without bumping theirs. */
	if (the_area && atomic_load_relaxed(&the_area->split_others))
		return (s32)(now - d->checked) < GOOD_FOR;
	flags = d->node ? d->node->flags & NODE_FLEETING : d->parent->node->flags & NODE_NAMES_FLEETING;
	return !flags || (s32)(now - d->checked) < GOOD_FOR;
}

static bool valid(const struct dentry *d)
{
	return valid_at(d, dcache_clock());
}

void dentry_set_clock(void)
{
	walk_clock = dcache_clock();
}

struct dentry *dentry_cached(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d = find(dir, name, len, name_hash(name, len));

	if (!d || !valid_at(d, walk_clock))
		return NULL;
	d->recent = true;
	return d;
}

/* ---- lookup ---- */

static struct dentry *make(struct dentry *dir, const char *name, size_t len, struct node *node)
{
	struct dentry *d = base_alloc(sizeof(*d) + len + 1);

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->name = d->first_name;
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->len = (u16)len;
	d->refs = 1;
	d->node = node;
	list_init(&d->children);
	list_init(&d->sibling);
	list_init(&d->cached);
	if (dir) {
		d->hash = name_hash(name, len);
		d->slot = slot_of(dir->node, d->hash);
	}
	return d;
}

static void attach(struct dentry *d, struct dentry *dir)
{
	d->parent = dentry_get(dir);
	list_add(&dir->children, &d->sibling);
}

struct dentry *dentry_root(struct node *root)
{
	return make(NULL, "", 0, root);
}

static bool same_object(const struct node *a, const struct node *b)
{
	if (!a || !b)
		return !a && !b;
	return a->ino && a->ino == b->ino && a->ops == b->ops && !((a->mode ^ b->mode) & S_IFMT);
}

/* Put what a lookup found into the cache; takes node's count. The counted dentry, or ERR_PTR. */
static struct dentry *install(struct dentry *dir, const char *name, size_t len, struct node *node, u32 generation,
			      u32 looked)
{
	struct dentry *fresh = make(dir, name, len, node), *d;
	struct node *spare = NULL;

	if (!fresh) {
		if (node)
			node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	fresh->generation = generation;
	fresh->epoch = looked;
	fresh->checked = dcache_clock();
	lock(&dcache_lock);
	d = find(dir, name, len, fresh->hash);
	if (d && (d->mounted || same_object(d->node, node))) {
		if (node && !d->mounted && node->ops->update)
			node->ops->update(d->node, node);
		d->generation = generation;
		d->epoch = looked;
		d->checked = fresh->checked;
		spare = node;
		dentry_get(d);
	} else {
		if (d)
			drop(d, true);
		d = fresh;
		fresh = NULL;
		attach(d, dir);
		if (!dir->node->fs->uncached && !dir->unlinked)
			hash_in(d);
		if (trial_count > TRIAL_MAX)
			end_trial();
		if (cached_count > CACHED_MAX)
			evict();
	}
	dcache_unlock();
	base_free(fresh);
	if (spare)
		node_put(spare);
	return d;
}

struct dentry *dentry_lookup(struct dentry *dir, const char *name, size_t len)
{
	u32 hash = name_hash(name, len), generation = 0, looked = 0;
	struct node *node = NULL;
	struct dentry *d;
	bool was_dir;
	int r = -ESTALE;

	if (len > NAME_MAX_LEN)
		return ERR_PTR(-ENAMETOOLONG);
	if (!dir->node->ops->lookup)
		return ERR_PTR(-ENOTDIR);
	lock(&dcache_lock);
	d = find(dir, name, len, hash);
	if (d && valid(d)) {
		d->recent = true;
		dentry_get(d);
		dcache_unlock();
		return d;
	}
	was_dir = d && d->node && S_ISDIR(d->node->mode);
	dcache_unlock();
	if (was_dir)
		moves_apply();
	/* Once more where layers changed meanwhile. */
	for (int tries = 0; tries < STALE_TRIES && r == -ESTALE; tries++) {
		looked = atomic_load(&dcache_epoch);
		generation = atomic_load(slot_of(dir->node, hash));
		r = dir->unlinked ? -ENOENT : dir->node->ops->lookup(dir->node, name, len, &node);
	}
	if (r < 0 && r != -ENOENT)
		return ERR_PTR(r);
	return install(dir, name, len, r < 0 ? NULL : node, generation, looked);
}

bool dentry_refresh(struct dentry *d)
{
	struct dentry *stale, *fresh, *parent = NULL;
	char name[NAME_MAX_LEN + 1];
	u32 now = dcache_clock();

	for (int tries = 0; tries < 64; tries++) {
		lock(&dcache_lock);
		stale = NULL;
		for (struct dentry *i = d; i->parent; i = i->parent) {
			if (i->unlinked) {
				/* A directory whose place is gone: whoever was moved out before is elsewhere by now. */
				if (d->node && S_ISDIR(d->node->mode))
					d->unlinked = true;
				dcache_unlock();
				return false;
			}
			if (i->hashed && !valid_at(i, now))
				stale = i;
		}
		if (stale) {
			parent = dentry_get(stale->parent);
			memcpy(name, stale->name, stale->len + 1u);
		}
		dcache_unlock();
		if (!stale)
			return true;
		moves_apply();
		fresh = dentry_lookup(parent, name, strlen(name));
		if (!IS_ERR(fresh))
			dentry_put(fresh);
		dentry_put(parent);
		if (IS_ERR(fresh))
			return true; /* out of memory and such: believe the cache */
	}
	return true;
}

/* ---- for keep.c ---- */

struct dentry *dentry_older(const struct dentry *d)
{
	const struct list *next = d ? d->cached.next : clock.next;

	return next == &clock ? NULL : container_of(next, struct dentry, cached);
}

bool dentry_is_current(const struct dentry *d)
{
	return d->hashed && valid(d);
}

bool dentry_has_aged(const struct dentry *d)
{
	return d->hashed && !valid(d) && atomic_load_relaxed(d->slot) == d->generation &&
	       d->epoch == atomic_load_relaxed(&dcache_epoch);
}

struct dentry *dentry_recall(struct dentry *dir, const char *name, size_t len, struct node *node, u32 generation,
			     u32 checked)
{
	struct dentry *d = make(dir, name, len, node);

	if (!d) {
		if (node)
			node_put(node);
		return NULL;
	}
	d->generation = generation;
	d->epoch = atomic_load(&dcache_epoch);
	d->checked = checked;
	lock(&dcache_lock);
	attach(d, dir);
	hash_in(d);
	dentry_put_locked(d); /* it stays for being hashed */
	dcache_unlock();
	return d;
}

/* ---- changes ---- */

void dentry_begin(struct dentry_change *c, struct dentry *dir, const char *name)
{
	c->dir = dir;
	c->name = name;
	c->slot = slot_of(dir->node, name_hash(name, strlen(name)));
	c->before = atomic_load(c->slot);
	c->epoch = atomic_load(&dcache_epoch);
}

/* Bump; true if nobody else did between begin and now, so that what we know is what is. */
static bool bump(struct dentry_change *c)
{
	u32 after = atomic_add(c->slot, 1);

	return after == ++c->before;
}

static void drop_name(const struct dentry_change *c)
{
	size_t len = strlen(c->name);
	struct dentry *d;

	lock(&dcache_lock);
	d = find(c->dir, c->name, len, name_hash(c->name, len));
	if (d && !d->mounted)
		drop(d, true);
	dcache_unlock();
}

void dentry_changed(struct dentry_change *c, bool gone)
{
	bool known = bump(c);
	struct dentry *d;

	drop_name(c);
	if (!known || !gone)
		return;
	d = install(c->dir, c->name, strlen(c->name), NULL, c->before, c->epoch);
	if (!IS_ERR(d))
		dentry_put(d);
}

struct dentry *dentry_created(struct dentry_change *c, struct node *node)
{
	u32 generation = bump(c) ? c->before : c->before - 1;

	drop_name(c);
	return install(c->dir, c->name, strlen(c->name), node, generation, c->epoch);
}

static int set_name(struct dentry *d, const char *name, size_t len)
{
	char *copy = d->name;

	if (len > d->len) {
		copy = base_alloc(len + 1);
		if (!copy)
			return -ENOMEM;
		if (d->name != d->first_name)
			base_free(d->name);
	}
	memcpy(copy, name, len + 1);
	d->name = copy;
	d->len = (u16)len;
	return 0;
}

struct dentry *dentry_peek(struct dentry *dir, const char *name, size_t len)
{
	return find(dir, name, len, name_hash(name, len));
}

/* Caller holds dcache_lock. False: no memory, d is off the tree. */
static bool reattach(struct dentry *d, struct dentry *to, const char *name, u32 generation, u32 looked)
{
	struct dentry *old = d->parent, *there;
	size_t len = strlen(name);

	there = find(to, name, len, name_hash(name, len));
	if (there && there != d)
		drop(there, true);
	if (d->hashed)
		hash_out(d);
	if (set_name(d, name, len) < 0) {
		d->unlinked = true;
		return false;
	}
	list_del(&d->sibling);
	attach(d, to);
	d->hash = name_hash(name, len);
	d->slot = slot_of(to->node, d->hash);
	d->generation = generation;
	d->epoch = looked;
	d->unlinked = false;
	hash_in(d);
	dentry_put_locked(old);
	return true;
}

void dentry_follow(struct dentry *d, struct dentry *to, const char *name)
{
	lock(&dcache_lock);
	if (reattach(d, to, name, 0, 0))
		d->generation = atomic_load(d->slot) - 1;
	dcache_unlock();
	if (d->node->ops->moved)
		d->node->ops->moved(d->node, to->node, name);
}

void dentry_moved(struct dentry_change *c, struct dentry_change *into, struct dentry *d, struct dentry *victim)
{
	bool known = bump(c), known_into = bump(into);
	struct dentry *left;

	lock(&dcache_lock);
	if (victim)
		drop(victim, true);
	reattach(d, into->dir, into->name, known_into ? into->before : into->before - 1, c->epoch);
	dcache_unlock();
	if (known) {
		left = install(c->dir, c->name, strlen(c->name), NULL, c->before, c->epoch);
		if (!IS_ERR(left))
			dentry_put(left);
	}
}

void dentry_touched(struct dentry *d)
{
	u32 after;

	lock(&dcache_lock);
	if (d->parent) {
		after = atomic_add(d->slot, 1);
		if (d->generation == after - 1)
			d->generation = after;
	}
	dcache_unlock();
}

void dentry_forget(struct dentry *d)
{
	lock(&dcache_lock);
	if (d->parent)
		d->generation = atomic_load(d->slot) - 1;
	dcache_unlock();
}

struct dentry *dentry_unlinked(struct dentry *dir, const char *name, struct node *node)
{
	struct dentry *d = make(dir, name, strlen(name), node);

	if (!d) {
		node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	d->unlinked = true;
	lock(&dcache_lock);
	attach(d, dir);
	dcache_unlock();
	return d;
}

struct dentry *dentry_nameless(struct dentry *dir, struct node *node)
{
	char name[24];
	struct dentry *d;

	base_snprintf(name, sizeof(name), "#%lu", (unsigned long)node->ino);
	d = dentry_unlinked(dir, name, node);
	if (!IS_ERR(d))
		d->nameless = true;
	return d;
}

struct dentry *dentry_stub(struct dentry *dir, const char *name)
{
	struct node *n = stub_create(dir->node->fs, name_hash(name, strlen(name)));
	struct dentry *d = n ? make(dir, name, strlen(name), n) : NULL, *miss;

	if (!d) {
		if (n)
			node_put(n);
		return ERR_PTR(-ENOMEM);
	}
	lock(&dcache_lock);
	miss = find(dir, name, d->len, d->hash);
	if (miss)
		drop(miss, true);
	attach(d, dir);
	hash_in(d);
	dcache_unlock();
	return d;
}
