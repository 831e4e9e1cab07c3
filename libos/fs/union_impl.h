/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The union file system at work: what its files share.
 *
 *   union.c         the two file systems made of it (the sandbox's root, tmpfs); the operations table
 *   union_place.c   where an object lies on the host: paths in layers, opened safely
 *   union_dirs.c    directories that are kept open for what is asked for in them
 *   union_lookup.c  names through the layers; redirects; union_marks.c what directories say of themselves
 *   union_attr.c    attributes as the guest sees them; union_setattr.c changing them
 *   union_cover.c   what is hidden of the base
 *   union_copyup.c  from a lower layer to the top
 *   union_links.c   all names of a file that is copied up from a layer
 *   union_stage.c   objects made in the work directory and put in place in one step; the lock
 *   union_make.c    create, mkdir, mknod, symlink, link; union_remove.c unlink, rmdir; union_rename.c
 *   union_whiteout.c what stands for a name that is removed
 *   union_split.c   the layers of a process that splits off
 *   union_index.c   names of one file below that was copied up under another
 *   union_chain.c   layers that come and go while processes run
 *   union_lock.c    what files are locked at
 *   union_file.c    open regular files; union_list.c open directories; union_xattr.c
 *   union_keep.c    roots and objects as bytes
 *
 * Other picoprocesses work on the same layers. Changes of one host call need no lock: the host's own atomicity is ours.
 * What takes several (over a whiteout, removing a directory, renaming one) is done under the sandbox-wide work lock.
 * After every change of a place in a layer, the name's counter is bumped (names_bump), or the vfs does it.
 */
#ifndef LIBOS_FS_UNION_IMPL_H
#define LIBOS_FS_UNION_IMPL_H

#include "libos/vfs/vfs.h"
#include "libos/union/union.h"
#include "libos/task/task.h"
#include "pal/grant.h"

/* One stack of layers. */
struct ufs {
	struct fs fs;
	/* Of the sandbox's root these change, while nobody is in an operation (union_chain.c). */
	unsigned nlayers, top;		/* layer `top` is written */
	u32 seq, epoch;			/* of the chain (pal/grant.h) that they are of */
	int layer;			/* immutable: a tmpfs's only host directory; -1: see layer_fd() */
	int work;			/* immutable: where to stage, -1: no staging */
	bool shared;			/* immutable: a place of the host's as it is (bind.c): others change it, too */
	bool has_base;			/* immutable: layer 0 is not ours: read-only, its sticky bits are real */
	bool blind;			/* immutable: root inside, whom the host refuses parts of the base (union_blind) */
	bool guest_root;		/* immutable: may all inside; to the host it has no power over modes */
	u64 main_dev;			/* immutable: the device whose inode numbers stay as they are */
	u32 host_uid, host_gid;		/* immutable: who we are to the host */
	u32 uid, gid;			/* immutable: who that is to the guest */
	u32 root_mode;			/* immutable: mode of the root, 0: the host's */
};

/* The path of an object in one lower layer where it is not its parent's path and its name. */
struct uredirect {
	struct uredirect *next;
	unsigned layer;
	char path[];
};

/* An object. Where it lies is guarded by dcache_lock, which the functions below take. */
struct unode {
	struct node node;
	struct unode *parent;		/* counted; NULL: the root. dcache_lock */
	char *name;			/* dcache_lock */
	u64 layers;			/* where it exists: several only for directories. dcache_lock */
	struct uredirect *redirects;	/* dcache_lock */
	bool hollow;			/* a directory of the base whose contents are not shown */
	bool gone;			/* removed by this picoprocess */
	int tmp_fd;			/* O_TMPFILE: the object itself, -1 */
	int dir_fd;			/* the directory opened by the guest, in layer dir_layer of the chain dir_epoch; -1 */
	u8 dir_layer;
	u8 below;			/* does a lower layer have this name too: BELOW_*; a hint, see below_hint() */
	u8 below_top;			/* the top layer when the hint was taken */
	u8 heat;			/* counts long paths through it. dcache_lock */
	bool kept_open;			/* perhaps it is kept open (union_dirs.c). dcache_lock */
	u16 heat_of;			/* whose count that is: low bits of a process id. dcache_lock */
	u32 epoch;			/* ufs.epoch when its layers were found. dcache_lock */
	u32 dir_epoch;
	u32 impure_in;			/* layer (union_layer_mark) where the directory is known to be marked so, 0: none */
	u64 host_ino, host_dev;		/* of the highest layer's object */
	s64 changed_s;			/* its ctime when the attributes below were read, or it was looked up */
	u32 changed_ns;
	bool over_valid;		/* the object has the attributes `over` */
	bool over_read;			/* that, and its origin, was read when changed_s was its ctime */
	struct union_attr over;
	u64 origin;			/* inode number from before copy-up, 0: none */
	struct kept_attr *kept;		/* union_attr.c. dcache_lock */
};
enum { BELOW_UNKNOWN, BELOW_NOTHING, BELOW_SOMETHING };

static inline struct unode *to_unode(struct node *n)
{
	return container_of(n, struct unode, node);
}
static inline struct ufs *ufs_of(const struct unode *n)
{
	return container_of(n->node.fs, struct ufs, fs);
}
/*
 * For a guest that is root where the host's user is not (GRANT_FAKE_ROOT) what the base's modes keep from that user is
 * not there: a directory that he may not search or list is empty, and a file that he may not read is empty once it is
 * written. Reading it stays refused: nobody is told that there is nothing.
 */
static inline bool union_blind(const struct ufs *u, unsigned layer, int r)
{
	return unlikely(r == -EACCES) && u->blind && layer == 0;
}

static inline bool layer_ours(const struct ufs *u, unsigned layer)
{
	return !u->shared && (layer > 0 || !u->has_base);
}
/* The host directory of a layer; of the caller's process. */
static inline int layer_fd(const struct ufs *u, unsigned layer)
{
	return u->layer >= 0 ? u->layer : this_process()->layers.fd[layer];
}
static inline u64 layers_below(unsigned n)
{
	return n >= 64 ? ~0ull : (1ull << n) - 1;
}
/* What was known of a name below the top is forgotten when another layer is the top. */
static inline u8 below_hint(const struct unode *n)
{
	return n->below_top == ufs_of(n)->top ? n->below : BELOW_UNKNOWN;
}
static inline void below_note(struct unode *n, u8 below)
{
	n->below = below;
	n->below_top = (u8)ufs_of(n)->top;
}
static inline int highest(u64 layers)
{
	return layers ? 63 - __builtin_clzl(layers) : -1;
}

/* ---- union_place.c ---- */
/* A path on the host, relative to dir. Released by hpath_done. It lies on the stack, whose pages are copied at a fork. */
struct hpath {
	int dir;
	bool owned;		/* dir was opened for this path: it was too long for one call */
	const char *path;	/* in buf or heap */
	u32 *pin;		/* dir is a kept directory's: it stays until this is taken back (union_dirs.c) */
	char *heap;		/* for one that does not fit buf */
	char buf[PATH_MAX_LEN / 8];
};
int unode_path(struct unode *n, unsigned layer, struct hpath *h);
/* The same from the layer's root: a path to be kept. */
int unode_whole_path(struct unode *n, unsigned layer, struct hpath *h);
/* name (may be "") in n, which is a directory. */
int unode_child_path(struct unode *n, const char *name, unsigned layer, struct hpath *h);
void hpath_done(struct hpath *h);
/* fd is n in that layer, opened by the guest: a shorter way to what lies below it. Until unode_dir_closed. */
void unode_dir_opened(struct unode *n, unsigned layer, int fd);
void unode_dir_closed(struct unode *n, int fd);
/* Open without following any symlink on the way. */
int hpath_open(const struct hpath *h, int flags, u32 mode);
int hpath_stat(const struct hpath *h, struct statx *st);
int unode_open(struct unode *n, unsigned layer, int flags);
u64 unode_layers(struct unode *n);
bool unode_in_top(struct unode *n);
struct unode *unode_create(struct unode *parent, const char *name, size_t len);
/* The path of a directory as the layers below the top know it, for a redirect: absolute, on the
 * heap; NULL: no memory. */
char *unode_lower_path(struct unode *n);
/* The name in the directory now leads to something else: other picoprocesses look again. */
void names_bump(struct unode *dir, const char *name);
void unode_bump(struct unode *n); /* n's own name */
/* n lies at another name now. */
int unode_move(struct unode *n, struct unode *dir, const char *name);
void union_moved(struct node *n, struct node *dir, const char *name); /* the same, done by another picoprocess */

/* ---- union_dirs.c ---- */
/* Is n kept open in that layer? Then h begins there. Caller holds dcache_lock. */
bool union_dirs_find(const struct unode *n, unsigned layer, struct hpath *h);
void union_dirs_unpin(struct hpath *h);
/* A long path leads through n. True: once too often, n is to be kept open. Caller holds dcache_lock. */
bool union_dirs_count(struct unode *n);
void union_dirs_keep(struct unode *n, unsigned layer);
void union_dirs_forget(const struct unode *n); /* NULL: all. Caller holds dcache_lock */
void union_dirs_forked(void);

/* ---- union_list.c ---- */
bool union_listed_regular(const struct unode *dir, const char *name); /* did a listing say so? Only a hint */

/* ---- union_chain.c ---- */
/* What an operation on layers is framed by. Operations may nest; only the outermost one of a thread looks whether the
 * layers changed, and follows. Never under dcache_lock or a file's lock. */
struct passage {
	bool in, outermost;
	u32 seq;
};
struct passage chain_enter(const struct node *n);
/* The result to give: r, or -ESTALE for a failure that the layers' changing meanwhile may have made. */
long chain_leave(const struct passage *p, long r);
bool chain_new_epoch(const struct passage *p); /* did more than a layer on top come, since it entered? */
/* Around what may wait for somebody else for long: how deep the thread was, for chain_resume. Places in the stack may
 * mean others afterwards. */
const struct ufs *chain_union(void); /* the sandbox's root, once it is there */
u32 chain_pause(void);
void chain_resume(u32 depth);
int chain_setup(struct ufs *u, struct cursor *kept);
/* Is it known that a sealed layer has no entry of that name anywhere? */
bool union_layer_lacks(const struct ufs *u, unsigned layer, const char *name);
/* What an open file keeps of the layer it is in (file.priv): never 0 but for the base. */
u32 union_layer_mark(const struct ufs *u, unsigned layer);
bool union_mark_is_top(u32 mark);

/* ---- union_cover.c ---- */
bool union_is_cover(const struct ufs *u, unsigned layer, const struct statx *st);
/* name in n, or n itself (""), is hidden, and was looked for. */
void union_cover_tell(struct unode *n, const char *name);

/* ---- union_lookup.c ---- */
int union_lookup(struct node *dir, const char *name, size_t len, struct node **out);
int union_glance(struct node *dir, const char *name, size_t len, struct attr *a);
/* name in the base is about to be looked up and opened for reading. If its directory's listing said that it is a
 * regular file, it is opened first, and what the descriptor tells serves the look-up. One of ours that is marked is
 * opened for its marks, and stays so. */
void union_opening(struct node *dir, const char *name, size_t len);
int union_opened(const struct unode *n, unsigned layer); /* the descriptor; -1: there is none of n */
void union_update(struct node *old, struct node *fresh);
void union_drop_redirects(struct uredirect *r);
/* Does a layer below the top have this name? 0, 1 or -errno. */
int union_below(struct unode *dir, const char *name);
int union_below_stat(struct unode *dir, const char *name, struct statx *st); /* and what; only if 1 */
/* The node of something just made in the top; st: its statx if known. ERR_PTR. */
struct unode *union_fresh(struct unode *dir, const char *name, const struct statx *st);

int unode_add_redirect(struct unode *n, unsigned layer, const char *path);

/* ---- union_index.c ---- */
struct stage;
/* Is this, in that layer, a file whose other names have to be thought of? */
bool union_index_asks(const struct ufs *u, unsigned layer, const struct statx *st);
/* Is it known that no layer has a copy in the index? Asks nobody, so false may mean that nobody looked. */
bool union_index_none(const struct ufs *u);
/* What *layer has is *st. If a higher one has its copy: *layer and *st are the copy's, path (UNION_LINK_MAX) leads to it. */
bool union_index_find(const struct ufs *u, unsigned *layer, struct statx *st, char *path);
/* n, of a layer below the top, was opened as fd. True: it has a copy in a higher layer, and is that from now on. */
bool union_index_follow(struct unode *n, int fd, unsigned layer);
/* The staged copy of what fd is of, in the index before it gets its place. -EEXIST: it is copied already. */
int union_index_put(const struct ufs *u, const struct stage *s, int fd);
void union_index_drop(const struct ufs *u, int fd);
/* The same for what has a name below: path is in some layer's index. */
void union_index_link(struct unode *n, const char *path);
/* n gets its place in the top, if it is found there by the index alone. */
int union_index_settle(struct unode *n);

/* ---- union_lock.c ---- */
int union_lock_fd(struct file *f, bool *own);

/* ---- union_split.c ---- */
/* What a directory says of itself, where a split process may not ask it. st: of the directory. n and e may be NULL. */
void union_split_mark(struct unode *n, const struct statx *st, struct union_entry *e, char *value);

/* ---- union_marks.c ---- */
/* What the directory at h says of itself, in e and, unless it is NULL, n. *at: UNION_REDIRECT_MAX bytes for the
 * redirect, once they are needed. */
int union_read_dir_marks(struct unode *n, const struct hpath *h, const struct statx *st, struct union_entry *e,
			 char **at);

/* ---- union_attr.c ---- */
#define UNION_STATX (STATX_BASIC_STATS | STATX_BTIME)
int union_getattr(struct node *n, struct attr *a);	/* after a walk to n */
int union_getattr_now(struct node *n, struct attr *a); /* of a node that was found before */
/* `to` stands for what `from` was. Caller holds dcache_lock. */
void union_fresh_moved(const struct unode *from, const struct unode *to);
void union_fresh_drop(const struct unode *n);	/* n changes, or goes */
void union_fresh_opened(const struct unode *n);	/* n's are those of the descriptor that is opened just now */
bool union_fresh_take(struct unode *n, struct attr *a); /* those of one that was; for its first fstat, at once */
int union_permission(struct node *n, int mask);
/* Attributes of what fd is, an object of n in that layer. */
int union_fd_attr(struct unode *n, int fd, unsigned layer, struct attr *a);
u64 union_ino(const struct ufs *u, const struct statx *st);
/* Read user.gsh.* of an open object into n. */
void union_read_over(struct unode *n, int fd, const struct statx *st);
/* The same of what lies at h. False: it has to be opened for it. */
bool union_read_over_at(struct unode *n, const struct hpath *h, const struct statx *st);
/* The same with their values; size <= 0: none. */
void union_take_over(struct unode *n, const struct statx *st, const char *attr, ssize_t attr_size, const char *from,
		     ssize_t from_size);
void union_fill_attr(const struct unode *n, unsigned layer, const struct statx *st, struct attr *a);
/* Take mode, owner and number into the node after a lookup. */
void union_adopt(struct unode *n, unsigned layer, const struct statx *st);
static inline u64 statx_dev(const struct statx *st)
{
	return dev_make(st->stx_dev_major, st->stx_dev_minor);
}

/* ---- union_setattr.c ---- */
int union_setattr(struct node *n, const struct attr *a);
int union_file_setattr(struct file *f, const struct attr *a);
/* Give an open object of ours these attributes, by host mode where that can hold them. marked: it has the mark, or is to.
 * staged: its name in work, where it lies there, else NULL. */
int union_write_attr(const struct ufs *u, int fd, const char *staged, const struct union_attr *a, bool marked);
/* Writing to n takes set-id bits away: is there any, and do it (fd: n of the top). A file is known to have some. */
bool union_loses_setid(const struct unode *n);
void union_lose_setid(struct unode *n, int fd);
void union_note_setid(const struct union_attr *a);
void union_set_over(struct unode *n, const struct union_attr *a, bool has);
/* Who owns what the caller makes in dir, and its mode after setgid rules. */
void union_new_attr(struct unode *dir, u32 mode, struct union_attr *a);
bool union_needs_over(const struct ufs *u, const struct union_attr *a, u32 *host_mode);

/* ---- union_copyup.c ---- */
int union_copy_up(struct unode *n, bool with_data);
/* To be opened for writing with these flags. *fd: it is, -1: it has to be yet. */
int union_copy_up_open(struct unode *n, int flags, int *fd);
/* What is at n's place in the top is n from now on: a copy with these attributes, and n's number if keep_ino. */
void union_adopt_copy(struct unode *n, const struct statx *st, const struct attr *a, bool keep_ino);
/* n was copied up from this layer, where it had this number: its other names there are the copy's, too. */
void union_keep_links(struct unode *n, unsigned layer, u64 ino, const struct statx *st, const struct attr *a);
int union_copy_up_dir(struct unode *n);
int union_set_redirect(struct unode *n);	/* n: a merged directory about to move */

/* ---- union_stage.c ---- */
struct stage {
	char name[28];
};
void stage_name(struct stage *s);
/* Put what was staged at name in dir: over nothing or a whiteout. -EEXIST; the staged object is removed on failure. */
int stage_place(const struct ufs *u, struct stage *s, struct unode *dir, const char *name, bool is_dir);
/* The same for what is no directory, where something was found: over a whiteout. */
int stage_replace(const struct ufs *u, struct stage *s, struct unode *dir, const char *name);
void stage_drop(const struct ufs *u, const struct stage *s);
/* What holds the lock, for work_unlock; -ERESTARTNOINTR when a signal came first. */
int work_lock(const struct ufs *u);
void work_unlock(int lock);
/* Remove a directory in work that holds nothing but whiteouts. -ENOTEMPTY. */
int stage_clear_dir(const struct ufs *u, const struct stage *s);

/* ---- union_whiteout.c ---- */
/* A whiteout of u's top at path, where nothing is; path may be in work. */
int whiteout_make(const struct ufs *u, int dir, const char *path);
/* This process put one at name; did it, and nothing in its place since? Only a hint. */
void whiteout_note(struct unode *dir, const char *name);
bool whiteout_noted(struct unode *dir, const char *name);

/* ---- union_make.c ---- */
int union_create(struct node *dir, const char *name, u32 mode, struct file *f, struct node **out);
int union_tmpfile(struct node *dir, u32 mode, struct file *f, struct node **out);
int union_mkdir(struct node *dir, const char *name, u32 mode, struct node **out);
int union_mknod(struct node *dir, const char *name, u32 mode, u64 rdev);
int union_symlink(struct node *dir, const char *name, const char *target);
int union_link(struct node *old, struct node *dir, const char *name);
int union_sock_at(struct node *dir, const char *name, bool create, u32 mode, int *host_dir, char host_name[256]);

/* ---- union_remove.c, union_rename.c ---- */
int union_unlink(struct node *dir, const char *name, struct node *victim);
int union_unlink_unseen(struct node *dir, const char *name);
int union_rmdir(struct node *dir, const char *name, struct node *victim);
int union_rename(struct node *from, const char *a, struct node *na, struct node *to, const char *b, struct node *nb,
		 unsigned flags);
void union_mark_impure(struct unode *dir, const struct unode *n); /* n, which may have an origin, has a name in dir */
/* 0 if nothing shows in the directory, -ENOTEMPTY. */
int union_check_empty(struct unode *n);

/* ---- union_file.c, union_list.c ---- */
int union_open(struct node *n, struct file *f);
int union_pin(struct node *n, struct file *f);
/* A fifo was just made: what is left of an older one of its number goes. */
void union_fifo_new(struct unode *dir, const char *name);
ssize_t union_readlink(struct node *n, char *buf, size_t size);
int union_open_dir(struct unode *n, struct file *f);
/* All names of n in all its layers. */
int union_read_names(struct unode *n, struct union_list *list);
/* Some names of a layer: as many as the host gives in one call. */
int union_read_some(struct unode *n, unsigned layer, struct union_list *list);

/* ---- union_keep.c: the private half of vfs.h's union_keep ---- */
/* u and its root become what union_keep_root described; but for the root's layers. False: nothing there. */
bool union_recall_root(struct cursor *c, struct ufs *u, struct unode *root);

/* ---- union_xattr.c ---- */
ssize_t union_getxattr(struct node *n, const char *name, void *value, size_t size);
int union_setxattr(struct node *n, const char *name, const void *value, size_t size, int flags);
ssize_t union_listxattr(struct node *n, char *list, size_t size);
int union_removexattr(struct node *n, const char *name);
ssize_t union_list_fd(int fd, char *list, size_t size);

/* ---- union.c ---- */
/* Make u of these layers, lowest first; one layer: there is no base. kept: of union_keep_root; NULL: ask the host. */
int union_setup(struct ufs *u, const int *layers, unsigned nlayers, int work, struct cursor *kept);

#endif
