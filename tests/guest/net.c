// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What programs see of sockets beyond the good path: names, errors, states, datagrams, connections that wait, what is
 * shared over fork, exec and SCM_RIGHTS. Long because each group of cases shares the few sockets that it makes.
 */
#include "lib/t.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static struct sockaddr_in at(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

/* A TCP listener on the loopback, and its address. */
static int listener(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int l = must(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	must(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	*a = at("127.0.0.1", 0);
	must(bind(l, (void *)a, sizeof(*a)));
	must(listen(l, 8));
	must(getsockname(l, (void *)a, &len));
	return l;
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, name, &v, &len) ? -errno : v;
}

/* "ip:port-is-set" of a name. */
static const char *name_of(int fd, bool peer)
{
	static char text[128];
	struct sockaddr_storage s;
	socklen_t len = sizeof(s);
	char ip[64] = "";

	if (peer ? getpeername(fd, (void *)&s, &len) : getsockname(fd, (void *)&s, &len))
		return t_errname(errno);
	if (s.ss_family == AF_INET) {
		struct sockaddr_in *a = (void *)&s;
		inet_ntop(AF_INET, &a->sin_addr, ip, sizeof(ip));
		snprintf(text, sizeof(text), "%s:%d len %d", ip, !!a->sin_port, (int)len);
	} else {
		struct sockaddr_in6 *a = (void *)&s;
		inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof(ip));
		snprintf(text, sizeof(text), "[%s]:%d len %d", ip, !!a->sin6_port, (int)len);
	}
	return text;
}

static void tcp_states(void)
{
	struct sockaddr_in a, none = at("127.0.0.1", 1);
	char b[16];
	int l = listener(&a), c = must(socket(AF_INET, SOCK_STREAM, 0));

	signal(SIGPIPE, SIG_IGN);
	eqs(name_of(c, false), "0.0.0.0:0 len 16");
	fails(getpeername(c, (void *)&none, &(socklen_t){ sizeof(none) }), ENOTCONN);
	fails(read(c, b, 1), ENOTCONN);
	fails(send(c, b, 1, 0), EPIPE);
	fails(shutdown(c, SHUT_RD), ENOTCONN);
	fails(accept(c, NULL, NULL), EINVAL);
	eq(option(c, SOL_SOCKET, SO_ACCEPTCONN), 0);
	eq(option(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	eq(option(l, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	eq(option(l, SOL_SOCKET, SO_DOMAIN), AF_INET);
	eq(option(l, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	fails(recv(l, b, 1, MSG_DONTWAIT), ENOTCONN);
	fails(getpeername(l, (void *)&none, &(socklen_t){ sizeof(none) }), ENOTCONN);
	none = at("127.0.0.1", 1);
	fails(connect(c, (void *)&none, sizeof(none)), ECONNREFUSED);
	fails(connect(c, (void *)&none, 8), EINVAL);
	eq(connect(c, (void *)&a, sizeof(a)), 0);
	fails(connect(c, (void *)&a, sizeof(a)), EISCONN);
	fails(listen(c, 1), EINVAL);
	eqs(name_of(c, false), "127.0.0.1:1 len 16");
	eqs(name_of(c, true), "127.0.0.1:1 len 16");
	struct sockaddr_in any = at("127.0.0.1", 0), who;
	fails(bind(c, (void *)&any, sizeof(any)), EINVAL);
	socklen_t len = sizeof(who);
	int s = must(accept4(l, (void *)&who, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
	eq(len, sizeof(who));
	ok(who.sin_port != 0 && who.sin_port != a.sin_port);
	eq(fcntl(s, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	eq(fcntl(s, F_GETFD), FD_CLOEXEC);
	fails(read(s, b, 1), EAGAIN);
	eqs(name_of(s, false), "127.0.0.1:1 len 16");
	eq(sendto(c, "xy", 2, 0, (void *)&none, sizeof(none)), 2);
	len = sizeof(who);
	eq(recvfrom(s, b, 16, 0, (void *)&who, &len), 2);
	eq(write(c, "rest", 4), 4);
	int n;
	eq(ioctl(s, FIONREAD, &n), 0);
	eq(n, 4);
	eq(shutdown(c, SHUT_WR), 0);
	fails(write(c, "x", 1), EPIPE);
	eq(recv(s, b, 16, 0), 4);
	eq(recv(s, b, 16, 0), 0);
	eq(write(s, "back", 4), 4);
	eq(read(c, b, 16), 4);
	close(s);
	eq(read(c, b, 16), 0);
	fails(syscall(SYS_accept4, l, NULL, NULL, 0x40000000), EINVAL);
	must(fcntl(l, F_SETFL, O_NONBLOCK));
	fails(accept(l, NULL, NULL), EAGAIN);
}

static void tcp_names(void)
{
	struct sockaddr_in a, b;
	socklen_t len = sizeof(b);
	int on = 1, l = listener(&a), o = must(socket(AF_INET, SOCK_STREAM, 0));

	fails(bind(o, (void *)&a, sizeof(a)), EADDRINUSE);
	b = at("0.0.0.0", ntohs(a.sin_port));
	fails(bind(o, (void *)&b, sizeof(b)), EADDRINUSE);
	b = at("127.0.0.2", ntohs(a.sin_port));
	eq(bind(o, (void *)&b, sizeof(b)), 0);
	fails(bind(o, (void *)&b, sizeof(b)), EINVAL);
	int p = must(socket(AF_INET, SOCK_STREAM, 0));
	b = at("192.0.2.1", 0);
	fails(bind(p, (void *)&b, sizeof(b)), EADDRNOTAVAIL);
	b = at("127.0.0.1", 0);
	fails(bind(p, (void *)&b, 4), EINVAL);
	b.sin_family = AF_UNIX;
	fails(bind(p, (void *)&b, sizeof(b)), EAFNOSUPPORT);
	if (!t_root()) {
		b = at("127.0.0.1", 80);
		fails(bind(p, (void *)&b, sizeof(b)), EACCES);
	}
	must(setsockopt(p, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	fails(bind(p, (void *)&a, sizeof(a)), EADDRINUSE); /* it listens */
	close(l);
	eq(bind(p, (void *)&a, sizeof(a)), 0);
	eqs(name_of(p, false), "127.0.0.1:1 len 16");
	eq(listen(p, 1), 0);
	close(p);
	/* Nobody bound it: a port at listen. */
	p = must(socket(AF_INET, SOCK_STREAM, 0));
	eq(listen(p, 1), 0);
	eqs(name_of(p, false), "0.0.0.0:1 len 16");
	must(getsockname(p, (void *)&b, &len));
	b.sin_addr.s_addr = 0; /* connecting to nowhere is connecting to oneself */
	int c = must(socket(AF_INET, SOCK_STREAM, 0));
	eq(connect(c, (void *)&b, sizeof(b)), 0);
	eqs(name_of(c, true), "127.0.0.1:1 len 16");
	close(c);
	c = must(socket(AF_INET, SOCK_STREAM, 0));
	b.sin_addr.s_addr = htonl(0x7f000909);
	eq(connect(c, (void *)&b, sizeof(b)), 0);
	eqs(name_of(c, true), "127.0.9.9:1 len 16");
	/* A listener's port shared. */
	int r1 = must(socket(AF_INET, SOCK_STREAM, 0)), r2 = must(socket(AF_INET, SOCK_STREAM, 0));
	must(setsockopt(r1, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	b = at("127.0.0.1", 0);
	must(bind(r1, (void *)&b, sizeof(b)));
	must(getsockname(r1, (void *)&b, &len));
	fails(bind(r2, (void *)&b, sizeof(b)), EADDRINUSE);
	must(setsockopt(r2, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	eq(bind(r2, (void *)&b, sizeof(b)), 0);
	eq(listen(r1, 1), 0);
	eq(listen(r2, 1), 0);
}

static void tcp_nonblocking(void)
{
	struct sockaddr_in a, none = at("127.0.0.1", 1);
	int l = listener(&a), c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	struct pollfd p = { c, POLLOUT, 0 };

	fails(connect(c, (void *)&a, sizeof(a)), EINPROGRESS);
	eq(poll(&p, 1, 2000), 1);
	eq(p.revents, POLLOUT);
	eq(option(c, SOL_SOCKET, SO_ERROR), 0);
	eq(write(c, "x", 1), 1);
	int s = must(accept(l, NULL, NULL));
	char b[4];
	eq(read(s, b, 4), 1);
	c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	fails(connect(c, (void *)&none, sizeof(none)), EINPROGRESS);
	p.fd = c;
	eq(poll(&p, 1, 2000), 1);
	ok((p.revents & (POLLERR | POLLHUP)) != 0);
	eq(option(c, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	eq(option(c, SOL_SOCKET, SO_ERROR), 0);
	/* By epoll, registered before. */
	c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	int ep = must(epoll_create1(0));
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLIN | EPOLLET }, out;
	must(epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev));
	fails(connect(c, (void *)&a, sizeof(a)), EINPROGRESS);
	eq(epoll_wait(ep, &out, 1, 2000), 1);
	ok((out.events & EPOLLOUT) != 0);
	s = must(accept(l, NULL, NULL));
	must(write(s, "data", 4));
	do
		eq(epoll_wait(ep, &out, 1, 2000), 1);
	while (!(out.events & EPOLLIN));
	eq(read(c, b, 4), 4);
}

static void options(void)
{
	int on = 1, v = 30, t = must(socket(AF_INET6, SOCK_STREAM, 0)), u = must(socket(AF_UNIX, SOCK_STREAM, 0));
	struct linger l = { 1, 5 };
	struct timeval tv = { 1, 500000 };
	socklen_t len = sizeof(l);

	eq(setsockopt(t, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	eq(option(t, IPPROTO_TCP, TCP_NODELAY), 1);
	eq(setsockopt(t, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof(v)), 0);
	eq(option(t, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	eq(option(t, IPPROTO_TCP, TCP_KEEPINTVL), 75);
	eq(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	eq(option(t, SOL_SOCKET, SO_KEEPALIVE), 1);
	eq(option(t, SOL_SOCKET, SO_REUSEADDR), 0);
	eq(setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	eq(option(t, SOL_SOCKET, SO_REUSEADDR), 1);
	if (getuid())
		fails(setsockopt(t, SOL_SOCKET, SO_DEBUG, &on, sizeof(on)), EACCES);
	fails(setsockopt(t, SOL_SOCKET, SO_LINGER, &l, sizeof(l) / 2), EINVAL);
	eq(setsockopt(t, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	l.l_linger = 0;
	show("linger", getsockopt(u, SOL_SOCKET, SO_LINGER, &l, &len));
	eq(l.l_onoff, 0);
	eq(setsockopt(t, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	eq(option(t, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	eq(setsockopt(t, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	eq(option(t, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	fails(setsockopt(u, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), EOPNOTSUPP);
	fails(setsockopt(t, IPPROTO_TCP, TCP_NODELAY, &on, 1), EINVAL);
	fails(getsockopt(t, IPPROTO_TCP, 9999, &on, &len), ENOPROTOOPT);
	fails(getsockopt(u, SOL_SOCKET, 9999, &on, &len), ENOPROTOOPT);
	struct tcp_info info;
	len = sizeof(info);
	eq(getsockopt(t, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	eq(info.tcpi_state, TCP_CLOSE);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	eq(bind(t, (void *)&a, sizeof(a)), 0);
	fails(setsockopt(t, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), EINVAL);
	eqs(name_of(t, false), "[::1]:1 len 28");
	a.sin6_addr = in6addr_any;
	fails(bind(socket(AF_INET6, SOCK_STREAM, 0), (void *)&a, 20), EINVAL);
}

static void dual(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	struct sockaddr_in b;
	socklen_t len = sizeof(a);
	int l = must(socket(AF_INET6, SOCK_STREAM, 0)), c = must(socket(AF_INET, SOCK_STREAM, 0));

	must(bind(l, (void *)&a, sizeof(a)));
	must(listen(l, 4));
	must(getsockname(l, (void *)&a, &len));
	eqs(name_of(l, false), "[::]:1 len 28");
	b = at("127.0.0.1", ntohs(a.sin6_port));
	eq(connect(c, (void *)&b, sizeof(b)), 0);
	int s = must(accept(l, NULL, NULL));
	eqs(name_of(s, true), "[::ffff:127.0.0.1]:1 len 28");
	eqs(name_of(s, false), "[::ffff:127.0.0.1]:1 len 28");
	a.sin6_addr = in6addr_loopback;
	c = must(socket(AF_INET6, SOCK_STREAM, 0));
	eq(connect(c, (void *)&a, sizeof(a)), 0);
	s = must(accept(l, NULL, NULL));
	eqs(name_of(s, true), "[::1]:1 len 28");
	fails(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&b, sizeof(b)), EADDRINUSE);
}

static void udp(void)
{
	struct sockaddr_in a = at("127.0.0.1", 0), from, none = at("127.0.0.1", 1);
	socklen_t len = sizeof(a);
	int s = must(socket(AF_INET, SOCK_DGRAM, 0)), c = must(socket(AF_INET, SOCK_DGRAM, 0)), n;
	char b[64] = "";
	struct iovec iov = { b, 3 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof(from) };
	static char big[70000];

	must(bind(s, (void *)&a, sizeof(a)));
	must(getsockname(s, (void *)&a, &len));
	eq(option(s, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
	fails(listen(s, 1), EOPNOTSUPP);
	fails(accept(s, NULL, NULL), EOPNOTSUPP);
	fails(send(c, "x", 1, 0), EDESTADDRREQ);
	fails(sendto(c, big, sizeof(big), 0, (void *)&a, sizeof(a)), EMSGSIZE);
	fails(sendto(c, "x", 1, 0, (void *)&a, 4), EINVAL);
	eq(sendto(c, "first", 5, 0, (void *)&a, sizeof(a)), 5);
	eq(sendto(c, "", 0, 0, (void *)&a, sizeof(a)), 0);
	eq(sendto(c, "third", 5, 0, (void *)&a, sizeof(a)), 5);
	eqs(name_of(c, false), "0.0.0.0:1 len 16");
	eq(ioctl(s, FIONREAD, &n), 0);
	eq(n, 5);
	eq(recv(s, b, 64, MSG_PEEK), 5);
	eq(recvmsg(s, &m, 0), 3);
	eq(m.msg_flags, MSG_TRUNC);
	eq(m.msg_namelen, sizeof(from));
	eq(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	eq(recv(s, b, 64, 0), 0);
	eq(recv(s, b, 2, MSG_TRUNC), 5);
	fails(recv(s, b, 64, MSG_DONTWAIT), EAGAIN);
	struct pollfd p = { s, POLLIN | POLLOUT, 0 };
	eq(poll(&p, 1, 0), 1);
	eq(p.revents, POLLOUT);
	/* Connected: it hears its peer only, and of a peer that is not there. */
	eq(connect(s, (void *)&from, sizeof(from)), 0);
	eqs(name_of(s, true), "127.0.0.1:1 len 16");
	int o = must(socket(AF_INET, SOCK_DGRAM, 0));
	eq(sendto(o, "no", 2, 0, (void *)&a, sizeof(a)), 2);
	eq(sendto(c, "yes", 3, 0, (void *)&a, sizeof(a)), 3);
	eq(recv(s, b, 64, 0), 3);
	fails(recv(s, b, 64, MSG_DONTWAIT), EAGAIN);
	eq(send(s, "reply", 5, 0), 5);
	eq(read(c, b, 64), 5);
	eq(sendto(o, "x", 1, 0, (void *)&none, sizeof(none)), 1);
	eq(connect(o, (void *)&none, sizeof(none)), 0);
	eqs(name_of(o, false), "127.0.0.1:1 len 16");
	eq(send(o, "x", 1, 0), 1);
	fails(recv(o, b, 1, 0), ECONNREFUSED);
	eq(send(o, "x", 1, 0), 1);
	eq(option(o, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	struct sockaddr off = { .sa_family = AF_UNSPEC };
	eq(connect(o, &off, sizeof(off)), 0);
	fails(send(o, "x", 1, 0), EDESTADDRREQ);
	fails(getpeername(o, (void *)&from, &len), ENOTCONN);
	/* Many at once; a name taken. */
	struct mmsghdr mm[2] = { { .msg_hdr = { .msg_iov = &(struct iovec){ "ab", 2 }, .msg_iovlen = 1 } },
				 { .msg_hdr = { .msg_iov = &(struct iovec){ "cde", 3 }, .msg_iovlen = 1 } } };
	eq(sendmmsg(s, mm, 2, 0), 2);
	eq(mm[1].msg_len, 3);
	eq(recv(c, b, 64, 0), 2);
	eq(recv(c, b, 64, 0), 3);
	fails(bind(o, (void *)&a, sizeof(a)), EINVAL);
	int q = must(socket(AF_INET, SOCK_DGRAM, 0));
	fails(bind(q, (void *)&a, sizeof(a)), EADDRINUSE);
	/* IPv6 socket, IPv4 peer. */
	int six = must(socket(AF_INET6, SOCK_DGRAM, 0));
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	eq(bind(six, (void *)&sa, sizeof(sa)), 0);
	len = sizeof(sa);
	must(getsockname(six, (void *)&sa, &len));
	struct sockaddr_in to = at("127.0.0.1", ntohs(sa.sin6_port));
	eq(sendto(q, "4to6", 4, 0, (void *)&to, sizeof(to)), 4);
	len = sizeof(sa);
	eq(recvfrom(six, b, 64, 0, (void *)&sa, &len), 4);
	ok(IN6_IS_ADDR_V4MAPPED(&sa.sin6_addr));
	eq(sendto(six, "back", 4, 0, (void *)&sa, len), 4);
	eq(recv(q, b, 64, 0), 4);
}

static struct sockaddr_un un(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, path);
	return a;
}

static void unix_datagrams(void)
{
	struct sockaddr_un a = un("a"), b = un("b"), from, gone = un("gone");
	socklen_t len = sizeof(from);
	int s = must(socket(AF_UNIX, SOCK_DGRAM, 0)), c = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	char t[32] = "";

	must(bind(s, (void *)&a, sizeof(a)));
	fails(send(c, "x", 1, 0), ENOTCONN);
	fails(sendto(c, "x", 1, 0, (void *)&gone, sizeof(gone)), ENOENT);
	eq(sendto(c, "anonymous", 9, 0, (void *)&a, sizeof(a)), 9);
	eq(recvfrom(s, t, 32, 0, (void *)&from, &len), 9);
	eq(len, 0);
	must(bind(c, (void *)&b, sizeof(b)));
	eq(connect(c, (void *)&a, sizeof(a)), 0);
	eq(write(c, "named", 5), 5);
	len = sizeof(from);
	eq(recvfrom(s, t, 32, 0, (void *)&from, &len), 5);
	eqs(from.sun_path, "b");
	eq(sendto(s, "re", 2, 0, (void *)&from, len), 2);
	eq(recv(c, t, 32, 0), 2);
	/* c is connected to s: others may not send to it. */
	int o = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	fails(sendto(o, "x", 1, 0, (void *)&b, sizeof(b)), EPERM);
	fails(connect(o, (void *)&b, sizeof(b)), EPERM);
	close(s);
	fails(send(c, "x", 1, 0), ECONNREFUSED);
	fails(connect(o, (void *)&a, sizeof(a)), ECONNREFUSED);
	must(unlink("a"));
	fails(connect(o, (void *)&a, sizeof(a)), ENOENT);
	/* Autobind gives an abstract name. */
	sa_family_t family = AF_UNIX;
	eq(bind(o, (void *)&family, sizeof(family)), 0);
	len = sizeof(from);
	must(getsockname(o, (void *)&from, &len));
	eq(len, 2 + 6);
	eq(from.sun_path[0], 0);
	int p = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	eq(sendto(p, "auto", 4, 0, (void *)&from, len), 4);
	eq(recv(o, t, 32, 0), 4);
	fails(bind(p, (void *)&from, len), EADDRINUSE);
}

static void unix_streams(void)
{
	struct sockaddr_un a = un("s"), from;
	socklen_t len = sizeof(from);
	int type[] = { SOCK_STREAM, SOCK_SEQPACKET };
	char t[32];

	for (int i = 0; i < 2; i++) {
		int l = must(socket(AF_UNIX, type[i], 0)), c = must(socket(AF_UNIX, type[i], 0));
		fails(listen(l, 1), EINVAL);
		must(bind(l, (void *)&a, sizeof(a)));
		fails(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED);
		must(listen(l, 0));
		fails(connect(l, (void *)&a, sizeof(a)), EINVAL);
		show("send unconnected", send(c, "x", 1, MSG_NOSIGNAL));
		show("recv unconnected", recv(c, t, 1, MSG_DONTWAIT));
		eq(connect(c, (void *)&a, sizeof(a)), 0);
		/* One waits; one more, and who does not want to wait is told so. */
		int n = must(socket(AF_UNIX, type[i] | SOCK_NONBLOCK, 0));
		fails(connect(n, (void *)&a, sizeof(a)), EAGAIN);
		eq(write(c, "early", 5), 5);
		int s = must(accept(l, NULL, NULL));
		fails(connect(c, (void *)&a, sizeof(a)), EISCONN);
		eq(connect(n, (void *)&a, sizeof(a)), 0);
		eq(read(s, t, 32), 5);
		len = sizeof(from);
		eq(getpeername(c, (void *)&from, &len), 0);
		eqs(from.sun_path, "s");
		len = sizeof(from);
		eq(getpeername(s, (void *)&from, &len), 0);
		eq(len, 2);
		struct ucred cred;
		len = sizeof(cred);
		eq(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
		ok(cred.pid == getpid() && cred.uid == geteuid() && cred.gid == getegid());
		must(rename("s", "moved"));
		struct sockaddr_un moved = un("moved");
		int m = must(socket(AF_UNIX, type[i] | SOCK_NONBLOCK, 0));
		must(accept(l, NULL, NULL));
		eq(connect(m, (void *)&moved, sizeof(moved)), 0);
		must(unlink("moved"));
		close(l);
		fails(connect(socket(AF_UNIX, type[i], 0), (void *)&moved, sizeof(moved)), ENOENT);
		close(s);
		eq(read(c, t, 1), 0);
	}
}

static int wait_and_serve(void *arg)
{
	int l = *(int *)arg, s = accept(l, NULL, NULL);
	char b[8];

	return s < 0 || read(s, b, 8) != 4 || write(s, "pong", 4) != 4;
}

static void shared(void)
{
	struct sockaddr_in a;
	char b[16];
	int l = listener(&a), c = must(socket(AF_INET, SOCK_STREAM, 0));
	pid_t one = t_fork(wait_and_serve, &l), two = t_fork(wait_and_serve, &l);

	/* Two processes accept at one listener. */
	for (int i = 0; i < 2; i++) {
		int k = must(socket(AF_INET, SOCK_STREAM, 0));
		eq(connect(k, (void *)&a, sizeof(a)), 0);
		eq(write(k, "ping", 4), 4);
		eq(read(k, b, 16), 4);
		eq(read(k, b, 16), 0);
	}
	eqs(t_wait(one), "exit 0");
	eqs(t_wait(two), "exit 0");
	/* A child connects what its parent made. */
	pid_t pid = must(fork());
	if (pid == 0)
		_exit(connect(c, (void *)&a, sizeof(a)) || write(c, "child", 5) != 5);
	eqs(t_wait(pid), "exit 0");
	eqs(name_of(c, true), "127.0.0.1:1 len 16");
	int s = must(accept(l, NULL, NULL));
	eq(read(s, b, 16), 5);
	eq(write(s, "to both", 7), 7);
	eq(read(c, b, 16), 7);
	close(s);
	eq(read(c, b, 16), 0);
	/* The name goes with the last holder, killed or not. */
	pid = must(fork());
	if (pid == 0)
		for (;;)
			pause();
	close(l);
	int again = must(socket(AF_INET, SOCK_STREAM, 0)), on = 1;
	must(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	fails(bind(again, (void *)&a, sizeof(a)), EADDRINUSE);
	must(kill(pid, SIGKILL));
	eqs(t_wait(pid), "killed by SIGKILL");
	eq(bind(again, (void *)&a, sizeof(a)), 0);
}

static void pass(int sock, int fd)
{
	char c[CMSG_SPACE(sizeof(int))] = "";
	struct msghdr m = { .msg_iov = &(struct iovec){ "F", 1 }, .msg_iovlen = 1, .msg_control = c,
			    .msg_controllen = sizeof(c) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_len = CMSG_LEN(sizeof(int));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	eq(sendmsg(sock, &m, 0), 1);
}

static int take(int sock)
{
	char c[CMSG_SPACE(sizeof(int))], b;
	struct msghdr m = { .msg_iov = &(struct iovec){ &b, 1 }, .msg_iovlen = 1, .msg_control = c,
			    .msg_controllen = sizeof(c) };
	int fd = -1;

	must(recvmsg(sock, &m, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* Over a named unix socket: a listener, and a connection. */
static void rights(void)
{
	struct sockaddr_un u = un("pass");
	struct sockaddr_in a;
	char b[16];
	int l = must(socket(AF_UNIX, SOCK_STREAM, 0));

	must(bind(l, (void *)&u, sizeof(u)));
	must(listen(l, 1));
	pid_t pid = must(fork());
	if (pid == 0) {
		int c = must(socket(AF_UNIX, SOCK_STREAM, 0)), t = listener(&a);
		must(connect(c, (void *)&u, sizeof(u)));
		pass(c, t);
		int k = must(socket(AF_INET, SOCK_STREAM, 0));
		must(connect(k, (void *)&a, sizeof(a)));
		pass(c, k);
		_exit(0);
	}
	int s = must(accept(l, NULL, NULL));
	int t = take(s), k = take(s);
	eqs(t_wait(pid), "exit 0");
	eq(option(t, SOL_SOCKET, SO_ACCEPTCONN), 1);
	eq(option(t, SOL_SOCKET, SO_DOMAIN), AF_INET);
	eqs(name_of(t, false), "127.0.0.1:1 len 16");
	eqs(name_of(k, true), "127.0.0.1:1 len 16");
	int e = must(accept(t, NULL, NULL));
	eq(write(k, "far", 3), 3);
	eq(read(e, b, 16), 3);
	eq(read(s, b, 1), 0);
}

static void credentials(void)
{
	struct sockaddr_un u = un("cred");
	struct ucred c;
	char ctl[CMSG_SPACE(sizeof(c))], b;
	struct msghdr m = { .msg_iov = &(struct iovec){ &b, 1 }, .msg_iovlen = 1, .msg_control = ctl,
			    .msg_controllen = sizeof(ctl) };
	int on = 1, type[] = { SOCK_STREAM, SOCK_DGRAM };

	for (int i = 0; i < 2; i++) {
		int l = must(socket(AF_UNIX, type[i], 0)), s = l;
		must(bind(l, (void *)&u, sizeof(u)));
		must(setsockopt(l, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
		if (type[i] == SOCK_STREAM)
			must(listen(l, 1));
		int k = must(socket(AF_UNIX, type[i], 0));
		must(connect(k, (void *)&u, sizeof(u)));
		if (type[i] == SOCK_STREAM)
			s = must(accept(l, NULL, NULL));
		pid_t pid = must(fork());
		if (pid == 0)
			_exit(write(k, "x", 1) != 1);
		m.msg_controllen = sizeof(ctl);
		eq(recvmsg(s, &m, 0), 1);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		ok(h && h->cmsg_type == SCM_CREDENTIALS);
		memcpy(&c, CMSG_DATA(h), sizeof(c));
		ok(c.pid == pid && c.uid == geteuid());
		eqs(t_wait(pid), "exit 0");
		close(l);
		must(unlink("cred"));
	}
}

static int closer(void *arg)
{
	t_sleep_ms(100);
	return shutdown(*(int *)arg, SHUT_RDWR);
}

static void woken(void)
{
	struct sockaddr_in a;
	int l = listener(&a);
	struct timeval tv = { 0, 30000 };

	/* A listener that is shut down ends who waits at it. */
	pid_t pid = t_fork(closer, &l);
	fails(accept(l, NULL, NULL), EINVAL);
	eqs(t_wait(pid), "exit 0");
	int k = listener(&a);
	must(setsockopt(k, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	fails(accept(k, NULL, NULL), EAGAIN);
	struct pollfd p = { k, POLLIN, 0 };
	eq(poll(&p, 1, 0), 0);
	int c = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(c, (void *)&a, sizeof(a)));
	eq(poll(&p, 1, 1000), 1);
	eq(p.revents, POLLIN);
	/* What nobody accepted ends with the listener. */
	close(k);
	char b;
	ok(read(c, &b, 1) <= 0);
}

/* The other end of a connection that a child made by a socket that was there before it; the parent has it too. */
static int connect_late(void *arg)
{
	int *fd = arg;
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	char b[8];

	must(getsockname(fd[1], (void *)&a, &len));
	close(fd[1]);
	must(connect(fd[0], (void *)&a, sizeof(a)));
	must(write(fd[0], "to", 2));
	eq(read(fd[0], b, 8), 4);
	eq(read(fd[0], b, 8), 0);
	return 0;
}

/* Sockets that nothing but socket() was done with: in a child, across exec, passed on, asked for by several threads. */
static void untouched(void)
{
	int fd[2], on = 1, pair[2];
	int idle = 77;
	struct sockaddr_in a;
	char b[8];

	fd[1] = listener(&a);
	fd[0] = must(socket(AF_INET, SOCK_STREAM, 0));
	must(setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	must(setsockopt(fd[0], IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)));
	int twin = must(dup(fd[0]));
	pid_t pid = t_fork(connect_late, fd);
	int s = must(accept(fd[1], NULL, NULL));
	eq(read(s, b, 8), 2);
	must(write(s, "back", 4));
	close(s);
	/* Here it is connected too, and what was set before the fork stands. */
	eqs(t_wait(pid), "exit 0");
	eq(option(twin, IPPROTO_TCP, TCP_NODELAY), 1);
	eq(option(twin, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	eqs(name_of(twin, true), "127.0.0.1:1 len 16");
	close(twin);
	close(fd[0]);

	/* To oneself by SCM_RIGHTS; both numbers are one socket. */
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	int fresh = must(socket(AF_INET, SOCK_STREAM, 0));
	must(setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	union {
		struct cmsghdr hdr;
		char bytes[CMSG_SPACE(sizeof(int))];
	} ctl = { .hdr = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { "r", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };
	memcpy(CMSG_DATA(&ctl.hdr), &fresh, sizeof(int));
	eq(sendmsg(pair[0], &m, 0), 1);
	iov.iov_base = b;
	m.msg_controllen = sizeof(ctl);
	eq(recvmsg(pair[1], &m, 0), 1);
	int passed;
	memcpy(&passed, CMSG_DATA(&ctl.hdr), sizeof(int));
	eq(option(passed, IPPROTO_TCP, TCP_NODELAY), 1);
	must(connect(passed, (void *)&a, sizeof(a)));
	s = must(accept(fd[1], NULL, NULL));
	must(write(fresh, "same", 4));
	eq(read(s, b, 8), 4);
	close(passed);
	close(fresh);
	eq(read(s, b, 8), 0);
	close(s);

	/* Readiness and state of one that nobody was told of. */
	fresh = must(socket(AF_INET, SOCK_STREAM, 0));
	eqs(name_of(fresh, true), "ENOTCONN");
	eqs(name_of(fresh, false), "0.0.0.0:0 len 16");
	struct pollfd p = { fresh, POLLIN | POLLOUT, 0 };
	eq(poll(&p, 1, 0), 1);
}

static int exec_helper(int argc, char **argv)
{
	int l = atoi(argv[2]), s;
	char b[8];

	if (argc > 3) {
		must(listen(l, 1));
		eqs(name_of(l, false), "0.0.0.0:1 len 16");
		return 0;
	}
	s = accept(l, NULL, NULL);
	eqs(name_of(l, false), "127.0.0.1:1 len 16");
	eq(option(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	return s < 0 || read(s, b, 8) != 5 || write(s, "served", 6) != 6;
}

static void over_exec(void)
{
	struct sockaddr_in a;
	int l = listener(&a), c = must(socket(AF_INET, SOCK_STREAM, 0));
	char number[16], b[16];

	snprintf(number, sizeof(number), "%d", l);
	pid_t pid = must(vfork());
	if (pid == 0) {
		execl(t_self, t_self, "helper", number, NULL);
		_exit(127);
	}
	must(connect(c, (void *)&a, sizeof(a)));
	must(write(c, "hello", 5)); /* the other side prints now */
	eq(read(c, b, 16), 6);
	eqs(t_wait(pid), "exit 0");
	/* And one that exec finds as socket() made it. */
	int u = must(socket(AF_INET, SOCK_STREAM, 0));
	snprintf(number, sizeof(number), "%d", u);
	pid = must(vfork());
	if (pid == 0) {
		execl(t_self, t_self, "helper", number, "fresh", NULL);
		_exit(127);
	}
	eqs(t_wait(pid), "exit 0");
}

T_MAIN_HELPER(exec_helper, T(tcp_states), T(tcp_names), T(tcp_nonblocking), T(options), T(dual), T(udp),
	      T(unix_datagrams), T(unix_streams), T(shared), T(rights), T(credentials), T(woken), T(untouched),
	      T(over_exec))
