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
		wrong = strlen(value) < CONF_VALUE_MAX ? k->check(value) : "it is too long";
		if (wrong) {
			bad(r, "bad value for", key, NULL);
			snprintf(r->why + strlen(r->why), r->size - strlen(r->why), ": %s", wrong);
			return 0;
		}
		strcpy((char *)r->conf + k->offset, value);
		snprintf(r->conf->origin[i], sizeof(r->conf->origin[i]), "%s:%d", r->path, r->line);
		return 1;
	}
	return known ? bad(r, "unknown key", key, conf_suggest(section, key))
		     : bad(r, "unknown section", section, conf_suggest(NULL, section));
}

int conf_read_file(struct conf *conf, const char *path, char *why, size_t size)
{
	struct reading r = { .conf = conf, .path = path, .why = why, .size = size };
	struct stat st;
	int line;

	r.file = fopen(path, "re");
	if (!r.file) {
		int err = errno;
		if (err == ENOENT || err == ENOTDIR)
			return 0;
		snprintf(why, size, "cannot read %s: %s", path, strerror(err));
		return -err;
	}
	if (fstat(fileno(r.file), &st) || S_ISDIR(st.st_mode)) {
		fclose(r.file);
		snprintf(why, size, "cannot read %s: it is a directory", path);
		return -EISDIR;
	}
	line = ini_parse_stream(next_line, &r, on_key, &r);
	fclose(r.file);
	if (line && !r.err) {
		snprintf(why, size, "%s:%d: neither a [Section] nor a Key=value", path,
			 line > 0 ? line : 0);
		r.err = -EINVAL;
	}
	return r.err;
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
	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; i < conf_nkeys; i++)
		strcpy((char *)conf + conf_keys[i].offset, conf_keys[i].fallback);
}

int conf_load(struct conf *conf, char *why, size_t size)
{
	const char *one = getenv("GSH_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	char dir[PATH_MAX];
	int err;

	conf_defaults(conf);
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
