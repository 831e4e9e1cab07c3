/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A sandbox's files seen from the host: names in a stack of layers, by the rules of libos/union. Used by gfs, by gsh's
 * verbs and by whoever else reads what a sandbox wrote.
 *
 * Layers are hostile. Every step is one component from an open directory, with openat2(2) told to stay beneath it and
 * to follow no link of any kind, and what was opened is what is used from then on: a rename or a swapped link between
 * two steps changes what is seen, never where it is.
 *
 *	open.c	the directories of a stack
 *	tree.c	a name in a stack; listings
 *	resolve.c paths with links and patterns in them
 *	attr.c	modes, owners and attributes as the sandbox sees them
 *	diff.c	the objects in which two trees differ
 *
 * No locks and no state: a tree is immutable once it is open, and a spot belongs to who made it. Functions return 0 or
 * negative errno unless they say otherwise.
 */
#ifndef GSHD_TREE_TREE_H
#define GSHD_TREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "libos/union/union.h"

#define TREE_LAYERS_MAX 64

struct json_object;

#define tree_must_check __attribute__((warn_unused_result))

/* What is never shown of a base: a name in a directory. */
struct tree_hidden {
	dev_t dev;
	ino_t ino;
	char name[256];
};

struct tree {
	unsigned n;
	int fd[TREE_LAYERS_MAX]; /* O_PATH, lowest first; 0 is the base; owned by who opened them */
	uint32_t number[TREE_LAYERS_MAX]; /* of the layers; 0: it has none */
	uint64_t main_dev;	 /* of the base: its inode numbers are shown as they are, as inside */
	dev_t skip;		 /* a device never to be looked into; 0: none */
	const struct tree_hidden *hidden;
	unsigned nhidden;
	unsigned nled; /* of hidden, those that also no redirect or link of a sandbox's leads to */
};

/* An object of a merged tree: the directories, or the one other object, that make it up; highest
 * layer first. */
struct spot {
	const struct tree *tree; /* borrowed */
	bool root;
	bool led; /* here by a redirect or a link, which may be a sandbox's */
	bool linked; /* it was found as the copy of another of its names */
	unsigned n;
	struct {
		unsigned layer;
		int fd; /* O_PATH; owned */
	} at[TREE_LAYERS_MAX];
	struct stat st; /* of the highest */
};

/* ---- open.c ---- */

/* Open the layers that gshd's Layers told of; hidden, nhidden, nled and skip are the caller's to set. */
int tree_open_layers(struct tree *tree, struct json_object *layers) tree_must_check;
void tree_close(struct tree *tree);

/* ---- tree.c ---- */

/* Fill in h for a path that a base must not show. False: there is nothing to hide. */
bool tree_hide(struct tree_hidden *h, const char *path);

/* Find path ("" is the root) in a tree. -ENOENT, -ENOTDIR, ... out is valid only on success. */
int spot_find(const struct tree *tree, const char *path, struct spot *out) tree_must_check;
/* The same, path having been made of links. */
int spot_find_led(const struct tree *tree, const char *path, struct spot *out) tree_must_check;
/* One name down. The name is one component and neither "." nor "..". */
int spot_step(const struct spot *s, const char *name, struct spot *out) tree_must_check;
/* Where the copy of one of several names of a file is, below the root of the layer that has it. False: it has one name. */
bool spot_link_path(const struct spot *s, char path[UNION_LINK_MAX]);
void spot_put(struct spot *s);
#define cleanup_spot __attribute__((cleanup(spot_put)))
/* Open for reading what the spot holds on top: no other object than was looked at. A descriptor. */
int spot_open(const struct spot *s, int flags) tree_must_check;
/* The target of a symbolic link, NUL-terminated; its length. */
ssize_t spot_readlink(const struct spot *s, char *buf, size_t size) tree_must_check;
/* Add the names that the spot's i'th directory has; whiteouts as hidden. -EOVERFLOW: too many. */
int spot_list(const struct spot *s, unsigned i, struct union_list *list) tree_must_check;

/* ---- resolve.c ---- */

#define TREE_PATH_ROOM 16384
/* Find a path as the sandbox would, symbolic links and ".." included; follow: the last name's link, too. real, if not
 * NULL, has TREE_PATH_ROOM bytes and becomes the path without links. Deep recursion is bounded as Linux bounds it. */
int spot_resolve(const struct tree *tree, const char *path, bool follow, struct spot *out, char *real) tree_must_check;
/* The paths that a pattern of the shell's names, sorted; a path without a pattern names itself if it is there. -ENOENT:
 * none. To be freed by tree_glob_free. */
int tree_glob(const struct tree *tree, const char *pattern, char ***paths, size_t *n) tree_must_check;
void tree_glob_free(char **paths, size_t n);

/* ---- attr.c ---- */

/* user.gsh.attr of the object, if it has it and it fits. */
bool spot_own_attr(const struct spot *s, struct union_attr *a);
/* Type, mode, owner and number as the sandbox sees them. */
void spot_attr_inside(const struct spot *s, struct union_attr *a);
/* The inode number from before copy-up; 0: none. */
uint64_t spot_origin(const struct spot *s);
/* The inode number that the sandbox sees. */
uint64_t spot_number(const struct spot *s);
/* The object's user.* attributes but for those that are hidden: names one after another, each ended by NUL, sorted.
 * *names is the caller's to free. Returns their size. */
ssize_t spot_xattrs(const struct spot *s, char **names) tree_must_check;
/* A value, as fgetxattr(2). */
ssize_t spot_xattr(const struct spot *s, const char *name, void *value, size_t size) tree_must_check;

/* ---- diff.c ---- */

/* In what two objects of one name differ. */
enum {
	DIFF_ADDED = 1,	  /* only b is there */
	DIFF_DELETED = 2, /* only a */
	DIFF_TYPE = 4,
	DIFF_DATA = 8, /* contents, or where a link leads, or a device's number */
	DIFF_MODE = 16,
	DIFF_OWNER = 32,
	DIFF_XATTRS = 64,
};

struct diff_found {
	const char *path;      /* "/usr/bin"; until the callback returns */
	unsigned what;	       /* DIFF_* */
	const struct spot *a, *b; /* NULL where there is none */
	struct union_attr was, is;
};

/* The paths looked at: NULL or none for all. Each begins with '/' and has neither dots nor doubled slashes. */
struct diff_scope {
	const char *const *paths;
	size_t n;
};

/* Call fn for every object that differs, in the order of their paths' bytes within each directory, a directory ahead of
 * what is in it, until it returns nonzero, which is returned. What cannot be read is told to `lost`, and the walk goes
 * on. Subtrees that consist of the same directories are not walked. */
struct diff_calls {
	int (*found)(const struct diff_found *f, void *arg);
	void (*lost)(const char *path, int err, void *arg);
	void *arg;
};
int tree_diff(const struct tree *a, const struct tree *b, const struct diff_scope *scope,
	      const struct diff_calls *calls) tree_must_check;

#endif
