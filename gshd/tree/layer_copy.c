// SPDX-License-Identifier: LGPL-3.0-or-later
/* A layer copied as it lies there; see layer.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/tree/layer.h"

#define DEPTH_MAX 512
#define NAMES_MAX 65536

/* Files with several names that were copied: where the first of them is. */
struct names {
	struct one {
		dev_t dev;
		ino_t ino;
		char *path; /* below the copy's root; owned */
	} *one;
	size_t n, room;
};

struct job {
	const struct copy *c;
	const struct layer_note *note;
	int root;
	struct names seen;
	char path[PATH_MAX];
	size_t len;
	unsigned depth;
};

static int copy_xattrs(int from, int to)
{
	char *names = malloc(2 * NAMES_MAX), *value = names + NAMES_MAX;
	ssize_t n = names ? flistxattr(from, names, NAMES_MAX) : -1;
	int err = !names ? -ENOMEM : n < 0 && errno != EOPNOTSUPP ? -errno : 0;

	for (char *p = names; !err && p < names + n; p += strlen(p) + 1) {
		ssize_t m = strncmp(p, "user.", 5) ? -1 : fgetxattr(from, p, value, NAMES_MAX);

		if (m >= 0 && fsetxattr(to, p, value, (size_t)m, 0))
			err = -errno;
	}
	free(names);
	return err;
}

static int finish(int from, int to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	int err = copy_xattrs(from, to);

	if (!err && (fchmod(to, st->st_mode & 07777) || futimens(to, times)))
		err = -errno;
	return err;
}

static const char *seen(const struct job *j, const struct stat *st)
{
	for (size_t i = 0; i < j->seen.n; i++)
		if (j->seen.one[i].ino == st->st_ino && j->seen.one[i].dev == st->st_dev)
			return j->seen.one[i].path;
	return NULL;
}

static int remember(struct job *j, const struct stat *st)
{
	struct names *s = &j->seen;
	char *path = strdup(j->path);

	if (path && s->n == s->room) {
		struct one *more = reallocarray(s->one, s->room + 64, sizeof(*more));

		if (more) {
			s->one = more;
			s->room += 64;
		}
	}
	if (!path || s->n == s->room) {
		free(path);
		return -ENOMEM;
	}
	s->one[s->n].dev = st->st_dev;
	s->one[s->n].ino = st->st_ino;
	s->one[s->n++].path = path;
	return 0;
}

static int copy_file(struct job *j, int from, const char *name, int to)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), out = -1, err = 0;
	struct stat st;

	if (in < 0 || fstat(in, &st))
		err = -errno;
	if (!err && !S_ISREG(st.st_mode))
		err = -ESTALE;
	if (!err) {
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		err = out < 0 ? -errno : copy_data(j->c, in, out, st.st_size);
	}
	if (!err)
		err = finish(in, out, &st);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return err;
}

static int copy_link(int from, const char *name, int to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) || utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int copy_node(int from, const char *name, int to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	(void)from;
	/* The one device of a layer is a whiteout. */
	if (S_ISCHR(st->st_mode) && st->st_rdev)
		return 0;
	if (mknodat(to, name, st->st_mode & (S_IFMT | 0777), 0) ||
	    (!S_ISCHR(st->st_mode) && fchmodat(to, name, st->st_mode & 0777, 0)) ||
	    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return 0;
}

static int copy_dir(struct job *j, int from, int to);

static int copy_subdir(struct job *j, int from, const char *name, int to)
{
	int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), out = -1, err = 0;

	if (in < 0 || mkdirat(to, name, 0700))
		err = -errno;
	if (!err) {
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		err = out < 0 ? -errno : copy_dir(j, in, out);
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return err;
}

/* j->path is that of the object, without the slash at its beginning. */
static int note(const struct job *j, int from, const char *name)
{
	struct statx_timestamp when;
	char path[PATH_MAX + 1];
	struct statx x;

	if (statx(from, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x))
		return -errno;
	snprintf(path, sizeof(path), "/%s", j->path);
	if (touched_object(j->note->old, j->note->layer, path, &x, &when))
		touched_write(j->note->to, path, &when);
	return ferror(j->note->to) ? -ENOSPC : 0;
}

static int copy_name(struct job *j, int from, const char *name, int to)
{
	bool several;
	struct stat st;
	int err;

	if (j->c->stop && *j->c->stop)
		return -EINTR;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	err = note(j, from, name);
	if (err)
		return err;
	several = !S_ISDIR(st.st_mode) && st.st_nlink > 1 && !(S_ISCHR(st.st_mode) && !st.st_rdev);
	if (several && seen(j, &st))
		return linkat(j->root, seen(j, &st), to, name, 0) ? -errno : 0;
	if (S_ISDIR(st.st_mode))
		err = copy_subdir(j, from, name, to);
	else if (S_ISREG(st.st_mode))
		err = copy_file(j, from, name, to);
	else if (S_ISLNK(st.st_mode))
		err = copy_link(from, name, to, &st);
	else
		err = copy_node(from, name, to, &st);
	if (!err && several)
		err = remember(j, &st);
	if (!err && j->c->step)
		j->c->step(1, 0, j->c->arg);
	return err;
}

static int copy_dir(struct job *j, int from, int to)
{
	struct dirent **names;
	size_t len = j->len;
	struct stat st;
	int n, err = 0;

	if (j->depth >= DEPTH_MAX)
		return -ENAMETOOLONG;
	n = scandirat(from, ".", &names, NULL, NULL);
	if (n < 0)
		return -errno;
	j->depth++;
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		bool self = !strcmp(name, ".") || !strcmp(name, "..");

		if (!err && !self && len + strlen(name) + 2 > sizeof(j->path))
			err = -ENAMETOOLONG;
		if (!err && !self) {
			j->len += (size_t)sprintf(j->path + len, "%s%s", len ? "/" : "", name);
			err = copy_name(j, from, name, to);
			j->len = len;
			j->path[len] = '\0';
		}
		free(names[i]);
	}
	free(names);
	j->depth--;
	if (!err && fstat(from, &st))
		err = -errno;
	return err ? err : finish(from, to, &st);
}

int layer_copy(const struct copy *c, int from, int to, const struct layer_note *note)
{
	struct job *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->c = c;
	j->note = note;
	j->root = to;
	err = copy_dir(j, from, to);
	for (size_t i = 0; i < j->seen.n; i++)
		free(j->seen.one[i].path);
	free(j->seen.one);
	free(j);
	return err;
}
