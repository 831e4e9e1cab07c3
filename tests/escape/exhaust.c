// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Using things up past the libOS: by the PAL's instruction, so that nothing but the kernel and the monitor is in the way.
 *
 *   exhaust tasks N      processes that stay
 *   exhaust memory N     megabytes, touched
 *   exhaust disk N DIR   megabytes in files of a directory; inside it is the work directory of the layers
 *   exhaust inodes N DIR empty files there
 *   exhaust asks N       seconds of asking the monitor to measure the layers, one question after the other; inside only
 *
 * On the host the same is done by raw calls. Each is bounded by N. What was reached is printed, line by line as it goes,
 * for it may be ended at any time.
 */
#include "way.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pal/monitor.h"

#define WORK_FD 11 /* GRANT_FD_WORK */
#define MB (1l << 20)

static void tell(const char *what, long n, bool now)
{
	if (!now && n % 16)
		return;
	printf("%s %ld\n", what, n);
	fflush(stdout);
}

static void rest(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	call(PAL, SYS_ppoll, NULL, 0, &t, NULL, 0);
}

static void tasks(long most)
{
	long n;

	for (n = 0; n < most; n++) {
		long pid = call(PAL, SYS_clone, SIGCHLD, 0, 0, 0, 0);

		if (pid == 0) {
			rest(4000);
			call(PAL, SYS_exit_group, 0);
		}
		if (pid < 0)
			break;
		tell("tasks", n + 1, false);
	}
	tell("tasks", n, true);
	rest(4000);
}

static void memory(long most)
{
	long n;

	for (n = 0; n < most; n++) {
		long at = call(PAL, SYS_mmap, 0, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at < 0)
			break;
		for (long i = 0; i < MB; i += 4096)
			((volatile char *)at)[i] = 1;
		tell("memory", n + 1, false);
	}
	tell("memory", n, true);
	rest(1000);
}

static long make(int dir, long n)
{
	char name[32];

	snprintf(name, sizeof(name), "fill.%ld", n);
	return call(PAL, SYS_openat, dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static void disk(long most, int dir)
{
	static char mb[MB];
	long n, fd = make(dir, 0);

	memset(mb, 'x', sizeof(mb));
	for (n = 0; n < most && fd >= 0 && call(PAL, SYS_write, fd, mb, sizeof(mb)) == MB; n++) {
		tell("disk", n + 1, false);
		rest(20);
	}
	tell("disk", n, true);
	rest(6000);
}

static void inodes(long most, int dir)
{
	long n, fd;

	for (n = 0; n < most && (fd = make(dir, n)) >= 0; n++) {
		call(PAL, SYS_close, fd);
		tell("inodes", n + 1, false);
	}
	tell("inodes", n, true);
	rest(6000);
}

/* Each question may have a process walk the layers outside: what is told is how many were answered. */
static void asks(long seconds)
{
	const struct mon_msg quota = { .type = MON_QUOTA };
	struct timespec now, end;
	long n = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	do {
		if (way_ask(&quota, sizeof(quota), -1, NULL, NULL))
			break;
		n++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	tell("asks", n, true);
}

int main(int argc, char **argv)
{
	long most = argc > 2 ? atol(argv[2]) : 0;
	int dir = way_pal() ? WORK_FD : argc > 3 ? open(argv[3], O_RDONLY | O_DIRECTORY) : -1;

	if (argc < 3)
		return 2;
	printf("by %s\n", way_pal() ? "pal" : "raw");
	fflush(stdout);
	if (!strcmp(argv[1], "tasks"))
		tasks(most);
	else if (!strcmp(argv[1], "memory"))
		memory(most);
	else if (!strcmp(argv[1], "disk"))
		disk(most, dir);
	else if (!strcmp(argv[1], "inodes"))
		inodes(most, dir);
	else if (!strcmp(argv[1], "asks"))
		asks(most);
	puts("finished");
	return 0;
}
