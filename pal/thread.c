/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Host threads and their regions.
 *
 * A region is one block of own pages: guard page, libOS stack, control block (with the libOS's
 * struct thread round it), alternate signal stack. Its life:
 *
 *   pal_thread_alloc   taken from the freed ones whose thread is gone (host_tid is 0 again), or
 *                      mapped afresh
 *   pal_thread_start   the host thread runs on it; the kernel writes host_tid
 *   pal_thread_free    marked; a thread may free its own region and go on using it until it leaves
 *   pal_thread_exit    the kernel clears host_tid when the stack is no longer used
 *
 * All signals are blocked while a new host thread has neither GS nor alternate stack of its own.
 */
#include "pal/impl.h"

#define ALL_SIGNALS (~0ul)
#define FREED_KEPT 16 /* regions of ended threads that stay mapped */
/*
 * What lies between the first C frame of a thread and the top of its stack: the frame of the
 * guest's registers.
 */
#define START_ROOM (REGS_SIZE + 32)

struct pal_tcb pal_boot_tcb = { .self = &pal_boot_tcb };

/* Where the first region lies: within the image, so that one page table serves for both. */
#define FIRST_SIZE (28 * PAGE_SIZE)
static u8 first_region[FIRST_SIZE] __attribute__((section(".bss.region"), aligned(PAGE_SIZE)));
static u32 first_taken; /* atomic */

static struct mutex region_lock = MUTEX_INIT;
static struct pal_tcb *regions; /* guarded by region_lock */
static unsigned freed_count;	/* guarded by region_lock */

static uintptr_t region_start(const struct pal_tcb *tcb)
{
	return tcb->stack_top - PAL_STACK_SIZE - PAGE_SIZE;
}

static size_t region_size(size_t thread_size)
{
	return PAGE_SIZE + PAGE_UP(PAL_STACK_SIZE + thread_size) + PAL_ALTSTACK_SIZE;
}

static bool region_idle(const struct pal_tcb *tcb)
{
	return tcb->freed && atomic_load(&tcb->host_tid) == 0;
}

/* Unlink an idle region of that size, or NULL. Caller holds region_lock. */
static struct pal_tcb *region_reuse(size_t size)
{
	for (struct pal_tcb **p = &regions; freed_count && *p; p = &(*p)->next) {
		struct pal_tcb *t = *p;

		if (t->region_size == size && region_idle(t)) {
			*p = t->next;
			freed_count--;
			return t;
		}
	}
	return NULL;
}

/* Unlink one idle region when there are too many, or NULL. Caller holds region_lock. */
static struct pal_tcb *region_surplus(void)
{
	if (freed_count <= FREED_KEPT)
		return NULL;
	for (struct pal_tcb **p = &regions; *p; p = &(*p)->next) {
		struct pal_tcb *t = *p;

		if (region_idle(t)) {
			*p = t->next;
			freed_count--;
			return t;
		}
	}
	return NULL;
}

static struct pal_tcb *region_first(void)
{
	uintptr_t start = (uintptr_t)first_region;

	BUG_ON(pal_munmap(start, PAGE_SIZE) < 0);
	return (struct pal_tcb *)(start + PAGE_SIZE + PAL_STACK_SIZE);
}

/* The guard is a page that is never mapped: nobody else is given its address. */
static struct pal_tcb *region_map(size_t size)
{
	uintptr_t start, stack;

	if (size <= FIRST_SIZE && atomic_cas(&first_taken, 0, 1))
		return region_first();
	start = pal_pages_reserve(size);
	stack = start + PAGE_SIZE;
	if (!start || pal_mmap(stack, size - PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			       0) != (intptr_t)stack)
		return NULL;
	return (struct pal_tcb *)(stack + PAL_STACK_SIZE);
}

static void region_unmap(struct pal_tcb *tcb)
{
	BUG_ON(pal_munmap(region_start(tcb), tcb->region_size) < 0);
}

struct pal_tcb *pal_thread_alloc(size_t thread_size)
{
	size_t size = region_size(thread_size);
	struct pal_tcb *tcb;

	BUG_ON(thread_size < sizeof(*tcb));
	lock(&region_lock);
	tcb = region_reuse(size);
	unlock(&region_lock);
	if (tcb)
		memset(tcb, 0, thread_size);
	else
		tcb = region_map(size);
	if (!tcb)
		return NULL;
	tcb->self = tcb;
	tcb->stack_top = (u64)tcb;
	tcb->altstack = PAGE_UP((u64)tcb + thread_size);
	tcb->region_size = size;
	lock(&region_lock);
	tcb->next = regions;
	regions = tcb;
	unlock(&region_lock);
	return tcb;
}

void pal_thread_free(struct pal_tcb *tcb, size_t thread_size)
{
	struct pal_tcb *surplus;

	BUG_ON(tcb->self != tcb || tcb->region_size != region_size(thread_size) || tcb->freed);
	lock(&region_lock);
	tcb->freed = 1;
	freed_count++;
	surplus = region_surplus();
	unlock(&region_lock);
	if (surplus)
		region_unmap(surplus);
}

/*
 * The bases of FS and GS. The instructions are the kernel's to allow (FSGSBASE, Linux 5.9), and some virtual
 * machines' have not got them. There they may still be executed, but what they write is lost at the next switch to
 * another thread.
 */
u8 pal_bases_by_call;

void pal_set_gs(struct pal_tcb *tcb)
{
	if (pal_bases_by_call)
		BUG_ON(HOST(2, arch_prctl, ARCH_SET_GS, tcb));
	else
		__asm__ volatile("wrgsbase %0" : : "r"(tcb) : "memory");
}

struct pal_tcb *pal_gs_checked(void)
{
	uintptr_t gs;

	if (pal_bases_by_call)
		gs = (uintptr_t)pal_gs_probe();
	else
		__asm__ volatile("rdgsbase %0" : "=r"(gs));
	if (gs == (uintptr_t)&pal_boot_tcb)
		return &pal_boot_tcb;
	if ((gs < PAL_PAGES_BASE || gs >= PAL_END) && gs - (uintptr_t)first_region >= FIRST_SIZE)
		return NULL;
	if (gs & 15)
		return NULL;
	return ((struct pal_tcb *)gs)->self == (struct pal_tcb *)gs ? (struct pal_tcb *)gs : NULL;
}

uintptr_t pal_get_fs(void)
{
	uintptr_t base = 0;

	if (pal_bases_by_call)
		BUG_ON(HOST(2, arch_prctl, ARCH_GET_FS, &base));
	else
		__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

void pal_set_fs(uintptr_t base)
{
	if (pal_bases_by_call)
		BUG_ON(HOST(2, arch_prctl, ARCH_SET_FS, base));
	else
		__asm__ volatile("wrfsbase %0" : : "r"(base) : "memory");
}

static void altstack_set(const struct pal_tcb *tcb)
{
	stack_t st = { .ss_sp = (void *)tcb->altstack, .ss_size = PAL_ALTSTACK_SIZE };

	BUG_ON(HOST(2, sigaltstack, &st, NULL));
}

static u64 mask_set(u64 mask)
{
	u64 old = 0;

	BUG_ON(HOST(4, rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof(mask)));
	return old;
}

/*
 * At start, on the host's stack. A signal between the steps finds a control block in GS either way,
 * and without an alternate stack its handler runs where the thread is.
 */
void pal_thread_adopt(struct pal_tcb *tcb)
{
	pal_set_gs(tcb);
	altstack_set(tcb);
	tcb->host_pid = (s32)HOST(1, set_tid_address, &tcb->host_tid); /* the first thread: its tid is the pid */
	atomic_store(&tcb->host_tid, tcb->host_pid);
}

void pal_thread_begin(struct pal_tcb *tcb, void (*fn)(void *), void *arg)
{
	if (!tcb->host_pid)
		tcb->host_pid = tcb->host_tid; /* the first thread of a process of its own */
	altstack_set(tcb);
	mask_set(tcb->start_mask);
	fn(arg);
	pal_bug(__FILE__, __LINE__, "a thread's function returned");
}

static int clone_onto(struct pal_tcb *tcb, unsigned long flags, s32 *parent_tid, uintptr_t fs,
		      void (*fn)(void *), void *arg)
{
	u64 old = mask_set(ALL_SIGNALS);
	long tid;

	tcb->start_mask = old & ~sigmask(PAL_SIG_KICK); /* not what a full inbox holds back for the caller */
	tid = pal_clone_onto(flags, tcb->stack_top - START_ROOM, parent_tid, &tcb->host_tid, fs,
			     tcb, fn, arg);
	mask_set(old);
	return tid;
}

int pal_thread_start(struct pal_tcb *tcb, uintptr_t fs, void (*fn)(void *), void *arg)
{
	tcb->host_pid = pal_getpid();
	return clone_onto(tcb,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
				  CLONE_CHILD_CLEARTID,
			  &tcb->host_tid, fs, fn, arg);
}

int pal_vfork(struct pal_tcb *tcb, void (*fn)(void *), void *arg, s32 *host_pid)
{
	return clone_onto(tcb,
			  CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
				  CLONE_CHILD_CLEARTID | SIGCHLD,
			  host_pid, 0, fn, arg);
}

int pal_lend(struct pal_tcb *tcb, void (*fn)(void *), void *arg, s32 *host_pid)
{
	return clone_onto(tcb, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
			  host_pid, 0, fn, arg);
}

/*
 * The host walks a thread's robust list however the thread ends, SIGKILL included, and this is the
 * list: one entry, in the control block, and the word at the offset from it that the head names.
 */
void pal_death_word(u32 *word)
{
	struct pal_tcb *tcb = pal_tcb();
	u64 offset = (u64)word - (u64)&tcb->death[3];

	if (tcb->death_tid == tcb->host_tid && tcb->death[1] == offset)
		return;
	tcb->death[0] = (u64)&tcb->death[3];
	tcb->death[1] = offset;
	tcb->death[2] = 0;
	tcb->death[3] = (u64)&tcb->death[0];
	BUG_ON(HOST(2, set_robust_list, tcb->death, sizeof(u64[3])));
	tcb->death_tid = tcb->host_tid;
}

void pal_thread_exit(int status)
{
	/* A signal for the process must not choose this thread any more. */
	mask_set(ALL_SIGNALS);
	pal_exit_insn(status);
}

void pal_thread_fork_begin(void)
{
	lock(&region_lock);
}

bool pal_thread_unlocked(void)
{
	if (!trylock(&region_lock))
		return false;
	unlock(&region_lock);
	return true;
}

void pal_thread_fork_end(bool child)
{
	const struct pal_tcb *self = pal_tcb();

	/* The others did not come along, so nobody will ever clear their words. */
	for (struct pal_tcb *t = regions; child && t; t = t->next)
		if (t != self)
			atomic_store(&t->host_tid, 0);
	unlock(&region_lock);
}
