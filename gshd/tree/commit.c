// SPDX-License-Identifier: LGPL-3.0-or-later
/* Planning and carrying out; see commit.h. The journal is journal.c's. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "gshd/tree/commit_impl.h"

/* ---- the host's paths ---- */

int host_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	while (*path == '/')
		path++;
	fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

int host_parent(int root, const char *path, const char **last)
{
	const char *slash = strrchr(path, '/');
	char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	int fd = parent ? host_open(root, parent, O_RDONLY | O_DIRECTORY) : -ENOMEM;

	*last = slash ? slash + 1 : path;
	free(parent);
	return fd;
}

static void take_stamp(const struct stat *st, struct commit_stamp *s)
{
	*s = (struct commit_stamp){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = S_ISDIR(st->st_mode) ? 0 : st->st_size,
		.sec = st->st_mtim.tv_sec,
		.nsec = st->st_mtim.tv_nsec,
	};
}

static int stamp_at(int dir, const char *name, struct commit_stamp *s)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	take_stamp(&st, s);
	return 0;
}

/* Is it what was planned against? A commit that undoes another does not insist on the inode: what
 * yet another put back may be a copy. */
static bool same_stamp(const struct commit_stamp *now, const struct commit_stamp *was)
{
	struct commit_stamp any = *now;

	if (!was->ino)
		any.dev = any.ino = 0;
	return stamp_order(&any, was) == 0;
}

/* ---- planning ---- */

struct commit_action *commit_add(struct commit *c, enum commit_do what, const char *path)
{
	struct commit_action *a;

	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct commit_action *more = realloc(c->actions, room * sizeof(*more));

		if (!more)
			return NULL;
		c->actions = more;
		c->room = room;
	}
	a = &c->actions[c->n];
	*a = (struct commit_action){ .what = what, .path = strdup(path), .id = (unsigned)c->n };
	if (!a->path)
		return NULL;
	c->n++;
	return a;
}

static int plan_gone(struct commit *c, const struct diff_found *f)
{
	bool dir = S_ISDIR(f->a->st.st_mode);
	struct commit_action *a = commit_add(c, dir ? COMMIT_RMDIR : COMMIT_DELETE, f->path);

	if (!a)
		return -ENOMEM;
	a->mode_old = f->was.mode & 07777;
	take_stamp(&f->a->st, &a->was);
	return 0;
}

static int plan_mode(struct commit *c, const struct diff_found *f, uint32_t old)
{
	struct commit_action *a = commit_add(c, COMMIT_CHMOD, f->path);

	if (!a)
		return -ENOMEM;
	a->mode_old = old;
	a->mode_new = f->is.mode & 07777;
	if (f->a && S_ISREG(f->was.mode))
		take_stamp(&f->a->st,
			   &a->is); /* its time will move, but it will be no change of the host's */
	return 0;
}

static int plan_come(struct commit *c, const struct diff_found *f, enum commit_do what)
{
	struct commit_action *a = commit_add(c, what, f->path);

	if (!a)
		return -ENOMEM;
	a->mode_old = f->was.mode & 07777;
	a->mode_new = f->is.mode & 07777;
	if (f->a)
		take_stamp(&f->a->st, &a->was);
	return what == COMMIT_MKDIR ? plan_mode(c, f, 0700) : 0;
}

int commit_plan(struct commit *c, const struct diff_found *f)
{
	bool was_dir = f->a && S_ISDIR(f->was.mode), is_dir = f->b && S_ISDIR(f->is.mode);
	int err = 0;

	if (!f->b)
		return plan_gone(c, f);
	if (!f->a)
		return plan_come(c, f, is_dir ? COMMIT_MKDIR : COMMIT_ADD);
	if (was_dir != is_dir) {
		err = plan_gone(c, f);
		return err ? err : plan_come(c, f, is_dir ? COMMIT_MKDIR : COMMIT_ADD);
	}
	if (!is_dir && f->what & (DIFF_TYPE | DIFF_DATA | DIFF_XATTRS))
		return plan_come(c, f, COMMIT_PUT);
	return f->what & DIFF_MODE ? plan_mode(c, f, f->was.mode & 07777) : 0;
}

static bool is_above(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

static void forget(struct commit *c, size_t i)
{
	free(c->actions[i].path);
	free(c->actions[i].stage);
	memmove(&c->actions[i], &c->actions[i + 1], (c->n - i - 1) * sizeof(c->actions[0]));
	c->n--;
}

size_t commit_spare(struct commit *c, const char *path)
{
	size_t spared = 0;

	for (size_t i = c->n; i-- > 0;) {
		if (c->actions[i].what != COMMIT_RMDIR || !is_above(c->actions[i].path, path))
			continue;
		spared++;
		/* If something else was to come in its place, that is planned right behind it. */
		while (i + 1 < c->n && !strcmp(c->actions[i + 1].path, c->actions[i].path))
			forget(c, i + 1);
		forget(c, i);
	}
	return spared;
}

/* When did the sandbox make the object that decides what is at path: the deepest of the path that a
 * layer has, be it a whiteout. False: it is not known. */
static bool touched(const struct tree *now, const char *path, struct statx_timestamp *when)
{
	bool found = false;

	for (unsigned i = now->n; i-- > 1 && !found;) {
		int dir = fcntl(now->fd[i], F_DUPFD_CLOEXEC, 3);
		char *copy = strdup(path), *rest = copy, *name;

		while (dir >= 0 && copy && (name = strsep(&rest, "/"))) {
			struct statx x;
			int next;

			if (!*name)
				continue;
			if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
				  &x))
				break;
			found = !S_ISDIR(x.stx_mode) || !rest || !*rest;
			/* A whiteout never changes; of the rest only the birth is the first touch.
			 */
			if (union_is_whiteout(x.stx_mode,
					      (u64)x.stx_rdev_major << 8 | x.stx_rdev_minor))
				*when = x.stx_ctime;
			else if (x.stx_mask & STATX_BTIME)
				*when = x.stx_btime;
			else
				found = false;
			next = S_ISDIR(x.stx_mode) ? host_open(dir, name, O_RDONLY | O_DIRECTORY)
						   : -1;
			close(dir);
			dir = next;
		}
		if (dir >= 0)
			close(dir);
		free(copy);
	}
	return found;
}

int stamp_order(const void *x, const void *y)
{
	const struct commit_stamp *a = x, *b = y;

	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	if (a->sec != b->sec)
		return a->sec < b->sec ? -1 : 1;
	return a->nsec == b->nsec ? 0 : a->nsec < b->nsec ? -1 : 1;
}

bool commit_changed(const struct commit *c, const struct tree *now, const struct diff_found *f)
{
	struct statx_timestamp when;
	const struct timespec *host;
	struct commit_stamp stamp;

	if (!f->a)
		return false;
	/* A folder's times move with every name in it: only what it is itself counts, and that
	 * differs. */
	if (S_ISDIR(f->was.mode) && f->b && S_ISDIR(f->is.mode) &&
	    !(f->what & (DIFF_MODE | DIFF_XATTRS)))
		return false;
	/* One that goes: what is in it is asked about by itself. */
	if (S_ISDIR(f->was.mode) && !(f->b && S_ISDIR(f->is.mode)))
		return false;
	take_stamp(&f->a->st, &stamp);
	if (c->nknown && bsearch(&stamp, c->known, c->nknown, sizeof(stamp), stamp_order))
		return false;
	if (!touched(now, f->path, &when))
		return true;
	host = &f->a->st.st_ctim;
	return host->tv_sec > when.tv_sec ||
	       (host->tv_sec == when.tv_sec && host->tv_nsec >= (long)when.tv_nsec);
}

/* ---- staging ---- */

static int by_order(const void *x, const void *y);

/* Does this folder go with the commit? Its actions are in order. */
static bool goes(const struct commit *c, char *dir)
{
	const struct commit_action key = { .what = COMMIT_RMDIR, .path = dir };

	return bsearch(&key, c->actions, c->n, sizeof(key), by_order) != NULL;
}

/* A name of its own in the nearest folder that is there, and stays. */
static int place_stage(const struct commit *c, struct commit_action *a)
{
	char name[32], *dir = strdup(a->path), *slash;
	int fd = -ENOENT;

	if (!dir)
		return -ENOMEM;
	copy_stage_name(name);
	while (fd < 0 && (slash = strrchr(dir, '/'))) {
		*slash = '\0';
		if (goes(c, dir))
			continue;
		fd = host_open(c->root, dir, O_RDONLY | O_DIRECTORY);
		/* What is no folder yet will be one. */
		if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
			break;
	}
	if (fd >= 0) {
		close(fd);
		fd = asprintf(&a->stage, "%s/%s", dir, name) < 0 ? -ENOMEM : 0;
		if (fd)
			a->stage = NULL;
	}
	free(dir);
	return fd;
}

static int make_stage(const struct commit *c, struct commit_action *a, const struct tree *source,
		      const char *name, const struct copy *copy)
{
	cleanup_spot struct spot s = { .n = 0 };
	const char *last;
	int err = spot_find(source, name, &s), dir;

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	dir = host_parent(c->root, a->stage, &last);
	if (dir < 0)
		return dir;
	err = copy_one(copy, &s, dir, last);
	if (!err)
		err = stamp_at(dir, last, &a->is);
	close(dir);
	return err;
}

static bool has_stage(const struct commit_action *a)
{
	return a->what == COMMIT_PUT || a->what == COMMIT_ADD || a->what == COMMIT_DELETE;
}

static int place_stages(struct commit *c)
{
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		c->failed = i;
		if (has_stage(&c->actions[i]))
			err = place_stage(c, &c->actions[i]);
	}
	return err;
}

static int make_stages(struct commit *c, const struct tree *source, const struct copy *copy)
{
	char number[24];
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		struct commit_action *a = &c->actions[i];

		c->failed = i;
		snprintf(number, sizeof(number), "%u", a->id);
		if (a->what == COMMIT_PUT || a->what == COMMIT_ADD)
			err = make_stage(c, a, source, c->undoes ? number : a->path, copy);
	}
	return err;
}

static void drop_stages(const struct commit *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct commit_action *a = &c->actions[i];
		const char *last;
		int dir = a->stage && a->what != COMMIT_DELETE
				  ? host_parent(c->root, a->stage, &last)
				  : -1;
		struct commit_stamp now;

		/* Only what was staged: under the same name lies what was replaced if an action is
		 * done. */
		if (dir >= 0 && !stamp_at(dir, last, &now) && (!a->is.ino || now.ino == a->is.ino))
			(void)!unlinkat(dir, last, 0);
		if (dir >= 0)
			close(dir);
	}
}

/* ---- one action ---- */

struct ends {
	int dir, stage_dir;
	const char *last, *stage;
};

static int ends_open(const struct commit *c, const struct commit_action *a, struct ends *e)
{
	e->stage_dir = -1;
	e->dir = host_parent(c->root, a->path, &e->last);
	if (e->dir < 0)
		return e->dir;
	if (a->stage)
		e->stage_dir = host_parent(c->root, a->stage, &e->stage);
	if (a->stage && e->stage_dir < 0) {
		close(e->dir);
		return e->stage_dir;
	}
	return 0;
}

static void ends_close(const struct ends *e)
{
	close(e->dir);
	if (e->stage_dir >= 0)
		close(e->stage_dir);
}

static int rename_err(int from, const char *a, int to, const char *b, unsigned flags)
{
	return renameat2(from, a, to, b, flags) ? -errno : 0;
}

static int set_mode(const struct ends *e, uint32_t expect, uint32_t mode)
{
	char path[32];
	struct stat st;
	int fd = openat(e->dir, e->last, O_PATH | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st)					      ? -errno
	      : S_ISLNK(st.st_mode) || (st.st_mode & 07777) != expect ? -ESTALE
								      : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!err && chmod(path, mode))
		err = -errno;
	close(fd);
	return err;
}

static int swap(const struct ends *e, const struct commit_action *a)
{
	struct commit_stamp old;
	int err = rename_err(e->stage_dir, e->stage, e->dir, e->last, RENAME_EXCHANGE);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	err = stamp_at(e->stage_dir, e->stage, &old);
	if (!err && same_stamp(&old, &a->was))
		return 0;
	(void)!rename_err(e->stage_dir, e->stage, e->dir, e->last, RENAME_EXCHANGE);
	return err ? err : -ESTALE;
}

static int put_aside(const struct ends *e, const struct commit_action *a)
{
	struct commit_stamp old;
	int err = rename_err(e->dir, e->last, e->stage_dir, e->stage, RENAME_NOREPLACE);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	err = stamp_at(e->stage_dir, e->stage, &old);
	if (!err && same_stamp(&old, &a->was))
		return 0;
	(void)!rename_err(e->stage_dir, e->stage, e->dir, e->last, RENAME_NOREPLACE);
	return err ? err : -ESTALE;
}

static int carry_out(const struct commit *c, const struct commit_action *a)
{
	struct ends e;
	int err = ends_open(c, a, &e);

	if (err)
		return err == -ENOENT ? -ESTALE : err;
	switch (a->what) {
	case COMMIT_DELETE:
		err = put_aside(&e, a);
		break;
	case COMMIT_RMDIR:
		err = unlinkat(e.dir, e.last, AT_REMOVEDIR) ? -errno : 0;
		err = err == -ENOTEMPTY || err == -ENOENT ? -ESTALE : err;
		break;
	case COMMIT_MKDIR:
		err = mkdirat(e.dir, e.last, 0700) ? -errno : 0;
		err = err == -EEXIST ? -ESTALE : err;
		break;
	case COMMIT_PUT:
		err = swap(&e, a);
		break;
	case COMMIT_ADD:
		err = rename_err(e.stage_dir, e.stage, e.dir, e.last, RENAME_NOREPLACE);
		err = err == -EEXIST ? -ESTALE : err;
		break;
	case COMMIT_UNLOCK:
	case COMMIT_CHMOD:
		err = set_mode(&e, a->mode_old, a->mode_new);
		break;
	}
	ends_close(&e);
	return err;
}

/* Take an action back if it is done, which the inode numbers tell. */
static void take_back(const struct commit *c, const struct commit_action *a)
{
	struct commit_stamp there, staged;
	struct ends e;
	bool is, is_staged;

	if (ends_open(c, a, &e))
		return;
	is = !stamp_at(e.dir, e.last, &there);
	is_staged = a->stage && !stamp_at(e.stage_dir, e.stage, &staged);
	switch (a->what) {
	case COMMIT_DELETE:
		if (is_staged)
			(void)!rename_err(e.stage_dir, e.stage, e.dir, e.last, RENAME_NOREPLACE);
		break;
	case COMMIT_RMDIR:
		if (!is && !mkdirat(e.dir, e.last, 0700))
			(void)!set_mode(&e, 0700, a->mode_old);
		break;
	case COMMIT_MKDIR:
		(void)!unlinkat(e.dir, e.last, AT_REMOVEDIR);
		break;
	case COMMIT_PUT:
		if (is && is_staged && there.ino == a->is.ino && there.dev == a->is.dev)
			(void)!rename_err(e.stage_dir, e.stage, e.dir, e.last, RENAME_EXCHANGE);
		break;
	case COMMIT_ADD:
		if (is && !is_staged && there.ino == a->is.ino && there.dev == a->is.dev)
			(void)!rename_err(e.dir, e.last, e.stage_dir, e.stage, RENAME_NOREPLACE);
		break;
	case COMMIT_UNLOCK:
	case COMMIT_CHMOD:
		(void)!set_mode(&e, a->mode_new, a->mode_old);
		break;
	}
	ends_close(&e);
}

void commit_take_back(const struct commit *c, size_t n)
{
	while (n)
		take_back(c, &c->actions[--n]);
	drop_stages(c);
}

/* ---- all of them ---- */

/* What goes goes first, the deepest ahead; then folders come, the highest ahead; then files; modes
 * last, the deepest ahead, for a folder may become one that nobody can write in. */
static int by_order(const void *x, const void *y)
{
	static const int rank[] = {
		[COMMIT_UNLOCK] = 0, [COMMIT_DELETE] = 1, [COMMIT_RMDIR] = 2, [COMMIT_MKDIR] = 3,
		[COMMIT_PUT] = 4,    [COMMIT_ADD] = 4,	  [COMMIT_CHMOD] = 5,
	};
	const struct commit_action *a = x, *b = y;
	int r = rank[a->what] - rank[b->what];

	if (r)
		return r;
	r = strcmp(a->path, b->path);
	return a->what == COMMIT_RMDIR || a->what == COMMIT_CHMOD ? -r : r;
}

/* Both before the journal and before it says "done": every file system that is touched. */
static int sync_all(const struct commit *c)
{
	uint64_t synced[16];
	size_t n = 0;
	int err = syncfs(c->dir) ? -errno : 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		const char *last;
		int dir = host_parent(
			c->root, c->actions[i].stage ? c->actions[i].stage : c->actions[i].path,
			&last);
		struct stat st;
		size_t j = 0;

		if (dir < 0)
			continue; /* it comes with this commit, or went with it */
		if (!fstat(dir, &st)) {
			while (j < n && synced[j] != st.st_dev)
				j++;
			if (j == n && syncfs(dir))
				err = -errno;
			if (j == n && n < 16)
				synced[n++] = st.st_dev;
		}
		close(dir);
	}
	return err;
}

static int apply(struct commit *c)
{
	int err = 0;
	size_t i;

	for (i = 0; i < c->n && !err; i++) {
		c->failed = i;
		err = carry_out(c, &c->actions[i]);
	}
	if (err)
		i--; /* that one is not done */
	else
		err = sync_all(c);
	if (err)
		commit_take_back(c, i);
	return err;
}

/* Move to where a rename does not reach. */
static int keep_copy(int dir, const char *name, int old, const char *number)
{
	const struct copy copy = { .flags = COPY_ATTRS | COPY_SET_ID };
	struct tree tree = { .n = 1, .fd = { dir } };
	cleanup_spot struct spot s = { .n = 0 };
	int err = spot_find(&tree, name, &s);

	(void)!unlinkat(old, number, 0); /* what a crash left of it */
	if (!err)
		err = copy_one(&copy, &s, old, number);
	if (!err && unlinkat(dir, name, 0))
		err = -errno;
	return err;
}

/* What was replaced lies under the staged name: beside the journal with it. What is not there any
 * more was moved before a crash. */
static int keep(const struct commit *c, int old)
{
	char number[24];
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++) {
		const struct commit_action *a = &c->actions[i];
		const char *last;
		int dir;

		if (a->what != COMMIT_PUT && a->what != COMMIT_DELETE)
			continue;
		dir = host_parent(c->root, a->stage, &last);
		if (dir < 0)
			return dir;
		snprintf(number, sizeof(number), "%u", a->id);
		err = rename_err(dir, last, old, number, 0);
		if (err == -EXDEV)
			err = keep_copy(dir, last, old, number);
		if (err == -ENOENT)
			err = 0;
		close(dir);
	}
	return err;
}

int commit_finish(struct commit *c)
{
	int old = journal_old(c, c->number), err = old < 0 ? old : keep(c, old);

	if (old >= 0)
		close(old);
	/* The other first: a crash between the two finishes this one again. */
	if (!err && c->undoes)
		err = journal_state(c, c->undoes, "undone");
	return err ? err : journal_state(c, c->number, c->undoes ? "undo" : "done");
}

static int run(struct commit *c, const struct tree *source, const struct copy *copy)
{
	int err;

	qsort(c->actions, c->n, sizeof(*c->actions), by_order);
	err = place_stages(c);
	if (!err)
		err = journal_begin(c);
	if (err)
		return err;
	err = make_stages(c, source, copy);
	if (!err)
		err = sync_all(c);
	if (!err)
		err = journal_write(c, "applying");
	if (err)
		drop_stages(c);
	else
		err = apply(c);
	if (err) {
		journal_drop(c, c->number);
		return err;
	}
	err = journal_state(c, c->number, "applied");
	return err ? err : commit_finish(c);
}

int commit_run(struct commit *c, const struct tree *source, const struct copy *copy)
{
	struct copy how = *copy;

	/* Sandboxes' times are kept; set-ID bits are what the caller has let through. */
	how.flags |= COPY_ATTRS | COPY_SET_ID;
	return run(c, source, &how);
}

/* The reverse of an action. */
static int add_reverse(struct commit *c, const struct commit_action *a)
{
	static const enum commit_do reverse[] = {
		[COMMIT_UNLOCK] = COMMIT_CHMOD, [COMMIT_DELETE] = COMMIT_ADD,
		[COMMIT_RMDIR] = COMMIT_MKDIR,	[COMMIT_MKDIR] = COMMIT_RMDIR,
		[COMMIT_PUT] = COMMIT_PUT,	[COMMIT_ADD] = COMMIT_DELETE,
		[COMMIT_CHMOD] = COMMIT_CHMOD,
	};
	struct commit_action *r = commit_add(c, reverse[a->what], a->path);

	if (!r)
		return -ENOMEM;
	r->id = a->id;
	r->mode_old = a->mode_new;
	r->mode_new = a->mode_old;
	r->was = a->is;
	r->was.dev = r->was.ino = 0;
	if (a->what == COMMIT_MKDIR)
		r->mode_old = 0700; /* it is unlocked first */
	if (a->what != COMMIT_RMDIR)
		return 0;
	r = commit_add(c, COMMIT_CHMOD, a->path);
	if (!r)
		return -ENOMEM;
	r->mode_old = 0700;
	r->mode_new = a->mode_old;
	return 0;
}

/* A folder that the commit made may have got a mode that lets nobody in, and now goes. */
static bool is_new_folder(const struct commit *done, const struct commit_action *a)
{
	for (size_t i = 0; i < done->n; i++)
		if (done->actions[i].what == COMMIT_MKDIR &&
		    !strcmp(done->actions[i].path, a->path))
			return true;
	return false;
}

static int add_all_reverse(struct commit *c, const struct commit *done)
{
	int err = 0;

	for (size_t i = 0; i < done->n && !err; i++) {
		err = add_reverse(c, &done->actions[i]);
		if (!err && done->actions[i].what == COMMIT_CHMOD &&
		    is_new_folder(done, &done->actions[i]))
			c->actions[c->n - 1].what = COMMIT_UNLOCK;
	}
	return err;
}

int commit_undo(struct commit *c, unsigned number)
{
	const struct copy copy = { .flags = COPY_ATTRS | COPY_SET_ID };
	struct commit done = { .dir = c->dir, .lock = -1, .root = c->root };
	struct tree old = { .n = 1 };
	int err = journal_find(c, &number);

	if (!err)
		err = journal_load(&done, number);
	if (!err)
		err = add_all_reverse(c, &done);
	c->undoes = number;
	old.fd[0] = err ? -1 : journal_old(c, number);
	if (!err && old.fd[0] < 0)
		err = old.fd[0];
	if (!err)
		err = run(c, &old, &copy);
	if (old.fd[0] >= 0)
		close(old.fd[0]);
	commit_free_actions(&done);
	return err;
}
