// SPDX-License-Identifier: GPL-3.0-or-later
/* See inside.h: the side of the sandbox, and what both use. */
#include "shell/inside.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shell/cmd.h"

#define BUSY_TRIES 200

bool inside_is(void)
{
	const char *name = getenv("GSH_SANDBOX");
	struct stat st;

	return name && *name && stat(INSIDE_DEVICE, &st) == 0 && S_ISCHR(st.st_mode);
}

int inside_read(int fd, void *buf, size_t size)
{
	char *at = buf;

	while (size) {
		ssize_t n = read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int inside_write(int fd, const void *buf, size_t size)
{
	const char *at = buf;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The host's gsh is in no directory of ours: paths, the words after "--", become absolute. */
static char *request_of(char **argv, size_t *size)
{
	char cwd[PATH_MAX] = "", *text = NULL;
	bool paths = false;
	FILE *f = open_memstream(&text, size);
	int i;

	if (!f)
		return NULL;
	fprintf(f, INSIDE_READER "%d%c",
		(isatty(1) ? READER_PERSON : 0) | (ui_color(1) ? READER_COLORS : 0) |
			(ui_color(2) ? READER_COLORED_ERRORS : 0),
		'\0');
	for (i = 1; argv[i]; i++) {
		if (paths && *argv[i] != '/' && (*cwd || getcwd(cwd, sizeof(cwd))))
			fprintf(f, "%s/", cwd);
		fwrite(argv[i], 1, strlen(argv[i]) + 1, f);
		paths |= strcmp(argv[i], "--") == 0;
	}
	return fclose(f) ? NULL : text;
}

/* Frames until the status comes. The status, or -1. */
static int take_answer(int fd)
{
	unsigned char head[5], status;
	char buf[8192];
	uint32_t left;

	while (inside_read(fd, head, sizeof(head)) == 0) {
		memcpy(&left, head + 1, sizeof(left));
		left = le32toh(left);
		if (head[0] == 's')
			return left == 1 && inside_read(fd, &status, 1) == 0 ? status : -1;
		while (left) {
			size_t n = left < sizeof(buf) ? left : sizeof(buf);

			if (inside_read(fd, buf, n) || inside_write(head[0] == '2' ? 2 : 1, buf, n))
				return -1;
			left -= (uint32_t)n;
		}
	}
	return -1;
}

/* Others may be asking, too: a few are answered at a time. */
static int open_device(void)
{
	struct timespec nap = { 0, 50 * 1000 * 1000 };
	int fd = -1, tries;

	for (tries = 0; tries < BUSY_TRIES; tries++) {
		fd = open(INSIDE_DEVICE, O_RDWR | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY)
			break;
		nanosleep(&nap, NULL);
		errno = EBUSY;
	}
	return fd;
}

int inside_ask(const struct call *call, char **argv)
{
	char *request;
	uint32_t length;
	size_t size = 0;
	int fd, status;

	if (!*call->cmd->name) {
		(void)fail(FAIL_CONFLICT, getenv("GSH_SANDBOX"), "this is inside of it already");
		hint("gsh help; of the verbs, status, diff, log, show, why, snapshot, undo and "
		     "redo work in here");
		return FAIL_CONFLICT;
	}
	fd = open_device();
	if (fd < 0)
		return exit_status(fail(FAIL_NO, call->cmd->name, "gsh outside does not answer: %s",
					strerror(errno)),
				   false);
	request = request_of(argv, &size);
	length = htole32((uint32_t)size);
	status = request && size <= INSIDE_REQUEST_MAX &&
				 inside_write(fd, &length, sizeof(length)) == 0 &&
				 inside_write(fd, request, size) == 0
			 ? take_answer(fd)
			 : -1;
	free(request);
	close(fd);
	return status >= 0
		       ? status
		       : exit_status(fail(FAIL_NO, call->cmd->name, "gsh outside did not answer"),
				     false);
}
