// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Sockets with names: unix sockets in the file system and abstract, TCP and UDP on the loopback.
 */
#include "lib/t.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static void named(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" }, peer;
	struct stat st;
	socklen_t len = sizeof(peer);
	char b[32] = "";
	int l = must(socket(AF_UNIX, SOCK_STREAM, 0));

	fails(connect(l, (void *)&a, sizeof(a)), ENOENT);
	eq(bind(l, (void *)&a, sizeof(a)), 0);
	must(stat("sock", &st));
	eq(st.st_mode & S_IFMT, S_IFSOCK);
	eq(chmod("sock", 0600), 0);
	must(stat("sock", &st));
	eq(st.st_mode, S_IFSOCK | 0600);
	must(mkfifo("fifo", 0644));
	eq(chmod("fifo", 0700), 0);
	must(stat("fifo", &st));
	eq(st.st_mode, S_IFIFO | 0700);
	int c = must(socket(AF_UNIX, SOCK_STREAM, 0));
	fails(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED);
	int other = must(socket(AF_UNIX, SOCK_STREAM, 0));
	fails(bind(other, (void *)&a, sizeof(a)), EADDRINUSE);
	eq(listen(l, 5), 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		if (connect(c, (void *)&a, sizeof(a)))
			_exit(errno);
		if (write(c, "hello", 5) != 5 || read(c, b, 32) != 3)
			_exit(1);
		_exit(0);
	}
	int s = must(accept4(l, (void *)&peer, &len, SOCK_CLOEXEC));
	eq(len, sizeof(sa_family_t));
	eq(read(s, b, 32), 5);
	eqs(b, "hello");
	eq(write(s, "bye", 3), 3);
	eqs(t_wait(pid), "exit 0");
	len = sizeof(peer);
	eq(getsockname(s, (void *)&peer, &len), 0);
	eqs(peer.sun_path, "sock");
	fails(open("sock", O_RDWR), ENXIO);
	eq(unlink("sock"), 0);
	fails(connect(other, (void *)&a, sizeof(a)), ENOENT);
	/* In another directory, and by a long absolute path. */
	must(mkdir("d", 0755));
	strcpy(a.sun_path, "d/s");
	int l2 = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	eq(bind(l2, (void *)&a, sizeof(a)), 0);
	must(chdir("d"));
	strcpy(a.sun_path, "s");
	int d = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	eq(sendto(d, "gram", 4, 0, (void *)&a, sizeof(a)), 4);
	eq(recv(l2, b, 32, 0), 4);
	/* Abstract names. */
	struct sockaddr_un abs = { .sun_family = AF_UNIX };
	snprintf(abs.sun_path + 1, 40, "gsh-test-%d", getpid());
	int l3 = must(socket(AF_UNIX, SOCK_STREAM, 0));
	eq(bind(l3, (void *)&abs, 2 + 1 + strlen(abs.sun_path + 1)), 0);
	eq(listen(l3, 1), 0);
	int c3 = must(socket(AF_UNIX, SOCK_STREAM, 0));
	eq(connect(c3, (void *)&abs, 2 + 1 + strlen(abs.sun_path + 1)), 0);
	eq(accept(l3, NULL, NULL) >= 0, 1);
}

static void tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int on = 1, l = must(socket(AF_INET, SOCK_STREAM, 0));
	char b[64] = "";

	eq(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	eq(bind(l, (void *)&a, sizeof(a)), 0);
	eq(listen(l, 5), 0);
	eq(getsockname(l, (void *)&a, &len), 0);
	ok(ntohs(a.sin_port) > 0);
	pid_t pid = must(fork());
	if (pid == 0) {
		int c = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(c, (void *)&a, sizeof(a)))
			_exit(errno);
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (write(c, "GET /", 5) != 5)
			_exit(1);
		shutdown(c, SHUT_WR);
		size_t n = 0;
		ssize_t k;
		while ((k = read(c, b, sizeof(b))) > 0)
			n += k;
		_exit(n == 100000 ? 0 : 2);
	}
	int s = must(accept(l, NULL, NULL));
	eq(recv(s, b, 64, MSG_WAITALL), 5);
	static char data[100000];
	eq(send(s, data, sizeof(data), 0), 100000);
	close(s);
	eqs(t_wait(pid), "exit 0");
	close(l);
	int c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	int r = connect(c, (void *)&a, sizeof(a));
	ok(r == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
	struct pollfd pf = { c, POLLOUT, 0 };
	poll(&pf, 1, 1000);
	int err = 0;
	len = sizeof(err);
	must(getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len));
	ok(err == ECONNREFUSED || r == -1);
	signal(SIGPIPE, SIG_IGN);
	fails(write(socket(AF_INET, SOCK_STREAM, 0), "x", 1), EPIPE);
}

static void udp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from;
	socklen_t len = sizeof(a);
	int s = must(socket(AF_INET, SOCK_DGRAM, 0)), c = must(socket(AF_INET, SOCK_DGRAM, 0));
	char b[64] = "";

	eq(bind(s, (void *)&a, sizeof(a)), 0);
	must(getsockname(s, (void *)&a, &len));
	eq(sendto(c, "datagram", 8, 0, (void *)&a, sizeof(a)), 8);
	len = sizeof(from);
	eq(recvfrom(s, b, 64, 0, (void *)&from, &len), 8);
	eqs(b, "datagram");
	eq(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK), 1);
	eq(sendto(s, "reply", 5, 0, (void *)&from, len), 5);
	eq(recv(c, b, 64, 0), 5);
	fails(send(c, "x", 1, 0), EDESTADDRREQ);
	eq(connect(c, (void *)&a, sizeof(a)), 0);
	eq(send(c, "x", 1, 0), 1);
	int avail;
	eq(ioctl(s, FIONREAD, &avail), 0);
	eq(avail, 1);
	struct timeval tv = { 0, 50000 };
	eq(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	fails(recv(c, b, 1, 0), EAGAIN);
}

T_MAIN(T(named), T(tcp), T(udp))
