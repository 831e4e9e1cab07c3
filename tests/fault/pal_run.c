/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pal_run IMAGE TEST [RUNG]: execute the PAL's test image as the first picoprocess with a grant and
 * a filter, as the monitor does, but without namespaces and Landlock. Its exit status is the
 * test's, 128 + signal if it was killed. The test "hostile" is made here: grants with wrong bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pal/confine/confine.h"

static void die(const char *what, int err)
{
	fprintf(stderr, "pal_run: %s: %s\n", what, strerror(err));
	exit(125);
}

/* Run the image on the grant in fd; its status as a shell tells it. */
static int run(int image, int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		char *args[] = { "picoprocess", "grant", NULL }, *env[] = { NULL };
		int from_image = fcntl(image, F_DUPFD, 20), from_grant = fcntl(fd, F_DUPFD, 20);

		dup2(from_image, GRANT_FD_IMAGE);
		dup2(from_grant, GRANT_FD_GRANT);
		close(from_image);
		close(from_grant);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		fexecve(GRANT_FD_IMAGE, args, env);
		die("exec", errno);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("wait", errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * Grants with random bytes overwritten or the end cut off: the image starts or refuses, it does not
 * crash.
 */
static int hostile(int image, const struct grant *good, const struct sock_filter *prog,
		   uint32_t count)
{
	size_t size = sizeof(*good) + count * sizeof(*prog);
	char *bytes = malloc(size);
	int refused = 0;

	srand(1);
	for (int i = 0; i < 300; i++) {
		int fd = memfd_create("grant", 0), status;
		size_t keep = i % 4 ? size : (size_t)rand() % size;

		memcpy(bytes, good, sizeof(*good));
		memcpy(bytes + sizeof(*good), prog, size - sizeof(*good));
		for (int k = 0; i % 4 && k < 1 + i % 3; k++)
			bytes[(size_t)rand() % (k ? sizeof(*good) : 48)] = (char)rand();
		if (fd < 0 || write(fd, bytes, keep) != (ssize_t)keep)
			die("memfd", errno);
		status = run(image, fd);
		close(fd);
		if (status != 125 && status != 0 && status != 84) {
			fprintf(stderr, "pal_run: a bad grant (%d) ends with status %d\n", i,
				status);
			return 1;
		}
		refused += status == 125;
	}
	free(bytes);
	return refused < 100;
}

int main(int argc, char **argv)
{
	struct grant g = { .nlayers = 1 };
	struct confine_range range;
	struct sock_filter *prog;
	uint32_t count;
	int image, fd, err;

	if (argc < 3)
		return 125;
	g.rung = argc > 3 ? (unsigned char)argv[3][0] : GRANT_RUNG_NONE;
	g.flags = confine_flags(g.rung, false);
	snprintf(g.sandbox, sizeof(g.sandbox), "%s", argv[2]);
	image = open(argv[1], O_RDONLY);
	if (image < 0)
		die(argv[1], errno);
	err = confine_image_range(image, &range);
	if (err)
		die(argv[1], -err);
	err = confine_filter(g.rung, g.flags, &range, &prog, &count);
	if (err)
		die("filter", -err);
	fd = confine_grant_fd(&g, prog, count, NULL);
	if (fd < 0)
		die("grant", -fd);
	if (!strcmp(argv[2], "hostile")) {
		snprintf(g.sandbox, sizeof(g.sandbox), "none");
		return hostile(image, &g, prog, count);
	}
	return run(image, fd);
}
