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
 *   binds_lock                binds that came (vfs/mount.c)
 *   chain_lock                the stack of layers (fs/union_chain.c), while nobody is in one
 *   process.reap              an ended child: that it is there, and what its slot says (task/wait.c)
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
#include "libos/task/why.h"
#include "pal/base/list.h"
#include "pal/base/lock.h"
#include "pal/base/str.h"
#include "pal/base/heap.h"
#include "libos/signal/signal.h"
#include "libos/fs/chain.h"

#define NGROUPS_KEPT 64
#define TASK_COMM 16

struct mm;
struct seccomp_filter;
struct fdtab;
struct area_slot;

struct cred {
	u32 ruid, euid, suid, fsuid;
	u32 rgid, egid, sgid, fsgid;
	u32 ngroups;
	u32 groups[NGROUPS_KEPT];
	u64 cap_effective, cap_permitted, cap_inheritable; /* all set for euid 0, else none */
	u64 cap_bounding; /* what exec may give */
};

/* Where path walks begin: paths are refcounted (vfs/vfs.h). */
struct fs_context;

struct process {
	s32 pid;			/* immutable; guest pid = tgid */
	struct area_slot *slot;		/* immutable; shared with the sandbox */
	struct mutex reap;		/* lock order, above */
	struct mutex lock;		/* guards the next group */
	struct list threads;		/* struct thread.sibling; changed under sig.lock too, which walks it */
	unsigned nthreads;
	bool had_clone_children;	/* ever one whose exit signal is not SIGCHLD: waits must look at each. Sticky */
	struct cred cred;
	struct rlimit64 *rlimits;	/* in the slot; anyone with the right may change them (sys/limits.c) */
	struct rusage children_usage;	/* of those reaped */
	struct mm *mm;			/* immutable but at exec; shared with the parent in a vfork child */
	struct fdtab *files;		/* immutable but at exec; guarded by its own lock */
	struct fs_context *fs;		/* cwd, root, umask; has its own lock */
	struct sighand sig;		/* guarded by sig.lock */
	char comm[TASK_COMM];
	char *exe;			/* guest path of the program; guarded by lock */
	char *cmdline;			/* argv, NUL separated; guarded by lock */
	size_t cmdline_size;
	char *exec_text;	/* a vfork child's: what it executes the image with; its parent frees it */
	bool vfork_child;		/* shares its parent's memory: exec goes through pal_exec_image */
	/* A vfork child: at its end or on its way out, and holds no lock any more. Not only in its slot, which may be
	 * another's by the time its parent looks. */
	bool left;
	bool traced;			/* some thread is: what is ignored is queued, too, for its tracer to see */
	struct loan *loans;		/* children that run in this memory (vfork.c); guarded by lock */
	bool did_exec;			/* since fork: setpgid by the parent is EACCES */
	bool dumpable, no_new_privs, child_subreaper;
	bool thp_disabled;		/* PR_SET_THP_DISABLE: kept and shown, the host decides */
	bool keep_caps;			/* PR_SET_KEEPCAPS; until exec */
	int pdeathsig;
	u32 exiting;			/* atomic: 1 + wait status once exit_group began */
	u32 exec_by;			/* atomic: tid of the thread that is exec'ing and waits for the others to leave */
	u64 start_ns;			/* CLOCK_BOOTTIME at fork */
	u32 personality;
	struct aio *aio;		/* contexts of io_setup, sys/aio.c; guarded by lock */
	struct timer_set *timers;	/* POSIX timers, fs/timer.c; NULL: none */
	struct cpu_timer {		/* ITIMER_VIRTUAL, ITIMER_PROF; all in ns */
		s64 value, interval;	/* until it expires, 0: off; and again */
		s64 base;		/* processor time when value was that */
	} cpu_timer[2];			/* guarded by lock */
	int first_status;		/* of the first thread's exit(2), should others outlive it; guarded by lock */
	int start_fd;			/* pipe that tells the leader how the first exec went; -1 once told */
	u32 ipc_joined;			/* atomic: takes part in IPC (ipc/area.c) */
	u32 births;			/* atomic: children it has had */
	u32 early_sockets;		/* atomic: some of its sockets may be unknown to the leader (net/ask.c) */
	struct open_chain layers;	/* chain_lock; read by who is in a layer (fs/union_chain.c) */
	u32 binds_seq;			/* of the binds that it has open (vfs/mount.c); binds_lock, read without */
	int reaped;			/* status of the last child that was waited for; any thread's */
	struct {			/* children whose SIGCHLD may be looked at when their ids are gone */
		int host;
		s32 pid, exit_signal;
		u32 uid;
	} gone[8];
	unsigned ngone;
	bool told_raw;			/* the monitor knows that the terminal is not canonical (fs/tty.c) */
	int ctty_fd;			/* host fd of the controlling terminal, -1 none; guarded by lock */
};

struct thread {
	struct pal_tcb tcb;		/* first: GS points here */
	struct process *proc;		/* immutable */
	s32 tid;			/* immutable; guest tid (leased like pids) */
	struct list sibling;		/* guarded by proc->lock */
	u32 *clear_child_tid;		/* guest address; owner thread only */
	void *robust_list;		/* guest address; owner thread only */
	size_t robust_size;
	char comm[TASK_COMM];		/* guarded by proc->lock */
	/* A relative wait that a signal without handler interrupted goes on from here (restart_syscall). */
	struct {
		long (*fn)(struct thread *t);
		u64 arg[5];
	} restart;			/* owner thread only */
	/* Is a call more than its handler? One word for the dispatch to look at. */
	union {
		u64 slow;
		struct {
			u32 seccomp_mode; /* atomic: SECCOMP_MODE_*; 0 none. Others set it by TSYNC, as the next */
			u32 traced;	/* TRACEE_*; 0 not; owner thread only (task/ptrace.h) */
		};
	};
	const struct seccomp_filter *seccomp;
	u64 slack;			/* PR_SET_TIMERSLACK in ns, 0: the default; owner thread only */
	u8 mce;				/* PR_MCE_KILL: 1 + PR_MCE_KILL_LATE or _EARLY, 0: the default; owner thread only */
	u8 *trace_xstate;		/* vector state that comes in pieces, NULL: none (task/ptrace.c) */
	bool exiting;
	u32 in_layers;			/* how deep it is in operations on layers (fs/union_chain.c); owner thread only */
	struct why why;			/* calls that failed; owner thread only */
	struct sigthread sig;		/* see signal/signal.h; last, for its size */
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

/* ---- task/process.c ---- */
/* A process with pid's slot and no threads yet; everything inherited comes from parent (NULL: the leader's own start).
 * Its mm, files and fs are still NULL. NULL: no memory. */
void process_limit_files(struct rlimit64 *files); /* what a session begins with: the host's limit, and the sandbox's */
struct process *process_create(s32 pid, const struct process *parent);
void process_free(struct process *p);
/* Fill in the slot of a child to be born: it counts as running, though it has no host_pid until the host writes it
 * (who needs it at that moment waits: signal/send.c). */
void process_slot_init(s32 pid, struct process *parent, int exit_signal);
/* How it is scheduled, of a thread's slot or a process's. */
void slot_inherit(struct area_slot *s, const struct area_slot *from);
/* The leader's own: limits and CPUs are where the host's begin. */
void process_slot_first(struct process *p);
/* It was not born after all: the slot and its id are free again. */
void process_slot_drop(s32 pid);
/* The same for a child of one that was killed before it was born. */
void process_slot_bury(s32 pid);
void process_set_dumpable(struct process *p, bool yes);
/* Who runs what: name, command line and the slot's card. comm NULL: as it was. */
void process_set_comm(struct process *p, struct thread *t, const char *comm);
void process_set_cmdline(struct process *p, char *cmdline, size_t size); /* takes cmdline */

/* ---- task/thread.c ---- */
struct thread *thread_create(struct process *p, s32 tid); /* allocated, linked; ERR_PTR */
void thread_unlink(struct thread *t); /* caller holds proc->lock */
/* End all threads of the caller's process but the caller: exec. Returns when they are gone. */
void thread_end_others(void);
/* What a thread that ends owes the guest's memory: robust list, the word that pthread_join waits on. */
void thread_release_user(struct thread *t, bool clear_tid);

/* ---- task/clone.c ---- */
/* The four ways to clone, after clone's flags were checked by sys/task.c. Result as clone(2). */
struct clone_request {
	u64 flags;
	u64 stack;
	s32 *parent_tid, *child_tid;
	u64 tls;
	int exit_signal;
	int *pidfd;
};
long task_clone(const struct clone_request *a);
void clone_tell(s32 *where, s32 id); /* CLONE_PARENT_SETTID and its kin */
/* The child's registers are the caller's, but for the result and the stack (0: the same). */
void clone_frame(struct thread *t, u64 stack);

/* ---- task/fork.c ---- */
long task_fork(const struct clone_request *a);
/* The leader's fork: 0 in the child, which is then an empty process of its own, else its guest pid. */
s32 task_fork_plain(void);

/* ---- task/vfork.c ---- */
long task_vfork(const struct clone_request *a);
/* The same, but caller and child run at once: CLONE_VM without CLONE_VFORK. */
long task_lend(const struct clone_request *a);
/* Sleep until that child has left this memory, whatever happens. */
void task_lent_wait(s32 pid);
/* Take back what children had that have left: true if some are in this memory still. */
bool task_lends(struct process *p);
/* Does that process run in the caller's memory, or the caller in its? */
bool task_shares_memory(const struct area_slot *s);

/* ---- task/fork_locks.c ---- */
bool process_is_alone(const struct process *p); /* the only thread of its memory */
bool fork_locks_take(void);	/* false: none was needed, and none is to be released */
void fork_locks_release(void); /* in parent and child alike */
/* After a borrower was killed at some instruction: did it hold a lock, which nobody will release? */
bool fork_locks_orphaned(void);

/* ---- task/exec.c ---- */
/* execve/execveat: argv and envp are guest pointers, path is kernel-side. Returns only on error. */
long task_exec(int dirfd, char *path, const u64 *argv, const u64 *envp, int flags);
/* First program of a process that the leader made: everything libOS-side. Returns only on error (-errno). */
long task_exec_kernel(const char *path, char **argv, char **envp);

/* ---- task/exit.c ---- */
void task_exit_thread(int status) noreturn_fn;	/* exit(2); status as given */
void task_exit_group(int wait_status) noreturn_fn; /* wait status: code << 8, or signal number */
/* pid ended: its children belong to the nearest subreaper above, or the leader. */
void task_orphan_children(s32 pid);

/* ---- task/wait.c ---- */
struct wait_result {
	s32 pid;	/* guest; 0: nothing yet (WNOHANG) */
	u32 uid;
	int code, status; /* si_code (CLD_*), si_status */
	struct rusage ru;
};
/* which: P_ALL, P_PID, P_PGID (id 0: the caller's group); options: WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT,
 * __W*. 0 or -errno. */
int task_wait(int which, s32 id, int options, struct wait_result *out);
/* Host SIGCHLD arrived: queue the guest's SIGCHLD with translated siginfo; reap if ignored. From libOS context. */
void task_child_event(const struct siginfo *host);
/* A process was reaped on the host: give back its ids. */
void task_reaped(s32 pid);

/* ---- task/group.c ---- */
void task_born(s32 pid);			/* its host pid is known: it is to be found by that */
s32 task_guest_pid(s32 host_pid);		/* 0: unknown */
s32 task_guest_child(s32 host_pid, s32 ppid);	/* the same of a child that the host tells of, which ends perhaps */
s32 task_host_pid(s32 guest_pid);		/* 0: no such process */
s32 task_guest_pgid(s32 host_pgid);		/* 0: unknown */
s32 task_host_pgid(s32 guest_pgid);
int task_setpgid(s32 pid, s32 pgid);
int task_setsid(void);

/* ---- task/cred.c ---- */
bool capable(const struct process *p); /* euid 0: what Linux would ask a capability for */
bool task_may_trace(const struct area_slot *s); /* may the calling process look into that one? */
bool in_group(const struct cred *c, u32 gid);
void cred_init(struct cred *c); /* the grant's user */
void cred_exec(struct cred *c); /* saved ids and capabilities as a new program finds them */
void cred_publish(struct process *p); /* ids into the slot. Caller holds p->lock */

/* ---- task/robust.c ---- */
/* Walk the list of mutexes that t holds as it ends: mark them, wake who waits. */
void robust_list_exit(struct thread *t);
/* The calling thread's list is head from now on. */
void robust_list_set(struct thread *t, void *head);
/* Thread id was killed before it could walk its list. */
void robust_note_killed(s32 id);
/* Who is named by the word of a lock: a living thread; one that ended and released what its list named; one that was
 * killed, so that its locks still name it. */
enum robust_owner { OWNER_ALIVE, OWNER_ENDED, OWNER_KILLED };
enum robust_owner robust_owner(u32 word);
/* Does word, which holds val and which the caller is to wait for, look like a robust lock's? LIKELY: it lies in its owner's
 * list, as far as one can tell; SURE: the caller's own list names it. */
enum robust_look { ROBUST_NO, ROBUST_LIKELY, ROBUST_SURE };
enum robust_look robust_look(const u32 *word, u32 val);
/* The word says what the host would have made of it at its owner's death, if it is still old: 1, 0 it is not, -EFAULT. */
int robust_mark(u32 *word, u32 old);

#endif
