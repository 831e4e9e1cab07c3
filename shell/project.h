/* SPDX-License-Identifier: GPL-3.0-or-later */
/* project.c: a project's settings, and whether they are trusted. */
#ifndef SHELL_PROJECT_H
#define SHELL_PROJECT_H

#include <limits.h>

#include "shell/shell.h"

struct conf;

#define PROJECT_NAME ".gsh.conf"
#define PROJECT_MAX 32768

struct project {
	char path[PATH_MAX]; /* absolute, without links but in what others may not change */
	char text[PROJECT_MAX + 1];
	char digest[65]; /* of the text */
};

/* The file p->path: 1 it was read, 0 there is none, -1 it is not fit to be used, and *why. */
int project_read(struct project *p, const char **why) MUST_CHECK;
/* The same for the nearest one from here up. */
int project_find(struct project *p, const char **why) MUST_CHECK;
/* Is it well formed? What it says on top of the defaults in conf. 0, or -errno with a sentence. */
int project_check(const struct project *p, struct conf *conf, char *why, size_t size) MUST_CHECK;
/* What holds with it: the defaults, the user's settings, and its own over them; widens[i] of a key: it lets sandboxes do
 * more than the user's settings do. How many do, or -errno with a sentence. */
int project_widens(const struct project *p, struct conf *with, bool *widens, char *why, size_t size) MUST_CHECK;
/* TRUST_WIDE: even where it widens. */
enum trust { TRUST_NONE, TRUST_PLAIN, TRUST_WIDE };
enum trust project_trusted(struct project *p) MUST_CHECK;
/* 0 or -errno. */
int project_trust(const struct project *p, enum trust trust) MUST_CHECK;
/* 1, 0 if it was not trusted, or -errno. */
int project_forget(const char *path) MUST_CHECK;
/* All that is trusted, until one returns not 0, which is the result; or -errno. */
int trusted_each(int (*each)(const char *digest, const char *path, enum trust trust, void *arg), void *arg) MUST_CHECK;
/* The one that holds here, or NULL. The first time, one that is there and does not hold is said. */
const struct project *project_here(void) MUST_CHECK;

#endif
