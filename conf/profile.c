/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Profiles: settings by name, one file NAME.conf each, in folders of which the first that has the name counts.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/conf.h"

#define FOLDERS_MAX 4
#define SEEN_MAX 64

struct folders {
	unsigned n;
	char path[FOLDERS_MAX][PATH_MAX];
};

static void add(struct folders *f, const char *fmt, const char *arg)
{
	if (snprintf(f->path[f->n], PATH_MAX, fmt, arg) < PATH_MAX)
		f->n++;
}

/* Where a test sets GSH_CONFIG, nothing of the user's or the host's is looked at. */
static void find(struct folders *f)
{
	const char *one = getenv("GSH_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	f->n = 0;
	if (one && *one) {
		char *slash, dir[PATH_MAX];

		snprintf(dir, sizeof(dir), "%s", one);
		slash = strrchr(dir, '/');
		if (slash) {
			*slash = '\0';
			add(f, "%s/profiles", dir);
		}
	} else {
		if (xdg && *xdg == '/')
			add(f, "%s/gsh/profiles", xdg);
		else if (home && *home == '/')
			add(f, "%s/.config/gsh/profiles", home);
		add(f, "%s/profiles", "/etc/gsh");
	}
	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		add(f, "%s/../share/gsh/profiles", self);
	}
	add(f, "%s/profiles", GSH_DATADIR);
}

struct seen {
	void (*each)(const char *name, void *arg);
	void *arg;
	unsigned n;
	char name[SEEN_MAX][64];
};

static void see(struct seen *s, const char *file)
{
	size_t len = strlen(file);
	char name[64];

	if (*file == '.' || len < 6 || len - 5 >= sizeof(name) || strcmp(file + len - 5, ".conf"))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(len - 5), file);
	for (unsigned i = 0; i < s->n; i++)
		if (!strcmp(s->name[i], name))
			return;
	if (s->n == SEEN_MAX)
		return;
	strcpy(s->name[s->n++], name);
	s->each(name, s->arg);
}

void conf_profiles(void (*each)(const char *name, void *arg), void *arg)
{
	static struct folders f;
	static struct seen s;
	struct dirent *e;

	s = (struct seen){ .each = each, .arg = arg };
	find(&f);
	for (unsigned i = 0; i < f.n; i++) {
		DIR *d = opendir(f.path[i]);

		while (d && (e = readdir(d)))
			see(&s, e->d_name);
		if (d)
			closedir(d);
	}
}

struct nearest {
	const char *word;
	unsigned least;
	char name[64];
};

static void compare(const char *name, void *arg)
{
	struct nearest *n = arg;
	unsigned d = conf_distance(n->word, name);

	if (d >= n->least)
		return;
	n->least = d;
	snprintf(n->name, sizeof(n->name), "%s", name);
}

int conf_profile_path(const char *name, char *path, size_t path_size, char *why, size_t size)
{
	static struct folders f;
	struct nearest near = { .word = name, .least = 4 };

	if (*name == '.' || strchr(name, '/')) {
		snprintf(why, size, "'%.64s' is no name of a profile", name);
		return -EINVAL;
	}
	find(&f);
	for (unsigned i = 0; i < f.n; i++)
		if (snprintf(path, path_size, "%s/%s.conf", f.path[i], name) < (int)path_size &&
		    !access(path, F_OK)) {
			char *real = realpath(path, NULL);

			if (real && strlen(real) < path_size)
				strcpy(path, real);
			free(real);
			return 0;
		}
	conf_profiles(compare, &near);
	snprintf(why, size, "there is no profile '%.64s'%s%s%s", name, *near.name ? ", did you mean '" : "", near.name,
		 *near.name ? "'?" : "");
	return -ENOENT;
}
