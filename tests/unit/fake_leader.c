/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A leader without a libOS: speaks the control stream and the request port, and runs what it is
 * told as a child that is a few lines of C. For testing the monitor and the confinement from
 * inside.
 *
 * Long because a leader is one program. Linked statically with a .hostcall page of its own, which
 * is all that the filter asks of an image. Once the grant's filter stands, libc's own system calls
 * trap; all calls here go through host().
 *
 * Commands (argv[0] of a START): exit N, echo ARG..., cat, tty, size, spin N, sleep, orphan, flood,
 * try CALL..., ports N, and violate, upon which the leader sends the monitor something that no leader sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "pal/grant.h"
#include "pal/monitor.h"

long hostcall(long nr, long a, long b, long c, long d, long e, long f);
__asm__(".section .hostcall,\"ax\",@progbits\n.balign 4096\n.globl hostcall\nhostcall:\n"
	"mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov "
	"%r9,%r8\nmov 8(%rsp),%r9\n"
	"syscall\nret\n.globl host_restorer\nhost_restorer:\nmov $15,%eax\nsyscall\n.balign "
	"4096\n.previous\n");
void host_restorer(void);

#define host(nr, ...) host_(SYS_##nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define host_(nr, a, b, c, d, e, f, ...) \
	hostcall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static struct grant grant;
static char message[MON_MSG_MAX], strings[1 << 20];

static void say(const char *text)
{
	host(write, 1, text, strlen(text));
}

static void sayn(const char *what, long n)
{
	char line[128];

	snprintf(line, sizeof(line), "%s %ld\n", what, n);
	say(line);
}

/* ---- what a START's child can do ---- */

static int cmd_exit(char **argv)
{
	return argv[1] ? atoi(argv[1]) : 0;
}

static int cmd_echo(char **argv)
{
	for (argv++; *argv; argv++) {
		say(*argv);
		say(argv[1] ? " " : "\n");
	}
	return 0;
}

static int cmd_cat(char **argv)
{
	char buf[4096];
	long n;

	while ((n = host(read, 0, buf, sizeof(buf))) > 0)
		host(write, 1, buf, n);
	return n < 0;
}

static int cmd_size(char **argv)
{
	struct winsize w = { 0 };
	char line[64];
	long err = host(ioctl, 0, TIOCGWINSZ, &w);

	snprintf(line, sizeof(line), "size %d %d %ld\n", w.ws_row, w.ws_col, err);
	say(line);
	return 0;
}

static int cmd_flood(char **argv)
{
	static char block[65536];
	long left = argv[1] ? atol(argv[1]) : 16;

	memset(block, 'x', sizeof(block));
	while (left-- > 0)
		for (size_t done = 0; done < sizeof(block);)
			done += host(write, 1, block + done, sizeof(block) - done);
	say("\nflooded\n");
	return 0;
}

static int cmd_sleep(char **argv)
{
	struct timespec t = { argv[1] ? atol(argv[1]) : 1000000, 0 };

	say("sleeping\n");
	host(ppoll, 0, 0, &t, 0, 0);
	return 0;
}

/* Leave a grandchild behind in a session of its own. */
static int cmd_orphan(char **argv)
{
	struct timespec t = { 1000000, 0 };

	if (host(clone, SIGCHLD, 0, 0, 0, 0) == 0) {
		host(setsid);
		for (;;)
			host(ppoll, 0, 0, &t, 0, 0);
	}
	say("left\n");
	return 0;
}

/* ask(): one request over the port, the answer's error. */
static long ask(uint32_t type, const void *data, uint32_t size, int fd, int *out, uint32_t *value)
{
	struct {
		struct mon_msg head;
		char data[512];
	} q = { { type, size, 7 }, "" };
	struct {
		struct mon_msg head;
		struct mon_reply reply;
		char rest[256];
	} a;
	int pair[2], fds[2];
	char cbuf[CMSG_SPACE(2 * sizeof(int))] = { 0 };

	memcpy(q.data, data, size);
	if (host(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -1;
	fds[0] = pair[1];
	fds[1] = fd;
	struct iovec iov = { &q, sizeof(q.head) + size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = cbuf };
	msg.msg_controllen = CMSG_SPACE((fd < 0 ? 1 : 2) * sizeof(int));
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((fd < 0 ? 1 : 2) * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (fd < 0 ? 1 : 2) * sizeof(int));
	if (host(sendmsg, GRANT_FD_PORT, &msg, 0) < 0)
		return -1;
	host(close, pair[1]);
	iov = (struct iovec){ &a, sizeof(a) };
	msg = (struct msghdr){ .msg_iov = &iov,
			       .msg_iovlen = 1,
			       .msg_control = cbuf,
			       .msg_controllen = sizeof(cbuf) };
	long n = host(recvmsg, pair[0], &msg, 0);
	host(close, pair[0]);
	if (n < (long)(sizeof(a.head) + sizeof(a.reply)))
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (out && c)
		memcpy(out, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (value)
		*value = a.reply.value;
	return a.reply.error;
}

static int cmd_tty(char **argv)
{
	struct mon_pty p = { .op = MON_PTY_NEW };
	struct termios t;
	int master[2] = { -1, -1 }, slave[2] = { -1, -1 };
	uint32_t n = 0;
	char buf[16];

	sayn("new", ask(MON_PTY, &p, sizeof(p), -1, master, &n));
	p = (struct mon_pty){ .op = MON_PTY_OPEN, .number = n };
	sayn("open", ask(MON_PTY, &p, sizeof(p), -1, slave, NULL));
	host(write, master[0], "hi\n", 3);
	sayn("read", host(read, slave[0], buf, sizeof(buf)));
	sayn("getattr", host(ioctl, slave[0], TCGETS, &t));
	p.number = 4000;
	sayn("open none", ask(MON_PTY, &p, sizeof(p), -1, NULL, NULL));
	p.op = MON_PTY_LIST;
	sayn("list", ask(MON_PTY, &p, sizeof(p), -1, NULL, NULL));
	return 0;
}

static int cmd_setattr(char **argv)
{
	struct mon_setattr s = { .op = MON_ATTR_CHMOD, .mode = 0640 };
	struct statx st;
	int top = GRANT_FD_LAYER + (int)grant.nlayers - 1;
	int fd = host(openat, top, "attr", O_RDWR | O_CREAT, 0600);

	sayn("chmod", ask(MON_SETATTR, &s, sizeof(s), fd, NULL, NULL));
	host(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st);
	sayn("mode", st.stx_mode & 07777);
	s = (struct mon_setattr){ .op = MON_ATTR_TIMES, .atime_s = 1, .mtime_s = 2 };
	sayn("times", ask(MON_SETATTR, &s, sizeof(s), fd, NULL, NULL));
	host(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st);
	sayn("mtime", st.stx_mtime.tv_sec);
	struct {
		struct mon_setattr s;
		char value[4];
	} x = { { .op = MON_ATTR_SETX, .name = "user.x" }, "abc" };
	sayn("setx", ask(MON_SETATTR, &x, sizeof(x.s) + 3, fd, NULL, NULL));
	strcpy(x.s.name, "security.x");
	sayn("setx bad", ask(MON_SETATTR, &x, sizeof(x.s) + 3, fd, NULL, NULL));
	int base = host(openat, GRANT_FD_LAYER, "etc/hostname", O_RDONLY);
	if (base < 0)
		base = host(openat, GRANT_FD_LAYER, "etc/passwd", O_RDONLY);
	s = (struct mon_setattr){ .op = MON_ATTR_CHMOD, .mode = 0777 };
	sayn("base", ask(MON_SETATTR, &s, sizeof(s), base, NULL, NULL));
	sayn("image", ask(MON_SETATTR, &s, sizeof(s), GRANT_FD_IMAGE, NULL, NULL));
	sayn("image worker", ask(MON_IMAGE, "", 0, base, NULL, NULL));
	return 0;
}

static unsigned noise_seed;

static unsigned noise(void)
{
	noise_seed = noise_seed * 1103515245 + 12345;
	return noise_seed >> 8;
}

/* A message that is nearly right, or not at all; with descriptors that fit, or not. */
static void babble(int sock, uint32_t first, uint32_t last)
{
	static char buf[MON_MSG_MAX + 64];
	char cbuf[CMSG_SPACE(12 * sizeof(int))] = { 0 };
	struct mon_msg head = { first + noise() % (last - first + 1), noise() % 300, noise() % 4 };
	size_t size = noise() % 8 ? sizeof(head) + head.len : noise() % sizeof(buf);
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int n = (int)(noise() % 4);

	for (size_t i = 0; i < sizeof(buf); i += 4)
		*(uint32_t *)(buf + i) = noise() % 3 ? noise() % 6 : noise();
	memcpy(buf, &head, sizeof(head));
	if (noise() % 16 == 0)
		n = 12;
	if (n) {
		msg.msg_control = cbuf;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (int i = 0; i < n; i++) {
			static const int from[] = { 0, GRANT_FD_IMAGE, GRANT_FD_PORT, GRANT_FD_AREA, GRANT_FD_SHM,
						    GRANT_FD_LAYER };
			memcpy(CMSG_DATA(c) + i * sizeof(int), &from[noise() % 6], sizeof(int));
		}
	}
	host(sendmsg, sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Over the port, as any picoprocess may. */
static int cmd_babble(char **argv)
{
	noise_seed = argv[1] ? (unsigned)atol(argv[1]) : 1;
	for (int i = 0; i < 40; i++)
		babble(GRANT_FD_PORT, MON_PTY - 1, MON_SPLIT + 1);
	say("babbled\n");
	return 0;
}

static void send_fds(int sock, void *data, size_t size, const int *fds, int n)
{
	char cbuf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))] = { 0 };
	struct iovec iov = { data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = cbuf };
	struct cmsghdr *c = (struct cmsghdr *)cbuf;

	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	host(sendmsg, sock, &msg, MSG_NOSIGNAL);
}

/* Ports of splits whose last message is empty but for descriptors, and nobody behind them any more. */
static int cmd_ports(char **argv)
{
	struct mon_msg head = { .type = MON_SPLIT };
	int fds[MON_FDS_MAX], port[2], reply[2];
	long n = argv[1] ? atol(argv[1]) : 1;

	for (int i = 0; i < MON_FDS_MAX; i++)
		fds[i] = GRANT_FD_AREA;
	while (n-- > 0) {
		host(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, port);
		host(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, reply);
		send_fds(port[0], &head, 0, fds, MON_FDS_MAX);
		host(close, port[0]);
		send_fds(GRANT_FD_PORT, &head, sizeof(head), (int[]){ reply[1], port[1], GRANT_FD_AREA }, 3);
		host(close, port[1]);
		host(close, reply[1]);
		host(read, reply[0], message, sizeof(message));
		host(close, reply[0]);
	}
	say("made\n");
	return 0;
}

/* What the filter, the mounts or Landlock must refuse; each says how. */
static int cmd_try(char **argv)
{
	int base = GRANT_FD_LAYER, top = GRANT_FD_LAYER + (int)grant.nlayers - 1;
	const char *what = argv[1] ? argv[1] : "";
	long r = -1000;

	if (!strcmp(what, "read")) /* read DIRFD-relative path of the base */
		r = host(openat, base, argv[2], O_RDONLY);
	else if (!strcmp(what, "write"))
		r = host(openat, base, argv[2], O_WRONLY);
	else if (!strcmp(what, "create"))
		r = host(openat, base, argv[2], O_WRONLY | O_CREAT, 0600);
	else if (!strcmp(what, "list"))
		r = host(openat, base, argv[2], O_RDONLY | O_DIRECTORY);
	else if (!strcmp(what, "absolute"))
		r = host(openat, base, "/etc/passwd", O_RDONLY);
	else if (!strcmp(what, "own"))
		r = host(openat, top, "file", O_RDWR | O_CREAT, 0600);
	else if (!strcmp(what, "whiteout"))
		r = host(mknodat, top, "gone", S_IFCHR, 0);
	else if (!strcmp(what, "device"))
		r = host(mknodat, top, "null", S_IFCHR | 0666, 0x103);
	else if (!strcmp(what, "block"))
		r = host(mknodat, top, "blk", S_IFBLK | 0666, 0);
	else if (!strcmp(what, "rename"))
		r = host(openat, GRANT_FD_WORK, "staged", O_RDWR | O_CREAT, 0600) < 0
			    ? -1
			    : host(renameat2, GRANT_FD_WORK, "staged", top, "moved", 0);
	else if (!strcmp(what, "shm"))
		r = host(openat, GRANT_FD_SHM, "x", O_RDWR | O_CREAT, 0600);
	else if (!strcmp(what, "cwd"))
		r = host(openat, AT_FDCWD, ".", O_RDONLY);
	else if (!strcmp(what, "close-image"))
		r = host(close, GRANT_FD_IMAGE);
	else if (!strcmp(what, "close-image-high"))
		r = host(close, 0x100000000 + GRANT_FD_IMAGE);
	else if (!strcmp(what, "dup-image"))
		r = host(dup3, 0, GRANT_FD_IMAGE, 0);
	else if (!strcmp(what, "close-range"))
		r = host(close_range, 0, 100, 0);
	else if (!strcmp(what, "execve"))
		r = host(execve, "/bin/true", NULL, NULL);
	else if (!strcmp(what, "execveat"))
		r = host(execveat, base, "bin/true", NULL, NULL, 0);
	else if (!strcmp(what, "socket"))
		r = host(socket, AF_UNIX, SOCK_STREAM, 0);
	else if (!strcmp(what, "netlink"))
		r = host(socket, AF_NETLINK, SOCK_RAW, 0);
	else if (!strcmp(what, "connect")) { /* by path */
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		strncpy(a.sun_path, argv[2], sizeof(a.sun_path) - 1);
		long fd = host(socket, AF_UNIX, SOCK_STREAM, 0);
		r = host(connect, fd, &a, sizeof(a));
	} else if (!strcmp(what, "bind")) {
		struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "own-socket" };
		long fd = host(socket, AF_UNIX, SOCK_STREAM, 0);
		r = host(bind, fd, &a, sizeof(a));
	} else if (!strcmp(what, "fchdir"))
		r = host(fchdir, base);
	else if (!strcmp(what, "unshare"))
		r = host(unshare, CLONE_NEWUSER);
	else if (!strcmp(what, "clone-ns"))
		r = host(clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	else if (!strcmp(what, "chmod"))
		r = host(fchmodat, top, "file", 0600);
	else if (!strcmp(what, "setuid-bit"))
		r = host(fchmodat, top, "file", 04755);
	else if (!strcmp(what, "ptrace"))
		r = host(ptrace, 0, 0, 0, 0);
	else if (!strcmp(what, "kill")) {
		siginfo_t si = { .si_code = SI_QUEUE };
		r = host(rt_sigqueueinfo, atoi(argv[2]), 0, &si);
	} else if (!strcmp(what, "kill-all"))
		r = host(kill, -1, 0);
	else if (!strcmp(what, "sti"))
		r = host(ioctl, 0, TIOCSTI, "x");
	else if (!strcmp(what, "tcgets")) {
		struct termios t;
		r = host(ioctl, 0, TCGETS, &t);
	} else if (!strcmp(what, "libc"))
		r = syscall(SYS_getpid); /* outside the page: traps */
	else if (!strcmp(what, "pid"))
		r = host(set_tid_address, 0);
	sayn(what, r);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} commands[] = {
	{ "exit", cmd_exit },	    { "echo", cmd_echo },   { "cat", cmd_cat },
	{ "size", cmd_size },	    { "flood", cmd_flood }, { "sleep", cmd_sleep },
	{ "orphan", cmd_orphan },   { "tty", cmd_tty },	    { "try", cmd_try },	{ "babble", cmd_babble },
	{ "setattr", cmd_setattr },  { "ports", cmd_ports },
};

/* ---- the leader ---- */

static int children[256]; /* 0: none */

static void child_replace(int old, int pid)
{
	for (unsigned i = 0; i < sizeof(children) / sizeof(children[0]); i++)
		if (children[i] == old) {
			children[i] = pid;
			return;
		}
}

static void send_control(uint32_t type, uint64_t id, const void *data, uint32_t size)
{
	struct {
		struct mon_msg head;
		char data[256];
	} m = { { type, size, id }, "" };
	struct iovec iov = { &m, sizeof(m.head) + size };
	const struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(m.data, data, size);
	host(sendmsg, GRANT_FD_CONTROL, &msg, MSG_NOSIGNAL);
}

static void violate(void)
{
	send_control(MON_START, 0, "", 0);
}

static void run_child(const struct mon_start *s, char *argv[], int *fds, int nfds)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	(void)dfl;
	for (int i = 0; i < 3; i++)
		host(dup3, fds[i], i, 0);
	if (s->flags & MON_START_SESSION) {
		host(setsid);
		host(ioctl, fds[nfds - 1], TIOCSCTTY, 0);
	}
	for (int i = 0; i < nfds; i++)
		host(close, fds[i]);
	host(close, GRANT_FD_CONTROL);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[0], commands[i].name))
			host(exit_group, commands[i].run(argv));
	host(exit_group, 127);
}

static int known(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return 1;
	return 0;
}

static void start(const struct mon_msg *m, int *fds, int nfds)
{
	const struct mon_start *s = (const void *)(m + 1);
	struct mon_started done = { 0, 0 };
	char *argv[64], *p = (char *)(s + 1);
	unsigned i;

	if (s->flags & MON_START_BIG) {
		nfds--;
		host(lseek, fds[nfds], 0, SEEK_SET);
		host(read, fds[nfds], strings, sizeof(strings) - 1);
		host(close, fds[nfds]);
		p = strings;
	}
	p += strlen(p) + 1; /* cwd */
	for (i = 0; i < s->argc && i < 63; i++, p += strlen(p) + 1)
		argv[i] = p;
	argv[i] = NULL;
	if (i && !strcmp(argv[0], "violate")) {
		violate();
	} else if (i > 1 && !strcmp(argv[0], "babble-control")) {
		noise_seed = (unsigned)atol(argv[1]);
		for (int k = 0; k < 20; k++)
			babble(GRANT_FD_CONTROL, 0, MON_READY + 1);
	} else if (!i || !known(argv[0])) {
		done.error = ENOENT;
	} else {
		done.pid = host(clone, SIGCHLD, 0, 0, 0, 0);
		if (done.pid == 0)
			run_child(s, argv, fds, nfds);
		child_replace(0, done.pid);
	}
	for (i = 0; i < (unsigned)nfds; i++)
		host(close, fds[i]);
	send_control(MON_STARTED, m->id, &done, sizeof(done));
}

static void proc(const struct mon_msg *m)
{
	const struct mon_proc *q = (const void *)(m + 1);
	const char *path = (const char *)(q + 1);
	struct {
		struct mon_proc_data d;
		char text[64];
	} a = { { 0, 0100444, 0, 0, 0, 1, 0 }, "" };
	uint32_t n = 0;

	if (m->len > sizeof(*q) && !strcmp(path, "uptime")) {
		n = (uint32_t)snprintf(a.text, sizeof(a.text), "12.3 45.6\n");
	} else if (q->op == MON_PROC_LIST && (m->len == sizeof(*q) || !*path)) {
		uint32_t entry[2] = { 0100444, 6 };
		a.d.mode = 040555;
		memcpy(a.text, entry, 8);
		memcpy(a.text + 8, "uptime", 6);
		n = 14;
	} else {
		a.d.error = ENOENT;
	}
	send_control(MON_PROC_DATA, m->id, &a, sizeof(a.d) + n);
}

static void reap(void)
{
	struct mon_exited e;
	siginfo_t si = { 0 };

	while (!host(waitid, P_ALL, 0, &si, WEXITED | WNOHANG, 0) && si.si_pid) {
		e.pid = si.si_pid;
		e.status = si.si_code == CLD_EXITED ? si.si_status << 8 : si.si_status;
		send_control(MON_EXITED, 0, &e, sizeof(e));
		child_replace(si.si_pid, 0);
		si.si_pid = 0;
	}
}

static void hear(void)
{
	char cbuf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))];
	struct iovec iov = { message, sizeof(message) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = cbuf,
			      .msg_controllen = sizeof(cbuf) };
	struct mon_msg *m = (void *)message;
	int fds[MON_FDS_MAX], nfds = 0;
	long n = host(recvmsg, GRANT_FD_CONTROL, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n < (long)sizeof(*m))
		host(exit_group, 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
	}
	if (m->type == MON_START) {
		start(m, fds, nfds);
	} else if (m->type == MON_SIGNAL) {
		struct mon_signal *s = (void *)(m + 1);
		siginfo_t si = { .si_signo = s->sig, .si_code = SI_QUEUE };

		for (unsigned i = 0; i < sizeof(children) / sizeof(children[0]); i++)
			if (children[i] && (s->pid == -1 || s->pid == children[i]))
				host(rt_sigqueueinfo, children[i], s->sig, &si);
	} else if (m->type == MON_SHUTDOWN) {
		siginfo_t si = { .si_signo = SIGKILL, .si_code = SI_QUEUE };

		for (int pid = 2; grant.rung == GRANT_RUNG_A && pid < 300; pid++)
			host(rt_sigqueueinfo, pid, SIGKILL, &si);
		host(exit_group, 0);
	} else if (m->type == MON_PROC) {
		proc(m);
	}
}

static void seal(void)
{
	static struct sock_filter code[4096];
	struct sock_fprog prog = { .filter = code };

	if (pread(GRANT_FD_GRANT, &grant, sizeof(grant), 0) != sizeof(grant) ||
	    grant.magic != GRANT_MAGIC)
		exit(125);
	prog.len = grant.bpf_count;
	if (grant.bpf_count > 4096 || pread(GRANT_FD_GRANT, code, sizeof(code), sizeof(grant)) < 0)
		exit(125);
	if (hostcall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&prog, 0, 0, 0))
		exit(125);
}

int main(void)
{
	struct timespec tick = { 0, 20000000 };

	seal();
	send_control(MON_READY, 0, "", 0);
	for (;;) {
		struct {
			int fd;
			short events, revents;
		} p = { GRANT_FD_CONTROL, 1, 0 };
		host(ppoll, &p, 1, &tick, 0, 8);
		if (p.revents)
			hear();
		reap();
	}
}
