// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What a system call may change: rax, rcx and r11, and nothing else. All other registers, the flags, the red zone and the
 * vector registers are watched over many calls, and over signals taken in the middle of a loop. rcx is the address after
 * the instruction and r11 the flags, as the processor leaves them.
 */
#include "lib/t.h"

#include <sys/time.h>

struct regs {
	uint64_t general[15], flags, rsp, zone[16];
	unsigned char vec[16][32];
};
enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15 };

void probe_xmm(struct regs *in, struct regs *out);
void probe_ymm(struct regs *in, struct regs *out);
long spin_regs(long rounds);
extern const char probe_xmm_call[], probe_ymm_call[];

static const char *const names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
				     "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };
static volatile sig_atomic_t count;

static void fill(struct regs *r, long nr, long a, long b, long c, long d)
{
	uint64_t x = 0x9e3779b97f4a7c15;
	unsigned char *p = (unsigned char *)r;

	for (size_t i = 0; i < sizeof(*r); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	r->general[RAX] = nr;
	r->general[RDI] = a;
	r->general[RSI] = b;
	r->general[RDX] = c;
	r->general[R10] = d;
	r->flags = 0x202 | 0x8d5; /* carry, parity, adjust, zero, sign, overflow */
}

static void compare(const char *label, void (*probe)(struct regs *, struct regs *), const char *after, size_t width,
		    struct regs *in)
{
	struct regs out;
	int changed = 0;

	probe(in, &out);
	for (int i = RBX; i <= R15; i++) {
		if (i == RCX || i == R11)
			continue;
		if (out.general[i] != in->general[i]) {
			say("%s: %s changed", label, names[i]);
			changed++;
		}
	}
	if ((out.flags ^ in->flags) & 0xcd5) {
		say("%s: flags changed", label);
		changed++;
	}
	if (memcmp(out.zone, in->zone, sizeof(in->zone))) {
		say("%s: red zone changed", label);
		changed++;
	}
	for (int i = 0; i < 16; i++)
		if (memcmp(out.vec[i], in->vec[i], width)) {
			say("%s: vector %d changed", label, i);
			changed++;
		}
	bool rcx = out.general[RCX] == (uint64_t)(uintptr_t)after + 2;
	bool r11 = (out.general[R11] & 0xcd5) == (in->flags & 0xcd5);
	say("%s: %d changes, rcx %s, r11 %s, result %s", label, changed, rcx ? "next" : "other", r11 ? "flags" : "other",
	    (int64_t)out.general[RAX] < 0 ? t_errname(-(int)out.general[RAX]) : "good");
}

static void calls(void)
{
	char buf[64];
	int p[2];
	struct regs in;
	struct timespec ts = { 0, 1000000 };
	bool wide = __builtin_cpu_supports("avx2");

	must(pipe(p));
	struct {
		const char *name;
		long nr, a, b, c, d;
	} list[] = {
		{ "getpid", SYS_getpid, 0, 0, 0, 0 },
		{ "getppid", SYS_getppid, 0, 0, 0, 0 },
		{ "write", SYS_write, p[1], (long)"abc", 3, 0 },
		{ "read", SYS_read, p[0], (long)buf, 3, 0 },
		{ "read of nothing", SYS_read, 999, (long)buf, 3, 0 },
		{ "open", SYS_openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY, 0 },
		{ "open missing", SYS_openat, AT_FDCWD, (long)"/gone", O_RDONLY, 0 },
		{ "stat", SYS_newfstatat, AT_FDCWD, (long)"/", (long)&(struct stat){ 0 }, 0 },
		{ "mmap", SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS },
		{ "nanosleep", SYS_nanosleep, (long)&ts, 0, 0, 0 },
		{ "sigprocmask", SYS_rt_sigprocmask, SIG_BLOCK, 0, 0, 8 },
		{ "gettid", SYS_gettid, 0, 0, 0, 0 },
		{ "sched_yield", SYS_sched_yield, 0, 0, 0, 0 },
		{ "no such call", 999, 1, 2, 3, 4 },
		{ "a negative number", -5, 1, 2, 3, 4 },
		{ "umask", SYS_umask, 022, 0, 0, 0 },
		{ "getcwd", SYS_getcwd, (long)buf, 3, 0, 0 },
		{ "clock_gettime", SYS_clock_gettime, 1, (long)&ts, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		fill(&in, list[i].nr, list[i].a, list[i].b, list[i].c, list[i].d);
		if (list[i].nr == SYS_mmap) {
			in.general[R8] = -1;
			in.general[R9] = 0;
		}
		compare(list[i].name, probe_xmm, probe_xmm_call, 16, &in);
		if (wide)
			compare(list[i].name, probe_ymm, probe_ymm_call, 32, &in);
		else
			compare(list[i].name, probe_xmm, probe_xmm_call, 16, &in);
		if (list[i].nr == SYS_read && i == 3)
			must(write(p[1], "abc", 3));
	}
}

static void spoil(int sig)
{
	count++;
	asm volatile("pxor %%xmm0,%%xmm0; pxor %%xmm4,%%xmm4; pxor %%xmm12,%%xmm12; xorl %%r8d,%%r8d; xorl %%r9d,%%r9d;"
		     "xorl %%r10d,%%r10d; xorl %%r11d,%%r11d; clc" ::
			     : "xmm0", "xmm4", "xmm12", "r8", "r9", "r10", "r11", "cc");
}

static void with_signal(void)
{
	struct regs in;

	signal(SIGUSR1, spoil);
	count = 0;
	fill(&in, SYS_kill, getpid(), SIGUSR1, 0, 0);
	compare("kill self", probe_xmm, probe_xmm_call, 16, &in);
	fill(&in, SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1, 0);
	compare("tgkill self", probe_xmm, probe_xmm_call, 16, &in);
	eq(count, 2);
	/* A call that is restarted, with the signal sent by another process. */
	int p[2];
	char b[4];
	struct sigaction sa = { .sa_handler = spoil, .sa_flags = SA_RESTART };
	must(sigaction(SIGUSR1, &sa, NULL));
	must(pipe(p));
	pid_t parent = getpid(), pid = must(fork());
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			t_sleep_ms(10);
			kill(parent, SIGUSR1);
		}
		_exit(write(p[1], "x", 1) != 1);
	}
	fill(&in, SYS_read, p[0], (long)b, 1, 0);
	compare("restarted read", probe_xmm, probe_xmm_call, 16, &in);
	eqs(t_wait(pid), "exit 0");
}

static void asynchronous(void)
{
	struct itimerval it = { { 0, 300 }, { 0, 300 } };
	long bad = 0;

	signal(SIGALRM, spoil);
	count = 0;
	must(setitimer(ITIMER_REAL, &it, NULL));
	for (int i = 0; i < 400; i++)
		bad |= spin_regs(200000);
	memset(&it, 0, sizeof(it));
	must(setitimer(ITIMER_REAL, &it, NULL));
	eq(bad, 0);
	ok(count > 20);
}

static void under_fire(void)
{
	/* Calls while a timer fires: results and registers stay right wherever the signal falls. */
	struct itimerval it = { { 0, 200 }, { 0, 200 } };
	struct regs in, out;
	long wrong = 0;
	pid_t me = getpid();

	signal(SIGALRM, spoil);
	count = 0;
	must(setitimer(ITIMER_REAL, &it, NULL));
	for (int i = 0; i < 200000 || count < 50; i++) {
		fill(&in, SYS_getpid, 1, 2, 3, 4);
		probe_xmm(&in, &out);
		wrong += out.general[RAX] != (uint64_t)me || memcmp(out.zone, in.zone, sizeof(in.zone)) ||
			 memcmp(out.vec, in.vec, 16) || out.general[RBX] != in.general[RBX] ||
			 out.general[R12] != in.general[R12] || out.general[R8] != in.general[R8] ||
			 ((out.flags ^ in.flags) & 0xcd5);
	}
	memset(&it, 0, sizeof(it));
	must(setitimer(ITIMER_REAL, &it, NULL));
	eq(wrong, 0);
}

T_MAIN(T(calls), T(with_signal), T(asynchronous), T(under_fire))
