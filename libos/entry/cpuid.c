// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * CPUID, remembered.
 *
 * In a virtual machine the instruction leaves the machine: microseconds each, and glibc's loader
 * executes some eighty of them before a program begins, more than half of the cost of starting one.
 * Its places in the loader and the libc are rewritten like system calls (gshd/rewrite/rewrite.h), and
 * answered here from a table in the sandbox area.
 *
 * Kept are the leaves that say the same on every processor of the machine, and leaf 1, which holds
 * the processor's number, for each of them. Where processors differ in kind, and for all other
 * leaves, the instruction is executed.
 */
#include "libos/entry/entry.h"
#include "libos/coord/area.h"

enum { ROW_FREE, ROW_CLAIMED, ROW_KNOWN };
#define LEAF_FEATURES 1u
#define LEAF_MORE 7u
#define MORE_D_HYBRID (1u << 15)
#define SUBS_MAX 16
#define EXT 0x80000000u

struct words {
	u32 a, b, c, d;
};

static struct words ask(u32 leaf, u32 sub)
{
	struct words w;

	__asm__ volatile("cpuid" : "=a"(w.a), "=b"(w.b), "=c"(w.c), "=d"(w.d) : "0"(leaf), "2"(sub));
	return w;
}

/* Leaves that take no notice of ecx, and those that do. */
static bool is_plain(u32 leaf)
{
	const u64 low = 1ull << 0 | 1ull << 1 | 1ull << 2 | 1ull << 5 | 1ull << 6 | 1ull << 9 | 1ull << 0xa |
			1ull << 0x15 | 1ull << 0x16 | 1ull << 0x19;
	const u64 ext = 0x1ffull | 1ull << 0x19 | 1ull << 0x1a | 1ull << 0x1b | 1ull << 0x1f | 1ull << 0x21;

	return leaf < 64 ? low >> leaf & 1 : leaf - EXT < 64 && (ext >> (leaf - EXT) & 1);
}

static bool is_counted(u32 leaf)
{
	return leaf == 4 || leaf == LEAF_MORE || leaf == 0xd || leaf == 0x14 || leaf == EXT + 0x1d;
}

/* The row, or a free one claimed for it, or NULL: the table is full. */
static struct area_cpuid *row_of(u32 leaf, u32 sub, u32 cpu)
{
	for (unsigned i = 0; i < AREA_CPUID; i++) {
		struct area_cpuid *row = &the_area->cpuid[(leaf * 5 + sub * 7 + cpu * 11 + i) % AREA_CPUID];
		u32 state = atomic_load(&row->state);

		if (state == ROW_FREE && atomic_cas(&row->state, ROW_FREE, ROW_CLAIMED))
			return row;
		if (state == ROW_KNOWN && row->leaf == leaf && row->sub == sub && row->cpu == cpu)
			return row;
	}
	return NULL;
}

static struct words look_up(u32 leaf, u32 sub, u32 cpu)
{
	struct area_cpuid *row = row_of(leaf, sub, cpu);
	struct words w;

	if (row && atomic_load(&row->state) == ROW_KNOWN)
		return (struct words){ row->a, row->b, row->c, row->d };
	w = ask(leaf, sub);
	/* Who dies here leaves a row that nobody uses. */
	if (row) {
		row->leaf = leaf, row->sub = sub, row->cpu = cpu;
		row->a = w.a, row->b = w.b, row->c = w.c, row->d = w.d;
		atomic_store(&row->state, ROW_KNOWN);
	}
	return w;
}

static bool hybrid(void)
{
	return look_up(0, 0, 0).a >= LEAF_MORE && look_up(LEAF_MORE, 0, 0).d & MORE_D_HYBRID;
}

static struct words answer(u32 leaf, u32 sub)
{
	unsigned cpu = 0;

	if (is_plain(leaf))
		sub = 0;
	else if (!is_counted(leaf) || sub >= SUBS_MAX)
		return ask(leaf, sub);
	if (hybrid() || (leaf == LEAF_FEATURES && pal_getcpu(&cpu, NULL)))
		return ask(leaf, sub);
	return look_up(leaf, sub, cpu);
}

u32 cpuid_b(u32 leaf, u32 sub)
{
	return answer(leaf, sub).b;
}

void entry_cpuid(struct pal_regs *regs)
{
	struct words w = answer((u32)regs->rax, (u32)regs->rcx);

	regs->rax = w.a;
	regs->rbx = w.b;
	regs->rcx = w.c;
	regs->rdx = w.d;
}
