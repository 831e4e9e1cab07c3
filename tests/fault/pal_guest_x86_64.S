/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The guest of the PAL's fault tests: position-independent code that the test libOS copies outside
 * the image.
 *
 * guest_loop(rdi = rounds): each round loads every register with a value made of the round's number,
 * makes call CALL_ADD by trampolines and by a trapping `syscall`, and looks at every register, the
 * flags, two vector registers and the red zone afterwards. Ends with CALL_DONE; rdi = 0 or the number
 * of the check that failed. The others do the same in their own way.
 */
#include "pal/tcb.h"
#include "tests/fault/pal_calls.h"

	.section .rodata
	.balign 4096
	.globl guest_code, guest_code_end, guest_loop, guest_step, guest_block, guest_faults

	/* call \nr by a trampoline as the rewriter lays it out */
	.macro call_trampoline
	jmp	77f
	.balign 32
77:	mov	%rsp, %gs:TCB_GUEST_RSP
	lea	78f(%rip), %rcx
	mov	%gs:TCB_STACK_TOP, %rsp
	jmp	*%gs:TCB_ENTRY
78:
	.endm

	.macro expect reg, plus, code
	lea	\plus(%r15), %rcx
	cmp	%rcx, \reg
	mov	$\code, %ecx
	jne	bad
	.endm

	.macro one_call how
	lea	0x11(%r15), %rbx
	lea	0x22(%r15), %rbp
	lea	0x33(%r15), %r12
	lea	0x44(%r15), %r13
	lea	0x55(%r15), %r14
	lea	0x66(%r15), %r8
	lea	0x77(%r15), %r9
	lea	0x88(%r15), %r10
	lea	0x99(%r15), %rdx
	lea	0xaa(%r15), %rsi
	lea	0xbb(%r15), %rdi
	movq	%rdx, %xmm7
	movq	%rsi, %xmm0
	mov	%r15, -16(%rsp)
	mov	%r15, -128(%rsp)
	mov	$CALL_ADD, %eax
	stc
	.ifc \how, trap
	syscall
	.else
	call_trampoline
	.endif
	mov	$1, %ecx
	jnc	bad
	lea	0x165(%r15, %r15), %rcx		/* rdi + rsi */
	cmp	%rcx, %rax
	mov	$2, %ecx
	jne	bad
	expect	%rbx, 0x11, 3
	expect	%rbp, 0x22, 4
	expect	%r12, 0x33, 5
	expect	%r13, 0x44, 6
	expect	%r14, 0x55, 7
	expect	%r8, 0x66, 8
	expect	%r9, 0x77, 9
	expect	%r10, 0x88, 10
	expect	%rdx, 0x99, 11
	expect	%rsi, 0xaa, 12
	expect	%rdi, 0xbb, 13
	movq	%xmm7, %rax
	expect	%rax, 0x99, 14
	movq	%xmm0, %rax
	expect	%rax, 0xaa, 15
	mov	-16(%rsp), %rax
	expect	%rax, 0, 16
	mov	-128(%rsp), %rax
	expect	%rax, 0, 17
	cmp	%gs:TCB_SELF, %rax		/* a use of flags between calls */
	.endm

guest_code:
guest_loop:
	mov	%rdi, %r15
1:	one_call trampoline
	one_call trampoline
	one_call trap
	dec	%r15
	jnz	1b
	xor	%edi, %edi
done:	mov	$CALL_DONE, %eax
	syscall
	ud2
bad:	mov	%ecx, %edi
	jmp	done

	/* The same with the trap flag set: every instruction stops, trampoline and entry too. */
guest_step:
	mov	%rdi, %r15
	pushfq
	orq	$0x100, (%rsp)
	popfq
2:	one_call trampoline
	one_call trap
	dec	%r15
	jnz	2b
	pushfq
	mov	(%rsp), %rax
	andq	$~0x100, (%rsp)
	popfq
	mov	$20, %ecx
	test	$0x100, %eax			/* the flag came back each time */
	jz	bad
	xor	%edi, %edi
	jmp	done

	/* CALL_BLOCK returns -EINTR for every kick; rdi rounds of it. */
guest_block:
	mov	%rdi, %r15
3:	mov	$CALL_BLOCK, %eax
	call_trampoline
	mov	$30, %ecx
	cmp	$-4, %rax
	jne	bad
	dec	%r15
	jnz	3b
	xor	%edi, %edi
	jmp	done

	/* Faults of all kinds; the test libOS sends each on to the address in r14. */
guest_faults:
	mov	$0x1234, %r15d
	lea	4f(%rip), %r14
	mov	0x8, %rax			/* page fault */
	ud2
4:	lea	5f(%rip), %r14
	ud2
	jmp	bad
5:	lea	6f(%rip), %r14
	xor	%edx, %edx
	xor	%ecx, %ecx
	div	%ecx
	jmp	bad
6:	lea	7f(%rip), %r14
	int3
	jmp	bad
7:	lea	8f(%rip), %r14
	movabs	$0x8000000000000000, %rax
	mov	(%rax), %rax			/* general protection */
	jmp	bad
8:	lea	9f(%rip), %r14
	mov	$CALL_GO_WILD, %eax		/* leave to an address that is none */
	syscall
	jmp	bad
9:	pushfq					/* alignment checks on over a call and a fault */
	orq	$0x40000, (%rsp)
	popfq
	lea	10f(%rip), %r14
	mov	1(%rsp), %eax			/* misaligned */
	jmp	bad
10:	mov	$CALL_ADD, %eax
	mov	$1, %edi
	mov	$2, %esi
	syscall
	mov	$40, %ecx
	cmp	$3, %rax
	jne	bad
	pushfq
	pop	%rax
	mov	$41, %ecx
	test	$0x40000, %eax
	jz	bad
	pushfq
	andq	$~0x40000, (%rsp)
	popfq
	mov	$42, %ecx
	cmp	$0x1234, %r15
	jne	bad
	mov	$0x40000000 + CALL_ADD, %eax	/* x32 */
	syscall
	mov	$43, %ecx
	cmp	$-38, %rax
	jne	bad
	xor	%edi, %edi
	jmp	done
guest_code_end:

	.section .note.GNU-stack, "", @progbits
