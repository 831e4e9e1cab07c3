/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * MON_HIDDEN: somebody looked for what is hidden (hidden.c). It is noted as refused if it is there, and if its name
 * is one that a person can be shown in a line to be typed: the sandbox can say any.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "gshd/monitor/monitor.h"

static bool showable(const char *path)
{
	size_t n = strlen(path);

	for (const char *c = path; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("/._-+@=,~", *c))
			return false;
	return n < DENIAL_WHAT && !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
	       (n < 3 || strcmp(path + n - 3, "/..") != 0);
}

void hidden_note(struct monitor *m, const char *path)
{
	struct stat st;

	if (!showable(path))
		return;
	/* Who mounts there looks first for what it mounts over. */
	for (unsigned i = 0; i < m->nbinds; i++)
		if (!m->binds[i].gone && (!strcmp(path, m->binds[i].at) || path_below(path, m->binds[i].at)))
			return;
	/* Not gsh's own: nobody could allow them. */
	for (unsigned i = m->nown; i < m->nhidden; i++)
		if (!strcmp(path, m->hidden[i]) || path_below(path, m->hidden[i])) {
			if (!lstat(path, &st))
				denial_note(m, "path", path);
			return;
		}
}

void answer_hidden(struct monitor *m, struct request *r)
{
	const char *below = r->data;
	char path[2 * PATH_MAX + 8];

	if (below[r->size - 1] || *below == '/')
		return;
	snprintf(path, sizeof(path), "%s/%s", strcmp(m->spec.base, "/") ? m->spec.base : "", below);
	hidden_note(m, path);
}
