/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * micro: what one operation of the system costs, by this process's own clocks.
 *
 *	micro NAME MS DIR      one operation: the medians of many batches during MS
 *	micro run N CMD...     each of N runs of a command
 *	micro list             the rows: name, family, budget, what it is judged by, words;
 *separated by tabs
 *
 * A measurement is a line of two numbers, nanoseconds by the clock and of processor time. The same
 *program runs on the host, inside a sandbox and in the peers; tests/bench/run compares. DIR is a
 *place to write in. A batch is as many operations as take about two milliseconds, so that the
 *clocks cost nothing and an interruption spoils one batch only.
 */
#include "tests/bench/micro.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS 2000000ull
#define BATCHES_MAX 4000
#define BATCHES_MIN 3

struct cost {
	double wall, cpu; /* nanoseconds */
};

static const struct {
	const char *name;
	const struct row *rows;
} families[] = {
	{ "calls", calls_rows },   { "files", files_rows }, { "memory", memory_rows },
	{ "events", events_rows }, { "ipc", ipc_rows },	    { "process", process_rows },
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

char scratch[4096];
int fds[4];
uint64_t lapped;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_usec * 1000;
}

static uint64_t rusage_ns(const struct rusage *u)
{
	return timeval_ns(u->ru_utime) + timeval_ns(u->ru_stime);
}

static uint64_t cpu_now(void)
{
	struct rusage children;

	getrusage(RUSAGE_CHILDREN, &children);
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) + rusage_ns(&children);
}

void must(bool ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

const char *in_scratch(const char *name)
{
	static char paths[2][sizeof(scratch) + 256];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

pid_t fork_partner(void)
{
	pid_t parent = getpid(), pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

void keep_to_one_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

void reap(pid_t pid)
{
	int status;

	must(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
	must(WIFEXITED(status) && !WEXITSTATUS(status), "a child's end");
}

/* ---- one operation ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_size);
	return values[n / 2];
}

static struct cost batch(const struct row *row, unsigned n)
{
	uint64_t wall = now(), cpu = cpu_now();

	lapped = 0;
	for (unsigned i = 0; i < n; i++)
		row->once();
	cpu = cpu_now() - cpu;
	wall = lapped ? lapped : now() - wall;
	return (struct cost){ (double)wall, (double)cpu };
}

static struct cost measure(const struct row *row, uint64_t ns)
{
	static double walls[BATCHES_MAX], cpus[BATCHES_MAX];
	unsigned n = 1, done = 0;
	double took;
	uint64_t end;

	if (row->setup)
		row->setup();
	/* Warm up until a batch is long enough. */
	while ((took = batch(row, n).wall) < BATCH_NS && n < 1u << 30)
		n = took < BATCH_NS / 16.0 ? n * 8 : n * 2;
	for (end = now() + ns; done < BATCHES_MIN || (now() < end && done < BATCHES_MAX); done++) {
		struct cost c = batch(row, n);

		walls[done] = c.wall / n;
		cpus[done] = c.cpu / n;
	}
	return (struct cost){ median(walls, done), median(cpus, done) };
}

static void show(struct cost c)
{
	printf("%.1f %.1f\n", c.wall, c.cpu);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int measure_row(const struct row *row, const char *ms, const char *dir)
{
	snprintf(scratch, sizeof(scratch), "%.4000s/micro.%d", dir, (int)getpid());
	must(!mkdir(scratch, 0700), scratch);
	show(measure(row, strtoull(ms, NULL, 10) * 1000000));
	nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* ---- whole commands ---- */

/* What the command prints goes nowhere. */
static int time_runs(int times, char **argv)
{
	posix_spawn_file_actions_t quiet;

	must(!posix_spawn_file_actions_init(&quiet) &&
		     !posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0),
	     "/dev/null");
	while (times--) {
		uint64_t begin = now(), wall;
		struct rusage usage;
		pid_t pid = -1;
		int status;

		if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ))
			errx(1, "cannot start %s", argv[0]);
		must(wait4(pid, &status, 0, &usage) == pid, "wait4");
		wall = now() - begin;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			errx(1, "%s: wait status %#x", argv[0], (unsigned)status);
		show((struct cost){ (double)wall, (double)rusage_ns(&usage) });
	}
	return 0;
}

static int list(void)
{
	for (size_t f = 0; f < FAMILIES; f++) {
		for (const struct row *r = families[f].rows; r->name; r++)
			printf("%s\t%s\t%g\t%s\t%s\n", r->name, families[f].name, r->budget, r->by,
			       r->what);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "run"))
		return time_runs(atoi(argv[2]), argv + 3);
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	for (size_t f = 0; argc == 4 && f < FAMILIES; f++) {
		for (const struct row *r = families[f].rows; r->name; r++) {
			if (!strcmp(r->name, argv[1]))
				return measure_row(r, argv[2], argv[3]);
		}
	}
	fputs("usage: micro NAME MS DIR | micro run N CMD... | micro list\n", stderr);
	return 2;
}
