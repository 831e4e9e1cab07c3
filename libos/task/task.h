/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Processes and threads of this picoprocess.
 *
 * State hangs off the thread control block, never off globals: during vfork two processes live in one address space,
 * each with its own struct process reached from its own threads. What may be global is what both agree on: caches
 * (dentries), the heap, the sandbox area.
 *
 * A process is born by process_fork (its own memory) or process_vfork (shared until exec), changes its program by exec
 * and dies in exit. Scalar facts that others ask for (ids, group, session, state) live in its slot of the sandbox area
 * (coord/area.h), which is the truth for them.
 *
 * Lock order, outermost first:
 *   process.lock              threads, children, credentials, limits
 *     fdtab.lock              (vfs/file.h)
 *       dcache_lock           the tree of names and nodes (vfs/dentry.c), not held over host calls that may block
 *     mm.lock                 address space (mm/mm.h)
 *       sighand.lock          actions, pending queues, masks of other threads
 *         heap                (pal/base/heap.h)
 * fork takes them all in this order (task/fork_locks.c), so that the child finds them free.
 */
#ifndef LIBOS_TASK_TASK_H
#define LIBOS_TASK_TASK_H

#include "pal/pal.h"
#include "pal/base/list.h"
#include "pal/base/lock.h"
#include "pal/base/str.h"
#include "pal/base/heap.h"
#include "libos/signal/signal.h"

#define NGROUPS_KEPT 64
#define TASK_COMM 16

struct mm;
struct fdtab;
struct area_slot;

struct cred {
	u32 ruid, euid, suid, fsuid;
	u32 rgid, egid, sgid, fsgid;
	u32 ngroups;
	u32 groups[NGROUPS_KEPT];
	u64 cap_effective, cap_permitted, cap_inheritable; /* all set for euid 0, else none */
};

/* Where path walks begin: paths are refcounted (vfs/vfs.h). */
struct fs_context;

struct process {
	s32 pid;			/* immutable; guest pid = tgid */
	struct area_slot *slot;		/* immutable; shared with the sandbox */
	struct mutex lock;		/* guards the next group */
	struct list threads;		/* struct thread.sibling; changed under sig.lock too, which walks it */
	unsigned nthreads;
	struct list children;		/* struct child.link: host children not yet reaped */
	struct cred cred;
	struct rlimit64 rlimits[16];
	struct rusage children_usage;	/* of those reaped */
	struct mm *mm;			/* immutable but at exec; shared with the parent in a vfork child */
	struct fdtab *files;		/* immutable but at exec; guarded by its own lock */
	struct fs_context *fs;		/* cwd, root, umask; has its own lock */
	struct sighand sig;		/* guarded by sig.lock */
	char comm[TASK_COMM];
	char *exe;			/* guest path of the program; guarded by lock */
	char *cmdline;			/* argv, NUL separated; guarded by lock */
	size_t cmdline_size;
	bool vfork_child;		/* shares its parent's memory: exec goes through pal_exec_image */
	bool did_exec;			/* since fork: setpgid by the parent is EACCES */
	bool dumpable, no_new_privs, child_subreaper;
	int pdeathsig;
	u32 exiting;			/* atomic: 1 + wait status once exit_group began */
	u32 exec_by;			/* atomic: tid of the thread that is exec'ing and waits for the others to leave */
	u64 start_ns;			/* CLOCK_BOOTTIME at fork */
	u32 personality;
	struct timer_set *timers;	/* POSIX timers, fs/timer.c; NULL: none */
	int ctty_fd;			/* host fd of the controlling terminal, -1 none; guarded by lock */
	struct tty *ctty;		/* fs/tty.h */
};

/* A child of this process on the host, until reaped. Guarded by process.lock. */
struct child {
	struct list link;
	s32 pid;			/* guest */
	s32 host_pid;
	int exit_signal;		/* SIGCHLD, or what clone() asked for (0: none, only __WCLONE waits see it) */
};

struct thread {
	struct pal_tcb tcb;		/* first: GS points here */
	struct process *proc;		/* immutable */
	s32 tid;			/* immutable; guest tid (leased like pids) */
	struct list sibling;		/* guarded by proc->lock */
	struct sigthread sig;		/* see signal/signal.h */
	u32 *clear_child_tid;		/* guest address; owner thread only */
	void *robust_list;		/* guest address; owner thread only */
	size_t robust_size;
	char comm[TASK_COMM];		/* guarded by proc->lock */
	/* A relative wait that a signal without handler interrupted goes on from here (restart_syscall). */
	struct {
		long (*fn)(struct thread *t);
		u64 arg[5];
	} restart;			/* owner thread only */
	struct { u32 *uaddr; } futex;
	int nice;
	bool exiting;
};

static inline struct thread *current(void)
{
	return (struct thread *)pal_tcb();
}

static inline struct process *this_process(void)
{
	return current()->proc;
}

static inline struct pal_regs *guest_regs(void)
{
	return pal_frame(&current()->tcb);
}

/* A blocking PAL call's -EINTR becomes restartable, as Linux's own calls are. */
static inline long restartable(long r)
{
	return r == -EINTR ? -ERESTARTSYS : r;
}

/* ---- task/thread.c ---- */
struct thread *thread_create(struct process *p, s32 tid); /* allocated, linked; ERR_PTR */
void thread_unlink(struct thread *t);

/* ---- task/clone.c ---- */
/* The four ways to clone, after clone's flags were checked by sys/task.c. Result as clone(2). */
struct clone_request {
	u64 flags, stack, tls;
	s32 *parent_tid, *child_tid; /* guest addresses */
	int exit_signal;
};
long task_clone(const struct clone_request *a);
/* The child of a fork begins here, in its own memory: reset what is not inherited. */

/* ---- task/fork_locks.c ---- */
void fork_locks_take(void);
void fork_locks_release(void); /* in parent and child alike */

/* ---- task/exec.c ---- */
/* execve/execveat: argv and envp are guest pointers, path is kernel-side. Returns only on error. */
long task_exec(int dirfd, const char *path, const u64 *argv, const u64 *envp, int flags);
/* First program of a process that the leader made: everything libOS-side. Returns only on error (-errno). */
long task_exec_kernel(const char *path, char **argv, char **envp);

/* ---- task/exit.c ---- */
void task_exit_thread(int status) noreturn_fn;	/* exit(2) */
void task_exit_group(int wait_status) noreturn_fn; /* wait status: code << 8, or signal number */

/* ---- task/wait.c ---- */
/* Host SIGCHLD arrived: queue the guest's SIGCHLD with translated siginfo; reap if ignored. From libOS context. */
void task_child_event(const struct siginfo *host);

/* ---- task/group.c ---- */
s32 task_guest_pid(s32 host_pid);		/* 0: unknown */
s32 task_host_pid(s32 guest_pid);		/* 0: no such process */
s32 task_guest_pgid(s32 host_pgid);		/* 0: unknown */
s32 task_host_pgid(s32 guest_pgid);

/* ---- task/cred.c ---- */
bool capable(const struct process *p); /* euid 0: what Linux would ask a capability for */
bool in_group(const struct cred *c, u32 gid);

#endif
