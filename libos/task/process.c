/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * struct process and its slot in the sandbox area: made, copied, let go. What a new process inherits is said here; who
 * makes one is fork.c, vfork.c, and the leader for itself.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "libos/mm/mm.h"
#include "pal/grant.h"

/* Descriptors that a picoprocess needs beside the guest's own. */
#define OWN_DESCRIPTORS 128
#define NOFILE_SOFT 1024

static u64 now_ns(void)
{
	struct timespec ts = { 0 };

	(void)pal_clock_gettime(CLOCK_BOOTTIME, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

void process_limit_files(struct rlimit64 *files)
{
	struct rlimit64 host = { 0 };
	u64 most;

	if (pal_prlimit(RLIMIT_NOFILE, NULL, &host) < 0)
		host.rlim_max = NOFILE_SOFT;
	most = host.rlim_max - MIN(host.rlim_max / 2, OWN_DESCRIPTORS);
	if (the_area->files_max)
		most = MIN(most, the_area->files_max);
	*files = (struct rlimit64){ .rlim_cur = MIN(most, NOFILE_SOFT), .rlim_max = most };
}

/* The host's limits are where the guest's begin, and the sandbox's own. */
static void limits_init(struct rlimit64 *lim)
{
	for (int i = 0; i < 16; i++)
		if (pal_prlimit(i, NULL, &lim[i]) < 0)
			lim[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
	/* None is ever written; what a limit is worth is the guest's to see. */
	lim[RLIMIT_CORE] = (struct rlimit64){ pal_grant()->core_soft, pal_grant()->core_hard };
	process_limit_files(&lim[RLIMIT_NOFILE]);
}

static void inherit(struct process *p, const struct process *parent)
{
	p->cred = parent->cred;
	memcpy(p->comm, parent->comm, sizeof(p->comm));
	p->dumpable = parent->dumpable;
	p->no_new_privs = parent->no_new_privs;
	p->thp_disabled = parent->thp_disabled;
	p->personality = parent->personality;
	p->exe = parent->exe ? base_strdup(parent->exe) : NULL;
	if (parent->cmdline) {
		p->cmdline = base_alloc(parent->cmdline_size);
		if (p->cmdline)
			memcpy(p->cmdline, parent->cmdline, parent->cmdline_size);
		p->cmdline_size = p->cmdline ? parent->cmdline_size : 0;
	}
}

struct process *process_create(s32 pid, const struct process *parent)
{
	struct process *p = base_zalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->pid = pid;
	p->slot = area_slot(pid);
	p->rlimits = p->slot->limits;
	list_init(&p->threads);
	p->ctty_fd = p->start_fd = -1;
	p->start_ns = now_ns();
	signal_init(p);
	if (parent) {
		inherit(p, parent);
		return p;
	}
	cred_init(&p->cred);
	p->dumpable = true;
	return p;
}

void process_free(struct process *p)
{
	base_free(p->exe);
	base_free(p->cmdline);
	base_free(p->exec_text);
	base_free(p);
}

void slot_inherit(struct area_slot *s, const struct area_slot *from)
{
	bool reset = from->policy & SCHED_RESET_ON_FORK;

	s->nice = reset && from->nice < 0 ? 0 : from->nice;
	s->policy = from->policy & ~SCHED_RESET_ON_FORK; /* none is better than the default */
	s->ioprio = from->ioprio;
	memcpy(s->cpus, from->cpus, sizeof(s->cpus));
}

void process_slot_first(struct process *p)
{
	limits_init(p->slot->limits);
	p->slot->oom_score_adj = 1000;
	(void)!pal_sched_getaffinity(sizeof(p->slot->cpus), p->slot->cpus);
}

void process_slot_init(s32 pid, struct process *parent, int exit_signal)
{
	const struct area_slot *from = parent->slot;
	struct area_slot *s = area_slot(pid);

	s->tgid = pid;
	s->ppid = parent->pid;
	s->pgid = from->pgid;
	s->sid = from->sid;
	s->host_pgid = from->host_pgid;
	s->host_sid = from->host_sid;
	s->ruid = parent->cred.ruid;
	s->euid = parent->cred.euid;
	s->suid = parent->cred.suid;
	s->egid = parent->cred.egid;
	s->tty = from->tty;
	s->exit_signal = exit_signal;
	slot_inherit(s, area_slot(current()->tid));
	memcpy(s->limits, from->limits, sizeof(s->limits));
	s->oom_score_adj = from->oom_score_adj;
	s->start_ns = now_ns();
	s->exe_dev = from->exe_dev;
	s->exe_ino = from->exe_ino;
	s->exit_status = 0;
	s->silent = 0;
	s->flags = from->flags & AREA_UNDUMPABLE;
	s->nthreads = 1;
	memcpy(s->comm, from->comm, sizeof(s->comm));
	memcpy(s->card, from->card, sizeof(s->card));
	s->card_size = from->card_size;
	atomic_add(&the_area->nprocs, 1);
	atomic_add(&the_area->nthreads, 1);
	atomic_store(&s->state, AREA_RUNNING);
	atomic_add(&the_area->forks, 1); /* after: who sees the same number again has seen all (signal/send.c) */
	atomic_add(&parent->births, 1);
	if (exit_signal != SIGCHLD)
		parent->had_clone_children = true;
}

void process_set_dumpable(struct process *p, bool yes)
{
	p->dumpable = yes;
	if (yes)
		atomic_and(&p->slot->flags, ~AREA_UNDUMPABLE);
	else
		atomic_or(&p->slot->flags, AREA_UNDUMPABLE);
}

void process_slot_bury(s32 pid)
{
	if (!area_bury_id(pid, AREA_RUNNING))
		return;
	atomic_sub(&the_area->nprocs, 1);
	atomic_sub(&the_area->nthreads, 1);
}

void process_slot_drop(s32 pid)
{
	atomic_sub(&the_area->nprocs, 1);
	atomic_sub(&the_area->nthreads, 1);
	area_free_id(pid);
}

void process_set_comm(struct process *p, struct thread *t, const char *comm)
{
	struct area_slot *s = area_slot(t->tid);
	char padded[TASK_COMM] = { 0 };

	BUG_ON(!s);
	base_strlcpy(padded, comm, sizeof(padded));
	lock(&p->lock);
	memcpy(t->comm, padded, sizeof(padded));
	memcpy(s->comm, padded, sizeof(padded));
	if (t->tid == p->pid)
		memcpy(p->comm, padded, sizeof(padded));
	unlock(&p->lock);
}

void process_set_cmdline(struct process *p, char *cmdline, size_t size)
{
	char *old;

	lock(&p->lock);
	old = p->cmdline;
	p->cmdline = cmdline;
	p->cmdline_size = size;
	p->slot->card_size = 0;
	memcpy(p->slot->card, cmdline, MIN(size, AREA_CARD));
	atomic_store(&p->slot->card_size, (u16)MIN(size, AREA_CARD));
	unlock(&p->lock);
	base_free(old);
}
