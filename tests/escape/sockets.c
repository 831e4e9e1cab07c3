// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Attempts to talk to the host's services.
 *
 *   sockets PORT PATH ABSTRACT DAEMON      a TCP port on the loopback, a unix socket by path and by abstract name, and
 *                                          gshd's own socket: none may ever see a connection
 */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int port;
static const char *path, *abstract, *daemon_path;

static enum verdict try_connect(enum way w, int domain, const void *addr, unsigned len)
{
	long s = call(w, SYS_socket, domain, SOCK_STREAM, 0);

	if (s < 0)
		return REFUSED;
	return call(w, SYS_connect, s, addr, len) == 0 ? ESCAPED : REFUSED;
}

static enum verdict tcp(enum way w, void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return try_connect(w, AF_INET, &a, sizeof(a));
}

static enum verdict tcp6(enum way w, void *arg)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	return try_connect(w, AF_INET6, &a, sizeof(a));
}

static enum verdict udp(enum way w, void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	long s = call(w, SYS_socket, AF_INET, SOCK_DGRAM, 0);

	if (s < 0)
		return REFUSED;
	return call(w, SYS_sendto, s, "escape", 6, 0, &a, sizeof(a)) < 0 ? REFUSED : DONE;
}

static enum verdict unix_at(enum way w, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(name) >= sizeof(a.sun_path))
		return REFUSED;
	strcpy(a.sun_path, name);
	return try_connect(w, AF_UNIX, &a, sizeof(a));
}

static enum verdict unix_path(enum way w, void *arg)
{
	return unix_at(w, arg);
}

/* From every directory that is in reach, by a relative name. */
static enum verdict unix_relative(enum way w, void *arg)
{
	const char *name = arg;
	char dots[108];

	for (int fd = 0; fd < 128; fd++)
		if (call(w, SYS_fchdir, fd) >= 0 && unix_at(w, name + 1) == ESCAPED)
			return ESCAPED;
	if (snprintf(dots, sizeof(dots), "../../../../../..%s", name) >= (int)sizeof(dots))
		return REFUSED;
	if (unix_at(w, dots) == ESCAPED)
		return ESCAPED;
	/* /proc/self/fd/N/... names a directory by its descriptor. */
	for (int fd = 0; fd < 128; fd++)
		if (snprintf(dots, sizeof(dots), "/proc/self/fd/%d%s", fd, name) < (int)sizeof(dots) &&
		    unix_at(w, dots) == ESCAPED)
			return ESCAPED;
	return REFUSED;
}

static enum verdict unix_abstract(enum way w, void *arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path + 1, abstract);
	return try_connect(w, AF_UNIX, &a, 2 + 1 + strlen(abstract));
}

static enum verdict other_families(enum way w, void *arg)
{
	static const struct {
		int domain, type, protocol;
	} list[] = { { 16 /* NETLINK */, SOCK_RAW, 0 }, { 17 /* PACKET */, SOCK_RAW, 0x300 }, { 40 /* VSOCK */, SOCK_STREAM, 0 },
		     { 38 /* ALG */, SOCK_SEQPACKET, 0 }, { AF_INET, SOCK_RAW, 1 }, { 29 /* CAN */, SOCK_RAW, 1 },
		     { 44 /* XDP */, SOCK_RAW, 0 }, { 31 /* BLUETOOTH */, SOCK_RAW, 0 } };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		long s = call(w, SYS_socket, list[i].domain, list[i].type, list[i].protocol);
		if (s >= 0 && (w == PAL || list[i].domain != 16))
			return ESCAPED;
	}
	return REFUSED;
}

static enum verdict listen_outside(enum way w, void *arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	long s = call(w, SYS_socket, AF_UNIX, SOCK_STREAM, 0);

	/* A name that the host could be lured to. */
	snprintf(a.sun_path, sizeof(a.sun_path), "%.80s.escape-mark", path);
	return s < 0 || call(w, SYS_bind, s, &a, sizeof(a)) < 0 ? REFUSED : DONE;
}

int main(int argc, char **argv)
{
	int escaped = 0;

	if (argc != 5)
		return 2;
	port = atoi(argv[1]);
	path = argv[2];
	abstract = argv[3];
	daemon_path = argv[4];
	for (enum way w = LIBC; w < WAYS; w++) {
		if (w == PAL && !way_pal())
			continue;
		escaped += attempt("tcp", w, tcp, NULL);
		escaped += attempt("tcp6", w, tcp6, NULL);
		escaped += attempt("udp", w, udp, NULL);
		escaped += attempt("unix path", w, unix_path, (void *)path);
		escaped += attempt("unix relative", w, unix_relative, (void *)path);
		escaped += attempt("gshd's socket", w, unix_path, (void *)daemon_path);
		escaped += attempt("gshd's socket, relative", w, unix_relative, (void *)daemon_path);
		escaped += attempt("abstract", w, unix_abstract, NULL);
		escaped += attempt("other families", w, other_families, NULL);
		escaped += attempt("bind", w, listen_outside, NULL);
	}
	return escaped ? 1 : 0;
}
