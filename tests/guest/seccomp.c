// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Guests' own seccomp filters: what they answer, how they stack, who inherits them, which are refused.
 * musl: no (it comes without the kernel's headers)
 */
#include "lib/t.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define NR offsetof(struct seccomp_data, nr)
#define ARG(n) (offsetof(struct seccomp_data, args) + 8 * (n))

#define LOAD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
/* Answer a call with k and allow all others. */
#define ONLY(call, k)                                                                              \
	{                                                                                          \
		LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), RET(k), RET(SECCOMP_RET_ALLOW) \
	}

static int put_on(struct sock_filter *f, size_t n, unsigned flags)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = f };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

#define PUT_ON(f) must(put_on(f, sizeof(f) / sizeof((f)[0]), 0))

static void no_new_privs(void)
{
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void errnos(void)
{
	struct sock_filter deny[] = ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
	struct sock_filter quiet[] = ONLY(SYS_getpgrp, SECCOMP_RET_ERRNO | 0);
	struct sock_filter big[] = ONLY(SYS_getuid, SECCOMP_RET_ERRNO | 0xffff);
	struct sock_filter trace[] = ONLY(SYS_getgid, SECCOMP_RET_TRACE);
	struct sock_filter log[] = ONLY(SYS_getegid, SECCOMP_RET_LOG);

	if (!t_root())
		fails(put_on(deny, 4, 0), EACCES);
	no_new_privs();
	PUT_ON(deny);
	fails(syscall(SYS_getppid), EDOM);
	ok(getpid() > 0);
	PUT_ON(quiet);
	eq(syscall(SYS_getpgrp), 0);
	PUT_ON(big);
	fails(syscall(SYS_getuid), 4095);
	PUT_ON(trace);
	fails(syscall(SYS_getgid), ENOSYS);
	PUT_ON(log);
	ok(syscall(SYS_getegid) >= 0);
	eq(prctl(PR_GET_SECCOMP), 2);
	ok(strstr(t_read_file("/proc/self/status"), "\nSeccomp:\t2\nSeccomp_filters:\t5\n") != NULL);
}

/* A filter looks at arguments, too, and computes. */
static void arguments(void)
{
	struct sock_filter f[] = {
		LOAD(NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 0, 7),
		LOAD(ARG(1)),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LDX | BPF_MEM, 3),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), /* twice the signal */
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 100, 0, 1),
		RET(SECCOMP_RET_ERRNO | ERANGE),
		RET(SECCOMP_RET_ALLOW),
		RET(SECCOMP_RET_ALLOW),
	};

	no_new_privs();
	PUT_ON(f);
	eq(kill(getpid(), 0), 0);
	fails(kill(getpid(), 51), ERANGE);
	fails(kill(0x3fffff, 50), ESRCH);
}

static siginfo_t got;

static void on_sigsys(int sig, siginfo_t *info, void *ctx)
{
	got = *info;
}

static void traps(void)
{
	struct sock_filter f[] = ONLY(SYS_getppid, SECCOMP_RET_TRAP | 77);
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	pid_t pid;

	sigaction(SIGSYS, &sa, NULL);
	no_new_privs();
	PUT_ON(f);
	eq(syscall(SYS_getppid), SYS_getppid); /* nobody has changed the register */
	eq(got.si_signo, SIGSYS);
	eq(got.si_code, 1);
	eq(got.si_errno, 77);
	eq(got.si_syscall, SYS_getppid);
	eq(got.si_arch, AUDIT_ARCH_X86_64);
	pid = must(fork());
	if (!pid) {
		signal(SIGSYS, SIG_IGN);
		syscall(SYS_getppid);
		_exit(0);
	}
	waitpid(pid, &got.si_errno, 0);
	eq(WTERMSIG(got.si_errno), SIGSYS);
}

static void *call_it(void *arg)
{
	syscall(SYS_getppid);
	return NULL;
}

static void kills(void)
{
	struct sock_filter process[] = ONLY(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
	struct sock_filter thread[] = ONLY(SYS_getppid, SECCOMP_RET_KILL_THREAD);
	pthread_t t;
	pid_t pid;
	int st;

	no_new_privs();
	pid = must(fork());
	if (!pid) {
		PUT_ON(process);
		zero(pthread_create(&t, NULL, call_it, NULL));
		pthread_join(t, NULL);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	eq(WTERMSIG(st), SIGSYS);
	pid = must(fork());
	if (!pid) {
		PUT_ON(thread);
		zero(pthread_create(&t, NULL, call_it, NULL));
		pthread_join(t, NULL);
		_exit(6); /* the others live on */
	}
	eqs(t_wait(pid), "exit 6");
	pid = must(fork());
	if (!pid) {
		PUT_ON(thread);
		syscall(SYS_getppid);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	eq(WTERMSIG(st), SIGSYS);
}

/* The strictest answer counts, whoever came first. */
static void stacked(void)
{
	struct sock_filter one[] = ONLY(SYS_getppid, SECCOMP_RET_ERRNO | 1);
	struct sock_filter two[] = ONLY(SYS_getppid, SECCOMP_RET_ERRNO | 2);
	struct sock_filter allow[] = ONLY(SYS_getppid, SECCOMP_RET_ALLOW);

	no_new_privs();
	PUT_ON(one);
	PUT_ON(allow);
	fails(syscall(SYS_getppid), 1);
	PUT_ON(two);
	fails(syscall(SYS_getppid), 2);
}

static int helper(int argc, char **argv)
{
	fails(syscall(SYS_getppid), EDOM);
	return 0;
}

static void inherited(void)
{
	struct sock_filter deny[] = ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
	pid_t pid;

	no_new_privs();
	PUT_ON(deny);
	pid = must(fork());
	if (!pid)
		_exit(helper(0, NULL));
	eqs(t_wait(pid), "exit 0");
	pid = must(fork());
	if (!pid) {
		execl(t_self, t_self, "helper", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
	pid = vfork();
	if (!pid) {
		execl(t_self, t_self, "helper", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
}

static struct gate go;

static void *waits(void *arg)
{
	gate_wait(&go);
	*(long *)arg = syscall(SYS_getppid);
	return NULL;
}

static void synchronized(void)
{
	struct sock_filter deny[] = ONLY(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
	long results[2] = { 0 };
	pthread_t t[2];

	gate_init(&go);
	no_new_privs();
	zero(pthread_create(&t[0], NULL, waits, &results[0]));
	t_sleep_ms(20);
	eq(put_on(deny, 4, SECCOMP_FILTER_FLAG_TSYNC), 0);
	zero(pthread_create(&t[1], NULL, waits, &results[1]));
	gate_open(&go);
	gate_open(&go);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	eq(results[0], -1);
	eq(results[1], -1);
}

static void strict(void)
{
	pid_t pid = must(fork());

	if (!pid) {
		must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		(void)!write(1, "still writing\n", 14);
		syscall(SYS_exit, 5);
	}
	eqs(t_wait(pid), "exit 5");
	pid = must(fork());
	if (!pid) {
		must(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
		syscall(SYS_getpid);
		syscall(SYS_exit, 5);
	}
	eqs(t_wait(pid), "killed by SIGKILL");
}

#define REFUSED(...)                                                                               \
	({                                                                                         \
		struct sock_filter f[] = { __VA_ARGS__ };                                          \
		fails(put_on(f, sizeof(f) / sizeof(f[0]), 0), EINVAL);                             \
	})

static long ask_ppid(void)
{
	long r = syscall(SYS_getppid);

	return r < 0 ? -errno : r;
}

/* RET_TRACE: its tracer is asked, may make it another call or none, and the filters look at what it became. */
static void traced(void)
{
	struct sock_filter f[] = {
		LOAD(NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		RET(SECCOMP_RET_TRACE | 42),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1),
		RET(SECCOMP_RET_ERRNO | EDOM),
		RET(SECCOMP_RET_ALLOW),
	};
	const long long becomes[] = { SYS_getppid, SYS_getpid, SYS_getsid, -1 };
	pid_t parent = getpid(), pid = must(fork());
	struct user_regs_struct r;
	unsigned long message;
	int st;

	if (!pid) {
		no_new_privs();
		must(ptrace(PTRACE_TRACEME, 0, 0, 0));
		PUT_ON(f);
		raise(SIGSTOP);
		if (ask_ppid() != parent)
			_exit(1);
		if (ask_ppid() != getpid())
			_exit(2);
		if (ask_ppid() != -EDOM)
			_exit(3);
		if (ask_ppid() != 77)
			_exit(4);
		_exit(ask_ppid() == -ENOSYS ? 0 : 5); /* and without a tracer */
	}
	eq(waitpid(pid, &st, 0), pid);
	eq(WSTOPSIG(st), SIGSTOP);
	must(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP));
	for (int i = 0; i < 4; i++) {
		must(ptrace(PTRACE_CONT, pid, 0, 0));
		eq(waitpid(pid, &st, 0), pid);
		eq(st >> 8, SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
		must(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
		eq(message, 42);
		must(ptrace(PTRACE_GETREGS, pid, 0, &r));
		eq(r.orig_rax, SYS_getppid);
		eq((long)r.rax, -ENOSYS);
		r.orig_rax = (unsigned long long)becomes[i];
		if (becomes[i] < 0)
			r.rax = 77;
		must(ptrace(PTRACE_SETREGS, pid, 0, &r));
	}
	must(ptrace(PTRACE_DETACH, pid, 0, 0));
	eqs(t_wait(pid), "exit 0");
}

static void refused(void)
{
	struct sock_filter good[] = { RET(SECCOMP_RET_ALLOW) };
	unsigned action = SECCOMP_RET_ERRNO;
	struct sock_fprog none = { .len = 0, .filter = good };
	struct sock_fprog bad = { .len = 1, .filter = (void *)8 };

	no_new_privs();
	fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none), EINVAL);
	fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &bad), EFAULT);
	fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
	fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 20, &none), EINVAL);
	fails(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
	fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	fails(prctl(PR_SET_SECCOMP, 7, 0, 0, 0), EINVAL);
	REFUSED(LOAD(NR));
	REFUSED(LOAD(64), RET(0));
	REFUSED(LOAD(2), RET(0));
	REFUSED(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0));
	REFUSED(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0));
	REFUSED(BPF_STMT(BPF_LD | BPF_MEM, 0), RET(0));
	REFUSED(BPF_STMT(BPF_ST, 16), RET(0));
	REFUSED(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0));
	REFUSED(BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0));
	REFUSED(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0));
	REFUSED(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), RET(0));
	REFUSED(BPF_STMT(BPF_JMP | BPF_JA, 1), RET(0));
	REFUSED(BPF_STMT(0xffff, 0), RET(0));
	/* A word that is written on one way only. */
	REFUSED(LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1),
		RET(SECCOMP_RET_ALLOW));
	eq(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
	action = 0x12340000;
	fails(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	eq(prctl(PR_GET_SECCOMP), 0);
	PUT_ON(good);
}

T_MAIN_HELPER(helper, T(errnos), T(arguments), T(traps), T(kills), T(stacked), T(inherited), T(synchronized), T(strict),
	      T(traced), T(refused))
