// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Faults as signals: who, why, where; handlers that mend the context and go on; the vector state over handlers.
 */
#include "lib/t.h"

#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t last;
static volatile sig_atomic_t n;

static void note(int sig, siginfo_t *si, void *ctx)
{
	last = *si;
	n++;
	siglongjmp(back, 1);
}

static void hook(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	must(sigaction(sig, &sa, NULL));
}

#define FAULT(label, stmt)                                                                         \
	do {                                                                                       \
		if (sigsetjmp(back, 1) == 0) {                                                     \
			stmt;                                                                      \
			say("%s: nothing happened", label);                                        \
		} else {                                                                           \
			say("%s: %s code %d", label, t_signame(last.si_signo), last.si_code);      \
		}                                                                                  \
	} while (0)

static void kinds(void)
{
	volatile int zero_value = 0;

	hook(SIGSEGV, note, 0);
	hook(SIGFPE, note, 0);
	hook(SIGILL, note, 0);
	hook(SIGBUS, note, 0);
	hook(SIGTRAP, note, 0);
	FAULT("null", *(volatile int *)8 = 1);
	ok(last.si_addr == (void *)8);
	FAULT("division", asm volatile("xorl %%edx,%%edx; movl $1,%%eax; divl %0" ::"r"(zero_value) : "eax", "edx"));
	FAULT("division overflow", asm volatile("movl $0x80000000,%%eax; cltd; idivl %0" ::"r"(-1) : "eax", "edx"));
	FAULT("ud2", asm volatile("ud2"));
	FAULT("privileged", asm volatile("hlt"));
	FAULT("int3", asm volatile("int3"));
	FAULT("cli", asm volatile("cli"));
	FAULT("port", asm volatile("outb %%al,$0x80" ::: "eax"));
	FAULT("non-canonical jump", asm volatile("jmp *%0" ::"r"(0x1234567890abcdefUL)));
	FAULT("jump to null", asm volatile("jmp *%0" ::"r"(0UL)));
	ok(last.si_addr == NULL);
	void *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FAULT("write to read-only", *(volatile char *)m = 1);
	ok(last.si_addr == m);
	eq(last.si_code, SEGV_ACCERR);
	/* The kernel's own half of the address space. */
	FAULT("kernel address", (void)*(volatile char *)0xffffffff81000000UL);
}

static void defaults(void)
{
	static const struct {
		const char *name;
		int kind;
	} list[] = { { "segv", 0 }, { "fpe", 1 }, { "ill", 2 }, { "trap", 3 } };

	for (size_t i = 0; i < 4; i++) {
		pid_t pid = must(fork());
		if (pid == 0) {
			switch (list[i].kind) {
			case 0:
				*(volatile int *)8 = 1;
				break;
			case 1:
				asm volatile("xorl %%edx,%%edx; divl %%edx" ::: "eax", "edx");
				break;
			case 2:
				asm volatile("ud2");
				break;
			case 3:
				asm volatile("int3");
				break;
			}
			_exit(0);
		}
		say("%s: %s", list[i].name, t_wait(pid));
	}
	/* Blocked or ignored: a fault kills all the same. */
	for (int i = 0; i < 2; i++) {
		pid_t pid = must(fork());
		if (pid == 0) {
			sigset_t s;
			sigfillset(&s);
			if (i)
				signal(SIGSEGV, SIG_IGN);
			else
				sigprocmask(SIG_SETMASK, &s, NULL);
			*(volatile int *)8 = 1;
			_exit(0);
		}
		say("%s: %s", i ? "ignored" : "blocked", t_wait(pid));
	}
	/* A fault in the handler of the same signal kills. */
	pid_t pid = must(fork());
	if (pid == 0) {
		struct sigaction sa = { .sa_handler = SIG_DFL };
		sa.sa_handler = (void (*)(int))8;
		sigaction(SIGSEGV, &sa, NULL);
		*(volatile int *)8 = 1;
		_exit(0);
	}
	eqs(t_wait(pid), "killed by SIGSEGV");
	/* No room for the frame. */
	pid = must(fork());
	if (pid == 0) {
		hook(SIGUSR1, note, 0);
		asm volatile("movq $16,%%rsp; movl %0,%%edi; movl $10,%%esi; movl $62,%%eax; syscall" ::"r"(getpid())
			     : "rdi", "rsi", "rax", "rcx", "r11", "memory");
		_exit(0);
	}
	eqs(t_wait(pid), "killed by SIGSEGV");
}

static void skip(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	n++;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
	uc->uc_mcontext.gregs[REG_RBX] = 0x1122334455667788;
	uc->uc_mcontext.gregs[REG_R15] ^= 0xff;
}

static void edited(void)
{
	unsigned long rbx = 1, r15 = 0xf0;

	hook(SIGILL, skip, 0);
	n = 0;
	asm volatile("movq %1,%%r15; movq $1,%%rbx; ud2; movq %%rbx,%0; movq %%r15,%1"
		     : "=m"(rbx), "+m"(r15)::"rbx", "r15");
	eq(n, 1);
	ok(rbx == 0x1122334455667788);
	eq(r15, 0x0f);
}

static void mend(int sig, siginfo_t *si, void *ctx)
{
	n++;
	if (mprotect((void *)((uintptr_t)si->si_addr & ~4095UL), 4096, PROT_READ | PROT_WRITE))
		_exit(9);
}

static void mended(void)
{
	char *m = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	hook(SIGSEGV, mend, 0);
	n = 0;
	for (int i = 0; i < 64; i++)
		m[i * 4096 + 5] = i;
	eq(n, 64);
	int sum = 0;
	for (int i = 0; i < 64; i++)
		sum += m[i * 4096 + 5];
	eq(sum, 2016);
}

static volatile unsigned long trapno, err, cr2, have_fp;

static void look(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	trapno = uc->uc_mcontext.gregs[REG_TRAPNO];
	err = uc->uc_mcontext.gregs[REG_ERR];
	cr2 = uc->uc_mcontext.gregs[REG_CR2];
	have_fp = uc->uc_mcontext.fpregs != NULL;
	siglongjmp(back, 1);
}

static void context(void)
{
	hook(SIGSEGV, look, 0);
	if (sigsetjmp(back, 1) == 0)
		*(volatile int *)0x10 = 1;
	eq(trapno, 14);
	eq(err, 6);
	eq(cr2, 0x10);
	eq(have_fp, 1);
	if (sigsetjmp(back, 1) == 0)
		(void)*(volatile int *)0x20;
	eq(err, 4);
	eq(cr2, 0x20);
	sigset_t s;
	sigprocmask(SIG_BLOCK, NULL, &s);
	eq(sigismember(&s, SIGSEGV), 0);
}

static volatile double spoiled;

static void spoil(int sig)
{
	double d = 0.1;

	for (int i = 0; i < 50; i++)
		d = d * 1.5 + i;
	spoiled = d;
	asm volatile("pxor %%xmm0,%%xmm0; pxor %%xmm7,%%xmm7; pxor %%xmm15,%%xmm15; fninit; fldpi" ::
			     : "xmm0", "xmm7", "xmm15");
	unsigned csr = 0x9fc0;
	asm volatile("ldmxcsr %0" ::"m"(csr));
	n++;
}

static void vectors(void)
{
	unsigned long lo = 0x0123456789abcdef, out0 = 0, out7 = 0, out15 = 0;
	unsigned csr = 0x3f80, csr_after = 0;
	unsigned short cw = 0x0c7f, cw_after = 0;

	signal(SIGUSR1, spoil);
	n = 0;
	/* Raised by a system call between setting and reading the registers, without libc in between. */
	asm volatile("movq %[lo],%%xmm0; movq %[lo],%%xmm7; movq %[lo],%%xmm15; ldmxcsr %[csr]; fldcw %[cw];"
		     "movl %[pid],%%edi; movl $10,%%esi; movl $62,%%eax; syscall;"
		     "movq %%xmm0,%[o0]; movq %%xmm7,%[o7]; movq %%xmm15,%[o15]; stmxcsr %[csra]; fnstcw %[cwa]"
		     : [o0] "=m"(out0), [o7] "=m"(out7), [o15] "=m"(out15), [csra] "=m"(csr_after),
		       [cwa] "=m"(cw_after)
		     : [lo] "r"(lo), [csr] "m"(csr), [cw] "m"(cw), [pid] "r"(getpid())
		     : "rdi", "rsi", "rax", "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
	eq(n, 1);
	ok(out0 == lo && out7 == lo && out15 == lo);
	eq(csr_after, 0x3f80);
	eq(cw_after, 0x0c7f);
}

static void ymm_handler(int sig)
{
	asm volatile("vpxor %%ymm3,%%ymm3,%%ymm3" ::: "xmm3");
	n++;
}

static void wide_vectors(void)
{
	unsigned long v[4] = { 1, 2, 3, 4 }, out[4] = { 0 };

	if (!__builtin_cpu_supports("avx2")) {
		say("wide vectors ok");
		return;
	}
	signal(SIGUSR1, ymm_handler);
	asm volatile("vmovdqu %[v],%%ymm3; movl %[pid],%%edi; movl $10,%%esi; movl $62,%%eax; syscall;"
		     "vmovdqu %%ymm3,%[out]; vzeroupper"
		     : [out] "=m"(out)
		     : [v] "m"(v), [pid] "r"(getpid())
		     : "rdi", "rsi", "rax", "rcx", "r11", "xmm3", "memory");
	bool same = !memcmp(v, out, sizeof(v));
	say("wide vectors %s", same ? "ok" : "spoiled");
}

static void async_vectors(void)
{
	/* Arithmetic under a storm of timer signals that spoil every register. */
	struct timespec ts;
	timer_t timer;
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec it = { { 0, 500000 }, { 0, 500000 } };

	signal(SIGUSR1, spoil);
	n = 0;
	must(timer_create(CLOCK_MONOTONIC, &se, &timer));
	must(timer_settime(timer, 0, &it, NULL));
	double want = 0, got;
	bool same = true;
	for (int round = 0; round < 2000; round++) {
		double a = 1, b = 0.5, c = 3;
		unsigned long x = 88172645463325252UL;
		for (int i = 0; i < 2000; i++) {
			a = a * 1.0000001 + b;
			b = b * 0.9999999 + c / a;
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			c += (double)(x & 0xff) / 256;
		}
		got = a + b + c;
		if (round == 0)
			want = got;
		same = same && got == want;
	}
	must(timer_delete(timer));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ok(same);
	ok(n > 0);
}

T_MAIN(T(kinds), T(defaults), T(edited), T(mended), T(context), T(vectors), T(wide_vectors), T(async_vectors))
