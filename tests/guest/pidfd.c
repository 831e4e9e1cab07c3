// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * pidfds: opened by anyone, readable at the end of the process however it ends, waited for, sent to, passed along.
 */
#include "lib/t.h"

#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static int pidfd_open_(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_send(int fd, int sig, siginfo_t *info, unsigned flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

static int sleeper(void *arg)
{
	for (;;)
		pause();
	return 0;
}

static int exit_with(void *arg)
{
	return (int)(intptr_t)arg;
}

/* Events within ms, 0 if none. */
static int events(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

static void opening(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	int fd = (int)must(pidfd_open_(pid, 0));
	char c;

	fails(pidfd_open_(pid, 1), EINVAL);
	fails(pidfd_open_(-1, 0), EINVAL);
	fails(pidfd_open_(0, 0), EINVAL);
	fails(pidfd_open_(0x3fffff, 0), ESRCH);
	fails(pidfd_open_(pid, O_CLOEXEC), EINVAL);
	eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	fails(read(fd, &c, 1), EINVAL);
	fails(write(fd, "x", 1), EINVAL);
	fails(lseek(fd, 0, SEEK_SET), ESPIPE);
	int nb = (int)must(pidfd_open_(pid, O_NONBLOCK));
	eq(fcntl(nb, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	kill(pid, SIGKILL);
	eqs(t_wait(pid), "killed by SIGKILL");
	fails(pidfd_open_(pid, 0), ESRCH);
}

static void poll_end(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	int fd = (int)must(pidfd_open_(pid, 0));
	siginfo_t si = { 0 };

	eq(events(fd, 0), 0);
	kill(pid, SIGSTOP);
	eq(events(fd, 20), 0);
	kill(pid, SIGKILL);
	eq(events(fd, 5000), POLLIN);
	eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	eq(events(fd, 0), POLLIN);
	/* A pidfd for a process that has ended but is not reaped. */
	int late = (int)must(pidfd_open_(pid, 0));
	eq(events(late, 0), POLLIN);
	eq(pidfd_send(late, 0, NULL, 0), 0);
	eqs(t_wait(pid), "killed by SIGKILL");
	ok(events(fd, 0) & POLLIN);
	fails(pidfd_send(fd, 0, NULL, 0), ESRCH);
}

static void end_by_exit(void)
{
	for (int i = 0; i < 50; i++) {
		pid_t pid = t_fork(exit_with, (void *)7);
		int fd = (int)must(pidfd_open_(pid, 0));
		siginfo_t si = { 0 };
		fd_set set;

		FD_ZERO(&set);
		FD_SET(fd, &set);
		if (select(fd + 1, &set, NULL, NULL, NULL) != 1)
			say("select");
		/* Readable means waitable. */
		if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG) || si.si_pid != pid || si.si_status != 7)
			say("round %d: pid %d status %d", i, si.si_pid, si.si_status);
		close(fd);
	}
	fails(wait(NULL), ECHILD);
}

static void waiting(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	int fd = (int)must(pidfd_open_(pid, 0)), self = (int)must(pidfd_open_(getpid(), 0));
	siginfo_t si = { 0 };

	eq(waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG), 0);
	eq(si.si_pid, 0);
	fails(waitid(P_PIDFD, (id_t)-1, &si, WEXITED | WNOHANG), EINVAL);
	fails(waitid(P_PIDFD, 0, &si, WEXITED | WNOHANG), EBADF);
	fails(waitid(P_PIDFD, 999, &si, WEXITED | WNOHANG), EBADF);
	fails(waitid(P_PIDFD, (id_t)self, &si, WEXITED | WNOHANG), ECHILD);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fails(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), EAGAIN);
	eq(waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG), 0);
	fcntl(fd, F_SETFL, 0);
	kill(pid, SIGSTOP);
	eq(waitid(P_PIDFD, (id_t)fd, &si, WSTOPPED), 0);
	eq(si.si_code, CLD_STOPPED);
	pidfd_send(fd, SIGTERM, NULL, 0);
	pidfd_send(fd, SIGCONT, NULL, 0);
	eq(waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOWAIT), 0);
	eq(si.si_code, CLD_KILLED);
	eq(si.si_status, SIGTERM);
	eq(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	fails(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), ECHILD);
}

static siginfo_t got;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	got = *info;
}

static void sending(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int self = (int)must(pidfd_open_(getpid(), 0));
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	pid_t pid = t_fork(sleeper, NULL);
	int fd = (int)must(pidfd_open_(pid, 0));

	sigaction(SIGUSR1, &sa, NULL);
	eq(pidfd_send(self, SIGUSR1, NULL, 0), 0);
	eq(got.si_code, SI_USER);
	ok(got.si_pid == getpid());
	info.si_value.sival_int = 42;
	eq(pidfd_send(self, SIGUSR1, &info, 0), 0);
	eq(got.si_code, SI_QUEUE);
	eq(got.si_value.sival_int, 42);
	fails(pidfd_send(self, SIGUSR2, &info, 0), EINVAL);
	fails(pidfd_send(self, 65, NULL, 0), EINVAL);
	fails(pidfd_send(self, 0, NULL, 1u << 5), EINVAL);
	fails(pidfd_send(0, 0, NULL, 0), EBADF);
	fails(pidfd_send(999, 0, NULL, 0), EBADF);
	info.si_code = SI_USER;
	fails(pidfd_send(fd, SIGUSR1, &info, 0), EPERM);
	eq(pidfd_send(fd, SIGUSR1, NULL, 0), 0);
	eqs(t_wait(pid), "killed by SIGUSR1");
}

/* A process that is no child of ours ends; we hear of it by epoll. */
static void of_others(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 };
	int ids[2], ep = (int)must(epoll_create1(0));
	pid_t pid, mid;

	must(pipe(ids));
	mid = must(fork());
	if (!mid) {
		pid = t_fork(sleeper, NULL);
		must(write(ids[1], &pid, sizeof(pid)));
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	must(read(ids[0], &pid, sizeof(pid)));
	int fd = (int)must(pidfd_open_(pid, 0));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	fails(waitid(P_PIDFD, (id_t)fd, NULL, WEXITED), ECHILD);
	eq(pidfd_send(fd, SIGKILL, NULL, 0), 0);
	eq(epoll_wait(ep, &ev, 1, 5000), 1);
	ok(ev.events & EPOLLIN);
	eq(ev.data.u64, 5);
	eqs(t_wait(mid), "exit 0");
}

/* Children that hold the same descriptors must not keep the dead alive. */
static void with_children(void)
{
	struct gate up;
	pid_t pid;

	gate_init(&up);
	pid = must(fork());
	if (!pid) {
		must(pidfd_open_(getpid(), 0)); /* we have a life now */
		if (!fork()) {
			gate_open(&up);
			sleep(30);
			_exit(0);
		}
		pause();
	}
	int fd = (int)must(pidfd_open_(pid, 0));
	gate_wait(&up);
	kill(pid, SIGKILL);
	eq(events(fd, 5000), POLLIN);
	eqs(t_wait(pid), "killed by SIGKILL");
	kill(0, SIGCONT);
}

static int in_vfork(void *arg)
{
	usleep(100000);
	_exit(9);
}

static void at_birth(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	siginfo_t si = { 0 };
	int fd = -1;
	pid_t pid;

	pid = (pid_t)must(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0));
	if (!pid)
		_exit(4);
	eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	eq(events(fd, 5000), POLLIN);
	eq(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	eq(si.si_status, 4);
	pid = must(clone(in_vfork, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, NULL, &fd));
	eq(events(fd, 5000), POLLIN);
	eq(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), 0);
	ok(si.si_pid == pid);
	eq(si.si_status, 9);
	fails(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0), EINVAL);
	/* Nobody wants to hear of it: it may be gone before the descriptor is made. */
	signal(SIGCHLD, SIG_IGN);
	pid = (pid_t)must(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0));
	if (!pid)
		_exit(0);
	ok(events(fd, 5000) & POLLIN);
}

static void passed(void)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec iov = { .iov_base = (char[1]){ 'x' }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	pid_t pid = t_fork(sleeper, NULL), other;
	int sv[2], fd = (int)must(pidfd_open_(pid, 0));

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	other = must(fork());
	if (!other) {
		must(recvmsg(sv[1], &msg, 0));
		memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
		eq(events(fd, 0), 0);
		eq(pidfd_send(fd, SIGKILL, NULL, 0), 0);
		ok(events(fd, 5000) & POLLIN);
		_exit(0);
	}
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	must(sendmsg(sv[0], &msg, 0));
	eqs(t_wait(other), "exit 0");
	eqs(t_wait(pid), "killed by SIGKILL");
}

static int helper(int argc, char **argv)
{
	int fd = atoi(argv[2]);

	eq(pidfd_send(fd, SIGKILL, NULL, 0), 0);
	eq(events(fd, 5000), POLLIN);
	return 0;
}

static void over_exec(void)
{
	pid_t pid = t_fork(sleeper, NULL), other;
	int fd = (int)must(pidfd_open_(pid, 0));
	char number[16];

	fcntl(fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", fd);
	other = vfork();
	if (!other) {
		execl(t_self, t_self, "helper", number, NULL);
		_exit(127);
	}
	eqs(t_wait(other), "exit 0");
	eqs(t_wait(pid), "killed by SIGKILL");
}

static void fdinfo(void)
{
	pid_t pid = t_fork(sleeper, NULL);
	int fd = (int)must(pidfd_open_(pid, 0));
	char path[64], want[64], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(want, sizeof(want), "\nPid:\t%d\n", pid);
	ok(strstr(t_read_file(path), want) != NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(strstr(t_read_file(path), "\nPid:\t-1\n") != NULL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	eqs(text, "anon_inode:[pidfd]");
	if (!t_root()) /* root is asked by no mode, and the kernels differ in what it then gets */
		fails(open(path, O_RDONLY), EACCES);
}

static int with_file(void *arg)
{
	int *fd = arg;

	must(write(fd[1], "kept", 4));
	pause();
	return 0;
}

static void getfd(void)
{
	int fds[2], fd, copy;
	char text[8] = { 0 };
	pid_t pid;

	must(pipe(fds));
	pid = t_fork(with_file, fds);
	close(fds[1]);
	must(read(fds[0], text, 4));
	fd = (int)must(pidfd_open_(pid, 0));
	fails(syscall(SYS_pidfd_getfd, fd, 999, 0), EBADF);
	fails(syscall(SYS_pidfd_getfd, fd, 0, 1), EINVAL);
	fails(syscall(SYS_pidfd_getfd, 0, 0, 0), EBADF);
	copy = (int)must(syscall(SYS_pidfd_getfd, fd, fds[1], 0));
	eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	eq(write(copy, "more", 4), 4);
	eq(read(fds[0], text, 8), 4);
	eqs(text, "more");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fails(syscall(SYS_pidfd_getfd, fd, 0, 0), ESRCH);
}

/* A directory of /proc stands for its process, for signals. */
static void by_directory(void)
{
	char name[32];
	pid_t pid = must(fork());

	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(name, sizeof(name), "/proc/%d", pid);
	int dir = must(open(name, O_RDONLY | O_DIRECTORY)), sub, proc = must(open("/proc", O_RDONLY | O_DIRECTORY));
	snprintf(name, sizeof(name), "/proc/%d/fd", pid);
	sub = must(open(name, O_RDONLY | O_DIRECTORY));
	eq(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0), 0);
	fails(syscall(SYS_pidfd_send_signal, sub, 0, NULL, 0), EBADF);
	fails(syscall(SYS_pidfd_send_signal, proc, 0, NULL, 0), EBADF);
	fails(syscall(SYS_pidfd_getfd, dir, 0, 0), EBADF);
	eq(syscall(SYS_pidfd_send_signal, dir, SIGTERM, NULL, 0), 0);
	eqs(t_wait(pid), "killed by SIGTERM");
	fails(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0), ESRCH);
}

T_MAIN_HELPER(helper, T(opening), T(poll_end), T(end_by_exit), T(waiting), T(sending), T(of_others), T(with_children),
	      T(at_birth), T(passed), T(over_exec), T(fdinfo), T(getfd), T(by_directory))
