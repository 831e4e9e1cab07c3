/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The ways between guest and libOS.
 *
 * In:  libos_entry           a rewritten system call site jumped here (trampoline; pal/tcb.h)
 *      libos_entry_cpuid     so did a rewritten CPUID (cpuid.c)
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
struct file;

void libos_entry(void);
void libos_entry_cpuid(void);

/* Go to the guest from anywhere on the thread's libOS stack: looks at pending work, then leaves by the frame. */
void entry_leave(void) noreturn_fn;
/* A fresh program: general registers zero, vector state reset, FS base 0, stack and instruction pointer as given. */
void entry_start_guest(uintptr_t rip, uintptr_t rsp) noreturn_fn;
/* Prepare a control block's entry fields; before the thread first runs. */
void entry_init_thread(struct thread *t);

/* C side of the ways in; each returns to leaving. */
void entry_dispatch(struct pal_regs *regs);
void entry_trapped(struct pal_regs *regs);
void entry_cpuid(struct pal_regs *regs);
void entry_async(struct pal_regs *regs);
void entry_fault(struct pal_regs *regs);

/* ---- cpuid.c ---- */
u32 cpuid_b(u32 leaf, u32 sub); /* what CPUID leaves in ebx; the area is mapped */

/* ---- xstate_x86_64.S ---- */
/* XSAVE of the live vector state to guest memory (64-byte aligned), 0 or -EFAULT; and back, -EFAULT if the area faults
 * or the processor refuses it. mask: components. */
int xstate_save(void *guest, u64 mask);
int xstate_restore(const void *guest, u64 mask);
void xstate_reset(void);
extern u64 xstate_mask;	 /* components the processor and host enable (XCR0); set at start */
extern u32 xstate_size;	 /* bytes an XSAVE area of that mask takes */
void xstate_init(void); /* when the area is mapped */

/* ---- sites.c: rewritten images; caller holds mm->lock for all but the last ---- */
struct known_image;
struct known_image *sites_image(const struct mm *mm, const struct vma *new); /* that of what is to be mapped, or NULL */
/* Can the whole of it be mapped from the image at once? Then from where. */
bool sites_source(const struct known_image *k, const struct vma *new, int *fd, u64 *offset);
/* [start, end) of v, text of k's file, has been mapped, from the image or from the file. */
void sites_mapped(struct mm *mm, struct known_image *k, struct vma *v, uintptr_t start, uintptr_t end, bool from_image);
/* Where an image of size bytes should be placed so that its trampolines find room; 0: it does not matter. */
uintptr_t sites_place(struct mm *mm, struct file *f, size_t size);
/* The first address from addr on that lies above trampolines that are near: where a heap may begin to grow. */
uintptr_t sites_above(struct mm *mm, uintptr_t addr);
/* [start, end) is about to be unmapped, mapped anew, or moved elsewhere. */
void sites_leaving(struct mm *mm, uintptr_t start, uintptr_t end, bool moved);
/* From now on all text is the file's, and system calls trap: a debugger looks at it, changes it, or counts steps. */
void sites_plain(struct mm *mm);
/* All of the guest was unmapped, or its memory goes with the process. */
void sites_cleared(struct mm *mm);
/* The guest faulted at addr with the processor's error code err. True: a trampoline is mapped there now; go on. */
bool sites_fault(struct mm *mm, uintptr_t addr, u64 err);
extern u64 sites_traps;	 /* system calls of this process that trapped */

#endif
