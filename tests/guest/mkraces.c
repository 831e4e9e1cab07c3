// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Processes that make the same names at the same time: all but one hear EEXIST, and then it is there, at once, for whoever
 * heard so, even if he had looked before and found nothing.
 */
#include "lib/t.h"

#include <sched.h>

#define RACERS 4
#define ROUNDS 400

static uint32_t *arrived;

/* All have come here the n-th time. */
static void meet(uint32_t n)
{
	__atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(arrived, __ATOMIC_SEQ_CST) < n * RACERS)
		sched_yield();
}

static bool make_dir(const char *name)
{
	char inside[64];
	int fd;

	if (mkdir(name, 0700) && errno != EEXIST)
		return false;
	snprintf(inside, sizeof(inside), "%s/%d", name, getpid());
	fd = open(inside, O_CREAT | O_EXCL | O_WRONLY, 0600);
	return fd >= 0 && !close(fd);
}

static bool make_file(const char *name)
{
	struct stat st;
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd >= 0)
		return !close(fd);
	return errno == EEXIST && !stat(name, &st);
}

static bool make_symlink(const char *name)
{
	char to[8];

	if (symlink("to", name) && errno != EEXIST)
		return false;
	return readlink(name, to, sizeof(to)) == 2;
}

static bool make_link(const char *name)
{
	struct stat st;

	if (link("first", name) && errno != EEXIST)
		return false;
	return !stat(name, &st);
}

static bool make_renamed(const char *name)
{
	char own[32];
	struct stat st;
	int fd;

	snprintf(own, sizeof(own), "own%d", getpid());
	fd = open(own, O_CREAT | O_WRONLY, 0600);
	if (fd < 0 || close(fd))
		return false;
	if (syscall(SYS_renameat2, AT_FDCWD, own, AT_FDCWD, name, 1) && errno != EEXIST) /* RENAME_NOREPLACE */
		return false;
	return !stat(name, &st);
}

static bool (*volatile what)(const char *);

static int racer(void *arg)
{
	struct stat st;
	char name[32];

	(void)arg;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		if (!stat(name, &st))
			return 1;
		meet(2 * i + 1);
		if (!what(name))
			return 2;
		meet(2 * i + 2);
	}
	return 0;
}

static void race(bool (*make)(const char *))
{
	pid_t pid[RACERS];

	arrived = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	what = make;
	for (int i = 0; i < RACERS; i++)
		pid[i] = t_fork(racer, NULL);
	for (int i = 0; i < RACERS; i++) {
		int status;

		must(waitpid(-1, &status, 0));
		eqs(t_status(status), "exit 0");
		if (status)
			for (int j = 0; j < RACERS; j++)
				kill(pid[j], SIGKILL);
	}
	munmap(arrived, 4096);
}

static void dirs(void)
{
	race(make_dir);
}

static void files(void)
{
	race(make_file);
}

static void symlinks(void)
{
	race(make_symlink);
}

static void links(void)
{
	t_write_file("first", "x");
	race(make_link);
}

static void renamed(void)
{
	race(make_renamed);
}

T_MAIN(T(dirs), T(files), T(symlinks), T(links), T(renamed))
