// SPDX-License-Identifier: LGPL-3.0-or-later
/* clone3: handlers put back to the default on request, by fork and vfork alike; ids that may not be chosen. */
#include "lib/t.h"

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#define VM 0x100ull
#define FILES 0x400ull
#define SIGHAND 0x800ull
#define VFORK 0x4000ull
#define CLEAR_SIGHAND 0x100000000ull

struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static void nothing(int sig)
{
	(void)sig;
}

/* Bits: which of three signals have the default, not the handler or "ignored" that the parent set. */
static int defaults(void)
{
	static const int sigs[] = { SIGUSR1, SIGUSR2, SIGHUP };
	struct sigaction a;
	int bits = 0;

	for (int i = 0; i < 3; i++)
		if (!sigaction(sigs[i], NULL, &a) && a.sa_handler == SIG_DFL)
			bits |= 1 << i;
	return bits;
}

static pid_t born(uint64_t flags)
{
	struct args a = { .flags = flags, .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* In memory that is lent the child must not return from here. */
static const char *ends_with_defaults(uint64_t flags)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct args a = { .flags = flags, .exit_signal = SIGCHLD };
	long pid;

	if (!(flags & VM)) {
		pid = born(flags);
		if (pid == 0)
			_exit(defaults());
		return t_wait((pid_t)pid);
	}
	a.stack = (uint64_t)stack;
	a.stack_size = sizeof(stack);
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "call *%[look]\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[end], %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(pid)
			 : "a"(SYS_clone3), "D"(&a), "S"(sizeof(a)), [look] "r"(defaults), [end] "i"(SYS_exit_group)
			 : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory");
	return t_wait((pid_t)pid);
}

static void clear_handlers(void)
{
	struct sigaction a = { .sa_handler = nothing };

	sigaction(SIGUSR1, &a, NULL);
	a.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &a, NULL);
	signal(SIGHUP, SIG_IGN);
	eqs(ends_with_defaults(0), "exit 0");
	eqs(ends_with_defaults(CLEAR_SIGHAND), "exit 3");
	eqs(ends_with_defaults(VM | VFORK), "exit 0");
	eqs(ends_with_defaults(VM | VFORK | CLEAR_SIGHAND), "exit 3");
	eq(defaults(), 0);
	fails(born(CLEAR_SIGHAND | SIGHAND | VM), EINVAL);
}

static void chosen_ids(void)
{
	int ids[2] = { 1, 1 }, odd[] = { 0, -1 };
	struct args a = { .exit_signal = SIGCHLD, .set_tid = (uint64_t)ids };

#define TRY() syscall(SYS_clone3, &a, sizeof(a))
	fails(TRY(), EINVAL);
	a.set_tid_size = 33;
	fails(TRY(), EINVAL);
	a.set_tid = 0;
	a.set_tid_size = 1;
	fails(TRY(), EINVAL);
	a.set_tid = 8;
	fails(TRY(), EFAULT);
	for (int i = 0; i < 2; i++) {
		a.set_tid = (uint64_t)&odd[i];
		fails(TRY(), EINVAL);
	}
	a.set_tid = (uint64_t)ids;
	if (!t_root())
		fails(TRY(), EPERM);
}

T_MAIN(T(clear_handlers), T(chosen_ids))
