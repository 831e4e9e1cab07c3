// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The directory of patched images, and each sandbox's view of it. See rewrite.h for where they lie.
 *
 * An entry is named by its key, written under another name and renamed when it is whole and on
 * disk, so that nobody ever sees part of one; what a crash leaves is swept by the next trim. Views
 * are older by a sync: a sandbox has its image as soon as it is verified, and for that a view is
 * emptied after each boot of the host, when data that never reached the disk may be missing. The
 * modification time of an entry is when it was last asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

#define SECOND 1000000000ll
/* Two changes within one tick of the kernel's clock have the same ctime on kernels without
 * fine-grained stamps. */
#define SETTLED (SECOND / 10)
#define TEMPORARY_PREFIX ".new-"
#define TEMPORARY_SIZE 64
#define TEMPORARY_AGE 3600
#define VIEW_PATH "boxes/%s/cache"
#define VIEW_BOOT ".boot" /* in a view: which boot it was filled in */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static s64 stamp(struct statx_timestamp t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* sync: AT_STATX_SYNC_AS_STAT, or AT_STATX_DONT_SYNC: what the kernel knows without asking a server. */
static int key_of(int fd, int sync, struct image_key *key)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | sync, STATX_BASIC_STATS, &st))
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	*key = (struct image_key){.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
				  .ino = st.stx_ino,
				  .size = st.stx_size,
				  .mtime_ns = stamp(st.stx_mtime),
				  .ctime_ns = stamp(st.stx_ctime)};
	return 0;
}

int image_key_of(int fd, struct image_key *key)
{
	return key_of(fd, AT_STATX_SYNC_AS_STAT, key);
}

static int open_folder(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Call fn for each name in a directory. */
static void each_name(int at, const char *path, void (*fn)(int dir, const char *name, void *arg),
		      void *arg)
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

static ssize_t read_small(int at, const char *path, char *buf, size_t size)
{
	int fd = openat(at, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);

	if (fd >= 0)
		close(fd);
	return n;
}

static void drop_entry(int dir, const char *name, void *arg)
{
	(void)arg;
	unlinkat(dir, name, 0);
}

/* Without a boot's id every start counts as another boot: slower, and safe. */
static int refresh_view(int view)
{
	char now[64], then[64];
	ssize_t n = read_small(AT_FDCWD, BOOT_ID, now, sizeof(now));
	int fd;

	if (n > 0 && read_small(view, VIEW_BOOT, then, sizeof(then)) == n &&
	    !memcmp(now, then, (size_t)n))
		return 0;
	each_name(view, ".", drop_entry, NULL);
	fd = openat(view, VIEW_BOOT, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (n > 0 && write(fd, now, (size_t)n) != n)
		n = -1;
	close(fd);
	return n < 0 ? -EIO : 0;
}

int image_cache_open(struct image_cache *cache, int store, const char *sandbox)
{
	char view[128];
	int err;

	*cache = (struct image_cache){.store = store, .images = -1, .view = -1};
	if (snprintf(view, sizeof(view), VIEW_PATH, sandbox) >= (int)sizeof(view))
		return -ENAMETOOLONG;
	cache->images = open_folder(store, "cache");
	if (cache->images >= 0)
		cache->view = open_folder(store, view);
	err = cache->images < 0 ? cache->images
	      : cache->view < 0 ? cache->view
				: refresh_view(cache->view);
	if (err < 0)
		image_cache_close(cache);
	return err < 0 ? err : 0;
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

	/* Who asks may hold a file of a FUSE server that hangs: the monitor must not wait for it. Its child asks
	 * before it keeps what it made. */
	if (!err)
		err = key_of(fd, AT_STATX_DONT_SYNC, key);
	if (err)
		return err;
	image_name(key, name);
	err = link_into_view(cache, name);
	if (err != -ENOENT)
		return err;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * SECOND + now.tv_nsec - key->ctime_ns < SETTLED ? -EAGAIN : -ENOENT;
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
	if (!err && fchmod(out, 0444))
		err = -errno;
	return err;
}

static void name_of(const struct image_key *key, char name[IMAGE_NAME_SIZE],
		    char temporary[TEMPORARY_SIZE])
{
	image_name(key, name);
	snprintf(temporary, TEMPORARY_SIZE, TEMPORARY_PREFIX "%d-%lx", (int)getpid(),
		 (unsigned long)key->ino);
}

int image_cache_build(struct image_cache *cache, int fd, const struct image_key *key)
{
	char name[IMAGE_NAME_SIZE], temporary[TEMPORARY_SIZE];
	int out, err;

	name_of(key, name, temporary);
	out = openat(cache->images, temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		     0600);
	if (out < 0)
		return -errno;
	err = build_into(fd, key, out);
	if (!err && linkat(cache->images, temporary, cache->view, name, 0) && errno != EEXIST)
		err = -errno;
	close(out);
	if (err)
		unlinkat(cache->images, temporary, 0);
	return err;
}

int image_cache_keep(struct image_cache *cache, const struct image_key *key)
{
	char name[IMAGE_NAME_SIZE], temporary[TEMPORARY_SIZE];
	int fd, err = 0;

	name_of(key, name, temporary);
	fd = openat(cache->images, temporary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) || renameat(cache->images, temporary, cache->images, name))
		err = -errno;
	close(fd);
	if (err)
		unlinkat(cache->images, temporary, 0);
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
	e->items[e->count] = (struct entry){.used = st->st_mtime, .size = (u64)st->st_blocks * 512};
	snprintf(e->items[e->count].name, IMAGE_NAME_SIZE, "%s", name);
	e->total += e->items[e->count++].size;
	return true;
}

static int by_age(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
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
	struct entries e = {0};

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
