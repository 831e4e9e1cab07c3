/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A libOS of a few calls, linked with the PAL and the real entry code, to try the signal handler's
 * race rules, threads and forks under kicks. The grant's sandbox name says which test to run; the
 * exit status is the result.
 */
#include "pal/pal.h"
#include "pal/grant.h"
#include "pal/base/heap.h"
#include "tests/fault/pal_calls.h"

#define GUEST_AT 0x10000000ul
#define GUEST_STACK 0x20000000ul
#define GUEST_STACK_SIZE 0x10000ul
#define ROUNDS 150000
#define KICKS_BLOCKED 40000

struct thread {
	struct pal_tcb tcb; /* first */
	u64 seen;	    /* upcalls */
	u64 async;	    /* entries because of them */
	u64 faults;
	struct siginfo fault;
};

struct extable {
	uintptr_t from, to;
};
extern const struct extable libos_extable_start[], libos_extable_end[];
extern const char guest_code[], guest_code_end[], guest_loop[], guest_step[], guest_block[],
	guest_faults[];

void libos_entry(void);
void entry_leave(void) noreturn_fn;
void entry_dispatch(struct pal_regs *regs);
void entry_trapped(struct pal_regs *regs);
void entry_cpuid(struct pal_regs *regs);
void entry_async(struct pal_regs *regs);
void entry_fault(struct pal_regs *regs);
size_t guest_copy(void *dst, const void *src, size_t n);

static struct thread *main_thread;
static int pipe_fds[2];
static u32 stop_kicks; /* atomic */
static u64 calls;      /* atomic: made by the guest that is kicked */
static u64 blocks;     /* atomic: blocking calls interrupted */
static u64 handled;    /* main thread only: kicks that a blocking call has reported */
static bool stepping, expect_async = true;

static struct thread *self(void)
{
	return (struct thread *)pal_tcb();
}

static void __attribute__((format(printf, 2, 3), noreturn)) fail(int status, const char *fmt, ...)
{
	pal_log("%s (status %d)", fmt, status);
	pal_exit(status);
}

/* ---- upcalls ---- */

bool libos_upcall_signal(struct pal_tcb *tcb, const struct siginfo *info)
{
	((struct thread *)tcb)->seen++;
	return true;
}

void libos_upcall_fault(struct pal_tcb *tcb, const struct siginfo *info, u64 trapno, u64 err,
			u64 cr2)
{
	((struct thread *)tcb)->fault = *info;
}

uintptr_t libos_upcall_fixup(uintptr_t rip, uintptr_t addr)
{
	for (const struct extable *e = libos_extable_start; e < libos_extable_end; e++)
		if (e->from == rip)
			return e->to;
	return 0;
}

/* ---- ways in ---- */

static void test_done(int status)
{
	atomic_store(&stop_kicks, 1);
	if (!status && stepping && self()->faults < 1000)
		status = 60;
	if (!status && expect_async && !stepping && !self()->async)
		status = 61;
	if (!status && self()->seen && !self()->async)
		status = 62;
	if (status)
		pal_log("failed: %lu signals, %lu entries, %lu faults, %lu blocks", self()->seen,
			self()->async, self()->faults, blocks);
	pal_exit(status);
}

void entry_dispatch(struct pal_regs *regs)
{
	char c;

	atomic_add(&calls, 1);
	switch (regs->orig_rax) {
	case CALL_ADD:
		regs->rax = regs->rdi + regs->rsi;
		break;
	case CALL_DONE:
		test_done(regs->rdi);
		break;
	case CALL_BLOCK:
		/* A kick after the look at `seen` is in `pending`: the read sees it. */
		atomic_store(&self()->tcb.pending, 0);
		regs->rax = atomic_load(&self()->seen) == handled ? pal_read(pipe_fds[0], &c, 1)
								  : -EINTR;
		handled = atomic_load(&self()->seen);
		atomic_add(&blocks, 1);
		break;
	case CALL_GO_WILD:
		regs->rip = 0x8000000000000000;
		break;
	default:
		regs->rax = -ENOSYS;
		break;
	}
}

void entry_trapped(struct pal_regs *regs)
{
	if (regs->rcx != regs->rip || regs->r11 != regs->rflags)
		fail(70, "a trapped call's rcx and r11 are not as the hardware leaves them");
	entry_dispatch(regs);
}

/* Its guest has no CPUID that was rewritten. */
void entry_cpuid(struct pal_regs *regs)
{
	fail(70, "a CPUID from nowhere");
}

void entry_async(struct pal_regs *regs)
{
	self()->async++;
	atomic_store(&self()->tcb.pending, 0);
}

void entry_fault(struct pal_regs *regs)
{
	self()->faults++;
	if (self()->fault.si_signo != SIGTRAP || self()->fault.si_code != TRAP_TRACE)
		regs->rip = regs->r14;
}

/* ---- guests ---- */

static struct thread *thread_new(void)
{
	struct thread *t = (struct thread *)pal_thread_alloc(sizeof(*t));

	if (!t)
		fail(80, "no memory");
	t->tcb.entry = libos_entry;
	return t;
}

static void map(uintptr_t at, size_t size, int prot)
{
	if (pal_mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	    (intptr_t)at)
		fail(81, "no memory");
}

static void guest_run(const char *fn, u64 rounds)
{
	struct pal_regs *r = pal_frame(pal_tcb());
	size_t size = PAGE_UP(guest_code_end - guest_code);

	map(GUEST_AT, size, PROT_READ | PROT_WRITE);
	memcpy((void *)GUEST_AT, guest_code, guest_code_end - guest_code);
	pal_mprotect(GUEST_AT, size, PROT_READ | PROT_EXEC);
	map(GUEST_STACK, GUEST_STACK_SIZE, PROT_READ | PROT_WRITE);
	memset(r, 0, sizeof(*r));
	r->rip = GUEST_AT + (fn - guest_code);
	r->rsp = GUEST_STACK + GUEST_STACK_SIZE - 64;
	r->rflags = X86_FLAGS_FIXED | X86_FLAGS_IF;
	r->rdi = rounds;
	entry_leave();
}

static void spin(u64 n)
{
	while (n--)
		__builtin_ia32_pause();
}

/* Kicks the main thread at ever different moments until told to stop. */
/*
 * Kicks at any instant, in bursts. Where a kick takes longer to handle than to send, the next is
 * always there before the guest has run one instruction: between bursts it must get on by a call.
 */
static void kicker(void *arg)
{
	struct pal_kick k = { 0 };
	u64 x = 88172645463325252ul;

	while (!atomic_load(&stop_kicks)) {
		u64 made = atomic_load(&calls);

		for (u32 burst = 1 + (x >> 32) % 16; burst; burst--) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			pal_kick(pal_getpid(), main_thread->tcb.host_tid, &k);
			/* Stepping takes microseconds an instruction: leave it some. */
			spin(x % (stepping ? 20000 : 400));
		}
		while (atomic_load(&calls) == made && !atomic_load(&stop_kicks))
			spin(50);
	}
	pal_thread_free(pal_tcb(), sizeof(struct thread));
	pal_thread_exit(0);
}

/* One kick for each blocking call. If one is lost, the count stands still. */
static void block_kicker(void *arg)
{
	struct pal_kick k = { 0 };
	u64 x = 88172645463325252ul, last = 0;

	for (;;) {
		u64 waited = 0;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		spin(x % 60);
		pal_kick(pal_getpid(), main_thread->tcb.host_tid, &k);
		while (atomic_load(&blocks) == last) {
			struct timespec ms = { 0, 1000000 };

			spin(50);
			if (++waited > 20000)
				pal_nap(&ms);
			if (waited > 23000)
				fail(90, "a kick was lost");
		}
		last = atomic_load(&blocks);
	}
}

static void start(void (*fn)(void *))
{
	struct thread *t = thread_new();

	if (pal_thread_start(&t->tcb, 0, fn, NULL) < 0)
		fail(82, "no thread");
}

/* ---- threads and processes, without a guest ---- */

static u64 counter; /* atomic */

static void count(void *arg)
{
	if (pal_tcb() != (struct pal_tcb *)arg || pal_get_fs() != 0x4000 + (uintptr_t)arg)
		fail(100, "a thread's GS or FS is wrong");
	atomic_add(&counter, 1);
	pal_thread_free(pal_tcb(), sizeof(struct thread));
	pal_thread_exit(0);
}

static void wait_gone(struct thread *t)
{
	s32 tid;

	while ((tid = atomic_load(&t->tcb.host_tid)) != 0)
		pal_futex_plain((u32 *)&t->tcb.host_tid, FUTEX_WAIT, tid, NULL, NULL, 0);
}

static void test_threads(void)
{
	struct thread *t[8], *first = NULL;

	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 8; i++) {
			t[i] = thread_new();
			if (pal_thread_start(&t[i]->tcb, 0x4000 + (uintptr_t)t[i], count, t[i]) < 0)
				fail(101, "no thread");
		}
		for (int i = 0; i < 8; i++)
			wait_gone(t[i]);
		if (!first)
			first = t[0];
	}
	if (counter != 4000)
		fail(102, "threads are missing");
	/* 4000 regions of 116 KiB without reuse would be far away by now. */
	if ((uintptr_t)thread_new() - (uintptr_t)first > 32ul << 20)
		fail(103, "regions are not reused");
}

static int status_of(int pid)
{
	int status = -1, err;

	do {
		err = pal_wait4(pid, &status, 0, NULL);
		atomic_store(&self()->tcb.pending, 0);
	} while (err == -EINTR);
	return err == pid ? status : -1;
}

static void fork_child(s32 *seen_pid)
{
	struct pal_tcb *t = pal_tcb();

	if (t != &main_thread->tcb || t->host_tid != pal_gettid() || t->host_tid != pal_getpid() ||
	    *seen_pid != t->host_tid)
		pal_exit(110);
	/* The alternate stack came along: a fault that the table knows must be survived. */
	if (!guest_copy((void *)8, "x", 1))
		pal_exit(111);
	counter = 77;
	pal_exit(5);
}

static void vfork_child(void *arg)
{
	if (pal_tcb() == &main_thread->tcb || !guest_copy((void *)8, "x", 1))
		pal_exit(112);
	counter = 88;
	pal_exit(6);
}

static void test_forks(void)
{
	s32 *shared = (s32 *)pal_mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 300; i++) {
		struct thread *t = thread_new();
		s32 pid;

		counter = 1;
		pid = pal_fork(shared, false);
		if (pid == 0)
			fork_child(shared);
		if (pid < 0 || *shared != pid || status_of(pid) != 5 << 8 || counter != 1)
			fail(113, "fork");
		pid = pal_vfork(&t->tcb, vfork_child, NULL, shared);
		if (pid < 0 || *shared != pid || status_of(pid) != 6 << 8 || counter != 88)
			fail(114, "vfork");
		pal_thread_free(&t->tcb, sizeof(*t));
		if (pal_tcb() != &main_thread->tcb)
			fail(115, "the parent lost its control block");
		pid = pal_fork(shared, false);
		if (pid == 0)
			pal_die_by_signal(i % 2 ? SIGTERM : SIGQUIT);
		if ((status_of(pid) & 0x7f) != (i % 2 ? SIGTERM : SIGQUIT))
			fail(116, "death by signal");
	}
}

static void exec_child(void *arg)
{
	pal_exec_image(NULL);
	pal_exit(117);
}

/* A vfork child takes a fresh address space; the descriptors and the filter stay. */
static void test_exec(void)
{
	struct thread *t = thread_new();
	s32 pid = 0;

	if (pal_vfork(&t->tcb, exec_child, NULL, &pid) < 0 || status_of(pid) != 9 << 8)
		fail(118, "the image again");
}

/* Own pages and heap over a fork from a process with a busy second thread. */
static void churn(void *arg)
{
	while (!atomic_load(&stop_kicks)) {
		void *p = base_alloc(50000), *q = base_alloc(100);

		base_free(q);
		base_free(p);
	}
	pal_thread_free(pal_tcb(), sizeof(struct thread));
	pal_thread_exit(0);
}

static void test_fork_locks(void)
{
	s32 *shared = (s32 *)pal_mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	start(churn);
	start(kicker);
	for (int i = 0; i < 500; i++) {
		int pid;

		base_heap_lock();
		pid = pal_fork(shared, false);
		base_heap_unlock();
		if (pid == 0) {
			void *p = base_alloc(60000), *t = thread_new();

			pal_exit(p && t ? 0 : 1);
		}
		if (pid < 0 || status_of(pid) != 0)
			fail(120, "a child could not allocate");
	}
	atomic_store(&stop_kicks, 1);
}

static void test_clock(void)
{
	struct timespec a, b;

	for (int i = 0; i < 100000; i++) {
		if (pal_clock_gettime(CLOCK_MONOTONIC, &a) ||
		    pal_clock_gettime(CLOCK_MONOTONIC, &b))
			fail(130, "no clock");
		if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
			fail(131, "the clock runs backwards");
	}
	if (pal_clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a) || pal_clock_gettime(-6, &a) != -EINVAL)
		fail(132, "clocks");
	/* What no row of the filter allows is an errno, not the end. */
	if (pal_ioctl(0, TIOCSTI, 0) != -ENOTTY || pal_madvise(GUEST_AT, 4096, 1000) != -EINVAL ||
	    pal_prctl(PR_SET_SECCOMP, 0, 0, 0, 0) != -EINVAL || pal_close(GRANT_FD_IMAGE) != -EBADF)
		fail(133, "the filter's rows");
}

/* Not a test: what the PAL's calls cost, in ns. */
static u64 now(void)
{
	struct timespec t;

	pal_clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ul + t.tv_nsec;
}

#define COST(what, n, expr)                                                                    \
	do {                                                                                   \
		u64 cost_best = ~0ul;                                                          \
                                                                                               \
		for (int cost_round = 0; cost_round < 5; cost_round++) {                       \
			u64 cost_start = now();                                                \
                                                                                               \
			for (int cost_i = 0; cost_i < (n); cost_i++) {                         \
				expr;                                                          \
			}                                                                      \
			cost_start = now() - cost_start;                                       \
			cost_best = MIN(cost_best, cost_start);                                \
		}                                                                              \
		pal_log("%-32s %lu.%lu ns", what, cost_best / (n), cost_best * 10 / (n) % 10); \
	} while (0)

static void end_at_once(void *arg)
{
	pal_exit(0);
}

static s32 fork_and_wait(bool vfork)
{
	static s32 pid;
	static struct thread *t;

	if (!t)
		t = thread_new();
	if (vfork)
		pal_vfork(&t->tcb, end_at_once, NULL, &pid);
	else if (pal_fork(&pid, false) == 0)
		pal_exit(0);
	return status_of(pid);
}

static void thread_and_wait(void)
{
	struct thread *t = thread_new();

	pal_thread_start(&t->tcb, 0x4000 + (uintptr_t)t, count, t);
	wait_gone(t);
}

static void measure(void)
{
	static char block[4096], block2[4096];
	struct timespec t;
	struct pal_kick k = { 0 };
	int status;

	COST("sched_yield", 1000000, pal_sched_yield());
	COST("futex wake (cancellable)", 1000000,
	     pal_futex((u32 *)&counter, FUTEX_WAKE, 1, NULL, NULL, 0));
	COST("write to pipe, read", 200000, pal_write(pipe_fds[1], "x", 1);
	     pal_read(pipe_fds[0], block, 1));
	COST("clock_gettime", 1000000, pal_clock_gettime(CLOCK_MONOTONIC, &t));
	COST("kick to self", 100000, pal_kick(pal_getpid(), main_thread->tcb.host_tid, &k));
	COST("alloc, free 64", 1000000, base_free(base_alloc(64)));
	COST("alloc, free 50000 (no touch)", 20000, base_free(base_alloc(50000)));
	COST("memcpy 8", 10000000, memcpy(block, block2, *(volatile size_t *)&(size_t){ 8 }));
	COST("memcpy 64", 10000000, memcpy(block, block2, *(volatile size_t *)&(size_t){ 64 }));
	COST("memcpy 200", 1000000, memcpy(block, block2, *(volatile size_t *)&(size_t){ 200 }));
	COST("memcpy 4096", 1000000, memcpy(block, block2, *(volatile size_t *)&(size_t){ 4096 }));
	COST("memset 64", 10000000, memset(block, 0, *(volatile size_t *)&(size_t){ 64 }));
	COST("memset 300", 1000000, memset(block, 0, *(volatile size_t *)&(size_t){ 300 }));
	COST("thread start, exit", 2000, thread_and_wait());
	COST("fork, exit, wait", 500, status = fork_and_wait(false));
	COST("vfork, exit, wait", 500, status = fork_and_wait(true));
	(void)status;
}

void libos_start_leader(void)
{
	const char *test = pal_grant()->sandbox;

	main_thread = thread_new();
	pal_thread_adopt(&main_thread->tcb);
	pal_signals_on(0);
	if (pal_pipe(pipe_fds, 0))
		fail(83, "no pipe");
	if (!strcmp(test, "storm")) {
		start(kicker);
		guest_run(guest_loop, ROUNDS);
	} else if (!strcmp(test, "calls")) {
		expect_async = false;
		guest_run(guest_loop, 1000);
	} else if (!strcmp(test, "step")) {
		stepping = true;
		guest_run(guest_step, 200);
	} else if (!strcmp(test, "step-storm")) {
		stepping = true;
		start(kicker);
		guest_run(guest_step, 100);
	} else if (!strcmp(test, "block")) {
		expect_async = false;
		start(block_kicker);
		guest_run(guest_block, KICKS_BLOCKED);
	} else if (!strcmp(test, "faults")) {
		expect_async = false;
		guest_run(guest_faults, 0);
	} else if (!strcmp(test, "threads")) {
		test_threads();
	} else if (!strcmp(test, "forks")) {
		test_forks();
	} else if (!strcmp(test, "exec")) {
		test_exec();
	} else if (!strcmp(test, "fork-locks")) {
		test_fork_locks();
	} else if (!strcmp(test, "measure")) {
		measure();
	} else if (!strcmp(test, "clock")) {
		test_clock();
	} else {
		fail(84, "no such test");
	}
	pal_exit(0);
}

void libos_start_exec(void)
{
	pal_exit(strcmp(pal_grant()->sandbox, "exec") ? 119 : 9);
}

void libos_start_split_leader(void)
{
	pal_exit(119);
}
