/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Processes and threads: made, ended, waited for, asked about by the hundred.
 */
#include "tests/bench/micro.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define MANY 100
#define TREE 256

static void touch(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	memset(p, 1, size);
}

static void touch_1(void)
{
	touch(MIB);
}

static void touch_64(void)
{
	touch(64 * MIB);
}

static void touch_512(void)
{
	touch(512 * MIB);
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	reap(pid);
}

static void do_fork_exec(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	reap(pid);
}

static void do_vfork_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	reap(pid);
}

static void do_spawn(void)
{
	char *argv[] = { "true", NULL };
	pid_t pid = -1;

	must(!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), "posix_spawn");
	reap(pid);
}

/* A process with n - 1 descendants: each gives half of what is left to a child. Ends when all have.
 */
static void grow(int n)
{
	pid_t children[16];
	int count = 0;

	for (; n > 1; n -= n / 2) {
		pid_t pid = fork();

		if (!pid) {
			grow(n / 2);
			_exit(0);
		}
		children[count++] = pid;
	}
	while (count)
		reap(children[--count]);
}

static void do_tree(void)
{
	grow(TREE);
}

/* From the child's last instruction but its exit to the parent's return. */
static uint64_t *ended;

static void wait_setup(void)
{
	ended = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(ended != MAP_FAILED, "shared memory");
	keep_to_one_cpu();
}

static void do_wait(void)
{
	pid_t pid = fork();

	if (!pid) {
		*ended = now();
		_exit(0);
	}
	reap(pid);
	lapped += now() - *ended;
}

static void *idle(void *arg)
{
	return arg;
}

static void do_thread(void)
{
	pthread_t t;

	must(!pthread_create(&t, NULL, idle, NULL) && !pthread_join(t, NULL), "a thread");
}

static pid_t many[MANY];

static void end_many(void)
{
	for (int i = 0; i < MANY; i++)
		kill(many[i], SIGKILL);
}

static void make_many(void)
{
	for (int i = 0; i < MANY; i++) {
		many[i] = fork_partner();
		while (!many[i])
			pause();
	}
	atexit(end_many);
}

static void do_kill(void)
{
	for (int i = 0; i < MANY; i++)
		must(!kill(many[i], 0), "kill");
}

static void read_proc(const char *what)
{
	char path[64], text[4096];

	for (int i = 0; i < MANY; i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", (int)many[i], what);
		fd = open(path, O_RDONLY);
		must(fd >= 0 && read(fd, text, sizeof(text)) > 0 && !close(fd), path);
	}
}

static void do_proc(void)
{
	read_proc("stat");
	read_proc("status");
	read_proc("cmdline");
}

/* clang-format off */
const struct row process_rows[] = {
	{ "fork-1", 1.2, CPU, "fork, exit, wait with 1 MiB", touch_1, do_fork },
	{ "fork-64", 1.2, CPU, "fork, exit, wait with 64 MiB", touch_64, do_fork },
	{ "fork-512", 1.2, CPU, "fork, exit, wait with 512 MiB", touch_512, do_fork },
	{ "fork-exec", 1.0, CPU, "fork and exec of true", NULL, do_fork_exec },
	{ "vfork-exec", 1.0, CPU, "vfork and exec of true", NULL, do_vfork_exec },
	{ "spawn", 1.0, CPU, "posix_spawn of true", NULL, do_spawn },
	{ "fork-tree", 1.2, CPU, "fork tree of 256", NULL, do_tree },
	{ "wait", 0, WALL, "wait: from exit to its return", wait_setup, do_wait },
	{ "thread", 0, CPU, "thread: create and join", NULL, do_thread },
	{ "kill-100", 0, CPU, "kill -0 of 100 processes", make_many, do_kill },
	{ "proc-100", 0, CPU, "/proc of 100 processes: stat, status, cmdline", make_many, do_proc },
	{ NULL, 0, NULL, NULL, NULL, NULL },
};
