// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Every kind of open file, passed to a process that did not inherit it, and used there.
 */
#include "lib/t.h"

#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int sv[2];

static void send_fd(int fd)
{
	char c = 'x', ctl[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	must(sendmsg(sv[0], &m, 0));
}

static int recv_fd(void)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	int fd = -1;

	eq(recvmsg(sv[1], &m, MSG_CMSG_CLOEXEC), 1);
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	ok(fd >= 0);
	eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return fd;
}

/* Run user in a child made before make, and pass it what make gives; then look again. */
static void pass(int (*make)(void), void (*user)(int), void (*after)(int))
{
	pid_t pid;
	int fd;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	pid = must(fork());
	if (pid == 0) {
		close(sv[0]);
		user(recv_fd());
		_exit(0);
	}
	close(sv[1]);
	fd = make();
	send_fd(fd);
	eqs(t_wait(pid), "exit 0");
	if (after)
		after(fd);
	close(sv[0]);
	close(fd);
}

/* ---- files ---- */

static int make_file(void)
{
	int fd = must(open("f", O_RDWR | O_CREAT | O_APPEND, 0640));

	must(write(fd, "hello", 5));
	must(lseek(fd, 1, SEEK_SET));
	must(flock(fd, LOCK_EX));
	return fd;
}

static void use_file(int fd)
{
	char buf[8] = "";
	struct stat st;

	eq(read(fd, buf, 2), 2);
	eqs(buf, "el");
	eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
	must(fstat(fd, &st));
	eq(st.st_mode, S_IFREG | 0640);
	eq(st.st_size, 5);
	eq(write(fd, "!", 1), 1);
	eq(fchmod(fd, 0600), 0);
	/* The lock came along. */
	eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	eq(ftruncate(fd, 3), 0);
}

static void after_file(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	eq(st.st_mode, S_IFREG | 0600);
	eq(st.st_size, 3);
	eq(lseek(fd, 0, SEEK_CUR), 6);
}

static int make_base(void)
{
	return must(open("../base/dir/f", O_RDONLY));
}

static void use_base(int fd)
{
	char buf[32] = "", link[64];

	eq(read(fd, buf, 4), 4);
	eqs(buf, "from");
	fails(write(fd, "x", 1), EBADF);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	fd = must(open(link, O_RDONLY));
	eq(read(fd, buf, 4), 4);
}

static int make_dir(void)
{
	must(mkdir("d", 0755));
	must(mkdir("d/sub", 0755));
	t_write_file("d/file", "text");
	return must(open("d", O_RDONLY | O_DIRECTORY));
}

static void use_dir(int fd)
{
	struct stat st;
	int n = 0;
	DIR *d;
	int f = openat(fd, "file", O_RDONLY);
	char buf[8] = "";

	ok(f >= 0);
	eq(read(f, buf, 4), 4);
	eqs(buf, "text");
	eq(mkdirat(fd, "new", 0700), 0);
	eq(fstatat(fd, "new", &st, 0), 0);
	eq(fchdir(fd), 0);
	eq(access("sub", X_OK), 0);
	d = fdopendir(fd);
	ok(d != NULL);
	while (d && readdir(d))
		n++;
	eq(n, 5);
}

static int make_path(void)
{
	t_write_file("p", "path");
	return must(open("p", O_PATH));
}

static void use_path(int fd)
{
	char link[64], buf[8] = "";
	struct stat st;
	int f;

	fails(read(fd, buf, 1), EBADF);
	eq(fstat(fd, &st), 0);
	eq(st.st_size, 4);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	f = open(link, O_RDONLY);
	ok(f >= 0);
	eq(read(f, buf, 4), 4);
}

static int make_proc(void)
{
	return must(open("/proc/self/comm", O_RDONLY));
}

static void use_proc(int fd)
{
	char buf[64] = "";

	ok(read(fd, buf, sizeof(buf) - 1) > 0);
	say("comm: %s", buf);
	eq(lseek(fd, 0, SEEK_SET), 0);
	ok(read(fd, buf, 2) == 2);
}

static int make_null(void)
{
	return must(open("/dev/zero", O_RDWR));
}

static void use_null(int fd)
{
	char c = 1;

	eq(read(fd, &c, 1), 1);
	eq(c, 0);
	eq(write(fd, &c, 1), 1);
}

/* ---- streams ---- */

static int pipe_other;

static int make_pipe(void)
{
	int p[2];

	must(pipe(p));
	pipe_other = p[1];
	must(write(p[1], "pipe", 4));
	return p[0];
}

static void use_pipe(int fd)
{
	char buf[8] = "";

	eq(read(fd, buf, 8), 4);
	eqs(buf, "pipe");
	ok(fcntl(fd, F_GETPIPE_SZ) >= 4096);
}

static int make_sock(void)
{
	int s[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	must(send(s[1], "packet", 6, 0));
	pipe_other = s[1];
	return s[0];
}

static void use_sock(int fd)
{
	char buf[8] = "";
	int type = 0;
	socklen_t len = sizeof(type);

	eq(recv(fd, buf, 8, 0), 6);
	eq(send(fd, "back", 4, 0), 4);
	eq(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	eq(type, SOCK_SEQPACKET);
}

static void after_sock(int fd)
{
	char buf[8] = "";

	eq(recv(pipe_other, buf, 8, MSG_DONTWAIT), 4);
}

static int make_pty(void)
{
	int m = must(posix_openpt(O_RDWR | O_NOCTTY));

	must(grantpt(m));
	must(unlockpt(m));
	return m;
}

static void use_pty(int fd)
{
	int s = open(ptsname(fd), O_RDWR | O_NOCTTY);
	char buf[8] = "";

	ok(s >= 0);
	eq(write(s, "a", 1), 1);
	eq(read(fd, buf, 8), 1);
	eq(isatty(s), 1);
}

static int make_tty(void)
{
	pipe_other = make_pty();
	return must(open(ptsname(pipe_other), O_RDWR | O_NOCTTY));
}

static void use_tty(int fd)
{
	ok(isatty(fd) && write(fd, "t", 1) == 1);
}

/* ---- what has no name ---- */

static int make_event(void)
{
	return must(eventfd(5, EFD_SEMAPHORE | EFD_NONBLOCK));
}

static void use_event(int fd)
{
	uint64_t v = 0;

	eq(read(fd, &v, 8), 8);
	eq(v, 1);
	v = 2;
	eq(write(fd, &v, 8), 8);
	fails(read(fd, &v, 4), EINVAL);
}

static void after_event(int fd)
{
	uint64_t v;

	for (int i = 0; i < 6; i++)
		eq(read(fd, &v, 8), 8);
	fails(read(fd, &v, 8), EAGAIN);
}

static int make_timer(void)
{
	struct itimerspec it = { .it_value = { 0, 1000000 } };
	int fd = must(timerfd_create(CLOCK_MONOTONIC, 0));

	must(timerfd_settime(fd, 0, &it, NULL));
	return fd;
}

static void use_timer(int fd)
{
	struct itimerspec it = { .it_value = { 100, 0 } }, old;
	uint64_t v = 0;

	eq(read(fd, &v, 8), 8);
	eq(v, 1);
	eq(timerfd_settime(fd, 0, &it, &old), 0);
	eq(timerfd_gettime(fd, &old), 0);
	ok(old.it_value.tv_sec >= 98);
}

static void after_timer(int fd)
{
	struct itimerspec it;

	eq(timerfd_gettime(fd, &it), 0);
	ok(it.it_value.tv_sec >= 90);
}

static int make_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return must(signalfd(-1, &set, SFD_NONBLOCK));
}

/* A signalfd reads the signals of whoever reads it. */
static void use_signal(int fd)
{
	struct signalfd_siginfo si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fails(read(fd, &si, sizeof(si)), EAGAIN);
	raise(SIGUSR1);
	struct pollfd p = { fd, POLLIN, 0 };
	eq(poll(&p, 1, 1000), 1);
	eq(read(fd, &si, sizeof(si)), sizeof(si));
	eq(si.ssi_signo, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	eq(signalfd(fd, &set, 0), fd);
}

static int make_inotify(void)
{
	int fd = must(inotify_init1(IN_NONBLOCK));

	must(mkdir("w", 0755));
	must(inotify_add_watch(fd, "w", IN_CREATE));
	t_write_file("w/first", "");
	return fd;
}

static void use_inotify(int fd)
{
	char buf[512];
	struct inotify_event *e = (void *)buf;

	ok(read(fd, buf, sizeof(buf)) > 0);
	eqs(e->name, "first");
	eq(e->wd, 1);
	t_write_file("w/second", "");
	ok(read(fd, buf, sizeof(buf)) > 0);
	eqs(e->name, "second");
	must(mkdir("w2", 0755));
	eq(inotify_add_watch(fd, "w2", IN_CREATE), 2);
	eq(inotify_rm_watch(fd, 1), 0);
}

static void after_inotify(int fd)
{
	char buf[512];
	struct inotify_event *e = (void *)buf;

	ok(read(fd, buf, sizeof(buf)) > 0);
	eq(e->mask, IN_IGNORED);
	t_write_file("w2/third", "");
	ok(read(fd, buf, sizeof(buf)) > 0);
	eqs(e->name, "third");
}

static int make_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	must(write(p[1], "x", 1));
	pipe_other = p[1];
	return ep;
}

static void use_epoll(int ep)
{
	struct epoll_event ev = { 0 };
	int p[2];

	eq(epoll_wait(ep, &ev, 1, 1000), 1);
	eq(ev.data.u64, 42);
	must(pipe(p));
	ev = (struct epoll_event){ .events = EPOLLOUT, .data.u64 = 43 };
	eq(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev), 0);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev), EEXIST);
	struct epoll_event two[4];
	eq(epoll_wait(ep, two, 4, 1000), 2);
	eq(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), 0);
	fails(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), ENOENT);
}

static int make_memfd(void)
{
	int fd = must(memfd_create("m", MFD_ALLOW_SEALING));

	must(ftruncate(fd, 4096));
	must(pwrite(fd, "memory", 6, 0));
	return fd;
}

static void use_memfd(int fd)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ok(p != MAP_FAILED);
	eqs(p, "memory");
	strcpy(p, "written");
	eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	eq(fcntl(fd, F_GET_SEALS), F_SEAL_GROW);
}

static void after_memfd(int fd)
{
	char buf[16] = "";

	eq(pread(fd, buf, 7, 0), 7);
	eqs(buf, "written");
	fails(ftruncate(fd, 8192), EPERM);
}

static void files(void)
{
	pass(make_file, use_file, after_file);
	pass(make_base, use_base, NULL);
}

static void directories(void)
{
	pass(make_dir, use_dir, NULL);
	pass(make_path, use_path, NULL);
}

static void devices(void)
{
	pass(make_null, use_null, NULL);
	pass(make_proc, use_proc, NULL);
}

static void streams(void)
{
	pass(make_pipe, use_pipe, NULL);
	pass(make_sock, use_sock, after_sock);
}

static void terminals(void)
{
	pass(make_pty, use_pty, NULL);
	pass(make_tty, use_tty, NULL);
}

static void events(void)
{
	pass(make_event, use_event, after_event);
	pass(make_timer, use_timer, after_timer);
	pass(make_memfd, use_memfd, after_memfd);
}

static void signals(void)
{
	pass(make_signal, use_signal, NULL);
}

static void watches(void)
{
	pass(make_inotify, use_inotify, after_inotify);
}

static void sets(void)
{
	pass(make_epoll, use_epoll, NULL);
}

/* ---- who sends ---- */

static void credentials(void)
{
	struct ucred c = { 0 };
	socklen_t len = sizeof(c);
	int s[2], on = 1;
	char byte = 'c', ctl[256];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	eq(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &c, &len), 0);
	ok(c.pid == getpid() && c.uid == getuid() && c.gid == getgid());
	eq(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	pid = must(fork());
	if (pid == 0) {
		write(s[1], "x", 1);
		_exit(0);
	}
	eq(recvmsg(s[0], &m, 0), 1);
	ok(CMSG_FIRSTHDR(&m) && CMSG_FIRSTHDR(&m)->cmsg_type == SCM_CREDENTIALS);
	if (CMSG_FIRSTHDR(&m)) {
		memcpy(&c, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(c));
		ok(c.pid == pid && c.uid == getuid() && c.gid == getgid());
	}
	eqs(t_wait(pid), "exit 0");
	/* One may name oneself, and nobody else without privilege. */
	memset(ctl, 0, sizeof(ctl));
	m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = CMSG_SPACE(sizeof(c)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	h->cmsg_len = CMSG_LEN(sizeof(c));
	c = (struct ucred){ getpid(), getuid(), getgid() };
	memcpy(CMSG_DATA(h), &c, sizeof(c));
	eq(sendmsg(s[1], &m, 0), 1);
	c.pid = 1;
	memcpy(CMSG_DATA(h), &c, sizeof(c));
	if (getuid())
		fails(sendmsg(s[1], &m, 0), EPERM);
}

/* ---- which is which ---- */

enum { KCMP_FILE, KCMP_VM, KCMP_FILES };

static void identity(void)
{
	int a = must(open("f", O_RDWR | O_CREAT, 0644)), b = must(dup(a)), c = must(open("f", O_RDWR));
	pid_t me = getpid();

	eq(syscall(SYS_kcmp, me, me, KCMP_FILE, a, b), 0);
	ok(syscall(SYS_kcmp, me, me, KCMP_FILE, a, c) + syscall(SYS_kcmp, me, me, KCMP_FILE, c, a) == 3);
	eq(syscall(SYS_kcmp, me, me, KCMP_VM, 0, 0), 0);
	eq(syscall(SYS_kcmp, me, me, KCMP_FILES, 0, 0), 0);
	fails(syscall(SYS_kcmp, me, me, KCMP_FILE, a, 300), EBADF);
	fails(syscall(SYS_kcmp, me, me, 99, 0, 0), EINVAL);
	fails(syscall(SYS_kcmp, me, 99999999, KCMP_VM, 0, 0), ESRCH);
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	eq(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, -1), 0);
	*(char *)p = 1;
	fails(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ, 9), EINVAL);
	fails(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
	fails(syscall(SYS_pkey_alloc, 0, 16), EINVAL);
	fails(syscall(SYS_pkey_free, 9), EINVAL);
	struct file_handle *h = p;
	int id;
	fails(syscall(SYS_name_to_handle_at, AT_FDCWD, "none", h, &id, 0), ENOENT);
	fails(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", h, &id, 8), EINVAL);
	fails(syscall(SYS_name_to_handle_at, 300, "f", h, &id, 0), EBADF);
	if (getuid())
		fails(syscall(SYS_open_by_handle_at, AT_FDCWD, h, O_RDONLY), EPERM);
}

T_MAIN(T(identity), T(files), T(directories), T(devices), T(streams), T(terminals), T(events), T(signals), T(watches),
       T(sets), T(credentials))
