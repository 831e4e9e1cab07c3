/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Reading /proc/self/mountinfo. See mounts.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "gshd/client/mounts.h"

/* The kernel writes space, tab, newline and backslash as three octal digits
 * (proc_pid_mountinfo(5)). */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			unsigned code = 0;
			for (int i = 1; i <= 3; i++)
				code = code << 3 | ((unsigned)text[i] & 7);
			*to++ = (char)code;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

int mounts_fuse(const char *path, dev_t *dev)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, at[PATH_MAX], type[64];
	unsigned major, minor;
	size_t room = 0;
	int found = 0;

	*dev = 0;
	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*s %*s %u:%u %*s %4095s", &major, &minor, at) != 3 ||
		    sscanf(rest, " - %63s", type) != 1)
			continue;
		unescape(at);
		if (strcmp(at, path))
			continue;
		/* The last of several is on top. */
		found = !strncmp(type, "fuse", 4);
		*dev = makedev(major, minor);
	}
	free(line);
	fclose(f);
	return found;
}
