/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Joining layers: the oldest ops of a sandbox become one layer, which no longer tells them apart.
 *
 * Only while nothing runs. The joined layer is made beside the others, of hard links: files are not
 * copied, and until it has its place by way of `pending` nothing has changed. What a snapshot ends
 * with is not joined with what lies above it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "gshd/history_impl.h"
#include "gshd/tree/touched.h"
#include "libos/union/union.h"

#define DEPTH_MAX 400

/* The directories of one name in the layers to be joined, highest first. */
struct parts {
	int fd[GRANT_LAYERS_MAX];
	uint32_t number[GRANT_LAYERS_MAX]; /* of their layers */
	unsigned n;
	bool opaque; /* what lies below the joined layer does not show through */
	struct statx_timestamp since; /* nor did what is in it from then on, if it is not 0 */
};

/* What is written down of the layers, and what will be of the joined one (gshd/tree/touched.h). */
struct joining {
	struct touched old;
	FILE *touched;
	char path[PATH_MAX]; /* of the directory at hand */
};

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static int copy_xattrs(int from, int to)
{
	char names[8192], value[8192];
	ssize_t n = flistxattr(from, names, sizeof(names));

	if (n < 0)
		return -errno;
	for (const char *p = names; p < names + n; p += strlen(p) + 1) {
		ssize_t size = strncmp(p, "user.", 5) ? -1 : fgetxattr(from, p, value, sizeof(value));
		if (!strcmp(p, UNION_OPAQUE))
			continue;
		if (!strncmp(p, "user.", 5) && (size < 0 || fsetxattr(to, p, value, (size_t)size, 0)))
			return -errno;
	}
	return 0;
}

/* What a directory is, after it has its contents. */
static int copy_dir_attrs(const struct parts *p, int to)
{
	struct timespec times[2];
	struct stat st;
	int err;

	if (fstat(p->fd[0], &st))
		return -errno;
	err = copy_xattrs(p->fd[0], to);
	if (!err && p->opaque && fsetxattr(to, UNION_OPAQUE, "y", 1, 0))
		err = -errno;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (!err && (fchmod(to, st.st_mode & 07777) || futimens(to, times)))
		err = -errno;
	return err;
}

static bool has_flag(int dir, const char *name)
{
	char v[2];

	return fgetxattr(dir, name, v, sizeof(v)) == 1 && v[0] == 'y';
}

static void close_parts(struct parts *p)
{
	for (unsigned i = 0; i < p->n; i++)
		close(p->fd[i]);
	p->n = 0;
}

/* The directories called name from layer `first` down, as far as they make up one. A redirect leads anywhere:
 * -EOPNOTSUPP. */
static int gather(const struct parts *from, unsigned first, const char *name, struct parts *to)
{
	struct stat st;

	for (unsigned i = first; i < from->n && !to->opaque; i++) {
		int fd = open_dir(from->fd[i], name);
		if (fd < 0) {
			/* A file or a whiteout hides all below. */
			to->opaque = !fstatat(from->fd[i], name, &st, AT_SYMLINK_NOFOLLOW);
			continue;
		}
		to->number[to->n] = from->number[i];
		to->fd[to->n++] = fd;
		to->opaque = has_flag(fd, UNION_OPAQUE);
		if (fgetxattr(fd, UNION_REDIRECT, NULL, 0) >= 0)
			return -EOPNOTSUPP;
	}
	return to->n ? 0 : -ESTALE;
}

static bool is_time(const struct statx_timestamp *t)
{
	return t->tv_sec || t->tv_nsec;
}

/* The object that stays tells a later time than the first of those of its name did, if it is not the first itself, is a
 * directory, which is made anew, or a whiteout, whose change time another name moves. *earliest: that time, or 0. */
static void note_touched(struct joining *j, const struct parts *p, unsigned first, const char *name,
			 struct statx_timestamp *earliest)
{
	struct statx_timestamp when;
	bool moves = is_time(&p->since);
	unsigned found = 0;
	struct statx x;

	*earliest = p->since;
	for (unsigned i = first; i < p->n; i++) {
		if (statx(p->fd[i], name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x) ||
		    !touched_object(&j->old, p->number[i], j->path, &x, &when))
			continue;
		if (!is_time(earliest) || touched_before(&when, earliest))
			*earliest = when;
		moves |= found++ || S_ISDIR(x.stx_mode) || S_ISCHR(x.stx_mode) || touched_before(&when, &x.stx_btime);
	}
	if (moves)
		touched_write(j->touched, j->path, earliest);
}

static int join_dir(struct joining *j, const struct parts *p, int to, unsigned depth);

static int join_subdir(struct joining *j, const struct parts *p, unsigned first, const char *name, int to,
		       const struct statx_timestamp *since, unsigned depth)
{
	struct parts *sub = calloc(1, sizeof(*sub));
	int fd = -1, err = sub ? gather(p, first, name, sub) : -ENOMEM;

	if (!err && mkdirat(to, name, 0700))
		err = -errno;
	if (!err) {
		sub->since = sub->opaque ? *since : p->since;
		fd = open_dir(to, name);
		err = fd < 0 ? -errno : join_dir(j, sub, fd, depth + 1);
	}
	if (fd >= 0)
		close(fd);
	if (sub)
		close_parts(sub);
	free(sub);
	return err;
}

static int join_name(struct joining *j, const struct parts *p, unsigned i, const char *name, int to, unsigned depth)
{
	size_t at = strlen(j->path);
	struct statx_timestamp since;
	struct stat st, seen;
	int err;

	if (!fstatat(to, name, &seen, AT_SYMLINK_NOFOLLOW))
		return 0; /* of a higher layer */
	if (fstatat(p->fd[i], name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (at + strlen(name) + 2 > sizeof(j->path))
		return -ENAMETOOLONG;
	snprintf(j->path + at, sizeof(j->path) - at, "/%s", name);
	note_touched(j, p, i, name, &since);
	if (S_ISDIR(st.st_mode))
		err = join_subdir(j, p, i, name, to, &since, depth);
	else
		err = linkat(p->fd[i], name, to, name, 0) ? -errno : 0;
	j->path[at] = '\0';
	return err;
}

static int join_dir(struct joining *j, const struct parts *p, int to, unsigned depth)
{
	int err = depth > DEPTH_MAX ? -ELOOP : 0;

	for (unsigned i = 0; i < p->n && !err; i++) {
		struct dirent **names;
		int n = scandirat(p->fd[i], ".", &names, NULL, NULL);

		if (n < 0)
			return -errno;
		for (int k = 0; k < n; k++) {
			const char *name = names[k]->d_name;
			if (!err && strcmp(name, ".") && strcmp(name, ".."))
				err = join_name(j, p, i, name, to, depth);
			free(names[k]);
		}
		free(names);
	}
	return err ? err : copy_dir_attrs(p, to);
}

/* ---- which ---- */

static bool in_list(struct json_object *snapshot, uint32_t layer)
{
	struct json_object *list;

	if (!json_object_object_get_ex(snapshot, "layers", &list) || !json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (json_object_get_int64(json_object_array_get_idx(list, i)) == layer)
			return true;
	return false;
}

/* Is there a snapshot that has one of the two and not the other? */
static bool apart(struct json_object *snapshots, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < json_object_array_length(snapshots); i++) {
		struct json_object *s = json_object_array_get_idx(snapshots, i);
		if (in_list(s, a) != in_list(s, b))
			return true;
	}
	return false;
}

/* The file of the joined layer's first touches, while it is built. */
static int begin_touched(struct joining *j, struct history *h, const uint32_t *number, unsigned n)
{
	int fd, err = layers_dir(h->box, "touched", 0700);

	for (unsigned i = 0; i < n && !err; i++)
		err = touched_load(&j->old, h->box, number[i]);
	touched_sort(&j->old);
	fd = err ? err : openat(h->box, "touched/.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err ? err : -errno;
	j->touched = fdopen(fd, "w");
	if (!j->touched)
		close(fd);
	return j->touched ? 0 : -ENOMEM;
}

/* It is there before the layer is: times that are too early cost a merge, later ones a file. */
static int end_touched(struct joining *j, const struct history *h, uint32_t number)
{
	char path[32];
	int err = ferror(j->touched) || fflush(j->touched) ? -EIO : fsync(fileno(j->touched)) ? -errno : 0;

	snprintf(path, sizeof(path), "touched/%04u", number);
	return err || !renameat(h->box, "touched/.new", h->box, path) ? err : -errno;
}

static int build(struct history *h, const uint32_t *number, unsigned n)
{
	struct joining *j = calloc(1, sizeof(*j));
	struct parts p = { .n = 0 };
	int to, err = j ? store_delete_tree(h->box, "joining") : -ENOMEM;
	char path[32];

	if (!err || err == -ENOENT)
		err = mkdirat(h->box, "joining", 0700) ? -errno : begin_touched(j, h, number, n);
	if (err) {
		if (j)
			touched_free(&j->old);
		free(j);
		return err;
	}
	for (unsigned i = n; i-- > 0 && p.n == n - 1 - i;) {
		snprintf(path, sizeof(path), "layers/%04u", number[i]);
		p.fd[p.n] = open_dir(h->tree, path);
		p.number[p.n] = number[i];
		p.n += p.fd[p.n] >= 0;
	}
	to = open_dir(h->box, "joining");
	err = p.n < n || to < 0 ? -EIO : join_dir(j, &p, to, 0);
	close_parts(&p);
	if (!err)
		err = end_touched(j, h, number[n - 1]);
	fclose(j->touched);
	touched_free(&j->old);
	free(j);
	if (!err && syncfs(to))
		err = -errno;
	if (to >= 0)
		close(to);
	return err;
}

static int join_range(struct history *h, unsigned first, unsigned n)
{
	uint32_t number[GRANT_LAYERS_MAX];
	int err;

	memcpy(number, h->number + first, n * sizeof(*number));
	err = store_empty(h->box, "trash"); /* the number of the last is given again */
	if (!err)
		err = build(h, number, n);
	if (!err)
		err = history_change(h, "join", number, n);
	if (!err)
		err = journal_note(h, "squash", number, n);
	store_delete_tree(h->box, "joining");
	return err;
}

int history_join(struct history *h, unsigned keep)
{
	struct json_object *snapshots = history_snapshots(h->box);
	unsigned first = h->image;
	int err = 0;

	/* From the lowest up, as long as there are too many; the top and those to keep are left alone. */
	while (!err && h->n > keep && first + keep < h->n) {
		unsigned n = 1, most = h->n - keep + 1;

		while (n < most - first && first + n + 1 < h->n &&
		       !apart(snapshots, h->number[first + n - 1], h->number[first + n]))
			n++;
		err = n > 1 ? join_range(h, first, n) : 0;
		first++;
	}
	json_object_put(snapshots);
	return err;
}

void history_trim(struct history *h, unsigned above)
{
	if (h->n > above && history_join(h, HISTORY_JOIN_KEEP))
		store_delete_tree(h->box, "joining");
}
