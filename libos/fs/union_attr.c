// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attributes as the guest sees them: the host's, with the host user shown as the guest's own identity, one device
 * number for all layers, inode numbers that survive copy-up; and user.gsh.attr's where the object is marked.
 *
 * Directories' modes and owners are good as long as the name is. Else a stat asks the host once, be it the lookup
 * or the stat itself (`fresh`). user.gsh.attr is read again only when the host's ctime has moved.
 *
 * What is stat'ed again and lies in the base is answered from memory for a quarter of a second, two at most
 * (union_getattr). Nobody in the sandbox can change it: who wants to, copies it up first, and that makes the name
 * stale for everybody at once. The host can; programs that ask for the same file twice within that time see what
 * they saw. A command that is started after an edit on the host asks anew. What lies in the top can change at every
 * write of anybody, and is always asked about.
 */
#include "libos/fs/union_impl.h"

/* What the last lookup learnt, for the stat that it was part of: good until the next walk of a name begins. */
static struct {
	const struct unode *node;
	u32 walk;
	u32 clock;		/* dcache_clock() when it was opened; 0: by name only */
	struct attr attr;
} fresh; /* dcache_lock */

static void fresh_put(const struct unode *n, const struct attr *a)
{
	lock(&dcache_lock);
	fresh.node = n;
	fresh.walk = atomic_load(&path_walks);
	fresh.clock = 0;
	fresh.attr = *a;
	dcache_unlock();
}

static bool fresh_take(const struct unode *n, struct attr *a)
{
	bool is = false;

	if (fresh.node != n)
		return false;
	lock(&dcache_lock);
	if (fresh.node == n) {
		is = fresh.walk == atomic_load(&path_walks);
		*a = fresh.attr;
		fresh.node = NULL;
	}
	dcache_unlock();
	return is;
}

void union_fresh_opened(const struct unode *n)
{
	lock(&dcache_lock);
	if (fresh.node == n && fresh.walk == atomic_load(&path_walks))
		fresh.clock = dcache_clock();
	dcache_unlock();
}

void union_fresh_moved(const struct unode *from, const struct unode *to)
{
	if (fresh.node == from)
		fresh.node = to;
}

void union_fresh_drop(const struct unode *n)
{
	struct attr a;

	(void)fresh_take(n, &a);
}

u64 union_ino(const struct ufs *u, const struct statx *st)
{
	return union_fold_ino(st->stx_ino, statx_dev(st), u->main_dev);
}

void union_take_over(struct unode *n, const struct statx *st, const char *attr, ssize_t attr_size, const char *from,
		     ssize_t from_size)
{
	u64 origin;

	n->over_valid = attr_size > 0 && !union_attr_decode(attr, attr_size, &n->over) &&
			union_attr_fits(st->stx_mode, &n->over);
	if (n->over_valid)
		union_note_setid(&n->over);
	n->over_read = true;
	n->origin = from_size > 0 && !union_origin_decode(from, from_size, &origin) ? origin : 0;
	n->changed_s = st->stx_ctime.tv_sec;
	n->changed_ns = st->stx_ctime.tv_nsec;
}

void union_read_over(struct unode *n, int fd, const struct statx *st)
{
	char attr[UNION_VALUE_MAX], origin[UNION_VALUE_MAX];
	ssize_t attr_size = pal_fgetxattr(fd, UNION_ATTR, attr, sizeof(attr));

	union_take_over(n, st, attr, attr_size, origin, pal_fgetxattr(fd, UNION_ORIGIN, origin, sizeof(origin)));
}

bool union_read_over_at(struct unode *n, const struct hpath *h, const struct statx *st)
{
	char attr[UNION_VALUE_MAX], origin[UNION_VALUE_MAX];
	ssize_t attr_size = pal_getxattrat(h->dir, h->path, UNION_ATTR, attr, sizeof(attr)), origin_size;

	if (attr_size < 0 && attr_size != -ENODATA)
		return false;
	origin_size = pal_getxattrat(h->dir, h->path, UNION_ORIGIN, origin, sizeof(origin));
	if (origin_size < 0 && origin_size != -ENODATA)
		return false;
	union_take_over(n, st, attr, attr_size, origin, origin_size);
	return true;
}

/*
 * Rung A's user namespace maps the user's own ids only; the kernel shows every other owner as the overflow id. In a
 * base that is the user's machine nearly all of those are root's, and programs look for root there (ssh, sudo, git,
 * ls): say so.
 */
#define OVERFLOW_ID 65534

static u32 guest_id(u32 host, u32 host_own, u32 own)
{
	if (host == host_own)
		return own;
	return host == OVERFLOW_ID && pal_grant()->rung == GRANT_RUNG_A ? 0 : host;
}

static u32 guest_uid(const struct ufs *u, u32 host)
{
	return guest_id(host, u->host_uid, u->uid);
}

static u32 guest_gid(const struct ufs *u, u32 host)
{
	return guest_id(host, u->host_gid, u->gid);
}

static void copy_time(struct timespec *to, const struct statx_timestamp *from)
{
	to->tv_sec = from->tv_sec;
	to->tv_nsec = from->tv_nsec;
}

void union_fill_attr(const struct unode *n, unsigned layer, const struct statx *st, struct attr *a)
{
	const struct ufs *u = ufs_of(n);
	bool marked = layer_ours(u, layer) && union_is_marked(st->stx_mode);

	a->valid = 0;
	a->ino = marked && n->origin ? n->origin : union_ino(u, st);
	a->dev = u->fs.dev;
	a->rdev = S_ISCHR(st->stx_mode) || S_ISBLK(st->stx_mode) ? dev_make(st->stx_rdev_major, st->stx_rdev_minor) : 0;
	a->mode = marked ? st->stx_mode & ~UNION_MARK : st->stx_mode;
	a->uid = guest_uid(u, st->stx_uid);
	a->gid = guest_gid(u, st->stx_gid);
	if (marked && n->over_valid) {
		a->mode = n->over.mode;
		a->uid = n->over.uid;
		a->gid = n->over.gid;
		a->rdev = n->over.rdev;
	}
	a->nlink = st->stx_nlink;
	if (S_ISDIR(a->mode) && n->layers & (n->layers - 1))
		a->nlink = 1; /* merged: nobody counts the subdirectories of all layers; find(1) knows what 1 means */
	if (!n->parent && u->root_mode) {
		a->mode = u->root_mode;
		a->uid = a->gid = 0;
	}
	a->size = st->stx_size;
	a->blocks = st->stx_blocks;
	a->blksize = st->stx_blksize;
	copy_time(&a->atime, &st->stx_atime);
	copy_time(&a->mtime, &st->stx_mtime);
	copy_time(&a->ctime, &st->stx_ctime);
	copy_time(&a->btime, &st->stx_btime);
}

static bool is_changed_at(const struct unode *n, const struct statx *st)
{
	return n->changed_s == st->stx_ctime.tv_sec && n->changed_ns == st->stx_ctime.tv_nsec;
}

void union_adopt(struct unode *n, unsigned layer, const struct statx *st)
{
	const struct ufs *u = ufs_of(n);
	struct attr a;

	union_fill_attr(n, layer, st, &a);
	if (!S_ISDIR(a.mode))
		fresh_put(n, &a);
	n->host_ino = st->stx_ino;
	n->host_dev = statx_dev(st);
	n->node.ino = a.ino;
	n->node.mode = a.mode;
	n->node.uid = a.uid;
	n->node.gid = a.gid;
	n->node.flags = NODE_ATTR;
	/* The host may change the base at any time. A miss in a directory that has it may become a hit, and a directory
	 * or symlink in it may become another; files are asked about at every use. */
	if ((u->shared || !layer_ours(u, layer)) && !S_ISREG(a.mode))
		n->node.flags |= NODE_FLEETING;
	if ((u->shared || u->has_base) && S_ISDIR(a.mode))
		n->node.flags |= NODE_NAMES_FLEETING;
	if (unlikely(union_is_cover(u, layer, st)))
		n->node.flags |= NODE_COVER;
	if (unlikely(n->redirects && S_ISREG(a.mode)) || unlikely(union_index_asks(u, layer, st)))
		n->node.flags |= NODE_LINKED;
	/* What a symlink says can't change without the symlink being another. */
	if (n->over_valid || is_changed_at(n, st))
		return;
	n->changed_s = st->stx_ctime.tv_sec;
	n->changed_ns = st->stx_ctime.tv_nsec;
	n->over_read = false;
}

/* Attributes of the root come from the base unless the top has its own: gshd made the top, the user did not. *links:
 * what the top adds to the number of its subdirectories. */
static unsigned attr_layer(struct unode *n, struct hpath *h, struct statx *st, u32 *links)
{
	const struct ufs *u = ufs_of(n);
	unsigned top = (unsigned)highest(unode_layers(n));

	*links = 0;
	if (n->parent || !u->has_base || u->shared || unode_path(n, top, h) || hpath_stat(h, st))
		return top;
	if (union_is_marked(st->stx_mode))
		return top;
	*links = MAX(st->stx_nlink, 2u);
	return 0;
}

/* ---- attributes kept for a while ---- */

struct kept_attr {
	u32 at; /* dcache_clock then */
	struct attr attr;
};

static bool may_keep(struct unode *n)
{
	/* Of several names another may be copied up, and changed. */
	bool alone = !(n->node.flags & NODE_LINKED) || union_index_none(ufs_of(n));

	return ufs_of(n)->has_base && alone && unode_layers(n) == 1 && !S_ISDIR(n->node.mode) && n->tmp_fd < 0 &&
	       !n->gone;
}

static void kept_put(struct unode *n, const struct attr *a)
{
	struct kept_attr *k = n->kept ?: base_alloc(sizeof(*k));

	if (!k)
		return;
	lock(&dcache_lock);
	if (n->kept && n->kept != k) { /* another thread was here meanwhile */
		dcache_unlock();
		base_free(k);
		return;
	}
	*k = (struct kept_attr){ .at = dcache_clock(), .attr = *a };
	n->kept = k;
	dcache_unlock();
}

static bool kept_take(struct unode *n, struct attr *a)
{
	bool is = false;

	if (!n->kept)
		return false;
	lock(&dcache_lock);
	if (n->kept && dcache_clock() - n->kept->at < 2) {
		is = true;
		*a = n->kept->attr;
	}
	dcache_unlock();
	return is;
}

static bool over_current(const struct unode *n, const struct statx *st)
{
	return n->over_read && is_changed_at(n, st);
}

static int stat_node(struct unode *n, unsigned layer, struct hpath *h, struct statx *st)
{
	int r = unode_path(n, layer, h);

	if (r < 0)
		return r;
	r = hpath_stat(h, st);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		r = -ESTALE;
	/* Another object under the name: the name is to be looked up again. */
	if (!r && n->parent && (st->stx_ino != n->host_ino || statx_dev(st) != n->host_dev))
		r = -ESTALE;
	if (!r && layer_ours(ufs_of(n), layer) && union_is_marked(st->stx_mode) && !over_current(n, st) &&
	    !union_read_over_at(n, h, st)) {
		int fd = hpath_open(h, O_RDONLY | O_NONBLOCK, 0);

		if (fd == -EACCES)
			union_split_mark(n, st, NULL, NULL);
		if (fd >= 0) {
			union_read_over(n, fd, st);
			pal_close(fd);
		}
	}
	hpath_done(h);
	return r;
}

/* Of the base alone, where nobody inside changes it. */
bool union_fresh_take(struct unode *n, struct attr *a)
{
	return fresh.node == n && fresh.clock && fresh.clock == dcache_clock() && may_keep(n) && fresh_take(n, a);
}

int union_getattr(struct node *node, struct attr *a)
{
	struct unode *n = to_unode(node);
	struct passage passage;
	int r;

	if (fresh_take(n, a) || (may_keep(n) && kept_take(n, a)))
		return 0;
	passage = chain_enter(node);
	r = union_getattr_now(node, a);
	if (!r && may_keep(n))
		kept_put(n, a);
	return (int)chain_leave(&passage, r);
}

int union_getattr_now(struct node *node, struct attr *a)
{
	struct unode *n = to_unode(node);
	struct hpath h;
	struct statx st;
	unsigned layer;
	u32 links;
	int r;

	if (n->tmp_fd >= 0)
		return union_fd_attr(n, n->tmp_fd, ufs_of(n)->top, a);
	if (n->gone)
		return -ENOENT;
	layer = attr_layer(n, &h, &st, &links);
	r = stat_node(n, layer, &h, &st);
	if (r < 0)
		return r;
	union_fill_attr(n, layer, &st, a);
	if (links)
		a->nlink = st.stx_nlink + links - 2;
	return 0;
}

int union_fd_attr(struct unode *n, int fd, unsigned layer, struct attr *a)
{
	struct statx st;
	int r = pal_statx(fd, "", AT_EMPTY_PATH, UNION_STATX, &st);

	if (r < 0)
		return r;
	if (layer_ours(ufs_of(n), layer) && union_is_marked(st.stx_mode) && !over_current(n, &st))
		union_read_over(n, fd, &st);
	union_fill_attr(n, layer, &st, a);
	return 0;
}

/* Is the caller the one that the host takes it for? Then the host's answer is Linux's answer. */
static bool native_identity(const struct ufs *u, const struct cred *c)
{
	const struct grant *g = pal_grant();

	return !u->guest_root && c->fsuid == u->uid && c->fsgid == u->gid && c->ngroups == g->ngroups &&
	       !memcmp(c->groups, g->groups, c->ngroups * sizeof(c->groups[0]));
}

int union_permission(struct node *node, int mask)
{
	struct unode *n = to_unode(node);
	const struct cred *c = &this_process()->cred;
	bool is_dir = S_ISDIR(node->mode);
	struct attr a;
	int r;

	if (is_dir)
		return attr_permission(c, node->mode, node->uid, node->gid, c->fsuid, c->fsgid, mask);
	/* The open that follows is judged by the host by the same rules, access lists included; but writing to a lower
	 * file means copying it, which the host does not judge. */
	if (!(mask & MAY_EXEC) && !n->over_valid && (mask == MAY_READ || unode_in_top(n)) &&
	    native_identity(ufs_of(n), c))
		return 0;
	r = union_getattr(node, &a);
	return r < 0 ? r : attr_permission(c, a.mode, a.uid, a.gid, c->fsuid, c->fsgid, mask);
}
