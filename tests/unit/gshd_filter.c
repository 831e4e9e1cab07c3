/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The seccomp program, run by an interpreter of our own against a table of calls: what passes, what
 * traps, what kills, on each rung. No call is really made, so that the whole table can be tried
 * without dying.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "pal/confine/confine.h"
#include "tests/unit/bpf.h"
#include "tests/unit/gshd_test.h"

#ifndef SYS_setxattrat /* Linux 6.13 */
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#endif

#define PAGE 0x780000001000ull
#define K SECCOMP_RET_KILL_PROCESS
#define T SECCOMP_RET_TRAP
#define OK SECCOMP_RET_ALLOW
#define HIGH (1ull << 32)

static struct sock_filter *prog[2];
static uint32_t count[2];
static unsigned steps, longest;

static uint32_t verdict(int rung, uint64_t ip, uint32_t arch, long nr, const uint64_t args[6])
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch, .instruction_pointer = ip };

	memcpy(d.args, args, sizeof(d.args));
	uint32_t r = bpf_run(prog[rung], count[rung], &d, NULL, &steps);

	longest = steps > longest ? steps : longest;
	return r & SECCOMP_RET_ACTION_FULL;
}

static const struct {
	const char *name;
	long nr;
	uint64_t args[6];
	uint32_t a, b; /* verdict on each rung */
} calls[] = {
	{ "read", SYS_read, { 0 }, OK, OK },
	{ "openat", SYS_openat, { 16 }, OK, OK },
	{ "openat AT_FDCWD", SYS_openat, { (uint64_t)AT_FDCWD }, K, K },
	{ "openat AT_FDCWD, 32 bits", SYS_openat, { (uint32_t)AT_FDCWD }, K, K },
	{ "openat, high bits", SYS_openat, { HIGH | 16 }, K, K },
	{ "open", SYS_open, { 0 }, K, K },
	{ "close", SYS_close, { 90 }, OK, OK },
	{ "close 0", SYS_close, { 0 }, OK, OK },
	{ "close image", SYS_close, { GRANT_FD_IMAGE }, K, K },
	{ "close image, high bits", SYS_close, { HIGH | GRANT_FD_IMAGE }, K, K },
	{ "dup3", SYS_dup3, { 90, 1, O_CLOEXEC }, OK, OK },
	{ "dup3 onto image", SYS_dup3, { 90, GRANT_FD_IMAGE, 0 }, K, K },
	{ "dup3 onto image, high bits", SYS_dup3, { 90, HIGH | GRANT_FD_IMAGE, 0 }, K, K },
	{ "dup2", SYS_dup2, { 1, 2 }, K, K },
	{ "close_range over image", SYS_close_range, { 0, ~0u, 0 }, K, K },
	{ "close_range, high bits", SYS_close_range, { HIGH | 0, ~0u, 0 }, K, K },
	{ "fcntl DUPFD_CLOEXEC", SYS_fcntl, { 1, F_DUPFD_CLOEXEC, 80 }, OK, OK },
	{ "fcntl SETLKW", SYS_fcntl, { 1, F_SETLKW }, OK, OK },
	{ "fcntl OFD_SETLKW", SYS_fcntl, { 1, F_OFD_SETLKW }, OK, OK },
	{ "fcntl NOTIFY", SYS_fcntl, { 1, F_NOTIFY }, K, K },
	{ "fcntl SETLEASE", SYS_fcntl, { 1, F_SETLEASE }, K, K },
	{ "mmap",
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, 20 },
	  OK,
	  OK },
	{ "mmap HUGETLB", SYS_mmap, { 0, 4096, 0, MAP_PRIVATE | MAP_HUGETLB }, K, K },
	{ "mmap GROWSDOWN", SYS_mmap, { 0, 4096, 0, MAP_PRIVATE | MAP_GROWSDOWN }, K, K },
	{ "mprotect", SYS_mprotect, { 0, 4096, 7 }, OK, OK },
	{ "mprotect odd", SYS_mprotect, { 0, 4096, 8 }, K, K },
	{ "madvise DONTNEED", SYS_madvise, { 0, 0, MADV_DONTNEED }, OK, OK },
	{ "madvise WIPEONFORK", SYS_madvise, { 0, 0, MADV_WIPEONFORK }, OK, OK },
	{ "madvise HWPOISON", SYS_madvise, { 0, 0, MADV_HWPOISON }, K, K },
	{ "memfd", SYS_memfd_create, { 0, MFD_CLOEXEC | MFD_ALLOW_SEALING }, OK, OK },
	{ "memfd HUGETLB", SYS_memfd_create, { 0, MFD_HUGETLB }, K, K },
	{ "whiteout", SYS_mknodat, { 17, 0, S_IFCHR, 0 }, OK, OK },
	{ "device", SYS_mknodat, { 17, 0, S_IFCHR | 0666, 0x103 }, K, K },
	{ "block device", SYS_mknodat, { 17, 0, S_IFBLK, 0 }, K, K },
	{ "fifo", SYS_mknodat, { 17, 0, S_IFIFO | 0600, 0 }, OK, OK },
	{ "set-id file", SYS_mknodat, { 17, 0, S_IFREG | S_ISUID, 0 }, K, K },
	{ "mkdirat", SYS_mkdirat, { 17, 0, 0755 }, OK, OK },
	{ "mkdirat set-gid", SYS_mkdirat, { 17, 0, 02755 }, K, K },
	{ "fchmod", SYS_fchmod, { 20, 0644 }, K, K },
	{ "fchmodat", SYS_fchmodat, { 17, 0, 0644 }, OK, K },
	{ "fchmodat set-uid", SYS_fchmodat, { 17, 0, 04755 }, K, K },
	{ "futimens", SYS_utimensat, { 20, 0, 0, 0 }, K, K },
	{ "F_SETFL O_NONBLOCK", SYS_fcntl, { 20, F_SETFL, O_NONBLOCK }, OK, OK },
	{ "F_SETFL O_ASYNC", SYS_fcntl, { 20, F_SETFL, O_ASYNC }, K, K },
	{ "utimensat", SYS_utimensat, { 17, 0, 0, AT_SYMLINK_NOFOLLOW }, OK, K },
	{ "fsetxattr", SYS_fsetxattr, { 20 }, K, K },
	{ "setxattrat", SYS_setxattrat, { 17, 0, AT_SYMLINK_NOFOLLOW }, OK, K },
	{ "setxattrat of a descriptor", SYS_setxattrat, { 17, 0, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH }, K, K },
	{ "setxattrat through a link", SYS_setxattrat, { 17, 0, 0 }, K, K },
	{ "getxattrat", SYS_getxattrat, { 17, 0, AT_SYMLINK_NOFOLLOW }, OK, K },
	{ "getxattrat of a descriptor", SYS_getxattrat, { 17, 0, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH }, K, K },
	{ "getxattrat through a link", SYS_getxattrat, { 17, 0, 0 }, K, K },
	{ "fgetxattr", SYS_fgetxattr, { 20 }, OK, OK },
	{ "fchown", SYS_fchown, { 20, 0, 0 }, K, K },
	{ "chdir", SYS_chdir, { 0 }, K, K },
	{ "fchdir", SYS_fchdir, { 16 }, K, K },
	{ "chroot", SYS_chroot, { 0 }, K, K },
	{ "TIOCSPGRP", SYS_ioctl, { 0, TIOCSPGRP }, OK, OK },
	{ "TIOCSTI", SYS_ioctl, { 0, TIOCSTI }, K, K },
	{ "TIOCSTI, high bits", SYS_ioctl, { 0, HIGH | TIOCSTI }, K, K },
	{ "TCGETS, high bits", SYS_ioctl, { 0, HIGH | TCGETS }, K, K },
	{ "TIOCLINUX", SYS_ioctl, { 0, TIOCLINUX }, K, K },
	{ "TIOCSETD", SYS_ioctl, { 0, TIOCSETD }, K, K },
	{ "TIOCSCTTY", SYS_ioctl, { 0, TIOCSCTTY, 0 }, OK, OK },
	{ "TIOCSCTTY by force", SYS_ioctl, { 0, TIOCSCTTY, 1 }, K, K },
	{ "FS_IOC_SETFLAGS", SYS_ioctl, { 0, 0x40086602 }, K, K },
	{ "SIOCGIFCONF", SYS_ioctl, { 0, 0x8912 }, K, K },
	{ "socketpair", SYS_socketpair, { AF_UNIX, SOCK_STREAM }, OK, OK },
	{ "socketpair packets", SYS_socketpair, { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC }, OK, OK },
	{ "socketpair datagrams", SYS_socketpair, { AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK }, OK, K },
	{ "socketpair raw", SYS_socketpair, { AF_UNIX, SOCK_RAW }, K, K },
	{ "socket unix", SYS_socket, { AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 }, OK, K },
	{ "socket tcp", SYS_socket, { AF_INET, SOCK_STREAM, 6 }, OK, K },
	{ "socket raw", SYS_socket, { AF_INET, SOCK_RAW, 1 }, K, K },
	{ "socket netlink", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, K, K },
	{ "socket packet", SYS_socket, { AF_PACKET, SOCK_RAW, 0 }, K, K },
	{ "socket vsock", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 }, K, K },
	{ "socket alg", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, K, K },
	{ "connect", SYS_connect, { 90 }, OK, K },
	{ "SO_REUSEADDR", SYS_setsockopt, { 90, SOL_SOCKET, SO_REUSEADDR }, OK, OK },
	{ "TCP_NODELAY", SYS_setsockopt, { 90, IPPROTO_TCP, 1 }, OK, K },
	{ "TCP_FASTOPEN_CONNECT", SYS_setsockopt, { 90, IPPROTO_TCP, 30 }, OK, K },
	{ "TCP_ULP", SYS_setsockopt, { 90, IPPROTO_TCP, 31 }, K, K },
	{ "TCP_INQ", SYS_setsockopt, { 90, IPPROTO_TCP, 36 }, OK, K },
	{ "SO_ATTACH_FILTER", SYS_setsockopt, { 90, SOL_SOCKET, SO_ATTACH_FILTER }, K, K },
	{ "SO_ATTACH_BPF", SYS_setsockopt, { 90, SOL_SOCKET, SO_ATTACH_BPF }, K, K },
	{ "clone fork", SYS_clone, { SIGCHLD | CLONE_CHILD_SETTID }, OK, OK },
	{ "clone thread",
	  SYS_clone,
	  { CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS },
	  OK,
	  OK },
	{ "clone NEWUSER", SYS_clone, { SIGCHLD | CLONE_NEWUSER }, K, K },
	{ "clone PTRACE", SYS_clone, { SIGCHLD | CLONE_PTRACE }, K, K },
	{ "clone PARENT", SYS_clone, { SIGCHLD | CLONE_PARENT }, K, K },
	{ "clone, high bits", SYS_clone, { SIGCHLD | CLONE_NEWUSER | HIGH << 1 }, K, K },
	{ "clone3", SYS_clone3, { 0 }, K, K },
	{ "execveat image", SYS_execveat, { GRANT_FD_IMAGE, 0, 0, 0, AT_EMPTY_PATH }, OK, OK },
	{ "execveat other", SYS_execveat, { 20, 0, 0, 0, AT_EMPTY_PATH }, K, K },
	{ "execveat by path", SYS_execveat, { GRANT_FD_IMAGE, 0, 0, 0, 0 }, K, K },
	{ "execve", SYS_execve, { 0 }, K, K },
	{ "prctl SET_NAME", SYS_prctl, { 15 }, OK, OK },
	{ "prctl SET_SECCOMP", SYS_prctl, { 22 }, K, K },
	{ "prctl SET_DUMPABLE 1", SYS_prctl, { 4, 1 }, K, K },
	{ "prctl SET_PTRACER", SYS_prctl, { 0x59616d61 }, K, K },
	{ "arch_prctl SET_FS", SYS_arch_prctl, { 0x1002 }, K, OK },
	{ "arch_prctl CPUID", SYS_arch_prctl, { 0x1012 }, K, K },
	{ "setpriority self", SYS_setpriority, { 0, 0, 5 }, OK, OK },
	{ "setpriority user", SYS_setpriority, { 2, 0, 5 }, K, K },
	{ "prlimit self", SYS_prlimit64, { 0, 7 }, OK, OK },
	{ "prlimit other", SYS_prlimit64, { 1, 7 }, K, K },
	{ "clock", SYS_clock_gettime, { 1 }, OK, OK },
	{ "clock of another", SYS_clock_gettime, { (uint64_t)-6 }, K, K },
	{ "futex", SYS_futex, { 0, 128 }, OK, OK },
	{ "ptrace", SYS_ptrace, { 0 }, K, K },
	{ "process_vm_readv", SYS_process_vm_readv, { 1 }, K, K },
	{ "pidfd_open", SYS_pidfd_open, { 1 }, K, K },
	{ "io_uring_setup", SYS_io_uring_setup, { 1 }, K, K },
	{ "userfaultfd", SYS_userfaultfd, { 0 }, K, K },
	{ "bpf", SYS_bpf, { 0 }, K, K },
	{ "perf_event_open", SYS_perf_event_open, { 0 }, K, K },
	{ "keyctl", SYS_keyctl, { 0 }, K, K },
	{ "mount", SYS_mount, { 0 }, K, K },
	{ "open_tree", SYS_open_tree, { 0 }, K, K },
	{ "setns", SYS_setns, { 0 }, K, K },
	{ "unshare", SYS_unshare, { 0 }, K, K },
	{ "seccomp", SYS_seccomp, { 0 }, K, K },
	{ "setuid", SYS_setuid, { 0 }, K, K },
	{ "capset", SYS_capset, { 0 }, K, K },
	{ "personality", SYS_personality, { 0 }, K, K },
	{ "modify_ldt", SYS_modify_ldt, { 0 }, K, K },
	{ "open_by_handle_at", SYS_open_by_handle_at, { 0 }, K, K },
	{ "vmsplice", SYS_vmsplice, { 0 }, K, K },
	{ "shmget", SYS_shmget, { 0 }, K, K },
	{ "mq_open", SYS_mq_open, { 0 }, K, K },
	{ "inotify_init1", SYS_inotify_init1, { 0 }, K, K },
	{ "timer_create", SYS_timer_create, { 0 }, K, K },
	{ "x32 read", 0x40000000 | SYS_read, { 0 }, K, K },
};

int main(void)
{
	struct confine_range page = { PAGE, PAGE + 4096 };
	/* One as on a machine that lets programs set the bases of FS and GS, one as on another. */
	const uint32_t flags[] = { confine_flags(GRANT_RUNG_A, false) & ~GRANT_BASES,
				   confine_flags(GRANT_RUNG_B, false) | GRANT_BASES };
	static const uint64_t none[6];
	char name[64];

	CHECK(!confine_filter(GRANT_RUNG_A, flags[0], &page, &prog[0], &count[0]));
	CHECK(!confine_filter(GRANT_RUNG_B, flags[1], &page, &prog[1], &count[1]));
	CHECK(count[0] > 200 && count[0] < BPF_MAXINSNS && count[1] < count[0]);
	test_case("filter builds");

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		snprintf(name, sizeof(name), "filter %s", calls[i].name);
		CHECK(verdict(0, PAGE + 2, AUDIT_ARCH_X86_64, calls[i].nr, calls[i].args) ==
		      calls[i].a);
		CHECK(verdict(1, PAGE + 2, AUDIT_ARCH_X86_64, calls[i].nr, calls[i].args) ==
		      calls[i].b);
		test_case(name);
		if (getenv("STEPS"))
			printf("# %u instructions\n", steps);
	}
	for (int rung = 0; rung < 2; rung++) {
		CHECK(verdict(rung, PAGE + 4095, AUDIT_ARCH_X86_64, SYS_read, none) == OK);
		CHECK(verdict(rung, PAGE, AUDIT_ARCH_X86_64, SYS_read, none) == OK);
		CHECK(verdict(rung, PAGE - 1, AUDIT_ARCH_X86_64, SYS_read, none) == T);
		CHECK(verdict(rung, PAGE + 4096, AUDIT_ARCH_X86_64, SYS_read, none) == T);
		CHECK(verdict(rung, PAGE + 2 + HIGH, AUDIT_ARCH_X86_64, SYS_read, none) == T);
		CHECK(verdict(rung, PAGE + 2 - HIGH, AUDIT_ARCH_X86_64, SYS_execve, none) == T);
		CHECK(verdict(rung, 0x401000, AUDIT_ARCH_X86_64, 0x40000000, none) == T);
		CHECK(verdict(rung, PAGE + 2, AUDIT_ARCH_I386, 3, none) == K);
		CHECK(verdict(rung, 0x401000, AUDIT_ARCH_I386, 3, none) == K);
	}
	test_case("filter by origin");
	printf("# rung A %u instructions, rung B %u; longest path %u\n", count[0], count[1],
	       longest);
	free(prog[0]);
	free(prog[1]);
	return test_end();
}
