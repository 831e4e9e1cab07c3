// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The break and the stack: how they grow, and where they stop. Raw calls, since musl's sbrk refuses.
 */
#include "lib/t.h"

#include <setjmp.h>
#include <sys/resource.h>

static char *brk_raw(void *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void breaks(void)
{
	char *start = brk_raw(NULL);

	ok(start > (char *)0x10000);
	ok(brk_raw(start + 100000) == start + 100000);
	memset(start, 'b', 100000);
	ok(brk_raw(start + 300000) == start + 300000);
	bool zero = true;
	for (int i = 103000; i < 300000; i++)
		zero = zero && !start[i];
	ok(zero);
	ok(brk_raw(start + 50000) == start + 50000);
	ok(brk_raw(start + 100000) == start + 100000);
	eq(start[40000], 'b');
	eq(start[99000], 0);
	ok(brk_raw((void *)1) == start + 100000);
	pid_t pid = must(fork());
	if (pid == 0) {
		bool good = brk_raw(NULL) == start + 100000;
		good = good && brk_raw(start + 200000) == start + 200000;
		start[150000] = 1;
		_exit(good ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
	ok(brk_raw(NULL) == start + 100000);
	ok(brk_raw(start) == start);
}

static int use_stack(int depth)
{
	volatile char frame[16384];

	frame[0] = depth;
	frame[sizeof(frame) - 1] = depth;
	if (depth == 0)
		return frame[0];
	return use_stack(depth - 1) + (frame[0] == (char)depth);
}

static void stack_grows(void)
{
	/* 16 KiB a call, 400 calls: 6.4 MiB of an 8 MiB stack. */
	eq(use_stack(400), 400);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(use_stack(300) != 300);
	eqs(t_wait(pid), "exit 0");
}

static char altstack[65536];
static volatile sig_atomic_t near_stack;
static char *stack_base;
static sigjmp_buf back;

static void on_overflow(int sig, siginfo_t *si, void *ctx)
{
	char *at = si->si_addr;
	char local;

	near_stack = at < stack_base && at > stack_base - (64L << 20);
	if (&local < altstack || &local > altstack + sizeof(altstack))
		_exit(9);
	siglongjmp(back, sig);
}

static void stack_overflows(void)
{
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	struct sigaction sa = { .sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	char base;

	stack_base = &base;
	must(sigaltstack(&ss, NULL));
	must(sigaction(SIGSEGV, &sa, NULL));
	int sig = sigsetjmp(back, 1);
	if (!sig) {
		use_stack(1 << 20);
		say("never ends?");
	}
	eq(sig, SIGSEGV);
	ok(near_stack);
	/* And again: the frame is gone, the stack works. */
	sig = sigsetjmp(back, 1);
	if (!sig)
		use_stack(1 << 20);
	eq(sig, SIGSEGV);
	eq(use_stack(100), 100);
	pid_t pid = must(fork());
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		use_stack(1 << 20);
		_exit(0);
	}
	eqs(t_wait(pid), "killed by SIGSEGV");
}

static void data_limit(void)
{
	pid_t pid = must(fork());

	if (pid == 0) {
		struct rlimit rl = { 8 << 20, 8 << 20 };
		must(setrlimit(RLIMIT_AS, &rl));
		void *m = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		_exit(m == MAP_FAILED && errno == ENOMEM ? 0 : 1);
	}
	eqs(t_wait(pid), "exit 0");
}

static void allocations(void)
{
	unsigned sum = 0, seed = 1;
	void *p[512] = { NULL };

	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		int slot = (seed >> 16) % 512;
		size_t n = (seed >> 8) % (i % 64 ? 4000 : 300000) + 1;
		free(p[slot]);
		p[slot] = malloc(n);
		memset(p[slot], slot, n);
		sum += ((unsigned char *)p[slot])[n - 1];
	}
	for (int i = 0; i < 512; i++)
		free(p[i]);
	say("sum %u", sum);
}

T_MAIN(T(breaks), T(stack_grows), T(stack_overflows), T(data_limit), T(allocations))
