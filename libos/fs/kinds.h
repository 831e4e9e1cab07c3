/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The kinds of open files that this folder makes, beside host files: the map of libos/fs for sys/
 * and vfs/.
 *
 * Everything that can be waited for is backed by a host descriptor, so that poll, select and epoll
 * ask the host once. A kind's private word (file.priv) is either a plain value or something
 * counted: fdtab_copy duplicates a struct file for a vfork child by save and load.
 */
#ifndef LIBOS_FS_KINDS_H
#define LIBOS_FS_KINDS_H

#include "libos/fs/at_once.h"
#include "libos/vfs/vfs.h"

extern const struct file_ops pipe_file_ops; /* pipe.c: both ends, and fifos once open */
extern const struct file_ops pipe_again_ops, regular_again_ops; /* reopen.c */
extern const struct file_ops anon_file_ops;	/* anon.c: a host object of no known kind */
extern const struct file_ops eventfd_file_ops;	/* eventfd.c */
extern const struct file_ops timerfd_file_ops;	/* timerfd.c */
extern const struct file_ops signalfd_file_ops; /* signalfd.c */
extern const struct file_ops memfd_file_ops;	/* memfd.c */
extern const struct file_ops epoll_file_ops;	/* epoll.c */
extern const struct file_ops sock_file_ops;	/* sock.c */
extern const struct file_ops tty_file_ops;	/* tty.c: slaves */
extern const struct file_ops ptm_file_ops;	/* pty.c: masters */
extern const struct file_ops inotify_file_ops;	/* inotify.c */
extern const struct file_ops pseudo_file_ops;	/* pseudo.c: generated text */
extern const struct file_ops proc_mem_ops;	/* proc_mem.c */
extern const struct file_ops pseudo_dir_ops;	/* pseudo.c: generated directories */
extern const struct file_ops null_file_ops, zero_file_ops, full_file_ops,
	random_file_ops; /* dev.c */

extern const struct file_ops device_file_ops;	/* device.c: the host's, granted */
extern const struct file_ops shm_file_ops;	/* ipc/sysv_shm.c: an attachment */
extern const struct file_ops mq_file_ops;	/* ipc/mq_file.c */

/* All of the above, for file_ops_by_name. */
extern const struct file_ops *const fs_kinds[];
extern const unsigned fs_kinds_count;

/* ---- anon.c ---- */
/* Give a fresh host descriptor a struct file and a guest number; both are closed on error. flags:
 * O_ACCMODE and O_NONBLOCK; O_CLOEXEC is taken out. The number, or -errno. */
int fd_install(const struct file_ops *ops, int host_fd, int flags, void *priv);
/* What to wait for on the host, -1: nothing. *now: events that are there without asking. */
int file_poll(struct file *f, short events, short *now);
/* Let a magic link lead to a file that has no name: a path whose node opens as f's own description.
 */
int anon_path(struct file *f, struct path *out);
/* The file that such a path leads to, not counted; NULL: it is another kind of path. */
struct file *anon_file(const struct path *p);
/* The text /proc/PID/fd/N shows: a path or "pipe:[N]". Length, or -errno. */
ssize_t file_text(struct file *f, char *buf, size_t size);

/* ---- reopen.c ---- */
/* The kind of a file that is f opened once more through its descriptor; NULL: it cannot be. */
const struct file_ops *reopen_ops(const struct file *f);
static inline bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_file_ops || f->ops == &pipe_again_ops;
}

/* ---- passed.c: descriptors that come from outside or from another process ---- */
/* A struct file of the right kind for any host descriptor; takes fd. ERR_PTR; then fd is closed. */
struct file *file_from_host(int fd);
/* A host descriptor that carries f over SCM_RIGHTS: its own, or a fresh one (*made) that
 * file_from_host knows. */
int file_to_host(struct file *f, bool *made);

/* ---- manifest.c: what goes with passed descriptors ---- */
/* A memory file that tells of n files; -ENOENT: there is nothing to tell that the host does not. */
int manifest_make(struct file **files, unsigned n);
/* Is fd, which came with n others, a manifest for them? Then manifest_file gives their files, in order; each takes its fd. */
bool manifest_open(int fd, unsigned n, struct cursor *c);
struct file *manifest_file(struct cursor *c, int fd);
void manifest_close(struct cursor *c);

/* ---- tty.c ---- */
struct file *tty_file_from_host(int fd);

/* ---- signalfd.c ---- */
/* sig was queued to p or one of its threads. Takes p->sig.lock. */
void signalfd_notify(struct process *p, int sig);

/* ---- epoll.c ---- */
/* f's last count is gone: drop the duplicates that epolls hold of its host descriptor. */
void epoll_forget(struct file *f);

/* ---- ipc/ ---- */
ssize_t shm_file_text(const struct file *f, char *buf, size_t size);
ssize_t mq_file_text(const struct file *f, char *buf, size_t size);

/* ---- dev.c ---- */
/* What the kernel itself does with the devices that are made here: take bytes from one into the libOS's own memory, or
 * give some away. -EINVAL: it does not give or take. */
ssize_t device_take(const struct file *f, void *buf, size_t n);
ssize_t device_give(const struct file *f, size_t n);
struct file *null_file_create(int flags); /* /dev/null without a name */

#endif
