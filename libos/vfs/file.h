/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Open files and descriptor tables.
 *
 * A struct file stands for a host open file description where there is one: offset, O_APPEND, O_NONBLOCK, locks and
 * readiness are the host's, and a fork shares them for nothing, because the child inherits the same host descriptors.
 * Guest descriptors that dup() made share one struct file and one host descriptor. struct file belongs to one process:
 * fork copies it with the memory; a vfork child gets copies of its own with the same host numbers (fdtab_copy), since
 * the host gave it a descriptor table of its own.
 *
 * Files that the libOS generates (/proc, /dev/null) have no host file description, host_fd = -1; those whose offset
 * must be shared over fork keep it in a memfd (fs/pseudo.c).
 */
#ifndef LIBOS_VFS_FILE_H
#define LIBOS_VFS_FILE_H

#include "libos/vfs/vfs.h"

struct file_ops {
	const char *name;						/* kind, for save/load and /proc/PID/fd: "host", "pipe" ... */
	ssize_t (*read)(struct file *f, void *buf, size_t n);		/* NULL: pal_read on host_fd, or -EINVAL without */
	ssize_t (*write)(struct file *f, const void *buf, size_t n);	/* NULL: pal_write */
	ssize_t (*pread)(struct file *f, void *buf, size_t n, u64 off);	/* NULL: pal_pread, -ESPIPE without host_fd */
	ssize_t (*pwrite)(struct file *f, const void *buf, size_t n, u64 off);
	/* Vectored forms go to the host when read/write are NULL, else loop over them. */
	s64 (*lseek)(struct file *f, s64 off, int whence);		/* NULL: pal_lseek, -ESPIPE without host_fd */
	/* Fill buf (kernel-side) with whole struct dirent64 entries, from f's position. Bytes, 0 at
	 * the end. -ENOTDIR */
	ssize_t (*getdents)(struct file *f, void *buf, size_t size);
	long (*ioctl)(struct file *f, unsigned cmd, u64 arg);		/* arg is the guest's; NULL: -ENOTTY */
	/* Map: returns host fd to map, or -errno; NULL: host_fd, -ENODEV without. *off may be moved. */
	int (*mmap)(struct file *f, int prot, int flags, u64 *off);
	/* The host descriptor to poll and, where libOS state decides, ready events at once (*now, else 0). NULL:
	 * host_fd; without one, always readable and writable. */
	int (*poll)(struct file *f, short events, short *now);
	short (*polled)(struct file *f, short seen);			/* what the host's answer to poll means; NULL: itself */
	bool (*wait)(struct file *f);					/* the host is about to be read; NULL: nothing to do */
	/* It has been, if wait() was true: r bytes at buf (NULL: not in one piece). True: read again. */
	bool (*waited)(struct file *f, const void *buf, ssize_t r);
	void (*info)(struct file *f, struct buf *b);			/* more lines of fdinfo; NULL: none */
	/* What locks of the file are taken at, on the host: f->host_fd, or an object that stands for it, which f->lock_fd
	 * keeps open. -errno. NULL: host_fd. *own: must flock() hold host_fd, too? */
	int (*lock_fd)(struct file *f, bool *own);
	int (*fsync)(struct file *f, bool data_only);			/* NULL: pal_fsync, 0 without host_fd */
	int (*truncate)(struct file *f, u64 size);			/* NULL: pal_ftruncate, -EINVAL without */
	int (*fallocate)(struct file *f, int mode, u64 off, u64 len);	/* NULL: pal_fallocate */
	int (*setflags)(struct file *f, int flags);			/* F_SETFL of O_APPEND, O_NONBLOCK; NULL: on the host */
	int (*getflags)(struct file *f);				/* F_GETFL; NULL: f->flags if there is setflags, else the host's */
	int (*getattr)(struct file *f, struct attr *a);			/* NULL: the node's, else fstat of host_fd */
	/* Through the open file where its name may be gone. NULL: the node's. */
	int (*setattr)(struct file *f, const struct attr *a);
	ssize_t (*getxattr)(struct file *f, const char *name, void *value, size_t size);
	int (*setxattr)(struct file *f, const char *name, const void *value, size_t size, int flags);
	ssize_t (*listxattr)(struct file *f, char *list, size_t size);
	int (*removexattr)(struct file *f, const char *name);
	void (*release)(struct file *f);				/* before host_fd is closed and f freed */
	/* exec after vfork: put what load needs; host_fd, flags, path are saved by the caller. NULL: nothing. */
	void (*save)(struct file *f, struct buf *b);
	int (*load)(struct file *f, struct cursor *c);
	void (*modify)(struct file *f);					/* see file_modify() */
	bool regular;	/* disk files: a signal never cuts a read or write short, and RLIMIT_FSIZE holds */
};

struct file {
	u32 refs;		/* atomic */
	int flags;		/* O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, O_DIRECTORY...; without O_CLOEXEC. Atomic word */
	const struct file_ops *ops; /* immutable */
	struct path path;	/* counted; dentry NULL for pipes, sockets, anonymous files */
	int host_fd;		/* -1: none. Immutable while open */
	int lock_fd;		/* atomic: host descriptor of what stands for it where it is locked; -1: none yet */
	struct mutex lock;	/* guards pos and priv of libOS-made files */
	u64 pos;
	void *priv;		/* the kind's own */
	u32 seals;
	int owner, owner_sig;	/* F_SETOWN, F_SETSIG */
	bool locked;		/* has taken record locks: closing any of its numbers drops them */
};

/* The array of a descriptor table. Readers take no lock: arrays that were outgrown stay until the table goes, and the
 * memory of a struct file is never used for anything else (file.c). */
struct fdarray {
	struct fdarray *old;
	unsigned size;
	struct file *files[];	/* [fd], NULL: free. Written under fdtab.lock, read by anyone */
};

struct fdtab {
	u32 refs;		/* atomic */
	struct mutex lock;	/* guards the rest */
	struct fdarray *array;	/* replaced under lock, read by anyone */
	u64 *cloexec;		/* bitmap, behind the array */
	unsigned next;		/* no free descriptor below */
};

/* ---- file.c ---- */
/* A new file; path may be NULL. On error of the caller's later steps use file_put. ERR_PTR(-ENOMEM). */
struct file *file_create(const struct file_ops *ops, int host_fd, int flags, const struct path *path);
struct file *file_get(struct file *f);
void file_put(struct file *f);
ssize_t file_read(struct file *f, void *buf, size_t n);
ssize_t file_write(struct file *f, const void *buf, size_t n);	/* SIGPIPE is the caller's (sys/file.c) */
ssize_t file_pread(struct file *f, void *buf, size_t n, u64 off);
ssize_t file_pwrite(struct file *f, const void *buf, size_t n, u64 off);
ssize_t file_readv(struct file *f, const struct iovec *iov, int n, s64 off, int rwf);  /* off -1: at position */
ssize_t file_writev(struct file *f, const struct iovec *iov, int n, s64 off, int rwf);
s64 file_lseek(struct file *f, s64 off, int whence);
int file_getattr(struct file *f, struct attr *a);
void attr_from_stat(struct attr *a, const struct stat *st);
/* May a file become this large? -EFBIG and SIGXFSZ beyond RLIMIT_FSIZE. */
int file_size_allowed(u64 size);
/* Kernel-side whole read from offset (ELF headers, scripts): bytes read or -errno. */
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 off);
/* Every kind of file that can be open across exec, by ops->name. */
const struct file_ops *file_ops_by_name(const char *name);

/* ---- state.c ---- */
/* One open file as bytes, and again; received: the host descriptor it came by, taken if it is made, or -1: its number. */
void file_save(struct buf *b, struct file *f);
struct file *file_load(struct cursor *c, int received);

/* ---- fdtab.c ---- */
struct fdtab *fdtab_create(void);
/* For vfork: own struct files, same host numbers. Caller holds t->lock until the host has copied the descriptors, too:
 * a number that another thread closes and uses again in between would mean two files. */
struct fdtab *fdtab_copy(struct fdtab *t);
void fdtab_put(struct fdtab *t);
/* Free the memory of a table whose host descriptors are not this process's to close: a vfork
 * child's, from the parent. */
void fdtab_forget(struct fdtab *t);
void fdtab_close_exec(struct fdtab *t);
/* Install f (takes its count) at the lowest free number >= min. fd or -errno (-EMFILE by
 * RLIMIT_NOFILE); f is put then. */
int fdtab_add(struct file *f, int min, bool cloexec);
int fdtab_set(int fd, struct file *f, bool cloexec);	/* dup2: closes what was there; takes the count */
struct file *fdtab_get(int fd);			/* counted, or ERR_PTR(-EBADF); O_PATH files only by fdtab_get_path */
struct file *fdtab_get_path(int fd);		/* any file */
int fdtab_close(int fd);
int fdtab_flags(int fd, int set);			/* FD_CLOEXEC; set -1: get */
int fdtab_close_range(unsigned first, unsigned last, unsigned flags);
/* n-th open descriptor >= fd, for /proc/self/fd; -1 at the end. */
int fdtab_next(struct fdtab *t, int fd);
void fdtab_save(struct buf *b, struct fdtab *t);
int fdtab_load(struct cursor *c, struct fdtab **out); /* becomes the current process's at once */
/* Move a fresh host descriptor out of the grant's numbers if it landed there; returns the new number. Passes errors. */
int host_fd_move(int fd);

#define cleanup_file __attribute__((cleanup(file_put_p)))
static inline void file_put_p(struct file **f)
{
	if (*f && !IS_ERR(*f))
		file_put(*f);
}

extern const struct file_ops host_file_ops;  /* fs/host.c: a plain host file, everything NULL */
extern const struct file_ops path_file_ops;  /* file.c: opened with O_PATH */
extern const struct file_ops gone_dir_ops;   /* gone.c: a removed directory */
extern const struct file_ops union_file_ops; /* fs/union_file.c: regular files of the union and of tmpfs */
bool union_file_in_top(const struct file *f); /* of such a file: does it lie in the top layer? */
extern const struct file_ops union_dir_ops;  /* fs/union_list.c: its directories */
extern const struct file_ops union_pin_ops;  /* fs/union_file.c: its objects opened with O_PATH */

/* What f holds is about to change: set-id bits go, but under root. files_setid (atomic): this memory has seen a file that
 * has any. */
extern u32 files_setid;
static inline void file_modify(struct file *f)
{
	if (unlikely(atomic_load_relaxed(&files_setid)) && f->ops->modify)
		f->ops->modify(f);
}

#endif
