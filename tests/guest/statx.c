// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * stat in its forms, and statfs. (musl: no, its headers lack statx)
 */
#include "lib/t.h"

#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static void same_as_stat(void)
{
	struct statx sx;
	struct stat st;

	t_write_file("h", "12345");
	must(stat("h", &st));
	must(statx(AT_FDCWD, "h", 0, STATX_BASIC_STATS | STATX_BTIME, &sx));
	ok((sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	eq(sx.stx_mode, st.st_mode);
	eq(sx.stx_size, 5);
	ok(sx.stx_ino == st.st_ino);
	ok(sx.stx_nlink == st.st_nlink && sx.stx_uid == st.st_uid && sx.stx_gid == st.st_gid);
	ok(sx.stx_blocks == (uint64_t)st.st_blocks && sx.stx_blksize == (uint64_t)st.st_blksize);
	ok(makedev(sx.stx_dev_major, sx.stx_dev_minor) == st.st_dev);
	ok(sx.stx_mtime.tv_sec == st.st_mtim.tv_sec && sx.stx_mtime.tv_nsec == st.st_mtim.tv_nsec);
	ok(sx.stx_ctime.tv_sec == st.st_ctim.tv_sec && sx.stx_ctime.tv_nsec == st.st_ctim.tv_nsec);
}

static void errors(void)
{
	struct statx sx;
	struct stat st;

	t_write_file("h", "");
	must(symlink("h", "l"));
	fails(statx(AT_FDCWD, "h", 0x20, STATX_BASIC_STATS, &sx), EINVAL);
	fails(statx(AT_FDCWD, "gone", 0, STATX_BASIC_STATS, &sx), ENOENT);
	fails(statx(AT_FDCWD, "h/x", 0, STATX_BASIC_STATS, &sx), ENOTDIR);
	fails(statx(AT_FDCWD, "", 0, STATX_BASIC_STATS, &sx), ENOENT);
	fails(syscall(SYS_statx, AT_FDCWD, "h", 0, 0x80000000u, &sx), EINVAL);
	fails(syscall(SYS_statx, AT_FDCWD, "h", 0x6000, STATX_BASIC_STATS, &sx), EINVAL);
	fails(syscall(SYS_statx, AT_FDCWD, "h", 0, STATX_BASIC_STATS, 8), EFAULT);
	fails(statx(99, "h", 0, STATX_BASIC_STATS, &sx), EBADF);
	eq(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx), 0);
	ok(S_ISDIR(sx.stx_mode));
	eq(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx), 0);
	ok(S_ISLNK(sx.stx_mode));
	eq(statx(AT_FDCWD, "l", AT_NO_AUTOMOUNT, STATX_TYPE, &sx), 0);
	ok(S_ISREG(sx.stx_mode));
	int fd = must(open("h", O_RDONLY));
	eq(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &sx), 0);
	eq(fstatat(fd, "", &st, AT_EMPTY_PATH), 0);
	fails(fstatat(fd, "", &st, 0), ENOENT);
	fails(fstatat(fd, "x", &st, 0), ENOTDIR);
	fails(fstatat(AT_FDCWD, "h", &st, 0x40), EINVAL);
	fails(fstat(99, &st), EBADF);
	fails(syscall(SYS_fstat, fd, 8), EFAULT);
	fails(stat("h/", &st), ENOTDIR);
	fails(lstat("l/", &st), ENOTDIR);
}

static void kinds(void)
{
	struct stat st;
	int p[2];

	must(pipe(p));
	must(fstat(p[0], &st));
	eq(st.st_mode & S_IFMT, S_IFIFO);
	must(stat("/dev/null", &st));
	eq(st.st_mode, S_IFCHR | 0666);
	eq(major(st.st_rdev), 1);
	eq(minor(st.st_rdev), 3);
	must(stat("/dev/zero", &st));
	eq(minor(st.st_rdev), 5);
	must(stat("/", &st));
	ok(S_ISDIR(st.st_mode) && st.st_nlink > 2);
	must(stat(".", &st));
	ino_t here = st.st_ino;
	dev_t dev = st.st_dev;
	must(mkdir("d", 0755));
	must(stat("d/..", &st));
	ok(st.st_ino == here && st.st_dev == dev);
	must(stat("d/.", &st));
	ok(st.st_ino != here);
	must(mkfifo("fifo", 0640));
	must(stat("fifo", &st));
	eq(st.st_mode, S_IFIFO | 0640);
	ino_t before;
	t_write_file("f", "x");
	must(stat("f", &st));
	before = st.st_ino;
	t_write_file("f", "changed");
	must(chmod("f", 0600));
	must(rename("f", "g"));
	must(stat("g", &st));
	ok(st.st_ino == before);
}

/* A file of the base below: its number must not change when it is copied up by a first write. */
static void base_numbers(void)
{
	struct stat a, b, c;

	must(stat("/etc/passwd", &a));
	int fd = must(open("/etc/passwd", O_RDONLY));
	must(fstat(fd, &b));
	must(stat("/etc/passwd", &c));
	ok(a.st_ino == b.st_ino && b.st_ino == c.st_ino && a.st_dev == b.st_dev);
	ok(a.st_size == lseek(fd, 0, SEEK_END));
	must(stat("/etc", &a));
	must(stat("/etc/.", &b));
	must(stat("/usr/../etc", &c));
	ok(a.st_ino == b.st_ino && b.st_ino == c.st_ino);
	eq(a.st_mode, S_IFDIR | 0755);
}

static void whole_fs(void)
{
	struct statfs sf;
	struct statvfs sv;

	t_write_file("f", "x");
	eq(statfs("f", &sf), 0);
	ok(sf.f_bsize > 0 && sf.f_blocks > 0 && sf.f_bfree <= sf.f_blocks && sf.f_bavail <= sf.f_bfree);
	eq(sf.f_namelen, 255);
	int fd = must(open("f", O_RDONLY));
	eq(fstatfs(fd, &sf), 0);
	fails(statfs("gone", &sf), ENOENT);
	fails(fstatfs(99, &sf), EBADF);
	eq(statvfs("/", &sv), 0);
	ok(sv.f_bsize > 0 && sv.f_namemax == 255);
	eq(statfs("/proc", &sf), 0);
	eq(sf.f_type, 0x9fa0);
	eq(pathconf(".", _PC_NAME_MAX), 255);
	eq(pathconf(".", _PC_PATH_MAX), 4096);
	eq(pathconf(".", _PC_PIPE_BUF), 4096);
}

T_MAIN(T(same_as_stat), T(errors), T(kinds), T(base_numbers), T(whole_fs))
