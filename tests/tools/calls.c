/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * calls NAME N DIR: do something N times, for tests/calls.bats, which counts the host calls that it takes. Prints the page
 * faults that it took, its children's included.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *const argv_true[] = { "true", NULL };
static const char *dir;

static void reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child failed");
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
		execv("/bin/true", argv_true);
		_exit(127);
	}
	reap(pid);
}

static void do_vfork(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	reap(pid);
}

static void do_spawn(void)
{
	pid_t pid = -1;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv_true, environ))
		errx(1, "posix_spawn");
	reap(pid);
}

static void do_open(void)
{
	int fd = open("/bin/true", O_RDONLY);

	if (fd < 0 || close(fd))
		err(1, "/bin/true");
}

static void do_stat(void)
{
	struct stat st;

	if (stat("/bin/true", &st) || !stat("/bin/no-such-program", &st))
		errx(1, "stat");
}

static void do_create(void)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/new", dir);
	fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);
	if (fd < 0 || close(fd) || unlink(name))
		err(1, "%s", name);
}

static void do_list(void)
{
	DIR *d = opendir(dir);

	if (!d)
		err(1, "%s", dir);
	while (readdir(d))
		;
	closedir(d);
}

static const struct {
	const char *name;
	void (*once)(void);
} table[] = {
	{ "fork", do_fork }, { "fork-exec", do_fork_exec }, { "vfork", do_vfork }, { "spawn", do_spawn },
	{ "open", do_open }, { "stat", do_stat },	    { "create", do_create }, { "list", do_list },
};

int main(int argc, char **argv)
{
	struct rusage self, children;

	if (argc != 4)
		errx(2, "usage: calls NAME N DIR");
	dir = argv[3];
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, argv[1]))
			continue;
		for (int n = atoi(argv[2]); n > 0; n--)
			table[i].once();
		getrusage(RUSAGE_SELF, &self);
		getrusage(RUSAGE_CHILDREN, &children);
		printf("%ld\n", self.ru_minflt + children.ru_minflt);
		return 0;
	}
	errx(2, "no such work: %s", argv[1]);
}
