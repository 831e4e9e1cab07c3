/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From the inbox ring, which the PAL's handler fills without locks, into the queues.
 *
 * Three kinds come in: kicks that carry a guest signal from another picoprocess; the host's signals that mean the same
 * for the guest (terminal, job control, timers); and SIGCHLD, which is about a host child and is translated first.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/fs/timer.h"
#include "libos/task/attend.h"
#include "libos/task/ptrace.h"
#include "libos/split/split.h"

static struct thread *thread_by_tid(struct process *p, s32 tid)
{
	struct thread *t;

	list_for_each(t, &p->threads, sibling)
		if (t->tid == tid)
			return t;
	return NULL;
}

static void from_kick(struct process *p, const struct pal_kick *k)
{
	struct siginfo info = { .si_signo = k->sig, .si_code = k->code };
	struct thread *t;

	/* Its process was reaped while this was on its way, and the host gave us its id. */
	if (k->extra != p->pid)
		return;
	info.si_pid = k->pid;
	info.si_uid = k->uid;
	/* Of one that it traces: a stop is told as job control is; the value is its status. */
	if (k->sig == SIGCHLD && k->code == CLD_TRAPPED && (p->sig.action[SIGCHLD - 1].flags & SA_NOCLDSTOP))
		return;
	if ((k->code < 0 && k->code != SI_TKILL) || k->sig == SIGCHLD)
		info.si_value.sival_ptr = (void *)k->value;
	if (!k->tid) {
		signal_receive(p, NULL, &info);
		return;
	}
	lock(&p->lock);
	t = thread_by_tid(p, k->tid);
	if (t)
		signal_receive(p, t, &info);
	unlock(&p->lock);
}

static bool processor_used_up(struct process *p)
{
	attend_note_usage(p);
	return (p->slot->usage.user_us + p->slot->usage.system_us) / 1000000 >= p->rlimits[RLIMIT_CPU].rlim_max;
}

static void from_host(struct process *p, const struct siginfo *host)
{
	struct siginfo info = { .si_signo = host->si_signo, .si_code = SI_KERNEL };

	switch (host->si_signo) {
	case SIGCHLD:
		task_child_event(host);
		return;
	case SIGALRM:
		if (timers_expired(p))
			return;
		break;
	case SIGVTALRM:
	case SIGPROF:
		timer_cpu_expired(p, host->si_signo);
		break;
	case SIGXCPU:
		/* The host asks every second from the soft limit on; its own hard limit is not the guest's. */
		if (processor_used_up(p))
			task_exit_group(SIGKILL);
		break;
	case PAL_SIG_KICK:
		/* Bare, from the host itself: the parent has ended (PR_SET_PDEATHSIG, sys/prctl.c). */
		if (!p->pdeathsig)
			return;
		info.si_signo = p->pdeathsig;
		info.si_code = SI_USER;
		info.si_pid = task_guest_pid(host->si_pid);
		info.si_uid = host->si_uid;
		break;
	case SIGCONT:
		p->slot->state = AREA_RUNNING;
		/* A guest's SIGCONT brings its own kick with the sender's ids; this one covers the
		 * host's job control. */
		break;
	}
	signal_send_process(p, &info);
}

static void empty_ring(struct thread *t)
{
	struct inbox *in = &t->sig.inbox;
	struct process *p = t->proc;

	while (in->head != atomic_load(&in->tail)) {
		struct siginfo info = in->slot[in->head % INBOX_SIZE];
		struct pal_kick k;

		atomic_store(&in->head, in->head + 1);
		if (pal_kick_decode(&info, &k))
			from_kick(p, &k);
		else
			from_host(p, &info);
	}
}

bool signal_drain(struct thread *t)
{
	struct inbox *in = &t->sig.inbox;
	struct process *p = t->proc;
	u64 overflow;

	empty_ring(t);
	/* And what the host kept back while the ring was full. */
	while (unlikely(atomic_load_relaxed(&t->tcb.full))) {
		pal_kicks_resume();
		empty_ring(t);
	}
	overflow = atomic_xchg(&in->overflow, 0);
	for (int sig = 1; overflow; sig++, overflow >>= 1) {
		struct siginfo info = { .si_signo = sig, .si_code = SI_KERNEL };

		if (overflow & 1)
			from_host(p, &info);
	}
	if (unlikely(atomic_load_relaxed(&area_slot(t->tid)->attend) || atomic_load_relaxed(&p->slot->attend)))
		attend(t);
	if (atomic_xchg(&in->look, 0))
		coord_serve();
	return signal_available(t, ~t->sig.blocked) || split_asked() || (unlikely(t->traced) && trace_wanted(t));
}
