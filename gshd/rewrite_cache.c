// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The directory of patched images, and each sandbox's view of it. See rewrite.h for where they lie.
 *
 * An entry is named by its key, written under another name and renamed when it is whole, so that nobody ever sees part of
 * one; what a crash leaves is swept by the next trim. The modification time of an entry is when it was last asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "gshd/rewrite.h"

#define SECOND 1000000000ll
/* Two changes within one tick of the kernel's clock have the same ctime on kernels without fine-grained stamps. */
#define SETTLED (SECOND / 10)
#define TEMPORARY_PREFIX ".new-"
#define TEMPORARY_AGE 3600
#define VIEW_PATH "boxes/%s/cache"

static s64 stamp(struct timespec t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

int image_key_of(int fd, struct image_key *key)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*key = (struct image_key){ .dev = st.st_dev, .ino = st.st_ino, .size = (u64)st.st_size,
				   .mtime_ns = stamp(st.st_mtim), .ctime_ns = stamp(st.st_ctim) };
	return 0;
}

static int open_folder(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int image_cache_open(struct image_cache *cache, int store, const char *sandbox)
{
	char view[128];

	*cache = (struct image_cache){ .store = store, .images = -1, .view = -1 };
	if (snprintf(view, sizeof(view), VIEW_PATH, sandbox) >= (int)sizeof(view))
		return -ENAMETOOLONG;
	cache->images = open_folder(store, "cache");
	if (cache->images >= 0)
		cache->view = open_folder(store, view);
	if (cache->view < 0) {
		int err = cache->images < 0 ? cache->images : cache->view;

		image_cache_close(cache);
		return err;
	}
	return 0;
}

void image_cache_close(struct image_cache *cache)
{
	if (cache->images >= 0)
		close(cache->images);
	if (cache->view >= 0)
		close(cache->view);
	cache->images = cache->view = -1;
}

/* May the sandbox read it? A descriptor that is only a place holder proves nothing. */
static int check_readable(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY ? -EBADF : 0;
}

static int link_into_view(struct image_cache *cache, const char *name)
{
	if (linkat(cache->images, name, cache->view, name, 0) && errno != EEXIST)
		return -errno;
	(void)utimensat(cache->images, name, NULL, 0); /* only the order of deletion is at stake */
	return 0;
}

int image_cache_find(struct image_cache *cache, int fd, struct image_key *key)
{
	char name[IMAGE_NAME_SIZE];
	struct timespec now;
	int err = check_readable(fd);

	if (!err)
		err = image_key_of(fd, key);
	if (err)
		return err;
	image_name(key, name);
	err = link_into_view(cache, name);
	if (err != -ENOENT)
		return err;
	clock_gettime(CLOCK_REALTIME, &now);
	return stamp(now) - key->ctime_ns < SETTLED ? -EAGAIN : -ENOENT;
}

static int build_into(int fd, const struct image_key *key, int out)
{
	struct image_key now;
	int err = rewrite_run(fd, key, out);

	if (!err)
		err = rewrite_verify(out, fd, key);
	if (!err)
		err = image_key_of(fd, &now);
	/* Changed while it was read. */
	if (!err && memcmp(&now, key, sizeof(now)))
		err = -EAGAIN;
	if (!err && (fchmod(out, 0444) || fsync(out)))
		err = -errno;
	return err;
}

int image_cache_build(struct image_cache *cache, int fd, const struct image_key *key)
{
	char name[IMAGE_NAME_SIZE], temporary[64];
	int out, err;

	snprintf(temporary, sizeof(temporary), TEMPORARY_PREFIX "%d-%lx", (int)getpid(), (unsigned long)key->ino);
	image_name(key, name);
	out = openat(cache->images, temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	err = build_into(fd, key, out);
	if (!err && renameat(cache->images, temporary, cache->images, name))
		err = -errno;
	close(out);
	if (err)
		unlinkat(cache->images, temporary, 0);
	else
		err = link_into_view(cache, name);
	if (!err)
		image_cache_trim(cache, REWRITE_CACHE_MAX);
	return err;
}

/* ---- keeping it small ---- */

struct entry {
	char name[IMAGE_NAME_SIZE];
	time_t used;
	u64 size;
};

struct entries {
	struct entry *items;
	size_t count, room;
	u64 total;
};

static bool entry_add(struct entries *e, const char *name, const struct stat *st)
{
	if (e->count == e->room) {
		size_t room = e->room ? 2 * e->room : 256;
		struct entry *more = realloc(e->items, room * sizeof(*more));

		if (!more)
			return false;
		e->items = more;
		e->room = room;
	}
	e->items[e->count] = (struct entry){ .used = st->st_mtime, .size = (u64)st->st_blocks * 512 };
	snprintf(e->items[e->count].name, IMAGE_NAME_SIZE, "%s", name);
	e->total += e->items[e->count++].size;
	return true;
}

static int by_age(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

/* Call fn for each name in a directory until it returns false. */
static void each_name(int at, const char *path, void (*fn)(int dir, const char *name, void *arg), void *arg)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			fn(fd, e->d_name, arg);
	closedir(d);
}

static void weigh(int dir, const char *name, void *arg)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (!strncmp(name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX))) {
		if (time(NULL) - st.st_mtime > TEMPORARY_AGE)
			unlinkat(dir, name, 0);
		return;
	}
	(void)entry_add(arg, name, &st);
}

static void drop_from_view(int dir, const char *box, void *arg)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s/cache/%s", box, (const char *)arg) < (int)sizeof(path))
		unlinkat(dir, path, 0);
}

void image_cache_trim(struct image_cache *cache, u64 bound)
{
	struct entries e = { 0 };

	each_name(cache->images, ".", weigh, &e);
	if (e.total > bound)
		qsort(e.items, e.count, sizeof(*e.items), by_age);
	for (size_t i = 0; i < e.count && e.total > bound; i++) {
		unlinkat(cache->images, e.items[i].name, 0);
		each_name(cache->store, "boxes", drop_from_view, e.items[i].name);
		e.total -= e.items[i].size;
	}
	free(e.items);
}
