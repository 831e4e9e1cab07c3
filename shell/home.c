// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What of a sandbox may go home unasked.
 *
 * A sandbox is not trusted, and who commits all of it has not read all of it. So what would do harm
 * without being looked at is refused: gsh's own places and the kernel's always, the rest unless
 * somebody gave its path.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gshd/client/paths.h"
#include "shell/cmd.h"

bool home_below(const char *path, const char *dir)
{
	size_t n = dir ? strlen(dir) : 0;

	if (!dir)
		return false;
	return n == 1 || (strncmp(path, dir, n) == 0 && (!path[n] || path[n] == '/'));
}

/* exact: the very path was given; else one above it will do. */
static bool is_named(const struct diff_scope *given, const char *path, bool exact)
{
	for (size_t i = 0; i < given->n; i++)
		if (exact ? strcmp(path, given->paths[i]) == 0 : home_below(path, given->paths[i]))
			return true;
	return false;
}

bool home_named(const struct diff_scope *given, const char *dir)
{
	for (size_t i = 0; i < given->n; i++)
		if (home_below(given->paths[i], dir))
			return true;
	return false;
}

const char *home_refusal(const struct home *home, const struct diff_scope *given,
			 const struct diff_found *f)
{
	static const char *const system[] = { "/proc", "/sys", "/dev", "/run" };
	uint32_t mode = f->b ? f->is.mode : 0;

	for (size_t i = 0; i < sizeof(home->own) / sizeof(home->own[0]); i++)
		if (home_below(f->path, home->own[i]))
			return "gsh keeps its own things there";
	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
		if (home_below(f->path, system[i]))
			return "the kernel's files are not committed";
	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		return "devices and sockets are not committed";
	if (S_ISREG(mode) && mode & 06000 && !is_named(given, f->path, true))
		return "it has a set-ID bit; give its path to commit it nevertheless";
	if (!home_below(f->path, home->roots[0]) && !home_below(f->path, home->roots[1]) &&
	    !is_named(given, f->path, false))
		return "it is outside the home and the current directory; give its path to commit "
		       "it nevertheless";
	return NULL;
}

static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

int home_find(struct home *home)
{
	const char *user = getenv("HOME");
	struct paths paths;
	char why[1024], *here;

	if (paths_find(&paths, why, sizeof(why)))
		return fail(FAIL_USAGE, "settings", "%s", why);
	home->own[0] = real_path(paths.store);
	home->own[1] = real_path(paths.runtime);
	home->own[2] = real_path(paths.mount);
	home->roots[0] = user && user[0] == '/' && user[1] ? realpath(user, NULL) : NULL;
	here = getcwd(NULL, 0);
	/* Who stands at the root has not pointed at anything. */
	if (here && strcmp(here, "/") != 0)
		home->roots[1] = here;
	else
		free(here);
	return 0;
}

void home_free(struct home *home)
{
	for (size_t i = 0; i < sizeof(home->own) / sizeof(home->own[0]); i++)
		free(home->own[i]);
	for (size_t i = 0; i < sizeof(home->roots) / sizeof(home->roots[0]); i++)
		free(home->roots[i]);
}
