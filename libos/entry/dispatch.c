/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One table, one way through it. The handler's result goes to rax; if a signal is pending, or the handler was
 * interrupted, signal_deliver decides what the guest sees: its handler, EINTR, or the call again.
 */
#include "libos/entry/entry.h"
#include "libos/sys/sys.h"
#include "libos/task/calls.h"
#include "libos/task/ptrace.h"
#include "libos/task/seccomp.h"

typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);

struct syscall_row {
	const char *name;
	const char *prototype;
	syscall_fn fn;
	int err; /* of calls that are not supported */
};

/* Handlers take fewer or narrower arguments than syscall_fn; under the x86-64 calling convention they simply do not
 * look at the rest, as Linux's own table relied on for decades. */
#define SYS(nr, name, args) [nr] = { #name, #args, (syscall_fn)sys_##name, 0 },
#define NOSYS(nr, name, err) [nr] = { #name, NULL, NULL, err },
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-function-type"
static const struct syscall_row table[] = {
#include "libos/sys/syscalls.def"
};
#pragma GCC diagnostic pop
#undef SYS
#undef NOSYS

u64 sites_traps;

const char *syscall_name(unsigned nr)
{
	return nr < ARRAY_SIZE(table) ? table[nr].name : NULL;
}

const char *syscall_prototype(unsigned nr)
{
	return nr < ARRAY_SIZE(table) ? table[nr].prototype : NULL;
}

static bool is_restart(long r)
{
	return r <= -ERESTARTSYS && r >= -ERESTART_RESTARTBLOCK;
}

static inline long run_call(struct pal_regs *regs)
{
	u32 nr = (u32)regs->orig_rax; /* as Linux: the upper half is not looked at */

	if (likely(nr < ARRAY_SIZE(table))) {
		const struct syscall_row *row = &table[nr];

		if (likely(row->fn))
			return row->fn(regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9);
		if (row->err)
			return -row->err;
	}
	return -ENOSYS;
}

/* As in the kernel, the tracer is asked before the filters are. */
static long carry_out_slowly(struct pal_regs *regs)
{
	struct thread *t = current();
	long r;

	if (t->traced && !trace_call_enter(t, regs))
		return trace_call_leave(t, regs, (long)regs->rax);
	if (t->seccomp_mode && seccomp_stops(t, regs))
		r = (long)regs->rax;
	else
		do
			r = run_call(regs);
		while (t->traced && trace_call_again(t, r));
	return t->traced ? trace_call_leave(t, regs, r) : r;
}

static inline long carry_out(struct pal_regs *regs)
{
	return likely(!current()->slow) ? run_call(regs) : carry_out_slowly(regs);
}

void entry_dispatch(struct pal_regs *regs)
{
	long r = calls_watched() ? calls_run(regs, carry_out) : carry_out(regs);

	if (unlikely(r < 0 && r >= -133)) /* an errno, not a result */
		why_note(regs, -r);
	regs->rax = r;
	/* What the instruction leaves behind, and a handler's frame shows. */
	regs->rcx = regs->rip;
	regs->r11 = regs->rflags;
	if (unlikely(is_restart(r) || pal_tcb()->pending))
		signal_deliver(current());
	regs->orig_rax = -1;
}

void entry_trapped(struct pal_regs *regs)
{
	atomic_add(&sites_traps, 1);
	entry_dispatch(regs);
}
