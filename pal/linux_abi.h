/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The kernel's ABI as x86-64 programs see it: structures, constants, numbers. All that libOS and PAL need from Linux's
 * headers comes through here, so that nothing of a libc slips in.
 *
 * The exported kernel headers supply what they can: struct stat, sigaction, siginfo, termios are the kernel's, not
 * libc's. The second half spells what they leave to libc, or what is younger than Debian 12's headers (6.1); the
 * kernel's file is named at each group. Freestanding only: next to libc's headers these would clash.
 */
#ifndef PAL_LINUX_ABI_H
#define PAL_LINUX_ABI_H

#include "pal/base/types.h"

#include <linux/types.h>
#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* files */
#include <asm/stat.h>
#include <linux/stat.h>
#include <asm/statfs.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/falloc.h>
#include <linux/fadvise.h>
#include <linux/fs.h>
#include <linux/xattr.h>
#include <linux/uio.h>
#include <linux/magic.h>
#include <linux/limits.h>
#include <linux/inotify.h>
#include <linux/close_range.h>
#include <linux/utime.h>

/* waiting and time */
#include <linux/poll.h>
#include <linux/eventpoll.h>
#include <linux/futex.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/timex.h>
#include <linux/timerfd.h>
#include <linux/signalfd.h>

/* memory */
#include <linux/mman.h>
#include <linux/memfd.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>

/* signals */
#include <linux/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>

/* processes */
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/wait.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>
#include <linux/times.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/pidfd.h>
#include <linux/kcmp.h>
#include <linux/ptrace.h>
#include <linux/random.h>
#include <linux/ioprio.h>
#include <linux/elf.h>
#include <linux/auxvec.h>
#include <asm/hwcap2.h>

/* terminals */
#include <linux/termios.h>
#include <linux/tty.h>
#include <linux/kd.h>
#include <linux/vt.h>

/* sockets */
#include <asm/socket.h>
#include <linux/socket.h>
#include <linux/sockios.h>
#include <linux/un.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* System V and POSIX IPC (linux/shm.h drags libc in: see below) */
#include <linux/ipc.h>
#include <linux/sem.h>
#include <linux/msg.h>
#include <linux/mqueue.h>

/* filters */
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <linux/audit.h>

/* ---- limits ---- */
#ifndef INT_MAX
#define INT_MAX __INT_MAX__
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX (INT_MAX * 2u + 1)
#define LONG_MAX __LONG_MAX__
#define LONG_MIN (-LONG_MAX - 1)
#define ULONG_MAX (LONG_MAX * 2ul + 1)
#define SSIZE_MAX LONG_MAX
#endif
#define IOV_MAX UIO_MAXIOV

/* ---- signals (include/linux/signal.h, arch/x86/include/asm/signal.h) ---- */
#define _NSIG 64
#define SIGSET_SIZE 8
#define sigmask(sig) (1ul << ((sig)-1))
/* x86 exception numbers, as trapno in a sigcontext */
#define X86_TRAP_DE 0
#define X86_TRAP_DB 1
#define X86_TRAP_BP 3
#define X86_TRAP_UD 6
#define X86_TRAP_PF 14
#define X86_TRAP_MF 16
#define X86_TRAP_AC 17
#define X86_TRAP_XF 19
/* flags register */
#define X86_FLAGS_CF 0x1ul
#define X86_FLAGS_FIXED 0x2ul
#define X86_FLAGS_TF 0x100ul
#define X86_FLAGS_IF 0x200ul
#define X86_FLAGS_DF 0x400ul
#define X86_FLAGS_RF 0x10000ul
#define X86_FLAGS_AC 0x40000ul
/* what a program may set in sigcontext: arch/x86/kernel/signal.c, FIX_EFLAGS */
#define X86_FLAGS_USER 0x50dd5ul
#define X86_USER_CS 0x33
#define X86_USER_DS 0x2b
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif

/* ---- files ---- */
/* fs/readdir.c */
struct linux_dirent64 {
	u64 d_ino;
	s64 d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};
struct linux_dirent {
	u64 d_ino;
	u64 d_off;
	u16 d_reclen;
	char d_name[]; /* followed by NUL and d_type */
};
/* include/linux/fs_types.h */
#define DT_UNKNOWN 0
#define DT_FIFO 1
#define DT_CHR 2
#define DT_DIR 4
#define DT_BLK 6
#define DT_REG 8
#define DT_LNK 10
#define DT_SOCK 12
#define DT_WHT 14
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#define UTIME_NOW ((1l << 30) - 1l)
#define UTIME_OMIT ((1l << 30) - 2l)
/* include/linux/splice.h */
#define SPLICE_F_MOVE 1
#define SPLICE_F_NONBLOCK 2
#define SPLICE_F_MORE 4
#define SPLICE_F_GIFT 8
/* include/linux/statfs.h: f_flags */
#define ST_RDONLY 0x0001
#define ST_NOSUID 0x0002
#define ST_NODEV 0x0004
#define ST_NOEXEC 0x0008
#define ST_SYNCHRONOUS 0x0010
#define ST_VALID 0x0020
#define ST_NOATIME 0x0400
#define ST_NODIRATIME 0x0800
#define ST_RELATIME 0x1000
/* include/linux/fs.h: umount2 */
#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8
/* include/linux/kdev_t.h: new_encode_dev, huge_encode_dev */
#define dev_major(d) ((unsigned)((((d) >> 8) & 0xfff) | (((d) >> 32) & ~0xffful)))
#define dev_minor(d) ((unsigned)(((d)&0xff) | (((d) >> 12) & ~0xfful)))
#define dev_make(ma, mi)                                                                            \
	((((u64)(ma)&0xfff) << 8) | (((u64)(ma) & ~0xffful) << 32) | ((u64)(mi)&0xff) | (((u64)(mi) & ~0xfful) << 12))
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#define MFD_EXEC 0x0010u
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#define MADV_GUARD_REMOVE 103
#endif
#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC O_CLOEXEC
#define EFD_NONBLOCK O_NONBLOCK
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY (F_LINUX_SPECIFIC_BASE + 3)
#endif
/* FILE_LOCK range of include/uapi/asm-generic/fcntl.h: leases and dnotify are in linux/fcntl.h */
#define FOWNER_TID 0

/* ---- processes ---- */
#define SCHED_OTHER SCHED_NORMAL
#define TASK_COMM_LEN 16
#define CPU_SET_BYTES 128
/* wait status, kernel/exit.c */
#define W_EXIT(code) (((code)&0xff) << 8)
#define W_SIGNAL(sig, core) ((sig) | ((core) ? 0x80 : 0))
#define W_STOP(sig) (((sig) << 8) | 0x7f)
#define W_CONTINUED 0xffff
#define W_IFEXITED(s) (((s)&0x7f) == 0)
#define W_IFSIGNALED(s) (((s)&0x7f) != 0 && ((s)&0x7f) != 0x7f)
#define W_IFSTOPPED(s) (((s)&0xff) == 0x7f)
#define W_EXITSTATUS(s) (((s) >> 8) & 0xff)
#define W_TERMSIG(s) ((s)&0x7f)
#define W_STOPSIG(s) (((s) >> 8) & 0xff)
#ifndef RSEQ_FLAG_UNREGISTER
#define RSEQ_FLAG_UNREGISTER 1
#endif
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
/* arch/x86/include/uapi/asm/prctl.h, 6.6 */
#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE 0x5001
#define ARCH_SHSTK_DISABLE 0x5002
#define ARCH_SHSTK_LOCK 0x5003
#define ARCH_SHSTK_UNLOCK 0x5004
#define ARCH_SHSTK_STATUS 0x5005
#endif
#ifndef __NR_map_shadow_stack
#define __NR_map_shadow_stack 453
#endif
#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat /* Linux 6.13 */
#define __NR_setxattrat 463
#endif
#ifndef __NR_getxattrat
#define __NR_getxattrat 464
#endif
struct xattr_args { /* include/uapi/linux/xattr.h */
	u64 value;
	u32 size;
	u32 flags;
};
#define X32_SYSCALL_BIT 0x40000000

/* ---- sockets (include/linux/socket.h, include/linux/net.h) ---- */
typedef unsigned short sa_family_t;
typedef unsigned socklen_t;
struct sockaddr {
	sa_family_t sa_family;
	char sa_data[14];
};
/* struct user_msghdr */
struct msghdr {
	void *msg_name;
	int msg_namelen;
	struct iovec *msg_iov;
	size_t msg_iovlen;
	void *msg_control;
	size_t msg_controllen;
	unsigned msg_flags;
};
struct mmsghdr {
	struct msghdr msg_hdr;
	unsigned msg_len;
};
struct cmsghdr {
	size_t cmsg_len;
	int cmsg_level;
	int cmsg_type;
};
#define CMSG_ALIGN(n) (((n) + sizeof(long) - 1) & ~(sizeof(long) - 1))
#define CMSG_DATA(c) ((void *)((char *)(c) + sizeof(struct cmsghdr)))
#define CMSG_SPACE(n) (sizeof(struct cmsghdr) + CMSG_ALIGN(n))
#define CMSG_LEN(n) (sizeof(struct cmsghdr) + (n))
#define CMSG_OK(m, c)                                                                               \
	((c)->cmsg_len >= sizeof(struct cmsghdr) &&                                                 \
	 (c)->cmsg_len <= (m)->msg_controllen - ((char *)(c) - (char *)(m)->msg_control))
#define CMSG_FIRSTHDR(m)                                                                            \
	((m)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(m)->msg_control : NULL)
static inline struct cmsghdr *CMSG_NXTHDR(const struct msghdr *m, struct cmsghdr *c)
{
	struct cmsghdr *n = (struct cmsghdr *)((char *)c + CMSG_ALIGN(c->cmsg_len));

	if ((size_t)((char *)(n + 1) - (char *)m->msg_control) > m->msg_controllen)
		return NULL;
	return n;
}
struct ucred {
	u32 pid, uid, gid;
};
struct linger {
	int l_onoff, l_linger;
};
#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define SCM_MAX_FD 253
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_RDM 4
#define SOCK_SEQPACKET 5
#define SOCK_PACKET 10
#define SOCK_TYPE_MASK 0xf
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK O_NONBLOCK
#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_LOCAL 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define SOMAXCONN 4096
#define MSG_OOB 1
#define MSG_PEEK 2
#define MSG_DONTROUTE 4
#define MSG_CTRUNC 8
#define MSG_PROBE 0x10
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_EOR 0x80
#define MSG_WAITALL 0x100
#define MSG_CONFIRM 0x800
#define MSG_ERRQUEUE 0x2000
#define MSG_NOSIGNAL 0x4000
#define MSG_MORE 0x8000
#define MSG_WAITFORONE 0x10000
#define MSG_FASTOPEN 0x20000000
#define MSG_CMSG_CLOEXEC 0x40000000
#define SOL_IP 0
#define SOL_TCP 6
#define SOL_UDP 17
#define SOL_IPV6 41
#define SOL_NETLINK 270
/* include/uapi/linux/if.h includes libc's headers */
#define IFNAMSIZ 16
struct ifreq {
	char ifr_name[IFNAMSIZ];
	union {
		struct sockaddr ifr_addr;
		short ifr_flags;
		int ifr_ifindex;
		int ifr_mtu;
		char ifr_newname[IFNAMSIZ];
		char ifr_pad[24];
	};
};
struct ifconf {
	int ifc_len;
	void *ifc_buf;
};
#define IFF_UP 0x1
#define IFF_LOOPBACK 0x8
#define IFF_RUNNING 0x40

/* ---- futex2 (include/uapi/linux/futex.h since 6.7) ---- */
#ifndef FUTEX2_PRIVATE
#define FUTEX2_SIZE_U32 2
#define FUTEX2_SIZE_MASK 3
#define FUTEX2_PRIVATE FUTEX_PRIVATE_FLAG
#endif

/* ---- System V shared memory (include/uapi/linux/shm.h) ---- */
#include <asm-generic/shmbuf.h>
#define SHM_R 0400
#define SHM_W 0200
#define SHM_HUGETLB 04000
#define SHM_NORESERVE 010000
#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
#define SHM_EXEC 0100000
#define SHM_LOCK 11
#define SHM_UNLOCK 12
#define SHM_STAT 13
#define SHM_INFO 14
#define SHM_STAT_ANY 15
#define SHM_DEST 01000
#define SHM_LOCKED 02000
struct shminfo {
	u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};
struct shm_info {
	int used_ids;
	u64 shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};

_Static_assert(sizeof(struct stat) == 144 && sizeof(struct statfs) == 120, "kernel layouts");
_Static_assert(sizeof(struct siginfo) == 128 && sizeof(struct sigaction) == 32, "kernel layouts");
_Static_assert(sizeof(struct msghdr) == 56 && sizeof(struct termios) == 36, "kernel layouts");
_Static_assert(sizeof(struct ifreq) == 40 && sizeof(struct linux_dirent64) == 24, "kernel layouts");

#endif
