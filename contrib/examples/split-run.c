// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Run a command with less than what its sandbox has. For inside of gsh; see gsh-split(7).
 *
 *   split-run POLICY COMMAND [ARGUMENT...]
 *
 * POLICY is the text of a policy, or @FILE. Standard input, output and error are kept.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLICY_MAX 4096
#define KEPT "\nkeep 0 1 2\n"

int main(int argc, char **argv)
{
	char text[POLICY_MAX] = { 0 };
	int fd;

	if (argc < 3) {
		fprintf(stderr, "usage: split-run POLICY|@FILE COMMAND [ARGUMENT...]\n");
		return 2;
	}
	if (argv[1][0] == '@') {
		fd = open(argv[1] + 1, O_RDONLY);
		if (fd < 0 || read(fd, text, sizeof(text) - sizeof(KEPT)) < 0)
			err(125, "%s", argv[1] + 1);
		close(fd);
	} else if (strlen(argv[1]) < sizeof(text) - sizeof(KEPT)) {
		strcpy(text, argv[1]);
	} else {
		errx(125, "the policy is too long");
	}
	strcat(text, KEPT);
	fd = open("/proc/self/sandbox", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(125, "/proc/self/sandbox");
	if (write(fd, text, strlen(text)) < 0)
		err(125, "split");
	execvp(argv[2], argv + 2);
	err(127, "%s", argv[2]);
}
