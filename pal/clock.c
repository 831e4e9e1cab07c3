/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Clocks, sleeps, timers. Reading a clock goes through the host's vDSO when it has one: 20 ns
 * instead of 200.
 *
 * If the vDSO can't answer by itself (an odd clock source) it makes the system call from its own
 * text, which the filter turns into SIGSYS; pal/trap.c sees that the call is the PAL's own and
 * makes it on the vDSO's behalf.
 */
#include "pal/allowed.h"

typedef long (*gettime_fn)(long clock, struct timespec *ts);

typedef long (*getcpu_fn)(unsigned *cpu, unsigned *node, void *unused);

static gettime_fn vdso_gettime, vdso_getres; /* immutable after start */
static getcpu_fn vdso_getcpu;		     /* immutable after start */
static uintptr_t vdso_start, vdso_end; /* immutable after start */

struct vdso {
	const char *base; /* address minus p_vaddr */
	const Elf64_Sym *sym;
	const char *str;
	const u32 *hash; /* nbucket, nchain, ... */
	const u32 *gnu_hash;
};

static bool vdso_parse(struct vdso *v, uintptr_t at)
{
	const Elf64_Ehdr *eh = (const void *)at;
	const Elf64_Phdr *ph = (const void *)(at + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;

	for (unsigned i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD) {
			v->base = (const char *)at + ph[i].p_offset - ph[i].p_vaddr;
			vdso_end = PAGE_UP(v->base + ph[i].p_vaddr + ph[i].p_memsz);
		} else if (ph[i].p_type == PT_DYNAMIC) {
			dyn = (const void *)(at + ph[i].p_offset);
		}
	}
	vdso_start = at;
	if (!v->base || !dyn)
		return false;
	for (; dyn->d_tag != DT_NULL; dyn++) {
		const void *p = v->base + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			v->sym = p;
		else if (dyn->d_tag == DT_STRTAB)
			v->str = p;
		else if (dyn->d_tag == DT_HASH)
			v->hash = p;
		else if (dyn->d_tag == 0x6ffffef5 /* DT_GNU_HASH */)
			v->gnu_hash = p;
	}
	return v->sym && v->str && (v->hash || v->gnu_hash);
}

/* Number of symbols: newer kernels leave the plain hash table out. */
static u32 vdso_symbols(const struct vdso *v)
{
	const u32 *buckets, *chains;
	u32 last = 0;

	if (v->hash)
		return v->hash[1];
	buckets = v->gnu_hash + 4 + v->gnu_hash[2] * 2;
	chains = buckets + v->gnu_hash[0];
	for (u32 i = 0; i < v->gnu_hash[0]; i++)
		last = MAX(last, buckets[i]);
	if (!last)
		return 0;
	while (!(chains[last - v->gnu_hash[1]] & 1))
		last++;
	return last + 1;
}

void pal_clock_init(void)
{
	uintptr_t at = pal_auxv(AT_SYSINFO_EHDR);
	struct vdso v = { 0 };

	if (!at || !vdso_parse(&v, at))
		return;
	for (u32 i = 0, n = vdso_symbols(&v); i < n; i++) {
		const char *name = v.str + v.sym[i].st_name, *fn = v.base + v.sym[i].st_value;

		if (!v.sym[i].st_shndx)
			continue;
		if (!strcmp(name, "__vdso_clock_gettime"))
			vdso_gettime = (gettime_fn)fn;
		else if (!strcmp(name, "__vdso_clock_getres"))
			vdso_getres = (gettime_fn)fn;
		else if (!strcmp(name, "__vdso_getcpu"))
			vdso_getcpu = (getcpu_fn)fn;
	}
}

bool pal_in_vdso(uintptr_t rip)
{
	return rip >= vdso_start && rip < vdso_end;
}

u64 pal_vdso(void)
{
	return vdso_start;
}

/* What the vDSO reads from its data page; it passes all other clocks on. */
static bool clock_in_vdso(int clock)
{
	const u32 known = 1u << CLOCK_REALTIME | 1u << CLOCK_MONOTONIC | 1u << CLOCK_MONOTONIC_RAW |
			  1u << CLOCK_REALTIME_COARSE | 1u << CLOCK_MONOTONIC_COARSE |
			  1u << CLOCK_BOOTTIME | 1u << CLOCK_TAI;

	return clock >= 0 && clock < 32 && known >> clock & 1;
}

int pal_clock_gettime(int clock, struct timespec *ts)
{
	return vdso_gettime && clock_in_vdso(clock) ? vdso_gettime(clock, ts)
				    : HOST_OR(-EINVAL, 2, clock_gettime, clock, ts);
}

int pal_clock_getres(int clock, struct timespec *ts)
{
	if (vdso_getres && clock_in_vdso(clock))
		return vdso_getres(clock, ts);
	/* Those of the processor's time are counted, and alarms made, in nanoseconds. */
	*ts = (struct timespec){ .tv_nsec = 1 };
	return 0;
}

int pal_getcpu(unsigned *cpu, unsigned *node)
{
	return vdso_getcpu ? vdso_getcpu(cpu, node, NULL) : -ENOSYS;
}

/* A futex that nobody wakes: its timeouts are those of clock_nanosleep, for the two clocks that it knows. */
static int sleep_on(int op, const struct timespec *t)
{
	u32 word = 0;
	int r;

	do
		r = CP(6, futex, &word, op | FUTEX_PRIVATE_FLAG, 0, t, NULL, FUTEX_BITSET_MATCH_ANY);
	while (!r && op != FUTEX_WAIT); /* a stray wake, left over from what lay here before */
	return r == -ETIMEDOUT ? 0 : r;
}

/*
 * Clocks that may run faster than CLOCK_MONOTONIC, over a suspension or with several threads, or not at all: asked
 * again and again.
 */
static int sleep_until_odd(int clock, const struct timespec *end)
{
	const s64 second = 1000000000;
	const bool cpu = clock == CLOCK_PROCESS_CPUTIME_ID;

	for (;;) {
		struct timespec now, nap;
		s64 left;
		int r = pal_clock_gettime(clock, &now);

		if (r)
			return r;
		if (end->tv_sec - now.tv_sec > 1000)
			left = second;
		else
			left = (end->tv_sec - now.tv_sec) * second + end->tv_nsec - now.tv_nsec;
		if (left <= 0)
			return 0;
		left = cpu ? MIN(MAX(left / 8, 1000000), second / 10) : MIN(left, second);
		nap = (struct timespec){ .tv_sec = left / second, .tv_nsec = left % second };
		r = sleep_on(FUTEX_WAIT, &nap);
		if (r)
			return r;
	}
}

int pal_nap(const struct timespec *time)
{
	return sleep_on(FUTEX_WAIT, time);
}

int pal_sleep_until(int clock, const struct timespec *end)
{
	if (end->tv_sec < 0)
		return 0;
	if (clock == CLOCK_MONOTONIC)
		return sleep_on(FUTEX_WAIT_BITSET, end);
	if (clock == CLOCK_REALTIME)
		return sleep_on(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, end);
	return sleep_until_odd(clock, end);
}

int pal_timerfd_create(int clock, int flags)
{
	return HOST_OR(-EINVAL, 2, timerfd_create, clock, flags | TFD_CLOEXEC);
}

int pal_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	return HOST(4, timerfd_settime, fd, flags, value, old);
}

int pal_timerfd_gettime(int fd, struct itimerspec *value)
{
	return HOST(2, timerfd_gettime, fd, value);
}

int pal_setitimer(int which, const struct itimerval *value, struct itimerval *old)
{
	return HOST(3, setitimer, which, value, old);
}
