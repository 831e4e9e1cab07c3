// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Extended attributes of the user namespace, as cp -a, git and tar use them.
 */
#include "lib/t.h"

#include <sys/xattr.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char names[4096], *sorted[64];
	int n = 0;
	ssize_t size = llistxattr(path, names, sizeof(names));

	if (size < 0) {
		say("list: %s", t_errname(errno));
		return;
	}
	for (char *p = names; p < names + size && n < 64; p += strlen(p) + 1)
		if (!strncmp(p, "user.", 5))
			sorted[n++] = p;
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	say("list: %d names", n);
	for (int i = 0; i < n; i++)
		say("  %s", sorted[i]);
}

static void basics(void)
{
	char b[64];

	t_write_file("f", "x");
	list("f");
	fails(getxattr("f", "user.a", b, sizeof(b)), ENODATA);
	eq(setxattr("f", "user.a", "one", 3, 0), 0);
	eq(getxattr("f", "user.a", b, sizeof(b)), 3);
	ok(!memcmp(b, "one", 3));
	eq(getxattr("f", "user.a", NULL, 0), 3);
	fails(getxattr("f", "user.a", b, 2), ERANGE);
	fails(setxattr("f", "user.a", "two", 3, XATTR_CREATE), EEXIST);
	fails(setxattr("f", "user.b", "two", 3, XATTR_REPLACE), ENODATA);
	eq(setxattr("f", "user.a", "longer value", 12, XATTR_REPLACE), 0);
	eq(getxattr("f", "user.a", b, sizeof(b)), 12);
	eq(setxattr("f", "user.empty", "", 0, 0), 0);
	eq(getxattr("f", "user.empty", b, sizeof(b)), 0);
	list("f");
	eq(removexattr("f", "user.a"), 0);
	fails(removexattr("f", "user.a"), ENODATA);
	list("f");
	fails(listxattr("f", b, 1), ERANGE);
	fails(listxattr("gone", b, 1), ENOENT);
	fails(setxattr("gone", "user.a", "", 0, 0), ENOENT);
	fails(setxattr("f", "user.a", "", 0, 99), EINVAL);
	fails(setxattr("f", "nonamespace", "", 0, 0), EOPNOTSUPP);
	fails(setxattr("f", "user.", "", 0, 0), EINVAL);
	fails(setxattr("f", "", "", 0, 0), ERANGE);
	char big[300];
	memset(big, 'n', sizeof(big));
	memcpy(big, "user.", 5);
	big[299] = 0;
	fails(setxattr("f", big, "", 0, 0), ERANGE);
}

static void by_descriptor(void)
{
	char b[16];

	t_write_file("f", "x");
	int fd = must(open("f", O_RDWR));
	eq(fsetxattr(fd, "user.k", "v", 1, 0), 0);
	eq(fgetxattr(fd, "user.k", b, sizeof(b)), 1);
	ok(flistxattr(fd, NULL, 0) >= 7);
	eq(fremovexattr(fd, "user.k"), 0);
	fails(fgetxattr(77, "user.k", b, sizeof(b)), EBADF);
	int p = must(open("f", O_PATH));
	fails(fgetxattr(p, "user.k", b, sizeof(b)), EBADF);
	must(mkdir("d", 0755));
	eq(setxattr("d", "user.dir", "yes", 3, 0), 0);
	eq(getxattr("d", "user.dir", b, sizeof(b)), 3);
	must(symlink("f", "l"));
	eq(setxattr("l", "user.through", "1", 1, 0), 0);
	eq(getxattr("f", "user.through", b, sizeof(b)), 1);
	fails(lgetxattr("l", "user.through", b, sizeof(b)), ENODATA);
	fails(lsetxattr("l", "user.x", "1", 1, 0), EPERM);
}

static void stays(void)
{
	char b[16];

	t_write_file("f", "x");
	must(setxattr("f", "user.k", "v", 1, 0));
	must(rename("f", "g"));
	eq(getxattr("g", "user.k", b, sizeof(b)), 1);
	must(link("g", "h"));
	eq(getxattr("h", "user.k", b, sizeof(b)), 1);
	must(chmod("g", 0444));
	if (!t_root())
		fails(setxattr("g", "user.k2", "v", 1, 0), EACCES);
	eq(getxattr("g", "user.k", b, sizeof(b)), 1);
	must(chmod("g", 0));
	if (!t_root())
		fails(getxattr("g", "user.k", b, sizeof(b)), EACCES);
	if (!t_root())
		fails(setxattr("/etc/passwd", "user.k", "v", 1, 0), EACCES);
	must(mkfifo("p", 0600));
	fails(setxattr("p", "user.k", "v", 1, 0), EPERM);
}

/* A sandbox's own marks on its layers must not be seen, and can't be set. */
static void overlay_names(void)
{
	t_write_file("f", "x");
	must(mkdir("d", 0755));
	list("f");
	list("d");
	must(unlink("f"));
	must(rmdir("d"));
	must(mkdir("d", 0755));
	list("d");
}

T_MAIN(T(basics), T(by_descriptor), T(stays), T(overlay_names))
