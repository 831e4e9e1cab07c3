/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * POSIX message queues: names are guarded by the directory's lock (struct ipc_area.mq_dir), a queue by its own. An
 * open queue is a ref (refs.c); one that has neither a name nor a ref goes.
 */
#ifndef LIBOS_IPC_MQ_H
#define LIBOS_IPC_MQ_H

#include "libos/ipc/ipc.h"
#include "libos/vfs/file.h"

#define MQ_MSG_MAX 10	/* /proc/sys/fs/mqueue */
#define MQ_SIZE_MAX 8192
#define MQ_QUEUES_MAX 256
#define MQ_HARD_MSG_MAX 65536
#define MQ_HARD_SIZE_MAX (16 << 20)

/* f->priv of an open queue. */
struct mq_file {
	struct ipc_hold hold;
	u32 index, generation;
};

extern const struct file_ops mq_file_ops;

/* ---- mqueue.c: queues. The caller holds mq_dir where it says so ---- */
int mq_find(const char *name);	/* index or -ENOENT; mq_dir */
/* A queue called name; *index. attr NULL: the defaults. mq_dir. */
int mq_make(struct ipc_thread *me, const char *name, u32 mode, const struct mq_attr *attr, u32 *index);
int mq_drop_name(struct ipc_thread *me, u32 index); /* 0 or -EPERM; mq_dir */
long mq_send(struct file *f, const void *guest, size_t size, u32 prio, const struct timespec *end);
long mq_receive(struct file *f, void *guest, size_t size, u32 *prio, const struct timespec *end);
long mq_notify(struct file *f, const struct sigevent *how);
long mq_get_attr(struct file *f, struct mq_attr *attr);
void ipc_mq_lost(struct ipc_thread *me, u32 index); /* a ref is gone; mq_dir */
void ipc_mq_quit(struct ipc_thread *me, s32 pid);   /* pid ends: nobody is to be told of messages */
static inline struct ipc_mq *mq_at(u32 index)
{
	return &the_ipc->mq[index % IPC_MQ_MAX];
}

/* Senders that can go on; the caller holds the queue. */
void mq_settle(struct ipc_thread *me, struct ipc_mq *q);

void mq_announce(struct ipc_mq *q); /* the same */

/* ---- mq_thread.c: SIGEV_THREAD; no lock held but where said ---- */
/* fd: a netlink socket; guest: the bytes that it is to give. */
int mq_thread_add(const struct mq_file *m, int fd, const void *guest);
void mq_thread_cancel(const struct mq_file *m);	 /* the last one: the queue would not have it */
void mq_thread_removed(const struct mq_file *m); /* the queue has them no more: tell them */
void mq_thread_tell(struct ipc_mq *q, s32 pid); /* a message has come; the caller holds the queue */
void mq_thread_told(void);			/* this process has been told */

/* ---- mq_file.c: descriptors ---- */
/* Make f an open queue; mq_dir is held. 0 or -errno. */
int mq_open_file(struct file *f, u32 index);
/* The queue of f, locked and in order; ERR_PTR(-EBADF) when it is gone. */
struct ipc_mq *mq_lock(struct ipc_thread *me, struct file *f);
void mq_unlock(struct ipc_thread *me, struct file *f);
/* Does it not wait? And whether it is to. 0 or -errno. */
bool mq_nonblock(struct file *f);
int mq_setflags(struct file *f, int flags);
void mq_fifo_name(u32 index, u32 generation, char name[32]);
/* Permission, access mode, fsuid: 0 or -EACCES. */
int mq_permission(const struct ipc_mq *q, int mask);
ssize_t mq_file_text(const struct file *f, char *buf, size_t size);

/* ---- mq_fs.c: names ---- */
void mq_attr_of(u32 index, struct attr *a);
int mq_set_attr(u32 index, const struct attr *a);

#endif
