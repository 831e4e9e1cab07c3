/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Readiness: a hundred pipes of which one can be read.
 */
#include "tests/bench/micro.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#define MANY 100

static struct pollfd many[MANY];
static int epfd;

static void open_many(void)
{
	int ends[2];

	for (int i = 0; i < MANY; i++) {
		must(!pipe(ends), "pipe");
		many[i] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	}
	must(write(ends[1], "x", 1) == 1, "write");
}

static void do_select(void)
{
	struct timeval none = { 0 };
	int last = many[MANY - 1].fd;
	fd_set set;

	FD_ZERO(&set);
	for (int i = 0; i < MANY; i++)
		FD_SET(many[i].fd, &set);
	must(select(last + 1, &set, NULL, NULL, &none) == 1 && FD_ISSET(last, &set), "select");
}

static void do_poll(void)
{
	must(poll(many, MANY, 0) == 1, "poll");
}

static void add_many(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	open_many();
	epfd = epoll_create1(0);
	must(epfd >= 0, "epoll_create1");
	for (int i = 0; i < MANY; i++)
		must(!epoll_ctl(epfd, EPOLL_CTL_ADD, many[i].fd, &e), "epoll_ctl");
}

static void do_epoll(void)
{
	struct epoll_event e[4];

	must(epoll_wait(epfd, e, 4, 0) == 1, "epoll_wait");
}

static void open_event(void)
{
	fds[0] = eventfd(0, 0);
	must(fds[0] >= 0, "eventfd");
}

static void do_event(void)
{
	uint64_t n = 1;

	must(write(fds[0], &n, sizeof(n)) == sizeof(n) && read(fds[0], &n, sizeof(n)) == sizeof(n),
	     "eventfd");
}

/* clang-format off */
const struct row events_rows[] = {
	{ "select", 0, CPU, "select of 100, one ready", open_many, do_select },
	{ "poll", 0, CPU, "poll of 100, one ready", open_many, do_poll },
	{ "epoll", 0, CPU, "epoll_wait of 100, one ready", add_many, do_epoll },
	{ "eventfd", 0, CPU, "eventfd: write and read", open_event, do_event },
	{ NULL, 0, NULL, NULL, NULL, NULL },
};
