/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The signal frame on the guest's stack, byte for byte Linux's (arch/x86/kernel/signal_64.c, struct rt_sigframe), since
 * handlers, unwinders and debuggers read and edit it: return address, ucontext, siginfo, and above them the vector
 * state with its software-reserved bytes (arch/x86/kernel/fpu/signal.c).
 */
#include "libos/entry/entry.h"
#include "libos/sys/user.h"
#include "libos/mm/mm.h"

#define UC_FP_XSTATE 0x1
#define UC_SIGCONTEXT_SS 0x2
#define UC_STRICT_RESTORE_SS 0x4
#define XMAGIC1 0x46505853u
#define XMAGIC2 0x46505845u
#define REDZONE 128
#define GUEST_CS 0x33
#define GUEST_SS 0x2b
/* Flags a frame may restore: FIX_EFLAGS of arch/x86/kernel/signal.c. */
#define FLAGS_USER 0x50dd5ull
#define FLAG_TF 0x100ull
#define FLAG_DF 0x400ull
#define FLAG_RF 0x10000ull

struct frame_context {
	u64 flags, link;
	stack_t stack;
	struct sigcontext_64 mc;
	u64 mask;
};

struct frame {
	u64 return_address;
	struct frame_context uc;
	struct siginfo info;
};

struct fp_reserved {	/* bytes 464..511 of the legacy area: struct _fpx_sw_bytes */
	u32 magic1, extended_size;
	u64 features;
	u32 xstate_size, padding[7];
};
#define FP_RESERVED 464
#define FP_LEGACY 512
#define FP_HEADER 64

static bool on_altstack(const stack_t *ss, u64 sp)
{
	return sp > (u64)ss->ss_sp && sp - (u64)ss->ss_sp <= ss->ss_size;
}

static u64 pick_stack(struct thread *t, const struct sig_action *a)
{
	const stack_t *ss = &t->sig.altstack;
	u64 sp = guest_regs()->rsp;

	if ((a->flags & SA_ONSTACK) && !(ss->ss_flags & SS_DISABLE) && ss->ss_size &&
	    ((ss->ss_flags & SS_AUTODISARM) || !on_altstack(ss, sp)))
		return (u64)ss->ss_sp + ss->ss_size;
	return sp - REDZONE;
}

static int save_vector_state(u64 fp)
{
	struct fp_reserved r = {
		.magic1 = XMAGIC1,
		.extended_size = xstate_size + sizeof(u32),
		.features = xstate_mask,
		.xstate_size = xstate_size,
	};
	u32 magic2 = XMAGIC2;

	if (!guest_range((void *)fp, xstate_size + sizeof(u32)) || user_zero((void *)(fp + FP_LEGACY), FP_HEADER) ||
	    xstate_save((void *)fp, xstate_mask) || user_write((void *)(fp + FP_RESERVED), &r, sizeof(r)) ||
	    user_write((void *)(fp + xstate_size), &magic2, sizeof(magic2)))
		return -EFAULT;
	return 0;
}

static void fill_registers(struct thread *t, struct sigcontext_64 *mc, u64 fp, u64 mask)
{
	const struct pal_regs *r = guest_regs();

	*mc = (struct sigcontext_64){
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
		.r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
		.di = r->rdi, .si = r->rsi, .bp = r->rbp, .bx = r->rbx,
		.dx = r->rdx, .ax = r->rax, .cx = r->rcx, .sp = r->rsp,
		.ip = r->rip, .flags = r->rflags, .cs = GUEST_CS, .ss = GUEST_SS,
		.err = t->sig.fault_err, .trapno = t->sig.fault_trapno, .cr2 = t->sig.fault_cr2,
		.oldmask = mask, .fpstate = fp,
	};
}

int signal_build_frame(struct thread *t, const struct sig_action *a, const struct siginfo *info, u64 mask)
{
	struct pal_regs *r = guest_regs();
	struct frame f = { .return_address = a->restorer, .info = *info };
	u64 sp = pick_stack(t, a), fp, at;

	if (!(a->flags & SA_RESTORER))
		return -EINVAL;
	fp = ALIGN_DOWN(sp - xstate_size - sizeof(u32), 64);
	at = ALIGN_DOWN(fp - sizeof(f), 16) - 8;
	/* A frame that would run off the end of the alternate stack is no frame (sigaltstack(2)). */
	if (on_altstack(&t->sig.altstack, sp) && !(t->sig.altstack.ss_flags & SS_DISABLE) &&
	    !on_altstack(&t->sig.altstack, at))
		return -EFAULT;
	f.uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f.uc.stack = t->sig.altstack;
	if (!(f.uc.stack.ss_flags & (SS_DISABLE | SS_AUTODISARM)) && on_altstack(&t->sig.altstack, r->rsp))
		f.uc.stack.ss_flags |= SS_ONSTACK;
	f.uc.mask = mask;
	fill_registers(t, &f.uc.mc, fp, mask);
	if (save_vector_state(fp) || user_write((void *)at, &f, sizeof(f)))
		return -EFAULT;
	if (t->sig.altstack.ss_flags & SS_AUTODISARM)
		t->sig.altstack = (stack_t){ .ss_flags = SS_DISABLE };

	r->rdi = info->si_signo;
	r->rsi = at + offsetof(struct frame, info);
	r->rdx = at + offsetof(struct frame, uc);
	r->rax = 0;
	r->rip = a->handler;
	r->rsp = at;
	r->rflags &= ~(FLAG_DF | FLAG_RF | FLAG_TF);
	r->orig_rax = -1;
	return 0;
}

/* A frame without extended state (magic missing): restore x87 and SSE, reset the rest. */
static int restore_legacy(u64 fp)
{
	static u8 area[FP_LEGACY + FP_HEADER] PAL_SPARSE __attribute__((aligned(64)));
	static struct mutex area_lock;
	u64 present = 3;
	int r;

	lock(&area_lock);
	memset(area, 0, sizeof(area));
	r = user_read(area, (void *)fp, FP_LEGACY);
	memcpy(area + FP_LEGACY, &present, sizeof(present));
	if (!r)
		r = xstate_restore(area, xstate_mask);
	unlock(&area_lock);
	return r;
}

static int restore_vector_state(u64 fp)
{
	struct fp_reserved res;
	u32 magic2;

	if (!fp) {
		xstate_reset();
		return 0;
	}
	if (user_read(&res, (void *)(fp + FP_RESERVED), sizeof(res)))
		return -EFAULT;
	if (res.magic1 != XMAGIC1 || res.xstate_size < FP_LEGACY + FP_HEADER || res.xstate_size > xstate_size ||
	    res.xstate_size > res.extended_size || user_read(&magic2, (void *)(fp + res.xstate_size), sizeof(magic2)) ||
	    magic2 != XMAGIC2)
		return restore_legacy(fp);
	if (!guest_range((void *)fp, xstate_size) || (fp & 63))
		return -EFAULT;
	return xstate_restore((void *)fp, xstate_mask);
}

static long bad_frame(void)
{
	guest_regs()->rax = 0;
	signal_force(SIGSEGV, SI_KERNEL, 0);
	return 0;
}

/* Mask, then registers, then vector state, as Linux does it: SIGSEGV for bad state finds what was interrupted. */
long signal_return(struct thread *t)
{
	struct pal_regs *r = guest_regs();
	struct frame_context uc;
	u64 at = r->rsp - 8;

	if (user_read(&uc, (void *)(at + offsetof(struct frame, uc)), sizeof(uc)))
		return bad_frame();
	signal_set_mask(t, uc.mask);
	*r = (struct pal_regs){
		.r8 = uc.mc.r8, .r9 = uc.mc.r9, .r10 = uc.mc.r10, .r11 = uc.mc.r11,
		.r12 = uc.mc.r12, .r13 = uc.mc.r13, .r14 = uc.mc.r14, .r15 = uc.mc.r15,
		.rdi = uc.mc.di, .rsi = uc.mc.si, .rbp = uc.mc.bp, .rbx = uc.mc.bx,
		.rdx = uc.mc.dx, .rax = uc.mc.ax, .rcx = uc.mc.cx, .rsp = uc.mc.sp,
		.rip = uc.mc.ip, .rflags = (r->rflags & ~FLAGS_USER) | (uc.mc.flags & FLAGS_USER),
		.orig_rax = -1,
	};
	if (restore_vector_state(uc.mc.fpstate)) {
		xstate_reset();
		return bad_frame();
	}
	t->sig.altstack = uc.stack;
	t->sig.altstack.ss_flags &= ~SS_ONSTACK;
	atomic_store(&t->tcb.pending, 1);
	return 0;
}
