/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gfs: the sandboxes as a FUSE file system. What a sandbox sees, the host sees here; read-only.
 *
 *	MOUNT/README
 *	MOUNT/<sandbox>/root/		its tree, merged and live
 *	MOUNT/<sandbox>/proc/		its processes, as its libOS tells
 *	MOUNT/<sandbox>/snapshots/NAME/	trees as they were, and after each op
 *	MOUNT/<sandbox>/ops/N/{root/,cmd,when,status}
 *	MOUNT/<sandbox>/info.json
 *
 *	main.c mount.c	options, the mount point, life as a daemon
 *	ops.c		FUSE's questions, handed on by what kind of node they are about
 *	asker.c		who may ask: no sandbox
 *	node.c		numbers that the kernel knows nodes by
 *	boxes.c		which sandboxes there are and of what layers they are made
 *	attr.c list.c link.c	attributes; a directory; where symbolic links lead
 *	root.c proc.c	questions about root/ and about proc/
 *	past.c		snapshots/ and ops/
 *	text.c		README, info.json and the folders above
 *
 * Layers are written by sandboxes and are hostile: every step goes one name down from an open
 * directory and never follows a link (gshd/tree/). The sandbox itself never goes through here, and
 * killing gfs disturbs nobody.
 *
 * Nothing is cached of root/: it is looked at anew for every question, and the kernel is told to
 * remember neither attributes nor entries. Of proc/, where every look costs its process a moment,
 * it remembers entries for a tenth of a second. Names of sandboxes and their layers are remembered
 * for half a second, but that a name is missing is not.
 *
 * Several threads answer at once. A question to a sandbox that hangs ends after two seconds, and
 * while it hangs others about the same sandbox's proc/ fail at once, so that the rest of the tree
 * is always answered.
 *
 * Functions return 0 or negative errno unless they say otherwise.
 */
#ifndef GFS_GFS_H
#define GFS_GFS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "gshd/client/paths.h"
#include "gshd/tree/tree.h"

#define TREE_PATH_MAX 16384 /* a path below root/: deeper than one call can name */
#define RPC_TIMEOUT 2	    /* seconds */
#define NAMES_FRESH 0.5 /* seconds for which names of sandboxes and their layers are remembered */

#define PROC_FRESH 0.1 /* seconds for which the kernel remembers what is below proc/ */

#define must_check __attribute__((warn_unused_result))

struct json_object;

/* Immutable once serving. */
struct gfs {
	struct paths paths;
	char mount[PATH_MAX]; /* canonical */
	struct fuse_session *session;
	dev_t dev; /* of our own mount: never to be looked into */
	uid_t uid;
	gid_t gid;
	struct timespec started;
	struct tree_hidden hidden[3];
	unsigned nhidden;
};
extern struct gfs gfs;

/* ---- boxes.c ---- */

/* The layers of a sandbox. Immutable, counted. */
struct stack {
	unsigned refs; /* guarded by boxes.c's lock */
	struct tree tree;
	char *text; /* the paths, to tell a change */
};

struct proc_door;

/* A sandbox. Lives as long as anybody knows it, even after it was removed. */
struct box {
	unsigned refs; /* guarded by boxes.c's lock */
	char name[64];
	char version[80];	/* immutable; "": now. Others are in no list */
	uint64_t id;		/* immutable: tells inode numbers of sandboxes apart */
	struct proc_door *door; /* immutable; proc.c's own */
	struct box *next;	/* the rest is guarded by boxes.c's lock */
	uint64_t of;		/* the id of the box that this is a version of; 0: none */
	bool listed;		/* there is one of this name now */
	bool running;
	struct stack *stack;
	struct timespec asked;
	struct json_object *info; /* as the daemon's List says */
};

int boxes_init(void) must_check;
/* Ask the daemon, if it runs, what there is. */
struct box *box_find(const char *name); /* counted; NULL: no such sandbox */
struct box *box_get(struct box *b);
void box_put(struct box *b);
/* The box of a version of b: counted, or NULL. Whether there is that version, box_stack() tells. */
struct box *box_version(struct box *b, const char *version);
/* What gshd's Log says of it: owned, or NULL. */
struct json_object *box_past(struct box *b);
/* Its layers as of now: counted, or NULL when they are not known. */
struct stack *box_stack(struct box *b);
void stack_put(struct stack *s);
/* Call fn with each sandbox's name until it returns nonzero. */
int boxes_each(int (*fn)(const char *name, void *arg), void *arg);
/* A copy of what is known of b as text; the caller frees. NULL: no memory. */
char *box_info(struct box *b);
bool box_running(struct box *b);

/* ---- node.c ---- */

enum node_kind {
	NODE_TOP, NODE_README, NODE_BOX, NODE_INFO, NODE_TREE, NODE_PROC, NODE_SNAPSHOTS, NODE_OPS, NODE_OP, NODE_OP_TEXT
};

/* Something the kernel has a number of. A node is a way down from its parent; what is there may
 * change meanwhile. */
struct node {
	enum node_kind kind; /* immutable, as all but the last group */
	struct box *box;     /* counted; NULL above sandboxes */
	struct node *parent; /* counted; NULL at the top */
	uint64_t ident; /* of the object found: another object under this name is another node */
	uint32_t hash;
	uint64_t count; /* guarded by node.c's lock: lookups of the kernel's, and children */
	struct node *next;
	char name[];
};

struct node *node_of(fuse_ino_t ino);
fuse_ino_t node_ino(const struct node *n);
/* The node for a name, made if need be, with one more count. NULL: no memory. */
struct node *node_take(struct node *parent, enum node_kind kind, struct box *box, const char *name,
		       uint64_t ident);
void node_drop(struct node *n, uint64_t count);
/* The path below root/ or proc/ ("" for these), or -ENAMETOOLONG. */
int node_path(const struct node *n, char *buf, size_t size) must_check;

/* ---- list.c ---- */
struct listing;
int listing_make(const struct spot *s, struct listing **out) must_check;
/* For directories that are not merged: add as you go. */
struct listing *listing_empty(void);
int listing_add(struct listing *l, const char *name, unsigned char type, uint64_t ino) must_check;
/* Fill buf with entries from off on, as FUSE wants them: bytes used. */
size_t listing_fill(fuse_req_t req, const struct listing *l, char *buf, size_t size, off_t off);
void listing_free(struct listing *l);

/* ---- link.c ---- */
/* The target to show for a link that lies in the directory `dir` below root/: one that never leads
 * out of root/. */
int link_inside(const struct tree *tree, const char *dir, const char *target, char *out,
		size_t size) must_check;

/* ---- attr.c ---- */
/* Attributes as they are shown. */
void spot_attr(const struct spot *s, const struct box *b, struct stat *st);

/* ---- root.c, proc.c, text.c: one implementation of struct kind each ---- */
struct kind {
	/* Find name in the directory n; fill in e (attributes, and the node as e->ino, counted). */
	int (*lookup)(struct node *n, const char *name, struct fuse_entry_param *e);
	int (*getattr)(struct node *n, struct stat *st);
	int (*readlink)(struct node *n, char *buf, size_t size);
	int (*list)(struct node *n, struct listing **out);
	/* Sets fi->fh to an open struct open_file. */
	int (*open)(struct node *n, struct fuse_file_info *fi);
	/* Bytes, or -errno; size 0 asks how many. */
	ssize_t (*getxattr)(struct node *n, const char *name, char *value, size_t size);
	ssize_t (*listxattr)(struct node *n, char *list, size_t size);
};
extern const struct kind kind_top, kind_readme, kind_box, kind_info, kind_tree, kind_proc, kind_snapshots, kind_ops, kind_op,
	kind_op_text;

/* An open file: bytes in memory, or a descriptor. */
struct open_file {
	int fd;	    /* -1: text */
	char *text; /* owned */
	size_t size;
};
int open_text(struct fuse_file_info *fi, char *text,
	      size_t size) must_check; /* takes text, even on failure */

/* ---- proc.c ---- */
struct proc_door *proc_door_create(void);
void proc_door_free(struct proc_door *d);

/* ---- asker.c ---- */
/* Does the question come from inside a sandbox? */
bool asker_refused(fuse_req_t req);

/* ---- ops.c ---- */
extern const struct fuse_lowlevel_ops gfs_ops;
/* A directory of our own making. */
void fill_dir(struct stat *st, uint64_t ino);
void fill_file(struct stat *st, uint64_t ino, size_t size);

#endif
