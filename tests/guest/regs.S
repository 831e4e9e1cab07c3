/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One system call with every register under watch: see regs.c.
 *
 *	void probe(struct regs *in, struct regs *out);
 *
 * Loads all general registers but rsp, the flags and sixteen vector registers from in, makes the call, stores what it
 * finds to out. 128 bytes below the stack pointer (the red zone) are filled before and copied after. Of rsp only the
 * difference is kept. struct regs: 15 words (rax rbx rcx rdx rsi rdi rbp r8-r15), flags, rsp, 16 words of red zone,
 * 16 vectors of 32 bytes; all offsets below.
 */
	.set RAX, 0
	.set RBX, 8
	.set RCX, 16
	.set RDX, 24
	.set RSI, 32
	.set RDI, 40
	.set RBP, 48
	.set R8, 56
	.set R9, 64
	.set R10, 72
	.set R11, 80
	.set R12, 88
	.set R13, 96
	.set R14, 104
	.set R15, 112
	.set FLAGS, 120
	.set RSP, 128
	.set ZONE, 136
	.set VEC, 264

	.text

.macro load
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$1048, %rsp
	movq	%rsi, 1040(%rsp)	/* out */
	movq	%rdi, %r15		/* in */
	/* the red zone of the stack pointer that the call sees */
	xorl	%ecx, %ecx
1:	movq	ZONE(%r15,%rcx,8), %rax
	leaq	-128(%rsp,%rcx,8), %rdx
	movq	%rax, (%rdx)
	incl	%ecx
	cmpl	$16, %ecx
	jne	1b
.endm

.macro general
	/* flags last but one: popfq writes the red zone's top word, which is put back after */
	pushq	FLAGS(%r15)
	popfq
	movq	ZONE+120(%r15), %rax
	movq	%rax, -8(%rsp)
	movq	RAX(%r15), %rax
	movq	RBX(%r15), %rbx
	movq	RCX(%r15), %rcx
	movq	RDX(%r15), %rdx
	movq	RSI(%r15), %rsi
	movq	RDI(%r15), %rdi
	movq	RBP(%r15), %rbp
	movq	R8(%r15), %r8
	movq	R9(%r15), %r9
	movq	R10(%r15), %r10
	movq	R11(%r15), %r11
	movq	R12(%r15), %r12
	movq	R13(%r15), %r13
	movq	R14(%r15), %r14
	movq	R15(%r15), %r15
.endm

.macro store
	movq	%rsp, saved_rsp(%rip)
	movq	%r15, saved_r15(%rip)
	movq	1040(%rsp), %r15
	movq	%rax, RAX(%r15)
	movq	%rbx, RBX(%r15)
	movq	%rcx, RCX(%r15)
	movq	%rdx, RDX(%r15)
	movq	%rsi, RSI(%r15)
	movq	%rdi, RDI(%r15)
	movq	%rbp, RBP(%r15)
	movq	%r8, R8(%r15)
	movq	%r9, R9(%r15)
	movq	%r10, R10(%r15)
	movq	%r11, R11(%r15)
	movq	%r12, R12(%r15)
	movq	%r13, R13(%r15)
	movq	%r14, R14(%r15)
	movq	saved_r15(%rip), %rax
	movq	%rax, R15(%r15)
	leaq	(%rsp), %rax
	movq	%rax, RSP(%r15)
	/* mov changes no flag: they are still the call's; the zone is copied before pushfq overwrites it */
	movq	-8(%rsp), %rbx
	pushfq
	popq	FLAGS(%r15)
	movq	%rbx, ZONE+120(%r15)
	xorl	%ecx, %ecx
2:	movq	-128(%rsp,%rcx,8), %rax
	movq	%rax, ZONE(%r15,%rcx,8)
	incl	%ecx
	cmpl	$15, %ecx
	jne	2b
	cld
.endm

.macro leave_probe
	addq	$1048, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
.endm


	.globl	probe_xmm
	.type	probe_xmm, @function
probe_xmm:
	load
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu	VEC+32*\n(%r15), %xmm\n
	.endr
	general
	.globl	probe_xmm_call
probe_xmm_call:
	syscall
	store
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu	%xmm\n, VEC+32*\n(%r15)
	.endr
	leave_probe
	.size	probe_xmm, . - probe_xmm

	.globl	probe_ymm
	.type	probe_ymm, @function
probe_ymm:
	load
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovdqu	VEC+32*\n(%r15), %ymm\n
	.endr
	general
	.globl	probe_ymm_call
probe_ymm_call:
	syscall
	store
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovdqu	%ymm\n, VEC+32*\n(%r15)
	.endr
	vzeroupper
	leave_probe
	.size	probe_ymm, . - probe_ymm

/*
 * A loop without system calls that keeps numbers in all registers, for asynchronous signals: returns 0 as long as none
 * was changed. rdi: rounds.
 */
	.globl	spin_regs
	.type	spin_regs, @function
spin_regs:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rdi, -64(%rsp)		/* the counter lives in the red zone */
	movq	$0x5a5a5a5a, %rax
	movq	%rax, -128(%rsp)
	movq	$3, %rbx
	movq	$5, %rbp
	movq	$7, %rdx
	movq	$11, %rsi
	movq	$13, %r8
	movq	$17, %r9
	movq	$19, %r10
	movq	$23, %r12
	movq	$29, %r13
	movq	$31, %r14
	movq	$37, %r15
	movq	$41, %rcx
	movq	$43, %r11
	movq	%rcx, %xmm4
	movq	%r11, %xmm12
	stc
1:	jnc	9f			/* carry survives dec and the moves */
	movq	$41, %rax
	decq	-64(%rsp)
	jnz	1b
	movq	%xmm4, %rax
	xorq	%rcx, %rax
	movq	%xmm12, %rdi
	xorq	%r11, %rdi
	orq	%rdi, %rax
	subq	$3, %rbx
	subq	$5, %rbp
	subq	$7, %rdx
	subq	$11, %rsi
	subq	$13, %r8
	subq	$17, %r9
	subq	$19, %r10
	subq	$23, %r12
	subq	$29, %r13
	subq	$31, %r14
	subq	$37, %r15
	subq	$41, %rcx
	subq	$43, %r11
	orq	%rbx, %rax
	orq	%rbp, %rax
	orq	%rdx, %rax
	orq	%rsi, %rax
	orq	%r8, %rax
	orq	%r9, %rax
	orq	%r10, %rax
	orq	%r12, %rax
	orq	%r13, %rax
	orq	%r14, %rax
	orq	%r15, %rax
	orq	%rcx, %rax
	orq	%r11, %rax
	movq	-128(%rsp), %rbx
	xorq	$0x5a5a5a5a, %rbx
	orq	%rbx, %rax
	jmp	8f
9:	movq	$1, %rax
8:	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size	spin_regs, . - spin_regs

	.local	saved_rsp
	.comm	saved_rsp, 8, 8
	.local	saved_r15
	.comm	saved_r15, 8, 8
	.section .note.GNU-stack, "", @progbits
