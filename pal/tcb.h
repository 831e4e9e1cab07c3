/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Thread control block: what GS points at, in C and in assembly.
 *
 * One page-aligned region per thread holds, from low to high: guard page, libOS stack, this block, alternate signal
 * stack. FS is the guest's and is never touched. `struct thread` of the libOS embeds the block as its first member.
 *
 * The frame (struct pal_regs) always lies at the very top of the libOS stack: [stack_top - sizeof(regs), stack_top). An
 * entry from the guest fills it, whatever the way (rewritten site, trap, fault, kick), and leaving the guest it is the
 * truth: interrupted while leaving, the PAL starts leaving anew from it.
 */
#ifndef PAL_TCB_H
#define PAL_TCB_H

/* The image's own part of the address space; the guest's lies below PAL_GUEST_TOP and outside this. */
#define PAL_BASE 0x780000000000	/* keep in step with picoprocess.lds */
#define PAL_HEAP_BASE 0x780010000000
#define PAL_PAGES_BASE 0x780100000000
#define PAL_END 0x790000000000
#define PAL_GUEST_BOTTOM 0x10000
#define PAL_GUEST_TOP 0x7ff000000000 /* the host puts the image's first stack and the vDSO above */

/* libOS stack of a thread. Half a page less than 64 KiB: the control block behind it begins in the middle of a page, so
 * that the frame, shallow calls and the block's busy fields are one page, not two, to copy at a fork. */
#define PAL_STACK_SIZE 0xf800
#define PAL_ALTSTACK_SIZE 0x8000 /* room for an AVX-512 frame (AT_MINSIGSTKSZ ~ 11 KiB) and the handler */

/* The host signal with which picoprocesses interrupt each other, and which carries guest signals. */
#define PAL_SIG_KICK 40
/* SIGSTKFLT, which no kernel sends: stands in for a kick when the user's queue of real-time signals is full. A standard
 * signal needs no room in it, but carries nothing. */
#define PAL_SIG_NUDGE 16

/* Offsets of struct pal_tcb. */
#define TCB_SELF 0
#define TCB_STACK_TOP 8
#define TCB_GUEST_RSP 16
#define TCB_EXIT_RIP 24
#define TCB_ENTRY 32
#define TCB_PENDING 40
#define TCB_CPUID 48

/* Offsets of struct pal_regs. */
#define REGS_R15 0
#define REGS_R14 8
#define REGS_R13 16
#define REGS_R12 24
#define REGS_RBP 32
#define REGS_RBX 40
#define REGS_R11 48
#define REGS_R10 56
#define REGS_R9 64
#define REGS_R8 72
#define REGS_RAX 80
#define REGS_RCX 88
#define REGS_RDX 96
#define REGS_RSI 104
#define REGS_RDI 112
#define REGS_ORIG_RAX 120
#define REGS_RIP 128
#define REGS_RFLAGS 136
#define REGS_RSP 144
#define REGS_SIZE 160 /* one word of padding keeps the stack 16-byte aligned */

#ifndef __ASSEMBLER__
#include "pal/base/types.h"

/* Guest registers; the order of Linux's user_regs as far as that goes. orig_rax is the call's number, or -1. */
struct pal_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, rflags, rsp;
	u64 pad;
};

struct pal_tcb {
	struct pal_tcb *self;	/* immutable */
	u64 stack_top;		/* immutable */
	u64 guest_rsp;		/* scratch of trampolines */
	u64 exit_rip;		/* scratch of the way out */
	void (*entry)(void);	/* immutable: where trampolines jump */
	u32 pending;		/* atomic: look at the inbox before going on; set by the PAL's handler */
	s32 host_tid;		/* atomic: written by the host at clone, cleared (and woken) when the thread is gone */
	void (*cpuid)(void);	/* immutable: where trampolines of CPUID jump */
	/* The rest is pal/thread.c's own. */
	u64 altstack;		/* immutable: lowest address of the alternate signal stack */
	u64 region_size;	/* immutable: from guard page to the end */
	u64 death[4];		/* a robust list of one entry, as the host reads it: next, offset, pending; the entry's next */
	s32 death_tid;		/* host tid that the list is registered for */
	s32 host_pid;		/* immutable: of the process that the thread belongs to; 0 before it runs */
	u64 start_mask;		/* the signal mask a new thread begins with */
	struct pal_tcb *next;	/* guarded by the region lock: every region there is */
	u32 freed;		/* guarded by the region lock: reusable once host_tid is 0 */
	u32 full;		/* owner thread: the libOS has room for no more kicks; they stay with the host meanwhile */
};

_Static_assert(sizeof(struct pal_regs) == REGS_SIZE, "frame layout");
_Static_assert(offsetof(struct pal_tcb, pending) == TCB_PENDING, "control block layout");
_Static_assert(offsetof(struct pal_tcb, cpuid) == TCB_CPUID, "control block layout");

static inline struct pal_tcb *pal_tcb(void)
{
	struct pal_tcb *t;

	__asm__("mov %%gs:0, %0" : "=r"(t));
	return t;
}

static inline struct pal_regs *pal_frame(const struct pal_tcb *t)
{
	return (struct pal_regs *)(t->stack_top - REGS_SIZE);
}
#endif
#endif
