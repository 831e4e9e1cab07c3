/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reading settings: files in order, each through libinih, each key against the table.
 *
 * libinih as distributions build it does not tell its handler the line; our reader counts as it
 * hands lines out.
 */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "conf/conf.h"

struct reading {
	struct conf *conf;
	const char *path;
	FILE *file;
	int line;
	char *why; /* the first error's sentence */
	size_t size;
	int err;
};

static char *next_line(char *buf, int size, void *arg)
{
	struct reading *r = arg;
	char *line = fgets(buf, size, r->file);

	r->line += line != NULL;
	return line;
}

static int bad(struct reading *r, const char *what, const char *name, const char *suggestion)
{
	if (!r->err)
		snprintf(r->why, r->size, "%s:%d: %s '%s'%s%s%s", r->path, r->line, what, name,
			 suggestion ? ", did you mean '" : "", suggestion ? suggestion : "",
			 suggestion ? "'?" : "");
	r->err = -EINVAL;
	return 0;
}

static bool listed(const char *list, const char *value)
{
	char one[CONF_VALUE_MAX];

	while (conf_next(&list, one, sizeof(one)))
		if (!strcmp(one, value))
			return true;
	return false;
}

/* A list grows by what it has not yet, or is emptied; anything else is replaced. False: no room. */
static bool put(struct conf *conf, const struct conf_key *k, const char *value)
{
	char *field = (char *)conf + k->offset;
	size_t have = k->list && *value ? strlen(field) : 0;
	int n;

	if (have && listed(field, value))
		return true;
	n = snprintf(field + have, k->size - have, k->list && *value ? "%s\n" : "%s", value);

	if ((size_t)n < k->size - have)
		return true;
	field[have] = '\0';
	return false;
}

static int on_key(void *arg, const char *section, const char *key, const char *value)
{
	struct reading *r = arg;
	const char *wrong;
	bool known = false;

	for (size_t i = 0; i < conf_nkeys; i++) {
		const struct conf_key *k = &conf_keys[i];
		if (strcmp(k->section, section))
			continue;
		known = true;
		if (strcmp(k->key, key))
			continue;
		wrong = strlen(value) >= CONF_VALUE_MAX ? "it is too long"
			: k->list && !*value		? NULL
							: k->check(value);
		if (!wrong && !put(r->conf, k, value))
			wrong = "there are too many of them";
		if (wrong) {
			bad(r, "bad value for", key, NULL);
			snprintf(r->why + strlen(r->why), r->size - strlen(r->why), ": %s", wrong);
			return 0;
		}
		snprintf(r->conf->origin[i], sizeof(r->conf->origin[i]), "%s:%d", r->path, r->line);
		return 1;
	}
	return known ? bad(r, "unknown key", key, conf_suggest(section, key))
		     : bad(r, "unknown section", section, conf_suggest(NULL, section));
}

/* Takes file. */
static int read_stream(struct conf *conf, FILE *file, const char *path, char *why, size_t size)
{
	struct reading r = { .conf = conf, .path = path, .file = file, .why = why, .size = size };
	int line = ini_parse_stream(next_line, &r, on_key, &r);

	fclose(file);
	if (line && !r.err) {
		snprintf(why, size, "%s:%d: neither a [Section] nor a Key=value", path,
			 line > 0 ? line : 0);
		r.err = -EINVAL;
	}
	return r.err;
}

int conf_read_file(struct conf *conf, const char *path, char *why, size_t size)
{
	FILE *file = fopen(path, "re");
	struct stat st;

	if (!file) {
		int err = errno;
		if (err == ENOENT || err == ENOTDIR)
			return 0;
		snprintf(why, size, "cannot read %s: %s", path, strerror(err));
		return -err;
	}
	if (fstat(fileno(file), &st) || S_ISDIR(st.st_mode)) {
		fclose(file);
		snprintf(why, size, "cannot read %s: it is a directory", path);
		return -EISDIR;
	}
	return read_stream(conf, file, path, why, size);
}

int conf_read_text(struct conf *conf, const char *path, const char *text, char *why, size_t size)
{
	FILE *file;

	if (!*text)
		return 0;
	file = fmemopen((void *)text, strlen(text), "r");
	if (!file) {
		snprintf(why, size, "cannot read %s: %s", path, strerror(errno));
		return -errno;
	}
	return read_stream(conf, file, path, why, size);
}

static int is_dropin(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && !strcmp(e->d_name + n - 5, ".conf");
}

/* DIR/gsh.conf and DIR/gsh.conf.d/NAME.conf in order. */
static int read_dir(struct conf *conf, const char *dir, char *why, size_t size)
{
	struct dirent **names;
	char path[PATH_MAX];
	int err, n;

	snprintf(path, sizeof(path), "%s/gsh.conf", dir);
	err = conf_read_file(conf, path, why, size);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/gsh.conf.d", dir);
	n = scandir(path, &names, is_dropin, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/gsh.conf.d/%s", dir, names[i]->d_name);
		if (!err)
			err = conf_read_file(conf, path, why, size);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return err;
}

void conf_defaults(struct conf *conf)
{
	/* Not all of its 85 KB, which each start of gsh would pay for. */
	for (size_t i = 0; i < conf_nkeys; i++) {
		strcpy((char *)conf + conf_keys[i].offset, conf_keys[i].fallback);
		*conf->origin[i] = '\0';
	}
}

/* All files of the user's and the host's, on top of what conf holds. */
static int read_settings(struct conf *conf, char *why, size_t size)
{
	const char *one = getenv("GSH_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	char dir[PATH_MAX];
	int err;

	if (one && *one)
		return conf_read_file(conf, one, why, size);
	err = read_dir(conf, "/etc/gsh", why, size);
	if (err)
		return err;
	if (xdg && *xdg == '/')
		snprintf(dir, sizeof(dir), "%s/gsh", xdg);
	else if (home && *home == '/')
		snprintf(dir, sizeof(dir), "%s/.config/gsh", home);
	else
		return 0;
	return read_dir(conf, dir, why, size);
}

/* A profile names no other, and not the place that its reader was found in. */
static int read_profile(struct conf *conf, const char *name, char *why, size_t size)
{
	char path[PATH_MAX], keep[CONF_VALUE_MAX];
	int err = conf_profile_path(name, path, sizeof(path), why, size);

	if (err)
		return err;
	snprintf(keep, sizeof(keep), "%s", name);
	strcpy(conf->profile, "");
	err = conf_read_file(conf, path, why, size);
	if (!err && *conf->profile) {
		snprintf(why, size, "%s: a profile cannot have a profile", path);
		err = -EINVAL;
	}
	strcpy(conf->profile, keep);
	return err;
}

static int read_own(struct conf *conf, const struct conf_project *project, const char *own, const char *more, char *why,
		    size_t size)
{
	int err = 0;

	if (project)
		err = project->text ? conf_read_text(conf, project->path, project->text, why, size)
				    : conf_read_file(conf, project->path, why, size);
	if (!err && own)
		err = conf_read_file(conf, own, why, size);
	return !err && more ? conf_read_text(conf, "the words given", more, why, size) : err;
}

int conf_load_own(struct conf *conf, const struct conf_project *project, const char *own, const char *more, char *why,
		  size_t size)
{
	char common[CONF_VALUE_MAX], chosen[CONF_VALUE_MAX];
	int err;

	/* Who names which profile? */
	conf_defaults(conf);
	err = read_settings(conf, why, size);
	strcpy(common, conf->profile);
	strcpy(conf->profile, "");
	if (!err)
		err = read_own(conf, project, own, more, why, size);
	strcpy(chosen, conf->profile);
	if (err)
		return err;
	if (!*chosen && !strcmp(common, "default")) {
		strcpy(conf->profile, common);
		return 0;
	}
	conf_defaults(conf);
	if (!*chosen)
		err = read_profile(conf, common, why, size);
	if (!err)
		err = read_settings(conf, why, size);
	if (!err && *chosen)
		err = read_profile(conf, chosen, why, size);
	return err ? err : read_own(conf, project, own, more, why, size);
}

int conf_load(struct conf *conf, char *why, size_t size)
{
	return conf_load_own(conf, NULL, NULL, NULL, why, size);
}

bool conf_same(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < conf_nkeys; i++)
		if (strcmp((const char *)a + conf_keys[i].offset, (const char *)b + conf_keys[i].offset))
			return false;
	return true;
}

int conf_own_path(char *path, size_t size, const char *store, const char *name)
{
	return snprintf(path, size, "%s/boxes/%s/gsh.conf", store, name) < (int)size ? 0 : -ENAMETOOLONG;
}

int conf_project_path(char *path, size_t size, const char *store, const char *name)
{
	return snprintf(path, size, "%s/boxes/%s/project.conf", store, name) < (int)size ? 0 : -ENAMETOOLONG;
}

bool conf_next(const char **at, char *value, size_t size)
{
	const char *end = strchr(*at, '\n');

	if (!end)
		return false;
	snprintf(value, size, "%.*s", (int)(end - *at), *at);
	*at = end + 1;
	return true;
}
