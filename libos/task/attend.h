/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What others want of a thread that only it can do on the host, for the host's calls reach the caller alone.
 *
 * Who wants something writes the wish into the slot, sets its bit in slot.attend and kicks the thread; that looks there
 * whenever it empties its inbox. A stopped thread, or one asleep in vfork, does so later: nobody waits for it.
 */
#ifndef LIBOS_TASK_ATTEND_H
#define LIBOS_TASK_ATTEND_H

#include "libos/task/task.h"
#include "libos/coord/area.h"

#define ATTEND_NICE 0x1u	/* of a thread: apply slot.nice */
#define ATTEND_CPUS 0x2u	/* of a thread: apply slot.cpus */
#define ATTEND_THREAD_USAGE 0x4u /* of a thread: write slot.thread_usage */
#define ATTEND_LIMITS 0x8u	/* of a process: apply those of slot.limits that the host enforces */
#define ATTEND_SIGNALS 0x20u	/* of a process: take slot.standard */
#define ATTEND_MQ 0x40u		/* of a process: a message queue has something to tell it (ipc/mq_thread.c) */
#define ATTEND_TRACE 0x80u	/* of a thread: somebody traces it, or no longer, or wants it to stop (task/ptrace.h) */
#define ATTEND_USAGE 0x10u	/* of a process: write slot.usage */

/* Do what is asked of t and its process. Owner thread, libOS context, no lock held. */
void attend(struct thread *t);
/* Ask it of id (a thread, or for what is a process's its process). Not of the caller itself: that does it at once. */
void attend_ask(s32 id, u32 bit);
/* The same, and wait a moment until it is done: false if it is not. */
bool attend_ask_wait(s32 id, u32 bit);
/* Note in the slot what the caller's process has used so far. */
void attend_note_usage(struct process *p);
/* Processor time of a thread, or of a process, in microseconds, as fresh as can be had. 0 or -ESRCH. */
int attend_cpu(s32 id, bool thread, struct area_usage *out);

#endif
