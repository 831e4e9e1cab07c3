/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Requests in the slots: made, met, waited for. See attend.h. */
#include "libos/task/attend.h"
#include "libos/task/ptrace.h"
#include "libos/coord/trace.h"
#include "libos/ipc/mq.h"
#include "libos/mm/mm.h"

#define WAIT_STEPS 5
#define WAIT_STEP_NS 20000000l

static u64 micros(s64 sec, s64 usec)
{
	return (u64)sec * 1000000 + (u64)usec;
}

/* The highest resident size in bytes, too. */
static u64 note(int who, struct area_usage *out)
{
	struct rusage ru;

	if (pal_getrusage(who, &ru))
		return 0;
	out->user_us = micros(ru.ru_utime.tv_sec, ru.ru_utime.tv_usec);
	out->system_us = micros(ru.ru_stime.tv_sec, ru.ru_stime.tv_usec);
	return (u64)ru.ru_maxrss << 10;
}

void attend_note_usage(struct process *p)
{
	u64 rss = note(RUSAGE_SELF, &p->slot->usage);

	if (!p->mm)
		return;
	p->slot->vsize = p->mm->total;
	p->slot->rss = MIN(rss, p->slot->vsize);
}

/* The host's hard limits stay, so that a soft one can be raised again. */
static void apply_limit(struct process *p, unsigned res)
{
	struct rlimit64 host;

	if (pal_prlimit((int)res, NULL, &host))
		return;
	host.rlim_cur = MIN(p->rlimits[res].rlim_cur, host.rlim_max);
	(void)!pal_prlimit((int)res, &host, NULL);
}

static void apply_limits(struct process *p)
{
	apply_limit(p, RLIMIT_CPU);
	apply_limit(p, RLIMIT_FSIZE);
	mm_stack_limit(p->mm, p->rlimits[RLIMIT_STACK].rlim_cur);
}

static void take_standard(struct process *p)
{
	u64 set = atomic_xchg(&p->slot->standard, 0);

	for (int sig = 1; set; sig++, set >>= 1) {
		struct siginfo info = { .si_signo = sig, .si_code = SI_USER };

		if (set & 1)
			(void)signal_send_process(p, &info);
	}
}

static void attend_thread(struct area_slot *s, u32 bits)
{
	if (bits & ATTEND_NICE)
		(void)!pal_setpriority(PRIO_PROCESS, 0, s->nice); /* the host may refuse to be nicer */
	if (bits & ATTEND_CPUS)
		(void)!pal_sched_setaffinity(sizeof(s->cpus), s->cpus);
	if (bits & ATTEND_THREAD_USAGE)
		(void)note(RUSAGE_THREAD, &s->thread_usage);
	if (bits & ATTEND_TRACE)
		trace_attend(current());
}

#define WAITED_FOR (ATTEND_USAGE | ATTEND_THREAD_USAGE)

/* A wish that is renewed while it is met must not get lost: those that nobody waits for are ticked off first. */
static u32 take(struct area_slot *s, u32 which)
{
	u32 bits = atomic_load(&s->attend) & which;

	if (bits & ~WAITED_FOR)
		atomic_and(&s->attend, ~(bits & ~WAITED_FOR));
	return bits;
}

static void done(struct area_slot *s, u32 bits)
{
	if (!(bits & WAITED_FOR))
		return;
	atomic_and(&s->attend, ~(bits & WAITED_FOR));
	(void)pal_futex_plain(&s->attend, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void attend(struct thread *t)
{
	struct process *p = t->proc;
	struct area_slot *own = area_slot(t->tid);
	u32 bits = take(own, ATTEND_NICE | ATTEND_CPUS | ATTEND_THREAD_USAGE | ATTEND_TRACE);

	if (bits) {
		attend_thread(own, bits);
		done(own, bits);
	}
	bits = take(p->slot, ATTEND_LIMITS | ATTEND_USAGE | ATTEND_SIGNALS | ATTEND_MQ);
	if (!bits)
		return;
	if (bits & ATTEND_LIMITS)
		apply_limits(p);
	if (bits & ATTEND_SIGNALS)
		take_standard(p);
	if (bits & ATTEND_MQ)
		mq_thread_told();
	if (bits & ATTEND_USAGE)
		attend_note_usage(p);
	done(p->slot, bits);
}

/* Host ids of a guest thread or process; 0: not there. */
static int host_ids(s32 id, struct area_slot **slot, int *host_tid)
{
	struct area_slot *s = area_slot(id), *p = s ? area_process(s->tgid) : NULL;

	if (!p || p->state == AREA_ZOMBIE)
		return 0;
	*slot = s;
	*host_tid = s->host_pid;
	return p->host_pid;
}

static bool for_thread(u32 bit)
{
	return bit & (ATTEND_NICE | ATTEND_CPUS | ATTEND_THREAD_USAGE | ATTEND_TRACE);
}

static void kick(s32 id, int host, int host_tid)
{
	static const struct pal_kick look;

	if (area_slot(id)->tgid != this_process()->pid)
		trace_kick(area_slot(id)->tgid);
	(void)pal_kick(host, host_tid, &look);
}

void attend_ask(s32 id, u32 bit)
{
	struct area_slot *s;
	int tid, pid = host_ids(id, &s, &tid);

	if (!pid)
		return;
	atomic_or(&s->attend, bit);
	if (id == current()->tid || (!for_thread(bit) && id == this_process()->pid))
		attend(current());
	else
		kick(id, pid, for_thread(bit) ? tid : 0);
}

bool attend_ask_wait(s32 id, u32 bit)
{
	struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	struct area_slot *s = area_slot(id), *p = area_process(s->tgid);
	struct thread *t = current();
	u32 kicked = 0, word;

	if (!p || p->state != AREA_RUNNING || (p->flags & AREA_ASLEEP))
		return false;
	attend_ask(id, bit);
	for (unsigned i = 0; (word = atomic_load(&s->attend)) & bit && i < WAIT_STEPS;) {
		if (pal_futex(&s->attend, FUTEX_WAIT, word, &step, NULL, 0) != -EINTR) {
			i++;
			continue;
		}
		/* Two may ask each other. */
		kicked |= atomic_xchg(&t->tcb.pending, 0);
		attend(t);
	}
	if (kicked)
		atomic_store(&t->tcb.pending, 1);
	return !(word & bit);
}

int attend_cpu(s32 id, bool thread, struct area_usage *out)
{
	struct area_slot *s = area_slot(id);

	if (!s || !area_named(s->state))
		return -ESRCH;
	if (!thread && s->state == AREA_THREAD)
		return -EINVAL;
	(void)attend_ask_wait(id, thread ? ATTEND_THREAD_USAGE : ATTEND_USAGE);
	*out = thread ? s->thread_usage : s->usage;
	return 0;
}
