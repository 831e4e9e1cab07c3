// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Out of a directory of the host's that is bound for writing: by links, dots, moves, other names, from every directory
 * that the picoprocess holds.
 *
 *   bound DIR VICTIM     DIR is bound; it holds "up", a link to its parent, "abs", one to VICTIM, a file beside it that is
 *                        the host's own, and "in", a directory
 *
 * Whatever is made beside DIR is called escape-mark; the host looks for it.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pal/grant.h"

#define DIRS 160

static const char *dir, *victim;

struct aim {
	const char *text;
	int what;
};

/* Is fd the bound directory? It alone has all three names. */
static bool is_bound(int fd)
{
	struct statx x;

	return call(PAL, SYS_statx, fd, "up", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) == 0 &&
	       call(PAL, SYS_statx, fd, "in", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) == 0 &&
	       call(PAL, SYS_statx, fd, "abs", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) == 0;
}

static int bound_fd(void)
{
	for (int fd = GRANT_FD_LAYER; fd < DIRS; fd++)
		if (is_bound(fd))
			return fd;
	return -1;
}

/* The control: it is there, and may be written. */
static enum verdict written(enum way w, void *arg)
{
	long fd = call(PAL, SYS_openat, bound_fd(), "written", O_WRONLY | O_CREAT, 0600);

	return fd >= 0 && call(PAL, SYS_write, fd, "w", 1) == 1 ? DONE : REFUSED;
}

static enum verdict open_for_writing(enum way w, void *arg)
{
	long fd = call(w, SYS_openat, bound_fd(), arg, O_WRONLY | O_APPEND);

	if (fd >= 0)
		call(w, SYS_write, fd, "escape", 6);
	return must_fail(fd);
}

static enum verdict make_file(enum way w, void *arg)
{
	return must_fail(call(w, SYS_openat, bound_fd(), arg, O_WRONLY | O_CREAT, 0600));
}

static enum verdict make_dir(enum way w, void *arg)
{
	return must_fail(call(w, SYS_mkdirat, bound_fd(), arg, 0700));
}

/* The victim gets a name in the bound directory, or the bound file one outside. */
static enum verdict link_in(enum way w, void *arg)
{
	int b = bound_fd();
	bool any = false;

	for (int fd = GRANT_FD_LAYER; fd < DIRS; fd++)
		any |= call(w, SYS_linkat, fd, victim + 1, b, "linked", 0) == 0 ||
		       call(w, SYS_renameat2, fd, victim + 1, b, "moved", 0) == 0 ||
		       call(w, SYS_linkat, fd, "victim", b, "linked2", 0) == 0;
	return any ? ESCAPED : REFUSED;
}

static enum verdict move_out(enum way w, void *arg)
{
	char to[512];
	int b = bound_fd();
	bool any = false;

	snprintf(to, sizeof(to), "%.400s.escape-mark", dir + 1);
	for (int fd = GRANT_FD_LAYER; fd < DIRS; fd++) {
		if (fd == b)
			continue;
		any |= call(w, SYS_renameat2, b, "in", fd, to, 0) == 0;
		any |= call(w, SYS_renameat2, b, "in", fd, "../escape-mark", 0) == 0;
		any |= call(w, SYS_linkat, b, "f", fd, to, 0) == 0;
	}
	any |= call(w, SYS_renameat2, b, "in", b, "../escape-mark", 0) == 0;
	any |= call(w, SYS_linkat, b, "f", b, "../escape-mark", 0) == 0;
	any |= call(w, SYS_linkat, b, "f", b, "up/escape-mark", 0) == 0;
	return any ? ESCAPED : REFUSED;
}

/* Deeper, and up again by what was opened there. */
static enum verdict climb(enum way w, void *arg)
{
	long fd = call(w, SYS_openat, bound_fd(), "in", O_RDONLY | O_DIRECTORY);

	for (int i = 0; fd >= 0 && i < 12; i++) {
		long mark = call(w, SYS_openat, fd, "../escape-mark", O_WRONLY | O_CREAT, 0600);

		if (mark >= 0 && i > 0)
			return ESCAPED; /* the first is in the bound directory itself */
		fd = call(w, SYS_openat, fd, "..", O_RDONLY | O_DIRECTORY);
	}
	call(w, SYS_unlinkat, bound_fd(), "escape-mark", 0);
	return REFUSED;
}

static enum verdict set_id(enum way w, void *arg)
{
	long fd = call(w, SYS_openat, bound_fd(), "set", O_RDWR | O_CREAT, 0755);

	return must_fail(call(w, SYS_fchmod, fd, 06755));
}

static enum verdict device(enum way w, void *arg)
{
	return must_fail(call(w, SYS_mknodat, bound_fd(), "device", S_IFCHR | 0666, 1 << 8 | 3));
}

static enum verdict whiteout(enum way w, void *arg)
{
	return must_fail(call(w, SYS_mknodat, bound_fd(), "whiteout", S_IFCHR | 0600, 0));
}

int main(int argc, char **argv)
{
	static char abs[512], fresh[512];
	char *const targets[] = { "../victim", "up/victim", "abs", abs, "in/../../victim", "up/../victim", "./../victim" };
	char *const marks[] = { "../escape-mark", "up/escape-mark", fresh, "in/../../escape-mark" };
	int escaped = 0;

	if (argc != 3 || !way_pal())
		return 2;
	dir = argv[1];
	victim = argv[2];
	snprintf(abs, sizeof(abs), "%s", victim);
	snprintf(fresh, sizeof(fresh), "%.400s/../escape-mark", dir);
	attempt("bound directory", PAL, written, NULL);
	for (enum way w = RAW; w < WAYS; w++) {
		/* By an absolute name the libOS gives the sandbox's own file. */
		for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
			if (w == PAL || *targets[i] != '/')
				escaped += attempt(targets[i], w, open_for_writing, targets[i]);
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
			if (w != PAL && *marks[i] == '/')
				continue;
			escaped += attempt(marks[i], w, make_file, marks[i]);
			escaped += attempt(marks[i], w, make_dir, marks[i]);
		}
		escaped += attempt("link in", w, link_in, NULL);
		escaped += attempt("move out", w, move_out, NULL);
		escaped += attempt("climb", w, climb, NULL);
		escaped += attempt("set-id", w, set_id, NULL);
		escaped += attempt("device", w, device, NULL);
		escaped += attempt("whiteout", w, whiteout, NULL);
	}
	return escaped ? 1 : 0;
}
