// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What calls answer at their edges, where test suites of others look: descriptors that are only a place, counts that
 * no buffer has, flags that do nothing.
 */
#include "lib/t.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#ifndef FIGETBSZ
#define FIGETBSZ _IO(0x00, 2) /* linux/fs.h */
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* Both places say the same release. */
static int release(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	must(uname(&u));
	sscanf(u.release, "%d.%d", &major, &minor);
	return major * 100 + minor;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	must(lstat(name, &st));
	return st.st_mode & 07777;
}

/* O_PATH descriptors can be asked where they are, and nothing about what is in them. */
static void places(void)
{
	struct statfs a, b;

	t_write_file("f", "x");
	int fd = must(open("f", O_PATH)), in = must(open("f", O_RDONLY));
	eq(fstatfs(fd, &a), 0);
	eq(fstatfs(in, &b), 0);
	ok(a.f_type == b.f_type && a.f_bsize == b.f_bsize);
	fails(fstatfs(99, &a), EBADF);
	fails(flock(fd, LOCK_SH), EBADF);
}

static void counts(void)
{
	char buf[8];

	t_write_file("f", "hello");
	int fd = must(open("f", O_RDWR));
	fails(read(fd, buf, (size_t)-1), EFAULT);
	fails(write(fd, buf, (size_t)-1), EFAULT);
	fails(pread(fd, buf, (size_t)-1, 0), EFAULT);
	fails(pwrite(fd, buf, (size_t)-1, 0), EFAULT);
	eq(lseek(fd, 0, SEEK_CUR), 0);
	eq(read(fd, buf, sizeof(buf)), 5);
}

static void owners(void)
{
	struct f_owner_ex o = { F_OWNER_PID, 0x7ffffff0 };
	int p[2];

	must(pipe(p));
	fails(fcntl(p[0], F_SETOWN, 0x7ffffff0), ESRCH);
	fails(fcntl(p[0], F_SETOWN_EX, &o), ESRCH);
	eq(fcntl(p[0], F_GETOWN), 0);
	eq(fcntl(p[0], F_SETOWN, getpid()), 0);
	ok(fcntl(p[0], F_GETOWN) == getpid());
	eq(fcntl(p[0], F_SETOWN, -getpgrp()), 0);
	o = (struct f_owner_ex){ F_OWNER_PID, getpid() };
	eq(fcntl(p[0], F_SETOWN_EX, &o), 0);
	ok(fcntl(p[0], F_GETOWN) == getpid());
	eq(fcntl(p[0], F_SETOWN, 0), 0);
	eq(fcntl(p[0], F_GETOWN), 0);
}

/* Asked for no event, as Python's own tests do. */
/* Of each kind of file: what F_GETFL says without asking more than how it came to be, and its block size. */
static void kind_of(const char *name, int fd)
{
	int size = 0, flags = fcntl(must(fd), F_GETFL);

	eq(ioctl(fd, FIGETBSZ, &size), flags & O_PATH ? -1 : 0);
	say("%s: flags %#x, blocks of %d", name, flags, size);
	close(fd);
}

static void kinds(void)
{
	int p[2], s[2];

	must(pipe(p));
	kind_of("pipe", p[0]);
	kind_of("pipe's other end", p[1]);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	kind_of("unix socket", s[0]);
	kind_of("tcp socket", socket(AF_INET, SOCK_STREAM, 0));
	kind_of("epoll", epoll_create1(0));
	kind_of("eventfd", eventfd(0, 0));
	kind_of("memfd", memfd_create("m", 0));
	must(mkfifo("fifo", 0600));
	kind_of("fifo", open("fifo", O_RDWR));
	kind_of("file", open("file", O_RDWR | O_CREAT | O_APPEND, 0600));
	kind_of("directory", open(".", O_RDONLY | O_DIRECTORY));
	kind_of("a file's name", open("file", O_PATH));
	kind_of("/dev/null", open("/dev/null", O_WRONLY));
}

static void nothing_to_notify(void)
{
	int fd = must(open(".", O_RDONLY));

	eq(fcntl(fd, F_NOTIFY, DN_MULTISHOT), 0);
	eq(fcntl(fd, F_NOTIFY, 0), 0);
	fails(fcntl(99, F_NOTIFY, 0), EBADF);
	eq(flock(fd, 32 | 64 /* LOCK_MAND | LOCK_READ */), 0);
}

static void set_ids_at_truncate(void)
{
	t_write_file("f", "hello");
	must(chmod("f", 06755));
	eq(truncate("f", 3), 0);
	eq(mode_of("f"), t_root() ? 06755 : 0755);
	must(chmod("f", 06745));
	eq(truncate("f", 1), 0);
	eq(mode_of("f"), t_root() ? 06745 : 02745);
	must(chmod("f", 04755));
	eq(chown("f", -1, -1), 0);
	say("%o", mode_of("f"));
}

static long chmod2(int dirfd, const char *path, unsigned mode, int flags)
{
	return syscall(SYS_fchmodat2, dirfd, path, mode, flags);
}

static void chmod_with_flags(void)
{
	t_write_file("f", "x");
	must(symlink("f", "l"));
	int fd = must(open("f", O_RDONLY)), place = must(open("f", O_PATH));
	if (release() < 606)
		return;
	eq(chmod2(AT_FDCWD, "f", 0600, 0), 0);
	eq(mode_of("f"), 0600);
	fails(chmod2(AT_FDCWD, "l", 0644, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	eq(chmod2(AT_FDCWD, "f", 0640, AT_SYMLINK_NOFOLLOW), 0);
	eq(mode_of("f"), 0640);
	eq(chmod2(AT_FDCWD, "l", 0644, 0), 0);
	eq(mode_of("f"), 0644);
	eq(chmod2(fd, "", 0604, AT_EMPTY_PATH), 0);
	eq(mode_of("f"), 0604);
	eq(chmod2(place, "", 0606, AT_EMPTY_PATH), 0);
	eq(mode_of("f"), 0606);
	fails(chmod2(fd, "", 0644, 0), ENOENT);
	fails(chmod2(fd, "", 0644, 1), EINVAL);
	fails(chmod2(AT_FDCWD, NULL, 0644, 0), EFAULT);
	fails(chmod2(99, "f", 0644, 0), EBADF);
}

/* A process of one thread has its descriptors and its directory to itself. */
static void unsharing(void)
{
	eq(unshare(0), 0);
	eq(unshare(CLONE_FILES), 0);
	eq(unshare(CLONE_FS | CLONE_SYSVSEM), 0);
	eq(unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM), 0);
	fails(unshare(1), EINVAL);
	if (!t_root())
		fails(unshare(CLONE_NEWNS), EPERM);
}

static void validated_maps(void)
{
	t_write_file("f", "x");
	int fd = must(open("f", O_RDONLY));
	const int base = MAP_SHARED_VALIDATE;
	const int bad[] = { (int)0x80000000, MAP_SYNC, 0x200 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails((long)mmap(NULL, 4096, PROT_READ, base | bad[i], fd, 0), EOPNOTSUPP);
	ok(mmap(NULL, 4096, PROT_READ, base | MAP_POPULATE | MAP_NORESERVE, fd, 0) != MAP_FAILED);
	fails((long)mmap(NULL, 4096, PROT_READ, base | MAP_ANONYMOUS, -1, 0), EINVAL);
}

T_MAIN(T(places), T(counts), T(owners), T(kinds), T(nothing_to_notify), T(set_ids_at_truncate), T(chmod_with_flags),
       T(unsharing), T(validated_maps))
