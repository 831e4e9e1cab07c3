/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Tables in the text: see tables.c. Only the first function has a size, so that nothing says what lies behind it.
 */
	.text
	.p2align 4
	.globl	table_before, table_between, table_behind, table_zero, table_layout
	.type	table_before, @function
table_before:
	movl	$7, %eax
	ret
	.size	table_before, . - table_before
	.p2align 4
table_zero:
	.quad	0
	.long	0x15, 0x03050fe8
table_between:
	leaq	-16(%rbp), %rax
	movl	$39, %eax	/* getpid */
	syscall
	ret
	.p2align 4
table_layout:
	.long	1, 2
	.long	0x0e, 0x03050f88
table_behind:
	leaq	-16(%rbp), %rax
	movl	$39, %eax
	syscall
	incl	%eax
	ret

	.section .note.GNU-stack, "", @progbits
