// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * SO_LINGER with no time: closing a connection resets it, once nobody has it any more.
 *
 * Rung: A (the sandbox's own network knows no reset)
 */
#include "lib/t.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* How the other end hears of a connection closed with no time to linger: 'r' reset, 'e' end, else what came. */
static int after_close(bool shared)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger l = { 1, 0 }, got = { 0 };
	socklen_t len = sizeof(a);
	int s = must(socket(AF_INET, SOCK_STREAM, 0)), c = must(socket(AF_INET, SOCK_STREAM, 0)), end, go[2];
	char b = 0;
	ssize_t n;

	must(bind(s, (void *)&a, sizeof(a)));
	must(listen(s, 1));
	must(getsockname(s, (void *)&a, &len));
	must(connect(c, (void *)&a, sizeof(a)));
	end = must(accept(s, NULL, NULL));
	eq(setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	len = sizeof(got);
	eq(getsockopt(c, SOL_SOCKET, SO_LINGER, &got, &len), 0);
	eq(got.l_onoff, 1);
	eq(got.l_linger, 0);
	must(pipe(go));
	if (shared && fork() == 0) {
		close(go[1]);
		read(go[0], &b, 1);
		_exit(write(c, "x", 1) != 1);
	}
	close(c);
	close(go[0]);
	close(go[1]);
	n = read(end, &b, 1);
	if (shared)
		wait(NULL);
	close(end);
	close(s);
	return n == 1 ? b : n == 0 ? 'e' : errno == ECONNRESET ? 'r' : '?';
}

static void lingering(void)
{
	eq(after_close(false), 'r');
	eq(after_close(true), 'x');
	eq(after_close(false), 'r');
}

T_MAIN(T(lingering))
