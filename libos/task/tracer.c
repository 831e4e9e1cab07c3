/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tracing side of ptrace, and what others say to it: attaching, waiting, requests, letting go. See ptrace.h. */
#include "libos/task/ptrace.h"
#include "libos/coord/coord.h"
#include "libos/task/attend.h"

#define ASK_STEP_NS 20000000l
#define ASK_STEPS 250 /* a tracee that is there answers at once; one that was killed never does */

static s32 next_traced(s32 id)
{
	for (; id < AREA_PIDS; id++) {
		u32 word = atomic_load_relaxed(&the_area->traced[id / 32]) >> (id % 32);

		if (word)
			return id + __builtin_ctz(word) < AREA_PIDS ? id + __builtin_ctz(word) : 0;
		id |= 31;
	}
	return 0;
}

void trace_tell(struct area_slot *tracer)
{
	atomic_add(&tracer->trace_turn, 1);
	(void)pal_futex_plain(&tracer->trace_turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool trace_any(s32 pid)
{
	for (s32 id = next_traced(1); id; id = next_traced(id + 1))
		if (area_slot(id)->tgid == pid && atomic_load(&area_slot(id)->tracer))
			return true;
	return false;
}

static void forget(s32 id)
{
	bit_clear(the_area->traced, (u32)id);
	atomic_store(&area_slot(id)->tracer, 0);
}

static void set_state(struct area_trace *rec, u32 state)
{
	atomic_store(&rec->state, state);
	(void)pal_futex_plain(&rec->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The end of a child is the host's to tell, as ever; of others nobody would. */
void trace_ended(s32 id, u32 status)
{
	struct area_slot *s = area_slot(id), *tracer;
	struct area_trace *rec = &the_area->trace[id];
	struct siginfo info = { .si_signo = SIGCHLD, .si_code = W_IFEXITED(status) ? CLD_EXITED : CLD_KILLED };
	s32 by = atomic_load(&s->tracer);

	if (!by || atomic_load(&rec->state) == TRACE_ENDED)
		return;
	tracer = area_process(by);
	if (!tracer || (s->tgid == id && s->ppid == by)) {
		forget(id);
		return;
	}
	rec->status = status;
	atomic_store(&rec->unseen, 1);
	set_state(rec, TRACE_ENDED);
	info.si_pid = id;
	info.si_uid = s->ruid;
	info.si_status = W_IFEXITED(status) ? (int)W_EXITSTATUS(status) : (int)W_TERMSIG(status);
	trace_tell(tracer);
	if (by != this_process()->pid)
		(void)signal_send_pid(by, &info);
}

/* Tell a tracee to look who its tracer is. */
static void let_go(s32 id)
{
	struct area_trace *rec = &the_area->trace[id];

	forget(id);
	(void)pal_futex_plain(&rec->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	attend_ask(id, ATTEND_TRACE);
}

void trace_tracer_gone(s32 pid)
{
	static const struct siginfo killed = { .si_signo = SIGKILL };

	for (s32 id = next_traced(1); id; id = next_traced(id + 1)) {
		struct area_slot *s = area_slot(id);

		if (atomic_load(&s->tracer) != pid)
			continue;
		if (the_area->trace[id].options & PTRACE_O_EXITKILL)
			(void)signal_send_pid(s->tgid, &killed);
		let_go(id);
	}
}

/* ---- waiting ---- */

static bool is_meant(s32 id, const struct area_slot *s, int which, s32 want)
{
	switch (which) {
	case P_PID:
		return id == want;
	case P_PGID:
		return s->pgid == (want ?: this_process()->slot->pgid);
	}
	return true;
}

static void report(s32 id, struct area_trace *rec, int options, struct wait_result *out)
{
	u32 status = rec->status;

	out->pid = id;
	out->uid = area_slot(id)->ruid;
	if (atomic_load(&rec->state) != TRACE_ENDED) {
		out->code = CLD_TRAPPED;
		out->status = (int)status;
	} else {
		out->code = W_IFEXITED(status) ? CLD_EXITED : CLD_KILLED;
		out->status = W_IFEXITED(status) ? (int)W_EXITSTATUS(status) : (int)W_TERMSIG(status);
		if (!(options & WNOWAIT))
			forget(id);
	}
	if (!(options & WNOWAIT))
		atomic_store(&rec->unseen, 0);
}

bool trace_report(int which, s32 want, int options, struct wait_result *out)
{
	s32 self = this_process()->pid;
	bool any = false;

	for (s32 id = next_traced(1); id && !out->pid; id = next_traced(id + 1)) {
		struct area_slot *s = area_slot(id);
		struct area_trace *rec = &the_area->trace[id];
		u32 state;

		if (atomic_load(&s->tracer) != self || !is_meant(id, s, which, want))
			continue;
		any = true;
		state = atomic_load(&rec->state);
		if (!atomic_load(&rec->unseen))
			continue;
		if (state == TRACE_STOPPED || (state == TRACE_ENDED && (options & WEXITED)))
			report(id, rec, options, out);
	}
	return any;
}

/* ---- attaching ---- */

/* In a stop of its tracer's, whatever that does with it. */
static bool is_held(u32 state)
{
	return state == TRACE_STOPPED || state == TRACE_ASKED || state == TRACE_LISTENS;
}

/*
 * A new tracer begins a new record, but for what the last one left for a tracee that has not woken yet: that it may
 * go on, by which signal, and its registers. Where the last one left nothing, as it died, the tracee goes on, too.
 */
static void record_begin(struct area_trace *rec)
{
	u32 state = atomic_load(&rec->state);

	memset(&rec->options, 0, offsetof(struct area_trace, resume) - offsetof(struct area_trace, options));
	rec->message = 0;
	if (state == TRACE_ENDED)
		atomic_store(&rec->state, TRACE_RUNS);
	else if (is_held(state))
		set_state(rec, TRACE_RESUMED);
}

int trace_attach(s32 id, bool seize, u32 options)
{
	struct process *self = this_process();
	struct area_slot *s = area_slot(id), *p;
	struct area_trace *rec;
	u32 stopped;

	if (!s || !area_named(s->state))
		return -ESRCH;
	p = area_process(s->tgid);
	if (!p || p->state == AREA_ZOMBIE)
		return -ESRCH;
	if (s->tgid == self->pid || s->tgid == 1 || (p->flags & AREA_SPLIT) || !task_may_trace(p))
		return -EPERM;
	if (!atomic_cas(&s->tracer, 0, self->pid))
		return -EPERM;
	rec = &the_area->trace[id];
	stopped = atomic_load(&p->state) == AREA_STOPPED ? p->exit_status : 0;
	record_begin(rec);
	rec->options = options;
	rec->seized = seize;
	rec->stopped = stopped;
	bit_set(the_area->traced, (u32)id);
	if (!(self->slot->flags & AREA_TRACES))
		atomic_or(&self->slot->flags, AREA_TRACES);
	attend_ask(id, ATTEND_TRACE);
	if (stopped) {
		/* The host holds it: it is to be held by its tracer instead. */
		atomic_store(&p->state, AREA_RUNNING);
		(void)pal_kill(p->host_pid, SIGCONT);
	} else if (!seize) {
		struct siginfo info = { .si_signo = SIGSTOP, .si_code = SI_TKILL };

		info.si_pid = self->pid;
		info.si_uid = self->cred.ruid;
		(void)signal_tgkill(s->tgid, id, &info, SIGSTOP);
	}
	return 0;
}

bool trace_holds(s32 id)
{
	struct area_slot *s = area_slot(id);

	return s && atomic_load(&s->tracer) && is_held(atomic_load(&the_area->trace[id].state));
}

struct area_trace *trace_stopped(s32 id)
{
	struct area_slot *s = area_slot(id);
	struct area_trace *rec = &the_area->trace[id > 0 && id < AREA_PIDS ? id : 0];

	if (!s || atomic_load(&s->tracer) != this_process()->pid || atomic_load(&rec->state) != TRACE_STOPPED)
		return NULL;
	return rec;
}

/* Let a stopped tracee of the caller's go, traced on or not. */
static int release(s32 id, bool traced, u32 how, int sig)
{
	struct area_trace *rec = trace_stopped(id);

	if (!rec)
		return -ESRCH;
	if (sig < 0 || sig > SIG_COUNT)
		return -EIO;
	if (!traced)
		forget(id);
	rec->resume = how;
	rec->sig = (u32)sig;
	atomic_store(&rec->unseen, 0);
	set_state(rec, TRACE_RESUMED);
	return 0;
}

int trace_resume(s32 id, u32 how, int sig)
{
	return release(id, true, how, sig);
}

int trace_detach(s32 id, int sig)
{
	return release(id, false, 0, sig);
}

int trace_listen(s32 id)
{
	struct area_trace *rec = trace_stopped(id);

	if (!rec)
		return -ESRCH;
	if (!rec->seized || rec->status >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	atomic_store(&rec->unseen, 0);
	set_state(rec, TRACE_LISTENS);
	return 0;
}

int trace_interrupt(s32 id)
{
	struct area_slot *s = area_slot(id);
	struct area_trace *rec;

	if (!s || atomic_load(&s->tracer) != this_process()->pid)
		return -ESRCH;
	rec = &the_area->trace[id];
	if (!rec->seized)
		return -EIO;
	/* One that is stopped already has nothing to be interrupted in. */
	if (atomic_load(&rec->state) == TRACE_STOPPED)
		return 0;
	atomic_store(&rec->interrupt, 1);
	attend_ask(id, ATTEND_TRACE);
	return 0;
}

/* ---- requests ---- */

ssize_t trace_request(s32 id, unsigned what, u64 addr, void *buf, size_t n)
{
	static const struct timespec step = { .tv_nsec = ASK_STEP_NS };
	struct area_trace *rec = trace_stopped(id);
	bool put = what == TRACE_WRITE || what == TRACE_SET_XSTATE;

	if (!rec)
		return -ESRCH;
	n = MIN(n, (size_t)TRACE_DATA);
	rec->what = what;
	rec->addr = addr;
	rec->size = (u32)n;
	rec->result = -ESRCH;
	if (put)
		memcpy(rec->data, buf, n);
	if (!atomic_cas(&rec->state, TRACE_STOPPED, TRACE_ASKED))
		return -ESRCH;
	(void)pal_futex_plain(&rec->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	for (unsigned i = 0; atomic_load(&rec->state) == TRACE_ASKED && i < ASK_STEPS; i++)
		(void)pal_futex_plain(&rec->state, FUTEX_WAIT, TRACE_ASKED, &step, NULL, 0);
	if (atomic_load(&rec->state) != TRACE_STOPPED)
		return -ESRCH;
	if (!put && rec->result > 0)
		memcpy(buf, rec->data, MIN((size_t)rec->result, n));
	return rec->result;
}

ssize_t trace_memory(s32 id, u64 addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		size_t step = MIN(n - done, (size_t)TRACE_DATA);
		ssize_t r = trace_request(id, write ? TRACE_WRITE : TRACE_READ, addr + done, (u8 *)buf + done, step);

		if (r <= 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
		if ((size_t)r < step)
			break;
	}
	return (ssize_t)done;
}

s32 trace_stopped_thread(s32 pid)
{
	if (!(this_process()->slot->flags & AREA_TRACES))
		return 0;
	for (s32 id = next_traced(1); id; id = next_traced(id + 1))
		if (area_slot(id)->tgid == pid && trace_stopped(id))
			return id;
	return 0;
}
