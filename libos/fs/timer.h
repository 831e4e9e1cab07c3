/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Timers of a process: POSIX timers and the real-time interval timer, all on the host's one
 * ITIMER_REAL.
 *
 * A set holds every armed timer; the host's timer is always armed for the earliest. Its SIGALRM
 * arrives in the PAL's handler, and the next drain calls timers_expired, which queues what is due
 * and arms anew: no helper thread.
 *
 * ITIMER_VIRTUAL and ITIMER_PROF are the host's own. POSIX timers on CPU clocks have no host signal
 * of their own: they are looked at when their rest would have passed if the process had run all the
 * time, and again until it has.
 */
#ifndef LIBOS_FS_TIMER_H
#define LIBOS_FS_TIMER_H

#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"

struct timer_set;

/* Nanoseconds; value 0: disarmed. */
struct timer_value {
	s64 value, interval;
};

/* ---- the real-time interval timer ---- */
int timer_set_real(const struct timer_value *set, struct timer_value *old);
void timer_get_real(struct timer_value *now);

/* ---- POSIX timers; ids as timer_create gives them; -EINVAL for an unknown one ---- */
int timer_create(int clock,
		 const struct sigevent *ev); /* ev NULL: SIGALRM with the id. The id, or -errno */
int timer_settime(int id, bool absolute, const struct timer_value *set, struct timer_value *old);
int timer_gettime(int id, struct timer_value *now);
int timer_getoverrun(int id);
int timer_delete(int id);

/* ---- the life of a process ---- */
/* The host's SIGALRM came: queue what is due and arm anew. True: it was ours. From libOS context.
 */
bool timers_expired(struct process *p);
/* ITIMER_VIRTUAL and ITIMER_PROF. 0 or -errno. */
int timer_cpu_set(int which, const struct timer_value *v, struct timer_value *old);
void timer_cpu_get(int which, struct timer_value *v);
void timer_cpu_expired(struct process *p, int sig); /* its SIGVTALRM or SIGPROF has come from the host */
void timers_fork_child(struct process *p); /* in the child: none are inherited */
void timers_exec(struct process *p);	   /* POSIX timers go, the interval timer stays */
void timers_exit(struct process *p);
/* exec in a fresh address space: the host keeps its timer, this is what it means. */
void timers_save(struct buf *b, struct process *p);
int timers_load(struct cursor *c, struct process *p);

#endif
