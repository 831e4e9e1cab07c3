// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * CPUID: what it says, that it says the same again, and that it touches eax, ebx, ecx, edx and nothing else: not the other
 * registers, the flags, the red zone. Upper halves of its inputs do not matter and those of its outputs are zero. Over
 * signals, in children, and in a loop that is interrupted.
 */
#include "lib/t.h"

#include <sys/time.h>

struct words {
	uint64_t a, b, c, d;
};

/* The system call makes this an image whose instructions are rewritten. */
static struct words cpuid(uint64_t leaf, uint64_t sub)
{
	struct words w;

	__asm__ volatile("syscall" : "=a"(w.a) : "0"(SYS_getppid) : "rcx", "r11", "memory");
	__asm__ volatile("cpuid\n\tjmp 1f\n\t.p2align 5, 0xcc\n1:"
			 : "=a"(w.a), "=b"(w.b), "=c"(w.c), "=d"(w.d)
			 : "0"(leaf), "2"(sub), "1"(-1ul), "3"(-1ul));
	return w;
}

/* Leaves whose every word is the same on all processors of a machine, and at all times. */
static const uint32_t leaves[][2] = {
	{ 0, 0 },	   { 4, 0 },	      { 4, 1 },		 { 4, 2 },	    { 7, 0 },
	{ 7, 1 },	   { 0x80000000, 0 }, { 0x80000001, 0 }, { 0x80000002, 0 }, { 0x80000003, 0 },
	{ 0x80000004, 0 }, { 0x80000006, 0 }, { 0x80000008, 0 },
};
#define COUNT (sizeof(leaves) / sizeof(leaves[0]))

static bool same(struct words x, struct words y)
{
	return x.a == y.a && x.b == y.b && x.c == y.c && x.d == y.d;
}

static void values(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		struct words w = cpuid(leaves[i][0], leaves[i][1]);

		say("%x.%x: %lx %lx %lx %lx", leaves[i][0], leaves[i][1], w.a, w.b, w.c, w.d);
		ok(!((w.a | w.b | w.c | w.d) >> 32));
	}
	/* The number of the processor lies in the upper byte of ebx. */
	struct words w = cpuid(1, 0);

	say("1: %lx %lx %lx %lx", w.a, w.b & 0xffffff, w.c, w.d);
}

static void again(void)
{
	int differ = 0;

	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < COUNT; i++) {
			uint64_t upper = 0xdeadbeef00000000 * (uint64_t)(round & 1);

			differ += !same(cpuid(leaves[i][0] | upper, leaves[i][1] | upper),
					cpuid(leaves[i][0], leaves[i][1]));
		}
	eq(differ, 0);
}

/* A leaf that takes no notice of ecx, and one that does. */
static void subleaves(void)
{
	ok(same(cpuid(0, 0), cpuid(0, 77)));
	ok(same(cpuid(0x80000000, 3), cpuid(0x80000000, 0x1234567)));
	say("leaf 7 beyond its subleaves: %lx", cpuid(7, 0x7fffffff).a);
	say("the highest leaf and one: %lx", cpuid(cpuid(0x80000000, 0).a + 1, 0).a);
}

static void child(void)
{
	struct words here[COUNT];
	int status;

	for (size_t i = 0; i < COUNT; i++)
		here[i] = cpuid(leaves[i][0], leaves[i][1]);
	pid_t pid = fork();

	if (!pid) {
		for (size_t i = 0; i < COUNT; i++)
			if (!same(here[i], cpuid(leaves[i][0], leaves[i][1])))
				_exit(1);
		_exit(0);
	}
	eq(waitpid(pid, &status, 0), pid);
	eq(status, 0);
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	ticks += sig != 0;
}

/* Everything else is as it was, whatever comes in between. */
static void registers(void)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_tick };
	long bad = 0;

	ok(!sigaction(SIGALRM, &sa, NULL) && !setitimer(ITIMER_REAL, &often, NULL));
	while (ticks < 50) {
		uint64_t flags, zone;

		__asm__ volatile("mov $0x1122334455667788, %%rsi\n\t"
				 "mov %%rsi, -16(%%rsp)\n\t"
				 "mov %%rsi, %%rdi\n\t"
				 "mov %%rsi, %%r8\n\t"
				 "mov %%rsi, %%r11\n\t"
				 "mov %%rsi, %%r15\n\t"
				 "xor %%eax, %%eax\n\t"
				 "xor %%ecx, %%ecx\n\t"
				 "stc\n\t"
				 "cpuid\n\t"
				 "jmp 1f\n\t"
				 ".p2align 5, 0xcc\n"
				 "1:\n\t"
				 "mov -16(%%rsp), %[zone]\n\t"
				 "lea -128(%%rsp), %%rsp\n\t"
				 "pushfq\n\t"
				 "pop %[flags]\n\t"
				 "lea 128(%%rsp), %%rsp\n\t"
				 "xor %%rsi, %[zone]\n\t"
				 "xor %%rsi, %%rdi\n\t"
				 "or %%rdi, %[zone]\n\t"
				 "xor %%rsi, %%r8\n\t"
				 "or %%r8, %[zone]\n\t"
				 "xor %%rsi, %%r11\n\t"
				 "or %%r11, %[zone]\n\t"
				 "xor %%rsi, %%r15\n\t"
				 "or %%r15, %[zone]\n\t"
				 : [flags] "=&r"(flags), [zone] "=&r"(zone)
				 :
				 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r11", "r15", "memory", "cc");
		bad += zone != 0;
		bad += (flags & 0x4d5) != 0x45; /* xor left zero and parity, stc carry */
	}
	setitimer(ITIMER_REAL, &never, NULL);
	eq(bad, 0);
}

T_MAIN(T(values), T(again), T(subleaves), T(child), T(registers))
