/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Joining layers: the oldest ops of a sandbox become one layer, which no longer tells them apart.
 *
 * The highest of them takes in what the others have, by hard links: files are not copied. A name that it lacks means
 * the same whether it is found there or in the layer below, so at each step of the way the tree is what it was, and
 * processes may run, the work be given up or killed, and be begun anew. Only then the others leave the chain, as with
 * undo. A directory that only they have is made beside, whole, and moved in; it keeps its inode number as one that was
 * copied up does. Of a file the change time moves, as with every link(2).
 *
 * What a snapshot ends with is not joined with what lies above it.
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
#include "gshd/store/history_impl.h"
#include "gshd/tree/touched.h"
#include "libos/union/union.h"

#define DEPTH_MAX 400
#define BESIDE "joining"

/* The directories of one name in the layers to be joined, highest first: that of the layer that takes the others in is
 * the first, if it has it. */
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
	int beside;	     /* where directories are made */
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

static int set_flag(int dir, const char *name)
{
	return fsetxattr(dir, name, "y", 1, 0) ? -errno : 0;
}

/* It goes on under the number that it had: that of the highest part, or what that had from another one. */
static int keep_number(const struct stat *st, int to)
{
	char value[UNION_VALUE_MAX];

	if (union_is_marked(st->st_mode) && fgetxattr(to, UNION_ORIGIN, value, sizeof(value)) > 0)
		return 0;
	return fsetxattr(to, UNION_ORIGIN, value, union_origin_encode(value, st->st_ino), 0) ? -errno : 0;
}

/* What a directory is, after it has its contents. A listing of it must look for its entries' numbers. */
static int copy_dir_attrs(const struct parts *p, int to)
{
	struct timespec times[2];
	struct stat st;
	int err;

	if (fstat(p->fd[0], &st))
		return -errno;
	err = copy_xattrs(p->fd[0], to);
	if (!err)
		err = keep_number(&st, to);
	if (!err)
		err = set_flag(to, UNION_IMPURE);
	if (!err && p->opaque)
		err = set_flag(to, UNION_OPAQUE);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (!err && (fchmod(to, (st.st_mode & 07777) | UNION_MARK) || futimens(to, times)))
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

/* A whiteout gets no second name, for that moves the time that it tells, also if nothing comes of the join. */
static int take_in(int from, const char *name, const struct stat *st, int to)
{
	if (union_is_whiteout(st->st_mode, st->st_rdev))
		return mknodat(to, name, S_IFCHR, 0) ? -errno : 0;
	return linkat(from, name, to, name, 0) ? -errno : 0;
}

static int descend(struct joining *j, const char *name)
{
	size_t at = strlen(j->path);

	if (at + strlen(name) + 2 > sizeof(j->path))
		return -ENAMETOOLONG;
	snprintf(j->path + at, sizeof(j->path) - at, "/%s", name);
	return 0;
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
	err = descend(j, name);
	if (err)
		return err;
	note_touched(j, p, i, name, &since);
	if (S_ISDIR(st.st_mode))
		err = join_subdir(j, p, i, name, to, &since, depth);
	else
		err = take_in(p->fd[i], name, &st, to);
	j->path[at] = '\0';
	return err;
}

/* Call fn for each name of each part, from the i'th on. */
static int each_name(struct joining *j, const struct parts *p, unsigned i, int to, unsigned depth,
		     int (*fn)(struct joining *j, const struct parts *p, unsigned i, const char *name, int to,
			       unsigned depth))
{
	int err = depth > DEPTH_MAX ? -ELOOP : 0;

	for (; i < p->n && !err; i++) {
		struct dirent **names;
		int n = scandirat(p->fd[i], ".", &names, NULL, NULL);

		if (n < 0)
			return -errno;
		for (int k = 0; k < n; k++) {
			const char *name = names[k]->d_name;
			if (!err && strcmp(name, ".") && strcmp(name, ".."))
				err = fn(j, p, i, name, to, depth);
			free(names[k]);
		}
		free(names);
	}
	return err;
}

static int join_dir(struct joining *j, const struct parts *p, int to, unsigned depth)
{
	int err = each_name(j, p, 0, to, depth, join_name);

	return err ? err : copy_dir_attrs(p, to);
}

/* ---- into the highest ---- */

static int take_in_all(struct joining *j, const struct parts *p, unsigned depth);

/* A directory that the highest layer has, too. */
static int enter(struct joining *j, const struct parts *p, const char *name, const struct statx_timestamp *since,
		 unsigned depth)
{
	struct parts *sub = calloc(1, sizeof(*sub));
	int err = 0;

	if (!sub)
		return -ENOMEM;
	sub->fd[0] = open_dir(p->fd[0], name);
	sub->number[0] = p->number[0];
	sub->n = sub->fd[0] >= 0;
	if (!sub->n)
		err = -errno;
	else if (fgetxattr(sub->fd[0], UNION_REDIRECT, NULL, 0) >= 0)
		err = -EOPNOTSUPP;
	else if (!has_flag(sub->fd[0], UNION_OPAQUE))
		err = gather(p, 1, name, sub);
	sub->since = sub->opaque ? *since : p->since;
	if (!err)
		err = take_in_all(j, sub, depth + 1);
	close_parts(sub);
	free(sub);
	return err;
}

/* Made beside, whole, and moved in. */
static int bring_dir(struct joining *j, const struct parts *p, unsigned i, const char *name,
		     const struct statx_timestamp *since, unsigned depth)
{
	int err = join_subdir(j, p, i, name, j->beside, since, depth);

	if (!err)
		err = set_flag(p->fd[0], UNION_IMPURE);
	if (!err && renameat2(j->beside, name, p->fd[0], name, RENAME_NOREPLACE))
		err = -errno;
	return err;
}

static bool in_higher(const struct parts *p, unsigned i, const char *name)
{
	struct stat st;

	while (i-- > 1)
		if (!fstatat(p->fd[i], name, &st, AT_SYMLINK_NOFOLLOW))
			return true;
	return false;
}

static int take_in_name(struct joining *j, const struct parts *p, unsigned i, const char *name, int to, unsigned depth)
{
	size_t at = strlen(j->path);
	struct statx_timestamp since;
	struct stat st, seen;
	bool has;
	int err;

	if (in_higher(p, i, name))
		return 0;
	if (fstatat(p->fd[i], name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	err = descend(j, name);
	if (err)
		return err;
	has = !fstatat(to, name, &seen, AT_SYMLINK_NOFOLLOW);
	note_touched(j, p, has ? 0 : i, name, &since);
	if (has && S_ISDIR(seen.st_mode))
		err = enter(j, p, name, &since, depth);
	else if (!has && S_ISDIR(st.st_mode))
		err = bring_dir(j, p, i, name, &since, depth);
	else if (!has)
		err = take_in(p->fd[i], name, &st, to);
	j->path[at] = '\0';
	return err;
}

/* The others' names into the first. What was hidden by one of them is hidden by it at the end, when it has all. */
static int take_in_all(struct joining *j, const struct parts *p, unsigned depth)
{
	struct timespec times[2];
	struct stat st;
	int err;

	if (fstat(p->fd[0], &st))
		return -errno;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	err = each_name(j, p, 1, p->fd[0], depth, take_in_name);
	if (!err && p->opaque)
		err = set_flag(p->fd[0], UNION_OPAQUE);
	if (futimens(p->fd[0], times) && !err)
		err = -errno;
	return err;
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

static int open_parts(const struct history *h, const uint32_t *number, unsigned n, struct parts *p)
{
	char path[32];

	for (unsigned i = n; i-- > 0;) {
		snprintf(path, sizeof(path), "layers/%04u", number[i]);
		p->number[p->n] = number[i];
		p->fd[p->n] = open_dir(h->tree, path);
		if (p->fd[p->n] < 0)
			return -errno;
		p->n++;
	}
	return 0;
}

int join_prepare(struct history *h, const uint32_t *number, unsigned n)
{
	struct joining *j = calloc(1, sizeof(*j));
	struct parts *p = calloc(1, sizeof(*p));
	int err = j && p ? store_delete_tree(h->box, BESIDE) : -ENOMEM;

	if (!err || err == -ENOENT)
		err = mkdirat(h->box, BESIDE, 0700) ? -errno : begin_touched(j, h, number, n);
	if (!err) {
		j->beside = open_dir(h->box, BESIDE);
		err = j->beside < 0 ? -errno : open_parts(h, number, n, p);
	}
	if (!err)
		err = take_in_all(j, p, 0);
	if (!err)
		err = end_touched(j, h, number[n - 1]);
	if (!err && syncfs(p->fd[0]))
		err = -errno;
	if (p)
		close_parts(p);
	if (j && j->touched) {
		fclose(j->touched);
		if (j->beside >= 0)
			close(j->beside);
	}
	if (j)
		touched_free(&j->old);
	free(p);
	free(j);
	(void)store_delete_tree(h->box, BESIDE);
	return err;
}

/* First it is written down that the ops are no longer to be told apart: were it the other way round, a crash would
 * leave one that undo takes for a single op. */
int join_finish(struct history *h, const uint32_t *number, unsigned n)
{
	uint32_t all[GRANT_LAYERS_MAX];
	int err;

	memcpy(all, number, n * sizeof(*all));
	err = journal_note(h, "squash", all, n);
	if (!err && fdatasync(h->journal))
		err = -errno;
	return err ? err : layers_change(h, "joined", all, n, TOUCH_JOINS);
}

/* The first range, from the layer *first up, that makes fewer layers of too many. Its length; 0: none. */
unsigned join_range(const struct history *h, unsigned keep, unsigned *first)
{
	struct json_object *snapshots = history_snapshots(h->box);
	unsigned n = 0;

	while (h->n > keep && *first + keep < h->n) {
		unsigned most = h->n - keep + 1;

		n = 1;
		while (n < most - *first && *first + n + 1 < h->n &&
		       !apart(snapshots, h->number[*first + n - 1], h->number[*first + n]))
			n++;
		if (n > 1)
			break;
		n = 0;
		++*first;
	}
	json_object_put(snapshots);
	return n;
}

int history_join(struct history *h, unsigned keep)
{
	unsigned first = h->image, n;
	int err = 0;

	while (!err && (n = join_range(h, keep, &first))) {
		uint32_t number[GRANT_LAYERS_MAX];

		memcpy(number, h->number + first, n * sizeof(*number));
		err = join_prepare(h, number, n);
		if (!err)
			err = join_finish(h, number, n);
		first++;
	}
	return err;
}

void history_trim(struct history *h, unsigned above)
{
	/* Best effort: with too many, ops share a layer. */
	if (h->n > above)
		(void)!history_join(h, HISTORY_JOIN_KEEP);
}
