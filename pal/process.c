/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Host processes: fork, the image executed again, ends and waiting, sessions and groups, resources.
 */
#include "pal/allowed.h"
#include "pal/grant.h"
#include "pal/base/str.h"

/*
 * Make fork copy the page tables of the image's text and constants. Linux leaves out mappings of files that hold
 * no private page, and the child would fault its way through the text again, some 64 KiB a time;
 * one page made private is enough to have the others copied too (mm/memory.c, vma_needs_copy).
 */
static void text_keep(void)
{
	static bool done; /* a race does it twice */
	uintptr_t start = (uintptr_t)pal_hostcall_start, end = PAGE_UP(pal_constant_end);

	if (done)
		return;
	done = true;
	if (HOST(3, mprotect, start, end - start, PROT_READ | PROT_WRITE | PROT_EXEC))
		return;
	__atomic_fetch_or((char *)end - 1, 0, __ATOMIC_RELAXED); /* a write that changes nothing */
	BUG_ON(HOST(3, mprotect, start, end - start, PROT_READ | PROT_EXEC));
}

/*
 * The child keeps stack, GS base and alternate stack: all are registers or memory that clone
 * copies. The PAL's own locks are held over the clone; the libOS holds its own.
 */
int pal_fork(s32 *host_pid, bool alone)
{
	struct pal_tcb *tcb = pal_tcb();
	long pid;

	text_keep();
	pal_boot_stack_drop();
	/* Locks that nobody else can hold are left alone: what the child does not write is not
	 * copied. */
	if (!alone) {
		pal_thread_fork_begin();
		pal_pages_fork_begin();
	}
	pid = HOST(5, clone,
		   CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0,
		   host_pid, &tcb->host_tid, 0);
	if (pid == 0)
		tcb->host_pid = tcb->host_tid;
	if (!alone) {
		pal_pages_fork_end();
		pal_thread_fork_end(pid == 0);
	}
	return pid;
}

bool pal_unlocked(void)
{
	return pal_thread_unlocked() && pal_pages_unlocked();
}

/* The environment is where strings go that are nobody else's to see: ps shows the arguments to everyone. */
int pal_exec_image(char *state)
{
	const char *const argv[] = { "picoprocess", "exec", NULL }, *const envp[] = { state, NULL };

	return HOST(5, execveat, GRANT_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH);
}

/* In the middle one: make the last one, and leave it to whoever takes orphans. */
static void start_last(const char *how, int port)
{
	const char *const argv[] = { "picoprocess", how, NULL }, *const envp[] = { NULL };
	long pid = HOST(5, clone, 0, 0, NULL, NULL, 0);

	if (pid)
		pal_exit_insn(pid < 0);
	HOST(3, dup3, port, GRANT_FD_LEADER_READ, 0);
	HOST(3, dup3, GRANT_FD_GRANT, GRANT_FD_LEADER, 0);
	HOST(5, execveat, GRANT_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH);
	pal_exit_insn(127);
}

/* A child with an exit signal of its own would do, but for exec, which makes it SIGCHLD. */
int pal_start_image(const char *how, int port)
{
	long pid = HOST(5, clone, 0, 0, NULL, NULL, 0), r;
	struct siginfo info = { 0 };

	if (!pid)
		start_last(how, port);
	if (pid < 0)
		return pid;
	do {
		r = HOST(5, waitid, P_PID, pid, &info, WEXITED | __WALL, NULL);
	} while (r == -EINTR);
	return r < 0 ? r : info.si_code != CLD_EXITED || info.si_status ? -EAGAIN : 0;
}

void pal_exit(int status)
{
	for (;;)
		HOST(1, exit_group, status);
}

void pal_die_by_signal(int sig)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	struct siginfo info = { .si_signo = sig, .si_code = SI_TKILL };
	u64 mask = sigmask(sig);

	HOST(4, rt_sigaction, sig, &act, NULL, sizeof(act.sa_mask));
	(void)!pal_signal_send(pal_getpid(), pal_gettid(), sig, &info);
	HOST(4, rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, sizeof(mask));
	/*
	 * Not a deadly signal, or this is the first process of a pid namespace, which ignores its
	 * own.
	 */
	pal_exit(128 + sig);
}

int pal_getpid(void)
{
	return pal_tcb()->host_pid;
}

int pal_gettid(void)
{
	return pal_tcb()->host_tid;
}

int pal_wait4(int host_pid, int *status, int options, struct rusage *ru)
{
	struct siginfo info;
	int which = host_pid == -1 ? P_ALL : host_pid > 0 ? P_PID : P_PGID;
	int id = host_pid == -1 ? 0 : host_pid < 0 ? -host_pid : host_pid, r;

	info.si_pid = 0; /* stays so if there is nothing to tell */
	r = CP(5, waitid, which, id, &info, options | WEXITED, ru);
	if (r < 0 || !info.si_pid)
		return r;
	switch (info.si_code) {
	case CLD_EXITED: *status = info.si_status << 8; break;
	case CLD_KILLED: *status = info.si_status; break;
	case CLD_DUMPED: *status = info.si_status | 0x80; break;
	case CLD_CONTINUED: *status = 0xffff; break;
	default: *status = info.si_status << 8 | 0x7f; break;
	}
	return info.si_pid;
}

int pal_waitid(int idtype, int id, struct siginfo *info, int options, struct rusage *ru)
{
	return CP(5, waitid, idtype, id, info, options, ru);
}

int pal_setsid(void)
{
	return HOST0(setsid);
}

int pal_setpgid(int host_pid, int host_pgid)
{
	return HOST(2, setpgid, host_pid, host_pgid);
}

int pal_getrusage(int who, struct rusage *ru)
{
	return HOST(2, getrusage, who, ru);
}

int pal_prlimit(int resource, const struct rlimit64 *set, struct rlimit64 *old)
{
	return HOST(4, prlimit64, 0, resource, set, old);
}

int pal_sched_yield(void)
{
	return HOST0(sched_yield);
}

int pal_sched_getaffinity(size_t size, void *mask)
{
	return HOST(3, sched_getaffinity, 0, size, mask);
}

int pal_sched_setaffinity(size_t size, const void *mask)
{
	return pal_lean() ? -EPERM : HOST(3, sched_setaffinity, 0, size, mask);
}

int pal_setpriority(int which, int who, int prio)
{
	return HOST_OR(-EPERM, 3, setpriority, which, who, prio);
}

int pal_prctl(int op, u64 a, u64 b, u64 c, u64 d)
{
	return HOST_OR(-EINVAL, 5, prctl, op, a, b, c, d);
}

int pal_membarrier(int cmd, unsigned flags)
{
	return pal_lean() ? -ENOSYS : HOST_OR(-EINVAL, 3, membarrier, cmd, flags, 0);
}

int pal_getrandom(void *buf, size_t size, unsigned flags)
{
	return HOST_OR(-EINVAL, 3, getrandom, buf, size, flags);
}

int pal_sysinfo(struct sysinfo *info)
{
	return HOST(1, sysinfo, info);
}

void pal_uname(struct new_utsname *u)
{
	memset(u, 0, sizeof(*u));
	base_strlcpy(u->sysname, "Linux", sizeof(u->sysname));
	base_strlcpy(u->release, pal_grant()->release, sizeof(u->release));
	base_strlcpy(u->version, pal_grant()->version_text, sizeof(u->version));
	base_strlcpy(u->machine, "x86_64", sizeof(u->machine));
}
