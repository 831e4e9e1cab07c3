/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An interpreter for seccomp's dialect of classic BPF that notes which way each branch went. For
 * tests: no call is made.
 */
#ifndef TESTS_UNIT_BPF_H
#define TESTS_UNIT_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct bpf_seen {
	bool yes, no; /* of a conditional jump: taken, not taken; of any other instruction, yes:
			 executed */
	bool number;  /* what was compared was the call's number */
};

/* The return value, or 0 (which is SECCOMP_RET_KILL_THREAD, never ours) for a program that makes no
 * sense. */
static inline uint32_t bpf_run(const struct sock_filter *p, uint32_t n,
			       const struct seccomp_data *data, struct bpf_seen *seen,
			       unsigned *steps)
{
	uint32_t a = 0, from = ~0u, words[sizeof(*data) / 4];

	memcpy(words, data, sizeof(words));
	*steps = 0;
	for (uint32_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &p[pc];
		bool jump = BPF_CLASS(i->code) == BPF_JMP && BPF_OP(i->code) != BPF_JA,
		     taken = true;

		++*steps;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 || i->k >= sizeof(words))
				return 0;
			a = words[i->k / 4];
			from = i->k;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			taken = a == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			taken = a > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			taken = a >= i->k;
			break;
		case BPF_RET | BPF_K:
			if (seen)
				seen[i - p].yes = true;
			return i->k;
		default:
			return 0;
		}
		if (seen && jump)
			seen[i - p].number = from == 0;
		if (seen && taken)
			seen[i - p].yes = true;
		if (seen && !taken)
			seen[i - p].no = true;
		if (jump)
			pc += taken ? i->jt : i->jf;
	}
	return 0;
}

#endif
