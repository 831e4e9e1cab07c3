/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Signals to other processes of the sandbox: who may, and how they travel.
 *
 * A signal travels on the host's own queue: the kick is a host real-time signal whose siginfo carries the guest's. So
 * message and doorbell are one host call, as dear as a native kill, no reader is needed on the other side, and the
 * queue is bounded and cleaned up by the host when the target dies. SIGKILL, SIGSTOP and SIGCONT are the host's own.
 */
#include "libos/coord/trace.h"
#include "libos/task/attend.h"
#include "libos/task/ptrace.h"
#include "libos/fs/proc.h"

static bool may_signal(const struct cred *c, const struct area_slot *to, int sig)
{
	const struct area_slot *self = this_process()->slot;

	if (!c->euid || c->euid == to->suid || c->euid == to->ruid || c->ruid == to->suid || c->ruid == to->ruid)
		return true;
	return sig == SIGCONT && self->sid == to->sid;
}

/* A process that is just being born has no host pid yet: the host writes it any moment. */
static int host_pid_of(const struct area_slot *to)
{
	int host = atomic_load(&to->host_pid);

	for (unsigned i = 0; !host && i < 10000 && atomic_load(&to->state) == AREA_RUNNING; i++) {
		(void)pal_sched_yield();
		host = atomic_load(&to->host_pid);
	}
	return host;
}

/* A standard signal is never lost for want of room: it is then a bit without a sender, as in kernel/signal.c. */
static int send_carried(struct area_slot *to, int host, const struct pal_kick *k)
{
	int r = pal_kick(host, 0, k);

	if (r != -EAGAIN || k->sig >= SIGRTMIN)
		return r;
	atomic_or(&to->standard, SIG_BIT(k->sig));
	atomic_or(&to->attend, ATTEND_SIGNALS);
	return pal_nudge(host, 0);
}

static int carry(struct area_slot *to, int host, const struct pal_kick *k)
{
	int r;

	switch (k->sig) {
	case SIGKILL:
		if (!(atomic_load(&to->flags) & (AREA_BORROWS | AREA_LENDS)))
			return pal_kill(host, SIGKILL);
		/* Its locks are its parent's, or its children's, too: it ends by itself at the next safe point, and
		 * is woken for that. */
		r = send_carried(to, host, k);
		return r ?: pal_kill(host, SIGCONT);
	case SIGSTOP:
		/* Its tracer is told first. */
		if (trace_any(to->tgid))
			break;
		to->exit_status = SIGSTOP;
		atomic_store(&to->state, AREA_STOPPED);
		return pal_kill(host, SIGSTOP);
	}
	r = send_carried(to, host, k);
	if (k->sig == SIGCONT) {
		if (atomic_load(&to->state) == AREA_STOPPED)
			atomic_store(&to->state, AREA_RUNNING);
		atomic_add(&to->conts, 1);
		return pal_kill(host, SIGCONT);
	}
	return r;
}

static int deliver_remote(s32 tid, struct area_slot *to, const struct siginfo *info)
{
	struct pal_kick k = {
		.sig = info->si_signo,
		.code = info->si_code,
		.pid = info->si_pid,
		.uid = info->si_uid,
		.value = (u64)info->si_value.sival_ptr,
		.tid = tid,
		.extra = to->tgid,
	};
	int host = host_pid_of(to), r;
	u64 number;

	if (!host)
		return -ESRCH;
	/* What has no siginfo to lose (kill) is never refused. */
	if (info->si_signo >= SIGRTMIN && info->si_code != SI_USER &&
	    atomic_load_relaxed(&to->queued) >= to->limits[RLIMIT_SIGPENDING].rlim_cur)
		return -EAGAIN;
	number = trace_begin();
	r = carry(to, host, &k);
	trace_end(number, r, (struct area_event){ .kind = TRACE_SIGNAL, .type = (u16)k.sig,
						  .from = this_process()->pid, .to = to->tgid });
	return r;
}

/* To the process in slot id (or the process of the thread with that id). */
static int send_to(s32 id, const struct siginfo *info, int sig)
{
	struct process *self = this_process();
	struct area_slot *to = area_process(id);
	int r;

	if (!to)
		return -ESRCH;
	if (!may_signal(&self->cred, to, sig))
		return -EPERM;
	if (!sig || to->state == AREA_ZOMBIE || to->tgid == 1)
		return 0;
	if (to == self->slot) {
		if (sig == SIGKILL)
			task_exit_group(SIGKILL);
		return signal_send_process(self, info);
	}
	proc_bundle_drop();
	r = deliver_remote(0, to, info);
	return r == -ESRCH ? 0 : r; /* it ended meanwhile: a zombie takes signals */
}

int signal_send_pid(s32 pid, const struct siginfo *info)
{
	struct area_slot *to = area_process(pid);

	if (!to || to->state == AREA_ZOMBIE)
		return -ESRCH;
	if (to != this_process()->slot)
		return deliver_remote(0, to, info);
	if (info->si_signo == SIGKILL)
		task_exit_group(SIGKILL);
	return signal_send_process(this_process(), info);
}

struct tally {
	int sent, error;
};

static void count(struct tally *t, int r)
{
	if (!r)
		t->sent++;
	else
		t->error = r;
}

static int tally_result(const struct tally *t)
{
	return t->sent ? 0 : t->error ? t->error : -ESRCH;
}

#define KILL_PASSES 100

/*
 * To all others of a group, or all but the first process (pgid 0). SIGKILL leaves nobody: who was born behind our back,
 * of a parent that we had not reached yet, is found by the next pass. Other signals are not sent twice.
 */
static void send_to_others(s32 pgid, const struct siginfo *info, int sig, struct tally *t)
{
	s32 self = this_process()->pid;
	u64 forks, now = atomic_load(&the_area->forks);
	unsigned passes = 0;

	do {
		forks = now;
		for (s32 id = area_next(pgid ? 1 : 2, false); id; id = area_next(id + 1, false))
			if (id != self && (!pgid || atomic_load_relaxed(&area_slot(id)->pgid) == pgid))
				count(t, send_to(id, info, sig));
		now = atomic_load(&the_area->forks);
	} while (sig == SIGKILL && now != forks && ++passes < KILL_PASSES);
}

int signal_send_pgid(s32 pgid, const struct siginfo *info, int sig)
{
	struct process *self = this_process();
	struct tally t = { 0 };

	if (pgid <= 0)
		return -ESRCH;
	send_to_others(pgid, info, sig, &t);
	/* Oneself last: the signal may end this process. */
	if (self->slot->pgid == pgid)
		count(&t, send_to(self->pid, info, sig));
	return tally_result(&t);
}

static int send_all(const struct siginfo *info, int sig)
{
	struct tally t = { 0 };

	send_to_others(0, info, sig, &t);
	return tally_result(&t);
}

int signal_kill(s32 pid, const struct siginfo *info, int sig)
{
	struct area_slot *s;

	if (pid == 0)
		return signal_send_pgid(this_process()->slot->pgid, info, sig);
	if (pid == -1)
		return send_all(info, sig);
	if (pid < 0)
		return pid == INT32_MIN ? -ESRCH : signal_send_pgid(-pid, info, sig);
	s = area_slot(pid);
	if (s && s->state == AREA_THREAD)
		pid = s->tgid;
	return send_to(pid, info, sig);
}

static int tgkill_local(struct process *p, s32 tid, const struct siginfo *info, int sig)
{
	struct thread *t, *found = NULL;
	int r = -ESRCH;

	lock(&p->lock);
	list_for_each(t, &p->threads, sibling)
		if (t->tid == tid)
			found = t;
	if (found)
		r = sig && sig != SIGKILL ? signal_send_thread(found, info) : 0;
	unlock(&p->lock);
	if (!r && sig == SIGKILL)
		task_exit_group(SIGKILL);
	return r;
}

int signal_tgkill(s32 tgid, s32 tid, const struct siginfo *info, int sig)
{
	struct process *self = this_process();
	struct area_slot *s = area_slot(tid), *to;
	s32 owner;

	if (!s || !area_named(s->state))
		return -ESRCH;
	owner = s->state == AREA_THREAD ? s->tgid : tid;
	if (tgid > 0 && owner != tgid)
		return -ESRCH;
	to = area_process(owner);
	if (!to)
		return -ESRCH;
	if (!may_signal(&self->cred, to, sig))
		return -EPERM;
	if (owner == self->pid)
		return tgkill_local(self, tid, info, sig);
	if (!sig || to->state == AREA_ZOMBIE || owner == 1)
		return 0;
	return deliver_remote(tid, to, info);
}
