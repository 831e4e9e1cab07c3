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

static gettime_fn vdso_gettime;	       /* immutable after start */
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
	for (u32 i = 0, n = vdso_symbols(&v); i < n; i++)
		if (v.sym[i].st_shndx && !strcmp(v.str + v.sym[i].st_name, "__vdso_clock_gettime"))
			vdso_gettime = (gettime_fn)(v.base + v.sym[i].st_value);
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

	return vdso_gettime && clock >= 0 && clock < 32 && known >> clock & 1;
}

int pal_clock_gettime(int clock, struct timespec *ts)
{
	return clock_in_vdso(clock) ? vdso_gettime(clock, ts)
				    : HOST_OR(-EINVAL, 2, clock_gettime, clock, ts);
}

int pal_clock_getres(int clock, struct timespec *ts)
{
	return HOST_OR(-EINVAL, 2, clock_getres, clock, ts);
}

int pal_clock_nanosleep(int clock, int flags, const struct timespec *req, struct timespec *rem)
{
	return CP_OR(-EINVAL, 4, clock_nanosleep, clock, flags, req, rem);
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

int pal_getitimer(int which, struct itimerval *value)
{
	return HOST(2, getitimer, which, value);
}
