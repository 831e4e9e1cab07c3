/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Filters of a thread: put on, asked, inherited. See seccomp.h; what the answers mean is kernel/seccomp.c's. */
#include "libos/task/seccomp.h"
#include "libos/ckpt/cursor.h"
#include "libos/sys/user.h"
#include "libos/task/ptrace.h"

#define INSNS_MAX 32768	/* of a chain, each filter counting 4 more */
#define SURCHARGE 4
#define ARCH_X86_64 0xc000003eu
#define FLAGS_KNOWN \
	(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | \
	 SECCOMP_FILTER_FLAG_TSYNC_ESRCH)

struct fprog {
	u16 count;
	u16 pad[3];
	const struct sock_filter *insn;
};

/* Links f, whose instructions are filled in, before the chain older. 0 or -ENOMEM when that gets too long. */
static int chain(struct seccomp_filter *f, const struct seccomp_filter *older)
{
	f->older = older;
	f->total = f->count + (older ? older->total + SURCHARGE : 0);
	f->depth = 1 + (older ? older->depth : 0);
	return f->total > INSNS_MAX ? -ENOMEM : 0;
}

static struct seccomp_filter *read_filter(const void *prog)
{
	struct seccomp_filter *f;
	struct fprog p;
	int err = 0;

	if (user_read(&p, prog, sizeof(p)))
		return ERR_PTR(-EFAULT);
	if (!p.count || p.count > BPF_MAXINSNS)
		return ERR_PTR(-EINVAL);
	f = base_zalloc(sizeof(*f) + p.count * sizeof(f->insn[0]));
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->count = p.count;
	if (user_read(f->insn, p.insn, p.count * sizeof(f->insn[0])))
		err = -EFAULT;
	else if (!seccomp_valid(f->insn, f->count))
		err = -EINVAL;
	if (!err)
		return f;
	base_free(f);
	return ERR_PTR(err);
}

static bool descends(const struct seccomp_filter *from, const struct seccomp_filter *f)
{
	while (from && from != f)
		from = from->older;
	return from == f;
}

/* All threads get the caller's filter, if each has a part of it already: else the id of one that has not. */
static s32 synchronize(struct thread *self, const struct seccomp_filter *f)
{
	struct process *p = self->proc;
	struct thread *t;
	s32 odd = 0;

	lock(&p->lock);
	list_for_each(t, &p->threads, sibling)
		if (t != self && (t->seccomp_mode == SECCOMP_MODE_STRICT || !descends(self->seccomp, t->seccomp)))
			odd = t->tid;
	if (!odd) {
		list_for_each(t, &p->threads, sibling) {
			atomic_store(&t->seccomp, f);
			atomic_store(&t->seccomp_mode, SECCOMP_MODE_FILTER);
		}
		p->no_new_privs = true;
	}
	unlock(&p->lock);
	return odd;
}

long seccomp_strict(struct thread *t)
{
	if (t->seccomp_mode && t->seccomp_mode != SECCOMP_MODE_STRICT)
		return -EINVAL;
	t->seccomp_mode = SECCOMP_MODE_STRICT;
	return 0;
}

long seccomp_add(struct thread *t, const void *prog, u32 flags)
{
	struct seccomp_filter *f;
	int err;
	s32 odd;

	/* A listener would need another process to decide on each call. */
	if (flags & ~(u32)FLAGS_KNOWN)
		return -EINVAL;
	if (t->seccomp_mode == SECCOMP_MODE_STRICT)
		return -EINVAL;
	if (!t->proc->no_new_privs && !(t->proc->cred.cap_effective & (1ull << CAP_SYS_ADMIN)))
		return -EACCES;
	f = read_filter(prog);
	if (IS_ERR(f))
		return PTR_ERR(f);
	err = chain(f, t->seccomp);
	if (err) {
		base_free(f);
		return err;
	}
	if (flags & SECCOMP_FILTER_FLAG_TSYNC) {
		odd = synchronize(t, f);
		if (odd)
			base_free(f);
		return odd && (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) ? -ESRCH : odd;
	}
	t->seccomp = f;
	t->seccomp_mode = SECCOMP_MODE_FILTER;
	return 0;
}

/* The strictest of the filters' answers; of equal ones the youngest's. */
static u32 ask(const struct seccomp_filter *f, const struct pal_regs *regs)
{
	struct seccomp_data d = {
		.nr = (int)regs->orig_rax,
		.arch = ARCH_X86_64,
		.instruction_pointer = regs->rip,
		.args = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 },
	};
	u32 strictest = SECCOMP_RET_ALLOW;

	for (; f; f = f->older) {
		u32 r = seccomp_run(f, &d);

		if ((s32)(r & SECCOMP_RET_ACTION_FULL) < (s32)(strictest & SECCOMP_RET_ACTION_FULL))
			strictest = r;
	}
	return strictest;
}

static void send_sigsys(struct thread *t, struct pal_regs *regs, u32 data)
{
	struct siginfo info = { .si_signo = SIGSYS, .si_errno = (int)data, .si_code = SYS_SECCOMP };

	info.si_call_addr = (void *)regs->rip;
	info.si_syscall = (int)regs->orig_rax;
	info.si_arch = ARCH_X86_64;
	/* The handler finds the registers as the call left them, and its result is what the handler makes it. */
	regs->rax = regs->orig_rax;
	regs->orig_rax = -1ull;
	signal_force_info(t, &info);
}

static void kill_thread(struct thread *t, int sig)
{
	if (atomic_load(&t->proc->nthreads) == 1)
		task_exit_group(sig);
	task_exit_thread(sig);
}

static bool strict_stops(struct thread *t, u64 nr)
{
	if (nr != __NR_read && nr != __NR_write && nr != __NR_exit && nr != __NR_rt_sigreturn)
		kill_thread(t, SIGKILL);
	return false;
}

static bool filters_stop(struct thread *t, struct pal_regs *regs, bool traced);

/* The tracer says what becomes of it; whatever it makes of the call, the filters are asked anew. */
static bool tracer_stops(struct thread *t, struct pal_regs *regs, u32 data)
{
	regs->rax = -(u64)ENOSYS;
	return !trace_seccomp(t, data) || (s32)regs->orig_rax < 0 || filters_stop(t, regs, true);
}

static bool filters_stop(struct thread *t, struct pal_regs *regs, bool traced)
{
	u32 r, data;

	r = ask(atomic_load(&t->seccomp), regs);
	data = r & SECCOMP_RET_DATA;
	switch (r & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return false;
	case SECCOMP_RET_ERRNO:
		regs->rax = -(u64)MIN(data, 4095u);
		return true;
	case SECCOMP_RET_TRAP:
		send_sigsys(t, regs, data);
		return true;
	case SECCOMP_RET_TRACE:
		return !traced && tracer_stops(t, regs, data);
	case SECCOMP_RET_USER_NOTIF:
		regs->rax = -(u64)ENOSYS; /* nobody listens */
		return true;
	case SECCOMP_RET_KILL_THREAD:
		kill_thread(t, SIGSYS);
	}
	task_exit_group(SIGSYS);
}

bool seccomp_stops(struct thread *t, struct pal_regs *regs)
{
	if (t->seccomp_mode == SECCOMP_MODE_STRICT)
		return strict_stops(t, (u32)regs->orig_rax);
	return filters_stop(t, regs, false);
}

/* Oldest first, so that the chain is built as it was. */
static void save_chain(struct buf *b, const struct seccomp_filter *f)
{
	if (f->older)
		save_chain(b, f->older);
	put_u32(b, f->count);
	put_bytes(b, f->insn, f->count * sizeof(f->insn[0]));
}

void seccomp_save(struct buf *b, const struct thread *t)
{
	put_u32(b, t->seccomp_mode);
	put_u32(b, t->seccomp ? t->seccomp->depth : 0);
	if (t->seccomp)
		save_chain(b, t->seccomp);
}

int seccomp_load(struct cursor *c, struct thread *t)
{
	u32 mode = get_u32(c), depth = get_u32(c);

	for (u32 i = 0; i < depth && !c->err; i++) {
		u32 count = get_u32(c);
		bool good = count && count <= BPF_MAXINSNS;
		const void *insn = good ? get_bytes(c, count * sizeof(struct sock_filter)) : NULL;
		struct seccomp_filter *f = insn ? base_zalloc(sizeof(*f) + count * sizeof(f->insn[0])) : NULL;

		if (!f)
			return insn ? -ENOMEM : -EINVAL;
		f->count = count;
		memcpy(f->insn, insn, count * sizeof(f->insn[0]));
		(void)chain(f, t->seccomp);
		t->seccomp = f;
	}
	t->seccomp_mode = mode;
	return c->err;
}
