/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pal_run IMAGE TEST [RUNG]: execute the PAL's test image as the first picoprocess with a grant and a filter, as the
 * monitor does, but without namespaces and Landlock. Its exit status is the test's, 128 + signal if it was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pal/confine/confine.h"

static void die(const char *what, int err)
{
	fprintf(stderr, "pal_run: %s: %s\n", what, strerror(err));
	exit(125);
}

int main(int argc, char **argv)
{
	struct grant g = { .nlayers = 1 };
	struct confine_range range;
	struct sock_filter *prog;
	uint32_t count;
	int image, fd, err, status;

	if (argc < 3)
		return 125;
	g.rung = argc > 3 ? argv[3][0] : GRANT_RUNG_NONE;
	snprintf(g.sandbox, sizeof(g.sandbox), "%s", argv[2]);
	image = open(argv[1], O_RDONLY);
	if (image < 0)
		die(argv[1], errno);
	err = confine_image_range(image, &range);
	if (err)
		die(argv[1], -err);
	err = confine_filter(g.rung, &range, &prog, &count);
	if (err)
		die("filter", -err);
	fd = confine_grant_fd(&g, prog, count);
	if (fd < 0)
		die("grant", -fd);
	pid_t pid = fork();
	if (!pid) {
		char *args[] = { "picoprocess", "grant", NULL }, *env[] = { NULL };
		int high = dup(image), highg = fcntl(fd, F_DUPFD, 20);

		high = fcntl(high, F_DUPFD, 20);
		dup2(high, GRANT_FD_IMAGE);
		dup2(highg, GRANT_FD_GRANT);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		fexecve(GRANT_FD_IMAGE, args, env);
		die("exec", errno);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
