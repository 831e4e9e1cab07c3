// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Asking the monitor for peers that the policy does not have (MON_DIAL), and turning what it gave elsewhere.
 *
 *   reach granted PORT     the loopback's port, which the policy names: the control, which outside must see
 *   reach revoked PORT     the same, which the policy named before
 *   reach PORT             the policy has anybody outside, but not the host itself: every form of its loopback, wrong
 *                          requests; and of an end that was given: other peers, other rights
 *   reach names PORT       the policy has any name, but only TCP: names that lead into the host
 */
#include "way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "pal/grant.h"
#include "pal/monitor.h"

static int port;

/* The descriptor that came back, or -errno. */
static long ask(const struct mon_dial *q, size_t size)
{
	struct {
		struct mon_msg head;
		struct mon_dial q;
	} out = { .head = { .type = MON_DIAL, .len = (uint32_t)size }, .q = *q };
	int fd, err = way_ask(&out, sizeof(out.head) + size, -1, NULL, &fd);

	return err ? err : fd < 0 ? -EIO : fd;
}

static long dial(const char *address, int to, int kind)
{
	struct mon_dial q = { .kind = (uint16_t)kind, .port = (uint16_t)to, .flags = MON_DIAL_QUIET };

	return inet_pton(AF_INET6, address, q.addr) == 1 ? ask(&q, sizeof(q)) : -EINVAL;
}

static enum verdict granted(enum way w, void *arg)
{
	long fd = dial("::ffff:127.0.0.1", port, MON_DIAL_STREAM);

	return fd >= 0 && call(PAL, SYS_write, fd, "x", 1) == 1 ? DONE : REFUSED;
}

static enum verdict revoked(enum way w, void *arg)
{
	return granted(w, arg) == DONE ? ESCAPED : REFUSED;
}

static enum verdict stream(enum way w, void *arg)
{
	return must_fail(dial(arg, port, MON_DIAL_STREAM));
}

static enum verdict gram(enum way w, void *arg)
{
	long fd = dial(arg, port, MON_DIAL_GRAM);

	if (fd >= 0)
		call(PAL, SYS_write, fd, "escape", 6);
	return must_fail(fd);
}

static enum verdict odd(enum way w, void *arg)
{
	static const int kinds[] = { 0, 3, 255, 0xffff };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (dial("::ffff:198.51.100.1", 80, kinds[i]) >= 0)
			return ESCAPED;
	return must_fail(dial("::ffff:198.51.100.1", 0, MON_DIAL_STREAM));
}

/* A name whose addresses are the host's own: the answer has none of them, and they are not reached afterwards. */
static enum verdict rebind(enum way w, void *arg)
{
	unsigned char q[300] = { 0, 1, 1, 0, 0, 1 }, r[600];
	const char *name = arg;
	size_t n = strlen(name), at = 12;
	long fd = dial("::ffff:192.0.2.53", 53, MON_DIAL_GRAM), got;

	if (fd < 0)
		return ESCAPED; /* it must be there, or nothing was tried */
	q[at++] = (unsigned char)n;
	memcpy(q + at, name, n);
	at += n;
	memcpy(q + at, (char[]){ 0, 0, 1, 0, 1 }, 5);
	at += 5;
	if (call(PAL, SYS_write, fd, q, at) != (long)at)
		return ESCAPED;
	got = call(PAL, SYS_read, fd, r, sizeof(r));
	if (got < 12 || r[7])
		return ESCAPED;
	return must_fail(dial("::ffff:127.0.0.1", port, MON_DIAL_STREAM));
}

/* What came is one end of a pair, whatever is done to it. */
static enum verdict turn(enum way w, void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	long fd = dial("::ffff:192.0.2.53", 53, MON_DIAL_GRAM);
	int domain = 0;
	socklen_t len = sizeof(domain);

	if (fd < 0)
		return REFUSED;
	if (call(PAL, SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_UNIX)
		return ESCAPED;
	switch ((long)arg) {
	case 0:
		call(w, SYS_connect, fd, &none, sizeof(none));
		return call(w, SYS_connect, fd, &to, sizeof(to)) == 0 ? ESCAPED : REFUSED;
	case 1:
		return call(w, SYS_sendto, fd, "escape", 6, 0, &to, sizeof(to)) > 0 ? DONE : REFUSED;
	case 2:
		return call(w, SYS_listen, fd, 1) == 0 ? ESCAPED : REFUSED;
	}
	return REFUSED;
}

int main(int argc, char **argv)
{
	static char *const own[] = { "::ffff:127.0.0.1", "::ffff:127.1.2.3", "::1", "::", "::ffff:0.0.0.0", "::127.0.0.1",
				     "64:ff9b::7f00:1", "2002:7f00:1::", "2001::7f00:1", "::ffff:169.254.169.254", "fe80::1",
				     "fec0::1", "ff02::1", "::ffff:224.0.0.1", "::ffff:255.255.255.255" };
	static char *const names[] = { "localhost", "0x7f000001", "0x7f1", "0xa9fea9fe", "0x0", "0xffffffff" };
	bool control = argc == 3 && !strcmp(argv[1], "granted");
	int escaped = 0;

	if (argc < 2 || !way_pal())
		return 2;
	port = atoi(argv[argc - 1]);
	if (control)
		return attempt("granted peer", PAL, granted, NULL);
	if (argc == 3 && !strcmp(argv[1], "revoked"))
		return attempt("revoked peer", PAL, revoked, NULL);
	for (size_t i = 0; argc == 3 && i < sizeof(names) / sizeof(names[0]); i++)
		escaped += attempt(names[i], PAL, rebind, names[i]);
	for (size_t i = 0; argc == 2 && i < sizeof(own) / sizeof(own[0]); i++) {
		escaped += attempt(own[i], PAL, stream, own[i]);
		escaped += attempt(own[i], PAL, gram, own[i]);
	}
	escaped += attempt("odd requests", PAL, odd, NULL);
	for (long i = 0; i < 3; i++)
		escaped += attempt("turned elsewhere", PAL, turn, (void *)i);
	return escaped ? 1 : 0;
}
