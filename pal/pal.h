/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The PAL: the host ABI. All that a libOS can ask of the host, and all that the host side asks of the libOS.
 *
 * A host descriptor is an int; 0 and positive results are the host's, errors are negative errno. Calls never retry on
 * EINTR by themselves. "Cancellable" calls may block: they return -EINTR without effect if the thread's `pending` flag
 * is set when they would enter the host, and the host ends them with EINTR when a kick arrives later: nothing is lost
 * between the look at the flag and the call. Guest addresses may be passed as buffers; a bad one gives -EFAULT.
 *
 * Paths are relative to a directory descriptor, never absolute; "" with AT_EMPTY_PATH means the descriptor itself.
 *
 * Structures are the host kernel's (x86-64), spelled in pal/linux_abi.h. Every call below is one row of
 * pal/confine/seccomp.def.
 */
#ifndef PAL_PAL_H
#define PAL_PAL_H

#include "pal/base/types.h"
#include "pal/base/errno.h"
#include "pal/linux_abi.h"
#include "pal/tcb.h"

/* ---- memory (pal/memory.c) ---- */
/* Map at exactly addr (PAL_MAP_FIXED semantics are the caller's: flags are the host's MAP_*). */
intptr_t pal_mmap(uintptr_t addr, size_t size, int prot, int flags, int fd, u64 offset);
int pal_munmap(uintptr_t addr, size_t size);
int pal_mprotect(uintptr_t addr, size_t size, int prot);
intptr_t pal_mremap(uintptr_t addr, size_t old, size_t size, int flags, uintptr_t to);
int pal_remap_file_pages(uintptr_t addr, size_t size, u64 page, int flags);
int pal_madvise(uintptr_t addr, size_t size, int advice);
int pal_msync(uintptr_t addr, size_t size, int flags);
int pal_mincore(uintptr_t addr, size_t size, u8 *vec);
int pal_mlock(uintptr_t addr, size_t size, int flags);
int pal_munlock(uintptr_t addr, size_t size);
/* Pages for the libOS itself, zeroed, in [PAL_PAGES_BASE, PAL_END); size is rounded up to pages. NULL: no memory. */
void *pal_pages_alloc(size_t size) must_check;
void pal_pages_free(void *p, size_t size);
int pal_memfd(const char *name, unsigned flags);

/* ---- files and other descriptors (pal/file.c) ---- */
int pal_openat(int dir, const char *path, int flags, u32 mode); /* O_CLOEXEC is added */
int pal_openat_wait(int dir, const char *path, int flags, u32 mode); /* cancellable: a fifo waits for its other end */
int pal_openat2(int dir, const char *path, int flags, u32 mode, u64 resolve);
int pal_close(int fd);
ssize_t pal_read(int fd, void *buf, size_t size);   /* cancellable */
ssize_t pal_write(int fd, const void *buf, size_t size); /* cancellable */
ssize_t pal_pread(int fd, void *buf, size_t size, u64 offset);
ssize_t pal_pwrite(int fd, const void *buf, size_t size, u64 offset);
ssize_t pal_preadv2(int fd, const struct iovec *iov, int n, s64 offset, int flags);  /* cancellable; -1: file offset */
ssize_t pal_pwritev2(int fd, const struct iovec *iov, int n, s64 offset, int flags); /* cancellable */
s64 pal_lseek(int fd, s64 offset, int whence);
int pal_fstat(int fd, struct stat *st);
int pal_statx(int dir, const char *path, int flags, unsigned mask, struct statx *stx);
int pal_fstatfs(int fd, struct statfs *st);
int pal_getdents(int fd, void *buf, size_t size);
int pal_readlinkat(int dir, const char *path, char *buf, size_t size);
int pal_mkdirat(int dir, const char *path, u32 mode);
int pal_mknodat(int dir, const char *path, u32 mode, u64 dev); /* whiteouts (0/0), fifos, regular files */
int pal_unlinkat(int dir, const char *path, int flags);
int pal_renameat2(int from, const char *a, int to, const char *b, unsigned flags);
int pal_linkat(int from, const char *a, int to, const char *b, int flags);
int pal_symlinkat(const char *target, int dir, const char *path);
/* Where Landlock refuses what the monitor may grant (GRANT_BROKER_OPEN): pinned (O_PATH), opened for reading. Blocks
 * until the monitor answers; a descriptor below GRANT_FD_FIRST_FREE is possible. -EACCES elsewhere. */
int pal_open_brokered(int pinned);
/* The four below go to the monitor: what a descriptor is of, no filter sees. fd must be open for reading. */
int pal_fchmod(int fd, u32 mode);
int pal_futimens(int fd, const struct timespec times[2]);
int pal_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int pal_fremovexattr(int fd, const char *name);
/* May changes be made by name, without the monitor, and so for a third of the time? */
bool pal_changes_by_name(void);
/* The same of fd's file, which lies at path: by whichever is cheaper. */
int pal_fchmod_named(int fd, int dir, const char *path, u32 mode);
int pal_futimens_named(int fd, int dir, const char *path, const struct timespec times[2]);
int pal_fsetxattr_named(int fd, int dir, const char *path, const char *name, const void *value, size_t size, int flags);
/* -ETXTBSY if somebody has fd's file, one of the sandbox's own, open for writing; 0 if not or if nobody can tell. */
int pal_file_busy(int fd);
/* Attribute changes by name, for objects that can't be opened (symlinks' times, mode 0000). -EPERM on rung B. */
int pal_fchmodat(int dir, const char *path, u32 mode);
int pal_utimensat(int dir, const char *path, const struct timespec times[2]); /* never follows a final symlink */
ssize_t pal_fgetxattr(int fd, const char *name, void *value, size_t size);
/* By name, no link followed. -ENOSYS: there is no such call, so it has to be opened. */
ssize_t pal_getxattrat(int dir, const char *path, const char *name, void *value, size_t size);
ssize_t pal_flistxattr(int fd, char *list, size_t size);
int pal_ftruncate(int fd, u64 size);
int pal_fallocate(int fd, int mode, u64 offset, u64 size);
int pal_fsync(int fd, bool data_only);
int pal_flock(int fd, int op);	       /* cancellable */
int pal_fcntl(int fd, int cmd, u64 arg); /* cancellable (F_SETLKW) */
int pal_dup(int fd, int min);	       /* F_DUPFD_CLOEXEC */
int pal_dup_to(int fd, int to);	       /* dup3 with O_CLOEXEC */
int pal_ioctl(int fd, unsigned cmd, u64 arg); /* cancellable; the filter knows the list */
ssize_t pal_copy_file_range(int in, s64 *in_off, int out, s64 *out_off, size_t size);
ssize_t pal_sendfile(int out, int in, s64 *off, size_t size); /* cancellable */
ssize_t pal_splice(int in, s64 *in_off, int out, s64 *out_off, size_t size, unsigned flags); /* cancellable */
ssize_t pal_tee(int in, int out, size_t size, unsigned flags); /* cancellable */

/* ---- pipes, events, sockets (pal/stream.c) ---- */
int pal_pipe(int fds[2], int flags);
int pal_eventfd(unsigned value, int flags);
int pal_socketpair(int type, int fds[2]); /* AF_UNIX */
int pal_socketpair_flags(int domain, int type, int protocol, int fds[2]);
int pal_socket(int domain, int type, int protocol);
int pal_bind(int fd, const void *addr, unsigned len);
/* A socket with a name in the file system: bind or connect fd to the socket file `name` in directory `dir`. To bind,
 * make the file first (pal_mknodat). The host sees an abstract address made of the file's identity, never a path: a
 * path could name a socket of the host's. -ECONNREFUSED: no socket file, or nobody listens. -EPERM where the rung has
 * no sockets. Connecting is cancellable. */
int pal_unix_at(int fd, int dir, const char *name, bool connect);
int pal_connect(int fd, const void *addr, unsigned len); /* cancellable */
int pal_listen(int fd, int backlog);
int pal_accept(int fd, void *addr, unsigned *len, int flags); /* cancellable */
int pal_getsockname(int fd, void *addr, unsigned *len);
int pal_getpeername(int fd, void *addr, unsigned *len);
int pal_setsockopt(int fd, int level, int name, const void *value, unsigned len);
int pal_getsockopt(int fd, int level, int name, void *value, unsigned *len);
int pal_shutdown(int fd, int how);
ssize_t pal_sendto(int fd, const void *buf, size_t size, int flags, const void *addr, unsigned len); /* cancellable */
ssize_t pal_recvfrom(int fd, void *buf, size_t size, int flags, void *addr, unsigned *len); /* cancellable */
ssize_t pal_sendmsg(int fd, const struct msghdr *msg, int flags); /* cancellable */
ssize_t pal_recvmsg(int fd, struct msghdr *msg, int flags); /* cancellable */

/* ---- waiting (pal/poll.c) ---- */
/* timeout NULL: for ever; it is not updated, and not guest memory. Cancellable. */
int pal_ppoll(struct pollfd *fds, unsigned n, const struct timespec *timeout);
int pal_epoll_create(void);
int pal_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int pal_epoll_wait(int ep, struct epoll_event *ev, int max, const struct timespec *timeout); /* cancellable */
/* Wait on several words; the index of one that was woken. Cancellable. */
int pal_futex_waitv(const struct futex_waitv *w, unsigned n, const struct timespec *end, int clock);
/* futex(2). WAIT forms are cancellable; the plain ones are used by locks. */
int pal_futex(u32 *word, int op, u32 val, const struct timespec *timeout, u32 *word2, u32 val3);
int pal_futex_plain(u32 *word, int op, u32 val, const struct timespec *timeout, u32 *word2, u32 val3);

/* ---- time (pal/clock.c) ---- */
/* Written by the vDSO, in user mode: ts must not be guest memory. */
int pal_clock_gettime(int clock, struct timespec *ts);
int pal_clock_getres(int clock, struct timespec *ts);
int pal_nap(const struct timespec *time); /* on CLOCK_MONOTONIC; may end early; cancellable */
int pal_sleep_until(int clock, const struct timespec *end); /* cancellable */
int pal_timerfd_create(int clock, int flags);
int pal_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int pal_timerfd_gettime(int fd, struct itimerspec *value);
/* Interval timers of the picoprocess; they arrive as host SIGALRM, SIGVTALRM, SIGPROF. */
int pal_setitimer(int which, const struct itimerval *value, struct itimerval *old);
u64 pal_vdso(void); /* address of the host's vDSO, or 0 */

/* ---- processes and threads (pal/process.c, pal/clone_x86_64.S) ---- */
/* The calling thread's region (guard, stack, control block, alternate stack); size of the libOS's struct thread. */
struct pal_tcb *pal_thread_alloc(size_t thread_size); /* NULL: no memory */
/* The region goes back when the host thread on it is gone (host_tid is 0); a thread may free its
 * own before it exits. */
void pal_thread_free(struct pal_tcb *tcb, size_t thread_size);
/* Make tcb the current thread's: GS base, alternate stack. */
void pal_thread_adopt(struct pal_tcb *tcb);
/* A new thread's stack starts at pal_frame(tcb), below the guest frame, so that the frame can be filled from C.
 * Start a host thread that adopts tcb and calls fn(arg) on its stack with every register else zero but FS base = fs.
 * tcb->host_tid is written before it runs. Returns host tid. */
int pal_thread_start(struct pal_tcb *tcb, uintptr_t fs, void (*fn)(void *), void *arg);
/* When the calling thread dies, whatever of, the host writes FUTEX_OWNER_DIED to *word (which may be shared memory),
 * provided that it holds the thread's host tid then. */
void pal_death_word(u32 *word);
/* Leave: the host clears tcb->host_tid and wakes it once the stack is unused. */
void pal_thread_exit(int status) noreturn_fn;
/* Copy-on-write twin. *host_pid (may be shared memory) is written by the host before the child runs. 0 in the child,
 * which runs on the same stack addresses with the same control block (host_tid already its own). alone: this is the
 * only thread of its memory, so no lock need be held over the clone. */
int pal_fork(s32 *host_pid, bool alone);
bool pal_unlocked(void); /* nobody holds a lock of the PAL's just now */
/* A child that shares memory; runs fn(arg) on tcb's stack, caller sleeps until the child exec's or ends.
 * FS base is inherited. Returns host pid. */
int pal_vfork(struct pal_tcb *tcb, void (*fn)(void *), void *arg, s32 *host_pid);
/* The same, but the caller goes on; once tcb's host_tid is 0 again, the child has left this memory. */
int pal_lend(struct pal_tcb *tcb, void (*fn)(void *), void *arg, s32 *host_pid);
/* Execute the image again: argv {"picoprocess","exec"}; state: a string for pal_exec_text there (NULL: none), at most
 * PAL_EXEC_TEXT bytes with its NUL. Returns only on error. */
#define PAL_EXEC_TEXT (96ul << 10)
int pal_exec_image(char *state);
void pal_exit(int status) noreturn_fn;	/* exit_group */
/* End this process as if by signal sig with default action (host wait status = killed by sig). */
void pal_die_by_signal(int sig) noreturn_fn;
/* A process that is no child of the caller's, but of whoever takes orphans, and executes the image with argv
 * { "picoprocess", how }. It has `port` as GRANT_FD_LEADER_READ and no GRANT_FD_LEADER. Signals are off. 0 or -errno. */
int pal_start_image(const char *how, int port);
int pal_getpid(void);
int pal_gettid(void);
/* wait4(2) on host pids; waitid(2) for WNOWAIT forms. Cancellable. */
int pal_wait4(int host_pid, int *status, int options, struct rusage *ru);
int pal_waitid(int idtype, int id, struct siginfo *info, int options, struct rusage *ru);
int pal_setsid(void);
int pal_setpgid(int host_pid, int host_pgid);
int pal_getrusage(int who, struct rusage *ru);
int pal_prlimit(int resource, const struct rlimit64 *set, struct rlimit64 *old); /* this process */
int pal_sched_yield(void);
int pal_sched_getaffinity(size_t size, void *mask);
int pal_sched_setaffinity(size_t size, const void *mask);
int pal_setpriority(int which, int who, int prio);
int pal_getcpu(unsigned *cpu, unsigned *node);
int pal_prctl(int op, u64 a, u64 b, u64 c, u64 d);
int pal_membarrier(int cmd, unsigned flags);
int pal_getrandom(void *buf, size_t size, unsigned flags);
int pal_sysinfo(struct sysinfo *info);
void pal_uname(struct new_utsname *u); /* without names of the host's */
uintptr_t pal_get_fs(void);
void pal_set_fs(uintptr_t base);

/* ---- signals (pal/trap.c) ---- */
/* What a kick carries from one picoprocess to another: a guest signal, or a call to look at the inbox (sig 0). */
struct pal_kick {
	s32 sig;   /* guest signal, 0: none, just come into the libOS */
	s32 code;  /* its si_code */
	s32 pid;   /* sender, as the guest sees it */
	u32 uid;
	u64 value;
	s32 tid;   /* guest tid it is for, 0: the process */
	s32 extra; /* with a signal: the process it is for, as the guest sees it; without: not 0, look at the streams */
};
/* Host pid, and host tid or 0 for any thread of it. -ESRCH if gone; -EAGAIN if the host's queue is full, which all
 * processes of the user share, and k carries a signal. A kick without one always arrives, be it as a nudge. */
int pal_kick(int host_pid, int host_tid, const struct pal_kick *k);
/* The same without anything to carry: libos_upcall_signal sees PAL_SIG_NUDGE. -ESRCH if gone. */
int pal_nudge(int host_pid, int host_tid);
/* What a siginfo that the handler got carries, if it is a kick (si_signo PAL_SIG_KICK); false if it
 * is anything else. */
bool pal_kick_decode(const struct siginfo *info, struct pal_kick *k);
/* SIGKILL, SIGSTOP, SIGCONT and 0 (does it exist) by host pid. */
int pal_kill(int host_pid, int sig);
/* Stop this process until it is continued, unless *conts is no longer seen. Who continues it counts there first, then
 * sends SIGCONT: whichever of the two comes first is found. */
void pal_stop(const u32 *conts, u32 seen);
/* A host signal that the terminal or the host's job control sends to this process: what is done with it. Signals not
 * set up are at their default. Only HUP INT QUIT ALRM TERM CHLD CONT TSTP TTIN TTOU URG WINCH VTALRM PROF PIPE IO XCPU. */
enum pal_disposition { PAL_SIG_DEFAULT, PAL_SIG_IGNORE, PAL_SIG_CATCH };
int pal_signal(int sig, enum pal_disposition how);
/* Block or unblock a host signal for this thread: so that the terminal sees the guest's mask for SIGTTOU, SIGTTIN. */
int pal_sigmask(int how, u64 mask, u64 *old);
/* All host signals but faults off for this thread, kicks too, and on again with the mask that off gave: for the moments
 * in which the inbox is nobody's (between a fork and the child's reset of it). Inherited by the fork. They are off when
 * the image starts. */
u64 pal_signals_off(void);
/* The libOS has set tcb.full and has room again: let the kicks in that the host has kept. */
void pal_kicks_resume(void);
void pal_signals_on(u64 mask);

/* ---- walls (pal/walls.c): a process confines itself and its future children further; there is no way back ---- */
enum pal_door { PAL_DOOR_READ, PAL_DOOR_OWN, PAL_DOOR_RUN }; /* read a tree; have it whole; read and execute a file */
/* Walls without a door, not raised yet: a descriptor. -EOPNOTSUPP: this host cannot build them (Landlock ABI 6). */
int pal_walls_begin(bool network);
/* What fd is, and all below it, may be reached through them, as far as it could before. */
int pal_walls_door(int walls, int fd, enum pal_door door);
/* Raise them round the calling thread, the process's only one: files by the doors; no signal and no connection to an
 * abstract socket outside; no change of attributes but by the monitor; without `network`, no sockets but pairs. Should
 * it fail half-way, the process must end. */
int pal_walls_raise(int walls, bool network);
/* This process was born within such walls. */
void pal_walls_inside(void);

/* ---- start (pal/main.c) ---- */
struct grant;
/* The host's auxiliary vector: a value by AT_ type, 0 if absent. Strings are copies. */
u64 pal_auxv(u64 type);
/* What pal_exec_image was given: the caller's to change, valid until the first fork. NULL: nothing. */
char *pal_exec_text(size_t *size); /* and its length */
/* The grant of this sandbox; valid in every picoprocess. */
const struct grant *pal_grant(void) __attribute__((const));
/* The lowest descriptor number that is not the grant's: a guest's files are never placed below it. */
int pal_fd_free(void) __attribute__((const));
/* The i-th place of the host's that is mounted inside: its descriptor, -ENOENT after the last. */
struct grant_bind;
int pal_grant_bind(unsigned i, struct grant_bind *b);
/* One request to the monitor over the port and its answer (pal/monitor.h): payloads are copied; fds in and out.
 * Returns the reply's payload size or -errno (the reply's error included). */
int pal_monitor(u32 type, const void *req, size_t req_size, const int *fds, int nfds, void *reply, size_t reply_size,
		int *reply_fds, int *nreply_fds);
/* Diagnostics to descriptor 2 of the monitor's log; truncated at 512 bytes. */
void pal_log(const char *fmt, ...) printf_like(1, 2);
/* A broken invariant: print and die by SIGABRT. */
void pal_bug(const char *file, int line, const char *what) noreturn_fn;
#define BUG_ON(cond) do { if (unlikely(cond)) pal_bug(__FILE__, __LINE__, #cond); } while (0)

/* ================= what the PAL asks of its libOS ================= */

/* The leader's start; and a vfork child's new life at exec (state in GRANT_FD_STATE). Run on the first thread's host
 * stack with no control block yet: the libOS allocates and adopts one. */
void libos_start_leader(void) noreturn_fn;
void libos_start_exec(void) noreturn_fn;
/* The leader of a split's world (pal_start_image("lead")). */
void libos_start_split_leader(void) noreturn_fn;

/* Assembly of the libOS, used by the PAL's handler to decide by the interrupted RIP (interception.md, section 11). */
extern const char libos_text_start[], libos_text_end[]; /* the image's text, from the linker script */
extern const char libos_entry_begin[], libos_entry_done[]; /* entry: the frame is not yet complete */
extern const char libos_exit_begin[], libos_exit_end[];	   /* leaving: the frame is the truth */
/* Where the handler sends a thread whose guest was interrupted; runs with rsp = frame, the frame complete.
 * async: look at the inbox. trap: tcb frame holds a system call. fault: the guest faulted, see libos_upcall_fault. */
extern const char libos_enter_async[], libos_enter_syscall[], libos_enter_fault[];

/* On the alternate stack, the thread's other host signals blocked; may not take locks or touch the guest.
 * An asynchronous host signal (kick or terminal, child, timer): remember it in the thread's inbox. The PAL has set
 * tcb->pending. Returns true if the guest must be interrupted at once. */
bool libos_upcall_signal(struct pal_tcb *tcb, const struct siginfo *info);
/* A synchronous fault of the guest: keep what the frame needs (siginfo, trapno, err, cr2). */
void libos_upcall_fault(struct pal_tcb *tcb, const struct siginfo *info, u64 trapno, u64 err, u64 cr2);
/* A fault at rip inside the image: the address to continue at (exception table), or 0: a bug. */
uintptr_t libos_upcall_fixup(uintptr_t rip, uintptr_t addr);

#endif
