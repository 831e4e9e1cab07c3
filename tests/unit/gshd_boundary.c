/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Every rule of pal/confine/seccomp.def is enforced, and nothing else is let through: the filter
 * against a second reading of the table, for each rung, lean or not.
 *
 * From each condition come the values at which it turns: its own, the neighbours, each bit that it
 * forbids, the same in the upper half. Each row is tried with all its conditions fulfilled and with
 * each in turn at each of its values. What the table says of a call (some row fits and no guard
 * does) must be what the program says. In the end every branch of the program must have been seen
 * both ways.
 */
#include <asm/ioctls.h>
#include <asm/prctl.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "pal/boundary.h"
#include "pal/confine/confine.h"
#include "pal/confine/names.h"
#include "tests/unit/bpf.h"
#include "tests/unit/gshd_test.h"

#define PAGE 0x780000001000ull
#define NUMBERS 600
#define X32 0x40000000

enum kind { NONE, EQ_, LE_, FIELD_ };

struct cond {
	enum kind kind;
	int arg;
	uint64_t free, value; /* FIELD: bits that may be anything, and what the others are */
};

struct row {
	enum boundary_class class;
	int nr;
	struct cond cond[5];
};

#ifndef SYS_setxattrat /* Linux 6.13 */
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#endif

#define EQ(arg, v)             \
	{                      \
		EQ_, arg, 0, v \
	}
#define LE(arg, v)             \
	{                      \
		LE_, arg, 0, v \
	}
#define BITS(arg, m)              \
	{                         \
		FIELD_, arg, m, 0 \
	}
#define FIELD(arg, m, v)          \
	{                         \
		FIELD_, arg, m, v \
	}
#define FD(arg) BITS(arg, 0x7fffffff)
#define CALL(...)
#define ALLOW(class, call, ...) { BOUNDARY_##class, SYS_##call, { __VA_ARGS__ } },
#define GUARD(...)
static const struct row rows[] = {
#include "pal/confine/seccomp.def"
};
#undef CALL
#undef ALLOW
#undef GUARD

struct guard {
	int nr, arg;
	uint64_t value;
};

#define CALL(...)
#define ALLOW(...)
#define GUARD(call, arg, op, v) { SYS_##call, arg, v },
static const struct guard guards[] = {
#include "pal/confine/seccomp.def"
};
#undef CALL
#undef ALLOW
#undef GUARD

#define CALL(call, why) { SYS_##call, why },
#define ALLOW(...)
#define GUARD(...)
static const struct {
	int nr;
	const char *why;
} whys[] = {
#include "pal/confine/seccomp.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sock_filter *prog;
static struct bpf_seen *seen;
static uint32_t count, flags;
static unsigned long tried;

static bool fits(const struct cond *c, const uint64_t *args)
{
	uint64_t v = args[c->arg];

	return c->kind == NONE || (c->kind == EQ_ && v == c->value) ||
	       (c->kind == LE_ && v <= c->value) ||
	       (c->kind == FIELD_ && (v & ~c->free) == c->value);
}

/* What the table says. */
static bool listed(int nr, const uint64_t *args)
{
	for (size_t i = 0; i < COUNT(guards); i++)
		if (guards[i].nr == nr &&
		    (uint32_t)args[guards[i].arg] == (uint32_t)guards[i].value)
			return false;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool all = rows[i].nr == nr && boundary_in_force(rows[i].class, flags);

		for (int c = 0; all && c < 5; c++)
			all = fits(&rows[i].cond[c], args);
		if (all)
			return true;
	}
	return false;
}

static void try(int nr, const uint64_t *args)
{
	struct seccomp_data d = { .nr = nr,
				  .arch = AUDIT_ARCH_X86_64,
				  .instruction_pointer = PAGE + 2 };
	unsigned steps;
	uint32_t want, got;

	memcpy(d.args, args, sizeof(d.args));
	want = listed(nr, args) ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS;
	got = bpf_run(prog, count, &d, seen, &steps);
	tried++;
	if (got != want) {
		printf("# call %d (%llx %llx %llx %llx %llx %llx): %x, not %x\n", nr, d.args[0],
		       d.args[1], d.args[2], d.args[3], d.args[4], d.args[5], got, want);
		test_bad++;
	}
}

/* One argument at all the values at which a condition on it turns. */
static void turn(int nr, uint64_t *args, const struct cond *c)
{
	uint64_t *a = &args[c->arg], before = *a;

	for (int bit = 0; bit < 64; bit++) {
		*a = c->value ^ 1ull << bit;
		try(nr, args);
		*a = (c->value | c->free) ^ 1ull << bit;
		try(nr, args);
	}
	for (int by = -1; by <= 1; by++) {
		*a = c->value + (uint64_t)by;
		try(nr, args);
		*a = (c->value + (uint64_t)by) | 0xffffffffull << 32;
		try(nr, args);
	}
	*a = before;
}

static void fulfil(const struct row *r, uint64_t *args)
{
	for (int i = 0; i < 5; i++)
		if (r->cond[i].kind != NONE)
			args[r->cond[i].arg] = r->cond[i].value;
}

static void try_rows(void)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		uint64_t args[6] = { 90, 0, 0, 0, 0, 0 };

		fulfil(r, args);
		try(r->nr, args);
		for (int c = 0; c < 5; c++)
			if (r->cond[c].kind != NONE)
				turn(r->nr, args, &r->cond[c]);
		/* The same beside what the other rows of the call ask for. */
		for (size_t k = 0; k < COUNT(rows); k++) {
			if (rows[k].nr != r->nr || k == i)
				continue;
			uint64_t mixed[6];
			memcpy(mixed, args, sizeof(mixed));
			for (int c = 0; c < 5; c++)
				if (rows[k].cond[c].kind != NONE)
					turn(r->nr, mixed, &rows[k].cond[c]);
		}
	}
	for (size_t i = 0; i < COUNT(guards); i++)
		for (size_t k = 0; k < COUNT(rows); k++) {
			struct cond c = { EQ_, guards[i].arg, 0, guards[i].value };
			uint64_t args[6] = { 90, 0, 0, 0, 0, 0 };

			if (rows[k].nr != guards[i].nr)
				continue;
			fulfil(&rows[k], args);
			turn(guards[i].nr, args, &c);
		}
}

/* Every number there is, as it is and as x32's, with arguments that suit most calls and none. */
static void try_numbers(void)
{
	static const uint64_t some[][6] = {
		{ 0 },
		{ 90, 90, 90, 90, 90, 90 },
		{ ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull },
		{ 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32 },
	};

	for (int nr = -2; nr < NUMBERS; nr++)
		for (size_t i = 0; i < COUNT(some); i++) {
			try(nr, some[i]);
			try((int)((unsigned)nr | X32), some[i]);
		}
}

/* Where calls come from: both sides of each edge. */
static void try_origins(void)
{
	static const uint64_t ips[] = { 0,
					PAGE - 1,
					PAGE,
					PAGE + 4095,
					PAGE + 4096,
					PAGE | 1ull << 63,
					PAGE - (1ull << 32),
					PAGE + (1ull << 32),
					0x401000,
					~0ull };
	unsigned steps;

	for (size_t i = 0; i < COUNT(ips); i++)
		for (int own = 0; own < 2; own++) {
			struct seccomp_data d = { .nr = SYS_read,
						  .arch = own ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_I386,
						  .instruction_pointer = ips[i] };
			uint32_t got = bpf_run(prog, count, &d, seen, &steps);

			CHECK(got == (!own ? SECCOMP_RET_KILL_PROCESS
				      : ips[i] >= PAGE && ips[i] < PAGE + 4096 ? SECCOMP_RET_ALLOW
									       : SECCOMP_RET_TRAP));
		}
}

/*
 * Branches seen one way only. Every number was tried; so where the tree of comparisons has left one
 * number only, the last comparison with it cannot fail (libseccomp makes it all the same), and that
 * is no branch.
 */
static unsigned unseen(void)
{
	unsigned n = 0;

	for (uint32_t pc = 0; pc < count; pc++) {
		bool jump = BPF_CLASS(prog[pc].code) == BPF_JMP && BPF_OP(prog[pc].code) != BPF_JA;

		if (!seen[pc].yes && !seen[pc].no)
			printf("# instruction %u (%#x %#x) is never executed\n", pc, prog[pc].code,
			       prog[pc].k);
		else if (jump && !(seen[pc].yes && seen[pc].no) &&
			 !(seen[pc].number && seen[pc].yes &&
			   prog[pc].code == (BPF_JMP | BPF_JEQ | BPF_K)))
			printf("# branch %u (%#x %#x) is only ever %s\n", pc, prog[pc].code,
			       prog[pc].k, seen[pc].yes ? "taken" : "passed by");
		else
			continue;
		n++;
	}
	return n;
}

static unsigned calls_in_force(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < COUNT(whys); i++) {
		bool any = false;
		for (size_t k = 0; k < COUNT(rows) && !any; k++)
			any = rows[k].nr == whys[i].nr && boundary_in_force(rows[k].class, flags);
		n += any;
	}
	return n;
}

/* landlock: the ABI to pretend, or NULL; bases: GRANT_BASES or 0, whatever this machine has. */
static void drive(enum grant_rung rung, bool lean, const char *landlock, uint32_t bases, unsigned most)
{
	struct confine_range page = { PAGE, PAGE + 4096 };
	unsigned bad = test_bad, missing;
	char name[64], title[128];

	setenv("GSH_LANDLOCK_ABI", landlock ? landlock : "", 1);
	flags = (confine_flags(rung, lean) & ~GRANT_BASES) | bases;
	tried = 0;
	CHECK(!confine_filter(rung, flags, &page, &prog, &count));
	seen = calloc(count, sizeof(*seen));
	try_origins();
	try_rows();
	try_numbers();
	missing = unseen();
	CHECK(missing == 0);
	CHECK(calls_in_force() <= most);
	snprintf(name, sizeof(name), "rung %c%s%s%s%s", rung, lean ? ", lean" : "", landlock ? ", Landlock " : "",
		 landlock ? landlock : "", bases ? ", bases by call" : "");
	printf("# %s: %u calls, %u instructions, %lu calls tried, %u branches missed, %u wrong\n", name, calls_in_force(),
	       count, tried, missing, test_bad - bad);
	snprintf(title, sizeof(title), "boundary of %s is the table's, every branch both ways", name);
	test_case(title);
	free(seen);
	free(prog);
}

/* Each call has one reason, before its rows, and each reason a row. */
static void check_reasons(void)
{
	for (size_t i = 0; i < COUNT(whys); i++) {
		bool any = false;
		for (size_t k = 0; k < COUNT(whys); k++)
			CHECK(k == i || whys[k].nr != whys[i].nr);
		for (size_t k = 0; k < COUNT(rows); k++)
			any |= rows[k].nr == whys[i].nr;
		CHECK(any && whys[i].why[0]);
	}
	for (size_t k = 0; k < COUNT(rows); k++) {
		bool any = false;
		for (size_t i = 0; i < COUNT(whys); i++)
			any |= whys[i].nr == rows[k].nr;
		CHECK(any);
	}
	test_case("every call of the boundary has a reason");
}

/* Paths are taken relative to a descriptor: a call that takes one refuses AT_FDCWD. */
static void check_paths(void)
{
	static const int with_path[] = { SYS_openat,  SYS_openat2,   SYS_statx,	   SYS_readlinkat,
					 SYS_mkdirat, SYS_mknodat,   SYS_unlinkat, SYS_renameat2,
					 SYS_linkat,  SYS_symlinkat, SYS_fchmodat, SYS_utimensat,
					 SYS_setxattrat, SYS_getxattrat,
					 SYS_execveat };
	static const int none[] = { SYS_open,	    SYS_stat,
				    SYS_lstat,	    SYS_access,
				    SYS_faccessat,  SYS_chdir,
				    SYS_creat,	    SYS_rename,
				    SYS_mkdir,	    SYS_rmdir,
				    SYS_link,	    SYS_unlink,
				    SYS_symlink,    SYS_readlink,
				    SYS_chmod,	    SYS_chown,
				    SYS_lchown,	    SYS_truncate,
				    SYS_statfs,	    SYS_utime,
				    SYS_mknod,	    SYS_setxattr,
				    SYS_getxattr,   SYS_chroot,
				    SYS_execve,	    SYS_utimes,
				    SYS_newfstatat, SYS_inotify_add_watch,
				    SYS_mq_open,    SYS_name_to_handle_at,
				    SYS_swapon,	    SYS_acct };
	const uint64_t cwd[] = { (uint64_t)AT_FDCWD, (uint32_t)AT_FDCWD };

	flags = 0;
	for (size_t i = 0; i < COUNT(with_path); i++)
		for (size_t k = 0; k < COUNT(rows); k++)
			for (int c = 0; rows[k].nr == with_path[i] && c < 2; c++) {
				uint64_t args[6] = { 90, 0, 0, 0, 0, 0 };
				fulfil(&rows[k], args);
				args[with_path[i] == SYS_symlinkat ? 1 : 0] = cwd[c];
				CHECK(!listed(with_path[i], args));
			}
	for (size_t i = 0; i < COUNT(none); i++)
		for (size_t k = 0; k < COUNT(rows); k++)
			CHECK(rows[k].nr != none[i]);
	test_case("no call takes a path without a directory");
}

int main(void)
{
	check_reasons();
	check_paths();
	drive(GRANT_RUNG_A, false, NULL, 0, 104);
	drive(GRANT_RUNG_B, false, NULL, 0, 91);
	drive(GRANT_RUNG_A, true, NULL, 0, 75);
	drive(GRANT_RUNG_B, true, NULL, 0, 75);
	drive(GRANT_RUNG_A, false, NULL, GRANT_BASES, 105);
	drive(GRANT_RUNG_B, true, NULL, GRANT_BASES, 76);
	drive(GRANT_RUNG_B, false, "2", 0, 85);
	drive(GRANT_RUNG_B, false, "5", 0, 86);
	drive(GRANT_RUNG_B, true, "2", 0, 73);
	return test_end();
}
