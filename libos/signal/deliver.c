/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * On the way back to the guest: take what the mask lets through and act on it. As Linux does, all deliverable signals
 * are stacked before the guest runs, and an interrupted call ends in its handler's EINTR or is made again.
 */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"
#include "libos/task/attend.h"
#include "libos/task/calls.h"
#include "libos/task/ptrace.h"
#include "libos/split/split.h"

#define NR_restart_syscall 219

/* Orphaned: no member has its parent in another group of the same session (POSIX 3.264). Then
 * nobody could continue it. */
static bool group_orphaned(s32 pgid)
{
	for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
		struct area_slot *s = area_slot(id), *parent;

		if (s->pgid != pgid || s->state == AREA_ZOMBIE)
			continue;
		parent = area_process(s->ppid);
		if (parent && s->ppid != 1 && parent->pgid != pgid && parent->sid == s->sid)
			return false;
	}
	return true;
}

/* conts: as it was when sig was still to be taken. Whoever continues us since is not to find us stopped. */
static void stop(struct process *p, int sig, u32 conts)
{
	if (sig != SIGSTOP && group_orphaned(p->slot->pgid))
		return;
	/* The parent's wait reads from the slot which signal it was: the host only ever sees SIGSTOP. */
	attend_note_usage(p);
	p->slot->exit_status = sig;
	atomic_store(&p->slot->state, AREA_STOPPED);
	if (sig != SIGSTOP)
		pal_stop(&p->slot->conts, conts);
	else if (atomic_load(&p->slot->conts) == conts)
		pal_kill(p->slot->host_pid, SIGSTOP);
	atomic_store(&p->slot->state, AREA_RUNNING);
}

static void stop_as_traced(struct thread *t, int sig)
{
	if (sig == SIGSTOP || !group_orphaned(t->proc->slot->pgid))
		trace_stop_all(t, sig);
}

static void default_action(struct process *p, int sig, u32 conts)
{
	switch (sig) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
		return;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		if (unlikely(current()->traced))
			stop_as_traced(current(), sig);
		else
			stop(p, sig, conts);
		return;
	default:
		task_exit_group(sig);
	}
}

static bool restart_code(long r)
{
	return r <= -ERESTARTSYS && r >= -ERESTART_RESTARTBLOCK;
}

/* A handler runs in the middle of a call: what the call's result becomes. */
static void restart_for_handler(struct pal_regs *regs, const struct sig_action *a)
{
	long r = regs->rax;

	if ((s64)regs->orig_rax == -1 || !restart_code(r))
		return;
	if (r == -ERESTARTNOINTR || (r == -ERESTARTSYS && (a->flags & SA_RESTART))) {
		regs->rip -= 2;
		regs->rax = regs->orig_rax;
	} else {
		regs->rax = -EINTR;
	}
	regs->orig_rax = -1;
}

static void restart_without_handler(struct pal_regs *regs)
{
	if ((s64)regs->orig_rax == -1 || !restart_code(regs->rax))
		return;
	regs->rip -= 2;
	regs->rax = (long)regs->rax == -ERESTART_RESTARTBLOCK ? NR_restart_syscall : regs->orig_rax;
	regs->orig_rax = -1;
}

static void run_handler(struct thread *t, const struct sig_action *a, const struct siginfo *info)
{
	struct sighand *s = &t->proc->sig;
	int sig = info->si_signo;
	u64 mask = t->sig.restore_mask ? t->sig.saved_mask : t->sig.blocked;

	restart_for_handler(guest_regs(), a);
	if (signal_build_frame(t, a, info, mask)) {
		/* No room on the guest's stack: as Linux, SIGSEGV; if that was it already, the default. */
		if (sig == SIGSEGV) {
			lock(&s->lock);
			s->action[SIGSEGV - 1].handler = (u64)SIG_DFL;
			unlock(&s->lock);
		}
		signal_force(SIGSEGV, SI_KERNEL, 0);
		return;
	}
	t->sig.restore_mask = false;
	signal_set_mask(t, t->sig.blocked | a->mask | (a->flags & SA_NODEFER ? 0 : SIG_BIT(sig)));
}

static void leave_if_ending(struct thread *t)
{
	struct process *p = t->proc;

	if (atomic_load(&p->exiting) || (atomic_load(&p->exec_by) && p->exec_by != (u32)t->tid))
		task_exit_thread(0);
}

void signal_deliver(struct thread *t)
{
	struct sighand *s = &t->proc->sig;
	struct siginfo info;
	int sig;

	for (;;) {
		u32 conts = atomic_load_relaxed(&t->proc->slot->conts);
		struct sig_action a;

		atomic_store(&t->tcb.pending, 0);
		signal_drain(t);
		leave_if_ending(t);
		if (unlikely(split_asked()))
			split_as_asked();
		if (unlikely(t->traced))
			trace_stop_wanted(t);
		sig = signal_dequeue(t, ~t->sig.blocked, &info);
		if (!sig) {
			restart_without_handler(guest_regs());
			if (unlikely(t->traced) && trace_stop_step(t))
				continue;
			if (!t->sig.restore_mask)
				break;
			t->sig.restore_mask = false;
			signal_set_mask(t, t->sig.saved_mask);
			continue;
		}
		if (unlikely(trace_is_on(t)) && !trace_signal(t, &info))
			continue;
		sig = info.si_signo;
		lock(&s->lock);
		a = s->action[sig - 1];
		if (a.handler > (u64)SIG_IGN && (a.flags & SA_RESETHAND))
			s->action[sig - 1].handler = (u64)SIG_DFL;
		unlock(&s->lock);
		if (a.handler != (u64)SIG_IGN)
			calls_note_signal(&info);
		if (a.handler == (u64)SIG_DFL)
			default_action(t->proc, sig, conts);
		else if (a.handler != (u64)SIG_IGN)
			run_handler(t, &a, &info);
	}
	if (unlikely(t->traced))
		trace_go_on(t);
}
