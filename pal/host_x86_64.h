/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Raw host calls. Results are the kernel's: negative errno or a value.
 *
 * The instruction itself stands only in pal/hostcall_x86_64.S, on the one page from which seccomp lets calls come;
 * these inlines load the registers and call it there, which costs a near call and return (about a nanosecond).
 * host<n>() makes a call; cp<n>() makes a cancellable one (pal.h says what that means).
 *
 * Every host call that the PAL makes, with the arguments it ever gives; pal/confine/seccomp.def mirrors this list, and
 * says which are not to be had where the calls are lean:
 *
 *   read write lseek close                       any
 *   preadv2 pwritev2                             flags: RWF_*
 *   openat                                       dir >= 0; O_CLOEXEC always set
 *   openat2                                      dir >= 0; (pointer) O_CLOEXEC always set
 *   fstatfs getdents64 ftruncate fsync fdatasync flock
 *   statx                                        dir >= 0
 *   readlinkat mkdirat unlinkat renameat2 linkat symlinkat      dir(s) >= 0
 *   mknodat                                      dir >= 0; S_IFREG, S_IFIFO, S_IFSOCK, or S_IFCHR with device 0
 *   fchmodat utimensat setxattrat getxattrat     not with GRANT_BROKER_ATTR; dir >= 0; AT_SYMLINK_NOFOLLOW
 *   fgetxattr flistxattr
 *   fallocate                                    mode as the libOS passes it: KEEP_SIZE PUNCH_HOLE ZERO_RANGE COLLAPSE INSERT
 *   fcntl                                        DUPFD_CLOEXEC GETFD SETFD GETFL SETFL GETLK SETLK SETLKW OFD_* ADD_SEALS
 *                                                GET_SEALS GETPIPE_SZ SETPIPE_SZ; others as the filter lists them
 *   dup3                                         O_CLOEXEC, or 0 for GRANT_FD_GRANT
 *   ioctl                                        terminal, timer and FIONREAD, FIONBIO: the filter's list
 *   copy_file_range sendfile splice tee
 *   mmap munmap mprotect mremap remap_file_pages madvise msync mincore mlock2 munlock memfd_create
 *   pipe2 eventfd2                               flags have O_CLOEXEC
 *   socketpair                                   AF_UNIX (pal_socketpair_flags: as the libOS passes it); SOCK_CLOEXEC
 *   socket                                       not with GRANT_BROKER_SOCK; SOCK_CLOEXEC
 *   bind connect listen accept4 getsockname getpeername sendto recvfrom   as socket
 *   setsockopt getsockopt shutdown
 *   sendmsg recvmsg                              also on GRANT_FD_PORT and its reply ends, whatever the rung
 *   ppoll epoll_create1 epoll_ctl epoll_pwait2   EPOLL_CLOEXEC; signal masks NULL
 *   futex_waitv                                  at most 128 words, flags 0
 *   set_robust_list                              a list of the thread's control block
 *   futex                                        (sleeps, too) WAIT WAKE REQUEUE CMP_REQUEUE WAKE_OP *_BITSET; private and shared
 *   clock_gettime                                any clock that the libOS lets through and the vDSO does not know
 *   timerfd_create timerfd_settime timerfd_gettime setitimer
 *   clone                                        thread: VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID
 *                                                fork: SIGCHLD PARENT_SETTID CHILD_SETTID CHILD_CLEARTID
 *                                                vfork: SIGCHLD VM VFORK PARENT_SETTID CHILD_SETTID CHILD_CLEARTID
 *   execveat                                     (GRANT_FD_IMAGE, "", argv, envp, AT_EMPTY_PATH)
 *   exit exit_group set_tid_address waitid setsid setpgid
 *   rt_sigqueueinfo                              PAL_SIG_KICK PAL_SIG_NUDGE SIGKILL SIGSTOP SIGCONT 0
 *   rt_tgsigqueueinfo                            PAL_SIG_KICK PAL_SIG_NUDGE; own pid and tid, any signal (to die by it)
 *   rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
 *   restart_syscall                              by the kernel, after SIGSTOP and SIGCONT in a sleep
 *   getrusage prlimit64 (pid 0) sysinfo getrandom
 *   sched_yield sched_getaffinity sched_setaffinity (pid 0) setpriority
 *   prctl                                        as the libOS passes it: SET_NAME, SET_VMA, ...
 *   membarrier
 *   arch_prctl                                   with GRANT_BASES: SET_FS SET_GS GET_FS
 *   only before the filter is on: prctl(PR_SET_NO_NEW_PRIVS) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER)
 */
#ifndef PAL_HOST_X86_64_H
#define PAL_HOST_X86_64_H

#include "pal/linux_abi.h"

#define HOST_CLOBBER "rcx", "r11", "memory"
#define HOST_LONG(x) ((long)(x))

#define HOST_FAMILY(name, insn)                                                                     \
	static inline long name##0(long nr)                                                         \
	{                                                                                           \
		__asm__ volatile("call " insn : "+a"(nr) : : HOST_CLOBBER);                         \
		return nr;                                                                          \
	}                                                                                           \
	static inline long name##1(long nr, long a)                                                 \
	{                                                                                           \
		__asm__ volatile("call " insn : "+a"(nr) : "D"(a) : HOST_CLOBBER);                  \
		return nr;                                                                          \
	}                                                                                           \
	static inline long name##2(long nr, long a, long b)                                         \
	{                                                                                           \
		__asm__ volatile("call " insn : "+a"(nr) : "D"(a), "S"(b) : HOST_CLOBBER);          \
		return nr;                                                                          \
	}                                                                                           \
	static inline long name##3(long nr, long a, long b, long c)                                 \
	{                                                                                           \
		__asm__ volatile("call " insn : "+a"(nr) : "D"(a), "S"(b), "d"(c) : HOST_CLOBBER);  \
		return nr;                                                                          \
	}                                                                                           \
	static inline long name##4(long nr, long a, long b, long c, long d)                         \
	{                                                                                           \
		register long r10 __asm__("r10") = d;                                               \
                                                                                                    \
		__asm__ volatile("call " insn                                                       \
				 : "+a"(nr)                                                         \
				 : "D"(a), "S"(b), "d"(c), "r"(r10)                                 \
				 : HOST_CLOBBER);                                                   \
		return nr;                                                                          \
	}                                                                                           \
	static inline long name##5(long nr, long a, long b, long c, long d, long e)                 \
	{                                                                                           \
		register long r10 __asm__("r10") = d;                                               \
		register long r8 __asm__("r8") = e;                                                 \
                                                                                                    \
		__asm__ volatile("call " insn                                                       \
				 : "+a"(nr)                                                         \
				 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)                        \
				 : HOST_CLOBBER);                                                   \
		return nr;                                                                          \
	}                                                                                           \
	static inline long name##6(long nr, long a, long b, long c, long d, long e, long f)         \
	{                                                                                           \
		register long r10 __asm__("r10") = d;                                               \
		register long r8 __asm__("r8") = e;                                                 \
		register long r9 __asm__("r9") = f;                                                 \
                                                                                                    \
		__asm__ volatile("call " insn                                                       \
				 : "+a"(nr)                                                         \
				 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)               \
				 : HOST_CLOBBER);                                                   \
		return nr;                                                                          \
	}

HOST_FAMILY(host, "pal_host_insn")
HOST_FAMILY(cp, "pal_cp_begin")

/* HOST(n, name, args...) and CP(n, name, args...): arguments of any type are passed as longs. */
#define HOST_A1(a) HOST_LONG(a)
#define HOST_A2(a, b) HOST_LONG(a), HOST_LONG(b)
#define HOST_A3(a, b, c) HOST_A2(a, b), HOST_LONG(c)
#define HOST_A4(a, b, c, d) HOST_A3(a, b, c), HOST_LONG(d)
#define HOST_A5(a, b, c, d, e) HOST_A4(a, b, c, d), HOST_LONG(e)
#define HOST_A6(a, b, c, d, e, f) HOST_A5(a, b, c, d, e), HOST_LONG(f)
#define HOST(n, name, ...) host##n(__NR_##name, HOST_A##n(__VA_ARGS__))
#define HOST0(name) host0(__NR_##name)
#define CP(n, name, ...) cp##n(__NR_##name, HOST_A##n(__VA_ARGS__))

#endif
