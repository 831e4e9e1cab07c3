// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The numbers of a system call by name, and its strings quoted, as strace(1) does: what the libOS
 * gives as openat(AT_FDCWD, "a\012", 0x80241, 00644) is shown as openat(AT_FDCWD, "a\n",
 * O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0644).
 *
 * The text comes from inside. What is not understood is shown as it came.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shell/shell.h"

struct bit {
	uint64_t value;
	const char *name;
};

/* clang-format off */
#define B(name) {name, #name}
#define END {0, NULL}
/* A name of several bits stands before those of its parts. */
static const struct bit open_flags[] = {
	B(O_CREAT), B(O_EXCL), B(O_NOCTTY), B(O_TRUNC), B(O_APPEND), B(O_NONBLOCK), B(O_SYNC), B(O_DSYNC), B(O_ASYNC),
	B(O_DIRECT), {0100000, "O_LARGEFILE"}, B(O_NOFOLLOW), B(O_NOATIME), B(O_CLOEXEC), B(O_PATH), B(O_TMPFILE),
	B(O_DIRECTORY), END
};
static const struct bit at_flags[] = {
	B(AT_SYMLINK_NOFOLLOW), B(AT_SYMLINK_FOLLOW), B(AT_NO_AUTOMOUNT), B(AT_EMPTY_PATH), END
};
static const struct bit unlinkat_flags[] = {B(AT_REMOVEDIR), END};
static const struct bit faccessat_flags[] = {B(AT_SYMLINK_NOFOLLOW), B(AT_EACCESS), B(AT_EMPTY_PATH), END};
static const struct bit access_modes[] = {B(R_OK), B(W_OK), B(X_OK), END};
static const struct bit rename_flags[] = {B(RENAME_NOREPLACE), B(RENAME_EXCHANGE), B(RENAME_WHITEOUT), END};
static const struct bit prots[] = {B(PROT_READ), B(PROT_WRITE), B(PROT_EXEC), END};
static const struct bit map_flags[] = {
	{MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"}, B(MAP_SHARED), B(MAP_PRIVATE), B(MAP_FIXED), B(MAP_ANONYMOUS),
	B(MAP_32BIT), B(MAP_GROWSDOWN), B(MAP_DENYWRITE), B(MAP_LOCKED), B(MAP_NORESERVE), B(MAP_POPULATE),
	B(MAP_NONBLOCK), B(MAP_STACK), B(MAP_HUGETLB), B(MAP_SYNC), B(MAP_FIXED_NOREPLACE), END
};
static const struct bit remap_flags[] = {B(MREMAP_MAYMOVE), B(MREMAP_FIXED), B(MREMAP_DONTUNMAP), END};
static const struct bit sync_flags[] = {B(MS_ASYNC), B(MS_INVALIDATE), B(MS_SYNC), END};
static const struct bit fd_flags[] = {B(O_CLOEXEC), B(O_NONBLOCK), B(O_DIRECT), END};
static const struct bit epoll_flags[] = {B(EPOLL_CLOEXEC), END};
static const struct bit event_flags[] = {B(EFD_SEMAPHORE), B(EFD_CLOEXEC), B(EFD_NONBLOCK), END};
static const struct bit inotify_flags[] = {B(IN_CLOEXEC), B(IN_NONBLOCK), END};
static const struct bit timer_flags[] = {B(TFD_CLOEXEC), B(TFD_NONBLOCK), END};
static const struct bit memfd_flags[] = {B(MFD_CLOEXEC), B(MFD_ALLOW_SEALING), B(MFD_HUGETLB), END};
static const struct bit accept_flags[] = {B(SOCK_CLOEXEC), B(SOCK_NONBLOCK), END};
static const struct bit msg_flags[] = {
	B(MSG_OOB), B(MSG_PEEK), B(MSG_DONTROUTE), B(MSG_CTRUNC), B(MSG_TRUNC), B(MSG_DONTWAIT), B(MSG_EOR),
	B(MSG_WAITALL),
	B(MSG_NOSIGNAL), B(MSG_MORE), B(MSG_CMSG_CLOEXEC), END
};
static const struct bit clone_flags[] = {
	B(CLONE_VM), B(CLONE_FS), B(CLONE_FILES), B(CLONE_SIGHAND), B(CLONE_PTRACE), B(CLONE_VFORK), B(CLONE_PARENT),
	B(CLONE_THREAD), B(CLONE_NEWNS), B(CLONE_SYSVSEM), B(CLONE_SETTLS), B(CLONE_PARENT_SETTID),
	B(CLONE_CHILD_CLEARTID),
	B(CLONE_UNTRACED), B(CLONE_CHILD_SETTID), B(CLONE_NEWUTS), B(CLONE_NEWIPC), B(CLONE_NEWUSER), B(CLONE_NEWPID),
	B(CLONE_NEWNET), B(CLONE_IO), END
};
static const struct bit wait_options[] = {
	B(WNOHANG), B(WUNTRACED), B(WEXITED), B(WCONTINUED), B(WNOWAIT), {0x20000000, "__WNOTHREAD"},
	{0x40000000, "__WALL"},
	{0x80000000, "__WCLONE"}, END
};
/* One of them, not a sum. */
static const struct bit fcntl_cmds[] = {
	B(F_DUPFD), B(F_GETFD), B(F_SETFD), B(F_GETFL), B(F_SETFL), B(F_GETLK), B(F_SETLK), B(F_SETLKW), B(F_SETOWN),
	B(F_GETOWN), B(F_DUPFD_CLOEXEC), B(F_SETPIPE_SZ), B(F_GETPIPE_SZ), B(F_ADD_SEALS), B(F_GET_SEALS),
	B(F_OFD_GETLK), B(F_OFD_SETLK), B(F_OFD_SETLKW), B(F_SETLEASE), B(F_GETLEASE), END
};
static const struct bit ioctls[] = {
	B(TCGETS), B(TCSETS), B(TCSETSW), B(TCSETSF), B(TIOCGWINSZ), B(TIOCSWINSZ), B(TIOCGPGRP), B(TIOCSPGRP),
	B(TIOCGSID),
	B(TIOCSCTTY), B(TIOCNOTTY), B(TIOCGPTN), B(TIOCSPTLCK), B(TIOCSTI), B(TCSBRK), B(TCXONC), B(TCFLSH),
	B(FIONREAD),
	B(FIONBIO), B(FIOCLEX), B(FIONCLEX), {0x40049409, "FICLONE"}, {0xc020660b, "FS_IOC_FIEMAP"}, END
};
static const struct bit whences[] = {B(SEEK_SET), B(SEEK_CUR), B(SEEK_END), B(SEEK_DATA), B(SEEK_HOLE), END};
static const struct bit hows[] = {B(SIG_BLOCK), B(SIG_UNBLOCK), B(SIG_SETMASK), END};
static const struct bit families[] = {B(AF_UNIX), B(AF_INET), B(AF_INET6), B(AF_NETLINK), B(AF_PACKET), END};
static const struct bit socket_types[] = {
	B(SOCK_STREAM), B(SOCK_DGRAM), B(SOCK_RAW), B(SOCK_SEQPACKET), END
};
static const struct bit advices[] = {
	B(MADV_NORMAL), B(MADV_RANDOM), B(MADV_SEQUENTIAL), B(MADV_WILLNEED), B(MADV_DONTNEED), B(MADV_FREE),
	B(MADV_DONTFORK), B(MADV_DOFORK), B(MADV_HUGEPAGE), B(MADV_NOHUGEPAGE), END
};
static const struct bit clocks[] = {
	B(CLOCK_REALTIME), B(CLOCK_MONOTONIC), B(CLOCK_PROCESS_CPUTIME_ID), B(CLOCK_THREAD_CPUTIME_ID),
	B(CLOCK_MONOTONIC_RAW), B(CLOCK_REALTIME_COARSE), B(CLOCK_MONOTONIC_COARSE), B(CLOCK_BOOTTIME), END
};

enum how { ONE, SUM, OPEN, SOCKET, CLONE, SIGNAL };
/* Argument `arg`, from 0 on, of the calls between spaces. none: what 0 is called as a sum, NULL: 0. */
static const struct row {
	const char *calls;
	unsigned int arg;
	enum how how;
	const struct bit *bits;
	const char *none;
} rows[] = {
	{" open ", 1, OPEN, open_flags, NULL},
	{" openat ", 2, OPEN, open_flags, NULL},
	{" pipe2 ", 1, SUM, fd_flags, NULL},
	{" dup3 ", 2, SUM, fd_flags, NULL},
	{" access ", 1, SUM, access_modes, "F_OK"},
	{" faccessat faccessat2 ", 2, SUM, access_modes, "F_OK"},
	{" faccessat2 ", 3, SUM, faccessat_flags, NULL},
	{" unlinkat ", 2, SUM, unlinkat_flags, NULL},
	{" newfstatat utimensat ", 3, SUM, at_flags, NULL},
	{" statx ", 2, SUM, at_flags, "AT_STATX_SYNC_AS_STAT"},
	{" linkat fchownat execveat ", 4, SUM, at_flags, NULL},
	{" renameat2 ", 4, SUM, rename_flags, NULL},
	{" mmap mprotect pkey_mprotect ", 2, SUM, prots, "PROT_NONE"},
	{" mmap ", 3, SUM, map_flags, NULL},
	{" mremap ", 3, SUM, remap_flags, NULL},
	{" msync ", 2, SUM, sync_flags, NULL},
	{" madvise ", 2, ONE, advices, NULL},
	{" fcntl ", 1, ONE, fcntl_cmds, NULL},
	{" ioctl ", 1, ONE, ioctls, NULL},
	{" lseek ", 2, ONE, whences, NULL},
	{" rt_sigprocmask ", 0, ONE, hows, NULL},
	{" rt_sigaction ", 0, SIGNAL, NULL, NULL},
	{" kill tkill rt_sigqueueinfo pidfd_send_signal ", 1, SIGNAL, NULL, NULL},
	{" tgkill rt_tgsigqueueinfo ", 2, SIGNAL, NULL, NULL},
	{" socket socketpair ", 0, ONE, families, NULL},
	{" socket socketpair ", 1, SOCKET, socket_types, NULL},
	{" accept4 ", 3, SUM, accept_flags, NULL},
	{" sendto recvfrom sendmmsg recvmmsg ", 3, SUM, msg_flags, NULL},
	{" sendmsg recvmsg ", 2, SUM, msg_flags, NULL},
	{" epoll_create1 ", 0, SUM, epoll_flags, NULL},
	{" eventfd2 ", 1, SUM, event_flags, NULL},
	{" inotify_init1 ", 0, SUM, inotify_flags, NULL},
	{" timerfd_create ", 1, SUM, timer_flags, NULL},
	{" timerfd_create clock_gettime clock_getres clock_nanosleep ", 0, ONE, clocks, NULL},
	{" memfd_create ", 1, SUM, memfd_flags, NULL},
	{" clone ", 0, CLONE, clone_flags, NULL},
	{" wait4 ", 2, SUM, wait_options, NULL},
	{" waitid ", 3, SUM, wait_options, NULL},
};
/* clang-format on */

struct out {
	char *at, *end;
};

static void put(struct out *o, const char *text, size_t len)
{
	if (len < (size_t)(o->end - o->at)) {
		memcpy(o->at, text, len);
		o->at += len;
	}
	*o->at = '\0';
}

static void put_text(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static void put_number(struct out *o, const char *format, uint64_t value)
	__attribute__((format(printf, 2, 0)));
static void put_number(struct out *o, const char *format, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), format, value);
	put_text(o, text);
}

/* any: something was put already that this is added to. */
static void put_sum(struct out *o, uint64_t value, const struct bit *bits, const char *none,
		    bool any)
{
	if (!value && !any)
		put_text(o, none ? none : "0");
	for (; bits->name; bits++) {
		if (!bits->value || (value & bits->value) != bits->value)
			continue;
		put_text(o, any ? "|" : "");
		put_text(o, bits->name);
		value &= ~bits->value;
		any = true;
	}
	if (value) {
		put_text(o, any ? "|" : "");
		put_number(o, "0x%" PRIx64, value);
	}
}

static bool put_one(struct out *o, uint64_t value, const struct bit *bits)
{
	for (; bits->name; bits++)
		if (bits->value == value) {
			put_text(o, bits->name);
			return true;
		}
	return false;
}

const char *trace_signal(int sig, char *buf, size_t size)
{
	const char *abbrev = sig > 0 ? sigabbrev_np(sig) : NULL;

	if (abbrev)
		snprintf(buf, size, "SIG%s", abbrev);
	else if (sig >= SIGRTMIN && sig <= SIGRTMAX)
		snprintf(buf, size, "SIGRT_%d", sig - 32);
	else
		snprintf(buf, size, "%d", sig);
	return buf;
}

static bool put_value(struct out *o, const struct row *row, uint64_t value)
{
	char name[32];

	switch (row->how) {
	case ONE:
		return put_one(o, value, row->bits);
	case SUM:
		put_sum(o, value, row->bits, row->none, false);
		return true;
	case OPEN:
		put_text(o, (value & O_ACCMODE) == O_WRONLY ? "O_WRONLY"
			    : (value & O_ACCMODE) == O_RDWR ? "O_RDWR"
							    : "O_RDONLY");
		put_sum(o, value & ~(uint64_t)O_ACCMODE, row->bits, NULL, true);
		return true;
	case SOCKET:
		if (!put_one(o, value & 0xf, row->bits))
			return false;
		put_sum(o, value & ~(uint64_t)0xf, accept_flags, NULL, true);
		return true;
	case CLONE:
		put_sum(o, value & ~(uint64_t)CSIGNAL, row->bits, NULL, false);
		if (value & CSIGNAL) {
			put_text(o, "|");
			put_text(o, trace_signal((int)(value & CSIGNAL), name, sizeof(name)));
		}
		return true;
	case SIGNAL:
		put_text(o, trace_signal((int)value, name, sizeof(name)));
		return true;
	}
	return false;
}

/* A string between quotes in which the libOS wrote all but plain letters as \ooo; what is behind
 * it. */
static const char *put_string(struct out *o, const char *at)
{
	static const char plain[] = "\t\n\v\f\r\"\\", as[] = "tnvfr\"\\";
	const char *p;
	char text[8];

	put(o, at++, 1);
	while (*at && *at != '"') {
		unsigned int c = 0;
		int n = 0;

		if (*at != '\\' || sscanf(at, "\\%3o%n", &c, &n) != 1 || n != 4 || c > 255) {
			put(o, at++, 1);
			continue;
		}
		at += 4;
		p = c ? strchr(plain, (int)c) : NULL;
		if (p)
			snprintf(text, sizeof(text), "\\%c", as[p - plain]);
		else
			snprintf(text, sizeof(text), *at >= '0' && *at <= '7' ? "\\%03o" : "\\%o",
				 c);
		put_text(o, text);
	}
	if (*at)
		put(o, at++, 1);
	return at;
}

/* The row of each argument of a call: sought once, for a trace has many lines and few names. */
#define ARGS 6
struct known {
	char name[40]; /* between blanks */
	const struct row *row[ARGS];
};

static const struct known *known_call(const char *call, size_t len)
{
	static struct known known[256];
	uint32_t hash = 0;
	struct known *k;

	if (len + 3 > sizeof(k->name))
		return NULL;
	for (size_t i = 0; i < len; i++)
		hash = hash * 31 + (unsigned char)call[i];
	k = &known[hash % 256];
	if (strncmp(k->name + 1, call, len) == 0 && strcmp(k->name + 1 + len, " ") == 0)
		return k;
	*k = (struct known){0};
	snprintf(k->name, sizeof(k->name), " %.*s ", (int)len, call);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!k->row[rows[i].arg] && strstr(rows[i].calls, k->name))
			k->row[rows[i].arg] = &rows[i];
	return k;
}

/* What is no string, up to the next comma: by its name, a mode as strace has it, or as it is. */
static void put_word(struct out *o, const struct row *row, const char *at, size_t len)
{
	char *end;
	uint64_t value = strtoull(at, &end, 0);
	bool number = len && end == at + len && *at >= '0' && *at <= '9';

	if (row && number && put_value(o, row, value))
		return;
	if (number && len == 5 && *at == '0' && at[1] != 'x')
		put_number(o, "%#03" PRIo64, value);
	else
		put(o, at, len);
}

/* The mode of an open that makes nothing is whatever lay in the register. */
static bool is_unused_mode(const char *call, size_t len, unsigned int arg, uint64_t flags)
{
	bool at = len == 6 && !strncmp(call, "openat", len);

	return (at || (len == 4 && !strncmp(call, "open", len))) && arg == (at ? 3u : 2u) &&
	       !(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE;
}

void trace_translate(char *to, size_t size, const char *call)
{
	struct out o = { to, to + size };
	size_t name = strcspn(call, "("), len;
	const struct known *known = known_call(call, name);
	const char *at = call + name;
	unsigned int arg = 0;
	uint64_t before = 0;

	put(&o, call, name);
	if (*at)
		put(&o, at++, 1);
	while (*at) {
		len = strcspn(at, ",)");
		if (*at == '"') {
			at = put_string(&o, at);
			len = strcspn(at, ",)"); /* "..." */
			put(&o, at, len);
		} else {
			put_word(&o, known && arg < ARGS ? known->row[arg] : NULL, at, len);
			before = strtoull(at, NULL, 0);
		}
		at += len;
		if (*at == ',' && at[1] == ' ') {
			arg++;
			at += 2;
			if (!is_unused_mode(call, name, arg, before))
				put_text(&o, ", ");
			else
				at += strcspn(at, ")");
		} else if (*at) {
			put(&o, at++, 1);
		}
	}
}
