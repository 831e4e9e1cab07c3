/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * steps N OUT CMD...: run a command, and of the Nth process that comes to be below it the addresses of all instructions
 * that it executes, each once, in the order of their first time. -p: of its parent instead, until it forks again.
 *
 * What a process executes of the image tells which pages of it a fork or a start touches: tests/calls.bats bounds them,
 * contrib/build/order lays the functions side by side by it.
 */
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEN_BITS 20
#define SEEN_MASK ((1u << SEEN_BITS) - 1)
#define OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)

static uint64_t seen[1u << SEEN_BITS];
/* A child's first stop may be told of before its birth: it is held until it is known whose turn it is. */
static enum { UNKNOWN, HELD, KNOWN } pids[1u << 22];

static void note(FILE *out, uint64_t rip)
{
	uint32_t at = (uint32_t)(rip * 0x9e3779b97f4a7c15ull >> (64 - SEEN_BITS));

	while (seen[at] && seen[at] != rip)
		at = (at + 1) & SEEN_MASK;
	if (!seen[at])
		fprintf(out, "%llx\n", (unsigned long long)rip);
	seen[at] = rip;
}

static pid_t start(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, pid, NULL, OPTIONS) ||
	    ptrace(PTRACE_CONT, pid, NULL, NULL))
		err(1, "ptrace");
	return pid;
}

static bool is_birth(int event)
{
	return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE;
}

static void go_on(pid_t pid, bool step, int sig)
{
	ptrace(step ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig);
}

int main(int argc, char **argv)
{
	bool parent = argc > 1 && !strcmp(argv[1], "-p");
	int wanted, births = 0, status, result = 1;
	pid_t first, pid, target = 0;
	FILE *out;

	argv += parent;
	if (argc - parent < 4)
		errx(2, "usage: steps [-p] N OUT CMD...");
	wanted = atoi(argv[1]);
	out = fopen(argv[2], "w");
	if (!out)
		err(1, "%s", argv[2]);
	first = start(argv + 3);
	pids[first] = KNOWN;
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		struct user_regs_struct regs;
		int sig, event = status >> 16;

		if (!WIFSTOPPED(status)) {
			pids[pid] = UNKNOWN;
			if (pid == first)
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
			continue;
		}
		if (pids[pid] == UNKNOWN) {
			pids[pid] = HELD;
			continue;
		}
		sig = WSTOPSIG(status);
		if (is_birth(event)) {
			unsigned long child = 0;

			ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
			if (parent && pid == target)
				target = 0;
			if (++births == wanted)
				target = parent ? pid : (pid_t)child;
			if (pids[child] == HELD)
				go_on((pid_t)child, (pid_t)child == target, 0);
			pids[child] = KNOWN;
		}
		if (event || sig == SIGSTOP || sig == SIGTRAP)
			sig = 0;
		if (pid == target && !ptrace(PTRACE_GETREGS, pid, NULL, &regs))
			note(out, regs.rip);
		go_on(pid, pid == target, sig);
	}
	if (fclose(out))
		err(1, "%s", argv[2]);
	return births < wanted ? 1 : result;
}
