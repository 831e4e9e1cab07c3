/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * gfs: the sandboxes as a FUSE file system. What a sandbox sees, the host sees here; root/ it may write, too.
 *
 *	MOUNT/README
 *	MOUNT/<sandbox>/root/		its tree, merged and live
 *	MOUNT/<sandbox>/proc/		its processes, as its libOS tells
 *	MOUNT/<sandbox>/snapshots/NAME/	trees as they were, and after each op
 *	MOUNT/<sandbox>/ops/N/{root/,cmd,when,status,patch}
 *	MOUNT/<sandbox>/at/TIME/	as it was then
 *	MOUNT/<sandbox>/base/		what it began with
 *	MOUNT/<sandbox>/changes/{tree/,deleted,patch}
 *	MOUNT/<sandbox>/info.json
 *
 *	main.c mount.c	options, the mount point, life as a daemon
 *	greet.c		the kernel's first question
 *	ops.c		FUSE's questions, handed on by what kind of node they are about
 *	asker.c		who may ask: no sandbox
 *	node.c		numbers that the kernel knows nodes by
 *	boxes.c stack.c	which sandboxes there are; of what layers they are made
 *	dirs.c		directories of trees, found once
 *	lease.c		for how long the kernel may remember what does not run
 *	attr.c list.c link.c	attributes; a directory; where symbolic links lead
 *	root.c proc.c	questions about root/ and about proc/
 *	write.c data.c	changes of names in root/; what is in files
 *	locks.c share.c	locks, and memory that is shared by maps, of host programs and programs inside
 *	pen.c		the right to write to a sandbox, and telling its processes
 *	past.c changes.c	snapshots/, ops/ and at/; changes/
 *	text.c		README, info.json and the folders above
 *
 * Layers are written by sandboxes and are hostile: every step goes one name down from an open
 * directory and never follows a link (gshd/tree/). The sandbox itself never goes through here, and
 * killing gfs disturbs nobody.
 *
 * Of root/ of a sandbox that runs the kernel is told to remember neither attributes nor entries: what
 * is done inside is seen at once. One that does not run changes through here alone until somebody
 * says that he begins (lease.c): of what is in its layers it remembers both until then, of its base,
 * which the host changes, for a moment. What it was can't change at all. Of proc/, where every look
 * costs its process a moment, it remembers entries for a tenth of a second. Names of sandboxes are
 * remembered for half a second, but that a name is missing is not.
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
#include <time.h>
#include "gshd/client/paths.h"
#include "gshd/tree/change.h"
#include "gshd/tree/tree.h"

#define TREE_PATH_MAX 16384 /* a path below root/: deeper than one call can name */
#define RPC_TIMEOUT 2	    /* seconds */
#define NAMES_FRESH 0.5 /* seconds for which names of sandboxes and their layers are remembered */

#define LEASE_FRESH 10.0 /* seconds; should the kernel not be told that it is over */
#define STOPPED_FRESH 0.05 /* the same where it will not be: to start a sandbox takes longer */
#define PROC_FRESH 0.1 /* seconds for which the kernel remembers what is below proc/ */

/* CLOCK_MONOTONIC. */
static inline long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static inline bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

#define must_check __attribute__((warn_unused_result))

struct json_object;
struct node;
struct client_reply;
struct open_file;

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
	bool shares; /* files may be mapped that bypass the kernel's cache */
};
extern struct gfs gfs;

/* ---- boxes.c ---- */

extern pthread_mutex_t boxes_lock; /* innermost */

/* When the directories changed that a sandbox's layers lie in (stack.c). */
struct seal {
	struct timespec layers, top;
	nlink_t nlayers, ntop;
	bool sure; /* long enough ago to tell a change from the next */
};

/* The layers of a sandbox. Immutable but for the count and the seal, which boxes_lock guards. */
struct stack {
	unsigned refs;
	struct tree tree;
	struct tree writes; /* the same, but for what is hidden inside: that is brought into no layer */
	struct tree_hidden *hidden; /* of writes; owned */
	uint32_t top; /* number of the layer that is written; 0: of a version */
	uint32_t highest; /* number of the highest layer; 0: none */
	int box, work; /* the sandbox's directory, and where to stage; -1 */
	int pens;      /* the lock of who writes; -1. This and the next are guarded by pen.c's gate */
	unsigned writing;
	struct seal seal;
	char *text; /* the paths, to tell a change */
};

struct proc_door;
struct pens;
struct past;
struct recent;
struct lease;

/* A sandbox. Lives as long as anybody knows it, even after it was removed. */
struct box {
	unsigned refs; /* guarded by boxes_lock */
	char name[64];
	char version[80];	/* immutable; "": now. Others are in no list */
	uint64_t id;		/* immutable: tells inode numbers of sandboxes apart */
	struct proc_door *door; /* immutable; proc.c's own */
	struct pens *pens;	/* immutable; pen.c's own */
	struct box *next;	/* the rest is guarded by boxes_lock */
	uint64_t of;		/* the id of the box that this is a version of; 0: none */
	bool listed;		/* there is one of this name now */
	bool running;
	struct stack *stack;
	struct timespec asked;
	struct json_object *info; /* as the daemon's List says */
	struct past *past;	  /* past.c's own */
	struct recent *recent;	  /* dirs.c's own */
	struct lease *lease;	  /* lease.c's own */
};

int boxes_init(void) must_check;
/* Ask the daemon, if it runs, what there is. */
struct box *box_find(const char *name); /* counted; NULL: no such sandbox */
struct box *box_get(struct box *b);
void box_put(struct box *b);
/* The box of a version of b: counted, or NULL. Whether there is that version, box_stack() tells. */
struct box *box_version(struct box *b, const char *version);
/* Ask the daemon. flags: of client_daemon. -errno: there is no reply to be freed. */
int boxes_ask(unsigned flags, const char *method, struct json_object *params, struct client_reply *reply) must_check;
/* True: it is this thread's to ask, and boxes_asked follows, with boxes_lock held. now: what is remembered will not do. */
bool boxes_asking(const struct timespec *then, bool now);
void boxes_asked(struct timespec *when);
/* Call fn with each sandbox's name until it returns nonzero. */
int boxes_each(int (*fn)(const char *name, void *arg), void *arg);
/* A copy of what is known of b as text; the caller frees. NULL: no memory. */
char *box_info(struct box *b);
bool box_running(struct box *b);

/* ---- past.c ---- */
/* A tree of a version, at `name` below n. */
int enter_tree(struct node *n, const char *name, const char *version, struct fuse_entry_param *e) must_check;
void past_free_locked(struct past *p); /* caller holds boxes_lock; NULL is fine */

/* ---- changes.c ---- */
/* The text of what the op did whose version b is, and whose layer has this number. */
int changes_open_patch(struct box *b, uint32_t layer, struct fuse_file_info *fi) must_check;

/* ---- stack.c ---- */
#define VERSION_CHANGES ":changes" /* as it is now, without the base; nobody's name */
/* Its layers as of now: counted, or NULL when they are not known. */
struct stack *box_stack(struct box *b);
/* The same to write to: NULL, too, when what is known may be out of date. Starts the daemon if need be. */
struct stack *box_stack_now(struct box *b);
bool stack_holds(const struct stack *s); /* nothing changed since */
struct stack *stack_get(struct stack *s);
void stack_put(struct stack *s);
void stack_put_locked(struct stack *s); /* caller holds boxes_lock */

/* ---- lease.c ---- */
/* True: until lease_release the kernel may be told to remember what is in layers of b for LEASE_FRESH. After the answer
 * the kernel may drop the node, and b with it: so what is released is the lease. */
bool lease_hold(struct box *b, struct lease **l);
bool leases_given(void); /* does this kernel allow for any? */
void lease_release(struct lease *l); /* NULL is fine */
void leases_begin(unsigned minor); /* of the FUSE protocol */

/* ---- node.c ---- */

enum node_kind {
	NODE_TOP, NODE_README, NODE_BOX, NODE_INFO, NODE_TREE, NODE_PROC, NODE_SNAPSHOTS, NODE_OPS, NODE_OP,
	NODE_OP_TEXT, NODE_CHANGES, NODE_CHANGES_TEXT, NODE_AT
};

/* Something the kernel has a number of. A node is a way down from its parent; what is there may
 * change meanwhile. */
struct node {
	enum node_kind kind; /* immutable, as all but the last group */
	struct box *box;     /* counted; NULL above sandboxes */
	struct node *parent; /* counted; NULL at the top; that of a tree's node changes with its name */
	uint64_t ident; /* of the object found: another object under this name is another node */
	/* What follows, and parent, is guarded by node.c's lock. */
	uint32_t hash;
	uint32_t dir_mode; /* of a directory of root/: what was last seen, for who has it open when it is gone */
	uint64_t count; /* lookups of the kernel's, and children */
	struct node *next;
	struct open_file *files;
	struct timespec filled; /* change time of the file that was given to the kernel */
	unsigned writers;	/* those who are about to open it for writing, or change its size */
	unsigned direct;	/* of files: how many bypass the kernel's cache */
	bool filling;
	bool mapped; /* guarded by share.c's lock: the kernel has pages of it for a map */
	struct dir *dir; /* dirs.c's own */
	bool gone; /* removed through the mount: nothing is at its name */
	char *name;
};

struct node *node_of(fuse_ino_t ino);
fuse_ino_t node_ino(const struct node *n);
void node_hold(struct node *n); /* one more count */
/* The node for a name, made if need be, with one more count. NULL: no memory. */
struct node *node_take(struct node *parent, enum node_kind kind, struct box *box, const char *name,
		       uint64_t ident);
void node_drop(struct node *n, uint64_t count);
/* The kernel's numbers of what is in b's trees: an array to be freed; returns how many. */
size_t node_numbers(const struct box *b, fuse_ino_t **numbers) must_check;
/* The path below root/ or proc/ ("" for these), or -ENAMETOOLONG; -ESTALE: it has none any more. */
int node_path(const struct node *n, char *buf, size_t size) must_check;
/* The same, and where it was when it has none. */
int node_path_then(const struct node *n, char *buf, size_t size) must_check;
/* That of its directory, and its name; of root/ itself no name. */
int node_parent_path(const struct node *n, char *buf, size_t size, char name[NAME_MAX + 1]) must_check;
/* The kernel was told that a name went, or moved: after the fact, while it holds both directories. */
void node_removed(const struct node *parent, const char *name);
void node_renamed(struct node *from, const char *name, struct node *to, const char *as, bool exchanged);
/* A file is open: its node knows it, for what is asked of it without a name. */
void node_opened(struct node *n, struct open_file *f);
bool node_closed(struct open_file *f); /* true: it was the last */
bool node_any_open(void);
/* The nodes, each with one more count, of open files of which wanted is true; of the latest `look` files. */
size_t node_files(bool (*wanted)(struct open_file *f, void *arg), void *arg, unsigned look, struct node **out,
		  size_t room);
/* Is what is open of n for reading another file than this? number: of both, as the sandbox sees it. */
bool node_behind(const struct node *n, uint64_t number, const struct stat *st);
/* The directory that n is in, counted (NULL for the root of a tree), and its name there. -ESTALE: it has none any more. */
int node_up(struct node *n, struct node **up, char name[NAME_MAX + 1]) must_check;
/* A file was copied up: those that are open for reading read the copy, which fd is. number: of before and after. */
void node_follow(const struct node *n, uint64_t number, int fd);
/* True: f alone has n open, what changed at this time is not in the kernel's cache yet, and nobody begins to write
 * before node_fill_end. */
bool node_fill_begin(struct node *n, const struct open_file *f, const struct timespec *changed);
void node_fill_end(struct node *n, const struct timespec *changed);
/* Between these two nothing is given to the kernel of n; who opens it for writing goes on to have it in n->files. */
void node_writer(struct node *n);
void node_written(struct node *n);
/* A descriptor of what is open of n, to be closed; -1: nothing is. *base: it lies in the base. */
int node_file(const struct node *n, bool *base) must_check;

/* ---- dirs.c ---- */
/* A directory of a tree, found. Immutable while counted. */
struct dir {
	unsigned refs; /* this and the next three are guarded by dirs.c's lock */
	struct node *node;
	struct dir *before, *after;
	uint64_t serial, parent; /* which finding this is, and that of its parent; 0: the root has none */
	struct stack *stack; /* counted */
	struct spot spot;
	uint64_t number;      /* inode number, as the sandbox sees it */
	uint64_t changes, life; /* of struct view, when it was found */
	uint32_t slot, count;
	long long found;
};
/* The directory that n is, counted. */
int dir_get(struct node *n, struct dir **out) must_check;
/* What n stands for. *dir is to be put after s, on failure, too; s is to be put. */
int dir_find(struct node *n, struct dir **dir, struct spot *s) must_check;
/* The same, or what has the name now of which n was the node. */
int dir_find_then(struct node *n, struct dir **dir, struct spot *s) must_check;
void dir_put(struct dir *d); /* NULL is fine */
void dir_forget(struct node *n);
void recent_forget(struct box *b);
void recent_free_locked(struct recent *r); /* caller holds boxes_lock; NULL is fine */

/* ---- list.c ---- */
struct listing;
int listing_make(const struct spot *s, struct listing **out) must_check;
/* For directories that are not merged: add as you go. */
struct listing *listing_empty(void);
int listing_add(struct listing *l, const char *name, unsigned char type, uint64_t ino) must_check;
/* Fill buf with entries from off on, as FUSE wants them: bytes used. */
size_t listing_fill(fuse_req_t req, const struct listing *l, char *buf, size_t size, off_t off);
/* The same with what each name of the directory n leads to, which counts as a lookup of it. look NULL: names only. */
typedef int listing_look(struct node *dir, const char *name, struct fuse_entry_param *e);
size_t listing_fill_plus(fuse_req_t req, const struct listing *l, listing_look *look, struct node *n, char *buf,
			 size_t size, off_t off);
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
	kind_op_text, kind_changes, kind_changes_text, kind_at;

/* An open file: bytes in memory, or a descriptor. */
struct open_file {
	int fd;	    /* -1: text. Another file may take its place behind the same number (write.c) */
	char *text; /* owned */
	size_t size;
	/* Of files in trees. */
	struct node *node; /* the kernel holds it as long */
	struct open_file *next; /* guarded by node.c's lock */
	int flags;		/* open(2)'s */
	uint64_t number;	/* inode number, as the sandbox sees it */
	uint32_t top;		/* number of the layer that was the top when it was opened; for those open for writing */
	bool base;
	dev_t dev;		      /* of the file that fd is; this and the next are guarded by node.c's lock */
	ino_t ino;
	bool direct;		      /* it bypasses the kernel's cache */
	struct open_file *before, *after; /* among all; guarded by node.c's lock */
	struct timespec seen;	      /* share.c's own */
};
int open_text(struct fuse_file_info *fi, char *text,
	      size_t size) must_check; /* takes text, even on failure */

/* ---- proc.c ---- */
struct proc_door *proc_door_create(void);
void proc_door_free(struct proc_door *d);

/* ---- pen.c ---- */
/* The right to change a sandbox's tree, for a moment. */
struct pen {
	struct box *box; /* borrowed */
	struct stack *stack;
	struct change change;
};
struct pens *pens_create(void);
void pens_free(struct pens *p);
/* -EROFS: of a version. */
int pen_take(struct box *b, struct pen *p) must_check;
void pen_done(struct pen *p);
/* A directory was renamed. Paths from the root. */
void pen_tell_move(struct pen *p, uint64_t number, const char *from, const char *to);
/* How one may tell that a sandbox's names changed. */
struct view {
	const uint32_t *counters; /* NULL: nothing runs. Valid for as long as the sandbox is known */
	uint64_t life;		  /* another one when it was started or stopped */
	uint64_t changes;	  /* how many were made through the mount */
};
struct view pens_view(struct box *b);
/* What stands in for the file of this number when it is locked inside: a descriptor, -1: nothing runs. */
int pens_stand_in(struct box *b, uint64_t number, uint64_t *life);
uint64_t pens_life(struct box *b); /* of that; 0: nothing runs */
uint64_t pens_changes(struct box *b);
/* Seconds for which the kernel may remember what it was told of b's tree without a lease. */
double pens_fresh(struct box *b);
/* A file is opened for writing, or closed: by so many. */
void pens_count(struct box *b, int more);

/* ---- write.c ---- */
void write_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
void write_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void write_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void write_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void write_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void write_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void write_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *as, unsigned flags);
void write_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void write_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void write_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void write_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ---- data.c ---- */
void data_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void data_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *buf, off_t off, struct fuse_file_info *fi);
void data_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void data_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t size, struct fuse_file_info *fi);
void data_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void data_copy(fuse_req_t req, fuse_ino_t in, off_t off_in, struct fuse_file_info *fi_in, fuse_ino_t out, off_t off_out,
	       struct fuse_file_info *fi_out, size_t size, int flags);
/* Open what n is; for writing it comes to the top. */
int data_open(struct node *n, struct fuse_file_info *fi) must_check;
/* It was copied up inside, as s is now: who has it open for reading is to read that. True: somebody had. */
bool data_catch_up(struct node *n, const struct spot *s);
/* What f writes to has to be in the top. */
int data_follow(struct pen *p, struct open_file *f) must_check;
/* The file that fd is of, opened anew: a descriptor or -errno. */
int data_reopen(int fd, int flags) must_check;
struct open_file *data_file(struct node *n, int fd, int flags); /* NULL: no memory, fd is closed */
void file_close(struct open_file *f);

/* ---- locks.c ---- */
void locks_begin(void);
void locks_get(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *range);
void locks_set(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *range, int sleep);
void locks_whole(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op);
void locks_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void locks_closed(const struct open_file *f);
bool locks_held(const struct box *b, uint64_t number);
void locks_follow(void); /* to where they belong since a sandbox was started, or ended */

/* ---- share.c ---- */
void share_begin(void);
void share_opened(void);
void share_closed(struct node *n);
bool share_mapped(const struct node *n);
/* Write back what was written to maps of n, and have the kernel read the rest anew. Not in a thread that answers. */
void share_refresh(struct node *n);
/* Answer with pages for a map. */
void share_read(fuse_req_t req, struct open_file *f, size_t size, off_t off);
/* Pages of a map come back. fd: of f's file, not for appending. Bytes, or -errno. */
ssize_t share_write(struct open_file *f, int fd, const char *data, size_t size, off_t off);

/* ---- greet.c ---- */
/* Answer INIT. */
int greet(void) must_check;

/* ---- root.c ---- */
/* Seconds for which the kernel may remember under a lease what s, of b's tree, is. */
double root_fresh(struct box *b, const struct spot *s);
int root_attr(struct node *n, struct stat *st, double *fresh) must_check;

/* ---- asker.c ---- */
/* Does the question come from inside a sandbox? */
bool asker_refused(fuse_req_t req);

/* ---- ops.c ---- */
/* Before anything is looked at: may this process ask at all? 0 or -EACCES. */
int op_admit(fuse_req_t req) must_check;
/* What a kind says holds under a lease; without one nothing is remembered, or for a moment where there can be none. */
double fresh_by(bool held, double fresh);
/* Answer with what a look-up found, and take the node back that the kernel has not got. held: under a lease. */
void reply_found(fuse_req_t req, struct fuse_entry_param *e, bool held);
extern const struct fuse_lowlevel_ops gfs_ops;
/* A directory of our own making. */
void fill_dir(struct stat *st, uint64_t ino);
void fill_file(struct stat *st, uint64_t ino, size_t size);

#endif
