// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A project's settings: .gsh.conf in the directory where one is, or in the nearest parent, and
 * whether the user trusts it.
 *
 * Such a file comes with what was cloned or unpacked, so nothing in it holds before the user has
 * said so (gsh config trust). What is trusted is a path and the SHA-256 of the bytes; the bytes are
 * read once, and those whose digest was compared are those that are parsed and sent. A changed file
 * is a stranger again.
 *
 * What is trusted may not let a sandbox do more than the user's settings do, as they are when it is
 * used, unless that was said, too (--widen): so what the user closes later stays closed.
 *
 * The search ends at the home, at the root and where another file system begins. A file that others
 * may write, or that is no plain file of the user's, is not looked at, trusted or not.
 *
 * The list of what is trusted stands beside the user's settings: a line "DIGEST PATH" each, or
 * "DIGEST+PATH" of what may widen, written aside and renamed under a lock on its folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "gshd/tree/sha256.h"
#include "shell/project.h"

#define TRUSTED_MAX (1 << 20) /* bytes of the list */

/* Why the file is not to be read, or NULL. */
static const char *unfit(int fd, const struct stat *st)
{
	if (fd < 0)
		return errno == ELOOP ? "it is a symbolic link" : strerror(errno);
	if (!S_ISREG(st->st_mode))
		return "it is no plain file";
	if (st->st_uid != geteuid())
		return "it belongs to somebody else";
	if (st->st_mode & S_IWOTH)
		return "everybody may write it";
	return st->st_size > PROJECT_MAX ? "it is too large" : NULL;
}

static const char *read_text(int fd, struct project *p)
{
	struct sha256 sum;
	ssize_t n;
	size_t have = 0;

	while ((n = read(fd, p->text + have, sizeof(p->text) - have)) > 0)
		have += (size_t)n;
	if (n < 0)
		return strerror(errno);
	if (have == sizeof(p->text))
		return "it is too large";
	p->text[have] = '\0';
	if (strlen(p->text) != have)
		return "it is no text";
	sha256_init(&sum);
	sha256_add(&sum, p->text, have);
	sha256_end(&sum, p->digest);
	return NULL;
}

int project_read(struct project *p, const char **why)
{
	int fd = open(p->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st = {0};

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd >= 0 && fstat(fd, &st) < 0) {
		*why = strerror(errno);
		close(fd);
		return -1;
	}
	*why = strchr(p->path, '\n') ? "its path has a line break" : unfit(fd, &st);
	if (!*why)
		*why = read_text(fd, p);
	if (fd >= 0)
		close(fd);
	return *why ? -1 : 1;
}

int project_find(struct project *p, const char **why)
{
	const char *home = getenv("HOME");
	char dir[PATH_MAX], top[PATH_MAX], *slash;
	struct stat here, st;
	int found = 0;

	if (!getcwd(dir, sizeof(dir)) || stat(dir, &here) < 0)
		return 0;
	if (!home || !realpath(home, top))
		strcpy(top, "/");
	while (!found && dir[1] && strcmp(dir, top) != 0 && stat(dir, &st) == 0 && st.st_dev == here.st_dev) {
		if (snprintf(p->path, sizeof(p->path), "%s/" PROJECT_NAME, dir) < (int)sizeof(p->path))
			found = project_read(p, why);
		slash = strrchr(dir, '/');
		slash[slash == dir] = '\0';
	}
	return found;
}

int project_check(const struct project *p, struct conf *conf, char *why, size_t size)
{
	size_t i;
	int err;

	conf_defaults(conf);
	err = conf_read_text(conf, p->path, p->text, why, size);
	for (i = 0; i < conf_nkeys && !err; i++)
		if (strcmp(conf_keys[i].section, "Store") == 0 && *conf->origin[i]) {
			snprintf(why, size, "%s: a project cannot set [Store] %s=", conf->origin[i], conf_keys[i].key);
			err = -EINVAL;
		}
	return err;
}

int project_widens(const struct project *p, struct conf *with, bool *widens, char *why, size_t size)
{
	static struct conf without;
	const struct conf_project project = {.path = p->path, .text = p->text};
	int err = conf_load(&without, why, size), n = 0;
	size_t i;

	if (!err)
		err = conf_load_own(with, &project, NULL, NULL, why, size);
	if (err)
		return err;
	for (i = 0; i < conf_nkeys; i++) {
		size_t at = conf_keys[i].offset;

		widens[i] = conf_widens(&conf_keys[i], (char *)&without + at, (char *)with + at);
		n += widens[i];
	}
	return n;
}

/* ---- the list ---- */

/* The folder of the user's settings. 0 or -errno. */
static int list_folder(char *dir, size_t size)
{
	const char *one = getenv("GSH_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	if (one && *one == '/')
		n = snprintf(dir, size, "%.*s", (int)(strrchr(one, '/') - one), one);
	else if (xdg && *xdg == '/')
		n = snprintf(dir, size, "%s/gsh", xdg);
	else if (home && *home == '/')
		n = snprintf(dir, size, "%s/.config/gsh", home);
	else
		return -ENOENT;
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

int trusted_each(int (*each)(const char *digest, const char *path, enum trust trust, void *arg), void *arg)
{
	char path[PATH_MAX + 16], line[PATH_MAX + 80];
	int err = list_folder(path, PATH_MAX), r = 0;
	FILE *file;

	if (err)
		return err == -ENOENT ? 0 : err;
	strcat(path, "/trusted");
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (!r && fgets(line, sizeof(line), file)) {
		enum trust trust;

		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) < 66 || !strchr(" +", line[64]))
			continue;
		trust = line[64] == '+' ? TRUST_WIDE : TRUST_PLAIN;
		line[64] = '\0';
		r = each(line, line + 65, trust, arg);
	}
	fclose(file);
	return r;
}

static int is_it(const char *digest, const char *path, enum trust trust, void *arg)
{
	const struct project *p = arg;

	return strcmp(digest, p->digest) == 0 && strcmp(path, p->path) == 0 ? (int)trust : 0;
}

enum trust project_trusted(struct project *p)
{
	int r = trusted_each(is_it, p);

	return r > 0 ? (enum trust)r : TRUST_NONE;
}

struct rewriting {
	const char *path; /* whose line goes */
	FILE *to;
	bool had;
};

static int keep_others(const char *digest, const char *path, enum trust trust, void *arg)
{
	struct rewriting *w = arg;

	if (strcmp(path, w->path) == 0)
		w->had = true;
	else
		fprintf(w->to, "%s%c%s\n", digest, trust == TRUST_WIDE ? '+' : ' ', path);
	return 0;
}

/* Write the list without the path, then with it if there is a digest: 1 if it was in it, 0, or -errno. */
static int rewrite(const char *path, const char *digest, enum trust trust)
{
	char dir[PATH_MAX], name[PATH_MAX + 16], aside[PATH_MAX + 32];
	struct rewriting w = {.path = path};
	int err = list_folder(dir, sizeof(dir)), lock;

	if (err)
		return err;
	if (mkdir(dir, 0700) < 0 && errno == ENOENT) { /* ~/.config is missing, too */
		char *slash = strrchr(dir, '/');

		*slash = '\0';
		mkdir(dir, 0700);
		*slash = '/';
		mkdir(dir, 0700);
	}
	lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return -errno;
	snprintf(name, sizeof(name), "%s/trusted", dir);
	snprintf(aside, sizeof(aside), "%s.new", name);
	if (flock(lock, LOCK_EX) < 0 || !(w.to = fopen(aside, "we"))) {
		err = -errno;
		close(lock);
		return err;
	}
	err = trusted_each(keep_others, &w);
	if (digest)
		fprintf(w.to, "%s%c%s\n", digest, trust == TRUST_WIDE ? '+' : ' ', path);
	if (!err && (fflush(w.to) || ferror(w.to) || fsync(fileno(w.to)) < 0))
		err = -EIO;
	if (ftell(w.to) > TRUSTED_MAX)
		err = -EFBIG;
	if (fclose(w.to) && !err)
		err = -EIO;
	if (!err && rename(aside, name) < 0)
		err = -errno;
	if (err)
		unlink(aside);
	close(lock);
	return err ? err : w.had;
}

int project_trust(const struct project *p, enum trust trust)
{
	int r = rewrite(p->path, p->digest, trust);

	return r < 0 ? r : 0;
}

int project_forget(const char *path)
{
	return rewrite(path, NULL, TRUST_NONE);
}

/* ---- here ---- */

/* Trusted, it holds as long as it opens nothing that the user's settings have closed since. */
static bool within(const struct project *p)
{
	static struct conf with;
	bool widens[CONF_KEYS_MAX];
	char why[1024];
	int n = project_widens(p, &with, widens, why, sizeof(why));
	size_t i;

	for (i = 0; n > 0 && !widens[i]; i++)
		;
	if (n > 0)
		note("%s is not used: its [%s] %s= lets sandboxes do more than your settings do "
		     "(gsh config trust --widen)", p->path, conf_keys[i].section, conf_keys[i].key);
	else if (n < 0)
		note("%s is not used: %s", p->path, why);
	return n == 0;
}

const struct project *project_here(void)
{
	static struct project p;
	static bool looked, holds;
	const char *why = NULL;
	enum trust trust;
	int found;

	if (looked)
		return holds ? &p : NULL;
	looked = true;
	found = project_find(&p, &why);
	if (found < 0)
		note("%s is not used: %s", p.path, why);
	trust = found > 0 ? project_trusted(&p) : TRUST_NONE;
	if (found > 0 && trust == TRUST_NONE)
		note("%s is not used: it is not trusted (gsh config trust)", p.path);
	holds = trust == TRUST_WIDE || (trust == TRUST_PLAIN && within(&p));
	return holds ? &p : NULL;
}
