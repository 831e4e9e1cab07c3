// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Back to the host by the network that pasta(1) gives a sandbox (--net nat): by the host's own
 * address, its loopback, the gateway's, by every form of them, by datagrams that choose their
 * interface, by routes and addresses of one's own.
 *
 *   nat PORT ADDRESS    a port of the host's that listens everywhere, an address that the host has
 *
 * Outside sees what came. Without walls the host's own address is reached: the control.
 */
#include "way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int port;

static socklen_t address(struct sockaddr_storage *to, const char *text)
{
	struct sockaddr_in *four = (void *)to;
	struct sockaddr_in6 *six = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return sizeof(*four);
	}
	inet_pton(AF_INET6, text, &six->sin6_addr);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((uint16_t)port);
	return sizeof(*six);
}

static enum verdict stream(enum way w, void *arg)
{
	struct sockaddr_storage to;
	socklen_t len = address(&to, arg), n = sizeof(int);
	long s = call(w, SYS_socket, to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { (int)s, POLLOUT, 0 };
	struct timespec patience = { 2, 0 };
	int err = 0;

	if (s < 0)
		return REFUSED;
	long r = call(w, SYS_connect, s, &to, len);
	if (r == -EINPROGRESS) {
		/* Nothing for two seconds: nobody took it. */
		if (call(w, SYS_ppoll, &p, 1, &patience, 0, 8) <= 0)
			return REFUSED;
		call(w, SYS_getsockopt, s, SOL_SOCKET, SO_ERROR, &err, &n);
		r = -err;
	}
	return must_fail(r);
}

/* That it was sent means nothing: whether it came, outside sees. */
static enum verdict gram(enum way w, void *arg)
{
	struct sockaddr_storage to;
	socklen_t len = address(&to, arg);
	long s = call(w, SYS_socket, to.ss_family, SOCK_DGRAM, 0);

	return s >= 0 && call(w, SYS_sendto, s, "escape", 6, 0, &to, len) > 0 ? DONE : REFUSED;
}

/* The interface that leads outside, whatever the routes say. */
static enum verdict by_interface(enum way w, void *arg)
{
	union {
		char buf[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr head;
	} c = { 0 };
	struct sockaddr_storage to;
	socklen_t len = address(&to, arg);
	struct iovec iov = { "escape", 6 };
	struct msghdr m = { .msg_name = &to,
			    .msg_namelen = len,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &c,
			    .msg_controllen = sizeof(c) };
	long s = call(w, SYS_socket, to.ss_family, SOCK_DGRAM, 0);
	bool any = false;

	if (s < 0 || to.ss_family != AF_INET)
		return REFUSED;
	for (int i = 1; i < 5; i++) {
		struct in_pktinfo info = { .ipi_ifindex = i };

		c.head = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(&c.head), &info, sizeof(info));
		any |= call(w, SYS_sendmsg, s, &m, 0) > 0;
		call(w, SYS_setsockopt, s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5);
		call(w, SYS_setsockopt, s, IPPROTO_IP, IP_UNICAST_IF, &i, sizeof(i));
		any |= call(w, SYS_sendto, s, "escape", 6, 0, &to, len) > 0;
	}
	return any ? DONE : REFUSED;
}

static enum verdict route(enum way w, void *arg)
{
	static char room[256];
	long s = call(w, SYS_socket, AF_INET, SOCK_DGRAM, 0);

	(void)arg;
	if (s < 0)
		return REFUSED;
	return must_fail(call(w, SYS_ioctl, s, 0x890b /* SIOCADDRT */, room)) == ESCAPED ||
			       must_fail(call(w, SYS_ioctl, s, 0x8916 /* SIOCSIFADDR */, room)) ==
				       ESCAPED ||
			       must_fail(call(w, SYS_ioctl, s, 0x8914 /* SIOCSIFFLAGS */, room)) ==
				       ESCAPED
		       ? ESCAPED
		       : REFUSED;
}

static enum verdict netlink(enum way w, void *arg)
{
	(void)arg;
	return must_fail(call(w, SYS_socket, AF_NETLINK, SOCK_RAW, 0));
}

static enum verdict packet(enum way w, void *arg)
{
	(void)arg;
	return must_fail(call(w, SYS_socket, AF_PACKET, SOCK_RAW, 0x300));
}

int main(int argc, char **argv)
{
	/* The gateway and its neighbours as pasta has them here; the host's loopback in all its
	 * forms. */
	static char mapped[64], nat64[64];
	static char *const known[] = {
		"127.0.0.1",   "127.9.9.9",	   "0.0.0.0",	      "203.0.113.2",
		"203.0.113.1", "169.254.169.254",  "255.255.255.255", "::1",
		"::",	       "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1"
	};
	int escaped = 0;

	if (argc != 3)
		return 2;
	port = atoi(argv[1]);
	snprintf(mapped, sizeof(mapped), "::ffff:%s", argv[2]);
	snprintf(nat64, sizeof(nat64), "64:ff9b::%s", argv[2]);
	if (!way_pal())
		return attempt("connect to its address", LIBC, stream, argv[2]) ? 0 : 1;
	for (enum way w = LIBC; w < WAYS; w++) {
		char *const own[] = { argv[2], mapped, nat64 };

		if (w == RAW)
			continue;
		for (size_t i = 0; i < 3 + sizeof(known) / sizeof(known[0]); i++) {
			char *to = i < 3 ? own[i] : known[i - 3];

			escaped += attempt(to, w, stream, to);
			escaped += attempt(to, w, gram, to);
			escaped += attempt(to, w, by_interface, to);
		}
		escaped += attempt("route", w, route, NULL);
		/* The libOS has one of its own, which tells of nothing but what is there. */
		escaped += w == PAL ? attempt("netlink", w, netlink, NULL) : 0;
		escaped += attempt("packets", w, packet, NULL);
	}
	return escaped ? 1 : 0;
}
