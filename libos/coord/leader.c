/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The leader's loop. See leader.h.
 *
 * A command's life: MON_START forks; the child reports the errno of a failed exec through a pipe, or closes it by
 * executing: then MON_STARTED goes out; when the host reaps the child, MON_EXITED.
 */
#include "libos/coord/leader.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/coord/wire.h"
#include "libos/net/net.h"
#include "pal/grant.h"

#define GRACE_NS 1000000000ll /* between asking all processes to end and ending them */
#define POLL_STEP_NS 20000000l /* while shutting down */
#define LOOK_AGAIN_NS 500000000l
#define REAP_MAX 256 /* before orders are looked at again: those that a storm leaves are without end */
#define LAST_WILLS 256 /* processes that may be forked to end in order, beyond one each */
#define KILL_STEP_NS 1000000l
#define KILL_STEPS 2000

struct job {
	struct list link;
	u64 id;		/* of the order */
	s32 pid;
	int outcome;	/* pipe, -1: the monitor has been told */
	int status;	/* valid once ended */
	bool ended, failed;
};

static struct list jobs = { &jobs, &jobs };
static void *buffer;
static s64 kill_at; /* CLOCK_MONOTONIC; 0: not shutting down */
static s64 look_at; /* orphans are to be looked at again then; 0: they need not */
static u64 told_until; /* CLOCK_BOOTTIME: who was born since has not been told to end; 0: nobody is */

static s64 now_by(int clock)
{
	struct timespec ts = { 0 };

	(void)pal_clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static s64 now(void)
{
	return now_by(CLOCK_MONOTONIC);
}

static struct job *job_by_pid(s32 pid)
{
	struct job *j;

	list_for_each(j, &jobs, link)
		if (j->pid == pid && !j->ended)
			return j;
	return NULL;
}

static void tell_started(u64 id, s32 pid, int error)
{
	struct mon_started s = { .pid = error ? 0 : pid, .error = error };

	control_send(MON_STARTED, id, &s, sizeof(s), NULL, 0);
}

/* Tell what is known, in order: started, then exited; forget the job when all is told. */
static void job_tell(struct job *j)
{
	if (j->outcome >= 0 || (!j->ended && !j->failed))
		return;
	if (!j->ended)
		return;
	if (!j->failed) {
		struct mon_exited e = { .pid = j->pid, .status = j->status };

		control_send(MON_EXITED, j->id, &e, sizeof(e), NULL, 0);
	}
	list_del(&j->link);
	base_free(j);
}

/* The pipe of a command that is starting has something: an errno, or its end. */
static void job_outcome(struct job *j)
{
	s32 error = 0;
	ssize_t n = pal_read(j->outcome, &error, sizeof(error));

	if (n == -EAGAIN || n == -EINTR)
		return;
	j->failed = n == sizeof(error) && error;
	pal_close(j->outcome);
	j->outcome = -1;
	tell_started(j->id, j->pid, j->failed ? error : 0);
	job_tell(j);
}

/* In the child: nothing of the leader's business stays open. */
static void leave_leader(void)
{
	struct job *j, *next;

	list_for_each_safe(j, next, &jobs, link) {
		if (j->outcome >= 0)
			pal_close(j->outcome);
		base_free(j);
	}
	list_init(&jobs);
	net_leader_leave();
	pal_close(GRANT_FD_CONTROL);
	pal_close(coord_port_fd());
}

static int start_forked(struct order *o, struct job *j)
{
	int ends[2], r = pal_pipe(ends, O_CLOEXEC | O_NONBLOCK);
	s32 pid;

	if (r)
		return r;
	pid = task_fork_plain();
	if (pid == 0) {
		pal_close(ends[0]);
		leave_leader();
		start_command(o, ends[1]);
	}
	pal_close(ends[1]);
	if (pid < 0) {
		pal_close(ends[0]);
		return pid;
	}
	j->pid = pid;
	j->outcome = ends[0];
	list_add_tail(&jobs, &j->link);
	return 0;
}

static void order_start(struct order *o)
{
	struct job *j = base_zalloc(sizeof(*j));
	int err = j ? (start_valid(o) && !kill_at ? 0 : -EINVAL) : -ENOMEM;

	if (!err) {
		j->id = o->head.id;
		err = start_forked(o, j);
	}
	if (err) {
		base_free(j);
		tell_started(o->head.id, 0, -err);
	}
}

static void signal_all(int sig)
{
	struct siginfo info = { .si_signo = sig, .si_code = SI_USER };

	info.si_pid = this_process()->pid;
	(void)signal_kill(-1, &info, sig);
}

static bool any_lives(void)
{
	for (s32 id = area_next(2, false); id; id = area_next(id + 1, false))
		if (area_slot(id)->state != AREA_ZOMBIE)
			return true;
	return false;
}

static bool reap(unsigned most);

/* All, and none is born until they are gone. */
static void kill_all(void)
{
	struct timespec step = { .tv_nsec = KILL_STEP_NS };

	the_area->last_birth = 1;
	for (unsigned i = 0; i < KILL_STEPS && any_lives(); i++) {
		signal_all(SIGKILL);
		(void)pal_nap(&step);
		atomic_store(&current()->tcb.pending, 0);
		(void)signal_drain(current());
		(void)reap(AREA_PIDS);
	}
}

/*
 * The sandbox is being ended. To end in order takes a few processes, for traps and the like; but where processes are
 * born faster than they can be told, there would be no end to it.
 */
static void order_stopping(void)
{
	the_area->last_birth = atomic_load(&the_area->forks) + atomic_load(&the_area->nprocs) + LAST_WILLS;
	told_until = (u64)now_by(CLOCK_BOOTTIME);
}

/* Those who were not there yet when all were told. */
static void tell_young(void)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGCONT };
	struct siginfo info = { .si_code = SI_USER, .si_pid = this_process()->pid };
	u64 since = told_until;

	told_until = (u64)now_by(CLOCK_BOOTTIME);
	for (s32 id = area_next(2, false); id; id = area_next(id + 1, false))
		for (unsigned i = 0; i < ARRAY_SIZE(signals) && area_slot(id)->start_ns >= since; i++) {
			info.si_signo = signals[i];
			(void)signal_kill(id, &info, signals[i]);
		}
}

static void order_signal(const struct order *o)
{
	const struct mon_signal *s = (const void *)o->payload;
	struct siginfo info = { .si_code = SI_USER };

	if (o->head.len < sizeof(*s) || s->sig < 0 || s->sig > SIG_COUNT)
		return;
	info.si_signo = s->sig;
	info.si_pid = this_process()->pid;
	info.si_uid = pal_grant()->uid;
	if (s->pid != -1 || s->sig != SIGKILL || told_until) {
		(void)signal_kill(s->pid, &info, s->sig);
		return;
	}
	kill_all();
	the_area->last_birth = 0;
}

static void order_shutdown(void)
{
	if (kill_at)
		return;
	kill_at = now();
	if (told_until)
		return;
	kill_at += GRACE_NS;
	signal_all(SIGHUP);
	signal_all(SIGTERM);
	signal_all(SIGCONT); /* a stopped process can't end by itself */
}

static void order_connect(struct order *o)
{
	struct mon_connect c;

	if (o->head.len < sizeof(c) || o->nfds != 1)
		return;
	memcpy(&c, o->payload, sizeof(c));
	(void)net_leader_publish(o->fds[0], (u16)c.port); /* refused: the closed stream says so */
	o->fds[0] = -1;
}

static void order_split_off(struct order *o)
{
	struct mon_reply reply = { 0 };
	struct mon_split_off s;
	int r;

	if (o->head.len < sizeof(s) || o->nfds != 1)
		return;
	memcpy(&s, o->payload, sizeof(s));
	r = coord_port_split(s.pid, o->fds[0]);
	if (!r) {
		o->fds[0] = -1;
		return;
	}
	reply.error = -r;
	(void)wire_plain(o->fds[0], &reply, sizeof(reply), true); /* lost: the closing says so */
}

/* Those that run keep their limits of descriptors; what is started from now on has it from us. */
static void take_files_max(u32 files)
{
	struct rlimit64 *mine = &this_process()->rlimits[RLIMIT_NOFILE];

	the_area->files_max = files;
	process_limit_files(mine);
}

static void order_limits(const struct order *o)
{
	struct mon_limits l;

	if (o->head.len < sizeof(l))
		return;
	memcpy(&l, o->payload, sizeof(l));
	atomic_store(&the_area->memory_used, l.memory_used);
	if (l.memory_only)
		return;
	atomic_store(&the_area->memory_max, l.memory_max);
	the_area->limit = l.tasks ?: AREA_PIDS;
	take_files_max(l.files);
	atomic_store(&the_area->bytes_left, 0);
	atomic_store(&the_area->inodes_left, 0);
	atomic_store(&the_area->full_until, 0);
	atomic_store(&the_area->quota, l.quota);
}

static void obey(struct order *o)
{
	switch (o->head.type) {
	case MON_START:
		order_start(o);
		break;
	case MON_SIGNAL:
		order_signal(o);
		break;
	case MON_SHUTDOWN:
		order_shutdown();
		break;
	case MON_PROC:
		answer_proc(o);
		break;
	case MON_CONNECT:
		order_connect(o);
		break;
	case MON_SPLIT_OFF:
		order_split_off(o);
		break;
	case MON_STOPPING:
		order_stopping();
		break;
	case MON_LIMITS:
		order_limits(o);
		break;
	default:
		pal_log("leader: order %u is not known\n", o->head.type);
	}
	order_close(o);
}

static void hear_monitor(void)
{
	struct order o;
	int r;

	while ((r = control_receive(buffer, &o)) != 0) {
		if (r == -EPIPE) {
			/* Nobody can reach the sandbox any more: it ends. */
			kill_all();
			pal_exit(0);
		}
		if (r > 0)
			obey(&o);
	}
}

static void reaped(int host, int status)
{
	s32 pid = task_guest_child(host, 1);
	struct job *j = pid ? job_by_pid(pid) : NULL;

	if (pid) {
		coord_port_gone(pid);
		task_reaped(pid);
	}
	if (!j)
		return;
	j->ended = true;
	j->status = status;
	if (j->outcome >= 0)
		job_outcome(j);
	else
		job_tell(j);
}

/* True: there may be more. */
static bool reap(unsigned most)
{
	struct rusage ru;
	int status, host;

	for (; most; most--) {
		host = pal_wait4(-1, &status, WNOHANG, &ru);
		if (host <= 0)
			return false;
		reaped(host, status);
	}
	return true;
}

bool leader_bury_orphans(bool zombies)
{
	bool any = false;

	for (s32 id = area_next(2, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);
		s32 host = atomic_load(&s->host_pid);

		if (atomic_load_relaxed(&s->ppid) > 1)
			continue;
		if ((zombies && s->state == AREA_ZOMBIE) || (host > 0 && pal_kill(host, 0) == -ESRCH)) {
			coord_port_gone(id);
			task_reaped(id);
		} else if (s->ppid == 1) {
			any = true;
		}
	}
	return any;
}

/* Who was killed while it waited may have taken an end with it: the host gives it out, and nobody hears of it. Once
 * more after a while, for a parent leaves its children a moment before it can take no more. */
static void look_after_orphans(void)
{
	bool fresh = atomic_xchg(&the_area->orphans, 0);

	if (!fresh && (!look_at || now() < look_at))
		return;
	look_at = leader_bury_orphans(false) && fresh ? now() + LOOK_AGAIN_NS : 0;
}

static bool wait_for_work(bool busy)
{
	struct pollfd fds[64] = {
		{ .fd = GRANT_FD_CONTROL, .events = POLLIN },
		{ .fd = coord_port_fd(), .events = POLLIN },
		{ .fd = net_leader_fd(), .events = POLLIN },
	};
	struct job *which[ARRAY_SIZE(fds)];
	bool soon = coord_port_tick() || kill_at || told_until || busy;
	struct timespec step = { .tv_nsec = busy ? 0 : soon ? POLL_STEP_NS : LOOK_AGAIN_NS };
	unsigned n = 3;
	struct job *j;

	list_for_each(j, &jobs, link) {
		if (j->outcome < 0 || n == ARRAY_SIZE(fds))
			continue;
		which[n] = j;
		fds[n++] = (struct pollfd){ .fd = j->outcome, .events = POLLIN };
	}
	if (pal_ppoll(fds, n, soon || look_at ? &step : NULL) <= 0)
		return false;
	for (unsigned i = 3; i < n; i++)
		if (fds[i].revents)
			job_outcome(which[i]);
	if (fds[1].revents)
		coord_port_serve();
	if (fds[2].revents)
		net_leader_serve();
	return fds[0].revents;
}

static void shut_down(void)
{
	if (!area_next(2, false))
		pal_exit(0);
	if (now() >= kill_at) {
		the_area->last_birth = 1;
		signal_all(SIGKILL);
	}
}

void leader_run(void)
{
	struct thread *t = current();

	buffer = control_buffer();
	BUG_ON(!buffer);
	/* Orphans come to the first process of a pid namespace by themselves; without one, they do
	 * if it asks for them. */
	(void)pal_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	control_send(MON_READY, 0, NULL, 0, NULL, 0);
	for (;;) {
		bool busy;

		atomic_store(&t->tcb.pending, 0);
		(void)signal_drain(t);
		busy = reap(REAP_MAX);
		look_after_orphans();
		if (kill_at)
			shut_down();
		else if (told_until)
			tell_young();
		if (wait_for_work(busy))
			hear_monitor();
	}
}
