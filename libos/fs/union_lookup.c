// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A name through the layers (the rules: union/merge.c).
 *
 * For each layer that the directory has, from the highest, one statx, and for directories that may have something below
 * them, or are marked, a look at their attributes. A redirect leads to another name in the union of the layers below:
 * it is resolved by looking that up, component by component, in a view of the root that has only those layers.
 */
#include "libos/fs/union_impl.h"

#define REDIRECT_DEPTH 8 /* redirects that lead through redirects: more is somebody's joke */

static int lookup_in(struct unode *dir, u64 mask, const char *name, size_t len, int depth, struct unode **out);

void union_drop_redirects(struct uredirect *r)
{
	while (r) {
		struct uredirect *next = r->next;

		base_free(r);
		r = next;
	}
}

int unode_add_redirect(struct unode *n, unsigned layer, const char *path)
{
	size_t len = strlen(path);
	struct uredirect *r = base_alloc(sizeof(*r) + len + 1);

	if (!r)
		return -ENOMEM;
	r->layer = layer;
	memcpy(r->path, path, len + 1);
	lock(&dcache_lock);
	r->next = n->redirects;
	n->redirects = r;
	unlock(&dcache_lock);
	return 0;
}

/* n takes in what `other` is made of. */
static int absorb(struct unode *n, struct unode *other)
{
	u64 layers = other->layers;
	int r = 0;

	for (; layers && !r; layers &= layers - 1) {
		unsigned l = (unsigned)__builtin_ctzl(layers);
		struct hpath h;

		r = unode_whole_path(other, l, &h);
		if (r < 0)
			return r;
		if (h.owned)
			r = -ENAMETOOLONG;
		else
			r = unode_add_redirect(n, l, h.path);
		hpath_done(&h);
		if (!r)
			n->layers |= 1ull << l;
	}
	return r;
}

/* The root as the layers in mask know it. */
static struct unode *view_below(struct unode *n, u64 mask)
{
	struct unode *root = n, *view;

	while (root->parent)
		root = root->parent;
	view = unode_create(NULL, "", 0);
	if (!view)
		return NULL;
	view->node.ops = root->node.ops;
	view->node.fs = root->node.fs;
	view->node.mode = S_IFDIR;
	view->layers = root->layers & mask;
	view->epoch = root->epoch;
	return view;
}

/* What n's redirect, read in `layer`, stands for. relative: the directory n was found in. */
static int follow_redirect(struct unode *n, struct unode *relative, unsigned layer, const char *value, int depth)
{
	u64 mask = (1ull << layer) - 1;
	struct unode *at, *next = NULL;
	int r = 0;

	if (depth >= REDIRECT_DEPTH)
		return -ELOOP;
	if (*value != '/') {
		r = lookup_in(relative, mask, value, strlen(value), depth + 1, &at);
	} else {
		at = view_below(n, mask);
		if (!at)
			return -ENOMEM;
		while (!r && *value) {
			size_t len = 0;

			value++;
			while (value[len] && value[len] != '/')
				len++;
			r = lookup_in(at, mask, value, len, depth + 1, &next);
			node_put(&at->node);
			at = next;
			value += len;
		}
	}
	if (r == -ENOENT || r == -ENOTDIR)
		return 0; /* what it led to is gone: the directory is what its own layer has */
	if (r < 0)
		return r;
	if (S_ISDIR(at->node.mode))
		r = absorb(n, at);
	node_put(&at->node);
	return r;
}

/* ---- opened while it is looked up ---- */

static struct {
	const struct unode *dir; /* in which walk `asked` opens a name; NULL: it does not */
	u32 asked;
	int fd;			/* 0: none */
	unsigned layer;
	u64 ino, dev;
	u32 walk;
	const struct process *owner; /* alone in its memory */
} opened PAL_SPARSE;

static void opened_put(int fd, const struct statx *st, unsigned layer)
{
	if (opened.fd && opened.owner == this_process()) /* refused after all, the last time */
		pal_close(opened.fd);
	opened.owner = this_process();
	opened.fd = fd;
	opened.layer = layer;
	opened.ino = st->stx_ino;
	opened.dev = statx_dev(st);
	opened.walk = atomic_load(&path_walks);
}

static bool is_opening(const struct unode *dir)
{
	return unlikely(opened.dir == dir) && opened.asked == atomic_load(&path_walks) &&
	       process_is_alone(this_process());
}

/* What is opened for its marks in the walk that opens it, need not be opened again. */
static void read_file_marks(struct unode *n, const struct hpath *h, const struct statx *st, unsigned layer)
{
	bool opening = n->parent && is_opening(n->parent);
	int fd = !opening && union_read_over_at(n, h, st) ? -1 : hpath_open(h, O_RDONLY | O_NONBLOCK, 0);

	if (fd < 0)
		return;
	union_read_over(n, fd, st);
	if (opening)
		opened_put(fd, st, layer);
	else
		pal_close(fd);
}

/* What the last glance learnt, so that a look-up of the same name, for an open perhaps, need not ask again. As good as
 * a cached name: while its counter stands, and not for long. Size and times are not: they change without a word. */
static struct {
	const struct unode *dir;
	u64 ino;
	u32 epoch;
	const u32 *slot;
	u32 generation;
	u32 clock;
	u32 walk;		/* path_walks then */
	int layer;		/* the highest that has the name; -1: none has */
	struct statx st;
	char name[NAME_MAX_LEN + 1];
} seen; /* dcache_lock */

static void seen_put(const struct unode *dir, const char *name, const u32 *slot, u32 generation, int layer,
		     const struct statx *st)
{
	lock(&dcache_lock);
	seen.dir = dir;
	seen.ino = dir->node.ino;
	seen.epoch = dir->epoch;
	seen.slot = slot;
	seen.generation = generation;
	seen.clock = dcache_clock();
	seen.walk = atomic_load(&path_walks);
	seen.layer = layer;
	if (layer >= 0)
		seen.st = *st;
	base_strlcpy(seen.name, name, sizeof(seen.name));
	unlock(&dcache_lock);
}

/* 0 with *st, -ENOENT, or 1: the host is to be asked. *old: it was not seen in this walk. */
static int seen_in(const struct unode *dir, const char *name, int layer, struct statx *st, bool *old)
{
	int r = 1;

	if (seen.dir != dir)
		return r;
	lock(&dcache_lock);
	if (seen.dir == dir && seen.ino == dir->node.ino && seen.epoch == ufs_of(dir)->epoch && layer >= seen.layer &&
	    !strcmp(seen.name, name) && atomic_load(seen.slot) == seen.generation && seen.clock == dcache_clock()) {
		r = layer > seen.layer ? -ENOENT : 0;
		if (!r)
			*st = seen.st;
		*old = seen.walk != atomic_load(&path_walks);
	}
	unlock(&dcache_lock);
	return r;
}

/* Once only: who looks again does so because it was not so. */
static void seen_used(const struct unode *dir)
{
	if (seen.dir != dir)
		return;
	lock(&dcache_lock);
	seen.dir = NULL;
	unlock(&dcache_lock);
}

/* *old: may what was seen before serve; was it older than this walk? */
static int stat_entry(struct unode *dir, const char *name, unsigned layer, struct hpath *h, struct statx *st, bool *old)
{
	int r, known;

	if (union_layer_lacks(ufs_of(dir), layer, name))
		return -ENOENT;
	known = *old ? seen_in(dir, name, (int)layer, st, old) : 1;
	if (known < 0)
		return known;
	*old &= !known;
	r = unode_child_path(dir, name, layer, h);
	if (r < 0)
		return r;
	r = known ? hpath_stat(h, st) : 0;
	if (r < 0)
		hpath_done(h);
	return r == -ENOTDIR || r == -ELOOP || union_blind(ufs_of(dir), layer, r) ? -ENOENT : r;
}

/* May a directory of a layer say something about itself that the look-up needs? */
static bool has_marks(const struct ufs *u, unsigned layer, u32 mode, bool first, u64 candidates)
{
	if (union_layer_lacks(u, layer, UNION_NAMES_MARKS))
		return first && union_is_marked(mode);
	return union_is_marked(mode) || candidates & ((1ull << layer) - 1);
}

/* One of several names of a file below: where its copy is. */
static int follow_index(struct unode *n, unsigned *layer, struct hpath *h, struct statx *st)
{
	char path[UNION_LINK_MAX];
	int r;

	n->node.links = names_links(&ufs_of(n)->fs);
	if (!union_index_find(ufs_of(n), layer, st, path))
		return 0;
	r = unode_add_redirect(n, *layer, path);
	hpath_done(h);
	*h = (struct hpath){ .dir = layer_fd(ufs_of(n), *layer) };
	base_strlcpy(h->buf, path, sizeof(h->buf));
	h->path = h->buf;
	return r;
}

/* Feed one layer's entry. 1: go on below, 0: enough, or -errno. */
static int feed_layer(struct unode *n, struct unode *dir, u64 candidates, unsigned layer, struct union_merge *m,
		      char **value)
{
	struct ufs *u = ufs_of(dir);
	struct union_entry e = { 0 };
	struct hpath h;
	struct statx st;
	bool old = true, ours = layer_ours(u, layer), more;
	int r = stat_entry(dir, n->name, layer, &h, &st, &old);

	if (r == -ENOENT)
		return 1;
	if (r < 0)
		return r;
	if (unlikely(m->top < 0 && union_index_asks(u, layer, &st))) {
		r = follow_index(n, &layer, &h, &st);
		ours = layer_ours(u, layer);
	}
	e.mode = st.stx_mode;
	e.rdev = dev_make(st.stx_rdev_major, st.stx_rdev_minor);
	if (ours && S_ISDIR(e.mode) && has_marks(u, layer, e.mode, m->top < 0, candidates))
		r = union_read_dir_marks(m->top < 0 ? n : NULL, &h, &st, &e, value);
	else if (ours && union_is_marked(e.mode) && m->top < 0)
		read_file_marks(n, &h, &st, layer);
	hpath_done(&h);
	if (r < 0)
		return r;
	if (m->top < 0 && !(layer > 0 && union_is_whiteout(e.mode, e.rdev)))
		union_adopt(n, layer, &st);
	if (old)
		union_fresh_drop(n);
	more = union_merge_feed(m, layer, &e);
	return more;
}

/* Names in the base's root whose contents are the host's own business: other file systems are mounted there. */
static bool is_hollow(const struct unode *dir, const char *name)
{
	static const char *const hollow[] = { "proc", "sys", "dev", "run" };

	if (dir->parent || !ufs_of(dir)->has_base || ufs_of(dir)->shared)
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(hollow); i++)
		if (!strcmp(hollow[i], name))
			return true;
	return false;
}

static u64 visible_layers(struct unode *dir)
{
	u64 layers = unode_layers(dir);

	return dir->hollow ? layers & ~1ull : layers;
}

static int lookup_in(struct unode *dir, u64 mask, const char *name, size_t len, int depth, struct unode **out)
{
	u64 candidates = visible_layers(dir) & mask;
	struct union_merge m;
	struct unode *n;
	char *value = NULL;
	int r = 1;

	/* Its layers are places in a stack that is no more: what lies there now says nothing of the name. */
	if (unlikely(dir->epoch != ufs_of(dir)->epoch))
		return -ESTALE;
	if (!dir->parent && union_is_links(name, len) && ufs_of(dir)->has_base)
		return -ENOENT;
	n = unode_create(dir, name, len);
	if (!n)
		return -ENOMEM;
	n->hollow = is_hollow(dir, n->name);
	union_merge_init(&m);
	for (u64 c = candidates; c && r > 0; c &= ~(1ull << highest(c)))
		r = feed_layer(n, dir, candidates, (unsigned)highest(c), &m, &value);
	if (r >= 0 && m.top < 0)
		r = -ENOENT;
	if (r >= 0) {
		n->layers = m.layers;
		if (!(m.layers & 1) && !m.redirected)
			n->node.flags &= ~NODE_NAMES_FLEETING; /* nothing of the base in it */
		/* It was read in the lowest: what is above are copies of the directory, made since. */
		if (m.redirected && value)
			r = follow_redirect(n, dir, (unsigned)__builtin_ctzl(m.layers), value, depth);
		else
			r = 0;
	}
	base_free(value);
	if (r < 0) {
		node_put(&n->node);
		return r;
	}
	*out = n;
	return 0;
}

int union_lookup(struct node *dir, const char *name, size_t len, struct node **out)
{
	struct unode *n;
	int r = lookup_in(to_unode(dir), ~0ull, name, len, 0, &n);

	seen_used(to_unode(dir));
	if (!r)
		*out = &n->node;
	if (r == -ENOENT && unlikely(dir->flags & NODE_COVER)) {
		char text[NAME_MAX_LEN + 1];

		base_strlcpy(text, name, MIN(len + 1, sizeof(text)));
		union_cover_tell(to_unode(dir), text);
	}
	return r;
}

/* Regular files only, of one name and without marks: what needs nothing but the host's word. */
int union_glance(struct node *d, const char *name, size_t len, struct attr *a)
{
	struct unode *dir = to_unode(d);
	struct ufs *u = ufs_of(dir);
	u64 layers = visible_layers(dir);
	struct unode n = { .node = { .fs = d->fs }, .parent = dir };
	char text[NAME_MAX_LEN + 1];
	struct statx st;
	struct hpath h;
	const u32 *slot;
	u32 generation;
	int layer = -1, r = -ENOENT;
	bool old = false;

	if (dir->epoch != u->epoch || dir->gone || d->flags & NODE_COVER || (!dir->parent && u->has_base))
		return -EAGAIN;
	memcpy(text, name, len);
	text[len] = '\0';
	slot = names_slot(d, text);
	generation = atomic_load(slot);
	for (; layers && r == -ENOENT; layers &= ~(1ull << layer)) {
		layer = highest(layers);
		r = stat_entry(dir, text, (unsigned)layer, &h, &st, &old);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	if (!r)
		hpath_done(&h);
	seen_put(dir, text, slot, generation, r ? -1 : layer, &st);
	if (r || !S_ISREG(st.stx_mode) || (layer_ours(u, (unsigned)layer) && union_is_marked(st.stx_mode)) ||
	    union_index_asks(u, (unsigned)layer, &st) || union_is_cover(u, (unsigned)layer, &st))
		return -EAGAIN;
	n.layers = 1ull << layer;
	union_fill_attr(&n, (unsigned)layer, &st, a);
	return 0;
}

void union_opening(struct node *d, const char *name, size_t len)
{
	struct unode *dir = to_unode(d);
	struct ufs *u = ufs_of(dir);
	char text[NAME_MAX_LEN + 1];
	struct statx st;
	struct hpath h;
	const u32 *slot;
	u32 generation;
	int fd;

	if (u->has_base && !u->shared && unode_layers(dir) != 1) { /* what is ours may be marked */
		opened.dir = dir;
		opened.asked = atomic_load(&path_walks);
	}
	if (!u->has_base || u->shared || dir->epoch != u->epoch || dir->gone || dir->hollow || !dir->parent ||
	    unode_layers(dir) != 1 || d->flags & NODE_COVER || len > NAME_MAX_LEN)
		return;
	memcpy(text, name, len);
	text[len] = '\0';
	if (!union_listed_regular(dir, text) || !process_is_alone(this_process()))
		return;
	slot = names_slot(d, text);
	generation = atomic_load(slot);
	if (unode_child_path(dir, text, 0, &h))
		return;
	/* It may be a fifo by now: that must not be waited for. */
	fd = hpath_open(&h, O_RDONLY | O_NONBLOCK, 0);
	hpath_done(&h);
	if (fd < 0)
		return;
	if (pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st) || !S_ISREG(st.stx_mode) ||
	    union_index_asks(u, 0, &st) || union_is_cover(u, 0, &st)) {
		pal_close(fd);
		return;
	}
	seen_put(dir, text, slot, generation, 0, &st);
	opened_put(fd, &st, 0);
}

int union_opened(const struct unode *n, unsigned layer)
{
	int fd = opened.fd;

	if (likely(!fd) || layer != opened.layer || opened.walk != atomic_load(&path_walks) ||
	    opened.ino != n->host_ino || opened.dev != n->host_dev || opened.owner != this_process() ||
	    !process_is_alone(this_process()))
		return -1;
	opened.fd = 0;
	union_fresh_opened(n);
	return fd;
}

void union_update(struct node *o, struct node *f)
{
	struct unode *old = to_unode(o), *fresh = to_unode(f);
	struct uredirect *redirects = old->redirects;
	char *link = o->link;

	union_fresh_moved(fresh, old);
	if (unlikely(old->kept_open) && (old->layers != fresh->layers || old->changed_s != fresh->changed_s ||
					 old->changed_ns != fresh->changed_ns))
		union_dirs_forget(old);
	/* A symlink under the same number with another birth: its text is another. */
	if (old->changed_s != fresh->changed_s || old->changed_ns != fresh->changed_ns) {
		o->link = f->link;
		f->link = link;
	}
	old->redirects = fresh->redirects;
	fresh->redirects = redirects;
	atomic_store(&old->layers, fresh->layers);
	old->hollow = fresh->hollow;
	old->host_ino = fresh->host_ino;
	old->host_dev = fresh->host_dev;
	old->over_valid = fresh->over_valid;
	old->over_read = fresh->over_read;
	old->over = fresh->over;
	old->changed_s = fresh->changed_s;
	old->changed_ns = fresh->changed_ns;
	old->origin = fresh->origin;
	old->below = BELOW_UNKNOWN;
	old->impure_in = 0; /* the number may have been given to another */
	old->epoch = fresh->epoch;
	o->mode = f->mode;
	o->uid = f->uid;
	o->gid = f->gid;
	o->flags = f->flags;
	o->links = f->links;
}

int union_below_stat(struct unode *dir, const char *name, struct statx *st)
{
	struct ufs *u = ufs_of(dir);
	u64 candidates = visible_layers(dir) & ((1ull << u->top) - 1);

	for (; candidates; candidates &= ~(1ull << highest(candidates))) {
		unsigned layer = (unsigned)highest(candidates);
		struct hpath h;
		bool old = true;
		int r = stat_entry(dir, name, layer, &h, st, &old);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		hpath_done(&h);
		return !(layer > 0 &&
			 union_is_whiteout(st->stx_mode, dev_make(st->stx_rdev_major, st->stx_rdev_minor)));
	}
	return 0;
}

int union_below(struct unode *dir, const char *name)
{
	struct statx st;

	return union_below_stat(dir, name, &st);
}

struct unode *union_fresh(struct unode *dir, const char *name, const struct statx *st)
{
	struct ufs *u = ufs_of(dir);
	struct unode *n = unode_create(dir, name, strlen(name));

	if (!n)
		return ERR_PTR(-ENOMEM);
	n->layers = 1ull << u->top;
	union_adopt(n, u->top, st);
	if (!u->shared)
		n->node.flags &= ~NODE_NAMES_FLEETING;
	return n;
}
