/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Classic BPF over struct seccomp_data: checked once, then run without checks.
 *
 * The rules are those of kernel/seccomp.c (seccomp_check_filter) and net/core/filter.c (bpf_check_classic): forward
 * jumps within the program, a return at the end, memory words written before they are read, no constant division by
 * zero. A program that passes ends.
 */
#include "libos/task/seccomp.h"

#define MEM_ALL ((1u << BPF_MEMWORDS) - 1)

static bool alu_op_ok(const struct sock_filter *i)
{
	switch (BPF_OP(i->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR:
		return true;
	case BPF_DIV:
		return BPF_SRC(i->code) == BPF_X || i->k;
	case BPF_LSH:
	case BPF_RSH:
		return BPF_SRC(i->code) == BPF_X || i->k < 32;
	case BPF_NEG:
		return BPF_SRC(i->code) == BPF_K;
	}
	return false;
}

static bool jump_ok(const struct sock_filter *i, unsigned at, unsigned count)
{
	unsigned left = count - at - 1;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return BPF_SRC(i->code) == BPF_K && i->k < left;
	case BPF_JEQ:
	case BPF_JGE:
	case BPF_JGT:
	case BPF_JSET:
		return i->jt < left && i->jf < left;
	}
	return false;
}

/* Codes have no bits beyond those looked at here: anything else is not on the kernel's list. */
static bool insn_ok(const struct sock_filter *i, unsigned at, unsigned count)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k < sizeof(struct seccomp_data) && !(i->k & 3);
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	}
	if (i->code & ~0xffu)
		return false;
	if (BPF_CLASS(i->code) == BPF_ALU)
		return alu_op_ok(i);
	return BPF_CLASS(i->code) == BPF_JMP && jump_ok(i, at, count);
}

/* Which memory words are written on every way to an instruction; words[at] is narrowed by each jump to it. */
static bool memory_ok(const struct sock_filter *insn, unsigned count, u16 *words)
{
	u32 now = 0;

	for (unsigned at = 0; at < count; at++) {
		const struct sock_filter *i = &insn[at];

		now &= words[at];
		switch (i->code) {
		case BPF_ST:
		case BPF_STX:
			now |= 1u << i->k;
			break;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			if (!(now & 1u << i->k))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			words[at + 1 + i->k] &= (u16)now;
			now = MEM_ALL;
			break;
		default:
			if (BPF_CLASS(i->code) == BPF_JMP) {
				words[at + 1 + i->jt] &= (u16)now;
				words[at + 1 + i->jf] &= (u16)now;
				now = MEM_ALL;
			}
		}
	}
	return true;
}

bool seccomp_valid(const struct sock_filter *insn, unsigned count)
{
	u16 *words;
	bool good;

	for (unsigned at = 0; at < count; at++)
		if (!insn_ok(&insn[at], at, count))
			return false;
	if (BPF_CLASS(insn[count - 1].code) != BPF_RET)
		return false;
	words = base_alloc(count * sizeof(*words));
	if (!words)
		return false;
	memset(words, 0xff, count * sizeof(*words));
	good = memory_ok(insn, count, words);
	base_free(words);
	return good;
}

static u32 alu(u16 code, u32 a, u32 b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	}
	return -a;
}

static bool holds(u16 code, u32 a, u32 b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	}
	return a & b; /* BPF_JSET */
}

u32 seccomp_run(const struct seccomp_filter *f, const struct seccomp_data *d)
{
	u32 a = 0, x = 0, mem[BPF_MEMWORDS];

	for (const struct sock_filter *i = f->insn;; i++) {
		u32 b = BPF_SRC(i->code) == BPF_X ? x : i->k;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const u8 *)d + i->k, sizeof(a));
			continue;
		case BPF_LD | BPF_W | BPF_LEN:
			a = sizeof(*d);
			continue;
		case BPF_LDX | BPF_W | BPF_LEN:
			x = sizeof(*d);
			continue;
		case BPF_LD | BPF_IMM:
			a = i->k;
			continue;
		case BPF_LDX | BPF_IMM:
			x = i->k;
			continue;
		case BPF_LD | BPF_MEM:
			a = mem[i->k];
			continue;
		case BPF_LDX | BPF_MEM:
			x = mem[i->k];
			continue;
		case BPF_ST:
			mem[i->k] = a;
			continue;
		case BPF_STX:
			mem[i->k] = x;
			continue;
		case BPF_MISC | BPF_TAX:
			x = a;
			continue;
		case BPF_MISC | BPF_TXA:
			a = x;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_RET | BPF_A:
			return a;
		case BPF_JMP | BPF_JA:
			i += i->k;
			continue;
		}
		if (BPF_CLASS(i->code) == BPF_JMP)
			i += holds(i->code, a, b) ? i->jt : i->jf;
		else if (BPF_OP(i->code) == BPF_DIV && !b)
			return 0; /* as the kernel's translation ends such a program */
		else
			a = alu(i->code, a, b);
	}
}
