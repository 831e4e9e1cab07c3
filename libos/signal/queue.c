/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pending queues: putting signals in, choosing who is woken, taking them out.
 *
 * The rules are kernel/signal.c's: a signal that is ignored and not blocked is dropped at once; a standard signal is
 * kept once; SIGCONT and the stop signals cancel each other; a signal for the process wakes one thread that lets it
 * through. All under sighand.lock.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"

void signalfd_notify(struct process *p, int sig) __attribute__((weak));

#define SIG_STOPS (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define SIG_DEFAULT_IGNORED (SIG_BIT(SIGCHLD) | SIG_BIT(SIGCONT) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH))

static void pending_init(struct sigpending *q)
{
	q->set = 0;
	list_init(&q->queue);
}

void signal_init(struct process *p)
{
	memset(&p->sig, 0, sizeof(p->sig));
	pending_init(&p->sig.shared);
	list_init(&p->sig.watchers);
}

void signal_thread_init(struct thread *t)
{
	/* What the ring holds beyond head and tail means nothing. */
	memset(&t->sig, 0, offsetof(struct sigthread, inbox.slot));
	pending_init(&t->sig.pending);
	t->sig.altstack.ss_flags = SS_DISABLE;
}

/* After a fork parent is child itself, in the child's copy of the memory, and t is the caller;
 * after a vfork neither. */
void signal_fork(struct process *child, struct thread *t, const struct process *parent)
{
	const struct sigthread *self = &current()->sig;
	u64 blocked = self->blocked, saved = self->saved_mask;
	bool restore = self->restore_mask;
	stack_t alt = self->altstack;

	/* After a fork child and parent are one struct, and the actions stand where they should. */
	if (child == parent) {
		mutex_init(&child->sig.lock);
		pending_init(&child->sig.shared);
		list_init(&child->sig.watchers);
		child->sig.queued = child->slot->queued = 0;
	} else {
		signal_init(child);
		memcpy(child->sig.action, parent->sig.action, sizeof(child->sig.action));
	}
	signal_thread_init(t);
	t->sig.blocked = blocked;
	t->sig.saved_mask = saved;
	t->sig.restore_mask = restore;
	t->sig.altstack = alt;
}

/* Others look at the slot before they send. */
static void count_queued(struct process *p, int by)
{
	p->sig.queued += (unsigned)by;
	p->slot->queued = p->sig.queued;
}

/* Remove every entry of the signals in set. Caller holds sighand.lock. */
static void pending_flush(struct process *p, struct sigpending *q, u64 set)
{
	struct sigqueue *e, *next;

	if (!(q->set & set))
		return;
	q->set &= ~set;
	list_for_each_safe(e, next, &q->queue, link) {
		if (!(SIG_BIT(e->info.si_signo) & set))
			continue;
		list_del(&e->link);
		count_queued(p, -1);
		base_free(e);
	}
}

static void flush_all(struct process *p, u64 set)
{
	struct thread *t;

	pending_flush(p, &p->sig.shared, set);
	list_for_each(t, &p->threads, sibling)
		pending_flush(p, &t->sig.pending, set);
}

bool signal_ignored(struct process *p, int sig)
{
	u64 handler = p->sig.action[sig - 1].handler;

	return handler == (u64)SIG_IGN || (handler == (u64)SIG_DFL && (SIG_BIT(sig) & SIG_DEFAULT_IGNORED));
}

static bool wants(struct thread *t, int sig)
{
	return !t->exiting && (!(t->sig.blocked & SIG_BIT(sig)) || (t->sig.waiting & SIG_BIT(sig)));
}

static void wake(struct thread *t)
{
	static const struct pal_kick look;

	atomic_store(&t->tcb.pending, 1);
	if (t != current())
		pal_kick(t->proc->slot->host_pid, t->tcb.host_tid, &look);
}

static void wake_one(struct process *p, int sig)
{
	struct thread *t;

	if (current()->proc == p && wants(current(), sig)) {
		wake(current());
		return;
	}
	list_for_each(t, &p->threads, sibling) {
		if (wants(t, sig)) {
			wake(t);
			return;
		}
	}
}

/* Caller holds sighand.lock. */
static int enqueue(struct process *p, struct sigpending *q, const struct siginfo *info, bool remote)
{
	int sig = info->si_signo;
	struct sigqueue *e;

	if (sig < SIGRTMIN && (q->set & SIG_BIT(sig)))
		return 0;
	/* What another process sent has been accepted already, by what the slot said then (signal/send.c). */
	if (sig >= SIGRTMIN && !remote && p->sig.queued >= p->rlimits[RLIMIT_SIGPENDING].rlim_cur)
		return info->si_code == SI_USER ? 0 : -EAGAIN;
	e = base_alloc(sizeof(*e));
	if (!e)
		return -EAGAIN;
	e->info = *info;
	list_add_tail(&q->queue, &e->link);
	count_queued(p, 1);
	q->set |= SIG_BIT(sig);
	return 0;
}

/*
 * t NULL: to the process. A thread for which the same standard signal waits already was woken when that came, or will
 * look when it unblocks it: to wake it again would fill the host's queue, which all of the user's processes share.
 */
static int send(struct process *p, struct thread *t, const struct siginfo *info, bool remote)
{
	int sig = info->si_signo, r = 0;
	bool told;
	u64 blocked;

	lock(&p->sig.lock);
	if (sig == SIGCONT)
		flush_all(p, SIG_STOPS);
	else if (SIG_BIT(sig) & SIG_STOPS)
		flush_all(p, SIG_BIT(SIGCONT));
	blocked = t ? t->sig.blocked | t->sig.waiting : list_first(&p->threads, struct thread, sibling)->sig.blocked |
							  list_first(&p->threads, struct thread, sibling)->sig.waiting;
	if ((blocked & SIG_BIT(sig)) || p->traced || !signal_ignored(p, sig)) {
		told = t && sig < SIGRTMIN && (t->sig.pending.set & SIG_BIT(sig));
		r = enqueue(p, t ? &t->sig.pending : &p->sig.shared, info, remote);
		if (!r && t && !told && wants(t, sig))
			wake(t);
		else if (!r && !t)
			wake_one(p, sig);
	}
	unlock(&p->sig.lock);
	if (!r && signalfd_notify)
		signalfd_notify(p, sig);
	return r;
}

int signal_send_process(struct process *p, const struct siginfo *info)
{
	return send(p, NULL, info, false);
}

int signal_receive(struct process *p, struct thread *t, const struct siginfo *info)
{
	return send(p, t, info, true);
}

int signal_send_thread(struct thread *t, const struct siginfo *info)
{
	return send(t->proc, t, info, false);
}

void signal_self(int sig, int code)
{
	struct siginfo info = { .si_signo = sig, .si_code = code };

	if (code == SI_USER || code == SI_TKILL) {
		info.si_pid = this_process()->pid;
		info.si_uid = this_process()->cred.ruid;
	}
	/* SIGPIPE and SIGXFSZ are the thread's, as in the kernel. */
	signal_send_thread(current(), &info);
}

void signal_force_info(struct thread *t, const struct siginfo *info)
{
	struct sighand *s = &t->proc->sig;
	struct sig_action *a = &s->action[info->si_signo - 1];
	u64 bit = SIG_BIT(info->si_signo);

	lock(&s->lock);
	if ((t->sig.blocked & bit) || a->handler == (u64)SIG_IGN) {
		a->handler = (u64)SIG_DFL;
		t->sig.blocked &= ~bit;
	}
	unlock(&s->lock);
	signal_send_thread(t, info);
	atomic_store(&t->tcb.pending, 1);
}

void signal_force(int sig, int code, u64 addr)
{
	struct siginfo info = { .si_signo = sig, .si_code = code };

	info.si_addr = (void *)addr;
	signal_force_info(current(), &info);
}

static int next_signal(u64 set)
{
	if (set & SIG_SYNCHRONOUS)
		set &= SIG_SYNCHRONOUS;
	return set ? __builtin_ctzll(set) + 1 : 0;
}

static bool take(struct process *p, struct sigpending *q, u64 set, struct siginfo *info)
{
	int sig = next_signal(q->set & set);
	struct sigqueue *e, *next, *first = NULL;
	bool more = false;

	if (!sig)
		return false;
	list_for_each_safe(e, next, &q->queue, link) {
		if (e->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = e;
	}
	if (!more)
		q->set &= ~SIG_BIT(sig);
	if (first) {
		*info = first->info;
		list_del(&first->link);
		count_queued(p, -1);
		base_free(first);
	} else {
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
	}
	return true;
}

int signal_dequeue(struct thread *t, u64 set, struct siginfo *info)
{
	struct process *p = t->proc;
	bool got;

	lock(&p->sig.lock);
	got = take(p, &t->sig.pending, set, info) || take(p, &p->sig.shared, set, info);
	unlock(&p->sig.lock);
	return got ? info->si_signo : 0;
}

bool signal_available(struct thread *t, u64 set)
{
	return (atomic_load(&t->sig.pending.set) | atomic_load(&t->proc->sig.shared.set)) & set;
}

bool signal_pending(struct thread *t)
{
	return t->tcb.pending || signal_available(t, ~t->sig.blocked);
}

void signal_defaults(struct process *p)
{
	lock(&p->sig.lock);
	for (int i = 0; i < SIG_COUNT; i++) {
		struct sig_action *a = &p->sig.action[i];

		if (a->handler != (u64)SIG_IGN)
			a->handler = (u64)SIG_DFL;
		a->flags = a->restorer = a->mask = 0;
	}
	unlock(&p->sig.lock);
}

void signal_flush_exec(struct process *p)
{
	signal_defaults(p);
	current()->sig.altstack = (stack_t){ .ss_flags = SS_DISABLE };
}

/* The terminal's job control looks at the host process: it must see SIGTTIN and SIGTTOU as the guest has them. */
#define SIG_MIRRORED (SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))

long signal_action(int sig, const struct sig_action *set, struct sig_action *old)
{
	struct process *p = this_process();
	struct sig_action *a;
	bool was_ignored;

	if (sig < 1 || sig > SIG_COUNT || (set && (SIG_BIT(sig) & SIG_UNBLOCKABLE)))
		return -EINVAL;
	a = &p->sig.action[sig - 1];
	lock(&p->sig.lock);
	was_ignored = a->handler == (u64)SIG_IGN;
	if (old)
		*old = *a;
	if (set) {
		*a = *set;
		a->mask &= ~SIG_UNBLOCKABLE;
		if (signal_ignored(p, sig))
			flush_all(p, SIG_BIT(sig));
	}
	unlock(&p->sig.lock);
	if (set && (SIG_BIT(sig) & SIG_MIRRORED) && was_ignored != (set->handler == (u64)SIG_IGN))
		return pal_signal(sig, set->handler == (u64)SIG_IGN ? PAL_SIG_IGNORE : PAL_SIG_CATCH);
	return 0;
}

void signal_set_mask(struct thread *t, u64 mask)
{
	struct process *p = t->proc;
	u64 changed, lost, now, no_more;

	mask &= ~SIG_UNBLOCKABLE;
	changed = t->sig.blocked ^ mask;
	if (!changed)
		return;
	lock(&p->sig.lock);
	lost = p->sig.shared.set & mask & changed;
	t->sig.blocked = mask;
	if ((t->sig.pending.set | p->sig.shared.set) & ~mask)
		atomic_store(&t->tcb.pending, 1);
	/* What this thread was woken for and now blocks may be another's. */
	for (int sig; (sig = next_signal(lost)); lost &= ~SIG_BIT(sig))
		wake_one(p, sig);
	unlock(&p->sig.lock);
	now = changed & SIG_MIRRORED & mask;
	no_more = changed & SIG_MIRRORED & ~mask;
	if (no_more)
		pal_sigmask(SIG_UNBLOCK, no_more, NULL);
	if (now)
		pal_sigmask(SIG_BLOCK, now, NULL);
}

void signal_swap_mask(struct thread *t, u64 mask)
{
	t->sig.saved_mask = t->sig.blocked;
	t->sig.restore_mask = true;
	signal_set_mask(t, mask);
}
