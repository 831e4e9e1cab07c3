// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Small switches and questions that stress tests and debuggers turn to: prctl, inode flags, guard pages, what is locked.
 * (musl: no, it comes without the kernel's headers)
 */
#include "lib/t.h"

#include <linux/fs.h>
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#ifndef FS_EXTENT_FL
#define FS_EXTENT_FL 0x80000
#endif
#define SET_TICKS _IOW('T', 0, uint64_t) /* TFD_IOC_SET_TICKS */
#define PAGE 4096

static int child_mce(void *arg)
{
	return prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
}

static void memory_errors(void)
{
	eq(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
	eq(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0), 0);
	eq(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
	eqs(t_wait(t_fork(child_mce, NULL)), "exit 1");
	eq(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0), 0);
	eq(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_LATE);
	eq(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0), 0);
	eq(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
	fails(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3, 0, 0), EINVAL);
	fails(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0), EINVAL);
	fails(prctl(PR_MCE_KILL, 2, 0, 0, 0), EINVAL);
	fails(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 0, 1, 0), EINVAL);
}

static void speculation(void)
{
	char text[32];

	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "speculation %d", i);
		say("%s: %d", text, prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0));
		show(text, prctl(PR_SET_SPECULATION_CTRL, i, 99, 0, 0));
	}
	fails(prctl(PR_GET_SPECULATION_CTRL, 9, 0, 0, 0), ENODEV);
	fails(prctl(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0), EINVAL);
	fails(prctl(PR_SET_SPECULATION_CTRL, 9, 2, 0, 0), ENODEV);
}

/* Those that say something: how a file system lays its files out is its own affair. */
static int inode_flags(int fd)
{
	int flags = -1;

	eq(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	return flags & ~FS_EXTENT_FL;
}

static void flags_of_files(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT, 0644)), dir = must(open(".", O_RDONLY));
	int null = must(open("/dev/null", O_RDWR)), proc = must(open("/proc/self/stat", O_RDONLY));
	int flags, block = 0;
	struct fsxattr x;

	eq(inode_flags(fd), 0);
	eq(inode_flags(dir), 0);
	eq(inode_flags(must(open("../base/keep", O_RDONLY))), 0);
	eq(ioctl(fd, FS_IOC_FSGETXATTR, &x), 0);
	eq(x.fsx_xflags, 0);
	fails(ioctl(fd, FS_IOC_GETFLAGS, NULL), EFAULT);
	fails(ioctl(fd, FS_IOC_SETFLAGS, NULL), EFAULT);
	must(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	eq(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	if (!t_root()) {
		flags |= FS_IMMUTABLE_FL;
		fails(ioctl(fd, FS_IOC_SETFLAGS, &flags), EPERM);
		fails(ioctl(fd, FIBMAP, &block), EPERM);
	}
	fails(ioctl(null, FS_IOC_GETFLAGS, &flags), ENOTTY);
	fails(ioctl(proc, FS_IOC_GETFLAGS, &flags), ENOTTY);
}

/* Guard pages are of Linux 6.13; before, the host refuses them, too. */
static void guards(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ends[2];

	must(pipe(ends));
	p[0] = 1;
	if (show("guard", madvise(p, PAGE, MADV_GUARD_INSTALL)) == 0) {
		fails(write(ends[1], p, 1), EFAULT);
		eq(write(ends[1], p + PAGE, 1), 1);
		eq(madvise(p, 4 * PAGE, MADV_GUARD_REMOVE), 0);
		eq(p[0], 0);
		must(mlock(p, PAGE));
		fails(madvise(p, PAGE, MADV_GUARD_INSTALL), EINVAL);
	}
	fails(madvise(p + 1, PAGE, MADV_GUARD_INSTALL), EINVAL);
	fails(madvise(p, PAGE, 104), EINVAL);
}

static long kilobytes(const char *file, const char *field)
{
	const char *text = strstr(t_read_file(file), field);

	return text ? atol(text + strlen(field)) : -1;
}

static void locked(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	eq(kilobytes("/proc/self/status", "VmLck:"), 0);
	must(mlock(p, 2 * PAGE));
	eq(kilobytes("/proc/self/status", "VmLck:"), 8);
	must(mlock(p + PAGE, 2 * PAGE));
	eq(kilobytes("/proc/self/status", "VmLck:"), 12);
	eq(kilobytes("/proc/self/smaps_rollup", "Locked:"), 12);
	must(munlock(p, 4 * PAGE));
	eq(kilobytes("/proc/self/status", "VmLck:"), 0);
	eq(kilobytes("/proc/self/smaps_rollup", "Locked:"), 0);
}

static long open_cached(const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags, .resolve = RESOLVE_CACHED };

	if (flags & O_CREAT)
		how.mode = 0600;
	return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static void cached(void)
{
	t_write_file("f", "text");
	ok(open_cached("f", O_RDONLY) >= 0);
	fails(open_cached("f", O_RDWR | O_TRUNC), EAGAIN);
	fails(open_cached("g", O_RDWR | O_CREAT), EAGAIN);
	fails(open_cached("none", O_RDONLY), EAGAIN);
}

static void ticks(void)
{
	int fd = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), pipes[2];
	uint64_t n = 5, got = 0;

	must(pipe(pipes));
	/* Where the kernel can be checkpointed. */
	if (show("ticks", ioctl(fd, SET_TICKS, &n)) == 0) {
		eq(read(fd, &got, sizeof(got)), sizeof(got));
		eq(got, 5);
		n = 0;
		fails(ioctl(fd, SET_TICKS, &n), EINVAL);
		fails(ioctl(fd, SET_TICKS, NULL), EFAULT);
	}
	fails(ioctl(pipes[0], SET_TICKS, &n), ENOTTY);
}

static void huge_files(void)
{
	/* There need be none; but a size is asked for by who asks for huge pages only. */
	fails(syscall(SYS_memfd_create, "x", 21u << 26), EINVAL);
	fails(syscall(SYS_memfd_create, "x", 1u << 25), EINVAL);
}

static int sleeper(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static void compared(void)
{
	pid_t me = getpid(), pid = t_fork(sleeper, NULL);

	for (int type = KCMP_VM; type <= KCMP_SIGHAND; type++) {
		long there = syscall(SYS_kcmp, me, pid, type, 0, 0), back = syscall(SYS_kcmp, pid, me, type, 0, 0);

		ok((there == 1 && back == 2) || (there == 2 && back == 1));
	}
	eq(syscall(SYS_kcmp, me, pid, KCMP_IO, 0, 0), 0);
	eq(syscall(SYS_kcmp, me, pid, KCMP_SYSVSEM, 0, 0), 0);
	eq(syscall(SYS_kcmp, me, me, KCMP_VM, 0, 0), 0);
	eq(syscall(SYS_kcmp, pid, pid, KCMP_VM, 0, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fails(syscall(SYS_kcmp, me, pid, KCMP_VM, 0, 0), ESRCH);
}

T_MAIN(T(memory_errors), T(speculation), T(flags_of_files), T(guards), T(locked), T(cached), T(ticks), T(huge_files),
       T(compared))
