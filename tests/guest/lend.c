// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * clone(CLONE_VM) without CLONE_VFORK: processes that run at the same time in one memory, each with descriptors, signal
 * mask and a working directory of its own.
 */
#include "lib/t.h"

#include <sched.h>
#include <sys/uio.h>

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_PRIVATE_FLAG 128

#define STACK 65536
#define ROUNDS 2000

static char stacks[4][STACK] __attribute__((aligned(16)));
static volatile uint32_t word, other;
static volatile int noted;

static void wait_for(volatile uint32_t *w, uint32_t until)
{
	uint32_t now;

	while ((now = __atomic_load_n(w, __ATOMIC_SEQ_CST)) != until)
		syscall(SYS_futex, w, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, now, NULL, NULL, 0);
}

static void set(volatile uint32_t *w, uint32_t to)
{
	__atomic_store_n(w, to, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, w, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 100, NULL, NULL, 0);
}

static pid_t lend(int (*fn)(void *), int i, int flags, void *arg)
{
	return must(clone(fn, stacks[i] + STACK, CLONE_VM | flags, arg));
}

/* They take turns on a word in memory: neither sleeps while the other runs. */
static int turns(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		wait_for(&word, 2 * i + 1);
		set(&word, 2 * i + 2);
	}
	return 7;
}

static void together(void)
{
	pid_t pid = lend(turns, 0, SIGCHLD, NULL);

	for (uint32_t i = 0; i < ROUNDS; i++) {
		set(&word, 2 * i + 1);
		wait_for(&word, 2 * i + 2);
	}
	eqs(t_wait(pid), "exit 7");
	fails(waitpid(pid, NULL, 0), ECHILD);
}

static int own_things(void *arg)
{
	int *p = arg;
	sigset_t s;

	close(p[0]);
	if (chdir("/"))
		return 1;
	sigfillset(&s);
	sigprocmask(SIG_BLOCK, &s, NULL);
	noted = getpid();
	set(&other, 1);
	wait_for(&other, 2);
	return write(p[1], "x", 1) == 1 ? getppid() == p[2] ? 3 : 4 : 5;
}

static void apart(void)
{
	int p[3] = { 0, 0, getpid() };
	char here[4096], after[4096], c;
	sigset_t s;
	pid_t pid;

	must(pipe(p));
	ok(getcwd(here, sizeof(here)) != NULL);
	pid = lend(own_things, 0, SIGCHLD, p);
	wait_for(&other, 1);
	eq(noted, pid);
	ok(getcwd(after, sizeof(after)) && !strcmp(here, after));
	must(sigprocmask(SIG_BLOCK, NULL, &s));
	eq(sigismember(&s, SIGTERM), 0);
	eq(close(p[1]), 0);
	set(&other, 2);
	eq(read(p[0], &c, 1), 1);
	eq(read(p[0], &c, 1), 0);
	eqs(t_wait(pid), "exit 3");
	other = 0;
}

/* New memory of the one is there for the other; and by process_vm_readv. */
static void *volatile place;

static int maps(void *arg)
{
	(void)arg;
	place = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	strcpy(place, "mapped by the child");
	free(malloc(300000));
	set(&other, 1);
	wait_for(&other, 2);
	return strcmp(place, "and changed") != 0;
}

static void memory(void)
{
	pid_t pid = lend(maps, 0, SIGCHLD, NULL);
	char buf[32] = "";
	struct iovec l = { buf, 20 }, r;

	wait_for(&other, 1);
	eqs(place, "mapped by the child");
	r = (struct iovec){ place, 20 };
	eq(process_vm_readv(pid, &l, 1, &r, 1, 0), 20);
	eqs(buf, "mapped by the child");
	strcpy(buf, "and changed");
	l.iov_len = r.iov_len = 12;
	eq(process_vm_writev(pid, &l, 1, &r, 1, 0), 12);
	set(&other, 2);
	eqs(t_wait(pid), "exit 0");
	eqs(place, "and changed");
	munmap(place, 1 << 20);
	other = 0;
}

static int spins(void *arg)
{
	(void)arg;
	set(&other, 1);
	while (other)
		noted++;
	return 0;
}

static void killed(void)
{
	static const int how[] = { SIGKILL, SIGTERM, SIGSEGV };

	for (int i = 0; i < 3; i++) {
		pid_t pid = lend(spins, 0, SIGCHLD, NULL);
		int status;

		wait_for(&other, 1);
		if (i == 1) {
			must(kill(pid, SIGSTOP));
			must(waitpid(pid, &status, WUNTRACED));
			eqs(t_status(status), "stopped by SIGSTOP");
			must(kill(pid, SIGCONT));
		}
		must(kill(pid, how[i]));
		must(waitpid(pid, &status, 0));
		eq(WTERMSIG(status), how[i]);
		other = 0;
	}
}

static int runs(void *arg)
{
	char *argv[] = { t_self, "helper", "ran", NULL };

	(void)arg;
	execv(t_self, argv);
	return 99;
}

static int forks(void *arg)
{
	pid_t pid = fork();
	int status;

	(void)arg;
	if (!pid)
		_exit(11);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 98;
	return WEXITSTATUS(status);
}

static void children(void)
{
	pid_t a = lend(runs, 0, SIGCHLD, NULL), b = lend(forks, 1, SIGCHLD, NULL);

	eqs(t_wait(a), "exit 12");
	eqs(t_wait(b), "exit 11");
	for (int i = 0; i < 50; i++) {
		a = lend(forks, i & 3, SIGCHLD, NULL);
		eq(waitpid(a, NULL, 0) == a, 1);
	}
	/* Many at once, of both kinds, while the parent forks too. */
	for (int i = 0; i < 4; i++)
		lend(i & 1 ? runs : forks, i, SIGCHLD, NULL);
	a = fork();
	if (!a)
		_exit(0);
	for (int i = 0; i < 5; i++)
		must(wait(NULL));
	fails(wait(NULL), ECHILD);
}

/* An exit signal of its own: waits see it by __WALL only. */
static void other_signal(void)
{
	pid_t pid = lend(forks, 0, 0, NULL);

	fails(waitpid(pid, NULL, 0), ECHILD);
	eq(waitpid(pid, NULL, __WALL), pid);
	pid = lend(forks, 0, CLONE_FS | CLONE_SIGHAND | SIGCHLD, NULL);
	eqs(t_wait(pid), "exit 11");
	fails(clone(forks, stacks[0] + STACK, CLONE_SIGHAND | SIGCHLD, NULL), EINVAL);
	fails(clone(forks, stacks[0] + STACK, CLONE_VM | CLONE_THREAD | SIGCHLD, NULL), EINVAL);
}

static int outlives(void *arg)
{
	int *p = arg;
	char c;

	close(p[1]);
	if (read(p[0], &c, 1) != 0)
		return 1;
	/* The parent has gone to another program; this memory is still here. */
	for (int i = 0; i < STACK; i++)
		stacks[3][i] = 1;
	free(malloc(100000));
	return write(p[3], "y", 1) != 1;
}

static int parent_leaves(void *arg)
{
	int *p = arg;
	char *argv[] = { t_self, "helper", "ran", NULL };

	fcntl(p[1], F_SETFD, FD_CLOEXEC);
	fcntl(p[3], F_SETFD, FD_CLOEXEC);
	if (clone(outlives, stacks[0] + STACK, CLONE_VM | SIGCHLD, p) < 0)
		return 97;
	if (p[4])
		return 12;
	execv(t_self, argv);
	return 99;
}

static void left_alone(void)
{
	for (int i = 0; i < 2; i++) {
		int p[5] = { [4] = i };
		pid_t pid;
		char c = 0;

		must(pipe(p));
		must(pipe(p + 2));
		pid = t_fork(parent_leaves, p);
		close(p[1]);
		close(p[3]);
		eq(read(p[2], &c, 1), 1);
		eq(c, 'y');
		eqs(t_wait(pid), "exit 12");
		close(p[0]);
		close(p[2]);
	}
}

static int helper(int argc, char **argv)
{
	(void)argc, (void)argv;
	return 12;
}

T_MAIN_HELPER(helper, T(together), T(apart), T(memory), T(killed), T(children), T(other_signal), T(left_alone))
