// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * poll, select and epoll: readiness, edges, time-outs, sharing over fork.
 */
#include "lib/t.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

static void polling(void)
{
	int p[2], q[2];
	struct pollfd f[4];

	must(pipe(p));
	must(pipe(q));
	eq(poll(NULL, 0, 0), 0);
	long long t0 = t_now_ms();
	eq(poll(NULL, 0, 100), 0);
	ok(t_now_ms() - t0 >= 99);
	f[0] = (struct pollfd){ p[0], POLLIN, -1 };
	f[1] = (struct pollfd){ q[0], POLLIN, -1 };
	f[2] = (struct pollfd){ -5, POLLIN, -1 };
	f[3] = (struct pollfd){ 500, POLLIN, -1 };
	eq(poll(f, 3, 0), 0);
	eq(f[0].revents | f[1].revents | f[2].revents, 0);
	eq(poll(f, 4, 0), 1);
	eq(f[3].revents, POLLNVAL);
	must(write(q[1], "x", 1));
	eq(poll(f, 3, -1), 1);
	eq(f[1].revents, POLLIN);
	fails(poll((struct pollfd *)8, 1, 0), EFAULT);
	fails(syscall(SYS_poll, f, 1u << 30, 0), EINVAL);
	int file = must(open("f", O_RDWR | O_CREAT, 0644));
	f[0] = (struct pollfd){ file, POLLIN | POLLOUT, 0 };
	eq(poll(f, 1, 0), 1);
	eq(f[0].revents, POLLIN | POLLOUT);
	pid_t pid = must(fork());
	if (pid == 0) {
		t_sleep_ms(50);
		_exit(write(p[1], "y", 1) != 1);
	}
	f[0] = (struct pollfd){ p[0], POLLIN, 0 };
	eq(poll(f, 1, 5000), 1);
	eqs(t_wait(pid), "exit 0");
	int s[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	f[0] = (struct pollfd){ s[0], POLLIN | POLLOUT | POLLRDHUP, 0 };
	eq(poll(f, 1, 0), 1);
	eq(f[0].revents, POLLOUT);
	must(shutdown(s[1], SHUT_WR));
	poll(f, 1, 0);
	eq(f[0].revents, POLLIN | POLLOUT | POLLRDHUP);
	close(s[1]);
	poll(f, 1, 0);
	eq(f[0].revents & (POLLIN | POLLHUP), POLLIN | POLLHUP);
	int null = must(open("/dev/null", O_RDWR));
	f[0] = (struct pollfd){ null, POLLIN | POLLOUT, 0 };
	eq(poll(f, 1, 0), 1);
	eq(f[0].revents, POLLIN | POLLOUT);
}

static void selecting(void)
{
	int p[2];
	fd_set r, w;
	struct timeval tv = { 0, 50000 };

	must(pipe(p));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	eq(select(p[1] + 1, &r, &w, NULL, &tv), 1);
	eq(FD_ISSET(p[0], &r) != 0, 0);
	eq(FD_ISSET(p[1], &w) != 0, 1);
	FD_SET(p[0], &r);
	tv = (struct timeval){ 0, 50000 };
	eq(syscall(SYS_select, p[1] + 1, &r, NULL, NULL, &tv), 0);
	eq(tv.tv_usec + tv.tv_sec, 0); /* Linux tells what is left */
	must(write(p[1], "x", 1));
	FD_SET(p[0], &r);
	tv.tv_sec = 3;
	eq(syscall(SYS_select, p[1] + 1, &r, NULL, NULL, &tv), 1);
	ok(tv.tv_sec >= 2);
	FD_ZERO(&r);
	FD_SET(50, &r);
	fails(select(51, &r, NULL, NULL, &tv), EBADF);
	fails(select(-1, &r, NULL, NULL, &tv), EINVAL);
	tv.tv_usec = -1;
	fails(select(0, NULL, NULL, NULL, &tv), EINVAL);
	struct timespec ts = { 0, 20000000 };
	eq(pselect(0, NULL, NULL, NULL, &ts, NULL), 0);
	eq(ts.tv_nsec, 20000000);
}

static void epolling(void)
{
	int p[2], ep = must(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 }, out[4];

	must(pipe(p));
	eq(fcntl(ep, F_GETFD), FD_CLOEXEC);
	fails(syscall(SYS_epoll_create, 0), EINVAL);
	fails(epoll_create1(77), EINVAL);
	eq(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), EEXIST);
	fails(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev), ENOENT);
	fails(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], &ev), ENOENT);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, 300, &ev), EBADF);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
	fails(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev), EINVAL);
	fails(epoll_ctl(ep, 9, p[0], &ev), EINVAL);
	int file = must(open("f", O_RDWR | O_CREAT, 0644));
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, file, &ev), EPERM);
	eq(epoll_wait(ep, out, 4, 0), 0);
	must(write(p[1], "x", 1));
	eq(epoll_wait(ep, out, 4, -1), 1);
	eq(out[0].events, EPOLLIN);
	ok(out[0].data.u64 == 0x1122334455667788);
	eq(epoll_wait(ep, out, 4, 0), 1); /* level */
	ev.events = EPOLLIN | EPOLLET;
	eq(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev), 0);
	eq(epoll_wait(ep, out, 4, 0), 1);
	eq(epoll_wait(ep, out, 4, 0), 0); /* edge: told once */
	must(write(p[1], "y", 1));
	eq(epoll_wait(ep, out, 4, 0), 1);
	eq(epoll_wait(ep, out, 4, 0), 0);
	ev.events = EPOLLIN | EPOLLONESHOT;
	eq(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev), 0);
	eq(epoll_wait(ep, out, 4, 0), 1);
	eq(epoll_wait(ep, out, 4, 0), 0);
	must(write(p[1], "z", 1));
	eq(epoll_wait(ep, out, 4, 0), 0);
	eq(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev), 0);
	eq(epoll_wait(ep, out, 4, 0), 1);
	fails(epoll_wait(ep, out, 0, 0), EINVAL);
	fails(epoll_wait(p[0], out, 1, 0), EINVAL);
	fails(epoll_wait(900, out, 1, 0), EBADF);
	/* An epoll in an epoll, and in poll. */
	int outer = must(epoll_create1(0));
	ev = (struct epoll_event){ .events = EPOLLIN, .data.u32 = 9 };
	eq(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev), 0);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &ev), ELOOP);
	eq(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev), 0);
	eq(epoll_wait(outer, out, 4, 0), 1);
	eq(out[0].data.u32, 9);
	struct pollfd pf = { ep, POLLIN, 0 };
	eq(poll(&pf, 1, 0), 1);
	/* A closed descriptor leaves the set. */
	close(p[0]);
	eq(epoll_wait(ep, out, 4, 0), 0);
}

static void over_fork(void)
{
	int p[2], ep = must(epoll_create1(0));
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 1 }, out[4];

	must(pipe(p));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	pid_t pid = must(fork());
	if (pid == 0) {
		int n = epoll_wait(ep, out, 4, 5000);
		/* The set is shared: what the child adds, the parent sees. */
		int e = eventfd(1, 0);
		ev.data.fd = 2;
		epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev);
		_exit(n == 1 && out[0].data.fd == 1 ? 0 : 1);
	}
	t_sleep_ms(30);
	must(write(p[1], "x", 1));
	eqs(t_wait(pid), "exit 0");
	/* The eventfd is gone with the child. */
	eq(epoll_wait(ep, out, 4, 0), 1);
	eq(out[0].data.fd, 1);
	/* Registered by description: a dup keeps it alive after close. */
	int d = must(dup(p[0]));
	close(p[0]);
	eq(epoll_wait(ep, out, 4, 0), 1);
	close(d);
	eq(epoll_wait(ep, out, 4, 0), 0);
}

static void many(void)
{
	int ep = must(epoll_create1(0)), fds[200], ready = 0;
	struct epoll_event ev = { .events = EPOLLIN }, out[64];

	for (int i = 0; i < 200; i++) {
		fds[i] = must(eventfd(i % 3 == 0, EFD_NONBLOCK));
		ev.data.u32 = i;
		must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev));
	}
	bool right = true;
	int n;
	while ((n = epoll_wait(ep, out, 64, 0)) > 0) {
		for (int i = 0; i < n; i++) {
			uint64_t v;
			right = right && out[i].data.u32 % 3 == 0;
			must(read(fds[out[i].data.u32], &v, 8));
			ready++;
		}
	}
	ok(right);
	eq(ready, 67);
	struct pollfd pf[200];
	for (int i = 0; i < 200; i++)
		pf[i] = (struct pollfd){ fds[i], POLLIN | POLLOUT, 0 };
	eq(poll(pf, 200, 0), 200);
}

T_MAIN(T(polling), T(selecting), T(epolling), T(over_fork), T(many))
