// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Asking the monitor to open what the sandbox may not read (MON_OPEN): hidden files and directories, other processes'
 * /proc, devices, by descriptors that could only be looked up.
 *
 *   opened GRANTED PATH...    absolute host paths; the first is one that the monitor may open on rung B
 *   opened -r PATH MARK       a hidden file that somebody outside replaces once MARK is there
 *
 * On rung A there is nothing to ask for, and every request is refused. What is hidden is also opened without asking.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

/* The descriptor that came back, or -errno. */
static long ask(int pinned)
{
	const struct mon_msg m = { .type = MON_OPEN };
	int fd, err = way_ask(&m, sizeof(m), pinned, NULL, &fd);

	return err ? err : fd < 0 ? -EIO : fd;
}

static long opened(const char *path)
{
	long pinned = call(PAL, SYS_openat, GRANT_FD_LAYER, path + 1, O_PATH | O_NOFOLLOW);

	return pinned < 0 ? pinned : ask(pinned);
}

static enum verdict hidden(enum way w, void *arg)
{
	return must_fail(opened(arg));
}

/* Not an escape: the request must be one that is granted where it may be, or the others' refusal shows nothing. */
static enum verdict granted(enum way w, void *arg)
{
	long fd = opened(arg);
	char c;

	return fd >= 0 && call(PAL, SYS_read, fd, &c, 1) == 1 ? DONE : REFUSED;
}

/* Without asking anybody. */
static bool reads(const char *path)
{
	long fd = call(PAL, SYS_openat, GRANT_FD_LAYER, path + 1, O_RDONLY | O_NONBLOCK);
	char c;

	return fd >= 0 && call(PAL, SYS_read, fd, &c, 1) == 1;
}

static enum verdict readable(enum way w, void *arg)
{
	return reads(arg) ? DONE : REFUSED;
}

static enum verdict plainly(enum way w, void *arg)
{
	return reads(arg) ? ESCAPED : REFUSED;
}

/* What a name that is no more stood for is no less hidden. */
static enum verdict replaced(enum way w, void *arg)
{
	char **words = arg;
	long pinned = call(PAL, SYS_openat, GRANT_FD_LAYER, words[0] + 1, O_PATH | O_NOFOLLOW);
	struct stat st = { .st_nlink = 1 };

	if (pinned < 0)
		return REFUSED;
	close(open(words[1], O_WRONLY | O_CREAT, 0600));
	for (int i = 0; i < 200 && st.st_nlink; i++) {
		usleep(50000);
		if (way_fstat(PAL, (int)pinned, &st))
			return REFUSED;
	}
	puts(st.st_nlink ? "still there" : "it was replaced");
	fflush(stdout);
	return must_fail(ask((int)pinned));
}

int main(int argc, char **argv)
{
	int escaped = 0;

	if (!way_pal() || argc < 2)
		return 2;
	if (!strcmp(argv[1], "-r"))
		return argc == 4 ? attempt("replaced file", PAL, replaced, argv + 2) : 2;
	attempt("granted file", PAL, granted, argv[1]);
	attempt("readable file", PAL, readable, argv[1]);
	for (int i = 2; i < argc; i++) {
		escaped += attempt(argv[i], PAL, hidden, argv[i]);
		escaped += attempt("read", PAL, plainly, argv[i]);
	}
	return escaped ? 1 : 0;
}
