/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * clone: what its flags ask for decides between a thread (here), a copy-on-write twin (fork.c) and a child that borrows
 * the parent's memory until it executes a program or ends, while the parent sleeps or at the same time (vfork.c).
 *
 * Flags that need the host's privilege or that a copy cannot honour (a descriptor table shared by processes that do not
 * share memory) are refused as Linux refuses what it cannot do.
 */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"
#include "libos/sys/user.h"
#include "libos/task/ptrace.h"
#include "libos/task/seccomp.h"
#include "libos/fs/pidfd.h"
#include "libos/net/net.h"

#define CLONE_NEW_ANY                                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWTIME)
#define THREAD_NEEDS (CLONE_VM | CLONE_SIGHAND)

static int check_flags(u64 f)
{
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_CLEAR_SIGHAND) && (f & CLONE_SIGHAND))
		return -EINVAL;
	if (f & CLONE_NEW_ANY)
		return f & CLONE_FS && f & (CLONE_NEWNS | CLONE_NEWUSER) ? -EINVAL : -EPERM;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	/* A sibling would have to be the child of another picoprocess. */
	if (f & CLONE_PARENT)
		return -EINVAL;
	return 0;
}

void clone_tell(s32 *where, s32 id)
{
	int err = user_write_u32((u32 *)where, (u32)id);

	(void)err; /* Linux ignores a bad address here too */
}

void clone_frame(struct thread *t, u64 stack)
{
	struct pal_regs *regs = pal_frame(&t->tcb);

	*regs = *guest_regs();
	regs->rax = 0;
	regs->orig_rax = -1;
	if (stack)
		regs->rsp = stack;
}

static void thread_begin(void *arg)
{
	struct thread *t = arg;

	atomic_store(&area_slot(t->tid)->host_pid, t->tcb.host_tid);
	entry_leave();
}

static struct thread *thread_prepare(const struct clone_request *a, s32 tid)
{
	struct thread *self = current(), *t = thread_create(self->proc, tid);
	struct area_slot *s = area_slot(tid);

	if (IS_ERR(t))
		return t;
	BUG_ON(!s);
	clone_frame(t, a->stack);
	memcpy(t->comm, self->comm, sizeof(t->comm));
	memcpy(s->comm, self->comm, sizeof(s->comm));
	t->sig.blocked = self->sig.blocked;
	t->slack = self->slack;
	t->mce = self->mce;
	seccomp_inherit(t, self);
	if (a->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = (u32 *)a->child_tid;
	/* Memory is shared, so both words may be written here, before either side goes on. */
	if (a->flags & CLONE_PARENT_SETTID)
		clone_tell(a->parent_tid, tid);
	if (a->flags & CLONE_CHILD_SETTID)
		clone_tell(a->child_tid, tid);
	if (!(self->proc->slot->flags & AREA_THREADED))
		atomic_or(&self->proc->slot->flags, AREA_THREADED);
	s->tgid = self->proc->pid;
	slot_inherit(s, area_slot(self->tid));
	trace_birth(tid, a->flags);
	trace_born(t);
	atomic_store(&s->state, AREA_THREAD);
	atomic_add(&the_area->nthreads, 1);
	return t;
}

static long clone_thread(const struct clone_request *a)
{
	struct thread *t;
	s32 tid = area_take_id(this_process()->pid);
	int host;

	if (tid < 0)
		return tid;
	t = thread_prepare(a, tid);
	if (IS_ERR(t)) {
		area_free_id(tid);
		return PTR_ERR(t) == -ENOMEM ? -EAGAIN : PTR_ERR(t);
	}
	host = pal_thread_start(&t->tcb, a->flags & CLONE_SETTLS ? a->tls : pal_get_fs(), thread_begin, t);
	if (host < 0) {
		atomic_sub(&the_area->nthreads, 1);
		area_free_id(tid);
		lock(&t->proc->lock);
		thread_unlink(t);
		unlock(&t->proc->lock);
		pal_thread_free(&t->tcb, sizeof(*t));
		return host;
	}
	return tid;
}

/* The child may be gone already, and its id too, if nobody wants to hear of children: it has ended, then. */
static void give_pidfd(s32 pid, int *where)
{
	int fd = pidfd_install(pid, 0);

	if (fd == -ESRCH)
		fd = pidfd_install_ended(pid);
	if (fd >= 0 && user_write_u32((u32 *)where, (u32)fd))
		(void)fdtab_close(fd);
}

/* Does the caller's user run as many processes and threads as RLIMIT_NPROC allows? */
static bool user_full(const struct process *p)
{
	u64 limit = p->rlimits[RLIMIT_NPROC].rlim_cur, n = 0;

	/* All of the sandbox's together may be fewer. */
	if (limit > atomic_load_relaxed(&the_area->nthreads) || !p->cred.ruid ||
	    (p->cred.cap_effective & (1ull << CAP_SYS_RESOURCE)))
		return false;
	for (s32 id = area_next(1, false); id && n < limit; id = area_next(id + 1, false))
		if (area_slot(id)->ruid == p->cred.ruid)
			n += MAX(area_slot(id)->nthreads, 1u);
	return n >= limit;
}

static long clone_any(const struct clone_request *a)
{
	long pid;

	if (a->flags & CLONE_THREAD)
		return clone_thread(a);
	net_introduce_all();
	if (!(a->flags & CLONE_VM))
		pid = task_fork(a);
	else
		pid = a->flags & CLONE_VFORK ? task_vfork(a) : task_lend(a);
	if (pid > 0 && (a->flags & CLONE_PIDFD))
		give_pidfd((s32)pid, a->pidfd);
	return pid;
}

/*
 * The tracer hears of the child. While it looks, the parent is stopped: so one of vfork is not left asleep on the host,
 * but lends its memory and sleeps here.
 */
static long clone_told(const struct clone_request *a, unsigned event)
{
	struct clone_request lend = *a;
	bool vfork = (a->flags & (CLONE_VM | CLONE_VFORK | CLONE_THREAD)) == (CLONE_VM | CLONE_VFORK);
	long pid;

	if (vfork)
		lend.flags &= ~(u64)CLONE_VFORK;
	pid = clone_any(&lend);
	if (pid <= 0)
		return pid;
	trace_event(current(), event, (u64)pid);
	if (vfork) {
		task_lent_wait((s32)pid);
		trace_event(current(), PTRACE_EVENT_VFORK_DONE, (u64)pid);
	}
	return pid;
}

long task_clone(const struct clone_request *a)
{
	int err = check_flags(a->flags);
	unsigned event;

	if (err)
		return err;
	if (user_full(this_process()))
		return -EAGAIN;
	/* A signal that is there already comes first: the child must not miss what was meant for its group. */
	if (!(a->flags & CLONE_THREAD) && signal_drain(current()))
		return -ERESTARTNOINTR;
	if (unlikely(current()->traced) && (event = trace_birth_event(a)))
		return clone_told(a, event);
	return clone_any(a);
}
