/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * System V IPC and POSIX message queues, whole, in memory that all picoprocesses of a sandbox share.
 *
 *   area.c      mapping that memory; who takes part
 *   lock.c      robust locks and the journal: what a death in the middle of a change leaves
 *   wait.c      sleeping on an object, being woken
 *   refs.c      which process holds what; fork, exit and death
 *   table.c     keys, ids and permissions of the three System V kinds
 *   store.c     messages in blocks, for both sorts of queue
 *   sysv_shm.c  sysv_sem.c, sem_op.c  sysv_msg.c  mqueue.c, mq_file.c (its descriptors), mq_thread.c, mq_fs.c
 *
 * The memory is one sparse memory file, made by the leader before the first fork and inherited by all at
 * GRANT_FD_IPC. Its beginning (struct ipc_area and what follows it) is mapped by each instance when it first calls
 * anything here, at one fixed address; its data, segments of shared memory, lie in windows far behind, one for each
 * of the 4096 ids, and are mapped only where they are attached. A window costs nothing until it is written, so
 * nothing has to be handed out: neither messages to the leader nor a descriptor for each object are needed, objects
 * survive their creator, and all goes with the sandbox. Zeroed memory is a valid beginning.
 *
 * Every operation is made in place by the process that asks for it, on behalf of sleepers too, as in the kernel: who
 * raises a semaphore performs the operations that can go on now; who sends a message copies it to the receiver that
 * has waited longest. So order and fairness are Linux's.
 *
 * Lock order: holds_lock, a table's lock, an object's lock; one of each at most. Below them only the host is called.
 */
#ifndef LIBOS_IPC_IPC_H
#define LIBOS_IPC_IPC_H

#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/vfs/vfs.h"

#define IPC_BASE 0x788000000000
#define IPC_SEM_AT (1ul << 33)	      /* windows of semaphore sets */
#define IPC_SEM_WINDOW (1ul << 20)
#define IPC_POOL_AT (1ul << 36)	      /* windows of message queues: System V's first, then POSIX's */
#define IPC_POOL_WINDOW (1ul << 23)
#define IPC_SHM_WINDOW (1ul << 49)    /* from file offset IPC_SHM_WINDOW on; not mapped here */
#define IPC_THREAD_AT (1ul << 32)
#define IPC_THREAD_WINDOW (1ul << 16) /* 32768 ids: up to IPC_SEM_AT */

#define S_IRUGO (S_IRUSR | S_IRGRP | S_IROTH)
#define S_IWUGO (S_IWUSR | S_IWGRP | S_IWOTH)
#define S_IXUGO (S_IXUSR | S_IXGRP | S_IXOTH)

#define IPC_SHM_MAX 4096 /* shmmni */
#define IPC_SEM_MAX SEMMNI
#define IPC_MSG_MAX MSGMNI
#define IPC_MQ_MAX 1024
#define IPC_REFS_MAX 65536
#define IPC_SEQ_MAX 65535
#define IPC_SHMMAX (ULONG_MAX - (1ul << 24))
#define IPC_SHMALL (ULONG_MAX - (1ul << 24))

/* Holder's tid, and whether somebody may wait; 0: free. */
struct ipc_lock {
	u32 word;
};

/* A list of sleeping threads, by tid; links in struct ipc_thread. */
struct ipc_list {
	s32 first, last;
	u32 count, pad;
};

struct ipc_access {
	s32 key, id;
	u32 live, seq;
	u32 uid, gid, cuid, cgid, mode;
};

/* Of one System V kind. Guarded by lock. */
struct ipc_table {
	struct ipc_lock lock;
	u32 in_use;
	u32 next;	/* where the last id was taken, plus one */
	u32 seq;
	u32 top;	/* no index in use at or above */
	u32 pad;
	u64 total;	/* shm: pages; sem: semaphores */
};

/* Messages in a pool's window; guarded by the queue's lock. Blocks by number, 0 none. */
struct ipc_store {
	u32 first, last;
	u32 free, fresh; /* fresh: blocks from here on were never used */
	u64 count, bytes;
};

struct ipc_shm { /* guarded by the table's lock */
	struct ipc_access perm;
	s32 cpid, lpid;
	u32 pad;
	u64 size;
	s64 atime, dtime, ctime;
};

struct ipc_semset {
	struct ipc_lock lock;
	struct ipc_access perm;
	u32 nsems;
	u32 half;	/* which of two arrays is valid: SETALL fills the other one and switches */
	u32 undo_top;	/* undo entries in use lie below */
	u32 stale;	/* values changed, and the sleepers have not been looked at */
	s64 otime, ctime;
	struct ipc_list waiting;
};

struct ipc_msq {
	struct ipc_lock lock;
	struct ipc_access perm;
	s32 lspid, lrpid;
	struct ipc_store store;
	u64 qbytes;
	s64 stime, rtime, ctime;
	struct ipc_list receivers, senders;
};

enum { IPC_NOTIFY_OFF, IPC_NOTIFY_NONE, IPC_NOTIFY_SIGNAL, IPC_NOTIFY_THREAD };

struct ipc_mq {
	struct ipc_lock lock;
	u32 generation;	/* odd: in use. Written under the directory's lock too */
	u32 linked;	/* it has a name */
	u32 uid, gid, mode, charge_uid;
	u32 polled, level; /* somebody asked for readiness; what the fifo says (mq_file.c) */
	u32 notify, notify_sig;
	u32 telling;	/* a message came for which the notification is to be made */
	u32 told;	/* atomic: told_pid has yet to tell its thread (mq_thread.c) */
	s32 told_pid;
	s32 notify_pid;
	u64 notify_value;
	u64 maxmsg, msgsize, charge; /* charge: bytes against RLIMIT_MSGQUEUE */
	struct timespec atime, mtime, ctime;
	struct ipc_store store;
	struct ipc_list receivers, senders;
	char name[256];
};

enum ipc_kind { IPC_SHM = 1, IPC_SEM, IPC_MSG, IPC_MQ };

#define IPC_KEY_USED (1ull << 32)  /* | key */
#define IPC_KEY_GOING (1ull << 33) /* | pid that is giving back its memory */

struct ipc_area {
	struct ipc_table table[3]; /* [kind - 1] */
	struct ipc_lock repair;	   /* see lock.c */
	struct ipc_lock mq_dir;	   /* names of POSIX queues, and which records are in use */
	u32 mq_top, mq_count;
	u32 refs_top;		   /* atomic: no ref in use at or above */
	u32 pad;
	u64 shm_key[IPC_SHM_MAX], sem_key[IPC_SEM_MAX], msg_key[IPC_MSG_MAX]; /* IPC_KEY_*; 0: free */
	u64 ref[IPC_REFS_MAX];	   /* atomic: pid << 32 | kind << 24 | index; 0: free */
	struct ipc_shm shm[IPC_SHM_MAX];
	struct ipc_semset sem[IPC_SEM_MAX];
	struct ipc_msq msq[IPC_MSG_MAX];
	struct ipc_mq mq[IPC_MQ_MAX];
};

/* A word and what it becomes: bit 0 of where says 8 bytes, else 4. */
struct ipc_change {
	u64 where, value;
};

enum { IPC_IDLE, IPC_WAITING, IPC_DONE };
#define IPC_WAKES 16
#define IPC_OPS_INLINE 4
#define IPC_UNDO_SETS 16
#define IPC_DATA_MAX 0x7000

/* What a thread takes part with, by its guest id. Written by itself, or by who holds the lock of what it waits on. */
struct ipc_thread {
	u64 held[2];	/* locks that it holds or is about to take */
	u32 committed;	/* changes of the journal that must be completed */
	u32 changes;	/* being written down */
	u32 leaving;	/* its process ends, and this thread cleans up */
	u32 going;	/* segment whose memory this thread is to give back, plus one */
	u32 wakes;
	s32 wake[IPC_WAKES]; /* threads that are to be woken once the lock is left */
	u32 state;	/* futex: IPC_WAITING while linked in list */
	s32 result;
	s32 next, prev;
	u64 list, lock;	/* addresses; valid while WAITING */
	s32 pid;
	u32 mode;
	s64 type;
	u64 size;
	u32 ops, blocking; /* semaphores: how many operations, and which of them must wait */
	u32 alters, twice;
	struct sembuf op[IPC_OPS_INLINE];
	/* Of a process's first thread: sets in which it may have undo entries; sets_top beyond the room: all. */
	u32 sets_top, sets[IPC_UNDO_SETS];
	struct ipc_change journal[1536];
	struct sembuf more[SEMOPM];
	u8 data[IPC_DATA_MAX];
};

_Static_assert(sizeof(struct ipc_thread) <= IPC_THREAD_WINDOW, "room of a thread");
_Static_assert(sizeof(struct ipc_area) <= IPC_THREAD_AT, "room of the tables");

#define the_ipc ((struct ipc_area *)IPC_BASE)

static inline struct ipc_thread *ipc_thread(s32 tid)
{
	return (struct ipc_thread *)(IPC_BASE + IPC_THREAD_AT + (u64)tid * IPC_THREAD_WINDOW);
}

/* ---- area.c ---- */
int ipc_create(void); /* the leader, before its first fork */
int ipc_memory(void); /* a fresh memory file: a descriptor; -ENOENT where files may not be so large */
void ipc_leave(int fd); /* give up all there is for the memory fd (taken; -1: none). Segments are detached, queues closed */
/* Take part: the caller's record, or ERR_PTR(-ENOSYS) where there is no memory to share. */
struct ipc_thread *ipc_enter(void);
s64 ipc_now(void);    /* seconds of the settable clock */
void ipc_discard(u64 offset, u64 size); /* give back the memory of a window */

/* ---- lock.c ---- */
void ipc_lock(struct ipc_thread *me, struct ipc_lock *l);
void ipc_unlock(struct ipc_thread *me, struct ipc_lock *l); /* and wake whom the work has readied */
void ipc_set32(struct ipc_thread *me, void *where, u32 value);
void ipc_set64(struct ipc_thread *me, void *where, u64 value);
void ipc_commit(struct ipc_thread *me);
/* tid will not go on: complete what it has begun, and leave its locks. */
void ipc_recover(struct ipc_thread *me, s32 tid);
bool ipc_alive(s32 pid); /* of one that has joined */
void ipc_park(void) noreturn_fn; /* of a thread whose process is ending */

/* ---- wait.c; the caller holds the object's lock for all but ipc_sleep ---- */
/* At the end of list; commits. */
void ipc_queue(struct ipc_thread *me, struct ipc_list *list, struct ipc_lock *lock);
/* Out of the list it waits in, with a result; the changes are the caller's to commit. */
void ipc_ready(struct ipc_thread *me, s32 tid, s32 result);
/* Sleep until no longer linked: 0, -EINTR, -ETIMEDOUT. end: of CLOCK_MONOTONIC or (realtime) CLOCK_REALTIME. */
int ipc_sleep(struct ipc_thread *me, const struct timespec *end, bool realtime);
/* After ipc_sleep's error: out of the list, unless somebody was quicker. error, or the result then. */
int ipc_give_up(struct ipc_thread *me, struct ipc_lock *lock, int error);
/* All sleepers of a list, one change each. */
void ipc_ready_all(struct ipc_thread *me, struct ipc_list *list, s32 result);
void ipc_wake(struct ipc_thread *me);

/* ---- refs.c ---- */
struct ipc_hold { /* a ref of this process; in its own memory */
	struct list link;
	u32 ref, child_ref; /* number plus one, 0: none */
	enum ipc_kind kind;
	u32 index;
	s32 pid;
};
extern struct mutex ipc_holds_lock; /* guards this process's holds */
/* For both the caller holds ipc_holds_lock, then the kind's table. */
int ipc_hold(struct ipc_hold *h, enum ipc_kind kind, u32 index); /* 0, -ENOSPC */
bool ipc_let_go(struct ipc_hold *h);				  /* false: it was not this process's */
u64 ipc_refs(enum ipc_kind kind, u32 index);
int ipc_fork(s32 child); /* before the host's clone, all locks held: 0 or -ENOMEM */
void ipc_fork_failed(s32 child);
void ipc_forked(s32 pid);	  /* in the child */
void ipc_exit(struct process *p); /* the process is about to end, by its own thread */
void ipc_reap(s32 pid);		  /* it has ended without that */
void ipc_reap_children(s32 parent); /* some child has, and others may have of which the host says nothing yet */

/* ---- table.c ---- */
struct ipc_table *ipc_table(enum ipc_kind kind);
/* shmget, semget, msgget: find or make. fits: -errno for a found object that is too small. make: fill the entry. */
struct ipc_maker {
	enum ipc_kind kind;
	u64 size; /* bytes, semaphores */
	int (*fits)(u32 index, u64 size);
	int (*make)(struct ipc_thread *me, u32 index, const struct ipc_maker *m, int flags);
};
long ipc_get(s32 key, int flags, const struct ipc_maker *m);
struct ipc_access *ipc_perm(enum ipc_kind kind, u32 index);
int ipc_allowed(const struct ipc_access *p, int flags); /* 0 or -EACCES: rwx bits anywhere in flags */
int ipc_owner(const struct ipc_access *p);	      /* 0 or -EPERM */
/* The index of id, or -EINVAL. Caller holds table or object. */
int ipc_index(enum ipc_kind kind, s32 id);
int ipc_index_any(enum ipc_kind kind, s32 index);     /* for *_STAT: by index */
int ipc_max_index(enum ipc_kind kind);		      /* highest in use, or 0 */
/* The entry is gone: out of the table, journaled. Caller holds table and object. */
void ipc_drop(struct ipc_thread *me, enum ipc_kind kind, u32 index);
/* The same in two steps, for one whose index must not be taken yet: key says why. */
void ipc_retire(struct ipc_thread *me, enum ipc_kind kind, u32 index, u64 key);
void ipc_key_set(struct ipc_thread *me, enum ipc_kind kind, u32 index, u64 key);
void ipc_perm_out(const struct ipc_access *p, struct ipc64_perm *out);
int ipc_perm_set(struct ipc_thread *me, struct ipc_access *p, const struct ipc64_perm *in); /* -EINVAL for bad ids */

/* ---- store.c ---- */
struct ipc_msg {
	u32 rest;	/* next block of this message */
	u32 next, prev; /* neighbours in the queue */
	u32 size;
	s64 type;	/* POSIX: priority */
	u8 data[104];
};
struct ipc_msg *ipc_msg(u32 pool, u32 block);
bool ipc_store_room(const struct ipc_store *s, size_t size);
/* A message, its bytes written, to be linked before `before` (0: at the end). */
void ipc_store_put(struct ipc_thread *me, struct ipc_store *s, u32 pool, s64 type, const void *data, size_t size,
		   u32 before);
void ipc_store_copy(const struct ipc_store *s, u32 pool, u32 block, void *data, size_t size);
void ipc_store_take(struct ipc_thread *me, struct ipc_store *s, u32 pool, u32 block);
void ipc_store_reset(u32 pool);
static inline u64 ipc_pool_offset(u32 pool)
{
	return IPC_POOL_AT + pool * IPC_POOL_WINDOW;
}

/* ---- sysv_shm.c ---- */
long ipc_shmget(s32 key, size_t size, int flags);
long ipc_shmat(s32 id, uintptr_t addr, int flags);
long ipc_shmdt(uintptr_t addr);
long ipc_shmctl(s32 id, int cmd, void *arg);
void ipc_shm_touched(u32 index, s32 pid); /* attached by fork. Caller holds the table */
void ipc_shm_lost(struct ipc_thread *me, u32 index, s32 pid); /* pid's ref is gone. Caller holds the table */
void ipc_shm_lock(struct ipc_thread *me);
void ipc_shm_unlock(struct ipc_thread *me); /* and give back the memory of a segment that went */
void ipc_shm_quit(struct ipc_thread *me, s32 pid); /* pid ended while it did that */
void ipc_shm_show(struct buf *b);

/* ---- sysv_sem.c, sem_op.c ---- */
long ipc_semget(s32 key, int n, int flags);
long ipc_semctl(s32 id, int num, int cmd, u64 arg);
long ipc_semop(s32 id, const struct sembuf *ops, unsigned n, const struct timespec *end);
void ipc_sem_lock(struct ipc_thread *me, struct ipc_semset *s);
/* Commit new values, and perform what sleepers can go on with. */
void ipc_sem_commit(struct ipc_thread *me, struct ipc_semset *s);
/* If that is a set's lock: finish its dead holder's work. */
void ipc_sem_recovered(struct ipc_thread *me, u64 lock);
void ipc_sem_undo(struct ipc_thread *me, s32 pid);		  /* pid ends */
void ipc_sem_show(struct buf *b);
static inline u32 ipc_sem_index(const struct ipc_semset *s)
{
	return (u32)(s - the_ipc->sem);
}
/* pid << 32 | value */
static inline u64 *ipc_sems(const struct ipc_semset *s, u32 half)
{
	return (u64 *)(IPC_BASE + IPC_SEM_AT + ipc_sem_index(s) * IPC_SEM_WINDOW) + half * (IPC_SEM_WINDOW / 32);
}
/* pid << 32 | number << 16 | adjustment */
static inline u64 *ipc_undos(const struct ipc_semset *s)
{
	return (u64 *)(IPC_BASE + IPC_SEM_AT + ipc_sem_index(s) * IPC_SEM_WINDOW + IPC_SEM_WINDOW / 2);
}
#define IPC_UNDOS_MAX (IPC_SEM_WINDOW / 16)
/* Forget the undo entries of num, or of all (-1); journaled. */
void ipc_undo_clear(struct ipc_thread *me, struct ipc_semset *s, s32 num);

/* ---- sysv_msg.c ---- */
long ipc_msgget(s32 key, int flags);
long ipc_msgctl(s32 id, int cmd, void *arg);
long ipc_msgsnd(s32 id, const void *msg, size_t size, int flags);
long ipc_msgrcv(s32 id, void *msg, size_t size, long type, int flags);
void ipc_msg_recovered(struct ipc_thread *me, u64 lock); /* as ipc_sem_recovered */
void ipc_msg_show(struct buf *b);

#endif
