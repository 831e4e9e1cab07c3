/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Waiting for children: the guest's children are host children of this process, so the host waits, queues and wakes,
 * and what it says is translated. A child that was re-parented to this one (subreaper) is known by its slot alone.
 *
 * The host sees every child end with SIGCHLD. One that clone() gave another exit signal is told apart here: it is seen
 * only by waits that ask for it (__WCLONE, __WALL).
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/ipc/ipc.h"
#include "libos/task/calls.h"
#include "libos/task/ptrace.h"

#define HOST_OPTIONS (WNOHANG | WEXITED | WSTOPPED | WCONTINUED | WNOWAIT)

static void rusage_add(struct rusage *sum, const struct rusage *ru)
{
	sum->ru_utime.tv_sec += ru->ru_utime.tv_sec;
	sum->ru_utime.tv_usec += ru->ru_utime.tv_usec;
	sum->ru_stime.tv_sec += ru->ru_stime.tv_sec;
	sum->ru_stime.tv_usec += ru->ru_stime.tv_usec;
	sum->ru_utime.tv_sec += sum->ru_utime.tv_usec / 1000000;
	sum->ru_utime.tv_usec %= 1000000;
	sum->ru_stime.tv_sec += sum->ru_stime.tv_usec / 1000000;
	sum->ru_stime.tv_usec %= 1000000;
	sum->ru_maxrss = MAX(sum->ru_maxrss, ru->ru_maxrss);
	sum->ru_minflt += ru->ru_minflt;
	sum->ru_majflt += ru->ru_majflt;
	sum->ru_inblock += ru->ru_inblock;
	sum->ru_oublock += ru->ru_oublock;
	sum->ru_nvcsw += ru->ru_nvcsw;
	sum->ru_nivcsw += ru->ru_nivcsw;
}

/* pid is gone, all of it: give back the ids that it had taken or held when it was killed, in the middle of anything. */
static void sweep(s32 pid)
{
	/* Who makes it an heir from now on counts anew, and is seen by the next one to look. */
	if (!atomic_xchg(&area_slot(pid)->holds, 0))
		return;
	for (s32 id = area_next_used(1); id; id = area_next_used(id + 1)) {
		struct area_slot *s = area_slot(id);
		u32 state = atomic_load(&s->state);

		if (state == area_reserved_by(pid)) {
			area_bury_id(id, state);
		} else if (state == AREA_THREAD && s->tgid == pid) {
			robust_note_killed(id);
			if (unlikely(s->tracer))
				trace_ended(id, SIGKILL);
			area_bury_id(id, state);
		} else if (state == AREA_RUNNING && s->ppid == pid && !s->host_pid) {
			process_slot_bury(id);
		}
	}
	task_orphan_children(pid);
}

/* pid ended without a word (SIGKILL, a fault of the host's): do now what it would have done itself. */
static void ended_unsaid(s32 pid, struct area_slot *s)
{
	atomic_add(&the_area->ended.user_us, s->usage.user_us);
	atomic_add(&the_area->ended.system_us, s->usage.system_us);
	atomic_or(&s->flags, AREA_UNSAID);
	robust_note_killed(pid);
	if (unlikely(s->flags & AREA_TRACES))
		trace_tracer_gone(pid);
	if (unlikely(s->tracer))
		trace_ended(pid, SIGKILL);
	atomic_store(&s->state, AREA_ZOMBIE);
	if (s->flags & AREA_IPC)
		ipc_reap(pid);
	sweep(pid);
}

void task_reaped(s32 pid)
{
	struct area_slot *s = area_process(pid);

	if (!s)
		return;
	if (s->state != AREA_ZOMBIE)
		ended_unsaid(pid, s);
	else
		sweep(pid); /* it ended while a thread was forking, perhaps */
	/* Who heard of it first may have died over it. */
	if (unlikely(s->flags & AREA_IPC))
		ipc_reap(pid);
	atomic_sub(&the_area->nprocs, 1);
	atomic_sub(&the_area->nthreads, s->nthreads);
	area_free_id(pid);
}

/*
 * From host siginfo to guest result, of child id if that is known (not 0). The ids are given back if the child is gone
 * for good.
 */
static void translate(struct process *p, const struct siginfo *host, s32 id, bool keep, struct wait_result *r)
{
	struct area_slot *s;

	r->pid = id ?: task_guest_child(host->si_pid, p->pid);
	s = area_process(r->pid);
	r->code = host->si_code;
	r->status = host->si_status;
	r->uid = s ? s->ruid : host->si_uid;
	/* The host knows only SIGSTOP; which stop signal it was the child has left in its slot. */
	if (r->code == CLD_STOPPED && s && s->state == AREA_STOPPED && s->exit_status)
		r->status = (int)s->exit_status;
	if (keep || r->code == CLD_STOPPED || r->code == CLD_CONTINUED)
		return;
	p->reaped = r->code == CLD_EXITED ? W_EXIT(r->status) : r->status;
	lock(&p->lock);
	rusage_add(&p->children_usage, &r->ru);
	if (s) {
		unsigned at = p->ngone++ % ARRAY_SIZE(p->gone);

		p->gone[at].host = host->si_pid;
		p->gone[at].pid = r->pid;
		p->gone[at].uid = r->uid;
		p->gone[at].exit_signal = s->exit_signal;
	}
	unlock(&p->lock);
	/* It had no time to say so itself. */
	if (s && s->state != AREA_ZOMBIE)
		calls_note_end(r->pid, p->reaped);
	task_reaped(r->pid);
}

static bool eligible(const struct area_slot *s, int options)
{
	return (options & __WALL) || (s->exit_signal != SIGCHLD) == !!(options & __WCLONE);
}

/* Must each child be looked at, for some are not meant? */
static bool choosy(const struct process *p, int options)
{
	return (p->had_clone_children || (options & __WCLONE)) && !(options & __WALL);
}

/* Host id that stands for the guest's, or -errno. */
static int host_target(struct process *p, int which, s32 id, int options)
{
	struct area_slot *s;

	switch (which) {
	case P_PID:
		s = area_process(id);
		if (!s || atomic_load_relaxed(&s->ppid) != p->pid || !eligible(s, options))
			return -ECHILD;
		return s->host_pid;
	case P_PGID:
		id = id ? task_host_pgid(id) : p->slot->host_pgid;
		return id ?: -ECHILD;
	}
	return 0;
}

/*
 * Reap a child of several threads' process that a look with WNOWAIT has seen. The lock keeps the thread that hears
 * SIGCHLD (task_child_event) from writing into a slot that this one has just given back. 0 with out->pid 0: another
 * thread was quicker.
 */
static int reap_seen(struct process *p, int host_id, s32 id, int options, struct wait_result *out)
{
	struct siginfo info = { 0 };
	int r;

	lock(&p->reap);
	r = pal_waitid(P_PID, host_id, &info, (options & HOST_OPTIONS) | WNOHANG, &out->ru);
	if (!r && info.si_pid)
		translate(p, &info, id, false, out);
	unlock(&p->reap);
	return r == -ECHILD ? 0 : r;
}

static int host_wait(struct process *p, int which, int host_id, s32 id, int options, struct wait_result *out)
{
	bool shared = atomic_load(&p->nthreads) > 1 && !(options & WNOWAIT);
	struct siginfo info;
	int r;

	out->pid = 0;
	do {
		info = (struct siginfo){ 0 };
		r = pal_waitid(which, host_id, &info, (options & HOST_OPTIONS) | (shared ? WNOWAIT : 0), &out->ru);
		if (!r && info.si_pid && shared)
			r = reap_seen(p, info.si_pid, id, options, out);
		else if (!r && info.si_pid)
			translate(p, &info, id, options & WNOWAIT, out);
	} while (shared && !r && info.si_pid && !out->pid);
	return r == -EINTR ? -ERESTARTSYS : r;
}

/* Children of both sorts: look at each that is meant, and sleep until any child changes. */
static int wait_among(struct process *p, s32 pgid, int options, struct wait_result *out)
{
	for (;;) {
		struct siginfo any = { 0 };
		bool found = false;
		int r;

		for (s32 id = area_next(1, false); id; id = area_next(id + 1, false)) {
			struct area_slot *s = area_slot(id);

			if (s->ppid != p->pid || (pgid && s->pgid != pgid) || !eligible(s, options))
				continue;
			found = true;
			r = host_wait(p, P_PID, s->host_pid, id, options | WNOHANG, out);
			if (!r && out->pid)
				return 0;
		}
		out->pid = 0;
		if (!found || (options & WNOHANG))
			return found ? 0 : -ECHILD;
		/* A child of the other sort that has ended already would end this sleep at once: nap instead. */
		r = pal_waitid(P_ALL, 0, &any, WEXITED | WNOWAIT | WNOHANG, NULL);
		if (!r && any.si_pid) {
			struct timespec nap = { .tv_nsec = 5000000 };

			r = pal_nap(&nap);
		} else {
			r = pal_waitid(P_ALL, 0, &any, (options & HOST_OPTIONS) | WNOWAIT, NULL);
		}
		if (r == -EINTR)
			return -ERESTARTSYS;
	}
}

static bool reaps_silently(struct process *p)
{
	const struct sig_action *a = &p->sig.action[SIGCHLD - 1];

	return a->handler == (u64)SIG_IGN || (a->flags & SA_NOCLDWAIT);
}

/* Children that nobody wants to hear of are gone the moment they end. */
static void reap_silently(struct process *p)
{
	struct wait_result r;

	do
		memset(&r, 0, sizeof(r));
	while (!host_wait(p, P_ALL, 0, 0, WEXITED | WNOHANG, &r) && r.pid);
	if (unlikely(p->loans))
		(void)task_lends(p);
}

static int wait_for(int which, s32 id, int options, struct wait_result *out)
{
	struct process *p = this_process();
	int host, r;

	memset(out, 0, sizeof(*out));
	if (which != P_PID && choosy(p, options))
		return wait_among(p, which == P_PGID ? (id ?: p->slot->pgid) : 0, options, out);
	host = host_target(p, which, id, options);
	if (host < 0)
		return host;
	do {
		r = host_wait(p, which, host, which == P_PID ? id : 0, options, out);
		/* While SIGCHLD is ignored, wait sleeps until there is no child left: POSIX, and kernel/exit.c. */
	} while (!r && out->pid && out->code != CLD_STOPPED && out->code != CLD_CONTINUED && reaps_silently(p));
	return r;
}

/* The host knows nothing of tracing: what tracees have to tell is looked for beside its children. */
static int wait_traced(int which, s32 id, int options, struct wait_result *out)
{
	static const struct timespec limit = { .tv_sec = 1 };
	struct area_slot *self = this_process()->slot;

	for (;;) {
		u32 turn = atomic_load(&self->trace_turn);
		bool traces = trace_report(which, id, options, out);
		int r;

		if (out->pid)
			return 0;
		r = wait_for(which, id, options | WNOHANG, out);
		if (out->pid || (r && (r != -ECHILD || !traces)) || (options & WNOHANG))
			return r == -ECHILD && traces ? 0 : r;
		r = pal_futex(&self->trace_turn, FUTEX_WAIT, turn, &limit, NULL, 0);
		if (r == -EINTR)
			return -ERESTARTSYS;
	}
}

/* Memory that a child had is taken back with no lock held: if it was killed, each is looked at. */
int task_wait(int which, s32 id, int options, struct wait_result *out)
{
	bool traces = unlikely(this_process()->slot->flags & AREA_TRACES);
	int r;

	memset(out, 0, sizeof(*out));
	r = traces ? wait_traced(which, id, options, out) : wait_for(which, id, options, out);

	if (unlikely(this_process()->loans))
		(void)task_lends(this_process());
	return r;
}

/* Its end may have been waited for before its signal is looked at, and the host's id be another's already. */
static bool has_ended(int host_pid)
{
	struct thread *t = current();
	struct siginfo info = { 0 };
	u32 kicked = 0;
	int r;

	/* Asked while a signal is being looked at: the call must not give way to the next one. */
	do {
		kicked |= atomic_xchg(&t->tcb.pending, 0);
		r = pal_waitid(P_PID, host_pid, &info, WEXITED | WNOWAIT | WNOHANG, NULL);
	} while (r == -EINTR);
	if (kicked)
		atomic_store(&t->tcb.pending, 1);
	return !r && info.si_pid;
}

/* Its end was waited for before its signal is looked at: who it was. */
static void recall(struct process *p, int host_pid, struct siginfo *info)
{
	lock(&p->lock);
	for (unsigned i = 0; i < ARRAY_SIZE(p->gone); i++) {
		if (p->gone[i].host != host_pid)
			continue;
		p->gone[i].host = 0;
		info->si_pid = p->gone[i].pid;
		info->si_uid = p->gone[i].uid;
		info->si_signo = p->gone[i].exit_signal;
	}
	unlock(&p->lock);
}

void task_child_event(const struct siginfo *host)
{
	struct process *p = this_process();
	struct siginfo info = { .si_signo = SIGCHLD, .si_code = host->si_code };
	bool job = host->si_code == CLD_STOPPED || host->si_code == CLD_CONTINUED || host->si_code == CLD_TRAPPED;
	struct area_slot *s;

	info.si_pid = task_guest_child(host->si_pid, p->pid);
	s = area_process(info.si_pid);
	info.si_uid = s ? s->ruid : host->si_uid;
	info.si_status = host->si_status;
	info.si_utime = host->si_utime;
	info.si_stime = host->si_stime;
	if (host->si_code == CLD_STOPPED && s && s->state == AREA_STOPPED && s->exit_status)
		info.si_status = (int)s->exit_status;
	if (s && !job)
		info.si_signo = s->exit_signal;
	else if (!job)
		recall(p, host->si_pid, &info);
	if (job && (p->sig.action[SIGCHLD - 1].flags & SA_NOCLDSTOP))
		return;
	if (!job && s && s->state != AREA_ZOMBIE) {
		lock(&p->reap);
		if (s->state != AREA_ZOMBIE && has_ended(host->si_pid))
			ended_unsaid(info.si_pid, s);
		unlock(&p->reap);
	}
	/* One signal of the host's may stand for the ends of several children. */
	if (!job)
		ipc_reap_children(p->pid);
	if (!job && reaps_silently(p))
		reap_silently(p);
	if (unlikely(p->slot->flags & AREA_TRACES))
		trace_tell(p->slot);
	if (info.si_signo)
		(void)signal_send_process(p, &info);
}
