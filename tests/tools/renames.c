// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A file that is always there, replaced by rename without an end: one process puts "tmp" over "f" in its directory, others
 * open "f" there by its bare name, as fast as they can. Where the layers below change, no opening may fail.
 *
 *	renames DIR [TIMES]	make DIR, and go on TIMES, or until "end" lies beside it
 *
 * Once "begin" lies beside DIR, or at once with TIMES. The status is 0 if all went well, else it is said what did not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKERS 6

static long put(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, "text", 4) != 4 || close(fd)) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return -1;
	}
	return 0;
}

static int replace(long times)
{
	for (long i = 0; times ? i < times : access("../end", F_OK) != 0; i++) {
		if (put("tmp"))
			return 1;
		if (rename("tmp", "f")) {
			fprintf(stderr, "rename %ld: %s\n", i, strerror(errno));
			return 1;
		}
	}
	return 0;
}

static int look(void)
{
	for (long i = 1; access("tmp.end", F_OK); i++) {
		int fd = open("f", O_RDONLY);

		if (fd < 0) {
			fprintf(stderr, "f, opened for the %ldth time: %s\n", i, strerror(errno));
			return 1;
		}
		close(fd);
	}
	return 0;
}

/* Each finds its own way through a change of the layers. */
static int all(long times)
{
	int bad = 0, status;
	pid_t pid;

	for (int i = 0; i < LOOKERS; i++) {
		pid = fork();
		if (!pid)
			_exit(look());
		bad |= pid < 0;
	}
	bad |= replace(times);
	bad |= put("tmp.end") != 0;
	while (wait(&status) > 0)
		bad |= status != 0;
	return bad;
}

int main(int argc, char **argv)
{
	long times = argc > 2 ? atol(argv[2]) : 0;

	if (argc < 2 || (mkdir(argv[1], 0755) && errno != EEXIST) || chdir(argv[1]) || put("f")) {
		fprintf(stderr, "usage: renames DIR [TIMES]\n");
		return 2;
	}
	(void)unlink("tmp.end");
	while (!times && access("../begin", F_OK))
		usleep(1000);
	return all(times);
}
