// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A directory that is a link outside every other moment, and one whose contents are, while the
 * host's tools walk there.
 *
 *   swap DIR OUTSIDE    in DIR: "d", a directory with "victim" and "sub/victim"; "l", a link to
 * OUTSIDE; they change places, as do "d/sub" and "d/link", until "stop" is there. "swaps" is made
 * when it has begun
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void put(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, "mine\n", 5) != 5)
		exit(3);
	close(fd);
}

static long exchange(const char *a, const char *b)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2u);
}

int main(int argc, char **argv)
{
	unsigned long n = 0;

	if (argc != 3 || chdir(argv[1]))
		return 2;
	mkdir("d", 0755);
	mkdir("d/sub", 0755);
	put("d/victim");
	put("d/sub/victim");
	if (symlink(argv[2], "l") || symlink(argv[2], "d/link"))
		return 3;
	put("swaps");
	for (; n < 5000000 && access("stop", F_OK); n++) {
		exchange("d", "l");
		/* Whichever is the directory now. */
		exchange("d/sub", "d/link");
		exchange("l/sub", "l/link");
		if (n % 64 == 0)
			usleep(1000);
	}
	printf("swapped %lu times\n", n);
	return 0;
}
