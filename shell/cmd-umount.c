// SPDX-License-Identifier: GPL-3.0-or-later
/* gsh umount: end the view of the sandboxes as files. */
#include <limits.h>

#include "shell/cmd.h"

static const struct opt opts[] = {
	OPT_ROW_END,
};

static int exec(const struct call *call)
{
	char path[PATH_MAX];
	int result = place_mount(path, sizeof(path));

	return result ? result : place_unmount(path);
}

const struct cmd cmd_umount = {
	.name = "umount",
	.args = "",
	.summary = "unmount them",
	.opts = opts,
	.group = GROUP_HOST,
	.exec = exec,
};
