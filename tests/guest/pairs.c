// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Socket pairs: streams, datagrams, descriptors and credentials passed through them.
 */
#include "lib/t.h"

#include <sys/socket.h>
#include <sys/uio.h>

static void pairs(void)
{
	int s[2], type;
	char b[32] = "";
	socklen_t len = sizeof(type);

	eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	eq(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	eq(write(s[0], "to the other", 12), 12);
	eq(recv(s[1], b, 6, MSG_PEEK), 6);
	eqs(b, "to the");
	eq(read(s[1], b, 32), 12);
	fails(recv(s[1], b, 1, MSG_DONTWAIT), EAGAIN);
	eq(send(s[1], "back", 4, MSG_NOSIGNAL), 4);
	eq(recv(s[0], b, 32, 0), 4);
	eq(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len), 0);
	eq(type, SOCK_STREAM);
	eq(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &type, &len), 0);
	eq(type, AF_UNIX);
	eq(shutdown(s[0], SHUT_WR), 0);
	eq(read(s[1], b, 1), 0);
	signal(SIGPIPE, SIG_IGN);
	fails(write(s[0], "x", 1), EPIPE);
	close(s[1]);
	eq(read(s[0], b, 1), 0);
	eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	must(write(s[0], "one", 3));
	must(write(s[0], "three", 5));
	eq(read(s[1], b, 32), 3);
	struct iovec iov = { b, 2 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	eq(recvmsg(s[1], &m, 0), 2);
	eq(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	must(write(s[0], "ab", 2));
	must(write(s[0], "cd", 2));
	eq(read(s[1], b, 32), 2);
	int none[2];
	fails(socketpair(AF_INET, SOCK_STREAM, 0, none), EOPNOTSUPP);
	fails(socketpair(AF_UNIX, 99, 0, none), EINVAL);
	fails(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
	fails(send(0x7fff, "x", 1, 0), EBADF);
	int file = must(open("f", O_CREAT | O_RDWR, 0644));
	fails(send(file, "x", 1, 0), ENOTSOCK);
	fails(lseek(s[0], 0, SEEK_SET), ESPIPE);
}

static void pass_fd(int sock, int fd)
{
	char c[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "F", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	eq(sendmsg(sock, &m, 0), 1);
}

static int take_fd(int sock, int flags)
{
	char c[CMSG_SPACE(sizeof(int))], b;
	struct iovec iov = { &b, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof(c) };
	int fd = -1;

	must(recvmsg(sock, &m, flags));
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(h), sizeof(int));
	return fd;
}

static void rights(void)
{
	int s[2], p[2];
	char b[16] = "";

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	t_write_file("f", "passed along");
	pid_t pid = must(fork());
	if (pid == 0) {
		int fd = open("f", O_RDONLY);
		if (read(fd, b, 7) != 7)
			_exit(1);
		pass_fd(s[1], fd);
		_exit(0);
	}
	int fd = take_fd(s[0], MSG_CMSG_CLOEXEC);
	eqs(t_wait(pid), "exit 0");
	eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	eq(read(fd, b, 15), 5);
	b[5] = 0;
	eqs(b, "along");
	must(pipe(p));
	pass_fd(s[1], p[1]);
	close(p[1]);
	int w = take_fd(s[0], 0);
	eq(write(w, "pipe", 4), 4);
	eq(read(p[0], b, 16), 4);
	close(w);
	eq(read(p[0], b, 16), 0);
	/* A socket through itself, and one never received. */
	pass_fd(s[1], s[0]);
	int again = take_fd(s[0], 0);
	must(write(s[1], "x", 1));
	eq(read(again, b, 1), 1);
	must(pipe(p));
	pass_fd(s[1], p[1]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	close(again);
	eq(read(p[0], b, 1), 0);
}

static void credentials(void)
{
	int s[2], on = 1;
	struct ucred c;
	socklen_t len = sizeof(c);
	char ctl[CMSG_SPACE(sizeof(c))], b;
	struct iovec iov = { &b, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl) };

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	eq(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &c, &len), 0);
	ok(c.pid == getpid() && c.uid == geteuid() && c.gid == getegid());
	eq(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(write(s[1], "x", 1) != 1);
	eq(recvmsg(s[0], &m, 0), 1);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	ok(h && h->cmsg_type == SCM_CREDENTIALS);
	if (h) {
		memcpy(&c, CMSG_DATA(h), sizeof(c));
		ok(c.pid == pid && c.uid == geteuid());
	}
	eqs(t_wait(pid), "exit 0");
}

T_MAIN(T(pairs), T(rights), T(credentials))
