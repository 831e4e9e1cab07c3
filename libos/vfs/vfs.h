/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Files as the guest sees them, in Linux's cut: nodes (inodes) with operations, names (dentries) in a tree, mounts, open
 * files, descriptor tables.
 *
 *   path.c    walks names: symlinks, "..", mounts, trailing slashes, O_NOFOLLOW; yields a struct path
 *   dentry.c  the tree of names and its cache; validity by the area's generation counters
 *   mount.c   the table of mounts: "/" union, /proc, /dev, /dev/pts, /dev/shm, /sys
 *   node.c    nodes' counts and defaults
 *   file.c    open files; fdtab.c  descriptors
 *
 * A file system supplies struct node_ops (objects and names) and struct file_ops (open files). A missing operation is
 * NULL and has the default said beside it. Operations take kernel-side values and return -errno; only libos/sys touches
 * guest strings and structures. Data buffers of read and write are guest pointers that go to the host as they are:
 * the host's EFAULT is the guest's; operations that fill them by hand use sys/user.h.
 *
 * Locks: dcache_lock guards names, children, node pointers of dentries and mounts. File positions of libOS-made files
 * are guarded by file.lock. Node ops are called without dcache_lock.
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
	int (*getattr)(struct node *n, struct attr *a);
	int (*setattr)(struct node *n, const struct attr *a);			  /* default -EPERM */
	ssize_t (*readlink)(struct node *n, char *buf, size_t size);		  /* text without NUL; default -EINVAL */
	int (*follow)(struct node *n, struct path *out);			  /* magic link; NULL: by readlink's text */
	int (*open)(struct node *n, struct file *f);				  /* fills f->ops, f->host_fd ...; default -ENXIO */
	/* Make and open a regular file that did not exist. */
	int (*create)(struct node *dir, const char *name, u32 mode, struct file *f, struct node **out); /* -EROFS */
	int (*tmpfile)(struct node *dir, u32 mode, struct file *f, struct node **out); /* default -EOPNOTSUPP */
	int (*mkdir)(struct node *dir, const char *name, u32 mode);		  /* default -EROFS, and those below */
	int (*mknod)(struct node *dir, const char *name, u32 mode, u64 rdev);
	int (*symlink)(struct node *dir, const char *name, const char *target);
	int (*link)(struct node *old, struct node *dir, const char *name);
	int (*unlink)(struct node *dir, const char *name, struct node *victim);
	int (*rmdir)(struct node *dir, const char *name, struct node *victim);
	int (*rename)(struct node *from, const char *a, struct node *na, struct node *to, const char *b, struct node *nb,
		      unsigned flags);
	ssize_t (*getxattr)(struct node *n, const char *name, void *value, size_t size); /* default -EOPNOTSUPP */
	int (*setxattr)(struct node *n, const char *name, const void *value, size_t size, int flags);
	ssize_t (*listxattr)(struct node *n, char *list, size_t size);
	int (*removexattr)(struct node *n, const char *name);
	int (*statfs)(struct node *n, struct statfs *st);			  /* default -ENOSYS */
	/* A name for a socket file: the host directory and name a unix socket is bound at (fs/sock_unix.c). */
	int (*sock_at)(struct node *dir, const char *name, bool create, u32 mode, int *host_dir, char host_name[256]);
	void (*release)(struct node *n);					  /* last count gone; frees n */
};

/* An object of a file system. File systems embed it as first member. */
struct node {
	u32 refs;			/* atomic */
	u32 mode;			/* S_IFMT part immutable; the rest a hint */
	const struct node_ops *ops;	/* immutable */
	struct fs *fs;			/* immutable */
	u64 ino;			/* immutable once known */
};

struct fs {
	const char *type;		/* as /proc/mounts shows it */
	u64 dev;
	struct node *root;
	u32 magic;			/* statfs f_type */
	bool uncached;			/* names may change by themselves: never cache (proc, pts) */
};

/* A name in the tree. Counted; a child holds its parent. */
struct dentry {
	u32 refs;			/* atomic */
	struct dentry *parent;		/* NULL for a file system's root. dcache_lock */
	struct node *node;		/* NULL: negative. dcache_lock */
	struct list children, sibling;	/* dcache_lock */
	struct dentry *hash_next;	/* dcache_lock */
	u32 hash;
	u32 generation;			/* of the parent directory when this was looked up */
	bool unlinked;			/* gone from the tree, kept by open files and cwd */
	u16 len;
	char name[];			/* NUL-terminated */
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
};
struct walk {
	struct path path;	/* found (counted), or the parent with WALK_PARENT */
	char last[NAME_MAX_LEN + 1]; /* WALK_PARENT: the last component */
	bool trailing_slash;
	bool last_dots;		/* WALK_PARENT: last component is "." or ".." or the path was "/" */
};
/* Resolve name (kernel-side) from dirfd (AT_FDCWD: cwd) with search permission checks. */
int path_walk(int dirfd, const char *name, unsigned flags, struct walk *w);
void path_get(const struct path *p);
void path_put(struct path *p);
static inline struct node *path_node(const struct path *p);
/* Guest-visible absolute path of p into buf; returns the start inside buf or ERR_PTR(-ENAMETOOLONG). A removed object
 * gets " (deleted)"; one outside the process's root begins with "(unreachable)". */
char *path_text(const struct path *p, char *buf, size_t size);

/* ---- vfs.c: what sys/ calls; each is one system call's meaning ---- */
int vfs_open(int dirfd, const char *path, int flags, u32 mode, u64 resolve, struct file **out);
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
int vfs_chmod(const struct path *p, u32 mode);
int vfs_chown(const struct path *p, u32 uid, u32 gid);
int vfs_utimes(const struct path *p, const struct timespec times[2]);
int vfs_truncate(const struct path *p, u64 size);
int vfs_statfs(const struct path *p, struct statfs *st);
/* Open a program for exec: execute permission, regular file; for the loader. Also for the shebang walk. */
int vfs_open_exec(int dirfd, const char *path, int at_flags, struct file **out);

/* ---- dentry.c ---- */
extern struct mutex dcache_lock;
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* The child called name, from the cache or by the node's lookup. Negative dentries have node NULL. ERR_PTR. */
struct dentry *dentry_lookup(struct dentry *dir, const char *name, size_t len);
/* After the file system changed a name: in every picoprocess the cached name becomes stale. */
void dentry_changed(struct dentry *dir, const char *name);
void dentry_moved(struct dentry *d, struct dentry *to, const char *name);
void node_get(struct node *n);
void node_put(struct node *n);
u32 *dentry_generation(struct node *dir); /* the counter that guards names in dir */

/* ---- mount.c ---- */
int mount_init(void);	   /* the sandbox's mounts */
struct mount *mount_at(struct mount *mnt, struct dentry *d); /* mounted on d, or NULL */
int mount_add(const char *where, struct fs *fs, unsigned flags);
extern struct list mount_list;
extern struct mount *mount_root;

/* Where a process's walks begin. */
struct fs_context {
	struct mutex lock;
	struct path root, cwd;
	u32 umask;
};
struct fs_context *fs_context_copy(struct fs_context *from); /* NULL from: "/" */
void fs_context_free(struct fs_context *c);
int fs_set_cwd(const struct path *p);
void fs_save(struct buf *b, struct fs_context *c);
int fs_load(struct cursor *c, struct fs_context **out);

/* ---- file systems, each a struct fs made at start ---- */
struct fs *union_fs_create(void);  /* fs/union.c: the layers of the grant */
struct fs *tmpfs_create(void);	   /* fs/tmpfs.c: the same code on GRANT_FD_SHM alone */
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
