// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A signal that comes in the middle of an exec: it waits, and meets the new program's action. No handler of the old program
 * sees it: a shell whose vfork child handed its ^C to the shell's handler would wait for a command that never got it.
 */
#include "lib/t.h"

#define ROUNDS 60

struct shared {
	volatile int begun;	/* children that are about to execute, so far */
	volatile int late;	/* handlers that ran after that */
	volatile pid_t child;	/* the last of them */
};
static struct shared *sh;

static void handler(int sig)
{
	(void)sig;
	if (syscall(SYS_getpid) == sh->child)
		sh->late++;
}

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

/* Runs beside: aims at the exec of each child. */
static int sniper(void *arg)
{
	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		long long at;

		while (sh->begun < i)
			;
		for (at = now_us() + 40 * (i % 12); now_us() < at;)
			;
		kill(sh->child, SIGUSR1);
	}
	return 0;
}

/* Each child ends by the signal, whether it met the old program before the exec or the new one. */
static void rounds(bool borrow)
{
	static volatile int i, other;
	pid_t shooter;

	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ok(sh != MAP_FAILED);
	signal(SIGUSR1, handler);
	shooter = t_fork(sniper, NULL);
	for (i = 0; i < ROUNDS; i++) {
		pid_t pid = borrow ? vfork() : fork();
		int status;

		if (pid == 0) {
			sh->child = syscall(SYS_getpid);
			sh->begun = i + 1;
			execl(t_self, t_self, "helper", NULL);
			_exit(127);
		}
		must(waitpid(pid, &status, 0));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGUSR1)
			other++;
	}
	eqs(t_wait(shooter), "exit 0");
	/* A child that loses its processor between the word and the call is caught by the handler, on the host too. */
	if (sh->late > ROUNDS / 6)
		say("handlers ran in %d of %d", sh->late, ROUNDS);
	ok(sh->late <= ROUNDS / 6);
	ok(other == sh->late);
}

static void vforked(void)
{
	rounds(true);
}

static void forked(void)
{
	rounds(false);
}

static int helper(int argc, char **argv)
{
	(void)argc, (void)argv;
	t_sleep_ms(500);
	return 0;
}

T_MAIN_HELPER(helper, T(vforked), T(forked))
