/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * exec: in place. The new program is opened and checked while every error can still be returned; then the other threads
 * end, the guest's memory goes, whole, and the new program is mapped where it was. No host execve.
 *
 * A vfork child borrows its parent's memory, so its exec needs a fresh address space: its state goes into a memfd and
 * the host executes the picoprocess image again (ckpt/exec_state.c, boot/main.c), keeping the process.
 */
#include "libos/entry/entry.h"
#include "libos/boot/boot.h"
#include "libos/ckpt/exec_state.h"
#include "libos/coord/area.h"
#include "libos/fs/timer.h"
#include "libos/mm/mm.h"
#include "libos/sys/aio.h"
#include "libos/task/busy.h"
#include "libos/task/ptrace.h"
#include "libos/vfs/file.h"

/* The caller goes on as the process's only thread, under the process's id. */
static void become_first(struct thread *t)
{
	struct process *p = t->proc;
	s32 old = t->tid;

	thread_end_others();
	if (unlikely(t->traced) && old != p->pid)
		trace_moved(old, p->pid);
	if (old != p->pid) {
		t->tid = p->pid;
		area_free_id(old);
	}
	atomic_sub(&the_area->nthreads, old != p->pid ? 1 : 0);
	p->first_status = 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void take_identity(struct program *prog)
{
	struct thread *t = current();
	struct process *p = t->proc;
	char *args = prog->argv.data;
	char *exe;

	process_set_comm(p, t, base_name(prog->name));
	(void)pal_prctl(PR_SET_NAME, (u64)t->comm, 0, 0, 0); /* ps on the host names it too */
	process_set_cmdline(p, args, prog->argv.size);
	lock(&p->lock);
	exe = p->exe;
	p->exe = prog->exe;
	cred_exec(&p->cred);
	cred_publish(p);
	process_set_dumpable(p, true);
	p->personality &= ~(u32)PER_CLEAR_ON_SETID;
	unlock(&p->lock);
	base_free(exe);
	/* Both now belong to the process. */
	prog->exe = NULL;
	prog->argv = (struct buf){ 0 };
	p->did_exec = true;
	busy_note(p, prog->image.file);
	atomic_or(&p->slot->flags, AREA_DID_EXEC);
	p->slot->exit_signal = SIGCHLD; /* fs/exec.c, de_thread */
	if (p->start_fd >= 0) {
		pal_close(p->start_fd);
		p->start_fd = -1;
	}
}

static void reset_thread(struct thread *t)
{
	t->clear_child_tid = NULL;
	robust_list_set(t, NULL);
	t->restart.fn = NULL;
	t->sig.restore_mask = false;
}

void exec_start(struct program *prog)
{
	uintptr_t rip, rsp;
	int err = program_load(prog, &rip, &rsp);

	if (err) {
		/* The old program is gone and the new one can't run: as Linux, a signal that can't be caught. */
		program_free(prog);
		task_exit_group(err == -ENOMEM || err == -EFAULT ? SIGKILL : SIGSEGV);
	}
	take_identity(prog);
	program_free(prog);
	entry_start_guest(rip, rsp);
}

/* The point of no return is behind. */
static void replace(struct program *prog)
{
	struct thread *t = current();
	struct process *p = t->proc;

	become_first(t);
	thread_release_user(t, false);
	reset_thread(t);
	why_forget();
	busy_note(p, prog->image.file); /* who hears of the exec by what is closed now may try to write it */
	fdtab_close_exec(p->files);
	signal_flush_exec(p);
	timers_exec(p);
	aio_drop(p);
	mm_clear(p->mm);
	atomic_store(&p->exec_by, 0);
	exec_start(prog);
}

static long run(struct program *prog)
{
	struct thread *t = current();
	struct process *p = t->proc;

	if (p->vfork_child)
		return exec_state_switch(prog);
	/* Another thread got here first: this one ends on its way out. */
	if (!atomic_cas(&p->exec_by, 0, (u32)t->tid))
		return -ERESTARTNOINTR;
	/* The memory is its children's, who stay. */
	if (unlikely(task_lends(p))) {
		become_first(t);
		atomic_store(&p->exec_by, 0);
		aio_drop(p);
		return exec_state_switch(prog);
	}
	replace(prog);
	return 0;
}

long task_exec(int dirfd, char *path, const u64 *argv, const u64 *envp, int flags)
{
	struct program prog;
	long r;

	program_init(&prog);
	r = program_strings_user(&prog, argv, envp);
	if (!r)
		r = program_open(&prog, dirfd, path, flags);
	base_free(path); /* no way back from run */
	if (!r)
		r = run(&prog);
	program_free(&prog);
	return r;
}

long task_exec_kernel(const char *path, char **argv, char **envp)
{
	struct program prog;
	long r;

	program_init(&prog);
	r = program_strings(&prog, argv, envp);
	if (!r)
		r = program_open(&prog, AT_FDCWD, path, 0);
	if (!r)
		r = run(&prog);
	program_free(&prog);
	return r;
}
