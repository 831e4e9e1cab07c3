/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Copies to and from guest memory that may fault: each touching instruction has an exception-table entry. */

	.text
	.macro extable from, to
	.pushsection .extable, "a"
	.quad	\from, \to
	.popsection
	.endm

	/*
	 * size_t guest_copy(void *dst, const void *src, size_t n): bytes not copied. Most copies are of a word or
	 * a few, for which a string instruction, even one of no byte, costs more than the copy.
	 */
	.globl	guest_copy
	.p2align 4
guest_copy:
	mov	%rdx, %rcx
	cmp	$64, %rdx
	ja	3f
	shr	$3, %rcx
	and	$7, %edx
	jmp	2f
1:	mov	(%rsi), %rax
11:	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	dec	%rcx
2:	test	%rcx, %rcx
	jnz	1b
	test	$4, %edx
	jz	6f
12:	mov	(%rsi), %eax
13:	mov	%eax, (%rdi)
	add	$4, %rsi
	add	$4, %rdi
	sub	$4, %edx
6:	test	%edx, %edx
	jz	7f
14:	movb	(%rsi), %al
15:	movb	%al, (%rdi)
	inc	%rsi
	inc	%rdi
	dec	%edx
	jmp	6b
7:	xor	%eax, %eax
	ret
3:	rep movsb
	mov	%rcx, %rax
	ret
4:	lea	(%rdx, %rcx, 8), %rax
	ret
5:	mov	%rcx, %rax
	ret
8:	mov	%edx, %eax
	ret
	extable 1b, 4b
	extable 11b, 4b
	extable 12b, 8b
	extable 13b, 8b
	extable 14b, 8b
	extable 15b, 8b
	extable 3b, 5b

	/* size_t guest_zero(void *dst, size_t n): bytes not cleared */
	.globl	guest_zero
guest_zero:
	mov	%rsi, %rcx
	xor	%eax, %eax
1:	rep stosb
2:	mov	%rcx, %rax
	ret
	extable 1b, 2b

	/* ssize_t guest_string(char *dst, const char *src, size_t n): length, n if no NUL in n bytes, -1 on a fault */
	.globl	guest_string
guest_string:
	xor	%eax, %eax
1:	cmp	%rdx, %rax
	je	3f
2:	movb	(%rsi, %rax), %cl
	movb	%cl, (%rdi, %rax)
	test	%cl, %cl
	je	3f
	inc	%rax
	jmp	1b
3:	ret
4:	mov	$-1, %rax
	ret
	extable 2b, 4b

	/* int guest_cmpxchg(u32 *p, u32 old, u32 new, u32 *seen): 0 or -EFAULT */
	.globl	guest_cmpxchg
guest_cmpxchg:
	mov	%esi, %eax
1:	lock cmpxchgl %edx, (%rdi)
	mov	%eax, (%rcx)
	xor	%eax, %eax
	ret
2:	mov	$-14, %eax
	ret
	extable 1b, 2b

	.section .note.GNU-stack, "", @progbits
