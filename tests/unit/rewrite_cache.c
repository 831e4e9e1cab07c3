/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The cache of patched images: building through the confined worker, views of sandboxes, changed
 * files, broken ones, and its bound.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"

#define LOADER "/lib64/ld-linux-x86-64.so.2"

static char top[] = "/tmp/rewrite-cache-XXXXXX";
static int store, failures;

static void check(bool ok, const char *what)
{
	printf("%s %s\n", ok ? "ok" : "not ok", what);
	failures += !ok;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

static unsigned entries(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* A copy of the loader that this test may change. */
static int make_copy(const char *name)
{
	char buf[65536];
	int in = open(LOADER, O_RDONLY | O_CLOEXEC);
	int out = openat(store, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			exit(2);
	close(in);
	return out;
}

static void settle(void)
{
	struct timespec pause = {.tv_nsec = 150000000};

	nanosleep(&pause, NULL);
}

static void test_build(struct image_cache *a, struct image_cache *b)
{
	struct image_key key;
	struct stat st;
	char name[IMAGE_NAME_SIZE];
	int fd = open(LOADER, O_RDONLY | O_CLOEXEC), path = open(LOADER, O_PATH | O_CLOEXEC);

	check(image_cache_find(a, fd, &key) == -ENOENT, "nothing is there at first");
	check(!image_cache_build(a, fd, &key) && !image_cache_keep(a, &key),
	      "the worker builds the loader's image");
	image_name(&key, name);
	check(!fstatat(a->view, name, &st, 0) && st.st_nlink == 2 && (st.st_mode & 0777) == 0444,
	      "it is in the sandbox's view, and nobody writes it");
	check(faccessat(b->view, name, F_OK, 0) && errno == ENOENT, "and not in another sandbox's");
	check(!image_cache_find(b, fd, &key) && !faccessat(b->view, name, F_OK, 0),
	      "which has it when it asks");
	check(image_cache_find(b, path, &key) == -EBADF,
	      "a descriptor that cannot be read proves nothing");
	close(fd);
	close(path);
}

static void test_change(struct image_cache *c)
{
	struct image_key key, later;
	int fd = make_copy("copy");

	check(image_cache_find(c, fd, &key) == -EAGAIN, "a file that changed just now must wait");
	settle();
	check(image_cache_find(c, fd, &key) == -ENOENT && !image_cache_build(c, fd, &key) &&
		      !image_cache_keep(c, &key),
	      "then it is built");
	if (pwrite(fd, "x", 1, 4096) != 1)
		exit(2);
	settle();
	check(image_cache_find(c, fd, &later) == -ENOENT && memcmp(&key, &later, sizeof(key)),
	      "a change makes it another file");
	check(image_cache_build(c, fd, &key) == -EAGAIN, "and what it was cannot be built from it");
	close(fd);
}

static void test_broken(struct image_cache *c)
{
	unsigned before = entries(c->images);
	struct image_key key;
	int fd = openat(store, "broken", O_RDWR | O_CREAT | O_CLOEXEC, 0755);

	if (write(fd, "\177ELF\2\1\1 and nothing else", 25) != 25)
		exit(2);
	settle();
	check(image_cache_find(c, fd, &key) == -ENOENT &&
		      image_cache_build(c, fd, &key) == -ENOEXEC && entries(c->images) == before,
	      "what is no executable leaves nothing behind");
	close(fd);
	check(image_cache_find(c, store, &key) == -EINVAL, "a directory is refused");
}

/* The loader's image in a view of another boot of the host is gone, though the cache has it. */
static void test_boot(void)
{
	struct image_cache c;
	int fd = openat(store, "boxes/a/cache/.boot", O_WRONLY | O_TRUNC | O_CLOEXEC);

	close(fd);
	check(!image_cache_open(&c, store, "a") && entries(c.view) == 1 && entries(c.images) == 2,
	      "after a boot a view is empty");
	image_cache_close(&c);
}

static void test_trim(struct image_cache *c)
{
	image_cache_trim(c, 1ull << 30);
	check(entries(c->images) == 2, "a cache within its bound is left alone");
	image_cache_trim(c, 0);
	check(!entries(c->images) && entries(c->view) == 1,
	      "and emptied where it is above, views too");
}

int main(void)
{
	struct image_cache a, b;

	if (!mkdtemp(top))
		return 2;
	store = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store < 0 || mkdirat(store, "boxes", 0700) || mkdirat(store, "boxes/a", 0700) ||
	    mkdirat(store, "boxes/b", 0700))
		return 2;
	check(!image_cache_open(&a, store, "a") && !image_cache_open(&b, store, "b"), "open");
	test_build(&a, &b);
	test_change(&a);
	test_broken(&a);
	test_boot();
	test_trim(&a);
	image_cache_close(&a);
	image_cache_close(&b);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return failures != 0;
}
