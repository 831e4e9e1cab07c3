/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Vector state to and from guest memory, with exception-table entries: the guest chose the address. xrstor also raises
 * a general protection fault on a malformed area, which arrives as SIGSEGV and ends the same way.
 */
#include "pal/tcb.h"

	.text
	.globl	xstate_save, xstate_restore, xstate_reset

xstate_save:			/* (rdi = area, rsi = mask) */
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
1:	xsave64	(%rdi)
	xor	%eax, %eax
	ret
2:	mov	$-14, %eax
	ret
	.pushsection .extable, "a"
	.quad	1b, 2b
	.popsection

xstate_restore:
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
3:	xrstor64 (%rdi)
	xor	%eax, %eax
	ret
4:	mov	$-14, %eax
	ret
	.pushsection .extable, "a"
	.quad	3b, 4b
	.popsection

	/* Initial configuration of every component: an XRSTOR of an empty XSTATE_BV; MXCSR comes from the area. */
xstate_reset:
	mov	$-1, %eax
	mov	$-1, %edx
	xrstor64 empty(%rip)
	ret

	.section .rodata
	.p2align 6
empty:
	.word	0x37f		/* x87 control word */
	.fill	22, 1, 0
	.long	0x1f80		/* MXCSR */
	.fill	512 - 28, 1, 0
	.fill	64, 1, 0	/* XSAVE header: nothing present */
	.fill	4096, 1, 0

	.section .note.GNU-stack, "", @progbits
