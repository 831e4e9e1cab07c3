// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A name in a stack of layers, by the rules of libos/union.
 *
 * Layers are hostile. Every step is one component from an open directory, with openat2(2) told to
 * stay beneath it and to follow no link of any kind, and what was opened is what is used from then
 * on: a rename or a swapped link between two steps changes what is seen, never where it is. Layers
 * do not span file systems; the base does, as the host's tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "libos/union/union.h"

/* What a base has at its root that is the host's own business: the sandbox has these from its
 * libOS. */
static const char *const own_trees[] = {"proc", "dev", "sys", "run"};

static int open_beneath(int dir, const char *name, bool layer)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   (layer ? RESOLVE_NO_XDEV : 0),
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Without asking a network file system, or ourselves: what the host's kernel knows now. */
static int stat_now(int fd, struct stat *st)
{
	struct statx x;

	*st = (struct stat){0};
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &x))
		return -errno;
	*st = (struct stat){
		.st_dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.st_ino = x.stx_ino,
		.st_mode = x.stx_mode,
		.st_nlink = x.stx_nlink,
		.st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
		.st_size = (off_t)x.stx_size,
		.st_blksize = x.stx_blksize,
		.st_blocks = (blkcnt_t)x.stx_blocks,
		.st_atim = {x.stx_atime.tv_sec, x.stx_atime.tv_nsec},
		.st_mtim = {x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec},
		.st_ctim = {x.stx_ctime.tv_sec, x.stx_ctime.tv_nsec},
	};
	return 0;
}

bool base_hides(int dir, bool root, const char *name)
{
	struct stat st;

	if (root)
		for (size_t i = 0; i < sizeof(own_trees) / sizeof(own_trees[0]); i++)
			if (!strcmp(name, own_trees[i]))
				return true;
	for (unsigned i = 0; i < gfs.nhidden; i++)
		if (!strcmp(name, gfs.hidden[i].name) && !stat_now(dir, &st) &&
		    st.st_dev == gfs.hidden[i].dev && st.st_ino == gfs.hidden[i].ino)
			return true;
	return false;
}

/* An attribute of what an O_PATH descriptor stands for. */
static ssize_t attribute(int fd, const char *name, char *value, size_t size)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return getxattr(path, name, value, size);
}

static bool says_yes(int fd, const char *name)
{
	char v[2];

	return attribute(fd, name, v, sizeof(v)) == 1 && v[0] == 'y';
}

/* What one layer has under a name. fd is -1 and entry->mode 0 if nothing that is shown. */
static int look(const struct spot *s, unsigned i, const char *name, struct union_entry *e,
		struct stat *st, int *out)
{
	bool layer = s->at[i].layer > 0;
	int fd, err;

	memset(e, 0, sizeof(*e));
	*out = -1;
	if (!layer && base_hides(s->at[i].fd, s->root, name))
		return 0;
	fd = open_beneath(s->at[i].fd, name, layer);
	/* EXDEV: something is mounted in a layer, which nobody of ours did. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EXDEV || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return fd;
	err = stat_now(fd, st);
	if (err || st->st_dev == gfs.dev) {
		close(fd);
		return err;
	}
	e->mode = st->st_mode;
	e->rdev = st->st_rdev;
	if (layer && S_ISDIR(st->st_mode)) {
		e->opaque = says_yes(fd, UNION_OPAQUE);
		e->redirected = attribute(fd, UNION_REDIRECT, NULL, 0) > 0;
	}
	*out = fd;
	return 0;
}

/* What of s lies below a layer: borrowed descriptors, not to be put. */
static void below(const struct spot *s, unsigned layer, struct spot *out)
{
	out->stack = s->stack;
	out->root = s->root;
	out->n = 0;
	for (unsigned i = 0; i < s->n; i++)
		if (s->at[i].layer < layer)
			out->at[out->n++] = s->at[i];
}

static void root_below(const struct stack *stack, unsigned layer, struct spot *out)
{
	out->stack = stack;
	out->root = true;
	out->n = 0;
	for (unsigned i = layer; i-- > 0;) {
		out->at[out->n].layer = i;
		out->at[out->n++].fd = stack->fd[i];
	}
}

static int walk(const struct spot *from, const char *path, struct spot *out);

/* The directory of `layer` says that what lies below it is elsewhere: add that to out. */
static int follow_redirect(const struct spot *s, unsigned layer, int fd, struct spot *out)
{
	char value[UNION_REDIRECT_MAX];
	ssize_t n = attribute(fd, UNION_REDIRECT, value, sizeof(value) - 1);
	struct spot lower, found;
	int err;

	if (n <= 0 || !union_redirect_valid(value, (size_t)n))
		return 0;
	value[n] = '\0';
	if (value[0] == '/')
		root_below(s->stack, layer, &lower);
	else
		below(s, layer, &lower);
	err = walk(&lower, value, &found);
	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	if (err)
		return err;
	if (!S_ISDIR(found.st.st_mode) || out->n + found.n > LAYERS_MAX) {
		spot_put(&found);
		return 0;
	}
	for (unsigned i = 0; i < found.n; i++)
		out->at[out->n++] = found.at[i];
	return 0;
}

int spot_step(const struct spot *s, const char *name, struct spot *out)
{
	struct union_merge m;
	bool more = true;
	int err = 0;

	out->stack = s->stack;
	out->root = false;
	out->n = 0;
	union_merge_init(&m);
	for (unsigned i = 0; i < s->n && more && !err; i++) {
		unsigned layer = s->at[i].layer;
		struct union_entry e;
		struct stat st;
		int fd;

		err = look(s, i, name, &e, &st, &fd);
		if (err)
			break;
		more = union_merge_feed(&m, layer, &e);
		if (!(m.layers & 1ull << layer) || !e.mode) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		if (!out->n)
			out->st = st;
		out->at[out->n].layer = layer;
		out->at[out->n++].fd = fd;
		if (!more && m.redirected)
			err = follow_redirect(s, layer, fd, out);
	}
	if (!err && !out->n)
		err = -ENOENT;
	if (err)
		spot_put(out);
	return err;
}

/* Where s's descriptors are borrowed they stay so: only the spots made on the way are put. */
static int walk(const struct spot *from, const char *path, struct spot *out)
{
	struct spot at = *from;
	bool ours = false;
	char name[NAME_MAX + 1];
	int err = 0;

	while (*path == '/')
		path++;
	while (*path && !err) {
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX)
			err = -ENAMETOOLONG;
		if (!err) {
			memcpy(name, path, len);
			name[len] = '\0';
			err = ours && !S_ISDIR(at.st.st_mode) ? -ENOTDIR
							      : spot_step(&at, name, out);
		}
		if (ours)
			spot_put(&at);
		ours = true;
		at = *out;
		path += len;
		while (*path == '/')
			path++;
	}
	/* Nothing was walked: descriptors of its own for whoever puts it. */
	for (unsigned i = 0; !ours && i < at.n; i++) {
		at.at[i].fd = fcntl(at.at[i].fd, F_DUPFD_CLOEXEC, 3);
		if (at.at[i].fd < 0) {
			err = -errno;
			at.n = i;
			spot_put(&at);
			return err;
		}
	}
	if (!ours) {
		*out = at;
		err = at.n ? stat_now(at.at[0].fd, &out->st) : -ENOENT;
		if (err)
			spot_put(out);
	}
	return err;
}

int spot_find(const struct stack *stack, const char *path, struct spot *out)
{
	struct spot root;

	root_below(stack, stack->n, &root);
	return walk(&root, path, out);
}

void spot_put(struct spot *s)
{
	for (unsigned i = 0; i < s->n; i++)
		close(s->at[i].fd);
	s->n = 0;
}

int spot_open(const struct spot *s, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->at[0].fd);
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The mode that the sandbox sees; a device is shown as an empty file. */
static void apply_own_attributes(const struct spot *s, struct stat *st)
{
	char value[UNION_VALUE_MAX];
	struct union_attr a;
	uint64_t origin;
	ssize_t n;

	if (s->at[0].layer == 0 || !union_is_marked(st->st_mode))
		return;
	n = attribute(s->at[0].fd, UNION_ATTR, value, sizeof(value));
	if (n > 0 && !union_attr_decode(value, (size_t)n, &a)) {
		if (S_ISCHR(a.mode) || S_ISBLK(a.mode))
			st->st_size = st->st_blocks = 0;
		st->st_mode = (st->st_mode & S_IFMT) | (a.mode & 07777);
	} else {
		st->st_mode &= ~(mode_t)UNION_MARK;
	}
	n = attribute(s->at[0].fd, UNION_ORIGIN, value, sizeof(value));
	if (n > 0 && !union_origin_decode(value, (size_t)n, &origin))
		st->st_ino = origin;
}

void spot_attr(const struct spot *s, const struct box *b, struct stat *st)
{
	*st = s->st;
	st->st_ino = union_fold_ino(st->st_ino, st->st_dev, s->stack->main_dev);
	apply_own_attributes(s, st);
	st->st_ino ^= b->id << 48;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		st->st_mode = S_IFREG | (st->st_mode & 07777);
		st->st_size = st->st_blocks = 0;
	}
	/* Several directories make up one: a count of links would be a lie, and 1 says so to
	 * find(1). */
	if (S_ISDIR(st->st_mode))
		st->st_nlink = 1;
	st->st_rdev = 0;
	st->st_uid = gfs.uid;
	st->st_gid = gfs.gid;
}
