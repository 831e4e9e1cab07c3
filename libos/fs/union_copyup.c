// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Copy-up: before an object of a lower layer is changed, the top gets one of its own, made in work and put in place
 * where nothing was. Two that copy at the same time: the second finds the first's and uses it.
 *
 * A file's holes stay holes. Its inode number is remembered (user.gsh.origin). If it has several names below, the copy
 * is what all of them lead to (union_index.c); where the host tells no births of files, or takes no hard links, it is
 * of one name only and a new object, as in overlayfs without an index.
 */
#include "libos/fs/union_impl.h"
#include "libos/fs/quota.h"

/* ---- data ---- */

static int copy_range(int from, int to, s64 begin, s64 end)
{
	while (begin < end) {
		s64 in = begin, out = begin;
		ssize_t n = pal_copy_file_range(from, &in, to, &out, end - begin);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (!n)
			break; /* it became shorter while we read it */
		begin += n;
	}
	return 0;
}

/* Where the host can't copy between the two (other file systems, old kernels). */
static int copy_by_hand(int from, int to, s64 begin, s64 end)
{
	size_t size = 128 * 1024;
	char *buf = base_alloc(size);
	int r = 0;

	if (!buf)
		return -ENOMEM;
	while (begin < end && !r) {
		ssize_t n = pal_pread(from, buf, MIN(size, (size_t)(end - begin)), begin);

		if (n == 0)
			break;
		for (ssize_t done = 0; done < n && r >= 0; done += r)
			r = (int)pal_pwrite(to, buf + done, n - done, begin + done);
		r = n < 0 ? (int)n : MIN(r, 0);
		begin += n;
	}
	base_free(buf);
	return r;
}

static int copy_extent(int from, int to, s64 begin, s64 end)
{
	int r;

	r = quota_on() ? quota_take_all((u64)(end - begin)) : 0;
	if (r)
		return r;
	r = copy_range(from, to, begin, end);

	if (r == -EXDEV || r == -EOPNOTSUPP || r == -EINVAL || r == -ENOSYS)
		r = copy_by_hand(from, to, begin, end);
	return r;
}

static int copy_data(int from, int to, const struct attr *a)
{
	s64 size = (s64)a->size, at = 0, hole;
	int r;

	if (a->blocks * 512 >= a->size)
		return copy_extent(from, to, 0, size); /* it has no holes */
	r = pal_ftruncate(to, size);
	while (!r && at < size) {
		at = pal_lseek(from, at, SEEK_DATA);
		if (at == -ENXIO)
			return 0;
		if (at < 0) /* no such call here: all is data */
			return copy_extent(from, to, 0, size);
		hole = pal_lseek(from, at, SEEK_HOLE);
		if (hole < 0)
			hole = size;
		r = copy_extent(from, to, at, MIN(hole, size));
		at = hole;
	}
	return r;
}

/* ---- what goes with it ---- */

/* To what is staged under `as` in u's work, and open as `to`. */
static int copy_xattr(const struct ufs *u, int from, int to, const char *as, const char *name)
{
	char *value;
	ssize_t n;
	int r = 0;

	if (strncmp(name, "user.", 5) || union_is_hidden_xattr(name))
		return 0;
	value = base_alloc(XATTR_SIZE_MAX);
	if (!value)
		return -ENOMEM;
	n = pal_fgetxattr(from, name, value, XATTR_SIZE_MAX);
	if (n >= 0)
		r = pal_fsetxattr_named(to, u->work, as, name, value, n, 0);
	base_free(value);
	return r;
}

static int copy_xattrs(const struct ufs *u, int from, int to, const char *as)
{
	ssize_t n = pal_flistxattr(from, NULL, 0);
	char *names;
	int r = 0;

	if (n <= 0)
		return 0; /* none, or a host without them */
	names = base_alloc(n + 1);
	if (!names)
		return -ENOMEM;
	n = pal_flistxattr(from, names, n);
	for (ssize_t i = 0; !r && i < n; i += (ssize_t)strlen(names + i) + 1)
		r = copy_xattr(u, from, to, as, names + i);
	base_free(names);
	return r == -EOPNOTSUPP ? 0 : r;
}

static int set_origin(const struct ufs *u, int fd, const char *as, u64 ino)
{
	char value[UNION_VALUE_MAX];

	return pal_fsetxattr_named(fd, u->work, as, UNION_ORIGIN, value, union_origin_encode(value, ino), 0);
}

static struct union_attr attr_of(const struct attr *a)
{
	return (struct union_attr){ .mode = a->mode, .uid = a->uid, .gid = a->gid, .rdev = a->rdev };
}

/* The mode that a copy is made with: what it is to be where that lets its attributes be written, which saves a call. */
static u32 first_mode(const struct ufs *u, const struct attr *a, bool keep_ino)
{
	struct union_attr want = attr_of(a);
	u32 mode;

	if (!union_needs_over(u, &want, &mode) && mode & S_IWUSR)
		return mode | (keep_ino ? UNION_MARK : 0);
	return S_ISDIR(a->mode) ? 0700 : 0600;
}

/* Attributes of the lower object, onto the staged one, which is open and was made with first_mode(). What the host's
 * own say needs no user.gsh.attr, marked or not. cut: it is opened to be cut, which changes it now. */
static int copy_attrs(struct unode *n, int from, const struct stage *s, int to, const struct attr *a, bool keep_ino,
		      bool cut)
{
	struct ufs *u = ufs_of(n);
	struct union_attr want = attr_of(a);
	struct timespec times[2] = { a->atime, a->mtime };
	u32 made = first_mode(u, a, keep_ino), mode;
	int r = from < 0 ? 0 : copy_xattrs(u, from, to, s->name);

	if (cut)
		times[1].tv_nsec = UTIME_NOW;
	if (!r && keep_ino)
		r = set_origin(u, to, s->name, n->node.ino);
	/* A top that keeps no user attributes loses numbers, not files. */
	if (r == -EOPNOTSUPP) {
		keep_ino = false;
		r = 0;
	}
	if (!r && union_needs_over(u, &want, &mode)) {
		r = union_write_attr(u, to, s->name, &want, keep_ino);
	} else if (!r) {
		mode |= keep_ino ? UNION_MARK : 0;
		r = mode == made ? 0 : pal_fchmod_named(to, u->work, s->name, mode);
	}
	return r ? r : pal_futimens_named(to, u->work, s->name, times);
}

/* ---- one object ---- */

/* The layer n comes from, opened for reading, and its attributes. */
static int open_lower(struct unode *n, int flags, struct attr *a)
{
	unsigned layer = (unsigned)highest(unode_layers(n));
	int fd = unode_open(n, layer, flags), r;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ESTALE;
	if (fd < 0)
		return fd;
	r = union_fd_attr(n, fd, layer, a);
	if (r < 0) {
		pal_close(fd);
		return r;
	}
	return fd;
}

static bool is_dir_in_top(struct unode *n)
{
	struct hpath h;
	struct statx st;
	bool is = false;

	if (!unode_path(n, ufs_of(n)->top, &h)) {
		is = !hpath_stat(&h, &st) && S_ISDIR(st.stx_mode);
		hpath_done(&h);
	}
	return is;
}

/* For the guest, nothing changed in the directory: it keeps its times. */
static void keep_times(const struct hpath *dir, const struct statx *st)
{
	struct timespec times[2] = {
		{ st->stx_atime.tv_sec, st->stx_atime.tv_nsec }, { st->stx_mtime.tv_sec, st->stx_mtime.tv_nsec },
	};

	(void)pal_utimensat(dir->dir, dir->path, times); /* best effort, as in overlayfs */
}

static int put_in_place(struct unode *n, const struct stage *s)
{
	struct ufs *u = ufs_of(n);
	struct statx st;
	struct hpath h, dir;
	int r = unode_path(n, u->top, &h);

	if (r < 0)
		return r;
	r = unode_path(n->parent, u->top, &dir);
	if (!r) {
		r = hpath_stat(&dir, &st);
		if (!r)
			r = pal_renameat2(u->work, s->name, h.dir, h.path, RENAME_NOREPLACE);
		if (!r)
			keep_times(&dir, &st);
		hpath_done(&dir);
	}
	hpath_done(&h);
	return r;
}

/* The staged object is complete: give it its place. Somebody else's copy is as good as ours. */
static int finish(struct unode *n, struct stage *s, bool is_dir)
{
	struct ufs *u = ufs_of(n);
	int r = put_in_place(n, s);

	if (r < 0)
		stage_drop(u, s);
	/* A directory's children may go on: its copy, whoever made it, lies where ours would. */
	if (r == -EEXIST && is_dir && is_dir_in_top(n))
		return 0;
	return r == -EEXIST || r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}

void union_adopt_copy(struct unode *n, const struct statx *st, const struct attr *a, bool keep_ino)
{
	struct union_attr over = attr_of(a);
	struct ufs *u = ufs_of(n);
	u32 mode;

	lock(&dcache_lock);
	atomic_store(&n->layers, S_ISDIR(n->node.mode) ? n->layers | 1ull << u->top : 1ull << u->top);
	n->host_ino = st->stx_ino;
	n->host_dev = statx_dev(st);
	union_set_over(n, &over, union_is_marked(st->stx_mode) && union_needs_over(u, &over, &mode));
	below_note(n, BELOW_SOMETHING);
	if (!keep_ino)
		n->node.ino = union_ino(u, st);
	else
		n->origin = n->node.ino;
	n->node.flags &= ~(NODE_FLEETING | NODE_LINKED);
	dcache_unlock();
	unode_bump(n);
}

static int stat_staged(const struct ufs *u, const struct stage *s, struct statx *st)
{
	return pal_statx(u->work, s->name, AT_SYMLINK_NOFOLLOW, UNION_STATX, st);
}

/* A copy that is made to be opened with these flags, 0: not; fd: it is, -1: it has to be opened yet. */
struct copy {
	bool with_data;
	int flags, fd;
};

/* Can what the data is written by be the guest's descriptor? */
static bool may_stay_open(const struct copy *c)
{
	return (c->flags & O_ACCMODE) != O_RDONLY && !(c->flags & ~(O_ACCMODE | O_TRUNC | O_NONBLOCK));
}

/* In work, with all that belongs to it. */
static int stage_copy(struct unode *n, struct stage *s, int from, const struct attr *a, struct copy *c, bool keep,
		      struct statx *st)
{
	struct ufs *u = ufs_of(n);
	int to, r, flags = may_stay_open(c) ? c->flags & ~O_TRUNC : O_RDWR;

	stage_name(s);
	to = host_fd_move(pal_openat(u->work, s->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, first_mode(u, a, keep)));
	if (to < 0)
		return to;
	r = c->with_data ? copy_data(from, to, a) : 0;
	if (!r)
		r = copy_attrs(n, from, s, to, a, keep, c->flags & O_TRUNC);
	if (!r)
		r = stat_staged(u, s, st);
	if (!r && may_stay_open(c))
		c->fd = to;
	else
		pal_close(to);
	if (r < 0)
		stage_drop(u, s);
	return r;
}

static void copy_close(struct copy *c)
{
	if (c->fd >= 0)
		pal_close(c->fd);
	c->fd = -1;
}

static bool takes_no_links(int r)
{
	return r == -EPERM || r == -EOPNOTSUPP || r == -ENOSYS || r == -EMLINK;
}

/* index: its other names are to find the copy. -EEXIST: another name did so first. */
static int copy_opened(struct unode *n, int from, const struct attr *a, struct copy *c, bool index)
{
	struct ufs *u = ufs_of(n);
	unsigned layer = (unsigned)highest(unode_layers(n));
	u64 ino = n->host_ino;
	bool names = a->nlink > 1 && layer_ours(u, layer), keep = a->nlink == 1 || names || index;
	struct statx st = { 0 };
	struct stage s;
	int r = stage_copy(n, &s, from, a, c, keep, &st);

	if (r < 0)
		return r;
	if (index) {
		r = union_index_put(u, &s, from);
		if (r < 0) {
			stage_drop(u, &s);
			copy_close(c);
			return takes_no_links(r) ? copy_opened(n, from, a, c, false) : r;
		}
	}
	r = finish(n, &s, false);
	if (r < 0)
		copy_close(c);
	if (r < 0 && index)
		union_index_drop(u, from);
	if (!r)
		union_adopt_copy(n, &st, a, keep);
	if (!r && names)
		union_keep_links(n, layer, ino, &st, a);
	return r;
}

static int copy_file(struct unode *n, struct copy *c)
{
	struct ufs *u = ufs_of(n);
	unsigned layer = (unsigned)highest(unode_layers(n));
	struct attr a;
	bool index;
	int r, from = open_lower(n, O_RDONLY | O_NONBLOCK, &a);

	if (union_blind(u, layer, from)) {
		r = union_getattr_now(&n->node, &a);
		c->with_data = false;
		return r < 0 ? r : copy_opened(n, -1, &a, c, false);
	}
	if (from < 0)
		return from;
	index = a.nlink > 1 && a.btime.tv_sec && u->has_base && !u->shared && !layer_ours(u, layer);
	r = a.nlink > 1 && union_index_follow(n, from, layer) ? -EEXIST
							      : copy_opened(n, from, &a, c, index);
	pal_close(from);
	if (r != -EEXIST)
		return r;
	/* It was copied up under another name: in this op, or in one before, whose copy is to be copied. */
	if (unode_in_top(n))
		return 0;
	return (unsigned)highest(unode_layers(n)) > layer ? copy_file(n, c) : -ESTALE;
}

static int copy_dir(struct unode *n)
{
	struct ufs *u = ufs_of(n);
	struct stage s;
	struct hpath h;
	struct statx st = { 0 };
	struct attr a;
	int to, r, from = open_lower(n, O_RDONLY | O_DIRECTORY, &a);

	/* One that may be passed but not read has no attributes to copy but those that stat tells. */
	if (from == -EACCES)
		r = union_getattr_now(&n->node, &a);
	else
		r = MIN(from, 0);
	if (r < 0)
		return r;
	stage_name(&s);
	r = pal_mkdirat(u->work, s.name, first_mode(u, &a, true));
	to = r < 0 ? r : pal_openat(u->work, s.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (!r)
		r = MIN(to, 0);
	if (!r)
		r = copy_attrs(n, from, &s, to, &a, true, false);
	if (to >= 0)
		pal_close(to);
	if (from >= 0)
		pal_close(from);
	if (r < 0) {
		stage_drop(u, &s);
		return r;
	}
	r = finish(n, &s, true);
	if (!r)
		r = unode_path(n, u->top, &h);
	if (r < 0)
		return r;
	r = hpath_stat(&h, &st);
	hpath_done(&h);
	if (!r)
		union_adopt_copy(n, &st, &a, true);
	return r;
}

static int copy_symlink(struct unode *n)
{
	struct ufs *u = ufs_of(n);
	char *text = base_alloc(PATH_MAX_LEN);
	struct timespec times[2];
	struct stage s;
	struct statx st = { 0 };
	struct attr a;
	ssize_t len;
	int r;

	if (!text)
		return -ENOMEM;
	len = union_readlink(&n->node, text, PATH_MAX_LEN - 1);
	r = len < 0 ? (int)len : union_getattr_now(&n->node, &a);
	if (!r) {
		text[len] = '\0';
		stage_name(&s);
		r = pal_symlinkat(text, u->work, s.name);
	}
	base_free(text);
	if (r < 0)
		return r;
	times[0] = a.atime;
	times[1] = a.mtime;
	(void)pal_utimensat(u->work, s.name, times); /* refused on rung B: then the copy is new */
	r = stat_staged(u, &s, &st);
	if (!r)
		r = finish(n, &s, false);
	if (!r)
		union_adopt_copy(n, &st, &a, false);
	return r;
}

/* A fifo or socket of the base: a new one. A device of the base can't be made here. */
static int copy_special(struct unode *n)
{
	struct ufs *u = ufs_of(n);
	struct stage s;
	struct statx st = { 0 };
	struct attr a;
	int r = union_getattr_now(&n->node, &a);

	if (r < 0)
		return r;
	if (!S_ISFIFO(a.mode) && !S_ISSOCK(a.mode))
		return -EPERM;
	stage_name(&s);
	r = pal_mknodat(u->work, s.name, (a.mode & S_IFMT) | (a.mode & 0777), 0);
	if (!r) {
		struct timespec times[2] = { a.atime, a.mtime };

		(void)pal_utimensat(u->work, s.name, times); /* as with a link */
		r = stat_staged(u, &s, &st);
	}
	if (!r)
		r = finish(n, &s, false);
	if (!r)
		union_adopt_copy(n, &st, &a, false);
	return r;
}

int union_copy_up_dir(struct unode *n)
{
	int r;

	if (n->gone)
		return -ENOENT;
	if (unode_in_top(n))
		return 0;
	r = union_copy_up_dir(n->parent);
	if (!r && quota_on())
		r = quota_take_inode();
	return r < 0 ? r : copy_dir(n);
}

static int copy_up(struct unode *n, struct copy *c)
{
	u32 mode = n->node.mode;
	int r;

	if (unode_in_top(n))
		return 0;
	if (n->gone)
		return -ENOENT;
	r = union_copy_up_dir(n->parent);
	if (!r && quota_on())
		r = quota_take_inode();
	if (r < 0)
		return r;
	if (S_ISREG(mode))
		return copy_file(n, c);
	if (S_ISDIR(mode))
		return copy_dir(n);
	return S_ISLNK(mode) ? copy_symlink(n) : copy_special(n);
}

int union_copy_up(struct unode *n, bool with_data)
{
	struct copy c = { .with_data = with_data, .fd = -1 };

	return copy_up(n, &c);
}

int union_copy_up_open(struct unode *n, int flags, int *fd)
{
	struct copy c = { .with_data = !(flags & O_TRUNC), .flags = flags, .fd = -1 };
	int r = copy_up(n, &c);

	*fd = c.fd;
	return r;
}
