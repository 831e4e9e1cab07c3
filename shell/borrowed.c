// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What is inside by way of the host.
 *
 * A folder that was renamed inside has its files where they lie on the host, under the old name;
 * what is not changed there is not in any layer. Before anything of the host goes, the sandbox is
 * told to make such files its own: setting their times to what they are does it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shell/cmd.h"

struct borrowed {
	int fd;
	size_t n;
};

static int find_borrowed(const struct diff_found *f, void *arg)
{
	struct borrowed *b = arg;
	size_t size = strlen(f->path) + 1;

	if (!f->b || f->b->at[0].layer != 0)
		return 0;
	b->n++;
	return write(b->fd, f->path, size) == (ssize_t)size ? 0 : -EIO;
}

int borrowed_own(const struct tree *base, const struct tree *now, const char *sandbox)
{
	static char *const script =
		"exec xargs -0 sh -c 'for f; do touch -c -h -r \"$f\" \"$f\"; done' own";
	char *argv[] = { "sh", "-c", script, NULL };
	struct borrowed b = { .fd = memfd_create("names", MFD_CLOEXEC) };
	const struct diff_calls calls = { .found = find_borrowed, .arg = &b };
	int result = 0, err;

	if (b.fd < 0)
		return fail(FAIL_NO, "commit", "%s", strerror(errno));
	err = tree_diff(base, now, NULL, &calls);
	if (err)
		result = fail(FAIL_NO, "commit", "%s", strerror(-err));
	else if (b.n && lseek(b.fd, 0, SEEK_SET) == 0)
		result = run_helper(sandbox, argv, b.fd, -1);
	close(b.fd);
	return result > 0 ? fail(FAIL_NO, "commit",
				 "the sandbox cannot keep what a renamed folder has on the host")
			  : result;
}
