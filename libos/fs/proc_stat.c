// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * /proc/PID/stat, statm, status, io, limits: fields as proc(5) and fs/proc/array.c order them.
 *
 * Of a process that does not answer (stopped, ended, in vfork) the slot holds the times and sizes
 * that it last noted; the rest is shown as 0.
 */
#include "libos/fs/proc.h"
#include "libos/coord/coord.h"
#include "libos/fs/at_once.h"
#include "libos/mm/mm.h"
#include "libos/task/attend.h"
#include "libos/task/ptrace.h"
#include "libos/task/seccomp.h"

/* What only the process itself knows; zero for others. */
struct insight {
	struct rusage own, children;
	struct area_usage time; /* of the process, or the thread */
	u64 vsize, peak, locked, rss, highest, rss_anon, data, stack, code;
	u64 pending, shared, blocked, ignored, caught;
	unsigned queued;
};

/* A thread that reads about itself runs. One that answers another runs if it was interrupted in the
 * guest; in a call it was found waiting. */
static bool found_running(const struct thread *t)
{
	return (t == current() && !coord_answering()) || (s64)pal_frame(&t->tcb)->orig_rax == -1;
}

static char state_letter(const struct proc_who *w)
{
	if (w->slot->state != AREA_ZOMBIE && trace_holds(w->tid))
		return 't';
	switch (w->slot->state) {
	case AREA_STOPPED:
		return 'T';
	case AREA_ZOMBIE:
		return 'Z';
	}
	return w->thread && found_running(w->thread) ? 'R' : 'S';
}

/* Another process knows best. */
static bool told_by_owner(const struct proc_who *w, const struct pseudo_node *n, struct buf *b)
{
	return !w->self && w->slot->state == AREA_RUNNING && proc_ask_text(n, false, b) == 0;
}

static const char *state_word(char c)
{
	return c == 'T'	  ? "T (stopped)"
	       : c == 't' ? "t (tracing stop)"
	       : c == 'Z' ? "Z (zombie)"
	       : c == 'R' ? "R (running)"
			  : "S (sleeping)";
}

static void look_at_signals(const struct proc_who *w, struct insight *in)
{
	struct process *p = w->self;

	lock(&p->sig.lock);
	in->pending = w->thread->sig.pending.set;
	in->blocked = w->thread->sig.blocked;
	in->shared = p->sig.shared.set;
	in->queued = p->sig.queued;
	for (int i = 0; i < SIG_COUNT; i++) {
		u64 handler = p->sig.action[i].handler;

		if (handler == (u64)SIG_IGN)
			in->ignored |= 1ull << i;
		else if (handler != (u64)SIG_DFL)
			in->caught |= 1ull << i;
	}
	unlock(&p->sig.lock);
}

static void look_at_memory(struct mm *mm, struct insight *in)
{
	u64 file;

	lock(&mm->lock);
	in->vsize = mm->total;
	in->peak = MAX(mm->peak, mm->total);
	in->data = mm->data;
	in->locked = mm->locked;
	in->code = mm->code_end - mm->code_start;
	in->stack = mm->stack_top ? MIN(mm->stack_top - mm->stack_low, 132ul << 10) : 0;
	unlock(&mm->lock);
	/* The host's highest value counts the libOS too; its own share is small. Of files it is the
	 * cache that is asked, so there it is a bound. */
	in->highest = MIN((u64)in->own.ru_maxrss << 10, in->peak);
	proc_resident(mm, &in->rss_anon, &file);
	in->rss_anon = MIN(in->rss_anon, in->highest);
	in->rss = MIN(in->rss_anon + file, in->highest);
}

static void look(const struct proc_who *w, struct insight *in)
{
	struct area_slot *s = w->slot;

	memset(in, 0, sizeof(*in));
	if (!w->self) {
		in->time = s->usage;
		if (s->state != AREA_ZOMBIE) {
			in->vsize = in->peak = s->vsize;
			in->rss = in->highest = in->rss_anon = s->rss;
		}
		return;
	}
	if (pal_getrusage(RUSAGE_SELF, &in->own) < 0)
		memset(&in->own, 0, sizeof(in->own));
	in->children = w->self->children_usage;
	look_at_signals(w, in);
	look_at_memory(w->self->mm, in);
	attend_note_usage(w->self);
	s->rss = in->rss;
	in->time = s->usage;
	if (w->of_thread)
		(void)attend_cpu(w->tid, true, &in->time);
}

/* The terminal's foreground group, as far as we share the terminal; -1 else. */
static s32 foreground(const struct proc_who *w)
{
	struct process *me = this_process();
	s32 host = 0;
	int r;

	if (!w->slot->tty || w->slot->tty != me->slot->tty)
		return -1;
	lock(&me->lock);
	r = me->ctty_fd < 0 ? -ENOTTY : (int)at_once(pal_ioctl(me->ctty_fd, TIOCGPGRP, (u64)&host));
	unlock(&me->lock);
	return r < 0 ? -1 : task_guest_pgid(host);
}

static u64 timeval_ticks(s64 sec, s64 usec)
{
	return (u64)(sec * TICKS + usec / (1000000 / TICKS));
}

static u64 micros_ticks(u64 us)
{
	return us / (1000000 / TICKS);
}

#define USER(ru) timeval_ticks((ru).ru_utime.tv_sec, (ru).ru_utime.tv_usec)
#define SYSTEM(ru) timeval_ticks((ru).ru_stime.tv_sec, (ru).ru_stime.tv_usec)

static void put_stat(const struct proc_who *w, const struct insight *in, struct buf *b)
{
	const struct area_slot *s = w->slot, *own = area_slot(w->tid); /* the thread's */
	const struct mm *mm = w->self ? w->self->mm : NULL;

	base_buf_printf(b, "%d (%.*s) %c %d %d %d %u %d %u ", w->tid, AREA_COMM - 1,
			own->comm, state_letter(w), s->ppid, s->pgid,
			s->sid, s->tty, foreground(w), 0x400000);
	base_buf_printf(b, "%lu %lu %lu %lu ", in->own.ru_minflt, in->children.ru_minflt,
			in->own.ru_majflt, in->children.ru_majflt);
	base_buf_printf(b, "%lu %lu %lu %lu ", micros_ticks(in->time.user_us),
			micros_ticks(in->time.system_us), USER(in->children), SYSTEM(in->children));
	base_buf_printf(b, "%d %d %u 0 %lu %lu %lu %lu ", 20 + own->nice, own->nice,
			MAX(s->nthreads, 1u), proc_ticks(s->start_ns), in->vsize, in->rss / PAGE_SIZE,
			(u64)s->limits[RLIMIT_RSS].rlim_cur);
	base_buf_printf(b, "%lu %lu %lu 0 0 ", mm ? mm->code_start : 0, mm ? mm->code_end : 0,
			mm ? mm->stack_top : 0);
	base_buf_printf(b, "%lu %lu %lu %lu ", in->pending & 0x7fffffff, in->blocked & 0x7fffffff,
			in->ignored & 0x7fffffff, in->caught & 0x7fffffff);
	base_buf_printf(b, "0 0 0 %d 0 0 %u 0 0 0 ", s->exit_signal,
			own->policy & ~SCHED_RESET_ON_FORK);
	base_buf_printf(b, "%lu %lu %lu %lu %lu %lu %lu ", mm ? mm->data_start : 0,
			mm ? mm->data_end : 0, mm ? mm->brk_start : 0, mm ? mm->arg_start : 0,
			mm ? mm->arg_end : 0, mm ? mm->env_start : 0, mm ? mm->env_end : 0);
	base_buf_printf(b, "%u\n", s->state == AREA_ZOMBIE ? s->exit_status : 0);
}

static void put_statm(const struct proc_who *w, const struct insight *in, struct buf *b)
{
	base_buf_printf(b, "%lu %lu %lu %lu 0 %lu 0\n", in->vsize / PAGE_SIZE, in->rss / PAGE_SIZE,
			(in->rss - in->rss_anon) / PAGE_SIZE, PAGE_UP(in->code) / PAGE_SIZE, in->data / PAGE_SIZE);
}

/* ---- status ---- */

static void status_ids(const struct proc_who *w, struct buf *b)
{
	struct area_slot *s = w->slot;
	struct process *p = w->self;

	base_buf_printf(b, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", w->pid,
			w->tid, s->ppid, area_slot(w->tid)->tracer);
	base_buf_printf(b, "Uid:\t%u\t%u\t%u\t%u\n", s->ruid, s->euid, s->suid,
			p ? p->cred.fsuid : s->euid);
	if (p)
		base_buf_printf(b, "Gid:\t%u\t%u\t%u\t%u\n", p->cred.rgid, p->cred.egid,
				p->cred.sgid, p->cred.fsgid);
	else
		base_buf_printf(b, "Gid:\t%u\t%u\t%u\t%u\n", s->egid, s->egid, s->egid, s->egid);
	base_buf_printf(b, "FDSize:\t%u\nGroups:\t", p ? atomic_load(&p->files->array)->size : 0);
	for (unsigned i = 0; p && i < p->cred.ngroups; i++)
		base_buf_printf(b, "%u ", p->cred.groups[i]);
	base_buf_printf(b, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\nKthread:\t0\n", w->pid, w->tid,
			s->pgid, s->sid);
}

static void status_memory(const struct insight *in, struct buf *b)
{
	base_buf_printf(b, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t%8u kB\n",
			in->peak >> 10, in->vsize >> 10, in->locked >> 10, 0);
	base_buf_printf(
		b,
		"VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8u kB\n",
		in->highest >> 10, in->rss >> 10, in->rss_anon >> 10, (in->rss - in->rss_anon) >> 10, 0u);
	base_buf_printf(
		b,
		"VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t%8u kB\nVmPTE:\t%8lu kB\n",
		in->data >> 10, in->stack >> 10, in->code >> 10, 0, MAX(in->vsize >> 21, 16ul));
	base_buf_printf(
		b, "VmSwap:\t%8u kB\nHugetlbPages:\t%8u kB\nCoreDumping:\t0\nTHP_enabled:\t1\n", 0,
		0);
	base_buf_puts(b, "untag_mask:\t0xffffffffffffffff\n");
}

static void status_signals(const struct proc_who *w, const struct insight *in, struct buf *b)
{
	base_buf_printf(
		b, "SigQ:\t%u/%lu\n", in->queued,
		(unsigned long)w->slot->limits[RLIMIT_SIGPENDING].rlim_cur);
	base_buf_printf(
		b,
		"SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		in->pending, in->shared, in->blocked, in->ignored, in->caught);
}

static void status_rights(const struct proc_who *w, struct buf *b)
{
	const struct cred *c = w->self ? &w->self->cred : NULL;

	base_buf_printf(
		b,
		"CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
		c ? c->cap_inheritable : 0, c ? c->cap_permitted : 0, c ? c->cap_effective : 0,
		c ? c->cap_bounding : 0x1fffffffffful, 0ul);
	base_buf_printf(b, "NoNewPrivs:\t%d\nSeccomp:\t%u\nSeccomp_filters:\t%u\n",
			w->self ? w->self->no_new_privs : 0, w->thread ? w->thread->seccomp_mode : 0,
			w->thread && w->thread->seccomp ? w->thread->seccomp->depth : 0);
	base_buf_puts(
		b,
		"Speculation_Store_Bypass:\tthread vulnerable\nSpeculationIndirectBranch:\tconditional enabled\n");
}

/* A mask as the kernel prints one, in groups of 32 bits from the highest, and as a list. */
static void put_cpus(struct buf *b, const u64 *mask)
{
	unsigned groups = MIN((MAX(cpu_count(), 1u) + 31) / 32, AREA_CPU_WORDS * 2u);
	bool first = true;

	base_buf_puts(b, "Cpus_allowed:\t");
	for (unsigned g = groups; g-- > 0;)
		base_buf_printf(b, groups > 1 ? "%08x%s" : "%x%s", (u32)(mask[g / 2] >> g % 2 * 32), g ? "," : "\n");
	base_buf_puts(b, "Cpus_allowed_list:\t");
	for (unsigned i = 0, end; i < groups * 32; i = end + 1) {
		for (end = i; end < groups * 32 && mask[end / 64] >> end % 64 & 1; end++)
			;
		if (end == i)
			continue;
		base_buf_printf(b, end - i > 1 ? "%s%u-%u" : "%s%u", first ? "" : ",", i, end - 1);
		first = false;
	}
	base_buf_puts(b, "\n");
}

static void status_cpus(const struct proc_who *w, const struct insight *in, struct buf *b)
{
	const struct area_slot *s = area_slot(w->tid);

	BUG_ON(!s);
	put_cpus(b, s->cpus);
	base_buf_printf(b, "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\n",
			in->own.ru_nvcsw);
	base_buf_printf(b, "nonvoluntary_ctxt_switches:\t%lu\n", in->own.ru_nivcsw);
}

static void put_status(const struct proc_who *w, const struct insight *in, struct buf *b)
{
	base_buf_printf(b, "Name:\t%.*s\n", AREA_COMM - 1, area_slot(w->tid)->comm);
	base_buf_printf(b, "Umask:\t%04o\nState:\t%s\n", w->self ? atomic_load(&w->self->fs->umask) : 022,
			state_word(state_letter(w)));
	status_ids(w, b);
	if (w->slot->state != AREA_ZOMBIE)
		status_memory(in, b);
	base_buf_printf(b, "Threads:\t%u\n", MAX(w->slot->nthreads, 1u));
	status_signals(w, in, b);
	status_rights(w, b);
	status_cpus(w, in, b);
}

/* ---- the three, one by one and together ---- */

typedef void put_fn(const struct proc_who *w, const struct insight *in, struct buf *b);

static int show_one(struct pseudo_node *n, struct buf *b, put_fn *put)
{
	struct insight in;
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || told_by_owner(&w, n, b))
		return r;
	look(&w, &in);
	put(&w, &in, b);
	return 0;
}

int proc_show_stat(struct pseudo_node *n, struct buf *b)
{
	return show_one(n, b, put_stat);
}

int proc_show_status(struct pseudo_node *n, struct buf *b)
{
	return show_one(n, b, put_status);
}

int proc_show_statm(struct pseudo_node *n, struct buf *b)
{
	return show_one(n, b, put_statm);
}

int proc_show_looks(struct pseudo_node *n, struct buf *b, u32 ends[PROC_LOOKS])
{
	static put_fn *const puts[PROC_LOOKS] = { put_stat, put_status, put_statm };
	struct insight in;
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	look(&w, &in);
	for (int i = 0; i < PROC_LOOKS; i++) {
		puts[i](&w, &in, b);
		ends[i] = (u32)b->size;
	}
	return 0;
}

int proc_show_io(struct pseudo_node *n, struct buf *b)
{
	struct insight in;
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0 || !w.self)
		return r < 0 ? r : proc_ask_text(n, true, b);
	look(&w, &in);
	base_buf_printf(b, "rchar: %lu\nwchar: %lu\nsyscr: 0\nsyscw: 0\n", in.own.ru_inblock * 512,
			in.own.ru_oublock * 512);
	base_buf_printf(b, "read_bytes: %lu\nwrite_bytes: %lu\ncancelled_write_bytes: 0\n",
			in.own.ru_inblock * 512, in.own.ru_oublock * 512);
	return 0;
}

/* ---- limits ---- */

static void limit_text(char *out, size_t size, u64 v)
{
	if (v == ~0ull)
		base_strlcpy(out, "unlimited", size);
	else
		base_snprintf(out, size, "%lu", v);
}

int proc_show_limits(struct pseudo_node *n, struct buf *b)
{
	static const struct {
		const char *name, *unit;
	} rows[] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", NULL },
		[RLIMIT_RTPRIO] = { "Max realtime priority", NULL },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};
	struct proc_who w;
	int r = proc_who(n, &w);

	if (r < 0)
		return r;
	base_buf_printf(b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit",
			"Units");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct rlimit64 *l = &w.slot->limits[i];
		char soft[24], hard[24];

		limit_text(soft, sizeof(soft), l->rlim_cur);
		limit_text(hard, sizeof(hard), l->rlim_max);
		base_buf_printf(b, "%-25s %-20s %-20s %-10s\n", rows[i].name, soft, hard,
				rows[i].unit ? rows[i].unit : "");
	}
	return 0;
}
