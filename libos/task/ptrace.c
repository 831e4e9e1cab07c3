/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The traced side of ptrace: stopping, what a stopped thread does for its tracer, going on. See ptrace.h.
 * Long because the states of a traced thread are one machine.
 */
#include "libos/task/ptrace.h"
#include "libos/coord/coord.h"
#include "libos/entry/entry.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"
#include "libos/task/attend.h"

#define LOOK_NS 300000000l /* how often a stopped thread looks whether there is a tracer */
#define XSTATE_RESERVED 464	 /* bytes of the legacy area that the processor leaves to software */
#define STEP_MODES (TRACEE_CALLS | TRACEE_STEPS | TRACEE_EMULATES)

/* As struct user_regs_struct has them behind those of struct pal_regs. */
enum { REG_ORIG_RAX = 15, REG_RIP, REG_CS, REG_FLAGS, REG_RSP, REG_SS, REG_FS_BASE, REG_GS_BASE };

static struct area_trace *record(const struct thread *t)
{
	return &the_area->trace[t->tid];
}

static s32 tracer_of(const struct thread *t)
{
	return atomic_load(&area_slot(t->tid)->tracer);
}

/* ---- registers ---- */

static void put_regs(struct area_trace *rec, const struct pal_regs *r)
{
	_Static_assert(offsetof(struct pal_regs, rip) == REG_RIP * sizeof(u64), "the kernel's order");
	memcpy(rec->regs, r, REG_CS * sizeof(u64));
	memset(rec->regs + REG_CS, 0, sizeof(rec->regs) - REG_CS * sizeof(u64));
	rec->regs[REG_CS] = X86_USER_CS;
	rec->regs[REG_FLAGS] = r->rflags;
	rec->regs[REG_RSP] = r->rsp;
	rec->regs[REG_SS] = X86_USER_DS;
	rec->regs[REG_FS_BASE] = pal_get_fs();
}

/* Did the tracer change any? */
static bool take_regs(const struct area_trace *rec, struct pal_regs *r)
{
	struct pal_regs was = *r;

	memcpy(r, rec->regs, REG_CS * sizeof(u64));
	r->rflags = (r->rflags & ~X86_FLAGS_USER) | (rec->regs[REG_FLAGS] & X86_FLAGS_USER);
	r->rsp = rec->regs[REG_RSP];
	if (rec->regs[REG_FS_BASE] != pal_get_fs() && guest_range((void *)rec->regs[REG_FS_BASE], 0))
		pal_set_fs(rec->regs[REG_FS_BASE]);
	return memcmp(&was, r, offsetof(struct pal_regs, pad)) != 0;
}

/* ---- requests ---- */

static u8 *save_state(void)
{
	u8 *area = base_zalloc(xstate_size + 64);

	if (!area || xstate_save((void *)ALIGN_UP((uintptr_t)area, 64), xstate_mask)) {
		base_free(area);
		return NULL;
	}
	return area;
}

/* addr: where in the state the piece lies. Pieces to be set are put together first, the last one sets them. */
static s32 vector_state(struct thread *t, struct area_trace *rec, bool set)
{
	u8 *all = set && t->trace_xstate ? t->trace_xstate : save_state(), *at;
	size_t n = rec->addr < xstate_size ? MIN((size_t)rec->size, xstate_size - rec->addr) : 0;
	s32 r = (s32)n;

	if (!all)
		return -ENOMEM;
	at = (u8 *)ALIGN_UP((uintptr_t)all, 64);
	if (!set) {
		/* As in a signal's frame: which components there may be at all. */
		memcpy(at + XSTATE_RESERVED, &xstate_mask, sizeof(xstate_mask));
		memcpy(rec->data, at + rec->addr, n);
		base_free(all);
		return r;
	}
	memcpy(at + rec->addr, rec->data, n);
	t->trace_xstate = all;
	if (rec->addr + n < xstate_size)
		return r;
	if (xstate_restore(at, xstate_mask))
		r = -EINVAL;
	base_free(all);
	t->trace_xstate = NULL;
	return r;
}

static void carry_out(struct thread *t, struct area_trace *rec)
{
	rec->size = MIN(rec->size, (u32)TRACE_DATA);
	switch (rec->what) {
	case TRACE_READ:
	case TRACE_WRITE:
		rec->result = (s32)peek_own(t->proc->mm, rec->addr, rec->data, rec->size, rec->what == TRACE_WRITE);
		break;
	default:
		rec->result = vector_state(t, rec, rec->what == TRACE_SET_XSTATE);
	}
	(void)atomic_cas(&rec->state, TRACE_ASKED, TRACE_STOPPED);
	(void)pal_futex_plain(&rec->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- stopping ---- */

static void tell_tracer(struct thread *t, s32 tracer, int sig)
{
	struct siginfo info = { .si_signo = SIGCHLD, .si_code = CLD_TRAPPED };

	info.si_pid = t->tid;
	info.si_uid = t->proc->cred.ruid;
	info.si_status = sig;
	trace_tell(area_slot(tracer));
	(void)signal_send_pid(tracer, &info);
}

/* It is killed, or its process ends or executes something by another thread. */
static bool must_leave(struct thread *t)
{
	struct process *p = t->proc;

	return atomic_load(&p->exiting) || (atomic_load(&p->exec_by) && p->exec_by != (u32)t->tid) ||
	       signal_available(t, SIG_BIT(SIGKILL));
}

static bool has_tracer(struct thread *t)
{
	s32 id = tracer_of(t);
	struct area_slot *s = id ? area_process(id) : NULL;

	if (s && s->state != AREA_ZOMBIE)
		return true;
	if (id)
		(void)atomic_cas(&area_slot(t->tid)->tracer, id, 0);
	return false;
}

/*
 * Until the tracer lets go. conts: as it was before anybody could see the stop. Kicks that only asked something, as who
 * reads its memory does, are over with the answer: a call that began with one pending would be broken off and begin
 * anew with the next stop, for ever if the tracer reads at each.
 */
static void sleep_stopped(struct thread *t, struct area_trace *rec, u32 conts)
{
	struct timespec look = { .tv_nsec = LOOK_NS };
	bool wanted = false;
	u32 state;

	while ((state = atomic_load(&rec->state)) != TRACE_RESUMED && has_tracer(t)) {
		if (state == TRACE_ASKED) {
			carry_out(t, rec);
			continue;
		}
		if (must_leave(t))
			break;
		if (state == TRACE_LISTENS &&
		    (atomic_load(&t->proc->slot->conts) != conts || atomic_xchg(&rec->interrupt, 0))) {
			rec->status = SIGTRAP | PTRACE_EVENT_STOP << 8;
			rec->unseen = 1;
			if (atomic_cas(&rec->state, TRACE_LISTENS, TRACE_STOPPED))
				tell_tracer(t, tracer_of(t), SIGTRAP);
			continue;
		}
		if (pal_futex(&rec->state, FUTEX_WAIT, state, &look, NULL, 0) == -EINTR) {
			atomic_store(&t->tcb.pending, 0);
			wanted |= signal_drain(t);
		}
	}
	if (wanted || must_leave(t))
		atomic_store(&t->tcb.pending, 1);
}

static void untrace(struct thread *t)
{
	struct process *p = t->proc;
	struct thread *other;
	bool any = false;

	t->traced = 0;
	lock(&p->sig.lock);
	list_for_each(other, &p->threads, sibling)
		any |= other->traced != 0;
	p->traced = any;
	unlock(&p->sig.lock);
}

/* The signal that the tracer lets it go on with. */
static u32 stop(struct thread *t, u32 status, const struct siginfo *info, u64 message)
{
	struct area_trace *rec = record(t);
	struct pal_regs *regs = guest_regs();
	bool forced = t->traced & TRACEE_STEPS;
	/* A signal acts if there is nobody to say otherwise. */
	u32 how, sig = status <= SIG_COUNT && info && !rec->call ? status : 0;
	u32 conts = atomic_load(&t->proc->slot->conts);
	s32 tracer = tracer_of(t);

	if (!tracer || must_leave(t))
		return sig;
	if (forced)
		regs->rflags &= ~X86_FLAGS_TF;
	put_regs(rec, regs);
	rec->mask = t->sig.blocked;
	rec->has_info = info != NULL;
	if (info)
		rec->info = *info;
	rec->message = message;
	rec->status = status;
	rec->sig = sig;
	rec->resume = 0;
	atomic_store(&rec->unseen, 1);
	atomic_store(&rec->state, TRACE_STOPPED);
	tell_tracer(t, tracer, (int)(status & 0x7f));
	sleep_stopped(t, rec, conts);
	atomic_store(&rec->unseen, 0);
	how = rec->resume;
	atomic_store(&rec->state, TRACE_RUNS);
	rec->call = 0;
	if (take_regs(rec, regs))
		how |= TRACEE_CHANGED;
	if (rec->mask != t->sig.blocked)
		signal_set_mask(t, rec->mask);
	if (tracer_of(t))
		t->traced = TRACEE | how | (t->traced & TRACEE_CHANGED);
	else
		untrace(t);
	if (how & TRACEE_STEPS) {
		mm_lock(t->proc->mm);
		sites_plain(t->proc->mm);
		mm_unlock(t->proc->mm);
	}
	return rec->sig;
}

/* ---- what makes it stop ---- */

void trace_attend(struct thread *t)
{
	bool traced = has_tracer(t);

	if (!traced && t->traced) {
		untrace(t);
	} else if (traced && !t->traced) {
		t->traced = TRACEE;
		t->proc->traced = true;
	}
	atomic_store(&t->tcb.pending, 1);
}

bool trace_wanted(const struct thread *t)
{
	const struct area_trace *rec = record(t);

	return atomic_load(&rec->interrupt) || rec->newborn || rec->stopped;
}

static void stop_held(struct thread *t, u32 sig)
{
	(void)stop(t, sig | (record(t)->seized ? PTRACE_EVENT_STOP << 8 : 0), NULL, 0);
}

void trace_stop_wanted(struct thread *t)
{
	struct area_trace *rec = record(t);
	u32 sig = atomic_xchg(&rec->stopped, 0);

	if (!has_tracer(t)) {
		untrace(t);
		return;
	}
	if (rec->newborn) {
		rec->newborn = 0;
		if (!rec->seized) {
			struct siginfo info = { .si_signo = SIGSTOP };

			(void)signal_send_thread(t, &info);
		} else {
			(void)stop(t, SIGTRAP | PTRACE_EVENT_STOP << 8, NULL, 0);
		}
	}
	if (sig)
		stop_held(t, sig);
	if (atomic_xchg(&rec->interrupt, 0))
		(void)stop(t, SIGTRAP | PTRACE_EVENT_STOP << 8, NULL, 0);
}

bool trace_stop_step(struct thread *t)
{
	struct siginfo info = { .si_signo = SIGTRAP, .si_code = SI_USER };
	u32 sig;

	if ((t->traced & (TRACEE_STEPS | TRACEE_STEPPED)) != (TRACEE_STEPS | TRACEE_STEPPED))
		return false;
	t->traced &= ~TRACEE_STEPPED;
	info.si_code = TRAP_BRKPT;
	info.si_addr = (void *)guest_regs()->rip;
	sig = stop(t, SIGTRAP, &info, 0);
	if (sig) {
		struct siginfo next = { .si_signo = (int)sig };

		(void)signal_send_thread(t, &next);
	}
	return true;
}

bool trace_signal(struct thread *t, struct siginfo *info)
{
	struct area_trace *rec = record(t);
	u32 sig;

	if (info->si_signo == SIGKILL)
		return true;
	if (!t->traced)
		trace_attend(t);
	if (!t->traced)
		return true;
	sig = stop(t, (u32)info->si_signo, info, 0);
	if (!sig || sig > SIG_COUNT)
		return false;
	if ((int)sig != info->si_signo) {
		*info = (struct siginfo){ .si_signo = (int)sig, .si_code = SI_USER };
		info->si_pid = tracer_of(t);
		info->si_uid = t->proc->cred.ruid;
	} else {
		*info = rec->info;
		info->si_signo = (int)sig;
	}
	/* Blocked by now: it waits for its time, as in the kernel. */
	if ((t->sig.blocked & SIG_BIT(sig)) && sig != SIGKILL && sig != SIGSTOP) {
		(void)signal_send_thread(t, info);
		return false;
	}
	if (t->traced & TRACEE_STEPS)
		t->traced |= TRACEE_STEPPED;
	return true;
}

void trace_stop_all(struct thread *t, int sig)
{
	struct process *p = t->proc;
	struct thread *other;

	lock(&p->lock);
	list_for_each(other, &p->threads, sibling) {
		if (other == t || !other->traced)
			continue;
		atomic_store(&the_area->trace[other->tid].stopped, (u32)sig);
		attend_ask(other->tid, ATTEND_TRACE);
	}
	unlock(&p->lock);
	stop_held(t, (u32)sig);
}

void trace_go_on(struct thread *t)
{
	struct pal_regs *regs = guest_regs();

	if (t->traced & TRACEE_STEPS)
		regs->rflags |= X86_FLAGS_TF;
	/* The short way out of a call would lose rcx and r11: let there be work once more. */
	if (t->traced & TRACEE_CHANGED) {
		t->traced &= ~TRACEE_CHANGED;
		atomic_store(&t->tcb.pending, 1);
	}
}

/* ---- calls ---- */

static u32 call_status(const struct area_trace *rec)
{
	return rec->options & PTRACE_O_TRACESYSGOOD ? SIGTRAP | 0x80 : SIGTRAP;
}

static void stop_at_call(struct thread *t, u8 side)
{
	struct area_trace *rec = record(t);
	struct siginfo info = { .si_signo = SIGTRAP };
	u32 sig;

	info.si_code = (int)call_status(rec);
	info.si_pid = t->tid;
	info.si_uid = t->proc->cred.ruid;
	rec->call = side;
	sig = stop(t, call_status(rec), &info, side);
	if (sig) {
		struct siginfo next = { .si_signo = (int)sig, .si_code = SI_USER };

		(void)signal_send_thread(t, &next);
	}
}

bool trace_call_enter(struct thread *t, struct pal_regs *regs)
{
	if (!(t->traced & (TRACEE_CALLS | TRACEE_EMULATES)))
		return true;
	regs->rax = (u64)-ENOSYS;
	stop_at_call(t, PTRACE_SYSCALL_INFO_ENTRY);
	if (must_leave(t)) {
		atomic_store(&t->tcb.pending, 1);
		return false;
	}
	return !(t->traced & TRACEE_EMULATES) && (s64)regs->orig_rax != -1;
}

/*
 * A call that only a kick broke off which asked something, its tracer's reading for one, goes on without another
 * stop: on Linux nothing breaks it off.
 */
bool trace_call_again(struct thread *t, long r)
{
	if ((r != -ERESTARTNOINTR && r != -ERESTARTSYS) || t->sig.restore_mask)
		return false;
	atomic_store(&t->tcb.pending, 0);
	if (!signal_drain(t) && !must_leave(t))
		return true;
	atomic_store(&t->tcb.pending, 1);
	return false;
}

long trace_call_leave(struct thread *t, struct pal_regs *regs, long r)
{
	regs->rax = (u64)r;
	regs->rcx = regs->rip;
	regs->r11 = regs->rflags & ~X86_FLAGS_TF;
	if (t->traced & TRACEE_CALLS)
		stop_at_call(t, PTRACE_SYSCALL_INFO_EXIT);
	if (t->traced & TRACEE_STEPS) {
		t->traced |= TRACEE_STEPPED;
		atomic_store(&t->tcb.pending, 1);
	}
	if (t->traced & TRACEE_CHANGED) {
		signal_deliver(t);
		regs->orig_rax = (u64)-1;
		entry_leave();
	}
	return (long)regs->rax;
}

void trace_returned(struct thread *t)
{
	if (t->traced & TRACEE_CALLS)
		stop_at_call(t, PTRACE_SYSCALL_INFO_EXIT);
	if (t->traced & TRACEE_STEPS)
		t->traced |= TRACEE_STEPPED;
	atomic_store(&t->tcb.pending, 1);
}

void trace_exec(struct thread *t, struct pal_regs *regs)
{
	struct area_trace *rec = record(t);

	regs->orig_rax = __NR_execve;
	if (rec->options & PTRACE_O_TRACEEXEC) {
		trace_event(t, PTRACE_EVENT_EXEC, (u64)t->tid);
	} else if (!rec->seized && tracer_of(t)) {
		struct siginfo info = { .si_signo = SIGTRAP, .si_code = SI_USER };

		(void)signal_send_thread(t, &info);
	}
	if (t->traced & TRACEE_CALLS)
		stop_at_call(t, PTRACE_SYSCALL_INFO_EXIT);
	regs->orig_rax = (u64)-1;
	atomic_store(&t->tcb.pending, 1);
}

/* ---- births and ends ---- */

static u32 option_of(unsigned event)
{
	return 1u << event;
}

void trace_event(struct thread *t, unsigned event, u64 message)
{
	struct siginfo info = { .si_signo = SIGTRAP, .si_code = (int)(SIGTRAP | event << 8) };

	info.si_pid = t->tid;
	info.si_uid = t->proc->cred.ruid;
	if (t->traced && (record(t)->options & option_of(event)))
		(void)stop(t, SIGTRAP | event << 8, &info, message);
}

bool trace_seccomp(struct thread *t, u32 data)
{
	struct area_trace *rec = record(t);

	if (!t->traced || !(rec->options & PTRACE_O_TRACESECCOMP))
		return false;
	rec->call = PTRACE_SYSCALL_INFO_SECCOMP;
	trace_event(t, PTRACE_EVENT_SECCOMP, data);
	if (!must_leave(t))
		return true;
	atomic_store(&t->tcb.pending, 1);
	return false;
}

unsigned trace_birth_event(const struct clone_request *a)
{
	unsigned event = a->flags & CLONE_VFORK	      ? PTRACE_EVENT_VFORK
			 : a->exit_signal == SIGCHLD ? PTRACE_EVENT_FORK
						     : PTRACE_EVENT_CLONE;
	u32 wanted = option_of(event) | (event == PTRACE_EVENT_VFORK ? option_of(PTRACE_EVENT_VFORK_DONE) : 0);

	return !(a->flags & CLONE_UNTRACED) && (record(current())->options & wanted) ? event : 0;
}

void trace_birth(s32 id, u64 flags)
{
	struct thread *t = current();
	struct area_slot *s = area_slot(id);
	struct area_trace *rec, *from;
	struct clone_request a = { .flags = flags, .exit_signal = s->exit_signal };

	if (unlikely(s->tracer)) { /* of the id's last owner */
		s->tracer = 0;
		bit_clear(the_area->traced, (u32)id);
	}
	if (likely(!t->traced))
		return;
	if (flags & CLONE_THREAD)
		a.exit_signal = 0;
	from = record(t);
	if (!(from->options & option_of(trace_birth_event(&a))) && !(flags & CLONE_PTRACE))
		return;
	rec = &the_area->trace[id];
	memset(rec, 0, offsetof(struct area_trace, what));
	rec->options = from->options;
	rec->seized = from->seized;
	rec->newborn = 1;
	bit_set(the_area->traced, (u32)id);
	atomic_store(&s->tracer, tracer_of(t));
}

void trace_born(struct thread *t)
{
	t->traced = 0;
	if (likely(!tracer_of(t)))
		return;
	t->traced = TRACEE | (record(t)->resume & STEP_MODES);
	t->proc->traced = true;
	atomic_store(&t->tcb.pending, 1);
}

void trace_exiting(struct thread *t, int status)
{
	/* An end that was begun by another thread, or by SIGKILL, is not held up. */
	trace_event(t, PTRACE_EVENT_EXIT, (u64)status);
}

void trace_moved(s32 from, s32 to)
{
	struct area_trace *a = &the_area->trace[from], *b = &the_area->trace[to];
	s32 tracer = atomic_xchg(&area_slot(from)->tracer, 0);

	bit_clear(the_area->traced, (u32)from);
	memcpy(b, a, offsetof(struct area_trace, what));
	bit_set(the_area->traced, (u32)to);
	atomic_store(&area_slot(to)->tracer, tracer);
}

long trace_me(void)
{
	struct thread *t = current();
	struct area_slot *s = area_slot(t->tid), *parent = area_process(t->proc->slot->ppid);

	if (!parent || t->proc->slot->ppid == 1 || s->tracer)
		return -EPERM;
	memset(record(t), 0, offsetof(struct area_trace, what));
	bit_set(the_area->traced, (u32)t->tid);
	atomic_store(&s->tracer, t->proc->slot->ppid);
	atomic_or(&parent->flags, AREA_TRACES);
	t->traced = TRACEE;
	t->proc->traced = true;
	return 0;
}
