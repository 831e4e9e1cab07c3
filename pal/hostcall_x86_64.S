/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The host-call page: every system call instruction of a picoprocess, and nothing else. seccomp accepts calls from this
 * page only, and the signal handler (pal/trap.c) knows its labels.
 *
 * C calls in with the arguments where the kernel wants them (pal/host_x86_64.h).
 */
#include <asm/unistd.h>
#include <asm/errno.h>
#include <asm/prctl.h>
#include "pal/tcb.h"

	.section .hostcall, "ax", @progbits
	.balign 4096

	.globl pal_host_insn, pal_cp_begin, pal_cp_end, pal_cp_eintr, pal_restorer
	.globl pal_clone_onto, pal_exit_insn
	.hidden pal_host_insn, pal_cp_begin, pal_cp_end, pal_cp_eintr, pal_restorer
	.hidden pal_clone_onto, pal_exit_insn

	.balign 32
pal_host_insn:
	syscall
	ret

/*
 * The cancellable call. A kick that finds RIP in [pal_cp_begin, pal_cp_end) has come before the call took effect, or
 * the kernel rolled it back to be restarted: the handler moves RIP to pal_cp_eintr. Later, the kernel ends the call
 * itself with EINTR, since no handler has SA_RESTART. At pal_cp_end the call has completed and its result stands.
 */
	.balign 32
pal_cp_begin:
	cmpl	$0, %gs:TCB_PENDING
	jne	pal_cp_eintr
	syscall
pal_cp_end:
	ret
pal_cp_eintr:
	mov	$-EINTR, %rax
	ret

/* Where host signal handlers return to: rt_sigreturn with rsp at the frame. */
	.balign 32
pal_restorer:
	mov	$__NR_rt_sigreturn, %eax
	syscall
	ud2

/*
 * long pal_clone_onto(flags, stack, parent_tid, child_tid, tls, tcb, fn, arg): clone with a stack of its own. The child
 * takes GS, then runs pal_thread_begin(tcb, fn, arg), with all signals still blocked, and does not return.
 */
	.balign 32
pal_clone_onto:
	push	%rbx
	push	%r12
	push	%r13
	mov	%rcx, %r10
	mov	%r9, %rbx
	mov	32(%rsp), %r12
	mov	40(%rsp), %r13
	mov	$__NR_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	pop	%r13
	pop	%r12
	pop	%rbx
	ret
1:	xor	%ebp, %ebp
	cmpb	$0, pal_bases_by_call(%rip)
	jne	2f
	wrgsbase %rbx
	jmp	3f
2:	mov	$ARCH_SET_GS, %edi
	mov	%rbx, %rsi
	mov	$__NR_arch_prctl, %eax
	syscall
3:	mov	%rbx, %rdi
	mov	%r12, %rsi
	mov	%r13, %rdx
	call	pal_thread_begin
	ud2

/* Leave the thread: no stack may be touched, since the kernel clears host_tid and another thread takes the region. */
	.balign 32
pal_exit_insn:
	mov	$__NR_exit, %eax
	syscall
	ud2

/* ELF entry. The host stack holds argc, argv, envp, auxv; GS is unset. */
	.text
	.globl pal_start
	.hidden pal_start
pal_start:
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	pal_main
	ud2

/* u64 pal_peek(const void *p, bool *ok): read a word that may be unreadable; the handler knows both labels. */
	.globl pal_peek, pal_peek_insn, pal_peek_fail
	.hidden pal_peek, pal_peek_insn, pal_peek_fail
pal_peek:
	movb	$1, (%rsi)
pal_peek_insn:
	mov	(%rdi), %rax
	ret
pal_peek_fail:
	movb	$0, (%rsi)
	xor	%eax, %eax
	ret

/*
 * struct pal_tcb *pal_gs_probe(void): what lies at GS, or NULL if nothing does; the handler knows both labels. Where only
 * calls set GS, asking the kernel for it costs several times a system call.
 */
	.globl pal_gs_probe, pal_gs_probe_fail
	.hidden pal_gs_probe, pal_gs_probe_fail
pal_gs_probe:
	mov	%gs:TCB_SELF, %rax
	ret
pal_gs_probe_fail:
	xor	%eax, %eax
	ret

	.section .note.GNU-stack, "", @progbits
