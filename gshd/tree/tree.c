// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A name in a stack of layers, by the rules of libos/union.
 *
 * Layers are hostile. Every step is one component from an open directory, with openat2(2) told to
 * stay beneath it and to follow no link of any kind, and what was opened is what is used from then
 * on: a rename or a swapped link between two steps changes what is seen, never where it is. Layers
 * do not span file systems; the base does, as the host's tree.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/tree.h"

#define ENTRIES_MAX (4u << 20)
/* Redirects that lead through redirects, as deep as the libOS follows them, and what it may cost in all: each name of
 * one may be another redirect, and so on for as many layers as there are. */
#define REDIRECT_DEPTH 8
#define STEPS_MAX 8192

/* What a base has at its root that is the host's own business: the sandbox has these from its
 * libOS. */
static const char *const own_trees[] = { "proc", "dev", "sys", "run" };

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

	*st = (struct stat){ 0 };
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &x))
		return -errno;
	*st = (struct stat){
		.st_dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.st_ino = x.stx_ino,
		.st_mode = x.stx_mode,
		.st_nlink = x.stx_nlink,
		.st_uid = x.stx_uid,
		.st_gid = x.stx_gid,
		.st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
		.st_size = (off_t)x.stx_size,
		.st_blksize = x.stx_blksize,
		.st_blocks = (blkcnt_t)x.stx_blocks,
		.st_atim = { x.stx_atime.tv_sec, x.stx_atime.tv_nsec },
		.st_mtim = { x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec },
		.st_ctim = { x.stx_ctime.tv_sec, x.stx_ctime.tv_nsec },
	};
	return 0;
}

/* Is name in the spot's base directory dir kept out of sight? */
static bool hides(const struct spot *s, int dir, const char *name)
{
	const struct tree *tree = s->tree;
	unsigned n = s->led && tree->nled > tree->nhidden ? tree->nled : tree->nhidden;
	struct stat st;

	if (s->root)
		for (size_t i = 0; i < sizeof(own_trees) / sizeof(own_trees[0]); i++)
			if (!strcmp(name, own_trees[i]))
				return true;
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(name, tree->hidden[i].name) && !stat_now(dir, &st) &&
		    st.st_dev == tree->hidden[i].dev && st.st_ino == tree->hidden[i].ino)
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
	if (layer ? s->root && union_is_links(name, strlen(name)) : hides(s, s->at[i].fd, name))
		return 0;
	fd = open_beneath(s->at[i].fd, name, layer);
	/* EXDEV: something is mounted in a layer, which nobody of ours did. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EXDEV || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return fd;
	err = stat_now(fd, st);
	if (err || (s->tree->skip && st->st_dev == s->tree->skip)) {
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
	out->tree = s->tree;
	out->root = s->root;
	out->led = s->led;
	out->linked = false;
	out->n = 0;
	for (unsigned i = 0; i < s->n; i++)
		if (s->at[i].layer < layer)
			out->at[out->n++] = s->at[i];
}

static void root_below(const struct tree *tree, unsigned layer, struct spot *out)
{
	out->tree = tree;
	out->root = true;
	out->led = false;
	out->linked = false;
	out->n = 0;
	for (unsigned i = layer; i-- > 0;) {
		out->at[out->n].layer = i;
		out->at[out->n++].fd = tree->fd[i];
	}
}

/* How much of following redirects is left to one look-up. */
struct patience {
	unsigned depth, steps;
};

static int walk(const struct spot *from, const char *path, struct patience *p, struct spot *out);

/* The directory of `layer` says that what lies below it is elsewhere: add that to out. */
static int follow_redirect(const struct spot *s, unsigned layer, int fd, struct patience *p, struct spot *out)
{
	char value[UNION_REDIRECT_MAX];
	ssize_t n = attribute(fd, UNION_REDIRECT, value, sizeof(value) - 1);
	struct spot lower, found;
	int err;

	if (n <= 0 || !union_redirect_valid(value, (size_t)n))
		return 0;
	if (!p->depth)
		return -ELOOP;
	value[n] = '\0';
	if (value[0] == '/')
		root_below(s->tree, layer, &lower);
	else
		below(s, layer, &lower);
	/* What is hidden inside would be brought out of its place: by a commit or a copy to where it can be read. */
	lower.led = true;
	p->depth--;
	err = walk(&lower, value, p, &found);
	p->depth++;
	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	if (err)
		return err;
	if (!S_ISDIR(found.st.st_mode) || out->n + found.n > TREE_LAYERS_MAX) {
		spot_put(&found);
		return 0;
	}
	for (unsigned i = 0; i < found.n; i++)
		out->at[out->n++] = found.at[i];
	out->led = true;
	return 0;
}

bool spot_link_path(const struct spot *s, char path[UNION_LINK_MAX])
{
	struct statx x;

	if (!S_ISREG(s->st.st_mode) || s->st.st_nlink < 2 ||
	    statx(s->at[0].fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BTIME, &x) || !(x.stx_mask & STATX_BTIME))
		return false;
	union_link_path(path, s->st.st_ino, x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
	return true;
}

/* The copy of what s is, if a higher layer has one by another name. */
static bool find_copy(struct spot *s)
{
	unsigned at = s->at[0].layer;
	char path[UNION_LINK_MAX];
	struct stat st;

	if (at + 1 >= s->tree->n || !spot_link_path(s, path))
		return false;
	for (unsigned i = s->tree->n - 1; i > at; i--) {
		int fd = open_beneath(s->tree->fd[i], path, true);

		if (fd < 0)
			continue;
		if (stat_now(fd, &st) || !S_ISREG(st.st_mode)) {
			close(fd);
			return false;
		}
		close(s->at[0].fd);
		s->at[0].fd = fd;
		s->at[0].layer = i;
		s->st = st;
		s->linked = true;
		return true;
	}
	return false;
}

static int step(const struct spot *s, const char *name, struct patience *p, struct spot *out)
{
	struct union_merge m;
	bool more = true;
	int err = p->steps ? 0 : -ELOOP;

	p->steps -= !err;
	out->tree = s->tree;
	out->root = out->linked = false;
	out->led = s->led;
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
			err = follow_redirect(s, layer, fd, p, out);
	}
	if (!err && !out->n)
		err = -ENOENT;
	if (err)
		spot_put(out);
	while (!err && find_copy(out))
		continue; /* copied again */
	return err;
}

int spot_step(const struct spot *s, const char *name, struct spot *out)
{
	return step(s, name, &(struct patience){ REDIRECT_DEPTH, STEPS_MAX }, out);
}

/* Where s's descriptors are borrowed they stay so: only the spots made on the way are put. */
static int walk(const struct spot *from, const char *path, struct patience *p, struct spot *out)
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
							      : step(&at, name, p, out);
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

int spot_find(const struct tree *tree, const char *path, struct spot *out)
{
	struct spot root;

	root_below(tree, tree->n, &root);
	return walk(&root, path, &(struct patience){ REDIRECT_DEPTH, STEPS_MAX }, out);
}

int spot_find_led(const struct tree *tree, const char *path, struct spot *out)
{
	struct spot root;

	root_below(tree, tree->n, &root);
	root.led = true;
	return walk(&root, path, &(struct patience){ REDIRECT_DEPTH, STEPS_MAX }, out);
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

ssize_t spot_readlink(const struct spot *s, char *buf, size_t size)
{
	ssize_t len = S_ISLNK(s->st.st_mode) ? readlinkat(s->at[0].fd, "", buf, size - 1) : -1;

	if (len < 0)
		return -EINVAL;
	buf[len] = '\0';
	return len;
}

bool tree_hide(struct tree_hidden *h, const char *path)
{
	char parent[PATH_MAX], *slash;
	struct stat st;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || strlen(slash + 1) >= sizeof(h->name))
		return false;
	strcpy(h->name, slash + 1);
	*slash = '\0';
	if (stat(*parent ? parent : "/", &st))
		return false;
	h->dev = st.st_dev;
	h->ino = st.st_ino;
	return true;
}

/* ---- listings ---- */

/* Whiteouts are devices, and only a look tells them from others; where the host gives no types,
 * look at everything. */
static bool is_whiteout(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_CHR && e->d_type != DT_UNKNOWN)
		return false;
	return !fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) &&
	       union_is_whiteout(st.st_mode, st.st_rdev);
}

int spot_list(const struct spot *s, unsigned i, struct union_list *list)
{
	unsigned layer = s->at[i].layer;
	struct dirent *e;
	DIR *d;
	int fd = openat(s->at[i].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && (e = readdir(d))) {
		unsigned char type =
			e->d_type == DT_CHR || e->d_type == DT_BLK ? DT_REG : e->d_type;

		if (layer ? s->root && union_is_links(e->d_name, strlen(e->d_name))
			  : hides(s, s->at[i].fd, e->d_name))
			continue;
		if (list->count >= ENTRIES_MAX)
			err = -EOVERFLOW;
		else if (union_list_add(list, layer, e->d_name, type, e->d_ino,
					layer && is_whiteout(fd, e)))
			err = -ENOMEM;
	}
	closedir(d);
	return err;
}
