// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Changing the sandbox's own past: contents and names in a layer that was sealed.
 *
 *   past FILE TOP    paths from the sandbox's tree: a file in a sealed layer; the top's directory
 *
 * That the same calls work in the top shows that they are well formed.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pal/grant.h"

static char file[4096], layer[4096], fresh[4200], own[4200];

static enum verdict open_it(enum way w, void *arg)
{
	long fd = call(w, SYS_openat, GRANT_FD_WORK, file, (long)arg | O_NOFOLLOW | O_CLOEXEC, 0600);

	return must_fail(fd);
}

static enum verdict make(enum way w, void *arg)
{
	return must_fail(call(w, SYS_openat, GRANT_FD_WORK, fresh, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
}

static enum verdict make_dir(enum way w, void *arg)
{
	return must_fail(call(w, SYS_mkdirat, GRANT_FD_WORK, fresh, 0700));
}

static enum verdict whiteout(enum way w, void *arg)
{
	return must_fail(call(w, SYS_mknodat, GRANT_FD_WORK, fresh, S_IFCHR, 0));
}

static enum verdict remove_it(enum way w, void *arg)
{
	return must_fail(call(w, SYS_unlinkat, GRANT_FD_WORK, file, 0));
}

static enum verdict take(enum way w, void *arg)
{
	return must_fail(call(w, SYS_renameat2, GRANT_FD_WORK, file, GRANT_FD_WORK, "taken", 0));
}

static enum verdict take_layer(enum way w, void *arg)
{
	return must_fail(call(w, SYS_renameat2, GRANT_FD_WORK, layer, GRANT_FD_WORK, "taken", 0));
}

static enum verdict put(enum way w, void *arg)
{
	long fd = call(w, SYS_openat, GRANT_FD_WORK, "mine", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		call(w, SYS_close, fd);
	return must_fail(call(w, SYS_renameat2, GRANT_FD_WORK, "mine", GRANT_FD_WORK, file, 0));
}

static enum verdict read_it(enum way w, void *arg)
{
	return call(w, SYS_openat, GRANT_FD_WORK, file, O_RDONLY | O_CLOEXEC) >= 0 ? DONE : REFUSED;
}

static enum verdict in_top(enum way w, void *arg)
{
	long fd = call(w, SYS_openat, GRANT_FD_WORK, own, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	return fd >= 0 && !call(w, SYS_unlinkat, GRANT_FD_WORK, own, 0) ? DONE : REFUSED;
}

int main(int argc, char **argv)
{
	int escaped = 0;

	if (!way_pal() || argc != 3)
		return 2;
	snprintf(file, sizeof(file), "../%.4000s", argv[1]);
	snprintf(layer, sizeof(layer), "../%.11s", argv[1]);
	snprintf(fresh, sizeof(fresh), "%s/made", layer);
	snprintf(own, sizeof(own), "../%.4000s/made", argv[2]);
	attempt("read", PAL, read_it, NULL);
	attempt("write in the top", PAL, in_top, NULL);
	escaped += attempt("write", PAL, open_it, (void *)O_WRONLY);
	escaped += attempt("truncate", PAL, open_it, (void *)(O_WRONLY | O_TRUNC));
	escaped += attempt("create", PAL, make, NULL);
	escaped += attempt("mkdir", PAL, make_dir, NULL);
	escaped += attempt("whiteout", PAL, whiteout, NULL);
	escaped += attempt("unlink", PAL, remove_it, NULL);
	escaped += attempt("rename away", PAL, take, NULL);
	escaped += attempt("rename the layer", PAL, take_layer, NULL);
	escaped += attempt("rename over", PAL, put, NULL);
	return escaped ? 1 : 0;
}
