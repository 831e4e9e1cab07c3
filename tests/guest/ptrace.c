// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * ptrace: stops at signals, calls, steps and events, a tracee's registers and memory, who may trace whom, and what
 * becomes of tracees whose tracer goes.
 */
#include "lib/t.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <elf.h>

#define SEIZE 0x4206
#define INTERRUPT 0x4207
#define LISTEN 0x4208
#define SYSGOOD 1
#define TRACEFORK 2
#define TRACEEXEC 0x10
#define TRACEEXIT 0x40
#define EXITKILL 0x100000

static long trace(int op, pid_t pid, long addr, long data)
{
	return syscall(SYS_ptrace, (long)op, (long)pid, addr, data);
}

/* How pid stopped or ended. */
static const char *next(pid_t pid)
{
	static char text[64];
	int status = 0;

	if (waitpid(pid, &status, __WALL) != pid)
		return "wait failed";
	if (WIFEXITED(status))
		snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "stop %d event %d", WSTOPSIG(status), status >> 16);
	return text;
}

/* A child that asks to be traced and stops; it goes on in `run`. */
static pid_t traced(int (*run)(void))
{
	pid_t pid = must(fork());

	if (pid == 0) {
		if (trace(PTRACE_TRACEME, 0, 0, 0))
			_exit(99);
		raise(SIGSTOP);
		_exit(run());
	}
	eqs(next(pid), "stop 19 event 0");
	return pid;
}

static int three_calls(void)
{
	for (int i = 0; i < 3; i++)
		syscall(SYS_getppid);
	syscall(SYS_close, -1);
	return 7;
}

/* Each call stops twice, with its number, and with its result. */
static void calls(void)
{
	pid_t pid = traced(three_calls);
	struct user_regs_struct r;
	int stops = 0, ppid = 0, bad = 0;

	must(trace(PTRACE_SETOPTIONS, pid, 0, SYSGOOD));
	for (;;) {
		const char *how;

		must(trace(PTRACE_SYSCALL, pid, 0, 0));
		how = next(pid);
		if (strcmp(how, "stop 133 event 0")) {
			eqs(how, "exit 7");
			break;
		}
		must(trace(PTRACE_GETREGS, pid, 0, (long)&r));
		if (r.orig_rax == SYS_getppid || r.orig_rax == SYS_close) {
			stops++;
			ppid += r.orig_rax == SYS_getppid && (long)r.rax == getpid();
			bad += r.orig_rax == SYS_close && (long)r.rax == -EBADF;
		}
	}
	eq(stops, 8);
	eq(ppid, 3);
	eq(bad, 1);
}

static int piped[2];

static int three_writes(void)
{
	for (int i = 0; i < 3; i++)
		if (write(piped[1], "word", 4) != 4)
			return 1;
	return 8;
}

/* As strace does: what a call is given is read where the call stops, and then the call is made, once. */
static void read_at_stops(void)
{
	struct user_regs_struct r;
	int stops = 0, words = 0;
	pid_t pid;

	must(pipe(piped));
	pid = traced(three_writes);
	must(trace(PTRACE_SETOPTIONS, pid, 0, SYSGOOD | EXITKILL));
	while (stops < 100) {
		struct iovec here, there;
		const char *how;
		char word[4] = "";

		must(trace(PTRACE_SYSCALL, pid, 0, 0));
		how = next(pid);
		if (strcmp(how, "stop 133 event 0")) {
			eqs(how, "exit 8");
			break;
		}
		must(trace(PTRACE_GETREGS, pid, 0, (long)&r));
		if (r.orig_rax != SYS_write)
			continue;
		stops++;
		here = (struct iovec){ word, 4 };
		there = (struct iovec){ (void *)r.rsi, 4 };
		words += process_vm_readv(pid, &here, 1, &there, 1, 0) == 4 && !memcmp(word, "word", 4);
	}
	eq(stops, 6);
	eq(words, 6);
	close(piped[0]);
	close(piped[1]);
}

/* A tracer makes another call of it, or none, and another result. */
static int one_call(void)
{
	return (int)syscall(SYS_getppid);
}

static void changed_calls(void)
{
	pid_t pid = traced(one_call);
	struct user_regs_struct r;

	must(trace(PTRACE_SETOPTIONS, pid, 0, SYSGOOD));
	do {
		must(trace(PTRACE_SYSCALL, pid, 0, 0));
		eqs(next(pid), "stop 133 event 0");
		must(trace(PTRACE_GETREGS, pid, 0, (long)&r));
	} while (r.orig_rax != SYS_getppid);
	eq((long)r.rax, -ENOSYS);
	r.orig_rax = (unsigned long)-1;
	must(trace(PTRACE_SETREGS, pid, 0, (long)&r));
	must(trace(PTRACE_SYSCALL, pid, 0, 0));
	eqs(next(pid), "stop 133 event 0");
	must(trace(PTRACE_GETREGS, pid, 0, (long)&r));
	eq((long)r.rax, -ENOSYS);
	r.rax = 42;
	must(trace(PTRACE_SETREGS, pid, 0, (long)&r));
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "exit 42");
}

static int raise_some(void)
{
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGCHLD);
	return 3;
}

/* A signal stops before it acts, ignored ones too; the tracer takes it, or gives another. */
static void signals(void)
{
	pid_t pid = traced(raise_some);
	siginfo_t info;

	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 10 event 0");
	must(trace(PTRACE_GETSIGINFO, pid, 0, (long)&info));
	eq(info.si_signo, SIGUSR1);
	eq(info.si_pid, pid);
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 10 event 0");
	must(trace(PTRACE_CONT, pid, 0, SIGURG));
	eqs(next(pid), "stop 17 event 0");
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "exit 3");

	pid = traced(raise_some);
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 10 event 0");
	must(trace(PTRACE_CONT, pid, 0, SIGUSR1));
	eqs(next(pid), "killed 10");
}

static volatile long word = 5;
extern const char steps_begin[], steps_end[];

static int ten_steps(void)
{
	__asm__ volatile(".globl steps_begin, steps_end\nsteps_begin:\n.fill 9, 1, 0x90\npush %%rax\npop %%rax\nsteps_end:\nnop" ::
				 : "memory");
	return (int)word;
}

static unsigned long rip_of(pid_t pid)
{
	struct user_regs_struct r;
	struct iovec v = { &r, sizeof(r) };

	must(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (long)&v));
	eq(v.iov_len, sizeof(r));
	return r.rip;
}

/* A breakpoint in the text, steps from there, memory. */
static void steps(void)
{
	pid_t pid = traced(ten_steps);
	struct user_regs_struct r;
	long old;
	int n = 0;

	must(trace(PTRACE_PEEKTEXT, pid, (long)steps_begin, (long)&old));
	ok(!memcmp(&old, steps_begin, sizeof(old)));
	must(trace(PTRACE_POKETEXT, pid, (long)steps_begin, (old & ~0xffl) | 0xcc));
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 5 event 0");
	eq(rip_of(pid) - (unsigned long)steps_begin, 1);
	must(trace(PTRACE_POKETEXT, pid, (long)steps_begin, old));
	must(trace(PTRACE_GETREGS, pid, 0, (long)&r));
	r.rip--;
	must(trace(PTRACE_SETREGS, pid, 0, (long)&r));
	while (rip_of(pid) != (unsigned long)steps_end && n < 100) {
		must(trace(PTRACE_SINGLESTEP, pid, 0, 0));
		eqs(next(pid), "stop 5 event 0");
		n++;
	}
	eq(n, 11);
	must(trace(PTRACE_POKEDATA, pid, (long)&word, 77));
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "exit 77");
	eq(word, 5);
}

static int wait_long(void)
{
	for (;;)
		pause();
	return 0;
}

static int fork_and_exec(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(4);
	waitpid(pid, &status, 0);
	execl(t_self, t_self, "helper", NULL);
	return 1;
}

/* A fork, the child's own stop, an exec, the end. */
static void events(void)
{
	pid_t pid = traced(fork_and_exec);
	unsigned long child = 0, message;

	must(trace(PTRACE_SETOPTIONS, pid, 0, TRACEFORK | TRACEEXEC | TRACEEXIT));
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 5 event 1");
	must(trace(PTRACE_GETEVENTMSG, pid, 0, (long)&child));
	eqs(next((pid_t)child), "stop 19 event 0");
	must(trace(PTRACE_CONT, (pid_t)child, 0, 0));
	eqs(next((pid_t)child), "stop 5 event 6");
	must(trace(PTRACE_GETEVENTMSG, (pid_t)child, 0, (long)&message));
	eq(message, 4 << 8);
	must(trace(PTRACE_CONT, (pid_t)child, 0, 0));
	eqs(next((pid_t)child), "exit 4");
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 17 event 0");
	must(trace(PTRACE_CONT, pid, 0, SIGCHLD));
	eqs(next(pid), "stop 5 event 4");
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 5 event 6");
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "exit 12");
}

/* Seized and interrupted, held by SIGSTOP and listened to, let go. */
static void seized(void)
{
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(wait_long());
	fails(trace(LISTEN, pid, 0, 0), ESRCH);
	must(trace(SEIZE, pid, 0, 0));
	fails(trace(SEIZE, pid, 0, 0), EPERM);
	fails(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
	must(trace(INTERRUPT, pid, 0, 0));
	eqs(next(pid), "stop 5 event 128");
	must(trace(PTRACE_CONT, pid, 0, 0));
	must(kill(pid, SIGSTOP));
	eqs(next(pid), "stop 19 event 0");
	must(trace(PTRACE_CONT, pid, 0, SIGSTOP));
	eqs(next(pid), "stop 19 event 128");
	must(trace(LISTEN, pid, 0, 0));
	must(kill(pid, SIGCONT));
	eqs(next(pid), "stop 5 event 128");
	must(trace(PTRACE_CONT, pid, 0, 0));
	eqs(next(pid), "stop 18 event 0");
	must(trace(PTRACE_DETACH, pid, 0, 0));
	fails(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
	must(kill(pid, SIGTERM));
	eqs(next(pid), "killed 15");
}

/* By another process than its parent: the end is told to both. */
static void attached(void)
{
	pid_t pid = must(fork()), tracer;

	if (pid == 0)
		_exit(wait_long());
	prctl(PR_SET_PTRACER, -1);
	tracer = must(fork());
	if (tracer == 0) {
		eq(trace(PTRACE_ATTACH, pid, 0, 0), 0);
		eqs(next(pid), "stop 19 event 0");
		eq(trace(PTRACE_CONT, pid, 0, 0), 0);
		kill(pid, SIGKILL);
		eqs(next(pid), "killed 9");
		_exit(0);
	}
	eqs(t_wait(tracer), "exit 0");
	eqs(next(pid), "killed 9");
}

/* The tracer goes: its tracees go on, or are killed if it wanted that. */
static void tracer_gone(void)
{
	for (int kill_too = 0; kill_too < 2; kill_too++) {
		pid_t pid = must(fork()), tracer;

		if (pid == 0)
			_exit(wait_long());
		tracer = must(fork());
		if (tracer == 0) {
			eq(trace(SEIZE, pid, 0, kill_too ? EXITKILL : 0), 0);
			eq(trace(INTERRUPT, pid, 0, 0), 0);
			eqs(next(pid), "stop 5 event 128");
			kill(getpid(), SIGKILL);
		}
		eqs(t_wait(tracer), "killed by SIGKILL");
		if (!kill_too)
			must(kill(pid, SIGTERM));
		eqs(next(pid), kill_too ? "killed 9" : "killed 15");
	}
}

static char stack[65536] __attribute__((aligned(64)));

static int trace_parent(void *arg)
{
	pid_t parent = *(pid_t *)arg;
	struct user_regs_struct r = { 0 };
	struct iovec v = { &r, sizeof(r) };
	int status = 0;

	if (trace(PTRACE_ATTACH, parent, 0, 0))
		return 1;
	if (waitpid(parent, &status, __WALL) != parent || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		return 2;
	if (trace(PTRACE_GETREGSET, parent, NT_PRSTATUS, (long)&v) || !r.rsp)
		return 3;
	return trace(PTRACE_DETACH, parent, 0, 0) ? 4 : 0;
}

/* As the leak checker does: a child in the same memory stops its parent. */
static void from_within(void)
{
	pid_t self = getpid(), pid;
	int status;

	prctl(PR_SET_PTRACER, -1);
	pid = must(clone(trace_parent, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED, &self));
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	eq(status, 0);
}

/* A tracee that was let go is traced again before it has woken: it goes on first, and stops anew. */
static void let_go_and_taken(void)
{
	pid_t pid = traced(wait_long);
	const char *how = "";

	for (int i = 0; i < 100; i++) {
		must(trace(PTRACE_DETACH, pid, 0, 0));
		must(trace(PTRACE_ATTACH, pid, 0, 0));
		how = next(pid);
		if (strcmp(how, "stop 19 event 0"))
			break;
	}
	eqs(how, "stop 19 event 0");
	must(kill(pid, SIGKILL));
	eqs(next(pid), "killed 9");
}

static void refused(void)
{
	fails(trace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	fails(trace(PTRACE_CONT, getppid(), 0, 0), ESRCH);
	fails(trace(SEIZE, getppid(), 1, 0), EIO);
	pid_t pid = traced(wait_long);
	fails(trace(PTRACE_SETOPTIONS, pid, 0, 1 << 30), EINVAL);
	fails(trace(4711, pid, 0, 0), EIO);
	fails(trace(PTRACE_CONT, pid, 0, 100), EIO);
	fails(trace(PTRACE_PEEKDATA, pid, 8, (long)&pid), EIO);
	must(kill(pid, SIGKILL));
	eqs(next(pid), "killed 9");
}

static int helper(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 12;
}

T_MAIN_HELPER(helper, T(calls), T(read_at_stops), T(changed_calls), T(signals), T(steps), T(events), T(seized), T(attached),
	      T(tracer_gone), T(from_within), T(let_go_and_taken), T(refused))
