/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The rules of the union file system, and nothing else: no host calls, no state. Shared by the libOS, gfs and gshd, so
 * that a sandbox's files look the same from inside, through the mount and in a diff.
 *
 * A sandbox's tree is a stack of directories, layers: 0 is the base, which is never written, the highest is the top,
 * where all changes go. On disk a layer is what the kernel's overlayfs (userxattr) makes and reads:
 *
 *   whiteout     character device 0/0: the name is removed, whatever lies below
 *   opaque       directory with user.overlay.opaque = "y": nothing below shows through
 *   redirect     directory with user.overlay.redirect: what lies below it is at another name, "/from/the/root" or "name"
 *                in the same directory, both as seen in the union of the layers below
 *   impure       directory with user.overlay.impure = "y": something in it came from a layer below under another name or
 *                was copied up; a listing must look at each entry for its inode number
 *
 * and what a plain user can't put into a file's own attributes:
 *
 *   user.gsh.attr    "mode uid gid rdev" (octal, decimal, decimal, hex): the attributes as the sandbox sees them
 *   user.gsh.origin  inode number (hex) that the object had in the sandbox before it was copied up
 *
 * A file with several names in a layer, the base mostly, has one copy when it is changed under one of them, and nobody can
 * find the others. So the copy has a name in the directory UNION_LINKS of its layer's root, too, that says what it is the
 * copy of; who finds a file with several names below looks there. A whiteout in it: the copy of a lower layer counts no
 * more. The sandbox does not see that directory.
 *
 * Reading an extended attribute takes three calls, which would triple the price of every stat in a layer. So an object
 * that has one of the last two is marked by the sticky bit of its host mode, which means nothing to the host on files
 * and, in directories with one owner, nothing there either. (The true sticky bit then stands in user.gsh.attr.)
 */
#ifndef LIBOS_UNION_UNION_H
#define LIBOS_UNION_UNION_H

#include "pal/base/types.h"

#define UNION_OPAQUE "user.overlay.opaque"
#define UNION_REDIRECT "user.overlay.redirect"
#define UNION_IMPURE "user.overlay.impure"
#define UNION_ATTR "user.gsh.attr"
#define UNION_ORIGIN "user.gsh.origin"
#define UNION_VALUE_MAX 64	/* of the last two */
#define UNION_LINKS ".gsh.links"
#define UNION_LINKS_NAME "/links" /* in the root: its counter is bumped after each copy that was put there */
#define UNION_LINK_MAX 64
#define UNION_REDIRECT_MAX 4096

/* ---- attr.c ---- */
struct union_attr {
	u32 mode;	/* st_mode, type included */
	u32 uid, gid;
	u64 rdev;
};
bool union_is_whiteout(u32 mode, u64 rdev);
/* Does the host mode of an object in a layer of ours (never the base) say that it has attributes of its own? */
bool union_is_marked(u32 mode);
/* Text of a value; returns its length. */
size_t union_attr_encode(char value[UNION_VALUE_MAX], const struct union_attr *a);
size_t union_origin_encode(char value[UNION_VALUE_MAX], u64 ino);
/* 0, or -1 if value is not well formed (somebody else's hand): then the host's attributes stand. */
int union_attr_decode(const char *value, size_t size, struct union_attr *a);
/* Is this name in a layer's root for the libOS alone? */
static inline bool union_is_links(const char *name, size_t len)
{
	return len == sizeof(UNION_LINKS) - 1 && !__builtin_memcmp(name, UNION_LINKS, len);
}
/* Where the copy of a file with several names is, below a layer's root. It is told by the host's number of what was
 * copied and the time it was made, for numbers are given out again. */
void union_link_path(char path[UNION_LINK_MAX], u64 ino, s64 seconds, u32 nanoseconds);
/* May an object of this host mode have these attributes? Its type is the host's; only devices are
 * kept as plain files. */
bool union_attr_fits(u32 host_mode, const struct union_attr *a);
int union_origin_decode(const char *value, size_t size, u64 *ino);
/* The mode an object of this mode gets on the host: what the libOS itself needs is always allowed (u+r, directories
 * u+rwx, with all: u+w too), set-id and sticky bits never. *differs: the object needs user.gsh.attr and the mark. */
u32 union_host_mode(u32 mode, bool all, bool *differs);
#define UNION_MARK 01000u /* or'ed to the host mode of a marked object */
/* One number for objects of several devices: those of main keep theirs. */
u64 union_fold_ino(u64 ino, u64 dev, u64 main);
/* Attributes that a guest neither sees nor sets. */
bool union_is_hidden_xattr(const char *name);

/* ---- merge.c ---- */
/* One name looked up through the layers, from the highest: feed what each has until feed says that it is enough. */
struct union_entry {
	u32 mode;		/* 0: the layer has no such name */
	u64 rdev;
	bool opaque, redirected; /* of directories */
};
struct union_merge {
	u64 layers;	/* those that make up the object: several only for directories */
	int top;	/* the highest of them, -1: there is no such object */
	bool whiteout;	/* a whiteout ended it */
	bool redirected; /* what lies below is elsewhere: go on there by the redirect of the last layer fed */
};
void union_merge_init(struct union_merge *m);
bool union_merge_feed(struct union_merge *m, unsigned layer, const struct union_entry *e);
/* Is value a redirect that may be followed? No ".", "..", empty or overlong components. */
bool union_redirect_valid(const char *value, size_t size);

/* ---- list.c ---- */
/* A merged listing: names of all layers, each once, the highest layer's entry; whiteouts hide. */
struct union_name {
	u64 ino;		/* as the highest layer's host has it */
	u8 layer, type;		/* DT_* */
	bool hidden;		/* a whiteout: hides what lies below and is not shown */
	bool twice;		/* a lower layer has the name too: may have been copied up */
	u16 len;
	u32 next;		/* in its hash chain: 1 + index, 0: end */
	u32 text;		/* offset of the name in `text` */
};
struct union_list {
	struct union_name *names;
	u32 count, names_cap;
	char *text;		/* NUL-terminated names, one after another */
	u32 text_size, text_cap;
	u32 *buckets;		/* 1 + index of names */
	u32 nbuckets;
};
/* Zeroed is empty. Feed layers from the highest. 0 or -1: no memory. "." and ".." are left out. */
int union_list_add(struct union_list *l, unsigned layer, const char *name, u8 type, u64 ino, bool whiteout);
const struct union_name *union_list_find(const struct union_list *l, const char *name);
static inline const char *union_list_text(const struct union_list *l, const struct union_name *n)
{
	return l->text + n->text;
}
void union_list_free(struct union_list *l);

/* ---- names.c ---- */
/* Which names may lie in a layer, at any depth: what a look-up need not ask the host for. The bits say "has" of every
 * name that was added and, with some ten thousand names, of others too. All ones is always right. */
#define UNION_NAMES_SIZE 8188
#define UNION_NAMES_MARKS "\001marks" /* added if a directory of the layer is opaque or redirected */
void union_names_add(u8 *bits, const char *name);
bool union_names_has(const u8 *bits, const char *name);

/* The same in words, for hash tables: a word at a time, as this is in every walk. */
static inline u32 union_name_hash(const char *name, size_t len)
{
	u64 h = len * 0x9e3779b97f4a7c15ull, w;

	for (; len >= 8; name += 8, len -= 8) {
		__builtin_memcpy(&w, name, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	if (len) {
		w = 0;
		for (size_t i = 0; i < len; i++)
			w = w << 8 | (u8)name[i];
		h = (h ^ w) * 0xff51afd7ed558ccdull;
	}
	h ^= h >> 29;
	return (u32)(h ^ h >> 32);
}
/*
 * The counters of names: UNION_COUNTERS words in the memory that a sandbox's processes share (libos/coord/area.h). Whoever
 * changed a name on the host bumps its counter, and what they remember of it is looked up again (libos/vfs/dentry.c). Which
 * one tells of a name in a directory: dev is the one that the sandbox sees; of its root it is UNION_ROOT_DEV, whatever the
 * layers lie on.
 */
#define UNION_COUNTERS_AT 528384
#define UNION_COUNTERS 4096
#define UNION_ROOT_DEV 40u
static inline u32 union_counter(u64 ino, u64 dev, u32 name_hash)
{
	return (u32)(((ino ^ dev << 48 ^ (u64)name_hash << 20) * 0x9e3779b97f4a7c15ull) >> 52);
}

/* ---- change.c ---- */
/* What becomes of a name's object in the top, and of the name, when it goes. */
enum union_removal {
	UNION_UNLINK,	    /* it is in the top alone: it goes */
	UNION_TAKE_AND_HIDE, /* it is in the top and a layer below has the name: a whiteout takes its place */
	UNION_HIDE,	    /* it is below only: a whiteout is made */
};
enum union_removal union_removal(bool in_top, bool below);
/* How a directory of the top is marked before it gets another name. merged: it has parts in lower layers; over: a lower
 * layer has the new name. */
enum union_move { UNION_MOVE_PLAIN, UNION_MOVE_OPAQUE, UNION_MOVE_REDIRECT };
enum union_move union_move(bool merged, bool over);
/*
 * A directory's new name, for those who stand in it: appended to the file UNION_MOVES in work (libos/vfs/moves.c), then
 * the counter of the name UNION_MOVES_NAME in the root is bumped. pid: the writer's, 0: nobody's inside.
 */
#define UNION_MOVES "moves"
#define UNION_MOVES_NAME "/moves"
struct union_moved {
	u32 size;  /* of it all */
	s32 pid;
	u64 ino;   /* as the sandbox sees it */
	char text[]; /* old path, NUL, new path, NUL; from the root, each with a slash ahead */
};

#endif
