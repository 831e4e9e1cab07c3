// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Where an object lies on the host.
 *
 * A node knows its parent and its name; its path in a layer is put together when it is needed, from the node upwards
 * until a redirect says where the rest lies, or to a directory that is open: the guest's own, for who walks a tree has
 * one, or one of union_dirs.c. So the host need not walk from the root for each file. Host paths are relative to the
 * layer's directory, hold no "." and "..", and are opened with RESOLVE_NO_SYMLINKS: layers may hold any symlink, and
 * none is for the host to follow.
 */
#include "libos/fs/union_impl.h"

#define FAR 3 /* components that a directory is kept open for */

u64 unode_layers(struct unode *n)
{
	return atomic_load_relaxed(&n->layers);
}

bool unode_in_top(struct unode *n)
{
	return unode_layers(n) >> ufs_of(n)->top & 1;
}

struct unode *unode_create(struct unode *parent, const char *name, size_t len)
{
	struct unode *n = base_zalloc(sizeof(*n));
	char *copy = base_strndup(name, len);

	if (!n || !copy) {
		base_free(n);
		base_free(copy);
		return NULL;
	}
	n->name = copy;
	n->parent = parent;
	n->tmp_fd = n->dir_fd = -1;
	n->node.refs = 1;
	if (parent) {
		node_get(&parent->node);
		n->node.ops = parent->node.ops;
		n->node.fs = parent->node.fs;
		n->epoch = ufs_of(n)->epoch;
	}
	return n;
}

/* ---- putting paths together ---- */

struct front {
	char *low, *at;
	bool full;
};

static void put_front(struct front *f, const char *s, size_t n)
{
	if (f->full || (size_t)(f->at - f->low) < n) {
		f->full = true;
		return;
	}
	f->at -= n;
	memcpy(f->at, s, n);
}

static const char *redirect_in(const struct unode *n, unsigned layer)
{
	for (const struct uredirect *r = n->redirects; r; r = r->next)
		if (r->layer == layer)
			return r->path;
	return NULL;
}

/* Its descriptor, or -1. Where others run in this memory, it may be closed, or be another's, before it is used. */
static int open_dir(const struct unode *n, unsigned layer)
{
	if (likely(n->dir_fd < 0) || n->dir_layer != layer || n->dir_epoch != ufs_of(n)->epoch ||
	    !process_is_alone(this_process()))
		return -1;
	return n->dir_fd;
}

void unode_dir_opened(struct unode *n, unsigned layer, int fd)
{
	if (!process_is_alone(this_process()))
		return;
	n->dir_fd = fd;
	n->dir_layer = (u8)layer;
	n->dir_epoch = ufs_of(n)->epoch;
}

void unode_dir_closed(struct unode *n, int fd)
{
	if (n->dir_fd == fd)
		n->dir_fd = -1;
}

/* Caller holds dcache_lock. The path of n in layer, before what is already there (more), relative to h->dir, which may
 * become another; h NULL: to the layer. How many components that took. */
static unsigned put_path(struct front *f, const struct unode *n, unsigned layer, bool more, struct hpath *h)
{
	unsigned count = 0;

	for (; n->parent; n = n->parent, count++) {
		const char *r = redirect_in(n, layer);
		int fd = more && h ? open_dir(n, layer) : -1;

		if (fd >= 0)
			h->dir = fd;
		if (fd >= 0 || (more && h && union_dirs_find(n, layer, h)))
			return count;
		if (more)
			put_front(f, "/", 1);
		more = true;
		put_front(f, r ? r : n->name, strlen(r ? r : n->name));
		if (r)
			return count;
	}
	return count;
}

/* Longer than the host takes in one call: open the first part, and go on relative to that. */
static int open_prefix(struct hpath *h, char *path, size_t len)
{
	while (len >= PATH_MAX_LEN) {
		char *cut = path + PATH_MAX_LEN - 1;
		int fd;

		while (cut > path && *cut != '/')
			cut--;
		if (cut == path)
			return -ENAMETOOLONG;
		*cut = '\0';
		fd = pal_openat(h->dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (h->owned)
			pal_close(h->dir);
		h->owned = false;
		if (fd < 0)
			return fd;
		h->dir = fd;
		h->owned = true;
		len -= cut + 1 - path;
		path = cut + 1;
	}
	h->path = path;
	return 0;
}

static int long_path(struct unode *n, const char *name, unsigned layer, struct hpath *h, bool whole)
{
	size_t size = PATH_MAX_LEN / 4;
	struct front f = { .full = true };
	char *heap = NULL;
	int r;

	while (f.full && size <= 4096 * PATH_MAX_LEN) {
		base_free(heap);
		size *= 4;
		heap = base_alloc(size);
		if (!heap)
			return -ENOMEM;
		f = (struct front){ .low = heap, .at = heap + size };
		lock(&dcache_lock);
		put_front(&f, "", 1);
		put_front(&f, name, strlen(name));
		if (h->pin)
			union_dirs_unpin(h);
		h->dir = layer_fd(ufs_of(n), layer);
		(void)put_path(&f, n, layer, *name, whole ? NULL : h);
		unlock(&dcache_lock);
	}
	r = f.full ? -ENAMETOOLONG : open_prefix(h, f.at, strlen(f.at));
	h->heap = heap;
	if (r < 0)
		hpath_done(h);
	return r;
}

static int find_path(struct unode *n, const char *name, unsigned layer, struct hpath *h, bool whole)
{
	struct front f = { .low = h->buf, .at = h->buf + sizeof(h->buf) };
	struct unode *through = *name ? n : n->parent;
	unsigned count;
	bool often;

	h->owned = false;
	h->heap = NULL;
	h->pin = NULL;
	/* Its places are those of a stack that is no more, and its name was not looked up since. */
	if (unlikely(n->epoch != ufs_of(n)->epoch))
		return -ESTALE;
	h->dir = layer_fd(ufs_of(n), layer);
	lock(&dcache_lock);
	put_front(&f, "", 1);
	put_front(&f, name, strlen(name));
	count = put_path(&f, n, layer, *name, whole ? NULL : h);
	often = count >= FAR && !whole && union_dirs_count(through);
	unlock(&dcache_lock);
	if (unlikely(f.full))
		return long_path(n, name, layer, h, whole);
	if (unlikely(often))
		union_dirs_keep(through, layer);
	h->path = f.at;
	if (!*h->path)
		h->path = ".";
	return 0;
}

int unode_child_path(struct unode *n, const char *name, unsigned layer, struct hpath *h)
{
	return find_path(n, name, layer, h, false);
}

int unode_path(struct unode *n, unsigned layer, struct hpath *h)
{
	return find_path(n, "", layer, h, false);
}

int unode_whole_path(struct unode *n, unsigned layer, struct hpath *h)
{
	return find_path(n, "", layer, h, true);
}

void hpath_done(struct hpath *h)
{
	if (h->owned)
		pal_close(h->dir);
	if (h->pin)
		union_dirs_unpin(h);
	h->owned = false;
	base_free(h->heap);
	h->heap = NULL;
}

/* ---- using them ---- */

static int open_there(const struct hpath *h, int flags, u32 mode)
{
	static u32 no_openat2; /* atomic */
	int fd;

	if (!atomic_load_relaxed(&no_openat2) && strchr(h->path, '/')) {
		fd = pal_openat2(h->dir, h->path, flags | O_NOFOLLOW, mode, RESOLVE_NO_SYMLINKS);
		if (fd != -ENOSYS)
			return host_fd_move(fd);
		atomic_store(&no_openat2, 1);
	}
	return host_fd_move(pal_openat(h->dir, h->path, flags | O_NOFOLLOW, mode));
}

/* Refused by the mode or, on rung B, by a Landlock that was set up before the file was made: the
 * monitor knows which. */
static int open_refused(const struct hpath *h, int flags)
{
	int fd, pinned = open_there(h, O_PATH | (flags & O_DIRECTORY), 0);

	if (pinned < 0)
		return pinned;
	fd = pal_open_brokered(pinned);
	pal_close(pinned);
	return host_fd_move(fd);
}

int hpath_open(const struct hpath *h, int flags, u32 mode)
{
	int fd = open_there(h, flags, mode);

	if (unlikely(fd == -EACCES) && pal_grant()->flags & GRANT_BROKER_OPEN &&
	    !(flags & (O_ACCMODE | O_PATH | O_CREAT | O_TRUNC)))
		fd = open_refused(h, flags);
	return fd;
}

int hpath_stat(const struct hpath *h, struct statx *st)
{
	return pal_statx(h->dir, h->path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, st);
}

int unode_open(struct unode *n, unsigned layer, int flags)
{
	struct hpath h;
	int fd = unode_path(n, layer, &h);

	if (!fd) {
		fd = hpath_open(&h, flags, 0);
		hpath_done(&h);
	}
	return fd;
}

/* ---- names that change ---- */

void names_bump(struct unode *dir, const char *name)
{
	atomic_add(names_slot(&dir->node, name), 1);
}

void unode_bump(struct unode *n)
{
	char name[NAME_MAX_LEN + 1];
	struct unode *parent;

	lock(&dcache_lock);
	parent = n->parent;
	base_strlcpy(name, n->name, sizeof(name));
	unlock(&dcache_lock);
	if (parent)
		names_bump(parent, name);
}

int unode_move(struct unode *n, struct unode *dir, const char *name)
{
	char *copy = base_strdup(name), *old_name;
	struct unode *old;

	if (!copy)
		return -ENOMEM;
	node_get(&dir->node);
	lock(&dcache_lock);
	old = n->parent;
	old_name = n->name;
	n->parent = dir;
	n->name = copy;
	if (S_ISDIR(n->node.mode))
		union_dirs_forget(NULL); /* one opened by its old name just when it got another may be something else */
	unlock(&dcache_lock);
	base_free(old_name);
	if (old)
		node_put(&old->node);
	return 0;
}

void union_moved(struct node *n, struct node *dir, const char *name)
{
	if (to_unode(n)->parent)
		(void)unode_move(to_unode(n), to_unode(dir), name); /* no memory: it is lost, not wrong */
}

/* What the top says of where the rest of n lies: what n->redirects have are places in one layer each, no names of the
 * union below, for a layer between may have moved a directory above. Empty: nothing. */
static int redirect_of_top(struct unode *n, char value[UNION_REDIRECT_MAX])
{
	unsigned top = ufs_of(n)->top;
	ssize_t size;
	int fd;

	*value = '\0';
	if (!n->redirects || !(unode_layers(n) & 1ull << top))
		return 0;
	fd = unode_open(n, top, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	size = pal_fgetxattr(fd, UNION_REDIRECT, value, UNION_REDIRECT_MAX - 1);
	pal_close(fd);
	value[size > 0 && union_redirect_valid(value, (size_t)size) ? size : 0] = '\0';
	return 0;
}

char *unode_lower_path(struct unode *n)
{
	char *heap = base_alloc(2 * UNION_REDIRECT_MAX), *value = heap + UNION_REDIRECT_MAX, *path;
	struct front f = { .low = heap, .at = value };
	int r = 0;

	if (!heap)
		return NULL;
	put_front(&f, "", 1);
	for (*value = '\0'; n->parent && *value != '/' && !r; n = n->parent) {
		r = redirect_of_top(n, value);
		if (*value == '/') {
			put_front(&f, value, strlen(value));
			break;
		}
		lock(&dcache_lock);
		put_front(&f, *value ? value : n->name, strlen(*value ? value : n->name));
		unlock(&dcache_lock);
		put_front(&f, "/", 1);
	}
	path = r || f.full ? NULL : base_strdup(f.at);
	base_free(heap);
	return path;
}
