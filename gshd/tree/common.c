// SPDX-License-Identifier: LGPL-3.0-or-later
/* See common.h. */
#include "gshd/tree/common.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "gshd/tree/sha256.h"

#define HEAD_MAX 32768 /* a path of 4096 bytes, each escaped */
#define LOOK 8000      /* as git does: a NUL in here means binary */

struct head {
	char *path; /* owned */
	uint32_t mode;
	struct statx_timestamp changed, kept;
	size_t size; /* of the line */
};

/* ---- the first line ---- */

static struct json_object *time_out(const struct statx_timestamp *t)
{
	struct json_object *o = json_object_new_array();

	json_object_array_add(o, json_object_new_int64(t->tv_sec));
	json_object_array_add(o, json_object_new_int64(t->tv_nsec));
	return o;
}

static void time_in(struct json_object *o, const char *key, struct statx_timestamp *t)
{
	struct json_object *list = json_object_object_get(o, key);

	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != 2)
		return;
	t->tv_sec = json_object_get_int64(json_object_array_get_idx(list, 0));
	t->tv_nsec = (uint32_t)json_object_get_int64(json_object_array_get_idx(list, 1));
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_head(int fd, const struct head *h)
{
	struct json_object *o = json_object_new_object();
	const char *text;
	int err;

	json_object_object_add(o, "schema", json_object_new_string("gsh.common/1"));
	json_object_object_add(o, "path", json_object_new_string(h->path));
	json_object_object_add(o, "mode", json_object_new_int64(h->mode));
	json_object_object_add(o, "changed", time_out(&h->changed));
	json_object_object_add(o, "kept", time_out(&h->kept));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	err = write_all(fd, text, strlen(text));
	json_object_put(o);
	return err ? err : write_all(fd, "\n", 1);
}

/* -ENOENT: it is not what it should be, and so of no use. */
static int read_head(int fd, struct head *h)
{
	char *line = calloc(1, HEAD_MAX), *end;
	ssize_t n = line ? pread(fd, line, HEAD_MAX - 1, 0) : -1;
	struct json_object *o = NULL;
	const char *path = NULL;

	*h = (struct head){ .path = NULL };
	end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	if (end) {
		*end = '\0';
		h->size = (size_t)(end - line) + 1;
		o = json_tokener_parse(line);
		path = json_object_get_string(json_object_object_get(o, "path"));
	}
	if (path) {
		h->path = strdup(path);
		h->mode = (uint32_t)json_object_get_int64(json_object_object_get(o, "mode"));
		time_in(o, "changed", &h->changed);
		time_in(o, "kept", &h->kept);
	}
	json_object_put(o);
	free(line);
	return h->path ? 0 : -ENOENT;
}

/* ---- files ---- */

static void name_of(unsigned number, const char *path, char name[64])
{
	struct sha256 s;
	char text[65];

	sha256_init(&s);
	sha256_add(&s, path, strlen(path));
	sha256_end(&s, text);
	snprintf(name, 64, "%.40s-%u", text, number);
}

/* Open one, and read its head; *h is the caller's to free. A path of the same hash is another. */
static int open_one(const struct common *c, unsigned number, const char *path, struct head *h)
{
	char name[64];
	int fd, err;

	name_of(number, path, name);
	fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = read_head(fd, h);
	if (!err && strcmp(h->path, path) != 0)
		err = -ENOENT;
	if (!err)
		return fd;
	free(h->path);
	close(fd);
	return err;
}

static int copy_text(int from, off_t at, int to, off_t size)
{
	char *buf = malloc((size_t)size + 1);
	ssize_t n = buf ? pread(from, buf, (size_t)size, at) : -1;
	int err = !buf ? -ENOMEM : n != size ? -EAGAIN : 0; /* it is being changed */

	if (!err && memchr(buf, '\0', (size_t)(size < LOOK ? size : LOOK)))
		err = -EMEDIUMTYPE;
	if (!err)
		err = write_all(to, buf, (size_t)size);
	free(buf);
	return err;
}

/* Whole or not at all, and only if nobody writes to it meanwhile. It is not waited for: a power cut may leave an empty
 * file, whose head is none. */
static int make_one(struct common *c, unsigned number, const struct head *h, int from, const struct stat *st)
{
	char name[64], staged[80];
	struct stat after;
	int to, err;

	if (st->st_size > COMMON_FILE_MAX || c->size + (uint64_t)st->st_size > COMMON_ALL_MAX)
		return -EFBIG;
	name_of(number, h->path, name);
	snprintf(staged, sizeof(staged), ".%s-%d", name, (int)getpid());
	to = openat(c->dir, staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	err = write_head(to, h);
	if (!err)
		err = copy_text(from, 0, to, st->st_size);
	close(to);
	if (!err && (fstat(from, &after) || after.st_ctim.tv_sec != st->st_ctim.tv_sec ||
		     after.st_ctim.tv_nsec != st->st_ctim.tv_nsec))
		err = -EAGAIN;
	if (!err && renameat(c->dir, staged, c->dir, name))
		err = -errno;
	if (err)
		(void)!unlinkat(c->dir, staged, 0);
	else
		c->size += (uint64_t)st->st_size;
	return err;
}

/* ---- all of them ---- */

static int each(struct common *c, int (*fn)(struct common *c, const char *name))
{
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while (!err && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = fn(c, e->d_name);
	closedir(d);
	return err;
}

static int count(struct common *c, const char *name)
{
	struct stat st;

	if (!fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		c->size += (uint64_t)st.st_size;
	return 0;
}

int common_open(struct common *c, int box, const struct touched *touched, const struct tree *now)
{
	int err;

	*c = (struct common){ .box = box, .dir = -1, .touched = touched, .now = now };
	if (mkdirat(box, "common", 0700) && errno != EEXIST)
		return -errno;
	c->dir = openat(box, "common", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = c->dir < 0 ? -errno : each(c, count);
	if (err)
		common_close(c);
	return err;
}

void common_close(struct common *c)
{
	if (c->dir >= 0)
		close(c->dir);
	c->dir = -1;
}

/* ---- keeping, finding ---- */

static void now_time(struct statx_timestamp *t)
{
	struct timespec ts;

	/* The clock of file times, not a finer one that is ahead of it. */
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	t->tv_sec = ts.tv_sec;
	t->tv_nsec = (uint32_t)ts.tv_nsec;
}

/* The host had it, and had it not changed, when the sandbox touched it first. */
static bool was_common(const struct head *h, const struct statx_timestamp *first)
{
	return touched_before(&h->changed, first) && !touched_before(&h->kept, first);
}

static bool is_kept(const struct common *c, const char *path, const struct statx_timestamp *first)
{
	struct head h;
	int fd = open_one(c, 0, path, &h);
	bool good;

	if (fd < 0)
		return false;
	good = was_common(&h, first);
	free(h.path);
	close(fd);
	return good;
}

int common_keep(struct common *c, const char *path)
{
	struct head h = { .path = (char *)path };
	struct statx_timestamp first;
	cleanup_spot struct spot s = { .n = 0 };
	struct tree base = *c->now;
	int fd, err;

	base.n = 1;
	err = touched_first(c->touched, c->now, path, &first) ? 0 : -ENOENT;
	if (err || is_kept(c, path, &first))
		return err;
	now_time(&h.kept);
	err = spot_find(&base, path, &s);
	if (err || !S_ISREG(s.st.st_mode))
		return err ? err : -EMEDIUMTYPE;
	h.mode = s.st.st_mode & 07777;
	h.changed.tv_sec = s.st.st_ctim.tv_sec;
	h.changed.tv_nsec = (uint32_t)s.st.st_ctim.tv_nsec;
	if (!was_common(&h, &first))
		return -ESTALE;
	fd = spot_open(&s, O_RDONLY);
	if (fd < 0)
		return fd;
	err = make_one(c, 0, &h, fd, &s.st);
	close(fd);
	return err;
}

int common_put(struct common *c, unsigned number, const char *path, int fd, uint32_t mode)
{
	struct head h = { .path = (char *)path, .mode = mode };
	struct stat st;
	char name[64];

	name_of(number, path, name);
	if (unlinkat(c->dir, name, 0) && errno != ENOENT)
		return -errno;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	now_time(&h.kept);
	return make_one(c, number, &h, fd, &st);
}

int common_find(const struct common *c, unsigned number, const char *path, uint32_t *mode)
{
	struct statx_timestamp first;
	struct head h;
	struct stat st;
	int fd = open_one(c, number, path, &h), out, err = 0;

	if (fd < 0)
		return fd;
	if (!number && !(touched_first(c->touched, c->now, path, &first) && was_common(&h, &first)))
		err = -ENOENT;
	*mode = h.mode;
	free(h.path);
	out = err ? err : memfd_create("common", MFD_CLOEXEC);
	if (!err && out < 0)
		err = -errno;
	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err)
		err = copy_text(fd, (off_t)h.size, out, st.st_size - (off_t)h.size);
	close(fd);
	if (err && out >= 0)
		close(out);
	return err ? err : out;
}

static int sweep_one(struct common *c, const char *name)
{
	int fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct statx_timestamp first;
	struct head h;
	bool used;

	/* What a keeper that was killed left, or makes now: it does without. */
	used = fd >= 0 && name[0] != '.' && !read_head(fd, &h);
	if (used) {
		used = touched_first(c->touched, c->now, h.path, &first);
		free(h.path);
	}
	if (fd >= 0)
		close(fd);
	return used || !unlinkat(c->dir, name, 0) || errno == ENOENT ? 0 : -errno;
}

int common_sweep(struct common *c)
{
	return each(c, sweep_one);
}
