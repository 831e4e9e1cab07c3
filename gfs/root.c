// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * root/: the merged tree of a sandbox.
 *
 * Every question finds its object anew, from the root of the layers: what the sandbox did a moment
 * ago is seen, and nothing that it does can make an old handle mean something else. Open files are
 * descriptors and need no looking up (data.c). write.c has what changes the tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gfs/gfs.h"
#include "libos/union/union.h"

/* The raw target of a link. Not "user.": the kernel keeps that space from links. */
#define LINK_XATTR "gsh.link"

static void stack_put_p(struct stack **s)
{
	if (*s)
		stack_put(*s);
}
#define cleanup_stack __attribute__((cleanup(stack_put_p)))

static void dir_put_p(struct dir **d)
{
	dir_put(*d);
}
#define cleanup_dir __attribute__((cleanup(dir_put_p)))

double root_fresh(struct box *b, const struct spot *s)
{
	double fresh = pens_fresh(b);

	if (b->version[0] || !fresh)
		return fresh;
	/* A file of several names changes by another one, of which the kernel knows nothing. */
	if (s->linked || (!S_ISDIR(s->st.st_mode) && s->st.st_nlink > 1))
		return 0;
	/* The base is the host's to change. */
	if (!s->at[0].layer)
		return fresh;
	return LEASE_FRESH;
}

static void seen(struct node *n, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		__atomic_store_n(&n->dir_mode, st->st_mode, __ATOMIC_RELAXED);
}

static int tree_lookup(struct node *n, const char *name, struct fuse_entry_param *e)
{
	cleanup_dir struct dir *dir = NULL;
	cleanup_spot struct spot found = {.n = 0};
	struct node *child;
	int err = dir_get(n, &dir);

	if (!err)
		err = spot_step(&dir->spot, name, &found);
	if (err)
		return err;
	spot_attr(&found, n->box, &e->attr);
	child = node_take(n, NODE_TREE, n->box, name, e->attr.st_ino);
	if (!child)
		return -ENOMEM;
	seen(child, &e->attr);
	e->ino = node_ino(child);
	e->entry_timeout = e->attr_timeout = root_fresh(n->box, &found);
	return 0;
}

/* What is asked of an open file that has lost its name, or whose name is another's. */
static int open_attr(struct node *n, struct stat *st)
{
	cleanup_stack struct stack *stack = box_stack(n->box);
	struct spot s = {.n = 1};
	bool base = false;
	int fd = stack ? node_file(n, &base) : -1, err = 0;

	if (fd < 0)
		return -ENOENT;
	s.tree = &stack->tree;
	s.at[0].fd = fd;
	s.at[0].layer = base ? 0 : stack->tree.n - 1;
	if (fstat(fd, &s.st))
		err = -errno;
	else
		spot_attr(&s, n->box, st);
	close(fd);
	return err;
}

/* A directory that somebody has open, or stands in, and that is no more. */
static int gone_attr(const struct node *n, struct stat *st)
{
	mode_t mode = __atomic_load_n(&n->dir_mode, __ATOMIC_RELAXED);

	*st = (struct stat){.st_mode = mode, .st_ino = n->ident, .st_uid = gfs.uid, .st_gid = gfs.gid};
	return mode ? 0 : -ENOENT;
}

/* Looked up by a name that is another's since, and nobody has it open: who named it means that. */
static int replaced_attr(struct node *n, struct stat *st)
{
	cleanup_dir struct dir *dir = NULL;
	cleanup_spot struct spot s;
	int err = dir_find_then(n, &dir, &s);

	if (!err)
		spot_attr(&s, n->box, st);
	return !err && !S_ISREG(st->st_mode) ? -ESTALE : err;
}

int root_attr(struct node *n, struct stat *st, double *fresh)
{
	cleanup_dir struct dir *dir = NULL;
	cleanup_spot struct spot s;
	int err = dir_find(n, &dir, &s);

	if (!err) {
		spot_attr(&s, n->box, st);
		seen(n, st);
		(void)data_catch_up(n, &s);
		*fresh = root_fresh(n->box, &s);
	}
	if (err != -ENOENT && err != -ESTALE && (err || st->st_ino == n->ident))
		return err;
	*fresh = 0;
	if (!open_attr(n, st) || (err && !gone_attr(n, st)))
		return 0;
	return err == -ESTALE ? replaced_attr(n, st) : err;
}

static int tree_getattr(struct node *n, struct stat *st)
{
	double fresh;

	return root_attr(n, st, &fresh);
}

static int tree_readlink(struct node *n, char *buf, size_t size)
{
	cleanup_dir struct dir *dir = NULL;
	cleanup_spot struct spot s;
	char target[PATH_MAX], path[TREE_PATH_MAX], name[NAME_MAX + 1];
	int err = dir_find(n, &dir, &s);
	ssize_t len;

	if (err)
		return err;
	len = spot_readlink(&s, target, sizeof(target));
	if (len < 0)
		return (int)len;
	err = node_parent_path(n, path, sizeof(path), name);
	return err ? err : link_inside(&dir->stack->tree, path, target, buf, size);
}

static int tree_list(struct node *n, struct listing **out)
{
	cleanup_dir struct dir *dir = NULL;
	int err = dir_get(n, &dir);

	return err ? err : listing_make(&dir->spot, out);
}

/* Of a base the user's own attributes; of a layer those that the sandbox sees. */
static bool xattr_shown(const char *name)
{
	return !strncmp(name, "user.", 5) && !union_is_hidden_xattr(name);
}

static ssize_t reply_value(const char *from, size_t len, char *value, size_t size)
{
	if (!size)
		return (ssize_t)len;
	if (len > size)
		return -ERANGE;
	memcpy(value, from, len);
	return (ssize_t)len;
}

static ssize_t tree_getxattr(struct node *n, const char *name, char *value, size_t size)
{
	cleanup_dir struct dir *dir = NULL;
	cleanup_spot struct spot s;
	char target[PATH_MAX], path[32];
	int err = dir_find_then(n, &dir, &s);
	ssize_t len;

	if (err)
		return err;
	if (!strcmp(name, LINK_XATTR)) {
		len = spot_readlink(&s, target, sizeof(target));
		return len < 0 ? -ENODATA : reply_value(target, (size_t)len, value, size);
	}
	/* Access control lists and their kin are no attributes here, as inside. */
	if (!xattr_shown(name))
		return !strncmp(name, "system.", 7) ? -EOPNOTSUPP : -ENODATA;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s.at[0].fd);
	len = getxattr(path, name, value, size);
	return len < 0 ? -errno : len;
}

static ssize_t tree_listxattr(struct node *n, char *list, size_t size)
{
	cleanup_dir struct dir *dir = NULL;
	cleanup_spot struct spot s;
	char path[32], *all;
	size_t kept = 0;
	int err = dir_find(n, &dir, &s);
	ssize_t len;

	if (err)
		return err;
	if (S_ISLNK(s.st.st_mode))
		return reply_value(LINK_XATTR, sizeof(LINK_XATTR), list, size);
	all = malloc(XATTR_LIST_MAX + 1);
	if (!all)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s.at[0].fd);
	len = listxattr(path, all, XATTR_LIST_MAX);
	for (char *p = all; len > 0 && p < all + len;) {
		size_t one = strnlen(p, (size_t)(all + len - p)) + 1;

		if (xattr_shown(p) && p + one <= all + len) {
			memmove(all + kept, p, one);
			kept += one;
		}
		p += one;
	}
	len = len < 0 ? (errno == EOPNOTSUPP ? 0 : -errno) : reply_value(all, kept, list, size);
	free(all);
	return len;
}

const struct kind kind_tree = {
	.lookup = tree_lookup,
	.getattr = tree_getattr,
	.readlink = tree_readlink,
	.list = tree_list,
	.open = data_open,
	.getxattr = tree_getxattr,
	.listxattr = tree_listxattr,
};
