/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Host signals turned into upcalls.
 *
 * One handler for all. Where the thread was when the signal came, told by RIP alone, decides what
 * is true:
 *
 *   guest text, host vDSO    the registers are the guest's: complete the frame from them, enter the
 *                            libOS
 *   trampoline, libOS entry  the frame is half made: leave it, the libOS looks at `pending` before
 *                            it goes back
 *   cancellable host call    not yet made: pal_cp_eintr. Made: the kernel has ended it with EINTR
 *   exit window              `pending` was looked at and the registers are half restored, but the
 *                            frame still holds the guest's: start leaving anew from it
 *   elsewhere in the image   leave it, as for the entry; a fault there is on the exception table
 *                            or a bug
 *
 * "Enter the libOS" means to edit the interrupted context and return through rt_sigreturn, which
 * restores vector state. Asynchronous signals are blocked inside the handler; faults and SIGSYS are
 * not, and SIGSYS never is.
 */
#include "pal/impl.h"
#include "pal/base/str.h"

#define FAULT_SIGNALS \
	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGFPE) | sigmask(SIGILL) | sigmask(SIGTRAP))
#define NEVER_MASKED (FAULT_SIGNALS | sigmask(SIGSYS) | sigmask(SIGABRT))
#define CAUGHT_MAY                                                                   \
	(sigmask(SIGHUP) | sigmask(SIGINT) | sigmask(SIGQUIT) | sigmask(SIGALRM) |   \
	 sigmask(SIGTERM) | sigmask(SIGCHLD) | sigmask(SIGCONT) | sigmask(SIGTSTP) | \
	 sigmask(SIGTTIN) | sigmask(SIGTTOU) | sigmask(SIGURG) | sigmask(SIGWINCH) | \
	 sigmask(SIGVTALRM) | sigmask(SIGPROF) | sigmask(SIGPIPE) | sigmask(SIGIO) | sigmask(SIGXCPU))

/* The kernel carries 32 bytes behind the header of a siginfo of SI_QUEUE, unread. */
_Static_assert(sizeof(struct pal_kick) == 32, "a kick fits a siginfo");

/*
 * mov %rsp, %gs:TCB_GUEST_RSP: how a trampoline begins; and the length of its next instruction, lea
 * s+2(%rip), %rcx.
 */
static const u8 trampoline_head[] = { 0x65, 0x48, 0x89, 0x24, 0x25, TCB_GUEST_RSP, 0, 0, 0 };
#define TRAMPOLINE_ALIGN 32
#define TRAMPOLINE_LEA 7

static bool within(uintptr_t rip, const char *start, const char *end)
{
	return rip >= (uintptr_t)start && rip < (uintptr_t)end;
}

static bool in_image(uintptr_t rip)
{
	return rip >= PAL_BASE && rip < PAL_HEAP_BASE;
}

static bool in_exit_window(uintptr_t rip)
{
	return within(rip, libos_exit_begin, libos_exit_end);
}

static bool on_libos_stack(const struct pal_tcb *tcb, uintptr_t rsp)
{
	return rsp <= tcb->stack_top && rsp > tcb->stack_top - PAL_STACK_SIZE;
}

/*
 * Is RIP behind a trampoline's first instruction? Then the guest's rsp stands in the control block
 * and must survive. At the first instruction itself nothing has happened, and with rsp on the libOS
 * stack the answer is known already.
 */
static bool in_trampoline(uintptr_t rip)
{
	uintptr_t slot = ALIGN_DOWN(rip, TRAMPOLINE_ALIGN);
	u64 head;
	bool ok;

	if (rip - slot != sizeof(trampoline_head) &&
	    rip - slot != sizeof(trampoline_head) + TRAMPOLINE_LEA)
		return false;
	/* Text may be executable and unreadable (protection keys). */
	head = pal_peek((const void *)slot, &ok);
	return ok && !memcmp(&head, trampoline_head, sizeof(head)) &&
	       (pal_peek((const void *)(slot + sizeof(head)), &ok) & 0xff) ==
		       trampoline_head[sizeof(head)] &&
	       ok;
}

/* Are the registers the guest's, all of them? */
static bool in_guest(const struct pal_tcb *tcb, const struct sigcontext *mc)
{
	return !in_image(mc->rip) && !on_libos_stack(tcb, mc->rsp);
}

static struct pal_regs *frame_fill(const struct pal_tcb *tcb, const struct sigcontext *mc,
				   u64 orig_rax)
{
	struct pal_regs *r = pal_frame(tcb);

	*r = (struct pal_regs){
		.r15 = mc->r15,
		.r14 = mc->r14,
		.r13 = mc->r13,
		.r12 = mc->r12,
		.rbp = mc->rbp,
		.rbx = mc->rbx,
		.r11 = mc->r11,
		.r10 = mc->r10,
		.r9 = mc->r9,
		.r8 = mc->r8,
		.rax = mc->rax,
		.rcx = mc->rcx,
		.rdx = mc->rdx,
		.rsi = mc->rsi,
		.rdi = mc->rdi,
		.orig_rax = orig_rax,
		.rip = mc->rip,
		.rflags = mc->eflags,
		.rsp = mc->rsp,
	};
	return r;
}

/* The other way: go on in the guest as the frame has it. */
static void frame_load(const struct pal_tcb *tcb, struct sigcontext *mc)
{
	const struct pal_regs *r = pal_frame(tcb);

	mc->r15 = r->r15, mc->r14 = r->r14, mc->r13 = r->r13, mc->r12 = r->r12, mc->rbp = r->rbp,
	mc->rbx = r->rbx;
	mc->r11 = r->r11, mc->r10 = r->r10, mc->r9 = r->r9, mc->r8 = r->r8, mc->rax = r->rax,
	mc->rcx = r->rcx;
	mc->rdx = r->rdx, mc->rsi = r->rsi, mc->rdi = r->rdi, mc->rip = r->rip, mc->rsp = r->rsp;
	mc->eflags = r->rflags;
}

/* Go on in the libOS: at `where`, with rsp at the complete frame. */
static void enter(const struct pal_tcb *tcb, struct sigcontext *mc, const char *where)
{
	mc->rip = (u64)where;
	mc->rsp = (u64)pal_frame(tcb);
	mc->eflags &= ~(X86_FLAGS_TF | X86_FLAGS_DF | X86_FLAGS_AC | X86_FLAGS_RF);
	mc->cs = X86_USER_CS;
	mc->ss = X86_USER_DS;
}

static void bug_at(const struct siginfo *info, const struct sigcontext *mc, const char *what)
{
	pal_log("picoprocess %d: %s: signal %d code %d address %lx\n"
		"rip %lx rsp %lx rflags %lx err %lx cr2 %lx\n"
		"rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx\n"
		"r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx",
		pal_gettid(), what, info->si_signo, info->si_code, (u64)info->si_addr, (u64)mc->rip,
		(u64)mc->rsp, (u64)mc->eflags, (u64)mc->err, (u64)mc->cr2, (u64)mc->rax,
		(u64)mc->rbx, (u64)mc->rcx, (u64)mc->rdx, (u64)mc->rsi, (u64)mc->rdi, (u64)mc->rbp,
		(u64)mc->r8, (u64)mc->r9, (u64)mc->r10, (u64)mc->r11, (u64)mc->r12, (u64)mc->r13,
		(u64)mc->r14, (u64)mc->r15);
	pal_die_by_signal(SIGABRT);
}

/*
 * A system call that did not come through a trampoline. The kernel has rolled it back; rip is
 * behind it.
 */
static void on_syscall(struct pal_tcb *tcb, const struct siginfo *info, struct sigcontext *mc)
{
	u64 nr = (u32)info->si_syscall;
	struct pal_regs *r;

	if (pal_in_vdso(mc->rip) && on_libos_stack(tcb, mc->rsp)) {
		mc->rax = nr == __NR_clock_gettime ? HOST(2, clock_gettime, mc->rdi, mc->rsi) : -ENOSYS;
		return;
	}
	if (!in_guest(tcb, mc))
		bug_at(info, mc, "the filter refused a host call");
	/* int 0x80 counts calls in its own way: no number of ours, hence ENOSYS. */
	if (info->si_arch != AUDIT_ARCH_X86_64)
		nr |= X32_SYSCALL_BIT;
	/*
	 * From the vsyscall page the kernel has already emulated the return, and rip is the
	 * caller's. Else rip is behind the instruction. Either way the call's result goes to rax
	 * and the guest continues at rip.
	 */
	r = frame_fill(tcb, mc, nr);
	r->rcx = mc->rip;
	r->r11 = mc->eflags;
	enter(tcb, mc, libos_enter_syscall);
}

/*
 * A guest that single-steps itself takes the trap flag along into the libOS. Trampoline and entry
 * keep it until it is in the frame; then it goes; on the way out the rest of the way is taken here,
 * so that the next stop is behind one instruction of the guest's. False: the stop is the guest's
 * own.
 */
static bool on_step(const struct pal_tcb *tcb, struct sigcontext *mc)
{
	if (in_exit_window(mc->rip))
		frame_load(tcb, mc);
	else if (in_image(mc->rip) && !within(mc->rip, libos_entry_begin, libos_entry_done))
		mc->eflags &= ~X86_FLAGS_TF;
	else if (in_guest(tcb, mc) && !in_trampoline(mc->rip))
		return false;
	return true;
}

static void on_fault(struct pal_tcb *tcb, const struct siginfo *info, struct sigcontext *mc)
{
	uintptr_t fixup;

	if (mc->rip == (u64)pal_peek_insn) {
		mc->rip = (u64)pal_peek_fail;
		return;
	}
	if (info->si_signo == SIGTRAP && info->si_code == TRAP_TRACE && on_step(tcb, mc))
		return;
	/*
	 * In the exit window only what the guest wants to return to can be at fault: an address
	 * that is none.
	 */
	if (in_guest(tcb, mc) || in_exit_window(mc->rip)) {
		if (!in_exit_window(mc->rip))
			frame_fill(tcb, mc, -1ul);
		libos_upcall_fault(tcb, info, mc->trapno, mc->err, mc->cr2);
		enter(tcb, mc, libos_enter_fault);
		return;
	}
	fixup = libos_upcall_fixup(mc->rip, (uintptr_t)info->si_addr);
	if (!fixup)
		bug_at(info, mc, "fault inside the image");
	mc->rip = fixup;
}

static void on_async(struct pal_tcb *tcb, const struct siginfo *info, struct ucontext *uc)
{
	struct sigcontext *mc = &uc->uc_mcontext;
	bool now;

	__atomic_store_n(&tcb->pending, 1, __ATOMIC_SEQ_CST);
	now = libos_upcall_signal(tcb, info);
	if (unlikely(tcb->full))
		uc->uc_sigmask |= sigmask(PAL_SIG_KICK);
	if (within(mc->rip, pal_cp_begin, pal_cp_end)) {
		mc->rip = (u64)pal_cp_eintr;
	} else if (in_exit_window(mc->rip)) {
		enter(tcb, mc, libos_enter_async);
	} else if (now && in_guest(tcb, mc) && !in_trampoline(mc->rip)) {
		frame_fill(tcb, mc, -1ul);
		enter(tcb, mc, libos_enter_async);
	}
}

static void on_signal(int sig, const struct siginfo *info, struct ucontext *uc)
{
	struct pal_tcb *tcb;

	/* The guest may have armed alignment checks, which the kernel leaves on in a handler. */
	if (unlikely(uc->uc_mcontext.eflags & X86_FLAGS_AC))
		__asm__ volatile("pushfq; andq %0, (%%rsp); popfq"
				 :
				 : "i"(~X86_FLAGS_AC)
				 : "memory", "cc");
	if (unlikely(uc->uc_mcontext.rip == (u64)pal_gs_probe) && sigmask(sig) & FAULT_SIGNALS && info->si_code > 0) {
		uc->uc_mcontext.rip = (u64)pal_gs_probe_fail;
		return;
	}
	tcb = pal_gs_checked();
	if (!tcb)
		bug_at(info, &uc->uc_mcontext, "the GS base is not ours");
	if (tcb == &pal_boot_tcb) {
		/* Before the first control block there is nobody to tell. */
		if (sigmask(sig) & NEVER_MASKED && info->si_code > 0)
			bug_at(info, &uc->uc_mcontext, "fault at start");
		return;
	}
	if (sig == SIGSYS && (info->si_code == SYS_SECCOMP || info->si_code == SYS_USER_DISPATCH))
		on_syscall(tcb, info, &uc->uc_mcontext);
	else if (sigmask(sig) & FAULT_SIGNALS && info->si_code > 0)
		on_fault(tcb, info, &uc->uc_mcontext);
	else
		on_async(tcb, info, uc);
}

static int action_set(int sig, const struct sigaction *act)
{
	return HOST(4, rt_sigaction, sig, act, NULL, sizeof(act->sa_mask));
}

static int action_catch(int sig)
{
	struct sigaction act = {
		.sa_handler = (__sighandler_t)(void *)on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
		.sa_restorer = pal_restorer,
		.sa_mask = ~NEVER_MASKED,
	};

	return action_set(sig, &act);
}

void pal_trap_init(bool first)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (int sig = 1; sig <= SIGSYS; sig++)
		if (sigmask(sig) & (FAULT_SIGNALS | sigmask(SIGSYS)))
			BUG_ON(action_catch(sig));
	BUG_ON(action_catch(PAL_SIG_KICK));
	BUG_ON(action_catch(PAL_SIG_NUDGE));
	if (first)
		BUG_ON(action_set(SIGPIPE, &ignore)); /* calls say EPIPE; an exec of the image leaves it so */
	/* The libOS lets them in once it has a thread that can take them. */
	(void)pal_signals_off();
}

int pal_signal(int sig, enum pal_disposition how)
{
	struct sigaction act = { .sa_handler = how == PAL_SIG_IGNORE ? SIG_IGN : SIG_DFL };

	if (sig < 1 || sig > 31 || !(sigmask(sig) & CAUGHT_MAY))
		return -EINVAL;
	return how == PAL_SIG_CATCH ? action_catch(sig) : action_set(sig, &act);
}

/*
 * SIGSTOP would take effect at once, and a SIGCONT that came just before be lost. SIGTSTP can wait,
 * blocked: what has come before it is in the count, and what comes behind it takes it off the queue.
 */
void pal_stop(const u32 *conts, u32 seen)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	struct siginfo info = { .si_signo = SIGTSTP, .si_code = SI_TKILL };
	u64 mask = sigmask(SIGTSTP);

	HOST(4, rt_sigprocmask, SIG_BLOCK, &mask, NULL, sizeof(mask));
	action_set(SIGTSTP, &act);
	(void)!pal_signal_send(pal_getpid(), pal_gettid(), SIGTSTP, &info);
	if (atomic_load(conts) != seen) {
		act.sa_handler = SIG_IGN; /* and the one that waits is gone */
		action_set(SIGTSTP, &act);
	}
	HOST(4, rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, sizeof(mask));
	action_catch(SIGTSTP);
}

int pal_sigmask(int how, u64 mask, u64 *old)
{
	mask &= ~(NEVER_MASKED | sigmask(PAL_SIG_KICK) | sigmask(PAL_SIG_NUDGE));
	return HOST(4, rt_sigprocmask, how, &mask, old, sizeof(mask));
}

void pal_kicks_resume(void)
{
	u64 mask = sigmask(PAL_SIG_KICK);

	pal_tcb()->full = 0;
	BUG_ON(HOST(4, rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, sizeof(mask)));
}

u64 pal_signals_off(void)
{
	u64 mask = ~NEVER_MASKED, old = 0;

	BUG_ON(HOST(4, rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof(mask)));
	/*
	 * The mask that is restored, by the caller, a forked child or the image executed next, lets
	 * kicks in, so nobody is to resume them; and not before then.
	 */
	pal_tcb()->full = 0;
	return old & ~sigmask(PAL_SIG_KICK);
}

void pal_signals_on(u64 mask)
{
	BUG_ON(HOST(4, rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask)));
}

int pal_kick(int host_pid, int host_tid, const struct pal_kick *k)
{
	struct siginfo info;
	int r;

	memset(&info, 0, sizeof(info));
	info.si_signo = PAL_SIG_KICK;
	info.si_code = SI_QUEUE;
	memcpy(&info._sifields, k, sizeof(*k));
	r = pal_signal_send(host_pid, host_tid, PAL_SIG_KICK, &info);
	return r == -EAGAIN && !k->sig ? pal_nudge(host_pid, host_tid) : r;
}

int pal_nudge(int host_pid, int host_tid)
{
	struct siginfo info = { .si_signo = PAL_SIG_NUDGE, .si_code = SI_QUEUE };

	return pal_signal_send(host_pid, host_tid, PAL_SIG_NUDGE, &info);
}

bool pal_kick_decode(const struct siginfo *info, struct pal_kick *k)
{
	if (info->si_signo != PAL_SIG_KICK || info->si_code != SI_QUEUE)
		return false;
	memcpy(k, &info->_sifields, sizeof(*k));
	return true;
}

int pal_kill(int host_pid, int sig)
{
	struct siginfo info = { .si_signo = sig, .si_code = SI_QUEUE };

	return pal_signal_send(host_pid, 0, sig, &info);
}
