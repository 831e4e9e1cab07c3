// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * A process that splits off honestly and then turns on those it left.
 *
 *   hostile DIR [whole]
 *
 * DIR holds mine/ (allowed, rw), ro/f (allowed, ro) and other/secret, whose text begins with SECRET. A sibling, the
 * parent, stays behind with what the two shared: memory, a pipe, signals. Every attempt runs in a child of the split
 * process, by libc and by the PAL's own instruction; its line ends in "escaped" if it reached what it must not. With
 * `whole` nothing is split off: then the same attempts must succeed, or they would prove nothing.
 */
#include "way.h"
#include "pal/monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FDS 512
#define AREA 0x780008000000ul
#define AREA_BYTES (4ul << 20)
#define PORT 5
#define WORK 11
#define LAYER 20

static char dir[PATH_MAX], path[PATH_MAX + 64];
static bool whole;
static volatile int *shared;
static int pipe_ends[2], event, secret_fd, other_dir;
static ino_t secret_ino;
static volatile sig_atomic_t signals;

static const char *at(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool holds_secret(enum way w, long fd)
{
	char buf[16] = { 0 };
	struct iovec iov = { buf, 6 };

	return call(w, SYS_preadv2, fd, &iov, 1, 0, 0, 0) == 6 && !memcmp(buf, "SECRET", 6);
}

static enum verdict read_name(enum way w, void *arg)
{
	for (int from = w == PAL ? 3 : -100; from < (w == PAL ? FDS : -99); from++) {
		/* A host descriptor leads to a layer: names are relative to it. */
		const char *name = at(arg) + (w == PAL);
		long fd = call(w, SYS_openat, from, name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && holds_secret(w, fd))
			return ESCAPED;
	}
	return REFUSED;
}

static enum verdict read_openat2(enum way w, void *arg)
{
	uint64_t how[3] = { O_RDONLY | O_CLOEXEC, 0, 0 };

	(void)arg;
	for (int from = 3; from < (w == PAL ? FDS : 4); from++) {
		long fd = call(w, SYS_openat2, w == PAL ? from : -100, at("other/secret") + (w == PAL), how, sizeof(how));
		if (fd >= 0 && holds_secret(w, fd))
			return ESCAPED;
	}
	return REFUSED;
}

static enum verdict write_name(enum way w, void *arg)
{
	for (int from = w == PAL ? 3 : -100; from < (w == PAL ? FDS : -99); from++)
		if (call(w, SYS_openat, from, at(arg) + (w == PAL), O_WRONLY | O_CLOEXEC) >= 0)
			return ESCAPED;
	return REFUSED;
}

static enum verdict list_name(enum way w, void *arg)
{
	char buf[4096];

	for (int from = w == PAL ? 3 : -100; from < (w == PAL ? FDS : -99); from++) {
		long fd = call(w, SYS_openat, from, at(arg) + (w == PAL), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		long n = fd < 0 ? fd : call(w, SYS_getdents64, fd, buf, sizeof(buf));
		if (n > 0 && memmem(buf, (size_t)n, "secret", 6))
			return ESCAPED;
	}
	return REFUSED;
}

/* By every descriptor that there is, whatever it was. */
static enum verdict old_descriptors(enum way w, void *arg)
{
	char buf[4096];
	struct stat st;

	(void)arg;
	for (int fd = 0; fd < FDS; fd++) {
		if (way_fstat(w, fd, &st) < 0)
			continue;
		if (st.st_ino == secret_ino || holds_secret(w, fd))
			return ESCAPED;
		long n = S_ISDIR(st.st_mode) ? call(w, SYS_getdents64, fd, buf, sizeof(buf)) : -1;
		if (n > 0 && memmem(buf, (size_t)n, "secret", 6))
			return ESCAPED;
	}
	return REFUSED;
}

/* A name in `from` brought to mine/, or the other way round. */
static enum verdict bring(enum way w, void *arg)
{
	static const char *const pair[][2] = { { "other/secret", "mine/got" }, { "mine/own", "other/secret" } };
	const int op = *(int *)arg;

	for (int i = 0; i < 2; i++)
		for (int from = w == PAL ? LAYER : -100; from < (w == PAL ? LAYER + 8 : -99); from++) {
			char a[PATH_MAX + 64], b[PATH_MAX + 64];
			long r;

			strcpy(a, at(pair[i][0]) + (w == PAL));
			strcpy(b, at(pair[i][1]) + (w == PAL));
			r = op == 0 ? call(w, SYS_linkat, from, a, from, b, 0)
				    : call(w, SYS_renameat2, from, a, from, b, op == 2 ? 2 : 0);
			if (r == 0)
				return ESCAPED;
		}
	return REFUSED;
}

static enum verdict make(enum way w, void *arg)
{
	const int op = *(int *)arg;

	for (int from = w == PAL ? LAYER : -100; from < (w == PAL ? LAYER + 8 : -99); from++) {
		const char *n = at(op == 4 ? "other/secret" : "other/new") + (w == PAL);
		long r = op == 0   ? call(w, SYS_openat, from, n, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)
			 : op == 1 ? call(w, SYS_mkdirat, from, n, 0700)
			 : op == 2 ? call(w, SYS_symlinkat, "x", from, n)
			 : op == 3 ? call(w, SYS_mknodat, from, n, S_IFIFO | 0600, 0)
				   : call(w, SYS_unlinkat, from, n, 0);
		if (r >= 0)
			return ESCAPED;
	}
	return REFUSED;
}

/* Attributes of what may be read only, and of what may not even be that. */
static enum verdict attributes(enum way w, void *arg)
{
	static const char *const names[] = { "ro/f", "other/secret", "ro", "other" };

	(void)arg;
	for (int i = 0; i < 4; i++)
		for (int from = w == PAL ? LAYER : -100; from < (w == PAL ? LAYER + 8 : -99); from++) {
			const char *n = at(names[i]) + (w == PAL);
			long fd = call(w, SYS_openat, from, n, O_RDONLY | O_CLOEXEC);
			struct timespec t[2] = { { 1, 1 }, { 1, 1 } };

			if (fd >= 0 && (call(w, SYS_fchmod, fd, 0700) >= 0 ||
					call(w, SYS_fsetxattr, fd, "user.x", "y", 1, 0) >= 0 ||
					call(w, SYS_utimensat, fd, 0, t, 0) >= 0))
				return ESCAPED;
			if (call(w, SYS_fchmodat, from, n, 0700) >= 0 ||
			    call(w, SYS_utimensat, from, n, t, AT_SYMLINK_NOFOLLOW) >= 0)
				return ESCAPED;
		}
	return REFUSED;
}

/* The monitor, asked by hand with a descriptor that only names the object. */
static long ask(enum way w, uint32_t type, const void *req, uint32_t size, const int *fds, int nfds)
{
	char buf[512], control[CMSG_SPACE(MON_FDS_MAX * sizeof(int))] = { 0 };
	struct mon_msg head = { .type = type, .len = size };
	struct iovec iov = { buf, sizeof(head) + size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *c = (void *)control;
	int ends[2], *list = (int *)CMSG_DATA(c);
	struct { struct mon_msg m; struct mon_reply r; } in = { 0 };
	long r;

	memcpy(buf, &head, sizeof(head));
	memcpy(buf + sizeof(head), req, size);
	if (call(w, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -EMFILE;
	msg.msg_controllen = CMSG_SPACE((1 + nfds) * sizeof(int));
	*c = (struct cmsghdr){ CMSG_LEN((1 + nfds) * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	list[0] = ends[1];
	memcpy(list + 1, fds, (size_t)nfds * sizeof(int));
	r = call(w, SYS_sendmsg, PORT, &msg, MSG_NOSIGNAL);
	call(w, SYS_close, ends[1]);
	if (r >= 0)
		r = call(w, SYS_read, ends[0], &in, sizeof(in));
	call(w, SYS_close, ends[0]);
	return r < (long)sizeof(in) ? -EIO : -(long)in.r.error;
}

static enum verdict monitor(enum way w, void *arg)
{
	static const char *const names[] = { "other/secret", "ro/f" };
	struct mon_setattr q = { .op = MON_ATTR_CHMOD, .mode = 0700 };
	struct mon_pty p = { .op = MON_PTY_NEW };

	(void)arg;
	for (int i = 0; i < 2; i++)
		for (int from = LAYER; from < LAYER + 8; from++) {
			long fd = call(w, SYS_openat, from, at(names[i]) + 1, (i ? O_RDONLY : O_PATH) | O_CLOEXEC);
			int f = (int)fd;

			if (fd < 0)
				continue;
			if (ask(w, MON_SETATTR, &q, sizeof(q), &f, 1) == 0)
				return ESCAPED;
			q.op = MON_ATTR_TIMES;
			if (ask(w, MON_SETATTR, &q, sizeof(q), &f, 1) == 0)
				return ESCAPED;
			q.op = MON_ATTR_CHMOD;
		}
	if (ask(w, MON_PTY, &p, sizeof(p), NULL, 0) == 0)
		return ESCAPED;
	for (int from = LAYER; from < LAYER + 8; from++) {
		int f = (int)call(w, SYS_openat, from, at("other/secret") + 1, O_PATH | O_CLOEXEC);

		if (f >= 0 && ask(w, MON_OPEN, NULL, 0, &f, 1) == 0)
			return ESCAPED;
	}
	return REFUSED;
}

/* What the port may be used for: what lies where one may write. */
static enum verdict monitor_own(enum way w, void *arg)
{
	struct mon_setattr q = { .op = MON_ATTR_CHMOD, .mode = 0640 };

	(void)arg;
	for (int from = LAYER; from < LAYER + 8; from++) {
		int f = (int)call(w, SYS_openat, from, at("mine/own") + 1, O_RDONLY | O_CLOEXEC);

		if (f >= 0 && ask(w, MON_SETATTR, &q, sizeof(q), &f, 1) == 0)
			return DONE;
	}
	return REFUSED;
}

/* Nonsense, to all that might be a socket of somebody's. */
static enum verdict babble(enum way w, void *arg)
{
	char junk[256];
	struct iovec iov = { junk, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)arg;
	memset(junk, 0x5a, sizeof(junk));
	for (int fd = 0; fd < FDS; fd++)
		for (iov.iov_len = 0; iov.iov_len < sizeof(junk); iov.iov_len += 51)
			call(w, SYS_sendmsg, fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	return DONE;
}

static enum verdict old_streams(enum way w, void *arg)
{
	long one = 1;

	(void)arg;
	/* Not its own standard output, by which the verdicts go. */
	for (int fd = w == PAL ? 80 : 3; !(whole && w == PAL) && fd < FDS; fd++) {
		struct stat st, out;

		if (way_fstat(w, fd, &st) < 0 || (fstat(1, &out) == 0 && st.st_ino == out.st_ino))
			continue;
		call(w, SYS_fcntl, fd, F_SETFL, O_NONBLOCK);
		call(w, SYS_write, fd, &one, sizeof(one));
	}
	return DONE;
}

static enum verdict old_memory(enum way w, void *arg)
{
	(void)arg;
	*shared = 666;
	return DONE;
}

static enum verdict signal_parent(enum way w, void *arg)
{
	/* The parent as the host knows it, of the split process or of this child of it. */
	long host = *(long *)arg;
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

	/* A signal that did not come by way of the libOS would end the sibling. */
	if (whole && w == PAL)
		return must_fail(call(w, SYS_rt_sigqueueinfo, host, 0, &info));
	if (call(w, SYS_rt_sigqueueinfo, host, SIGUSR1, &info) >= 0 ||
	    call(w, SYS_rt_tgsigqueueinfo, host, host, SIGUSR1, &info) >= 0 ||
	    call(w, SYS_rt_sigqueueinfo, host, 0, &info) >= 0)
		return ESCAPED;
	/* The filter ends who makes these. */
	if (call(w, SYS_kill, host, SIGUSR1) >= 0 || call(w, SYS_tgkill, host, host, SIGUSR1) >= 0)
		return ESCAPED;
	return REFUSED;
}

/* Let the host signal the parent for us. */
static enum verdict signal_by_io(enum way w, void *arg)
{
	long host = *(long *)arg;
	int p[2];

	if (call(w, SYS_pipe2, p, O_CLOEXEC) < 0)
		return REFUSED;
	call(w, SYS_fcntl, p[0], F_SETOWN, host);
	call(w, SYS_fcntl, p[0], 10 /* F_SETSIG */, SIGUSR1);
	call(w, SYS_fcntl, p[0], F_SETFL, O_ASYNC);
	call(w, SYS_write, p[1], "x", 1);
	usleep(20000);
	return DONE;
}

static enum verdict trace(enum way w, void *arg)
{
	/* To attach would stop it for good. */
	return must_fail(call(w, SYS_ptrace, 0x4206 /* SEIZE */, *(long *)arg, 0, 0));
}

static enum verdict peek(enum way w, void *arg)
{
	char b[8];
	struct iovec l = { b, 8 }, r = { (void *)&shared, 8 };

	return must_fail(call(w, SYS_process_vm_readv, *(long *)arg, &l, 1, &r, 1, 0));
}

static enum verdict network(enum way w, void *arg)
{
	int p[2];

	(void)arg;
	if (call(w, SYS_socket, AF_INET, SOCK_STREAM, 0) >= 0 || call(w, SYS_socket, AF_UNIX, SOCK_STREAM, 0) >= 0)
		return ESCAPED;
	/* On rung B the libOS itself makes such a pair of another kind. */
	return w == PAL ? must_fail(call(w, SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, p)) : REFUSED;
}

/* To the kernel it is another word for SOCK_DGRAM. */
static enum verdict network_raw(enum way w, void *arg)
{
	int p[2];

	(void)arg;
	return w == PAL ? must_fail(call(w, SYS_socketpair, AF_UNIX, SOCK_RAW, 0, p)) : REFUSED;
}

static enum verdict widen(enum way w, void *arg)
{
	int fd = open("/proc/self/sandbox", O_WRONLY);

	(void)w;
	return fd >= 0 && write(fd, arg, strlen(arg)) >= 0 ? ESCAPED : REFUSED;
}

static enum verdict by_program(enum way w, void *arg)
{
	int p[2], status;
	char buf[16] = { 0 };

	(void)w, (void)arg;
	if (pipe(p))
		return REFUSED;
	if (vfork() == 0) {
		dup2(p[1], 1);
		execl("/usr/bin/cat", "cat", at("other/secret"), NULL);
		_exit(1);
	}
	close(p[1]);
	while (wait(&status) < 0)
		;
	return read(p[0], buf, 6) == 6 && !memcmp(buf, "SECRET", 6) ? ESCAPED : REFUSED;
}

static int split(void)
{
	char text[3 * PATH_MAX];
	int fd = open("/proc/self/sandbox", O_WRONLY);

	snprintf(text, sizeof(text), "files %s/mine rw\nfiles %s/ro ro\nfiles /usr ro\nkeep 0 1 2\n", dir, dir);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		printf("cannot split: %s\n", strerror(errno));
		return -1;
	}
	close(fd);
	return 0;
}

static void attack_by(enum way w, long host_parent)
{
	static const char *const names[] = { "other/secret", "mine/../other/secret", "mine/link", "mine/./../other//secret",
					     "ro/../other/secret", "mine/dir/up/other/secret", "mine/link/" };
	static int op[] = { 0, 1, 2, 3, 4 };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		attempt("read", w, read_name, (void *)names[i]);
	attempt("openat2", w, read_openat2, NULL);
	attempt("write", w, write_name, (void *)"other/secret");
	attempt("write-ro", w, write_name, (void *)"ro/f");
	attempt("list", w, list_name, (void *)"other");
	attempt("old-descriptors", w, old_descriptors, NULL);
	attempt("attributes", w, attributes, NULL);
	for (int i = 0; i < 5; i++)
		attempt("make", w, make, &op[i]);
	for (int i = 0; i < 3; i++)
		attempt("bring", w, bring, &op[i]);
	attempt("signal", w, signal_parent, &host_parent);
	/* Not where it succeeds: it ends the sibling. */
	if (!whole)
		attempt("signal-by-io", w, signal_by_io, &host_parent);
	attempt("old-streams", w, old_streams, NULL);
	attempt("old-memory", w, old_memory, NULL);
	attempt("network", w, network, NULL);
	attempt("network-raw", w, network_raw, NULL);
	attempt("trace", w, trace, &host_parent);
	attempt("peek", w, peek, &host_parent);
	if (w == PAL && !whole) {
		attempt("monitor", w, monitor, NULL);
		attempt("monitor-own", w, monitor_own, NULL);
		attempt("babble", w, babble, NULL);
	}
}

/* parent: as the sandbox has it, and as the host. */
static int attack(pid_t parent, long host)
{

	if (!whole && split())
		return 1;
	attack_by(LIBC, parent);
	if (way_pal())
		attack_by(PAL, host);
	attempt("program", LIBC, by_program, NULL);
	if (!whole) {
		snprintf(path, sizeof(path), "files %s ro\n", dir);
		char *wider = strdup(path);
		attempt("widen", LIBC, widen, wider);
		attempt("widen-net", LIBC, widen, (void *)"network keep\n");
	}
	printf("attacks made\n");
	/* Last, for it is the end of one's own libOS: the memory where the sandbox's area was. */
	if (!whole && way_pal())
		memset((void *)AREA, 0xff, AREA_BYTES);
	return 0;
}

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

/* The sibling: is all as it was, and does all still work? */
static int look(void)
{
	struct stat st;
	uint64_t n;
	char c;
	int status = 0, bad = 0;

#define CHECK(cond, what)                                      \
	do {                                                   \
		if (!(cond)) {                                 \
			printf("sibling: %s\n", what);         \
			bad = 1;                               \
		}                                              \
	} while (0)
	CHECK(*shared == 42, "shared memory was written: escaped");
	CHECK(read(pipe_ends[0], &c, 1) < 0, "the pipe was written: escaped");
	CHECK(read(event, &n, sizeof(n)) < 0, "the counter was written: escaped");
	CHECK(signals == 0, "a signal came: escaped");
	CHECK(stat(at("other/secret"), &st) == 0 && st.st_ino == secret_ino, "the file is another: escaped");
	CHECK(access(at("other/new"), F_OK) < 0, "a file was made: escaped");
	CHECK(holds_secret(LIBC, secret_fd), "the file was written: escaped");
	pid_t pid = fork();
	if (pid == 0)
		_exit(kill(getppid(), 0) ? 1 : 5);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5, "fork and wait do not work: escaped");
	printf(bad ? "sibling harmed\n" : "sibling unharmed\n");
	return bad;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct stat st;
	int status;

	if (argc < 2 || !realpath(argv[1], dir))
		return 2;
	whole = argc > 2;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = 42;
	secret_fd = open(at("other/secret"), O_RDONLY);
	other_dir = open(at("other"), O_RDONLY | O_DIRECTORY);
	if (pipe2(pipe_ends, O_NONBLOCK) || (event = eventfd(0, EFD_NONBLOCK)) < 0 || secret_fd < 0 || other_dir < 0 ||
	    fstat(secret_fd, &st))
		return 2;
	secret_ino = st.st_ino;
	sigaction(SIGUSR1, &sa, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	long host = way_tid();
	pid_t self = getpid(), pid = fork();
	if (pid == 0)
		exit(attack(self, host));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	printf("the attacker ended with %#x\n", (unsigned)status);
	return look();
}
