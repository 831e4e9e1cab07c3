/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Generated file systems: trees that are tables.
 *
 * A row (struct pseudo_desc) describes one object; a directory's children are a table of rows, to
 * which a directory may add names that come and go (pids, descriptors). A node is a row and up to
 * two keys that say of whom: the pid (0 where there is none) and a number below it (descriptor,
 * thread, cpu).
 *
 * Text is generated at the first read from the start, into a host memory file: the offset and its
 * sharing over fork are then the host's, as for any file.
 */
#ifndef LIBOS_FS_PSEUDO_H
#define LIBOS_FS_PSEUDO_H

#include "libos/vfs/vfs.h"

struct pseudo_node;

/* What a directory answers for a name that is not in its table. */
struct pseudo_ref {
	const struct pseudo_desc *desc;
	s64 pid, key;
};

struct pseudo_desc {
	const char *name; /* NULL ends a table; "" for rows that stand for computed names */
	u32 mode;	  /* S_IFMT and permissions */
	u64 rdev;
	bool fleeting; /* who it is may change outside: good for a second. A directory: its computed names */
	/* Regular files: the text; and what writing does (the text written, NUL-terminated, at most
	 * a page). */
	int (*show)(struct pseudo_node *n, struct buf *b);
	const char *text; /* instead of show: always the same */
	ssize_t (*store)(struct pseudo_node *n, const char *text, size_t size);
	/* Links: text, and for magic ones where they lead. */
	ssize_t (*readlink)(struct pseudo_node *n, char *buf, size_t size);
	int (*follow)(struct pseudo_node *n, struct path *out);
	/* Instead of show: open as something else. */
	int (*open)(struct pseudo_node *n, struct file *f);
	/* Directories. find: -ENOENT. next: the first name at or after *cursor, which then points
	 * at it; false: no more. */
	const struct pseudo_desc *children;
	int (*find)(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref);
	bool (*next)(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref);
	/* Last word on attributes (owner); -errno if the object is gone. */
	int (*attr)(struct pseudo_node *n, struct attr *a);
	int (*setattr)(struct pseudo_node *n, const struct attr *a); /* NULL: mode and owner cannot be changed */
};

struct pseudo_node {
	struct node node;
	const struct pseudo_desc *desc;
	s64 pid, key;
};

static inline struct pseudo_node *to_pseudo(struct node *n)
{
	return container_of(n, struct pseudo_node, node);
}

/* The node of row d in fs; ERR_PTR. ino 0: made from the keys. */
struct node *pseudo_node_create(struct fs *fs, const struct pseudo_desc *d, s64 pid, s64 key,
				u64 ino);
/* A file system whose root is row d. NULL: no memory. */
struct fs *pseudo_fs_create(const char *type, u64 dev, u32 magic, bool uncached,
			    const struct pseudo_desc *d);

/* A name that is all decimal digits without leading zeros, as pids and descriptors are shown; -1 if
 * not. */
s64 pseudo_number(const char *name);
/* Copy a link's text. */
ssize_t pseudo_text(char *buf, size_t size, const char *text);

/* clang-format off */
#define PSEUDO_DIR(n, perm, table) { .name = (n), .mode = S_IFDIR | (perm), .children = (table) }
#define PSEUDO_TEXT(n, fn) { .name = (n), .mode = S_IFREG | 0444, .show = (fn) }
#define PSEUDO_CONST(n, s) { .name = (n), .mode = S_IFREG | 0444, .text = (s) }
#define PSEUDO_END { .name = NULL }
/* clang-format on */

/* lseek of a directory whose position is an index: SEEK_SET and SEEK_CUR. */
s64 pseudo_dir_lseek(struct file *f, s64 off, int whence);

#endif
