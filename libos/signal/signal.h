/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Guest signals: actions, pending queues, delivery.
 *
 * A signal reaches this picoprocess in three ways: raised inside (kill to self, SIGPIPE, a fault), carried by a kick
 * from another picoprocess, or from the host's terminal and job control. The last two arrive in the PAL's handler,
 * which may take no lock: it appends to the thread's inbox ring. The thread empties its inbox (signal_drain) whenever
 * it is about to return to the guest or to block, moving each into the process's or its own queue; then
 * signal_deliver takes what the mask lets through, runs default actions or builds the handler's frame on the guest
 * stack.
 *
 * "Before you block" is safe because the PAL's cancellable calls refuse to block while tcb.pending is set, and the kick
 * breaks them off later.
 */
#ifndef LIBOS_SIGNAL_SIGNAL_H
#define LIBOS_SIGNAL_SIGNAL_H

#include "pal/pal.h"
#include "pal/base/list.h"
#include "pal/base/lock.h"

struct thread;
struct process;

#define SIG_COUNT 64
#define SIG_BIT(n) (1ull << ((n)-1))
#define SIG_UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
#define SIG_SYNCHRONOUS \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))

/* The kernel's struct sigaction of x86-64, as the guest passes it. */
struct sig_action {
	u64 handler;
	u64 flags;
	u64 restorer;
	u64 mask;
};

struct sigqueue {
	struct list link;
	struct siginfo info;
};

/* Pending signals: the set, and one entry or more a signal (standard signals keep at most one). */
struct sigpending {
	u64 set;
	struct list queue; /* struct sigqueue, in order of arrival */
};

struct sighand {
	struct mutex lock;
	struct sigpending shared;
	unsigned queued;	/* entries in all queues of the process, against RLIMIT_SIGPENDING */
	struct list watchers;	/* signalfds and such: woken when something is queued (fs/signalfd.c) */
	struct sig_action action[SIG_COUNT]; /* [sig - 1]; last: large, and not written by a fork */
};

#define INBOX_SIZE 64
#define INBOX_RESERVE 24	/* entries that kicks leave free */

/* Written by the PAL's handler on this very thread, read by the thread itself: needs no lock. */
struct inbox {
	u32 head, tail; /* head: next to read, tail: next to write; free-running */
	u64 overflow;	/* standard signals that found the ring full, as a set (atomic) */
	u32 look;	/* atomic: a message may wait on the coordination stream */
	struct siginfo slot[INBOX_SIZE];
};

struct sigthread {
	u64 blocked;		/* written by the owner; read by others under sighand.lock */
	u64 saved_mask;		/* restored after sigsuspend, ppoll, pselect; valid if restore_mask */
	bool restore_mask;
	u64 waiting;		/* set of sigtimedwait in progress: such signals wake though blocked */
	struct sigpending pending;
	stack_t altstack;
	struct siginfo fault;	/* of libos_upcall_fault, and what the frame shows */
	u64 fault_trapno, fault_err, fault_cr2;
	struct inbox inbox;	/* last: its ring is large and rarely written, so a fork need not copy it */
};

/* ---- signal/queue.c ---- */
void signal_init(struct process *p);
void signal_thread_init(struct thread *t);
/* Queue info (si_signo says which) to the process, or to t alone; wakes a thread that may take it. Rules of Linux for
 * ignored signals, SIGCONT and the stop signals. 0, or -EAGAIN when RLIMIT_SIGPENDING is reached (rt signals only). */
int signal_send_process(struct process *p, const struct siginfo *info);
/* From another process, with t NULL to the process: accepted whatever the limit. */
int signal_receive(struct process *p, struct thread *t, const struct siginfo *info);
int signal_send_thread(struct thread *t, const struct siginfo *info);
/* Raise a synchronous signal in the calling thread; it is delivered before the guest goes on: blocked or ignored, its
 * action falls back to the default. */
void signal_force(int sig, int code, u64 addr);
void signal_force_info(struct thread *t, const struct siginfo *info);
/* Convenience: si_code SI_KERNEL or SI_USER from this process to itself. */
void signal_self(int sig, int code);
/* Move the inbox into the queues. Owner thread. Returns true if anything deliverable is pending now, or a split, which is
 * made on the way out, too (split/asked.c). */
bool signal_drain(struct thread *t);
/* Anything that would interrupt a blocking call of t? */
bool signal_pending(struct thread *t);
/* Take the next pending signal in set (lowest synchronous first, then lowest number), or 0. */
int signal_dequeue(struct thread *t, u64 set, struct siginfo *info);
void signal_defaults(struct process *p); /* handlers to default, SIG_IGN stays */
void signal_flush_exec(struct process *p); /* that, and no alternate stack */
/* A vfork/fork child starts with empty queues and the parent's actions and mask. */
void signal_fork(struct process *child, struct thread *t, const struct process *parent);

/* A pending signal of set may be dequeued by t right now? */
bool signal_available(struct thread *t, u64 set);

/* ---- signal/send.c: to others ---- */
/* kill(2): pid > 0, 0, -1, < -1; sig 0 only checks. info is filled as for kill, or given (sigqueue). */
int signal_kill(s32 pid, const struct siginfo *info, int sig);
int signal_tgkill(s32 tgid, s32 tid, const struct siginfo *info, int sig);
/* From the system itself: nobody is asked whether he may. */
int signal_send_pid(s32 pid, const struct siginfo *info);
/* To every process of a group / one process by the slot's owner. */
int signal_send_pgid(s32 pgid, const struct siginfo *info, int sig);

/* ---- signal/deliver.c ---- */
/* On the way out: handlers' frames, default actions, restarts. Called with the frame complete. */
void signal_deliver(struct thread *t);
/* Replace the mask until the call returns to the guest (sigsuspend, ppoll, pselect, epoll_pwait). */
void signal_swap_mask(struct thread *t, u64 mask);
void signal_set_mask(struct thread *t, u64 mask);

/* ---- signal/frame_x86_64.c ---- */
int signal_build_frame(struct thread *t, const struct sig_action *a, const struct siginfo *info, u64 mask);
long signal_return(struct thread *t); /* rt_sigreturn; the frame becomes what the guest's stack says */

/* ---- signal/action.c ---- */
long signal_action(int sig, const struct sig_action *set, struct sig_action *old);
bool signal_ignored(struct process *p, int sig);

#endif
