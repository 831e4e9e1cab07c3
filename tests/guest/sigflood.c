// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * More queued signals at once than a receiver takes in at one go, while other things happen to it: it is stopped and
 * continued, a timer expires, or it executes. None may be lost, and it must hear of what is sent later.
 */
#include "lib/t.h"

#include <sys/time.h>

#define ROUNDS 100
#define A_ROUND 60
#define EXECS 40
#define FLOOD 2000

static sigset_t queued;

static void block_queued(void)
{
	sigemptyset(&queued);
	sigaddset(&queued, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &queued, NULL);
}

/* Takes values first..last-1, in order. */
static bool take(int first, int last)
{
	siginfo_t si;

	for (int i = first; i < last; i++) {
		while (sigwaitinfo(&queued, &si) < 0)
			if (errno != EINTR) /* it was stopped meanwhile */
				return false;
		if (si.si_value.sival_int != i)
			return false;
	}
	return true;
}

static bool queue(pid_t to, int first, int last)
{
	for (int i = first; i < last; i++)
		while (sigqueue(to, SIGRTMIN, (union sigval){ .sival_int = i }))
			if (errno != EAGAIN)
				return false;
	return true;
}

/* Blocked, and as often as it can be: it comes in the middle of taking the others in. */
static void tick(void)
{
	struct itimerval often = { { 0, 20 }, { 0, 20 } };
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGALRM);
	sigprocmask(SIG_BLOCK, &s, NULL);
	must(setitimer(ITIMER_REAL, &often, NULL));
}

static int taker(void *arg)
{
	int ack = *(int *)arg;

	tick();
	for (int i = 0; i < ROUNDS; i++)
		if (!take(i * A_ROUND, (i + 1) * A_ROUND) || write(ack, "x", 1) != 1)
			return 1;
	for (;;)
		pause();
}

static void continued(void)
{
	int p[2], status;
	pid_t pid;
	char c;

	block_queued();
	must(pipe(p));
	pid = t_fork(taker, &p[1]);
	for (int i = 0; i < ROUNDS; i++) {
		must(kill(pid, SIGSTOP));
		must(waitpid(pid, &status, WUNTRACED));
		if (!queue(pid, i * A_ROUND, (i + 1) * A_ROUND))
			must(-1);
		must(kill(pid, SIGCONT));
		must(read(p[0], &c, 1));
	}
	must(kill(pid, SIGTERM));
	eqs(t_wait(pid), "killed by SIGTERM");
}

/* The program again, with one exec less to go; the last one takes what came to all of them. */
static void again(const char *self, int left)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", left);
	execl(self, self, "helper", number, NULL);
	_exit(9);
}

static int helper(int argc, char **argv)
{
	int left = argc > 2 ? atoi(argv[2]) : 0;

	block_queued();
	if (left)
		again(argv[0], left - 1);
	return take(0, FLOOD) ? 0 : 1;
}

static int executes(void *arg)
{
	(void)arg;
	again(t_self, EXECS);
	return 9;
}

static void executed(void)
{
	pid_t pid;

	block_queued();
	pid = t_fork(executes, NULL);
	ok(queue(pid, 0, FLOOD));
	eqs(t_wait(pid), "exit 0");
}

T_MAIN_HELPER(helper, T(continued), T(executed))
