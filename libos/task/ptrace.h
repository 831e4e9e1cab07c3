/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ptrace(2) between processes of one sandbox. The host has no part in it: to stop is to sleep in the libOS.
 *
 * Who traces a thread stands in its slot, how the two deal with each other in the area's record beside it (struct
 * area_trace). A thread stops by itself, at places where it holds no lock: on the way back to the guest (signals, steps,
 * stops wished for), round its system calls, and after a clone or exec. It writes its registers into the record and
 * sleeps at the record's state; so the tracer reads and changes registers with no word to it. What only the thread can
 * do (its memory, its vector state) is a request in the record, for which it wakes.
 *
 *                 stop                  request               resume
 *      RUNS ───────────────▶ STOPPED ◀──────────▶ ASKED    STOPPED ────▶ RESUMED ──▶ RUNS
 *       tracee                        tracer, tracee          tracer         tracee
 *
 * The tracer's waits look at the records of its tracees beside what the host says of its children (task/wait.c); they
 * sleep at a word in its slot. A tracee whose tracer is gone, however it went, goes on: the tracer says so at its end, who
 * reaps it does in its stead, and a stopped thread looks now and then.
 *
 * A process that is traced gets SIGSTOP carried like other signals, not the host's, so that its tracer sees it first.
 */
#ifndef LIBOS_TASK_PTRACE_H
#define LIBOS_TASK_PTRACE_H

#include "libos/task/task.h"
#include "libos/coord/area.h"

enum { TRACE_RUNS, TRACE_STOPPED, TRACE_ASKED, TRACE_LISTENS, TRACE_RESUMED, TRACE_ENDED };
enum { TRACE_READ, TRACE_WRITE, TRACE_GET_XSTATE, TRACE_SET_XSTATE };

/* thread.traced */
#define TRACEE 0x1u
#define TRACEE_CALLS 0x2u	/* stops round system calls */
#define TRACEE_STEPS 0x4u	/* and after each instruction */
#define TRACEE_EMULATES 0x8u	/* calls are the tracer's to make (PTRACE_SYSEMU) */
#define TRACEE_CHANGED 0x100u	/* the tracer wrote registers: all of them are to be restored */
#define TRACEE_STEPPED 0x200u	/* a call or a handler's frame was the step */

/* ---- ptrace.c: the traced side. All by the thread itself, with no lock held, but where said. ---- */
void trace_attend(struct thread *t); /* somebody changed something about it */
bool trace_wanted(const struct thread *t); /* is it to stop on its way to the guest? */
void trace_stop_wanted(struct thread *t);
/* A stop for a step that the processor does not count. True if it was made. */
bool trace_stop_step(struct thread *t);
/* Its slot may say so a moment before it was told: a signal that is sent after that must not slip through. */
static inline bool trace_is_on(const struct thread *t)
{
	return t->traced || atomic_load_relaxed(&area_slot(t->tid)->tracer);
}
/* A signal is about to act. False: the tracer took it; else info is what is to act. */
bool trace_signal(struct thread *t, struct siginfo *info);
void trace_stop_all(struct thread *t, int sig); /* the default action of a stop signal */
void trace_go_on(struct thread *t); /* last thing before the guest runs */
/* Before a call: false if it is not to be made. After it, with its result; the result as the tracer leaves it. */
bool trace_call_enter(struct thread *t, struct pal_regs *regs);
long trace_call_leave(struct thread *t, struct pal_regs *regs, long r);
/* A filter leaves a call to the tracer. False: there is none, or the call is not to be made. */
bool trace_seccomp(struct thread *t, u32 data);
bool trace_call_again(struct thread *t, long r); /* r: to be carried out anew at once? */
void trace_returned(struct thread *t); /* from a handler: a call whose registers are all another's */
void trace_exec(struct thread *t, struct pal_regs *regs); /* a new program is about to begin */
void trace_exiting(struct thread *t, int status);
void trace_moved(s32 from, s32 to); /* a thread's exec makes it the first */
/* Which event a clone is to the tracer; 0: none. */
unsigned trace_birth_event(const struct clone_request *a);
void trace_event(struct thread *t, unsigned event, u64 message); /* if it was asked for */
/* Child id, whose slot is ready, begins to be traced if its parent's tracer wants it. Parent. */
void trace_birth(s32 id, u64 flags);
void trace_born(struct thread *t); /* its first thread: the parent, before it runs; after a fork itself */
long trace_me(void); /* PTRACE_TRACEME */

/* ---- peek.c ---- */
/* This process's memory as a debugger reads and writes it. Bytes, fewer at a fault, or -EIO if there are none. */
ssize_t peek_own(struct mm *mm, u64 addr, void *buf, size_t n, bool write);

/* ---- tracer.c: the tracing side ---- */
/* Tell a tracer's waits to look again. Anybody. */
void trace_tell(struct area_slot *tracer);
bool trace_any(s32 pid); /* is any thread of that process traced? */
bool trace_holds(s32 id); /* is that thread in a stop of its tracer's? */
/* Thread or process id has ended, with a wait status. Whoever knows. */
void trace_ended(s32 id, u32 status);
void trace_tracer_gone(s32 pid);
/* What a tracee has to tell: out->pid 0: nothing. Is there any tracee that is meant? */
bool trace_report(int which, s32 id, int options, struct wait_result *out);
/* The record of a tracee of the caller's that is stopped, or NULL. */
struct area_trace *trace_stopped(s32 id);
int trace_attach(s32 id, bool seize, u32 options);
int trace_resume(s32 id, u32 how, int sig); /* how: TRACEE_* */
int trace_listen(s32 id);
int trace_interrupt(s32 id);
int trace_detach(s32 id, int sig);
/* One request of up to TRACE_DATA bytes. Bytes, or -errno. */
ssize_t trace_request(s32 id, unsigned what, u64 addr, void *buf, size_t n);
/* Memory of the process that stopped tracee id is of. Bytes, fewer at a fault, or -errno. */
ssize_t trace_memory(s32 id, u64 addr, void *buf, size_t n, bool write);
/* A stopped thread of pid's that the caller traces, 0: none. */
s32 trace_stopped_thread(s32 pid);

#endif
