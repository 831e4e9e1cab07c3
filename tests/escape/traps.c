// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Leaves in a layer what may hurt who walks it from outside: links, names, set-id files, devices,
 * pipes, redirects, copies planted under the libOS's own names.
 *
 *   traps DIR TOP OUTSIDE HIDDEN    DIR: where; it holds "pub", a directory, "file" and "twice", a
 * file with two names. TOP: the top layer, from the sandbox's tree; empty: no sandbox, DIR itself
 * is the layer. OUTSIDE: a directory with a file "victim"; HIDDEN: one with a file "id"
 *
 * Says of each trap whether it could be laid. The host's side looks at what came of them.
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
#include "pal/monitor.h"

static const char *dir, *top, *outside, *hidden;
static int root = AT_FDCWD; /* what `at` is told from */

/* A name as the PAL's instruction has it: below the top layer. */
static char *at(const char *name)
{
	static char path[4][3 * PATH_MAX];
	static unsigned turn;
	char *p = path[turn++ % 4];

	if (*top)
		snprintf(p, sizeof(path[0]), "../%s%s/%s", top, dir, name);
	else
		snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static enum verdict laid(long r)
{
	return r < 0 ? REFUSED : DONE;
}

/* On rung B the monitor does it, if it finds the file to be ours. */
static long by_monitor(long fd, uint32_t op, uint32_t mode, const char *key, const char *value)
{
	struct {
		struct mon_msg head;
		struct mon_setattr q;
		char value[PATH_MAX];
	} m = { .head = { .type = MON_SETATTR, .len = (uint32_t)(sizeof(m.q) + strlen(value)) },
		.q = { .op = op, .mode = mode } };

	if (fd < 0 || !*top)
		return -EOPNOTSUPP;
	snprintf(m.q.name, sizeof(m.q.name), "%s", key);
	memcpy(m.value, value, strlen(value));
	return way_ask(&m, sizeof(m.head) + m.head.len, (int)fd, NULL, NULL);
}

static long attr(const char *name, const char *key, const char *value)
{
	long fd = call(PAL, SYS_openat, root, at(name), O_RDONLY | O_NOFOLLOW);
	long r = by_monitor(fd, MON_ATTR_SETX, 0, key, value);

	if (r == -EOPNOTSUPP && fd >= 0)
		r = call(PAL, SYS_fsetxattr, fd, key, value, strlen(value), 0);
	if (fd >= 0)
		call(PAL, SYS_close, fd);
	return r;
}

static long mode(const char *name, mode_t to)
{
	long fd = call(PAL, SYS_openat, root, at(name), O_RDONLY | O_NOFOLLOW);
	long r = by_monitor(fd, MON_ATTR_CHMOD, to, "", "");

	if (r == -EOPNOTSUPP && fd >= 0)
		r = call(PAL, SYS_fchmod, fd, to);
	if (fd >= 0)
		call(PAL, SYS_close, fd);
	return r;
}

static long file(const char *name, const char *text)
{
	long fd = call(PAL, SYS_openat, root, at(name), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
		       0644);
	long r = fd < 0 ? fd : call(PAL, SYS_write, fd, text, strlen(text));

	if (fd >= 0)
		call(PAL, SYS_close, fd);
	return r;
}

/* By a link: where a name, or a directory on the way, was. */
static enum verdict links(enum way w, void *arg)
{
	char id[PATH_MAX];

	(void)arg;
	snprintf(id, sizeof(id), "%s/id", hidden);
	call(w, SYS_mkdirat, root, at("tree"), 0755);
	call(w, SYS_symlinkat, id, root, at("tree/to-hidden"));
	call(w, SYS_symlinkat, "/etc/passwd", root, at("tree/to-base"));
	call(w, SYS_symlinkat, "loop", root, at("tree/loop"));
	call(w, SYS_symlinkat, "../../../../../../../../../../../../../../../../etc", root,
	     at("tree/up"));
	return laid(call(w, SYS_symlinkat, outside, root, at("tree/out")));
}

/* A link where the base has a directory: what is below it on the host is reached by nobody. */
static enum verdict link_for_dir(enum way w, void *arg)
{
	(void)arg;
	return laid(call(w, SYS_symlinkat, outside, root, at("pub")));
}

static enum verdict names(enum way w, void *arg)
{
	(void)w;
	(void)arg;
	file("tree/-rf", "x");
	file("tree/--help", "x");
	file("tree/A\tf\t1\tforged", "x");
	file("tree/x\nA\tf\t1\tforged", "x");
	file("tree/\xff\xfe", "x");
	file("tree/\xe2\x80\xae"
	     "dlrow",
	     "x"); /* turns the direction of what follows */
	file("tree/\xc2\x9b"
	     "31m",
	     "x"); /* a control sequence in one character */
	return laid(
		file("tree/\033[31m\033]0;escape-title\007\033[6n\r", "\033]0;escape-title\007\n"));
}

static enum verdict set_id(enum way w, void *arg)
{
	(void)arg;
	file("tree/set-id", "#!/bin/sh\n");
	return laid(mode("tree/set-id", 06755));
}

/* What the libOS would write down of a set-id program. */
static enum verdict set_id_told(enum way w, void *arg)
{
	(void)arg;
	file("tree/told", "#!/bin/sh\n");
	mode("tree/told", 01755);
	return laid(attr("tree/told", "user.gsh.attr", "106755 0 0 0"));
}

static enum verdict device_told(enum way w, void *arg)
{
	(void)arg;
	file("tree/device", "");
	mode("tree/device", 01666);
	return laid(attr("tree/device", "user.gsh.attr", "20666 0 0 103"));
}

static enum verdict disk_told(enum way w, void *arg)
{
	(void)arg;
	file("tree/disk", "");
	mode("tree/disk", 01666);
	return laid(attr("tree/disk", "user.gsh.attr", "60666 0 0 800"));
}

static enum verdict pipes(enum way w, void *arg)
{
	(void)arg;
	return laid(call(w, SYS_mknodat, root, at("tree/fifo"), S_IFIFO | 0666, 0));
}

/* "What lies below it is elsewhere." */
static enum verdict redirect(enum way w, void *arg)
{
	const char *const *words = arg;

	call(w, SYS_mkdirat, root, at(words[0]), 0755);
	return laid(attr(words[0], "user.overlay.redirect", words[1]));
}

/* Where a copy of a file with several names lies, a link out. */
static enum verdict links_dir(enum way w, void *arg)
{
	char name[PATH_MAX];

	(void)arg;
	snprintf(name, sizeof(name), *top ? "../%s/.gsh.links" : "%s/.gsh.links", *top ? top : dir);
	return laid(call(w, SYS_symlinkat, outside, root, name));
}

/* The host's own file gets another name in the layer. */
static enum verdict hard(enum way w, void *arg)
{
	char from[PATH_MAX];

	(void)arg;
	snprintf(from, sizeof(from), "%s/victim", outside);
	return laid(call(w, SYS_linkat, *top ? GRANT_FD_LAYER : AT_FDCWD, from + !!*top, root,
			 at("tree/hard"), 0));
}

static enum verdict deep(enum way w, void *arg)
{
	static char name[201];
	long fd = call(w, SYS_openat, root, at("tree"), O_RDONLY | O_DIRECTORY);
	int n = 0;

	(void)arg;
	memset(name, 'd', sizeof(name) - 1);
	while (fd >= 0 && n < 60 && call(w, SYS_mkdirat, fd, name, 0755) == 0) {
		long next = call(w, SYS_openat, fd, name, O_RDONLY | O_DIRECTORY);

		call(w, SYS_close, fd);
		fd = next;
		n++;
	}
	return n == 60 ? DONE : REFUSED;
}

/* A directory that nobody may read, a file likewise. */
static enum verdict closed(enum way w, void *arg)
{
	(void)arg;
	file("tree/closed", "x");
	mode("tree/closed", 0);
	call(w, SYS_mkdirat, root, at("tree/locked"), 0755);
	return laid(mode("tree/locked", 0));
}

int main(int argc, char **argv)
{
	char home[PATH_MAX];

	if (argc != 5)
		return 2;
	dir = argv[1];
	top = argv[2];
	outside = argv[3];
	hidden = argv[4];
	umask(0);
	if (*top && !way_pal())
		return 2;
	if (*top) {
		/* Ours in the top, too. */
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s/seed", dir);
		close(open(name, O_WRONLY | O_CREAT, 0644));
		snprintf(name, sizeof(name), "%s/pub/f", dir);
		unlink(name);
		snprintf(name, sizeof(name), "%s/pub", dir);
		rmdir(name);
		call(PAL, SYS_unlinkat, GRANT_FD_WORK, at("pub"), 0);
		root = GRANT_FD_WORK;
	}
	attempt("links", PAL, links, NULL);
	attempt("link for a directory", PAL, link_for_dir, NULL);
	attempt("names", PAL, names, NULL);
	attempt("set-id", PAL, set_id, NULL);
	attempt("set-id told", PAL, set_id_told, NULL);
	attempt("device told", PAL, device_told, NULL);
	attempt("disk told", PAL, disk_told, NULL);
	attempt("pipe", PAL, pipes, NULL);
	snprintf(home, sizeof(home), "%s", hidden);
	*strrchr(home, '/') = '\0';
	const char *const to[] = {
		hidden, home, "/", "..", "/..", "../../../..", "moved6", outside
	};
	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		char name[32];

		snprintf(name, sizeof(name), "tree/moved%zu", i);
		attempt("redirect", PAL, redirect, (const char *[]){ name, to[i] });
	}
	attempt("directory of copies", PAL, links_dir, NULL);
	attempt("hard link", PAL, hard, NULL);
	attempt("deep", PAL, deep, NULL);
	attempt("closed", PAL, closed, NULL);
	return 0;
}
