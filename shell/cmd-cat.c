// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh cat: files of a sandbox, or of one of its versions, without running anything in it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_SANDBOX,
	OPT_ROW_END,
};

static int put_all(int fd)
{
	static char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t done = 0, m; done < n; done += m) {
			m = write(1, buf + done, (size_t)(n - done));
			if (m < 0)
				return fail(FAIL_NO, "cannot write the answer", "%s",
					    strerror(errno));
		}
	return n < 0 ? fail(FAIL_NO, "cat", "%s", strerror(errno)) : 0;
}

static int cat(const struct tree *tree, const char *shown, const char *path)
{
	cleanup_spot struct spot s = { .n = 0 };
	struct union_attr a;
	int err = spot_resolve(tree, path, true, &s, NULL), fd = -1, result;

	if (err)
		return fail(FAIL_NOSUCH, shown, "%s", strerror(-err));
	spot_attr_inside(&s, &a);
	if (S_ISDIR(a.mode))
		return fail(FAIL_NO, shown, "%s", strerror(EISDIR));
	/* A fifo would be waited for, and a device is the libOS's. */
	if (!S_ISREG(a.mode))
		return fail(FAIL_NO, shown, "it is no file");
	fd = spot_open(&s, O_RDONLY);
	if (fd < 0)
		return fail(fd == -EACCES ? FAIL_REFUSED : FAIL_NO, shown, "%s", strerror(-fd));
	result = put_all(fd);
	close(fd);
	return result;
}

static int exec(const struct call *call)
{
	int result = 0;

	for (int i = 0; i < call->argc; i++) {
		struct place place;
		struct version v;
		int r = version_place(&place, call, call->argv[i], true);

		if (!r)
			r = version_open(&v, place.sandbox, place.version);
		if (!r) {
			r = cat(&v.tree, call->argv[i], place.path);
			version_close(&v);
		}
		version_place_free(&place);
		result = r ? r : result;
	}
	return result;
}

const struct cmd cmd_cat = {
	.name = "cat",
	.args = "[SANDBOX[@VERSION]:]PATH...",
	.summary = "print files of a sandbox",
	.help = "A PATH is one inside; without a slash at its beginning it counts from here.\n"
		"Nothing is run inside, and a sandbox that is stopped stays so.",
	.opts = opts,
	.min = 1,
	.max = -1,
	.words = WORDS_INSIDE,
	.group = GROUP_SEE,
	.exec = exec,
};
