/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Upcalls from the PAL's signal handler: on the alternate stack, no locks, no guest memory. They only remember; the
 * thread itself acts on it, in entry_async or when a blocking call comes back.
 */
#include "libos/entry/entry.h"
#include "libos/task/ptrace.h"

#define TRAP_PAGE_FAULT 14 /* the processor's number for it */

struct extable {
	uintptr_t from, to;
};
extern const struct extable libos_extable_start[], libos_extable_end[];

bool libos_upcall_signal(struct pal_tcb *tcb, const struct siginfo *info)
{
	struct inbox *in = &((struct thread *)tcb)->sig.inbox;
	struct pal_kick k;

	if (info->si_signo == PAL_SIG_NUDGE) {
		atomic_store(&in->look, 1);
		return true;
	}
	if (pal_kick_decode(info, &k) && !k.sig) {
		if (k.extra)
			atomic_store(&in->look, 1);
		return true;
	}
	if (in->tail - in->head < INBOX_SIZE) {
		in->slot[in->tail % INBOX_SIZE] = *info;
		atomic_store(&in->tail, in->tail + 1);
		/*
		 * What more is sent waits on the host, in order; the rest of the room is for the host's own
		 * signals. Only who lets the kicks in again takes this back: one of those may come when the ring
		 * is half emptied.
		 */
		if (in->tail - in->head >= INBOX_SIZE - INBOX_RESERVE)
			tcb->full = 1;
	} else {
		int sig = info->si_signo == PAL_SIG_KICK ? k.sig : info->si_signo;

		atomic_or(&in->overflow, SIG_BIT(sig));
	}
	return true;
}

void libos_upcall_fault(struct pal_tcb *tcb, const struct siginfo *info, u64 trapno, u64 err, u64 cr2)
{
	struct sigthread *s = &((struct thread *)tcb)->sig;

	s->fault = *info;
	s->fault_trapno = trapno;
	s->fault_err = err;
	s->fault_cr2 = cr2;
}

uintptr_t libos_upcall_fixup(uintptr_t rip, uintptr_t addr)
{
	for (const struct extable *e = libos_extable_start; (uintptr_t)e < (uintptr_t)libos_extable_end; e++)
		if (e->from == rip)
			return e->to;
	return 0;
}

void entry_fault(struct pal_regs *regs)
{
	struct thread *t = current();

	regs->orig_rax = -1;
	if (t->sig.fault_trapno == TRAP_PAGE_FAULT && sites_fault(t->proc->mm, t->sig.fault_cr2, t->sig.fault_err))
		return;
	signal_force_info(t, &t->sig.fault);
	signal_deliver(t);
}

void entry_async(struct pal_regs *regs)
{
	signal_deliver(current());
	regs->orig_rax = -1;
}

void entry_init_thread(struct thread *t)
{
	t->tcb.entry = libos_entry;
	t->tcb.cpuid = libos_entry_cpuid;
	t->tcb.pending = 0;
}

void entry_start_guest(uintptr_t rip, uintptr_t rsp)
{
	struct pal_regs *regs = guest_regs();

	memset(regs, 0, sizeof(*regs));
	regs->rip = rip;
	regs->rsp = rsp;
	regs->rflags = 0x202;
	regs->orig_rax = -1;
	pal_set_fs(0);
	xstate_reset();
	if (unlikely(current()->traced))
		trace_exec(current(), regs);
	entry_leave();
}
