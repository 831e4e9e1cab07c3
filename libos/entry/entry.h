/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The ways between guest and libOS.
 *
 * In:  libos_entry           a rewritten system call site jumped here (trampoline; pal/tcb.h)
 *      libos_enter_syscall   a system call that trapped
 *      libos_enter_async     a signal interrupted the guest
 *      libos_enter_fault     the guest faulted
 * Out: entry_leave           from the frame, every register of it; entry_leave_call where rcx and r11 may be lost
 *
 * Whatever the way in, the frame at the top of the thread's libOS stack is complete before C runs, and it is the truth
 * until the guest runs again: a signal that arrives while leaving starts over from it.
 */
#ifndef LIBOS_ENTRY_ENTRY_H
#define LIBOS_ENTRY_ENTRY_H

#include "libos/task/task.h"

struct mm;
struct vma;

void libos_entry(void);

/* Go to the guest from anywhere on the thread's libOS stack: looks at pending work, then leaves by the frame. */
void entry_leave(void) noreturn_fn;
/* A fresh program: general registers zero, vector state reset, FS base 0, stack and instruction pointer as given. */
void entry_start_guest(uintptr_t rip, uintptr_t rsp) noreturn_fn;
/* Prepare a control block's entry fields; before the thread first runs. */
void entry_init_thread(struct thread *t);

/* C side of the ways in; each returns to leaving. */
void entry_dispatch(struct pal_regs *regs);
void entry_trapped(struct pal_regs *regs);
void entry_async(struct pal_regs *regs);
void entry_fault(struct pal_regs *regs);

/* ---- xstate_x86_64.S ---- */
/* XSAVE of the live vector state to guest memory (64-byte aligned), 0 or -EFAULT; and back, -EFAULT if the area faults
 * or the processor refuses it. mask: components. */
int xstate_save(void *guest, u64 mask);
int xstate_restore(const void *guest, u64 mask);
void xstate_reset(void);
extern u64 xstate_mask;	 /* components the processor and host enable (XCR0); set at start */
extern u32 xstate_size;	 /* bytes an XSAVE area of that mask takes */
void xstate_init(void);

/* ---- sites.c: rewritten images ---- */
/* Pages of a file became executable in the guest. Caller holds mm->lock. */
void sites_mapped(struct mm *mm, struct vma *vma) __attribute__((weak));
extern u64 sites_traps;	 /* system calls of this process that trapped */

#endif
