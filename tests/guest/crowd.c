// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Many processes: found, told and waited for one by one; groups that are killed while they grow; ids that go round.
 */
#include "lib/t.h"
#include <sys/prctl.h>

#define CROWD 1000

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

/* A thousand sleep; every one is there, hears its own signal, and is waited for by its own id. */
static void a_thousand(void)
{
	static pid_t pids[CROWD];
	int there = 0, told = 0, ended = 0, again = 0;

	alarm(110);
	for (int i = 0; i < CROWD; i++) {
		pids[i] = must(fork());
		if (pids[i] == 0)
			sleep_for_ever();
	}
	for (int i = 0; i < CROWD; i++)
		there += kill(pids[i], 0) == 0 && getpgid(pids[i]) == getpgrp();
	eq(there, CROWD);
	/* Others come and go meanwhile. */
	for (int i = 0; i < 100; i++) {
		pid_t pid = must(fork());
		if (pid == 0)
			_exit(i);
		int status;
		again += waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == i;
	}
	eq(again, 100);
	for (int i = 0; i < CROWD; i++)
		told += kill(pids[i], i % 2 ? SIGKILL : SIGTERM) == 0;
	eq(told, CROWD);
	for (int i = CROWD - 1; i >= 0; i--) {
		int status;
		ended += waitpid(pids[i], &status, 0) == pids[i] && WIFSIGNALED(status) &&
			 WTERMSIG(status) == (i % 2 ? SIGKILL : SIGTERM);
	}
	eq(ended, CROWD);
	fails(wait(NULL), ECHILD);
}

/* Each hands over to a child and ends. */
static void chain(void)
{
	for (;;) {
		pid_t pid = fork();
		if (pid > 0)
			_exit(0);
		if (pid < 0)
			usleep(1000);
	}
}

/* SIGKILL to a group leaves nobody, however fast it grows and however it hides from its parents. */
static void a_group_that_grows(void)
{
	alarm(60);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int round = 0; round < 3; round++) {
		pid_t first = must(fork());
		if (first == 0) {
			setpgid(0, 0);
			for (int i = 0; i < 4; i++)
				if (fork() == 0)
					chain();
			sleep_for_ever();
		}
		setpgid(first, first);
		usleep(50000);
		eq(kill(-first, SIGKILL), 0);
		while (wait(NULL) > 0)
			;
		eq(errno, ECHILD);
		fails(kill(-first, 0), ESRCH);
	}
}

static volatile sig_atomic_t hits;

static void hit(int sig)
{
	hits++;
}

/* ^C again and again, at a group that forks and waits all the time: nobody misses the last one. */
static void interrupts(void)
{
	pid_t pids[8];
	struct gate g;

	gate_init(&g);
	for (int i = 0; i < 8; i++) {
		pids[i] = must(fork());
		if (pids[i])
			continue;
		setpgid(0, i ? pids[0] : 0);
		signal(SIGINT, hit);
		gate_open(&g);
		while (!hits) {
			pid_t pid = fork();
			if (pid == 0)
				_exit(0);
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
		signal(SIGINT, SIG_DFL);
		sleep_for_ever();
	}
	for (int i = 0; i < 8; i++) {
		setpgid(pids[i], pids[0]);
		gate_wait(&g);
	}
	for (int i = 0; i < 200; i++) {
		kill(-pids[0], SIGINT);
		usleep(500);
	}
	int ended = 0;
	for (int i = 0; i < 8; i++) {
		int status;
		while (waitpid(pids[i], &status, WNOHANG) == 0) {
			kill(pids[i], SIGINT);
			usleep(1000);
		}
		ended += WIFSIGNALED(status) && WTERMSIG(status) == SIGINT;
	}
	eq(ended, 8);
}

static pid_t short_life(int code)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(code);
	return pid;
}

/* A group outlives its leader, and nobody else gets that id while it does: all ids are used up meanwhile. */
static void ids_go_round(void)
{
	enum { GROUPS = 20 };
	pid_t leader[GROUPS], member[GROUPS];
	int taken = 0, wrong = 0;

	alarm(110);
	for (int i = 0; i < GROUPS; i++) {
		int p[2];
		must(pipe(p));
		leader[i] = must(fork());
		if (leader[i] == 0) {
			setpgid(0, 0);
			pid_t pid = fork();
			if (pid == 0)
				sleep_for_ever();
			(void)!write(p[1], &pid, sizeof(pid));
			_exit(0);
		}
		must(read(p[0], &member[i], sizeof(member[i])));
		close(p[0]);
		close(p[1]);
		eqs(t_wait(leader[i]), "exit 0");
	}
	for (int i = 0; i < 33000; i++) {
		int status;
		pid_t pid = must(short_life(i & 0x7f));
		wrong += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != (i & 0x7f);
		for (int k = 0; k < GROUPS; k++)
			taken += pid == leader[k] || pid == member[k];
	}
	eq(wrong, 0);
	eq(taken, 0);
	for (int i = 0; i < GROUPS; i++) {
		ok(getpgid(member[i]) == leader[i]);
		eq(kill(-leader[i], SIGKILL), 0);
	}
}

T_MAIN(T(a_thousand), T(a_group_that_grows), T(interrupts), T(ids_go_round))
