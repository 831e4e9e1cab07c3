/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * In from the guest and out to it. See entry.h; the rules for signals in between are those of pal/trap.c.
 *
 * A trampoline arrives with the guest's rsp in gs:TCB_GUEST_RSP, rcx = the address after the system call (what the
 * hardware leaves there), rsp = top of the libOS stack, everything else untouched. No vector register is used on this
 * side, so the guest's vector state simply stays in place.
 *
 * One of CPUID arrives the same way, but with its return address in rdx, which the instruction overwrites; it leaves all
 * other registers and the flags as they are.
 */
#include "pal/tcb.h"

	.text

	.globl	libos_entry, libos_entry_cpuid, libos_entry_begin, libos_entry_done
	.type	libos_entry, @function
	.type	libos_entry_cpuid, @function
	.p2align 5
libos_entry_begin:
libos_entry_cpuid:
	endbr64
	lea	-8(%rsp), %rsp
	pushq	%gs:TCB_GUEST_RSP
	pushfq
	pushq	%rdx				/* rip */
	pushq	$-1				/* orig_rax */
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	jmp	enter_cpuid

	.p2align 5
libos_entry:
	endbr64
	lea	-8(%rsp), %rsp			/* padding; lea leaves the flags alone */
	pushq	%gs:TCB_GUEST_RSP
	pushfq
	pushq	%rcx				/* rip */
	pushq	%rax				/* orig_rax */
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
libos_entry_done:
	cld
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	call	entry_dispatch
	jmp	leave_call

enter_cpuid:
	cld
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	call	entry_cpuid
	jmp	leave_full

	.globl	libos_enter_syscall
libos_enter_syscall:
	cld
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	call	entry_trapped
	jmp	leave_full

	.globl	libos_enter_fault
libos_enter_fault:
	cld
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	call	entry_fault
	jmp	leave_full

	.globl	libos_enter_async
libos_enter_async:
	cld
	xor	%ebp, %ebp
work:
	mov	%rsp, %rdi
	call	entry_async
	jmp	leave_full

	/* void entry_leave(void): abandon the C frames above the guest's. */
	.globl	entry_leave
	.type	entry_leave, @function
entry_leave:
	mov	%gs:TCB_STACK_TOP, %rsp
	sub	$REGS_SIZE, %rsp
	jmp	leave_full

	.p2align 4
	.globl	libos_exit_begin, libos_exit_end
libos_exit_begin:
leave_call:
	/* A handler asked for all registers, or there is work: entry_dispatch says so by the pending flag. */
	cmpl	$0, %gs:TCB_PENDING
	jne	work
	mov	REGS_R15(%rsp), %r15
	mov	REGS_R14(%rsp), %r14
	mov	REGS_R13(%rsp), %r13
	mov	REGS_R12(%rsp), %r12
	mov	REGS_RBP(%rsp), %rbp
	mov	REGS_RBX(%rsp), %rbx
	mov	REGS_R10(%rsp), %r10
	mov	REGS_R9(%rsp), %r9
	mov	REGS_R8(%rsp), %r8
	mov	REGS_RAX(%rsp), %rax
	mov	REGS_RDX(%rsp), %rdx
	mov	REGS_RSI(%rsp), %rsi
	mov	REGS_RDI(%rsp), %rdi
	mov	REGS_RIP(%rsp), %rcx
	mov	REGS_RFLAGS(%rsp), %r11
	pushq	%r11
	popfq
	mov	REGS_RSP(%rsp), %rsp
	jmp	*%rcx

	.p2align 4
leave_full:
	cmpl	$0, %gs:TCB_PENDING
	jne	work
	mov	REGS_RIP(%rsp), %rax
	mov	%rax, %gs:TCB_EXIT_RIP
	mov	REGS_R15(%rsp), %r15
	mov	REGS_R14(%rsp), %r14
	mov	REGS_R13(%rsp), %r13
	mov	REGS_R12(%rsp), %r12
	mov	REGS_RBP(%rsp), %rbp
	mov	REGS_RBX(%rsp), %rbx
	mov	REGS_R11(%rsp), %r11
	mov	REGS_R10(%rsp), %r10
	mov	REGS_R9(%rsp), %r9
	mov	REGS_R8(%rsp), %r8
	mov	REGS_RAX(%rsp), %rax
	mov	REGS_RCX(%rsp), %rcx
	mov	REGS_RDX(%rsp), %rdx
	mov	REGS_RSI(%rsp), %rsi
	mov	REGS_RDI(%rsp), %rdi
	pushq	REGS_RFLAGS(%rsp)
	popfq
	mov	REGS_RSP(%rsp), %rsp
	jmp	*%gs:TCB_EXIT_RIP
libos_exit_end:
	nop

	.section .note.GNU-stack, "", @progbits
