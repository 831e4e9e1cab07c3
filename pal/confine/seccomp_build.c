/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From seccomp.def to instructions.
 *
 * libseccomp makes the list; a few instructions of our own go in front of it, since it cannot look
 * at the instruction pointer:
 *
 *	another architecture (int 0x80)		kill
 *	called from outside the host-call page trap: a guest's call, the PAL's handler takes it to
 *      the libOS
 *	a guard fits				kill
 *	libseccomp's program			allow or kill
 *
 * Jumps in classic BPF are relative, so a program may be put behind another as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <asm/termbits.h>
#include <asm/hwcap2.h>
#include <asm/ioctls.h>
#include <asm/prctl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pal/boundary.h"
#include "pal/confine/impl.h"
#include "pal/confine/names.h"
#include "pal/landlock_abi.h"

#define COND_MAX 4

struct row {
	enum boundary_class class;
	int nr;
	struct scmp_arg_cmp cond[COND_MAX]; /* op 0 ends */
};

#define EQ(arg, v)                     \
	{                              \
		arg, SCMP_CMP_EQ, v, 0 \
	}
#define LE(arg, v)                     \
	{                              \
		arg, SCMP_CMP_LE, v, 0 \
	}
#define BITS(arg, m)                                       \
	{                                                  \
		arg, SCMP_CMP_MASKED_EQ, ~(uint64_t)(m), 0 \
	}
#define FIELD(arg, m, v)                                   \
	{                                                  \
		arg, SCMP_CMP_MASKED_EQ, ~(uint64_t)(m), v \
	}
#define FD(arg) BITS(arg, 0x7fffffff) /* shorter than a comparison */

/* Newer than libseccomp. */
#ifndef __SNR_setxattrat
#define __SNR_setxattrat 463
#endif
#ifndef __SNR_getxattrat
#define __SNR_getxattrat 464
#endif

#define CALL(...)
#define ALLOW(class, call, ...) { BOUNDARY_##class, SCMP_SYS(call), { __VA_ARGS__ } },
#define GUARD(...)
static const struct row rows[] = {
#include "pal/confine/seccomp.def"
};
#undef ALLOW
#undef GUARD

struct guard {
	int nr;
	int arg;
	bool equal; /* else: below */
	uint32_t value;
};

#define GUARD_OP_IS_EQUAL(op) (sizeof(#op) == sizeof("=="))
#define ALLOW(...)
#define GUARD(call, arg, op, v) { SCMP_SYS(call), arg, GUARD_OP_IS_EQUAL(op), v },
static const struct guard guards[] = {
#include "pal/confine/seccomp.def"
};

#undef CALL
#undef ALLOW
#undef GUARD
#define CALL(call, why) { SCMP_SYS(call), #call, why },
#define ALLOW(...)
#define GUARD(...)
static const struct {
	int nr;
	const char *name, *why;
} calls[] = {
#include "pal/confine/seccomp.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PREFIX_MAX (16 + 4 * COUNT(guards))
#define PROGRAM_MAX BPF_MAXINSNS

struct program {
	struct sock_filter *insn;
	uint32_t count;
};

static void put(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->insn[p->count++] = (struct sock_filter){ code, jt, jf, k };
}

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define RETURN (BPF_RET | BPF_K)
#define JEQ (BPF_JMP | BPF_JEQ | BPF_K)
#define JGE (BPF_JMP | BPF_JGE | BPF_K)
#define OFFSET(field) offsetof(struct seccomp_data, field)

/* The page lies within 4 GiB of address space, so its upper half is one value. */
static void put_origin(struct program *p, const struct confine_range *r)
{
	put(p, LOAD, 0, 0, OFFSET(arch));
	put(p, JEQ, 1, 0, AUDIT_ARCH_X86_64);
	put(p, RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS);
	put(p, LOAD, 0, 0, OFFSET(instruction_pointer) + 4);
	put(p, JEQ, 0, 3, (uint32_t)(r->start >> 32));
	put(p, LOAD, 0, 0, OFFSET(instruction_pointer));
	put(p, JGE, 0, 1, (uint32_t)r->start);
	put(p, JGE, 0, 1, (uint32_t)r->end);
	put(p, RETURN, 0, 0, SECCOMP_RET_TRAP);
}

/* The low half only: a row that allows the call forces the upper one. */
static void put_guards(struct program *p)
{
	put(p, LOAD, 0, 0, OFFSET(nr));
	for (size_t i = 0; i < COUNT(guards); i++) {
		const struct guard *g = &guards[i];
		put(p, JEQ, 0, 4, (uint32_t)g->nr);
		put(p, LOAD, 0, 0, OFFSET(args) + 8 * (uint32_t)g->arg);
		put(p, g->equal ? JEQ : JGE, g->equal ? 0 : 1, g->equal ? 1 : 0, g->value);
		put(p, RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS);
		put(p, LOAD, 0, 0, OFFSET(nr));
	}
}

static int add_rows(scmp_filter_ctx ctx, uint32_t flags)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(rows) && !err; i++) {
		unsigned n = 0;
		if (!boundary_in_force(rows[i].class, flags))
			continue;
		while (n < COND_MAX && rows[i].cond[n].op)
			n++;
		err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rows[i].nr, n, rows[i].cond);
	}
	return err;
}

/* libseccomp before 2.6 exports to a descriptor only. */
static int append_export(scmp_filter_ctx ctx, struct program *p)
{
	size_t room = (PROGRAM_MAX - p->count) * sizeof(*p->insn);
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	int err;
	ssize_t n;

	if (fd < 0)
		return -errno;
	err = seccomp_export_bpf(ctx, fd);
	if (!err) {
		n = pread(fd, p->insn + p->count, room, 0);
		if (n < 0)
			err = -errno;
		else if (n == 0 || (size_t)n == room || n % sizeof(*p->insn))
			err = -EIO;
		else
			p->count += (uint32_t)(n / sizeof(*p->insn));
	}
	close(fd);
	return err;
}

/* libseccomp looks at the architecture again, which put_origin() has done: two instructions less for each call. Where
 * the end for others lies too far away for a condition, one of its own stands behind, and is jumped over. */
static int drop_arch(struct program *p, uint32_t start)
{
	struct sock_filter *i = p->insn + start;
	uint32_t n = 2;

	if (p->count < start + 3 || i[0].code != LOAD || i[0].k != OFFSET(arch) || i[1].code != JEQ ||
	    i[1].k != AUDIT_ARCH_X86_64)
		return -EIO;
	if (i[1].jt == 1 && !i[1].jf && (i[2].code == (BPF_JMP | BPF_JA) || i[2].code == RETURN))
		n = 3;
	else if (i[1].jt)
		return -EIO;
	p->count -= n;
	memmove(i, i + n, (p->count - start) * sizeof(*i));
	return 0;
}

static bool is_above_zero(const struct sock_filter *i)
{
	return i->code == (BPF_JMP | BPF_JGT | BPF_K) && !i->k;
}

/* Do all that jump to the instruction, the one before it too, do so because what is loaded is not above 0? */
static bool zero_comes(const struct program *p, uint32_t at)
{
	for (uint32_t pc = 0; pc < at; pc++) {
		const struct sock_filter *i = &p->insn[pc];
		bool jump = BPF_CLASS(i->code) == BPF_JMP, always = jump && BPF_OP(i->code) == BPF_JA;
		bool next = pc + 1 == at && !jump && BPF_CLASS(i->code) != BPF_RET;

		if (next || (always && pc + 1 + i->k == at) || (jump && !always && pc + 1 + i->jt == at))
			return false;
		if (jump && !always && pc + 1 + i->jf == at && !is_above_zero(i))
			return false;
	}
	return true;
}

/* What is not greater than 0 is 0: of the two comparisons that "at most" makes of an upper half, the second goes one
 * way only. So that every branch of the program means something, it becomes a jump. */
static void settle_zeros(struct program *p, uint32_t start)
{
	for (uint32_t pc = start + 1; pc < p->count; pc++) {
		struct sock_filter *i = &p->insn[pc];

		if (i->code == JEQ && !i->k && zero_comes(p, pc))
			*i = (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, i->jt };
	}
}

static int put_list(struct program *p, uint32_t flags)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	uint32_t start = p->count;
	int err;

	if (!ctx)
		return -ENOMEM;
	/* A binary tree over the numbers instead of a list as long as the table. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
				       SCMP_ACT_KILL_PROCESS); /* x32 numbers */
	if (!err)
		err = add_rows(ctx, flags);
	if (!err)
		err = append_export(ctx, p);
	if (!err)
		err = drop_arch(p, start);
	if (!err)
		settle_zeros(p, start);
	seccomp_release(ctx);
	return err;
}

/* What Landlock of this kernel leaves to others. */
static uint32_t landlock_lacks(void)
{
	int abi = confine_landlock_abi();
	uint32_t flags = 0;

	if (abi < LANDLOCK_ABI_SCOPES)
		flags |= GRANT_BROKER_SIGNAL;
	if (abi < LANDLOCK_ABI_TRUNCATE)
		flags |= GRANT_NO_TRUNC;
	return flags;
}

/* GSH_FSGSBASE=no pretends a kernel, or a virtual machine, that has not got them. */
static bool bases_by_instruction(void)
{
	const char *less = getenv("GSH_FSGSBASE");

	return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE && !(less && !strcmp(less, "no"));
}

uint32_t confine_flags(enum grant_rung rung, bool lean)
{
	uint32_t flags = bases_by_instruction() ? 0 : GRANT_BASES;

	if (rung == GRANT_RUNG_B)
		flags |= GRANT_BROKER_ATTR | GRANT_BROKER_SOCK | GRANT_BROKER_OPEN | landlock_lacks();

	return lean ? flags | GRANT_BROKER_ATTR | GRANT_BROKER_SOCK | GRANT_LEAN : flags;
}

int confine_filter(enum grant_rung rung, uint32_t flags, const struct confine_range *range,
		   struct sock_filter **prog, uint32_t *count)
{
	struct program p = { 0 };
	int err = 0;

	if (range->start >= range->end || range->start >> 32 != range->end >> 32)
		return -EINVAL;
	p.insn = calloc(PROGRAM_MAX, sizeof(*p.insn));
	if (!p.insn)
		return -ENOMEM;
	put_origin(&p, range);
	if (rung == GRANT_RUNG_NONE) {
		put(&p, RETURN, 0, 0, SECCOMP_RET_ALLOW);
	} else {
		put_guards(&p);
		err = put_list(&p, flags);
	}
	if (err) {
		free(p.insn);
		return err;
	}
	*prog = p.insn;
	*count = p.count;
	return 0;
}

unsigned confine_calls(uint32_t flags, int (*each)(const char *name, const char *why, void *arg), void *arg)
{
	unsigned n = 0;

	for (size_t i = 0; i < COUNT(calls); i++) {
		bool any = false;

		for (size_t k = 0; k < COUNT(rows) && !any; k++)
			any = rows[k].nr == calls[i].nr && boundary_in_force(rows[k].class, flags);
		n += any;
		if (any && each && each(calls[i].name, calls[i].why, arg))
			break;
	}
	return n;
}
