/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Archives from anywhere, read without the jail that they are read in (gshd/tree/unpack.h): nothing is made or changed outside
 * the directory that is filled, no set-id bit and no device gets in, and no descriptor is lost.
 *
 * Of the input: a byte (1: whiteouts as a second pass, 2: an image layout, 3: the child's list of late times), then the bytes.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gshd/client/delete.h"
#include "gshd/tree/unpack.h"
#include "tests/fuzz/files.h"

static char place[] = "/tmp/fuzz-unpack.XXXXXX";
static int top = -1; /* place */

static void leave(void)
{
	(void)!store_empty(top, ".");
	rmdir(place);
}

static void begin(void)
{
	const struct timespec past[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	int fd;

	if (top < 0) {
		umask(0);
		must(mkdtemp(place));
		top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(top >= 0);
		atexit(leave);
	}
	must(!store_empty(top, "."));
	must(!mkdirat(top, "in", 0755) && !mkdirat(top, "blobs", 0755));
	fd = openat(top, "victim", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	must(fd >= 0 && !futimens(fd, past));
	close(fd);
	/* What was there before leads out. */
	must(!symlinkat("../victim", top, "in/up") && !symlinkat("..", top, "in/dots"));
}

static int look(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)path, (void)what, (void)at;
	must(S_ISLNK(st->st_mode) || !(st->st_mode & 06000));
	must(!S_ISBLK(st->st_mode) && (!S_ISCHR(st->st_mode) || !st->st_rdev));
	return 0;
}

static void check(void)
{
	struct stat st;
	unsigned names = 0;
	DIR *d = opendir(place);

	must(d != NULL);
	while (readdir(d))
		names++;
	closedir(d);
	must(names == 5); /* with itself and its parent */
	must(!fstatat(top, "victim", &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640);
	must(!st.st_size && st.st_mtime == 1000000000 && st.st_nlink == 1);
	must(!nftw(place, look, 16, FTW_PHYS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char why[UNPACK_WHY];
	unsigned before, how = take(&data, &size) & 3;
	struct unpack u = { 0 };
	struct unpacker p = { .u = &u, .why = why };
	int fd, err = 0;

	begin();
	before = open_files();
	*why = '\0';
	fd = memfd_create("archive", MFD_CLOEXEC);
	u.dir = openat(top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	u.blobs = openat(top, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p.out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	p.late = unpack_late_file();
	must(fd >= 0 && u.dir >= 0 && u.blobs >= 0 && p.out >= 0 && p.late >= 0);
	must(write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
	if (how == 3) {
		unpack_late_set(fd, u.dir);
	} else {
		err = how == 2 ? unpack_oci(&p, fd, false) : unpack_tar(&p, fd, false);
		if (how == 1 && !err && !lseek(fd, 0, SEEK_SET))
			err = unpack_tar(&p, fd, true);
		/* Also where the archive was not read to its end: it takes what was noted along. */
		(void)!unpack_times(&p);
		unpack_late_set(p.late, u.dir);
	}
	must(err <= 0 && memchr(why, '\0', sizeof(why)));
	close(fd);
	close(u.dir);
	close(u.blobs);
	close(p.out);
	close(p.late);
	must(open_files() == before);
	check();
	return 0;
}
