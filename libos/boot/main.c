/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Start of a picoprocess: the sandbox's first one, and a vfork child's new life at exec. All others are forks.
 *
 * Each start is a list of steps. A step that fails ends the process with a line in the monitor's log: there is no guest
 * yet that could be told.
 */
#include "libos/entry/entry.h"
#include "libos/boot/boot.h"
#include "libos/ckpt/exec_state.h"
#include "libos/coord/area.h"
#include "libos/coord/coord.h"
#include "libos/coord/leader.h"
#include "libos/fs/proc.h"
#include "libos/ipc/ipc.h"
#include "libos/mm/mm.h"
#include "libos/vfs/vfs.h"
#include "pal/grant.h"

#define LEADER_PID 1

static void must(int err, const char *what)
{
	if (!err)
		return;
	pal_log("start: %s: error %d\n", what, -err);
	pal_exit(127);
}

/* The first thread gets the control block that GS points at. It stays on the host's stack until the guest runs. */
static struct thread *adopt_thread(void)
{
	struct thread *t = (struct thread *)pal_thread_alloc(sizeof(struct thread));

	must(t ? 0 : -ENOMEM, "control block");
	list_init(&t->sibling);
	signal_thread_init(t);
	entry_init_thread(t);
	pal_thread_adopt(&t->tcb);
	return t;
}

/* The host's signals that mean the same to the guest are caught: delivering them is the libOS's. */
static int catch_signals(void)
{
	static const u8 caught[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGCHLD, SIGCONT,
				     SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGALRM, SIGXCPU };
	int err = 0;

	for (unsigned i = 0; !err && i < ARRAY_SIZE(caught); i++)
		err = pal_signal(caught[i], PAL_SIG_CATCH);
	return err;
}

static int make_leader(struct thread *t)
{
	struct process *p = process_create(LEADER_PID, NULL);
	struct area_slot *s;

	if (!p)
		return -ENOMEM;
	s = p->slot;
	t->proc = p;
	t->tid = LEADER_PID;
	t->sig.blocked = ~0ull; /* signals are for guests: here they lie in the queue */
	list_add(&p->threads, &t->sibling);
	p->nthreads = 1;
	s->tgid = s->pgid = s->sid = LEADER_PID;
	/* A session of its own, unless it has one. */
	(void)pal_setsid();
	s->host_pid = s->host_pgid = s->host_sid = pal_getpid();
	s->start_ns = p->start_ns;
	process_slot_first(p);
	s->nthreads = 1;
	s->flags = AREA_DID_EXEC;
	cred_publish(p);
	process_set_comm(p, t, "init");
	area_claim(LEADER_PID, AREA_RUNNING);
	atomic_add(&the_area->nprocs, 1);
	atomic_add(&the_area->nthreads, 1);
	return 0;
}

static int make_space(struct process *p)
{
	p->mm = mm_create(0);
	p->files = fdtab_create();
	return p->mm && p->files ? 0 : -ENOMEM;
}

static int make_place(struct process *p)
{
	p->fs = fs_context_copy(NULL);
	return p->fs ? 0 : -ENOMEM;
}

void libos_start_leader(void)
{
	struct thread *t = adopt_thread();

	must(area_map(true), "sandbox area");
	the_area->cpus = cpu_count();
	xstate_init();
	must(make_leader(t), "first process");
	must(make_space(t->proc), "address space");
	must(catch_signals(), "signals");
	must(mount_init(NULL), "mounts");
	must(make_place(t->proc), "root directory");
	must(coord_port_create(), "coordination port");
	must(ipc_create(), "IPC memory");
	pal_signals_on(0);
	leader_run();
}

/* The area is laid out, and the port made, by the process that split off. */
void libos_start_split_leader(void)
{
	struct thread *t = adopt_thread();

	must(area_map(false), "sandbox area");
	xstate_init();
	pal_walls_inside();
	must(make_leader(t), "first process");
	must(make_space(t->proc), "address space");
	must(catch_signals(), "signals");
	must(mount_init(NULL), "mounts");
	must(make_place(t->proc), "root directory");
	pal_signals_on(0);
	(void)pal_futex_plain(&t->proc->slot->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	split_leader_run();
}

void libos_start_exec(void)
{
	struct thread *t = adopt_thread();
	struct exec_state state = { 0 };
	struct program prog;

	program_init(&prog);
	must(area_map(false), "sandbox area");
	xstate_init();
	if (the_area->split_on)
		pal_walls_inside();
	must(catch_signals(), "signals");
	must(exec_state_open(&state, t), "state of the process");
	must(mount_init(&state.at), "mounts");
	must(exec_state_load(&state, t, &prog), "state of the process");
	exec_start(&prog);
}
