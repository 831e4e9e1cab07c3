// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attempts on files of the host.
 *
 *   files DIR [control]    DIR/victim must stay as it is, and nothing named escape-mark* may appear outside the sandbox's layers
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
#include <sys/wait.h>
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

/* Without a right to write: that is what cutting takes, whatever else the flags say. */
static enum verdict cut_reading(enum way w, void *arg)
{
	struct place *p = arg;

	return call(w, SYS_openat, p->fd, p->victim, O_RDONLY | O_TRUNC | O_CLOEXEC) < 0 ? REFUSED : DONE;
}

static enum verdict cut_openat2(enum way w, void *arg)
{
	struct place *p = arg;
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_RDONLY | O_TRUNC, 0, 0 };

	return call(w, SYS_openat2, p->fd, p->victim, &how, sizeof(how)) < 0 ? REFUSED : DONE;
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

	/* The libOS writes down what root in name makes; the host is looked at for more. */
	long r = call(w, SYS_mknodat, p->fd, p->mark, S_IFCHR | 0666, 0x101);

	return r < 0 ? REFUSED : w == PAL ? ESCAPED : DONE;
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

	if (call(w, SYS_utimensat, p->fd, p->victim, t, AT_SYMLINK_NOFOLLOW) >= 0)
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

/* A symbolic link of one's own making, which points outside: followed on the way and at its end. */
static enum verdict planted(enum way w, void *arg)
{
	struct place *p = arg;
	char dir[PATH_MAX], link[64], name[PATH_MAX + 64];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", p->mark);
	slash = strrchr(dir, '/');
	*slash = 0;
	snprintf(link, sizeof(link), "link-%s-%d", way_names[w], p->fd);
	if (call(w, SYS_symlinkat, dir, p->fd, link) < 0)
		return REFUSED;
	snprintf(name, sizeof(name), "%s/%s", link, slash + 1);
	long made = call(w, SYS_openat, p->fd, name, O_WRONLY | O_CREAT, 0666);
	snprintf(name, sizeof(name), "%s/victim", link);
	long fd = call(w, SYS_openat, p->fd, name, O_WRONLY | O_TRUNC);
	call(w, SYS_unlinkat, p->fd, link, 0);
	return made < 0 && fd < 0 ? REFUSED : DONE;
}

/* A directory of one's own, moved while it is open: ".." leads elsewhere than where it was opened. */
static enum verdict climb(enum way w, void *arg)
{
	struct place *p = arg;
	char from[64], to[80], name[PATH_MAX * 2];
	bool in = w != PAL || !way_pal();

	snprintf(from, sizeof(from), "climb-%s-%d", way_names[w], p->fd);
	snprintf(to, sizeof(to), "%s-moved", from);
	if (call(w, SYS_mkdirat, p->fd, from, 0777) < 0)
		return REFUSED;
	long fd = call(w, SYS_openat, p->fd, from, O_RDONLY | O_DIRECTORY);
	/* Out of the layer into the work directory, or only to another name. */
	if (fd < 0 || (call(w, SYS_renameat2, p->fd, from, in ? p->fd : GRANT_FD_WORK, to, 0) < 0 &&
		       call(w, SYS_renameat2, p->fd, from, p->fd, to, 0) < 0))
		return REFUSED;
	snprintf(name, sizeof(name), "../../../../../../../../../../../../../..%s", strchr(p->mark, '/'));
	return call(w, SYS_openat, fd, name, O_WRONLY | O_CREAT, 0666) < 0 ? REFUSED : DONE;
}

/* A directory that is a link outside every other moment, under a file being made in it. */
static enum verdict race(enum way w, void *arg)
{
	struct place *p = arg;
	char dir[PATH_MAX], a[64], b[80], name[PATH_MAX];
	enum verdict v = REFUSED;
	char *slash;

	snprintf(dir, sizeof(dir), "%s", p->mark);
	slash = strrchr(dir, '/');
	*slash = 0;
	snprintf(a, sizeof(a), "race-%s-%d", way_names[w], p->fd);
	snprintf(b, sizeof(b), "%s-link", a);
	snprintf(name, sizeof(name), "%s/%s", a, slash + 1);
	if (call(w, SYS_mkdirat, p->fd, a, 0777) < 0 || call(w, SYS_symlinkat, dir, p->fd, b) < 0)
		return REFUSED;
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 400; i++)
			call(w, SYS_renameat2, p->fd, a, p->fd, b, 2);
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		long fd = call(w, SYS_openat, p->fd, name, O_WRONLY | O_CREAT, 0666);
		if (fd >= 0) {
			v = DONE;
			call(w, SYS_close, fd);
		}
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	/* What was made in the directory itself is no trace outside, though /dev/shm shows it on rung B. */
	for (int i = 0; i < 2 && way_pal(); i++) {
		long own = call(w, SYS_openat, p->fd, i ? b : a, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (own >= 0)
			call(w, SYS_unlinkat, own, slash + 1, 0);
	}
	return v;
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
	{ "cut reading", cut_reading },
	{ "cut by openat2", cut_openat2 },
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
	{ "planted link", planted },
	{ "move and climb", climb },
	{ "link race", race },
};

/* Where nothing holds the attempts, one takes the victim from the next: it is put back, by the same way. */
static void restore(const char *dir)
{
	char name[PATH_MAX];
	long fd;

	snprintf(name, sizeof(name), "/%s/victim", dir);
	call(PAL, SYS_unlinkat, AT_FDCWD, name, 0);
	fd = call(PAL, SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	call(PAL, SYS_write, fd, "the host's own\n", 15);
	call(PAL, SYS_close, fd);
}

static bool control; /* nothing holds us: all should succeed */

static int all(enum way w, struct place *p, const char *dir, const char *prefix)
{
	int escaped = 0;

	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		char label[128];
		if (control)
			restore(dir);
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

	if (argc != 2 && argc != 3)
		return 2;
	control = argc == 3;
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
