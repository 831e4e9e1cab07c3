// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attempts on the kernel's doors: calls that a picoprocess must not be able to make by the PAL's instruction, other entry
 * points, and arguments with bits where the kernel does not look. Any success is an escape.
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct row {
	const char *name;
	long nr, a, b, c, d, e;
};

static char area[8192];

static const struct row forbidden[] = {
	{ "unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, 0 },
	{ "unshare mount", SYS_unshare, CLONE_NEWNS, 0, 0, 0, 0 },
	{ "setns", SYS_setns, 3, 0, 0, 0, 0 },
	{ "mount", SYS_mount, (long)"none", (long)"/tmp", (long)"tmpfs", 0, 0 },
	{ "umount", SYS_umount2, (long)"/", 2 /* MNT_DETACH */, 0, 0, 0 },
	{ "pivot_root", SYS_pivot_root, (long)".", (long)".", 0, 0, 0 },
	{ "chroot", SYS_chroot, (long)"/", 0, 0, 0, 0 },
	{ "chdir", SYS_chdir, (long)"/", 0, 0, 0, 0 },
	{ "fchdir", SYS_fchdir, 16, 0, 0, 0, 0 },
	{ "open_tree", 428, AT_FDCWD, (long)"/", 1, 0, 0 },
	{ "move_mount", 429, AT_FDCWD, (long)"/", AT_FDCWD, (long)"/tmp", 0 },
	{ "fsopen", 430, (long)"tmpfs", 0, 0, 0, 0 },
	{ "mount_setattr", 442, AT_FDCWD, (long)"/", 0, (long)area, 32 },
	{ "bpf", SYS_bpf, 0, (long)area, 64, 0, 0 },
	{ "perf_event_open", SYS_perf_event_open, (long)area, 0, -1, -1, 0 },
	{ "userfaultfd", SYS_userfaultfd, 1, 0, 0, 0, 0 },
	{ "io_uring_setup", 425, 4, (long)area, 0, 0, 0 },
	{ "io_uring_enter", 426, 0, 0, 0, 0, 0 },
	{ "keyctl", SYS_keyctl, 0, -3, 1, 0, 0 },
	{ "add_key", SYS_add_key, (long)"user", (long)"x", (long)"x", 1, -3 },
	{ "request_key", SYS_request_key, (long)"user", (long)"x", (long)"x", -3, 0 },
	{ "modify_ldt", SYS_modify_ldt, 0, (long)area, sizeof(area), 0, 0 },
	{ "personality", SYS_personality, 0x400000, 0, 0, 0, 0 },
	{ "iopl", SYS_iopl, 0, 0, 0, 0, 0 },
	{ "ioperm", SYS_ioperm, 0, 1, 0, 0, 0 },
	{ "name_to_handle_at", SYS_name_to_handle_at, AT_FDCWD, (long)"/", (long)area, (long)area + 4096, 0 },
	{ "open_by_handle_at", SYS_open_by_handle_at, AT_FDCWD, (long)area, 0, 0, 0 },
	{ "fanotify_init", SYS_fanotify_init, 0, 0, 0, 0, 0 },
	{ "inotify_init1", SYS_inotify_init1, 0, 0, 0, 0, 0 },
	{ "seccomp", SYS_seccomp, 1, 0, (long)area, 0, 0 },
	{ "seccomp listener", SYS_seccomp, 1, 8, (long)area, 0, 0 },
	{ "prctl seccomp", SYS_prctl, 22, 2, (long)area, 0, 0 },
	{ "prctl dumpable", SYS_prctl, 4, 1, 0, 0, 0 },
	{ "prctl ptracer", SYS_prctl, 0x59616d61, -1, 0, 0, 0 },
	{ "prctl caps", SYS_prctl, 47, 2, 21, 0, 0 },
	{ "landlock_create_ruleset", 444, 0, 0, 1, 0, 0 },
	{ "ptrace traceme", SYS_ptrace, 0, 0, 0, 0, 0 },
	{ "quotactl", SYS_quotactl, 0x80000700, 0, 0, 0, 0 },
	{ "syslog", SYS_syslog, 10, 0, 0, 0, 0 },
	{ "shmget", SYS_shmget, 0x12345, 4096, 01600, 0, 0 },
	{ "msgget", SYS_msgget, 0x12345, 01600, 0, 0, 0 },
	{ "semget", SYS_semget, 0x12345, 1, 01600, 0, 0 },
	{ "mq_open", SYS_mq_open, (long)"escape", O_CREAT | O_RDWR, 0600, 0, 0 },
	{ "memfd_secret", 447, 0, 0, 0, 0, 0 },
	{ "vmsplice", SYS_vmsplice, 1, (long)area, 0, 0, 0 },
	{ "kcmp", SYS_kcmp, 1, 1, 0, 0, 0 },
	{ "setuid", SYS_setuid, 65534, 0, 0, 0, 0 },
	{ "setresuid", SYS_setresuid, -1, -1, -1, 0, 0 },
	{ "setgroups", SYS_setgroups, 0, 0, 0, 0, 0 },
	{ "capset", SYS_capset, (long)area, 0, 0, 0, 0 },
	{ "move_pages", SYS_move_pages, 0, 0, 0, 0, 0 },
	{ "mbind", SYS_mbind, (long)area, 0, 0, 0, 0 },
	{ "sched_setattr", SYS_sched_setattr, 0, (long)area, 0, 0, 0 },
	{ "timer_create", SYS_timer_create, 1, 0, (long)area, 0, 0 },
	{ "acct", SYS_acct, 0, 0, 0, 0, 0 },
	{ "pidfd_open", 434, 1, 0, 0, 0, 0 },
	{ "clone3", 435, (long)area, 88, 0, 0, 0 },
	{ "clone new user", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0 },
	{ "clone new pid", SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0 },
	{ "clone parent", SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0 },
	{ "clone untraced", SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0 },
	{ "open by path", SYS_open, (long)"/etc/passwd", O_RDONLY, 0, 0, 0 },
	{ "openat from the cwd", SYS_openat, AT_FDCWD, (long)".", O_RDONLY, 0, 0 },
	{ "close the image", SYS_close, 3, 0, 0, 0, 0 },
	{ "replace the image", SYS_dup3, 0, 3, O_CLOEXEC, 0, 0 },
	{ "close_range all", 436, 3, -1, 0, 0, 0 },
	/* High halves: the kernel looks at 32 bits, a filter might at 64. */
	{ "clone high bits", SYS_clone, (1l << 32) | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0 },
	{ "unshare high bits", SYS_unshare, (1l << 32) | CLONE_NEWUSER, 0, 0, 0, 0 },
	{ "prctl high bits", SYS_prctl, (1l << 32) | 4, 1, 0, 0, 0 },
	{ "TIOCSTI", SYS_ioctl, 0, 0x5412, (long)"x", 0, 0 },
	{ "TIOCSTI high bits", SYS_ioctl, 0, (1l << 32) | 0x5412, (long)"x", 0, 0 },
	{ "TIOCLINUX", SYS_ioctl, 0, 0x541c, (long)"\x02", 0, 0 },
	{ "TIOCSETD", SYS_ioctl, 0, 0x5423, (long)area, 0, 0 },
	{ "FS_IOC_SETFLAGS", SYS_ioctl, 16, 0x40086602, (long)area, 0, 0 },
	{ "FIFREEZE", SYS_ioctl, 16, 0xc0045877, 0, 0, 0 },
	{ "FICLONE", SYS_ioctl, 16, 0x40049409, 3, 0, 0 },
	{ "F_NOTIFY", SYS_fcntl, 16, 1026, 2, 0, 0 },
	{ "x32 getpid", 0x40000000 | SYS_getpid, 0, 0, 0, 0, 0 },
	{ "x32 openat", 0x40000000 | SYS_openat, AT_FDCWD, (long)"/etc/passwd", 0, 0, 0 },
	{ "no such call", 999, 0, 0, 0, 0, 0 },
	/* What other calls do, and these did too: ids of the host's, signals to groups and to all. */
	{ "kill everybody", SYS_kill, -1, 0, 0, 0, 0 },
	{ "kill the group", SYS_kill, 0, 0, 0, 0, 0 },
	{ "tgkill", SYS_tgkill, 1, 1, 0, 0, 0 },
	{ "getppid", SYS_getppid, 0, 0, 0, 0, 0 },
	{ "getsid", SYS_getsid, 0, 0, 0, 0, 0 },
	{ "wait4", SYS_wait4, -1, 0, 1, 0, 0 },
	{ "uname", SYS_uname, (long)area, 0, 0, 0, 0 },
	{ "process_madvise", 440, 3, (long)area, 1, 20, 0 },
	{ "process_mrelease", 448, 3, 0, 0, 0, 0 },
	{ "pidfd_getfd", 438, 3, 0, 0, 0, 0 },
	{ "pidfd_send_signal", 424, 3, 0, 0, 0, 0 },
	{ "close_range unshare", 436, 90, 95, 2, 0, 0 },
	{ "cachestat", 451, 3, (long)area, (long)area + 64, 0, 0 },
	{ "fchmodat2", 452, 16, (long)"", 0777, 0x1000, 0 },
	{ "map_shadow_stack", 453, 0, 4096, 1, 0, 0 },
	{ "statmount", 457, (long)area, (long)area + 64, 512, 0, 0 },
	{ "listmount", 458, (long)area, (long)area + 64, 8, 0, 0 },
	{ "lsm_set_self_attr", 460, 100, (long)area, 32, 0, 0 },
	{ "setxattrat", 463, 16, (long)"x", 0, (long)"user.x", (long)area },
	{ "getxattrat", 464, 16, (long)"x", 0, (long)"user.x", (long)area },
	{ "open_tree_attr", 467, -100, (long)"/", 1, (long)area, 32 },
	{ "MAP_GROWSDOWN", SYS_mmap, 0, 4096, 3, 0x122, -1 },
	{ "MAP_HUGETLB", SYS_mmap, 0, 2 << 20, 3, 0x40022, -1 },
	{ "madvise HWPOISON", SYS_madvise, (long)area, 4096, 100, 0, 0 },
	{ "madvise SOFT_OFFLINE", SYS_madvise, (long)area, 4096, 101, 0, 0 },
	{ "SO_ATTACH_FILTER", SYS_setsockopt, 5, 1, 26, (long)area, 16 },
	{ "SO_BINDTODEVICE", SYS_setsockopt, 5, 1, 25, (long)"lo", 3 },
	{ "F_SETLEASE", SYS_fcntl, 16, 1024, 0, 0, 0 },
	{ "prlimit of pid 1", SYS_prlimit64, 1, 7, 0, (long)area, 0 },
	{ "priority of the user", SYS_setpriority, 2, 0, 19, 0, 0 },
};

static enum verdict try_row(enum way w, void *arg)
{
	const struct row *r = arg;

	return must_fail(call(w, r->nr, r->a, r->b, r->c, r->d, r->e));
}

static enum verdict int80(enum way w, void *arg)
{
	long r;

	/* getpid of the 32-bit table */
	asm volatile("int $0x80" : "=a"(r) : "0"(20) : "memory", "r8", "r9", "r10", "r11");
	return must_fail((int)r);
}

static enum verdict sysenter(enum way w, void *arg)
{
	asm volatile("movl $20,%%eax; sysenter" ::: "eax", "rcx", "rdx", "memory");
	return ESCAPED;
}

static enum verdict vsyscall(enum way w, void *arg)
{
	/* time(2) in the fixed page: it leaks the host's clock at most, but no call may run there. */
	long t = ((long (*)(long *))0xffffffffff600400ul)(NULL);
	return t > 0 ? DONE : REFUSED;
}

static enum verdict thread(enum way w, void *arg)
{
	/* A bare host thread with no control block: whatever it runs, it is under the filter. */
	static char stack[65536] __attribute__((aligned(16)));
	long r = call(w, SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0, 0, 0, 0);

	(void)stack;
	if (r == 0) {
		call(w, SYS_unshare, CLONE_NEWUSER);
		call(w, SYS_exit, 0);
	}
	return REFUSED;
}

static enum verdict low_memory(enum way w, void *arg)
{
	long m = call(w, SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return m == 0 ? ESCAPED : REFUSED;
}

int main(int argc, char **argv)
{
	int escaped = 0;

	if (way_pal())
		for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
			escaped += attempt(forbidden[i].name, PAL, try_row, (void *)&forbidden[i]);
	else
		printf("no PAL here\n");
	escaped += attempt("int $0x80", RAW, int80, NULL);
	escaped += attempt("sysenter", RAW, sysenter, NULL);
	escaped += attempt("vsyscall", RAW, vsyscall, NULL);
	escaped += attempt("bare thread", PAL, thread, NULL);
	escaped += attempt("page 0", PAL, low_memory, NULL);
	return escaped ? 1 : 0;
}
