// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Timers: one sorted queue would be overkill for the handful a process has; a list is walked when
 * one is due.
 *
 * Lock: timer_set.lock, inside process.lock, outside sighand.lock (signals are queued under it).
 */
#include "libos/fs/timer.h"
#include "libos/sys/wait_end.h"

#define TIMERS_MAX 1024
#define DELAY_MAX 2147483647 /* as Linux: overruns saturate */
/* A timer whose signal is still pending is only counted; never wake for that more often than this.
 */
#define PENDING_PAUSE (10 * 1000000l)

struct timer {
	struct list link;
	int id; /* -1: the interval timer */
	int clock;
	int notify; /* SIGEV_* */
	int sig;
	s32 tid; /* SIGEV_THREAD_ID */
	void *value;
	s64 at, interval; /* on clock; at 0: disarmed */
	int overrun;	  /* of the signal queued last */
};

struct timer_set {
	struct mutex lock; /* guards the rest */
	struct list timers;
	struct timer real; /* in the list, always */
	int next_id;
	unsigned count;
	bool caught; /* the host's SIGALRM is set up */
};

static struct timer_set *set_get(struct process *p)
{
	struct timer_set *s = p->timers;

	if (s)
		return s;
	s = base_zalloc(sizeof(*s));
	if (!s)
		return NULL;
	list_init(&s->timers);
	s->real = (struct timer){
		.id = -1, .clock = CLOCK_MONOTONIC, .notify = SIGEV_SIGNAL, .sig = SIGALRM
	};
	list_add(&s->timers, &s->real.link);
	if (atomic_cas(&p->timers, NULL, s))
		return s;
	base_free(s);
	return p->timers;
}

/* The soonest that t can be due, from now. The CPU clock of n threads may run n times as fast. */
static s64 timer_rest(const struct timer *t)
{
	s64 rest = ns_left(t->at, t->clock, 1);

	if (t->clock == CLOCK_PROCESS_CPUTIME_ID || t->clock == CLOCK_THREAD_CPUTIME_ID)
		rest = MAX(rest / MAX(this_process()->nthreads, 1u), 100000);
	return rest;
}

/* Arm the host for the earliest timer, at least `pause` from now. Caller holds s->lock. */
static int set_arm(struct timer_set *s, s64 pause)
{
	struct itimerval host = { 0 };
	s64 first = LONG_MAX;
	struct timer *t;

	list_for_each (t, &s->timers, link) {
		if (t->at)
			first = MIN(first, timer_rest(t));
	}
	if (first != LONG_MAX) {
		first = MAX(first, pause);
		host.it_value.tv_sec = first / NSEC;
		host.it_value.tv_usec = (first % NSEC + 999) / 1000;
		if (host.it_value.tv_usec == 1000000) {
			host.it_value.tv_sec++;
			host.it_value.tv_usec = 0;
		}
		if (!s->caught) {
			int r = pal_signal(SIGALRM, PAL_SIG_CATCH);

			if (r < 0)
				return r;
			s->caught = true;
		}
	}
	return pal_setitimer(ITIMER_REAL, &host, NULL);
}

static struct timer *set_find(struct timer_set *s, int id)
{
	struct timer *t;

	if (!s || id < 0)
		return NULL;
	list_for_each (t, &s->timers, link) {
		if (t->id == id)
			return t;
	}
	return NULL;
}

static void timer_read(const struct timer *t, struct timer_value *v)
{
	*v = (struct timer_value){ .interval = t->interval };
	if (t->at)
		v->value = ns_left(t->at, t->clock, 1);
}

/* ---- expiry ---- */

/* Is t's signal queued still? Then `more` expirations join it. Caller holds p->sig.lock. */
static bool timer_joins(struct process *p, struct sigpending *q, struct timer *t, int more)
{
	struct sigqueue *e;

	if (!(q->set & SIG_BIT(t->sig)))
		return false;
	list_for_each (e, &q->queue, link) {
		if (e->info.si_signo == t->sig && e->info.si_code == SI_TIMER &&
		    e->info.si_tid == t->id) {
			e->info.si_overrun = (int)MIN((s64)e->info.si_overrun + more, DELAY_MAX);
			t->overrun = e->info.si_overrun;
			return true;
		}
	}
	return false;
}

/* Caller holds p->lock. */
static struct thread *timer_thread(struct process *p, const struct timer *t)
{
	struct thread *th;

	list_for_each (th, &p->threads, sibling) {
		if (th->tid == t->tid)
			return th;
	}
	return NULL;
}

/* Returns true if the signal was pending already. */
static bool timer_fire(struct process *p, struct timer *t, int times)
{
	struct siginfo info = { .si_signo = t->sig, .si_code = t->id < 0 ? SI_KERNEL : SI_TIMER };
	struct thread *th = t->notify == SIGEV_THREAD_ID ? timer_thread(p, t) : NULL;
	bool joined;

	if (t->notify == SIGEV_NONE || (t->notify == SIGEV_THREAD_ID && !th))
		return false;
	if (t->id >= 0) {
		lock(&p->sig.lock);
		joined = timer_joins(p, th ? &th->sig.pending : &p->sig.shared, t, times);
		unlock(&p->sig.lock);
		if (joined)
			return true;
		info.si_tid = t->id;
		info.si_overrun = t->overrun = times - 1;
		info.si_ptr = t->value;
	}
	/* A full queue loses the signal, as Linux would have refused the timer. */
	return (th ? signal_send_thread(th, &info) : signal_send_process(p, &info)) < 0;
}

/* Returns true if the host's next signal may come later than the timer wants. */
static bool timer_check(struct process *p, struct timer *t)
{
	s64 late, times = 1;

	if (!t->at)
		return false;
	late = clock_now(t->clock) - t->at;
	if (late < 0)
		return false;
	if (!t->interval) {
		t->at = 0;
	} else {
		times = late / t->interval + 1;
		t->at = ns_add(t->at, times * t->interval);
	}
	return timer_fire(p, t, (int)MIN(times, DELAY_MAX));
}

bool timers_expired(struct process *p)
{
	struct timer_set *s = p->timers;
	struct timer *t;
	s64 pause = 0;

	if (!s)
		return false;
	lock(&p->lock);
	lock(&s->lock);
	list_for_each (t, &s->timers, link) {
		if (timer_check(p, t))
			pause = PENDING_PAUSE;
	}
	if (set_arm(s, pause) < 0)
		pal_log("timers: the host's timer cannot be set");
	unlock(&s->lock);
	unlock(&p->lock);
	return true;
}

/* ---- the interval timer ---- */

int timer_set_real(const struct timer_value *set, struct timer_value *old)
{
	struct timer_set *s = set_get(this_process());
	int r;

	if (!s)
		return -ENOMEM;
	lock(&s->lock);
	timer_read(&s->real, old);
	s->real.at = set->value ? ns_add(clock_now(CLOCK_MONOTONIC), set->value) : 0;
	s->real.interval = set->interval;
	r = set_arm(s, 0);
	unlock(&s->lock);
	return r;
}

void timer_get_real(struct timer_value *now)
{
	struct timer_set *s = this_process()->timers;

	*now = (struct timer_value){ 0 };
	if (!s)
		return;
	lock(&s->lock);
	timer_read(&s->real, now);
	unlock(&s->lock);
}

/* ---- POSIX timers ---- */

int timer_create(int clock, const struct sigevent *ev)
{
	struct timer_set *s = set_get(this_process());
	struct timer *t;
	int id;

	if (!s)
		return -ENOMEM;
	t = base_zalloc(sizeof(*t));
	if (!t)
		return -EAGAIN;
	t->clock = clock;
	t->notify = ev ? ev->sigev_notify : SIGEV_SIGNAL;
	t->sig = ev ? ev->sigev_signo : SIGALRM;
	t->value = ev ? ev->sigev_value.sival_ptr : NULL;
	t->tid = ev ? ev->sigev_notify_thread_id : 0;
	lock(&s->lock);
	if (s->count >= TIMERS_MAX) {
		unlock(&s->lock);
		base_free(t);
		return -EAGAIN;
	}
	do {
		s->next_id = s->next_id == INT_MAX ? 0 : s->next_id + 1;
		id = s->next_id - 1;
	} while (id < 0 || set_find(s, id));
	t->id = id;
	if (!ev)
		t->value = (void *)(uintptr_t)id;
	list_add_tail(&s->timers, &t->link);
	s->count++;
	unlock(&s->lock);
	return id;
}

int timer_settime(int id, bool absolute, const struct timer_value *set, struct timer_value *old)
{
	struct timer_set *s = this_process()->timers;
	struct timer *t;
	int r = -EINVAL;

	if (!s)
		return -EINVAL;
	lock(&s->lock);
	t = set_find(s, id);
	if (t) {
		timer_read(t, old);
		t->at = !set->value ? 0
			: absolute  ? set->value
				    : ns_add(clock_now(t->clock), set->value);
		t->interval = set->interval;
		t->overrun = 0;
		r = set_arm(s, 0);
	}
	unlock(&s->lock);
	return r;
}

int timer_gettime(int id, struct timer_value *now)
{
	struct timer_set *s = this_process()->timers;
	struct timer *t;

	if (!s)
		return -EINVAL;
	lock(&s->lock);
	t = set_find(s, id);
	if (t)
		timer_read(t, now);
	unlock(&s->lock);
	return t ? 0 : -EINVAL;
}

int timer_getoverrun(int id)
{
	struct timer_set *s = this_process()->timers;
	struct timer *t;
	int overrun = -EINVAL;

	if (!s)
		return -EINVAL;
	lock(&s->lock);
	t = set_find(s, id);
	if (t)
		overrun = t->overrun;
	unlock(&s->lock);
	return overrun;
}

static void timer_free(struct timer_set *s, struct timer *t)
{
	list_del(&t->link);
	s->count--;
	base_free(t);
}

int timer_delete(int id)
{
	struct timer_set *s = this_process()->timers;
	struct timer *t;
	int r = -EINVAL;

	if (!s)
		return -EINVAL;
	lock(&s->lock);
	t = set_find(s, id);
	if (t) {
		timer_free(s, t);
		r = set_arm(s, 0);
	}
	unlock(&s->lock);
	return r;
}

/* ---- by processor time ---- */

/*
 * The host's own count, which no host call is spent on reading: each setting of a timer would put it off by a tick, and
 * who reads it all the time would never see it expire. So it is reckoned from what was set, and never 0 before its
 * signal came.
 */
static s64 processor_time(int which)
{
	struct timespec ts = { 0 };
	struct rusage ru = { 0 };

	if (which == ITIMER_PROF) {
		(void)pal_clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
		return timespec_ns(&ts);
	}
	(void)pal_getrusage(RUSAGE_SELF, &ru);
	return ru.ru_utime.tv_sec * NSEC + ru.ru_utime.tv_usec * 1000;
}

static struct timer_value cpu_value(const struct cpu_timer *c, s64 now)
{
	s64 left = c->value - (now - c->base);

	return (struct timer_value){ .value = c->value ? MAX(left, 1000) : 0, .interval = c->interval };
}

void timer_cpu_get(int which, struct timer_value *v)
{
	struct process *p = this_process();
	s64 now = processor_time(which);

	lock(&p->lock);
	*v = cpu_value(&p->cpu_timer[which - ITIMER_VIRTUAL], now);
	unlock(&p->lock);
}

int timer_cpu_set(int which, const struct timer_value *v, struct timer_value *old)
{
	struct process *p = this_process();
	struct cpu_timer *c = &p->cpu_timer[which - ITIMER_VIRTUAL];
	struct itimerval host = {
		.it_value = { v->value / NSEC, v->value % NSEC / 1000 },
		.it_interval = { v->interval / NSEC, v->interval % NSEC / 1000 },
	};
	int r = pal_signal(which == ITIMER_PROF ? SIGPROF : SIGVTALRM, PAL_SIG_CATCH);
	s64 now = processor_time(which);

	if (r)
		return r;
	lock(&p->lock);
	*old = cpu_value(c, now);
	r = pal_setitimer(which, &host, NULL);
	if (!r)
		*c = (struct cpu_timer){ .value = v->value, .interval = v->interval, .base = now };
	unlock(&p->lock);
	return r;
}

void timer_cpu_expired(struct process *p, int sig)
{
	struct cpu_timer *c = &p->cpu_timer[sig == SIGPROF];
	s64 now = processor_time(sig == SIGPROF ? ITIMER_PROF : ITIMER_VIRTUAL);

	lock(&p->lock);
	c->value = c->value ? c->interval : 0;
	c->base = now;
	unlock(&p->lock);
}

/* ---- the life of a process ---- */

void timers_fork_child(struct process *p)
{
	struct timer_set *s = p->timers;

	memset(p->cpu_timer, 0, sizeof(p->cpu_timer));
	if (!s)
		return;
	/* Another thread of the parent may have held the lock; nothing of the set is used here any
	 * more. */
	p->timers = NULL;
}

void timers_exec(struct process *p)
{
	struct timer_set *s = p->timers;
	struct timer *t, *next;

	if (!s)
		return;
	lock(&s->lock);
	list_for_each_safe (t, next, &s->timers, link) {
		if (t->id >= 0)
			timer_free(s, t);
	}
	if (set_arm(s, 0) < 0)
		pal_log("timers: the host's timer cannot be set");
	unlock(&s->lock);
}

void timers_exit(struct process *p)
{
	struct timer_set *s = p->timers;

	if (!s)
		return;
	timers_exec(p);
	p->timers = NULL;
	base_free(s);
}

void timers_save(struct buf *b, struct process *p)
{
	struct timer_set *s = p->timers;

	put_u64(b, s ? (u64)s->real.at : 0);
	put_u64(b, s ? (u64)s->real.interval : 0);
	for (unsigned i = 0; i < ARRAY_SIZE(p->cpu_timer); i++) {
		put_u64(b, (u64)p->cpu_timer[i].value);
		put_u64(b, (u64)p->cpu_timer[i].interval);
		put_u64(b, (u64)p->cpu_timer[i].base);
	}
}

int timers_load(struct cursor *c, struct process *p)
{
	s64 at = (s64)get_u64(c), interval = (s64)get_u64(c);
	struct timer_set *s;
	int r;

	for (unsigned i = 0; i < ARRAY_SIZE(p->cpu_timer); i++) {
		p->cpu_timer[i].value = (s64)get_u64(c);
		p->cpu_timer[i].interval = (s64)get_u64(c);
		p->cpu_timer[i].base = (s64)get_u64(c);
		if (p->cpu_timer[i].value && !c->err)
			(void)pal_signal(i ? SIGPROF : SIGVTALRM, PAL_SIG_CATCH);
	}
	if (c->err || !at)
		return c->err;
	s = set_get(p);
	if (!s)
		return -ENOMEM;
	lock(&s->lock);
	s->real.at = at;
	s->real.interval = interval;
	r = set_arm(s, 0);
	unlock(&s->lock);
	return r;
}
