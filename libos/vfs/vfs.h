/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Files as the guest sees them, in Linux's cut: nodes (inodes) with operations, names (dentries) in a tree, mounts,
 * open files, descriptor tables.
 *
 *   dentry.c  the tree of names and its cache; validity by the area's generation counters
 *   path.c    walks names: symlinks, "..", mounts, trailing slashes, openat2's bounds; yields a struct path
 *   text.c    the way back: a path's text
 *   mount.c   the table of mounts: "/" union, /proc, /dev, /dev/pts, /dev/shm, /sys
 *   node.c    nodes' counts; who may do what
 *   open.c    open(2) in all its forms; name.c, rename.c change names; attr.c attributes; xattr.c extended ones
 *   context.c where walks begin: root, cwd, umask
 *   moves.c   directories that other picoprocesses rename; stub.c directories to mount on that are nowhere else
 *   file.c    open files; fdtab.c  descriptors; state.c  both across exec; keep.c  names across exec
 *
 * A file system supplies struct node_ops (objects and names) and struct file_ops (open files). A missing operation is
 * NULL and has the default said beside it. Operations take kernel-side values and return -errno; only libos/sys touches
 * guest strings and structures. Data buffers of read and write are guest pointers that go to the host as they are:
 * the host's EFAULT is the guest's; operations that fill them by hand use sys/user.h.
 *
 * Locks: dcache_lock guards names, children, node pointers of dentries and mounts, and the cwd and root of every
 * fs_context. File positions of libOS-made files are guarded by file.lock. Node ops are called without dcache_lock.
 *
 * A file system whose objects can change under the libOS (the host's own hand in the base) answers -ESTALE when what a
 * node stood for is not there any more. The vfs then forgets the name and walks again; a guest never sees ESTALE.
 */
#ifndef LIBOS_VFS_VFS_H
#define LIBOS_VFS_VFS_H

#include "pal/pal.h"
#include "pal/base/list.h"
#include "pal/base/lock.h"
#include "pal/base/str.h"

struct node;
struct file;
struct dentry;
struct mount;
struct process;
struct cursor;

#define NAME_MAX_LEN 255
#define PATH_MAX_LEN 4096
#define SYMLINKS_MAX 40

/* What somebody wants to do with an object; the bits of a mode. */
enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };
#define S_IRWXUGO (S_IRWXU | S_IRWXG | S_IRWXO)
#define S_IALLUGO (S_ISUID | S_ISGID | S_ISVTX | S_IRWXUGO)

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

/* Attributes; what stat, statx and setattr speak. `valid` says which fields setattr means. */
struct attr {
	u32 valid;
	u64 ino, dev, rdev;
	u32 mode, nlink, uid, gid;
	u64 size, blocks, blksize;
	struct timespec atime, mtime, ctime, btime; /* setattr: tv_nsec may be UTIME_NOW, UTIME_OMIT */
};
enum {
	ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8, ATTR_ATIME = 16, ATTR_MTIME = 32, ATTR_TIMES = 48,
};

struct node_ops {
	/* Find name in dir: *out gets a counted node, or -ENOENT. */
	int (*lookup)(struct node *dir, const char *name, size_t len, struct node **out);
	/* Attributes of name in dir, of which nothing is kept. An error only says that a lookup is to tell. NULL: likewise. */
	int (*glance)(struct node *dir, const char *name, size_t len, struct attr *a);
	/* name in dir, of which nothing is cached, is about to be looked up and opened for reading: what that takes may be
	 * done in one. NULL: nothing. */
	void (*opening)(struct node *dir, const char *name, size_t len);
	/* A second lookup found the object of `old` again, as `fresh`: take over what is newer. dcache_lock is held. */
	void (*update)(struct node *old, struct node *fresh);
	int (*getattr)(struct node *n, struct attr *a);
	int (*setattr)(struct node *n, const struct attr *a);			  /* default -EPERM */
	ssize_t (*readlink)(struct node *n, char *buf, size_t size);		  /* text without NUL; default -EINVAL */
	int (*follow)(struct node *n, struct path *out);			  /* magic link; NULL: by readlink's text */
	int (*open)(struct node *n, struct file *f);				  /* fills f->ops, f->host_fd ...; default -ENXIO */
	/* Open with O_PATH: fill f->ops and host_fd so that the object stays the same. NULL: found
	 * by its name again. */
	int (*pin)(struct node *n, struct file *f);
	/* Make and open a regular file that did not exist. */
	int (*create)(struct node *dir, const char *name, u32 mode, struct file *f, struct node **out); /* -EROFS */
	int (*tmpfile)(struct node *dir, u32 mode, struct file *f, struct node **out); /* default -EOPNOTSUPP */
	/* *out: the new directory if it is known without asking again (counted), else left alone. */
	int (*mkdir)(struct node *dir, const char *name, u32 mode, struct node **out); /* default -EROFS, and those below */
	int (*mknod)(struct node *dir, const char *name, u32 mode, u64 rdev);
	int (*symlink)(struct node *dir, const char *name, const char *target);
	int (*link)(struct node *old, struct node *dir, const char *name);
	int (*unlink)(struct node *dir, const char *name, struct node *victim);
	/* unlink of what has not been looked up. An error only says that nothing was done: unlink says why. */
	int (*unlink_unseen)(struct node *dir, const char *name); /* default: none */
	int (*rmdir)(struct node *dir, const char *name, struct node *victim);
	int (*rename)(struct node *from, const char *a, struct node *na, struct node *to, const char *b, struct node *nb,
		      unsigned flags);
	ssize_t (*getxattr)(struct node *n, const char *name, void *value, size_t size); /* default -EOPNOTSUPP */
	int (*setxattr)(struct node *n, const char *name, const void *value, size_t size, int flags);
	ssize_t (*listxattr)(struct node *n, char *list, size_t size);
	int (*removexattr)(struct node *n, const char *name);
	int (*statfs)(struct node *n, struct statfs *st);			  /* default -ENOSYS */
	/* Another picoprocess renamed this directory: it is called name in dir now. */
	void (*moved)(struct node *n, struct node *dir, const char *name);
	/* MAY_* by the caller's fsuid. NULL: by getattr's mode and owner. */
	int (*permission)(struct node *n, int mask);
	/* A name for a socket file: the host directory and name a unix socket is bound at (fs/sock_unix.c). */
	int (*sock_at)(struct node *dir, const char *name, bool create, u32 mode, int *host_dir, char host_name[256]);
	void (*release)(struct node *n);					  /* last count gone; frees n */
};

enum {
	NODE_ATTR = 1,		 /* mode, uid, gid are the object's: current when its name was last looked up */
	NODE_FLEETING = 2,	 /* may vanish unannounced: a name that leads here is good for a second */
	NODE_LINKED = 16,	 /* may get to be another under any of its names: see node.links */
	NODE_COVER = 8,		 /* covers what is hidden (fs/union_cover.c) */
	NODE_NAMES_FLEETING = 4, /* names may appear here unannounced: a miss is good for a second */
};

/* An object of a file system. File systems embed it as first member, zeroed. */
struct node {
	u32 refs;			/* atomic */
	u32 mode;			/* S_IFMT part immutable; the rest a hint, see NODE_ATTR */
	const struct node_ops *ops;	/* immutable */
	struct fs *fs;			/* immutable */
	u64 ino;			/* immutable once known; 0: never the same as another */
	u32 flags;			/* NODE_*; dcache_lock */
	u32 uid, gid;			/* with NODE_ATTR */
	u32 links;			/* with NODE_LINKED: the counter of UNION_LINKS_NAME before it was looked up */
	char *link;			/* a symlink's text once read, on the heap; immutable then. NULL: ask readlink */
};

struct fs {
	const char *type;		/* as /proc/mounts shows it */
	u64 dev;
	struct node *root;
	u32 magic;			/* statfs f_type */
	bool uncached;			/* names may change by themselves: never cache (proc, pts) */
};

/* A name in the tree. Counted; a child holds its parent. A cached one stays without counts until it is evicted. */
struct dentry {
	u32 refs;			/* atomic; falls to 0 under dcache_lock only */
	u32 hash;			/* of the name; immutable while hashed */
	u32 generation;			/* *slot when this was looked up. dcache_lock */
	u32 epoch;			/* of the cache, when this was looked up. dcache_lock */
	u32 checked;			/* coarse clock then, quarters of a second. dcache_lock */
	u32 *slot;			/* the sandbox-wide counter of this name */
	struct dentry *parent;		/* NULL for a file system's root. dcache_lock */
	struct node *node;		/* NULL: negative; immutable while hashed */
	struct list children, sibling;	/* dcache_lock */
	struct list cached;		/* in the clock of hashed dentries. dcache_lock */
	struct dentry *hash_next;	/* dcache_lock */
	u16 len;
	u16 mounted;			/* mounts here: pinned, always valid. dcache_lock */
	bool hashed : 1, recent : 1, trial : 1; /* dcache_lock */
	bool unlinked;			/* gone from the tree, kept by open files and cwd */
	bool nameless;			/* never was in it (O_TMPFILE): its node can do without a name */
	char *name;			/* NUL-terminated; first_name, or on the heap after a rename. dcache_lock */
	char first_name[];
};

struct mount {
	struct list link;
	struct mount *parent;
	struct dentry *point;		/* in parent's tree */
	struct dentry *root;
	struct fs *fs;
	unsigned flags;			/* MS_RDONLY ... as mounts shows */
	int id;
};

/* ---- path.c ---- */
enum {
	WALK_FOLLOW = 1,	/* follow a final symlink */
	WALK_PARENT = 2,	/* stop at the parent; last component is given back */
	WALK_DIRECTORY = 4,	/* the result must be a directory */
	WALK_NO_MAGIC = 8, WALK_NO_SYMLINKS = 16, WALK_BENEATH = 32, WALK_IN_ROOT = 64, WALK_NO_XDEV = 128, /* openat2 */
	WALK_EMPTY = 256,	/* "" is dirfd itself (AT_EMPTY_PATH) */
	WALK_OPENING = 512,	/* what is found will be opened, for reading alone */
};
struct walk {
	struct path path;	/* found (counted), or the parent with WALK_PARENT */
	char last[NAME_MAX_LEN + 1]; /* WALK_PARENT: the last component */
	bool trailing_slash;
	bool last_dots;		/* WALK_PARENT: last component is "." or ".." or the path was "/" */
	bool glanced;		/* path is the parent, and the attributes asked for were found without an object */
};
/* Resolve name (kernel-side) from dirfd (AT_FDCWD: cwd) with search permission checks. */
int path_walk(int dirfd, const char *name, unsigned flags, struct walk *w);
/* The same for who wants attributes only: w->glanced says whether a has them. */
int path_walk_attr(int dirfd, const char *name, unsigned flags, struct walk *w, struct attr *a);
extern u32 path_walks; /* atomic: walks begun; what a lookup learnt may serve the call it was made for, not the next */
/* As path_walk with WALK_PARENT, but a final symlink is replaced by what it names, again and again: where O_CREAT makes
 * its file. *target is what the name leads to now (counted; node NULL when it does not exist). */
int path_walk_create(int dirfd, const char *name, unsigned flags, struct walk *w, struct path *target);
void path_get(const struct path *p);
void path_put(struct path *p);
static inline struct node *path_node(const struct path *p);
/* Guest-visible absolute path of p into buf; returns the start inside buf or ERR_PTR(-ENAMETOOLONG). A removed object
 * gets " (deleted)"; one outside the process's root begins with "(unreachable)". */
char *path_text(const struct path *p, char *buf, size_t size);
#define DELETED " (deleted)"

/* The same as seen from root; NULL: from the sandbox's own. */
char *path_text_from(const struct path *p, const struct path *root, char *buf, size_t size);
/* The way back: an absolute name from the sandbox's own root, no symlinks followed, no permissions asked. */
int path_from_root(const char *text, struct path *p);

/* ---- what sys/ calls; each is one system call's meaning ---- */
int vfs_open(int dirfd, const char *path, int flags, u32 mode, u64 resolve, struct file **out);
/* Open a program for exec: execute permission, regular file; for the loader. Also for the shebang walk. */
int vfs_open_exec(int dirfd, const char *path, int at_flags, struct file **out);
int vfs_stat(int dirfd, const char *path, int at_flags, struct attr *a);
int vfs_getattr(const struct path *p, struct attr *a); /* adds mount's dev */
int vfs_permission(struct node *n, int mask);	       /* MAY_READ 4, MAY_WRITE 2, MAY_EXEC 1; by fsuid; -EACCES */
int vfs_access(int dirfd, const char *path, int mode, int at_flags);
int vfs_mkdir(int dirfd, const char *path, u32 mode);
int vfs_mknod(int dirfd, const char *path, u32 mode, u64 rdev);
int vfs_unlink(int dirfd, const char *path, int at_flags);
int vfs_rename(int from, const char *a, int to, const char *b, unsigned flags);
int vfs_link(int from, const char *a, int to, const char *b, int at_flags);
int vfs_symlink(const char *target, int dirfd, const char *path);
ssize_t vfs_readlink(int dirfd, const char *path, char *buf, size_t size);
int vfs_truncate(int dirfd, const char *path, u64 size);
/* Where an object is named by path or by descriptor: f is NULL for a path; an open file is used through its own host
 * descriptor, so that it is the same object whatever became of its name. */
struct target {
	struct path path;	/* counted; dentry NULL: an object without a name */
	struct file *file;	/* counted, or NULL */
};
/* dirfd, path and AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW as in the at-calls. path NULL or "" with AT_EMPTY_PATH: dirfd. */
int target_find(int dirfd, const char *path, int at_flags, struct target *t);
int target_fd(int fd, struct target *t);	/* -EBADF for O_PATH files too */
void target_put(struct target *t);
/* After r came of what was found by a path: put it. True: it was not there any more, and is to be looked for again. */
bool target_put_stale(struct target *t, long *r, unsigned *tries);
int vfs_target_getattr(const struct target *t, struct attr *a);
int vfs_chmod(const struct target *t, u32 mode);
int vfs_chown(const struct target *t, u32 uid, u32 gid); /* -1: unchanged */
int vfs_utimes(const struct target *t, const struct timespec times[2]); /* NULL: now */
int vfs_statfs(const struct target *t, struct statfs *st);
ssize_t vfs_getxattr(const struct target *t, const char *name, void *value, size_t size);
int vfs_setxattr(const struct target *t, const char *name, const void *value, size_t size, int flags);
ssize_t vfs_listxattr(const struct target *t, char *list, size_t size);
int vfs_removexattr(const struct target *t, const char *name);
/* Who may what (node.c): the owner or root; as a member of gid or root. */
bool attr_owner(const struct attr *a);
/* By mode and owner, for these ids: 0 or -EACCES. */
struct cred;
int attr_permission(const struct cred *c, u32 mode, u32 uid, u32 gid, u32 id, u32 group, int mask);
/* How often to walk anew while the answer is -ESTALE: layers may come faster than a busy machine lets a walk end. */
#define STALE_TRIES 16

/* ---- dentry.c ---- */
extern struct mutex dcache_lock;
extern struct mutex moves_lock; /* only ever tried for (moves.c) */
extern u32 dcache_epoch; /* atomic: see dcache_new_epoch */
u32 dcache_clock(void);	  /* node.c: coarse and cheap: quarters of a second */
void dcache_unlock(void); /* release dcache_lock, then free what became free under it */
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
void dentry_put_locked(struct dentry *d);
struct dentry *dentry_root(struct node *root); /* a file system's root; takes the node's count. NULL: no memory */
/* The child called name, from the cache or by the node's lookup. Negative dentries have node NULL. ERR_PTR. */
struct dentry *dentry_lookup(struct dentry *dir, const char *name, size_t len);
/* The same from the cache alone: NULL if not there or not valid. Caller holds dcache_lock; not counted. */
struct dentry *dentry_cached(struct dentry *dir, const char *name, size_t len);
/* Is that what is to be glanced at: a name that was not asked for before, where many were? Likewise. */
bool dentry_first_time(struct dentry *dir, const char *name, size_t len);
/* A walk begins: what is older than this is out of date. Likewise. */
void dentry_set_clock(void);
/* Is d still what its name means? Looks it and its parents up again where the cache is out of date. */
bool dentry_refresh(struct dentry *d);
/* Every name that is cached by now is out of date, whatever its counter says: layers were taken away or joined. */
void dcache_new_epoch(void);
/* A change of a name is framed by begin, before the file system acts, and one of the others after it did. The cached
 * name becomes stale in every other picoprocess. */
struct dentry_change {
	struct dentry *dir;
	const char *name;
	u32 *slot;
	u32 before, epoch;
};
void dentry_begin(struct dentry_change *c, struct dentry *dir, const char *name);
/* Something else is there now; gone: nothing is. */
void dentry_changed(struct dentry_change *c, bool gone);
/* node (its count is taken) is there now. The counted dentry, or ERR_PTR(-ENOMEM). */
struct dentry *dentry_created(struct dentry_change *c, struct node *node);
/* d itself moved from c's name to into's; what was there is unlinked. */
void dentry_moved(struct dentry_change *c, struct dentry_change *into, struct dentry *d, struct dentry *victim);
/* The object behind d got other attributes or another place: others look its name up again. */
void dentry_touched(struct dentry *d);
/* The counter of a name, for a file system that changes what lies behind one by itself. */
u32 *names_slot(const struct node *dir, const char *name);
u32 names_links(const struct fs *fs); /* see node.links */
void dentry_forget(struct dentry *d); /* after -ESTALE: look it up anew next time */
/* A name for what has none yet (O_TMPFILE), below dir; takes node's count. Counted, or ERR_PTR. */
struct dentry *dentry_nameless(struct dentry *dir, struct node *node);
/* What had a name below dir; the same. */
struct dentry *dentry_unlinked(struct dentry *dir, const char *name, struct node *node);
/* Make a directory that no file system has, to be mounted on. */
struct dentry *dentry_stub(struct dentry *dir, const char *name);
void node_get(struct node *n);
void node_put(struct node *n);

/* ---- moves.c ---- */
void moves_init(void);	 /* at the start of an image, mounts made */
/* How far this process has read, for moves_recall in its next address space. False: it is reading. */
bool moves_keep(u64 *pos, u32 *seen);
void moves_recall(u64 pos, u32 seen); /* instead of moves_init */
void moves_forked(void); /* in a forked child of several threads */

/* ---- mount.c ---- */
int mount_init(struct cursor *kept); /* the sandbox's mounts; kept: what mount_keep wrote, or NULL */
struct fs *mount_tmpfs(void);	     /* the one that is mounted, or NULL */
/* keep.c: mounts and names for mount_init in the next address space; wanted: n names (not NULL) that it will need. */
void mount_keep(struct buf *b, struct dentry *const *wanted, unsigned n);
struct mount *mount_at(struct mount *mnt, struct dentry *d); /* mounted on d, or NULL */
/* Binds that came since are mounted, and opened in this process. */
void binds_follow(void);
extern struct mutex binds_lock;
int mount_add(const char *where, struct fs *fs, unsigned flags);
extern struct list mount_list;
extern struct mount *mount_root;
void mount_root_path(struct path *p); /* "/" of the sandbox, counted; through what is mounted on it */
/* n-th name mounted below dir, for listings of a file system that does not know it; NULL at the end. */
const char *mount_name_below(struct dentry *dir, unsigned n);

/* Where a process's walks begin. */
struct fs_context {
	struct mutex lock;	/* guards nothing of its own: kept for the order of locks over fork */
	struct path root, cwd;	/* dcache_lock */
	u32 umask;		/* atomic word */
};
struct fs_context *fs_context_copy(struct fs_context *from); /* NULL from: "/" */
void fs_context_free(struct fs_context *c);
int fs_set_cwd(const struct path *p);
int fs_set_root(const struct path *p);
/* getcwd: text into buf; length with NUL, or -ENOENT, -ERANGE. */
ssize_t fs_getcwd(char *buf, size_t size);
void fs_save(struct buf *b, struct fs_context *c);
int fs_load(struct cursor *c, struct fs_context **out);

/* ---- fs/union_keep.c; caller holds dcache_lock, but for the one that makes a node ---- */
void union_keep_root(struct buf *b, const struct fs *fs);
bool union_keep(struct buf *b, struct node *n); /* false: it is not worth it, and nothing was written */
/* The node of name in dir that union_keep wrote; NULL with c->err, or no memory. */
struct node *union_recall(struct cursor *c, struct node *dir, const char *name, size_t len);

/* ---- file systems, each a struct fs made at start ---- */
/* Those made of layers take what union_keep_root wrote; NULL: they ask the host. */
struct fs *union_fs_create(struct cursor *kept); /* fs/union.c: the layers of the grant */
struct fs *tmpfs_create(struct cursor *kept);	 /* fs/tmpfs.c: the same code on GRANT_FD_SHM alone */
struct fs *mqueuefs_create(void);  /* ipc/mq_fs.c */
struct fs *procfs_create(void);	   /* fs/proc.c */
struct fs *devfs_create(void);	   /* fs/dev.c */
struct fs *ptsfs_create(void);	   /* fs/tty.c */
struct fs *sysfs_create(void);	   /* fs/sys.c */

#include "libos/vfs/file.h"

static inline struct node *path_node(const struct path *p)
{
	return p->dentry->node;
}

#endif
