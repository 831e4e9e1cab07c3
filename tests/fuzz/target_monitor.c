/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The monitor against a hostile sandbox: any messages, with any number of descriptors, on the
 * control stream and on the request port, in any order. Every question of ours is answered once,
 * and no descriptor is lost.
 *
 * Of the input: a byte for the start, then messages: a byte (1 the port, 2 and 4 descriptors, 8 a
 * header made for what follows), one for its type, two of length, the bytes.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"
#include "gshd/reach/reach.h"
#include "tests/fuzz/files.h"

#define ASKED 3

int log_verbose;
static unsigned answers;
static volatile uint8_t sum; /* of answers: that they can be read */

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

static void on_done(struct monitor *m, void *arg, const struct mon_msg *answer, const void *payload)
{
	(void)m;
	answers++;
	must(*(int *)arg == 7 && (!answer || answer->len <= MON_MSG_MAX));
	for (uint32_t i = 0; answer && i < answer->len; i++)
		sum ^= ((const uint8_t *)payload)[i];
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

static void send_message(int sock, const uint8_t *data, size_t size, unsigned nfds, int fd)
{
	union {
		char buf[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3] = { sock, fd, fd };
	struct cmsghdr *h;

	if (nfds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	(void)!sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The next message of the input. */
static void one_message(const uint8_t **data, size_t *size, const int sock[2], int file)
{
	static const uint32_t types[] = { MON_READY, MON_STARTED, MON_PROC_DATA, MON_EXITED, MON_PTY,
					  MON_SETATTR, MON_IMAGE, MON_OPEN, MON_NET, MON_KICK, MON_QUOTA,
					  MON_DIAL, MON_SPLIT, MON_REPLY, MON_DEVICE, MON_HIDDEN };
	static uint8_t buf[sizeof(struct mon_msg) + 65536];
	struct mon_msg head = { 0 };
	uint8_t how = take(data, size), type = take(data, size);
	size_t n = take(data, size) | (size_t)take(data, size) << 8, at = 0;

	n = n < *size ? n : *size;
	if (how & 8) {
		head.type = types[type % (sizeof(types) / sizeof(types[0]))];
		head.len = (uint32_t)n;
		head.id = 1 + (how >> 7);
		memcpy(buf, &head, sizeof(head));
		at = sizeof(head);
	}
	memcpy(buf + at, *data, n);
	*data += n;
	*size -= n;
	send_message(sock[how & 1], buf, at + n, how >> 1 & 3, file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	uint8_t start = take(&data, &size);
	static int seven = 7;
	int control[2], port[2], sock[2], file;
	unsigned before, asked = 0;
	/* A rule, but none that leads to anybody; signals are asked for, but nobody is of the sandbox. */
	struct reach reach = { .nrules = 1, .rules = { { .host = "nobody.invalid", .port = 1 } } };
	struct monitor m = { .rung = start & 1 ? GRANT_RUNG_A : GRANT_RUNG_B, .tree = "/nonexistent",
			     .spec.base = "/nonexistent", .reach = &reach,
			     .grant_flags = start & 8 ? GRANT_BROKER_SIGNAL | GRANT_BROKER_ATTR : 0 };

	if (!base)
		base = event_base_new();
	before = open_files();
	file = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, control));
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, port));
	m.base = base;
	for (size_t i = 0; i < sizeof(m.limits.value) / sizeof(m.limits.value[0]); i++)
		m.limits.value[i] = LIMIT_NONE;
	m.store = m.lock = m.ready = m.log_pipe = m.images.store = m.images.images = m.images.view = -1;
	m.child.pid = m.child.leader = m.child.lifeline = m.child.pts = m.nat.lifeline = -1;
	m.nat.keeper = m.dialer = m.cgroup = -1;
	m.state = start & 2 ? BOX_BOOTING : start & 4 ? BOX_STOPPING : BOX_RUNNING;
	m.control = control[0];
	m.port = port[0];
	m.timer_ev = evtimer_new(base, on_time, NULL);
	answers = 0;
	must(!control_start(&m) && !port_start(&m) && !measure_start(&m));
	for (int i = 0; i < ASKED; i++)
		asked += !control_ask(&m, i ? MON_PROC : MON_START, "", 1, NULL, 0, on_done, &seven);
	sock[0] = control[1];
	sock[1] = port[1];
	while (size) {
		one_message(&data, &size, sock, file);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	must(answers <= asked);
	control_close(&m);
	port_close(&m);
	pty_close_all(&m);
	measure_close(&m);
	dial_close_all(&m);
	names_close_all(&m);
	free(m.denials);
	event_free(m.timer_ev);
	must(answers == asked);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	close(control[1]);
	close(port[1]);
	close(file);
	must(open_files() == before);
	return 0;
}
