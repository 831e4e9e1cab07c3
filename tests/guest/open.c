// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * open(2) and openat(2): flags, what they create, and every errno a program is likely to depend on.
 */
#include "lib/t.h"

#include <sys/uio.h>

#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

static void create(void)
{
	struct stat st;
	int fd = must(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));

	must(fstat(fd, &st));
	eq(st.st_mode, S_IFREG | 0644);
	eq(st.st_size, 0);
	eq(st.st_nlink, 1);
	eq(st.st_uid == geteuid() && st.st_gid == getegid(), 1);
	fails(open("new", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
	eq(open("new", O_RDWR | O_CREAT, 0666) >= 0, 1);
	fails(open("missing", O_RDWR), ENOENT);
	fails(open("missing/deep", O_RDWR | O_CREAT, 0666), ENOENT);
	fails(open("new/deep", O_RDWR | O_CREAT, 0666), ENOTDIR);
	fails(open("new/", O_RDWR), ENOTDIR);
	fails(open("absent/", O_RDWR | O_CREAT, 0666), EISDIR);
	fails(open("", O_RDONLY), ENOENT);
	fails(open(NULL, O_RDONLY), EFAULT);
	fails(open((char *)8, O_RDONLY), EFAULT);
	umask(0);
	int fd2 = must(open("wide", O_WRONLY | O_CREAT, 06777));
	must(fstat(fd2, &st));
	eq(st.st_mode, S_IFREG | 06777);
	umask(077);
	fd2 = must(open("narrow", O_WRONLY | O_CREAT, 0666));
	must(fstat(fd2, &st));
	eq(st.st_mode, S_IFREG | 0600);
}

static void directory(void)
{
	must(mkdir("d", 0755));
	t_write_file("f", "x");
	fails(open("d", O_RDWR), EISDIR);
	fails(open("d", O_WRONLY), EISDIR);
	fails(open("d", O_RDONLY | O_CREAT, 0666), EISDIR);
	fails(open("d", O_RDONLY | O_TRUNC), EISDIR);
	fails(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fails(open("d", O_RDONLY | O_DIRECTORY | O_CREAT | O_EXCL, 0666), EINVAL);
	int d = must(open("d", O_RDONLY | O_DIRECTORY));
	char c;
	fails(read(d, &c, 1), EISDIR);
	fails(write(d, &c, 1), EBADF);
	fails(openat(d, "x", O_RDONLY), ENOENT);
	int fd = must(openat(d, "x", O_WRONLY | O_CREAT, 0644));
	eq(access("d/x", F_OK), 0);
	fails(openat(fd, "y", O_RDONLY), ENOTDIR);
	fails(openat(999, "y", O_RDONLY), EBADF);
	fails(openat(-1, "y", O_RDONLY), EBADF);
	char abs[4096];
	must((long)getcwd(abs, 4000) == 0 ? -1 : 0);
	strcat(abs, "/f");
	eq(openat(-1, abs, O_RDONLY) >= 0, 1);
	eq(openat(d, "..", O_RDONLY) >= 0, 1);
	eq(openat(AT_FDCWD, "f", O_RDONLY) >= 0, 1);
}

static void truncate_flag(void)
{
	struct stat st;

	t_write_file("f", "0123456789");
	int keep = must(open("f", O_RDWR));
	int fd = must(open("f", O_WRONLY | O_TRUNC));
	must(fstat(keep, &st));
	eq(st.st_size, 0);
	eq(write(fd, "ab", 2), 2);
	must(fstat(keep, &st));
	eq(st.st_size, 2);
	char b[8] = "";
	eq(read(keep, b, 8), 2);
	eqs(b, "ab");
}

static void nofollow(void)
{
	t_write_file("f", "target");
	must(mkdir("d", 0755));
	must(symlink("f", "l"));
	must(symlink("d", "ld"));
	must(symlink("nowhere", "dangling"));
	fails(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(open("ld", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(open("ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	fails(open("dangling", O_RDONLY), ENOENT);
	fails(open("dangling", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	fails(open("l", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	eq(open("dangling", O_WRONLY | O_CREAT, 0644) >= 0, 1);
	eq(access("nowhere", F_OK), 0);
	eq(open("ld/", O_RDONLY | O_NOFOLLOW) >= 0, 1);
	eq(open("ld/.", O_RDONLY | O_NOFOLLOW) >= 0, 1);
	int p = must(open("l", O_PATH | O_NOFOLLOW));
	struct stat st;
	must(fstat(p, &st));
	eq(S_ISLNK(st.st_mode), 1);
	char b[16] = "";
	eq(readlinkat(p, "", b, 15), 1);
	eqs(b, "f");
}

static void path_only(void)
{
	t_write_file("f", "hello");
	int p = must(open("f", O_PATH));
	char b[8];
	struct stat st;

	fails(read(p, b, 1), EBADF);
	fails(write(p, b, 1), EBADF);
	fails(lseek(p, 0, SEEK_SET), EBADF);
	fails(ftruncate(p, 0), EBADF);
	fails(syscall(SYS_fchmod, p, 0600), EBADF);
	fails(fsync(p), EBADF);
	ok(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED && errno == EBADF);
	eq(fstat(p, &st), 0);
	eq(st.st_size, 5);
	eq(fcntl(p, F_GETFL) & O_PATH, O_PATH);
	eq(fcntl(p, F_GETFD), 0);
	int q = must(dup(p));
	fails(read(q, b, 1), EBADF);
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p);
	int r = must(open(name, O_RDONLY));
	eq(read(r, b, 8), 5);
	must(mkdir("d", 0755));
	int d = must(open("d", O_PATH | O_DIRECTORY));
	eq(openat(d, "x", O_CREAT | O_WRONLY, 0644) >= 0, 1);
	eq(fchdir(d), 0);
	eq(access("x", F_OK), 0);
}

static void tmpfile_flag(void)
{
	struct stat st;
	char name[64];
	int fd = must(open(".", O_TMPFILE | O_RDWR, 0600));

	must(fstat(fd, &st));
	eq(st.st_nlink, 0);
	eq(st.st_mode, S_IFREG | 0600);
	eq(write(fd, "data", 4), 4);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	eq(linkat(AT_FDCWD, name, AT_FDCWD, "born", AT_SYMLINK_FOLLOW), 0);
	must(fstat(fd, &st));
	eq(st.st_nlink, 1);
	eqs(t_read_file("born"), "data");
	fails(linkat(AT_FDCWD, name, AT_FDCWD, "born", AT_SYMLINK_FOLLOW), EEXIST);
	fails(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	fails(open("born", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	fails(open("gone", O_TMPFILE | O_RDWR, 0600), ENOENT);
	int ex = must(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ex);
	fails(linkat(AT_FDCWD, name, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT);
}

static void modes(void)
{
	char b[4];

	t_write_file("f", "abc");
	int r = must(open("f", O_RDONLY));
	int w = must(open("f", O_WRONLY));
	int a = must(open("f", O_RDWR | O_APPEND | O_NONBLOCK));
	fails(write(r, "x", 1), EBADF);
	fails(read(w, b, 1), EBADF);
	fails(ftruncate(r, 1), EINVAL);
	eq(fcntl(r, F_GETFL) & O_ACCMODE, O_RDONLY);
	eq(fcntl(w, F_GETFL) & O_ACCMODE, O_WRONLY);
	eq(fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND | O_NONBLOCK);
	eq(fcntl(a, F_SETFL, 0), 0);
	eq(fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR);
	eq(fcntl(a, F_SETFL, O_APPEND | O_WRONLY), 0);
	eq(fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
	eq(read(r, (void *)1, 0), 0);
	fails(read(r, (void *)1, 3), EFAULT);
	fails(write(w, (void *)1, 3), EFAULT);
	fails(read(-1, b, 1), EBADF);
	fails(read(1000, b, 1), EBADF);
	fails(close(1000), EBADF);
	eq(fcntl(open("f", O_RDONLY | O_CLOEXEC), F_GETFD), FD_CLOEXEC);
	fails(fcntl(r, 9999), EINVAL);
	fails(fcntl(r, F_DUPFD, -1), EINVAL);
	eq(fcntl(r, F_DUPFD, 100), 100);
	eq(fcntl(r, F_DUPFD_CLOEXEC, 100), 101);
	eq(fcntl(101, F_GETFD), FD_CLOEXEC);
}

static void lowest(void)
{
	t_write_file("f", "abc");
	int a = must(open("f", O_RDONLY));
	int b = must(open("f", O_RDONLY));
	int c = must(open("f", O_RDONLY));
	eq(b, a + 1);
	eq(c, a + 2);
	close(b);
	eq(dup(c), b);
	close(a);
	eq(open("f", O_RDONLY), a);
	eq(dup2(c, 77), 77);
	eq(dup2(c, c), c);
	fails(dup2(500, 501), EBADF);
	fails(dup2(500, 500), EBADF);
	fails(dup3(c, c, 0), EINVAL);
	eq(dup3(c, 78, O_CLOEXEC), 78);
	eq(fcntl(78, F_GETFD), FD_CLOEXEC);
	eq(fcntl(77, F_GETFD), 0);
	fails(syscall(SYS_dup3, c, 79, O_APPEND), EINVAL);
	fails(dup2(c, -1), EBADF);
	fails(dup2(c, 1 << 30), EBADF);
	eq(syscall(SYS_close_range, 77, 78, 0), 0);
	fails(fcntl(77, F_GETFD), EBADF);
	fails(fcntl(78, F_GETFD), EBADF);
	eq(syscall(SYS_close_range, a, c, 4 /* CLOSE_RANGE_CLOEXEC */), 0);
	eq(fcntl(a, F_GETFD), FD_CLOEXEC);
	fails(syscall(SYS_close_range, 9, 8, 0), EINVAL);
}

static void long_names(void)
{
	char name[300], path[5001];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	eq(open(name, O_CREAT | O_RDWR, 0644) >= 0, 1);
	eq(access(name, F_OK), 0);
	name[255] = 'n';
	name[256] = 0;
	fails(open(name, O_CREAT | O_RDWR, 0644), ENAMETOOLONG);
	fails(mkdir(name, 0755), ENAMETOOLONG);
	fails(access(name, F_OK), ENAMETOOLONG);
	for (int i = 0; i < 5000; i++)
		path[i] = i % 2 ? '/' : '.';
	path[5000] = 0;
	fails(open(path, O_RDONLY), ENAMETOOLONG);
	fails(unlink(path), ENAMETOOLONG);
	path[4096] = 0;
	fails(open(path, O_RDONLY), ENAMETOOLONG);
	path[4095] = 0;
	eq(open(path, O_RDONLY) >= 0, 1);
	memset(path, '/', 4000);
	path[4000] = 0;
	eq(open(path, O_RDONLY) >= 0, 1);
}

static void unlinked(void)
{
	struct stat st;
	char b[8] = "";

	t_write_file("f", "still");
	int fd = must(open("f", O_RDWR));
	eq(unlink("f"), 0);
	fails(access("f", F_OK), ENOENT);
	must(fstat(fd, &st));
	eq(st.st_nlink, 0);
	eq(pread(fd, b, 7, 0), 5);
	eqs(b, "still");
	t_write_file("f", "other");
	eq(pwrite(fd, "STILL", 5, 0), 5);
	eqs(t_read_file("f"), "other");
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int again = must(open(name, O_RDONLY));
	eq(pread(again, b, 7, 0), 5);
	eqs(b, "STILL");
}

T_MAIN(T(create), T(directory), T(truncate_flag), T(nofollow), T(path_only), T(tmpfile_flag), T(modes), T(lowest),
       T(long_names), T(unlinked))
