/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The "#!" line: interpreter, and everything after it as one optional argument. As fs/binfmt_script.c, with its limit
 * of 256 bytes: an interpreter's name that may have been cut off there is refused, a cut argument is not.
 */
#include "libos/boot/boot.h"

#define SCRIPT_HEAD 256

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

int script_parse(char *head, size_t n, char **interp, char **arg)
{
	char *end, *p = head + 2, *name_end;

	if (n < 2 || head[0] != '#' || head[1] != '!')
		return -ENOEXEC;
	n = MIN(n, SCRIPT_HEAD);
	head[n] = 0;
	end = memchr(p, '\n', n - 2);
	if (!end) {
		end = head + MIN(strlen(head), SCRIPT_HEAD - 1);
		while (blank(*p))
			p++;
		if (!*p)
			return n < SCRIPT_HEAD ? -EACCES : -ENOEXEC; /* no name: the working directory */
		name_end = p;
		while (*name_end && !blank(*name_end))
			name_end++;
		/* Cut off within the name: what is here might be another program's. */
		if (n == SCRIPT_HEAD && !*name_end)
			return -ENOEXEC;
	}
	while (end > p && blank(end[-1]))
		end--;
	*end = 0;
	while (blank(*p))
		p++;
	if (!*p)
		return -ENOEXEC;
	*interp = p;
	while (*p && !blank(*p))
		p++;
	*arg = NULL;
	if (!*p)
		return 0;
	*p++ = 0;
	while (blank(*p))
		p++;
	*arg = *p ? p : NULL;
	return 0;
}
