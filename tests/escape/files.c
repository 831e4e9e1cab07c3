// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attempts on files of the host.
 *
 *   files DIR      DIR/victim must stay as it is, and nothing named escape-mark* may appear outside the sandbox's layers
 *
 * Inside, writing to DIR is allowed and lands in a layer: only the runner, outside, can tell. By the PAL's instruction all
 * open descriptors are tried as a place to start from, with absolute names and with chains of "..".
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pal/grant.h"

#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

struct place {
	int fd;
	const char *how;
	char victim[PATH_MAX];
	char mark[PATH_MAX];
};

static enum verdict overwrite(enum way w, void *arg)
{
	struct place *p = arg;
	long fd = call(w, SYS_openat, p->fd, p->victim, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return REFUSED;
	return call(w, SYS_write, fd, "OVERWRITTEN\n", 12) == 12 ? DONE : REFUSED;
}

static enum verdict overwrite_nofollow(enum way w, void *arg)
{
	struct place *p = arg;
	long fd = call(w, SYS_openat, p->fd, p->victim, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return REFUSED;
	return call(w, SYS_pwrite64, fd, "OVERWRITTEN\n", 12, 0) == 12 ? DONE : REFUSED;
}

static enum verdict openat2_(enum way w, void *arg)
{
	struct place *p = arg;
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_WRONLY | O_CREAT, 0644, 0 };
	long fd = call(w, SYS_openat2, p->fd, p->mark, &how, sizeof(how));

	return fd < 0 ? REFUSED : DONE;
}

static enum verdict create(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_openat, p->fd, p->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) < 0 ? REFUSED : DONE;
}

static enum verdict make_dir(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_mkdirat, p->fd, p->mark, 0777) < 0 ? REFUSED : DONE;
}

static enum verdict make_link(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_linkat, p->fd, p->victim, p->fd, p->mark, 0) < 0 ? REFUSED : DONE;
}

static enum verdict make_symlink(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_symlinkat, "/etc/passwd", p->fd, p->mark) < 0 ? REFUSED : DONE;
}

static enum verdict make_node(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_mknodat, p->fd, p->mark, S_IFIFO | 0666, 0) < 0 ? REFUSED : DONE;
}

static enum verdict device(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_mknodat, p->fd, p->mark, S_IFCHR | 0666, 0x101) < 0 ? REFUSED : ESCAPED;
}

static enum verdict move(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_renameat2, p->fd, p->victim, p->fd, p->mark, 0) < 0 ? REFUSED : DONE;
}

static enum verdict exchange(enum way w, void *arg)
{
	struct place *p = arg;

	create(w, arg);
	return call(w, SYS_renameat2, p->fd, p->victim, p->fd, p->mark, 2) < 0 ? REFUSED : DONE;
}

static enum verdict erase(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_unlinkat, p->fd, p->victim, 0) < 0 ? REFUSED : DONE;
}

static enum verdict change_mode(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_fchmodat, p->fd, p->victim, 0777) < 0 ? REFUSED : DONE;
}

static enum verdict change_open_mode(enum way w, void *arg)
{
	struct place *p = arg;
	long fd = call(w, SYS_openat, p->fd, p->victim, O_RDONLY);

	return fd < 0 || call(w, SYS_fchmod, fd, 0777) < 0 ? REFUSED : DONE;
}

static enum verdict change_times(enum way w, void *arg)
{
	struct place *p = arg;
	struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

	if (call(w, SYS_utimensat, p->fd, p->victim, t, 0) >= 0)
		return DONE;
	long fd = call(w, SYS_openat, p->fd, p->victim, O_RDONLY);
	return fd < 0 || call(w, SYS_utimensat, fd, 0, t, 0) < 0 ? REFUSED : DONE;
}

static enum verdict mark_attr(enum way w, void *arg)
{
	struct place *p = arg;
	long fd = call(w, SYS_openat, p->fd, p->victim, O_RDONLY);

	return fd < 0 || call(w, SYS_fsetxattr, fd, "user.escaped", "1", 1, 0) < 0 ? REFUSED : DONE;
}

static enum verdict cut(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_truncate, p->victim, 0) < 0 ? REFUSED : DONE;
}

static enum verdict attr_by_name(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_setxattr, p->victim, "user.escaped", "1", 1, 0) < 0 ? REFUSED : DONE;
}

static enum verdict nameless(enum way w, void *arg)
{
	struct place *p = arg;
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", p->mark);
	if (strrchr(dir, '/'))
		*strrchr(dir, '/') = 0;
	long fd = call(w, SYS_openat, p->fd, dir, O_TMPFILE | O_RDWR, 0600);
	return fd < 0 || call(w, SYS_linkat, fd, "", p->fd, p->mark, AT_EMPTY_PATH) < 0 ? REFUSED : DONE;
}

static enum verdict set_id(enum way w, void *arg)
{
	struct place *p = arg;
	long fd = call(w, SYS_openat, p->fd, p->mark, O_RDWR | O_CREAT, 06777);

	if (fd < 0)
		return REFUSED;
	call(w, SYS_fchmod, fd, 06777);
	call(w, SYS_fchmodat, p->fd, p->mark, 06777);
	return DONE;
}

/* Write access to an object that was opened for reading, by its /proc name. */
static enum verdict reopen(enum way w, void *arg)
{
	struct place *p = arg;
	char name[64];
	long fd = call(w, SYS_openat, p->fd, p->victim, O_RDONLY);

	if (fd < 0)
		return REFUSED;
	snprintf(name, sizeof(name), "/proc/self/fd/%ld", fd);
	long again = call(w, SYS_openat, p->fd, name, O_RDWR);
	return again < 0 || call(w, SYS_write, again, "OVERWRITTEN\n", 12) < 0 ? REFUSED : DONE;
}

/* Bytes into a file that is only open for reading, by calls that move pages. */
static enum verdict dirty(enum way w, void *arg)
{
	struct place *p = arg;
	int pipes[2];
	long fd = call(w, SYS_openat, p->fd, p->victim, O_RDONLY), off = 0;

	if (fd < 0 || pipe(pipes))
		return REFUSED;
	call(w, SYS_splice, fd, &off, pipes[1], 0, 1, 0);
	if (write(pipes[1], "OVERWRITTEN", 11) != 11)
		return REFUSED;
	long m = call(w, SYS_mmap, 0, 4096, 3, 1, fd, 0);
	return m < 0 ? REFUSED : (*(volatile char *)m = 'O', DONE);
}

static enum verdict change_image(enum way w, void *arg)
{
	/* The picoprocess image and the grant, at their known numbers. */
	for (int fd = 3; fd < 10; fd++) {
		if (fd == 5 || fd == 6 || fd == 7 || fd == 8)
			continue;
		if (call(w, SYS_pwrite64, fd, "\xcc", 1, 4096) == 1 || call(w, SYS_ftruncate, fd, 1) == 0)
			return ESCAPED;
	}
	return REFUSED;
}

static const struct {
	const char *name;
	enum verdict (*fn)(enum way, void *);
} attempts[] = {
	{ "overwrite", overwrite },
	{ "overwrite nofollow", overwrite_nofollow },
	{ "openat2", openat2_ },
	{ "create", create },
	{ "mkdir", make_dir },
	{ "link", make_link },
	{ "symlink", make_symlink },
	{ "mknod", make_node },
	{ "device", device },
	{ "rename", move },
	{ "exchange", exchange },
	{ "unlink", erase },
	{ "chmod", change_mode },
	{ "fchmod", change_open_mode },
	{ "utimes", change_times },
	{ "fsetxattr", mark_attr },
	{ "truncate", cut },
	{ "setxattr", attr_by_name },
	{ "tmpfile", nameless },
	{ "set-id", set_id },
	{ "reopen", reopen },
	{ "dirty pipe", dirty },
};

static int all(enum way w, struct place *p, const char *dir, const char *prefix)
{
	int escaped = 0;

	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		char label[128];
		snprintf(p->victim, sizeof(p->victim), "%s%s/victim", prefix, dir);
		snprintf(p->mark, sizeof(p->mark), "%s%s/escape-mark-%s-%d-%zu", prefix, dir, way_names[w], p->fd, i);
		snprintf(label, sizeof(label), "%s (%s)", attempts[i].name, p->how);
		escaped += attempt(label, w, attempts[i].fn, p);
	}
	return escaped;
}

int main(int argc, char **argv)
{
	static struct place p;
	static char up[200], how[64];
	int escaped = 0;

	if (argc != 2)
		return 2;
	umask(0);
	for (int i = 0; i < 60; i += 3)
		memcpy(up + i, "../", 3);
	for (enum way w = LIBC; w < WAYS; w++) {
		p = (struct place){ .fd = AT_FDCWD, .how = "absolute" };
		escaped += all(w, &p, argv[1], "");
		if (w != PAL || !way_pal())
			continue;
		escaped += attempt("image", w, change_image, NULL);
		/* Every descriptor that is a directory, "..", and an absolute name beside it. */
		for (int fd = 0; fd < 256; fd++) {
			struct stat st;
			if (way_fstat(PAL, fd, &st) < 0 || !S_ISDIR(st.st_mode))
				continue;
			snprintf(how, sizeof(how), "fd %d, up", fd);
			p = (struct place){ .fd = fd, .how = how };
			escaped += all(w, &p, argv[1] + 1, up);
			snprintf(how, sizeof(how), "fd %d, absolute", fd);
			escaped += all(w, &p, argv[1], "");
			snprintf(how, sizeof(how), "fd %d, below", fd);
			if (fd == GRANT_FD_LAYER) /* the base itself */
				escaped += all(w, &p, argv[1] + 1, "");
		}
	}
	return escaped ? 1 : 0;
}
