/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The control stream: orders to the leader, its answers and events.
 *
 * A leader that does not read fills the socket, then our queue; orders are refused after that. What
 * it sends must be in the table below, in the right state, of the right size, without descriptors;
 * an answer must be to a question. A leader that is stopped or busy does not hold up who asked: after a
 * while the asker is told that there is no answer, and one that comes later is taken and forgotten.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

#define QUEUE_MAX 64
#define ANSWER_MS 2000	/* for what is in the leader's memory */
#define STARTED_MS 20000 /* a fork and an exec; the disk may be slow */
#define LOOK_MS 250

struct ask {
	struct ask *next;
	uint64_t id;
	uint32_t answer; /* the type expected */
	ask_done done; /* NULL: it was told that there is no answer */
	void *arg;
	int64_t until; /* monotonic milliseconds */
};

struct queued {
	struct queued *next;
	int fds[MON_FDS_MAX];
	unsigned nfds;
	size_t size;
	char data[]; /* header and payload */
};

static void on_ready(struct monitor *m, const struct mon_msg *msg, const void *payload);
static void on_answer(struct monitor *m, const struct mon_msg *msg, const void *payload);
static void on_exited(struct monitor *m, const struct mon_msg *msg, const void *payload);

#define LIVE (BOX_RUNNING | BOX_STOPPING)
static const struct {
	uint32_t type;
	unsigned states;
	size_t least, most;
	void (*answer)(struct monitor *m, const struct mon_msg *msg, const void *payload);
} table[] = {
	{ MON_READY, BOX_BOOTING, 0, 0, on_ready },
	{ MON_STARTED, LIVE, sizeof(struct mon_started), sizeof(struct mon_started), on_answer },
	{ MON_PROC_DATA, LIVE, sizeof(struct mon_proc_data), MON_MSG_MAX, on_answer },
	{ MON_EXITED, LIVE, sizeof(struct mon_exited), sizeof(struct mon_exited), on_exited },
};

/* ---- to the leader ---- */

static int send_now(int sock, const void *data, size_t size, const int *fds, unsigned nfds)
{
	union {
		char buf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void queued_free(struct queued *q)
{
	for (unsigned i = 0; i < q->nfds; i++)
		close(q->fds[i]);
	free(q);
}

static void on_writable(evutil_socket_t sock, short what, void *arg)
{
	struct monitor *m = arg;

	(void)what;
	while (m->queue) {
		struct queued *q = m->queue;
		int err = send_now(sock, q->data, q->size, q->fds, q->nfds);
		if (err == -EAGAIN || err == -ENOBUFS) {
			event_add(m->control_out_ev, NULL);
			return;
		}
		/* Gone: its end is noticed elsewhere, and the questions answered there. */
		m->queue = q->next;
		m->nqueued--;
		queued_free(q);
	}
}

static int enqueue(struct monitor *m, const void *data, size_t size, const int *fds, unsigned nfds)
{
	struct queued **end = &m->queue, *q;

	if (m->nqueued >= QUEUE_MAX)
		return -EBUSY;
	q = calloc(1, sizeof(*q) + size);
	if (!q)
		return -ENOMEM;
	memcpy(q->data, data, size);
	q->size = size;
	for (unsigned i = 0; i < nfds; i++) {
		q->fds[q->nfds] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (q->fds[q->nfds] < 0) {
			int err = -errno;
			queued_free(q);
			return err;
		}
		q->nfds++;
	}
	while (*end)
		end = &(*end)->next;
	*end = q;
	m->nqueued++;
	event_add(m->control_out_ev, NULL);
	return 0;
}

int control_send(struct monitor *m, uint32_t type, uint64_t id, const void *data, size_t size,
		 const int *fds, unsigned nfds)
{
	static char buf[MON_MSG_MAX];
	struct mon_msg head = { .type = type, .len = (uint32_t)size, .id = id };
	int err;

	if (m->control < 0)
		return -EPIPE;
	if (size > sizeof(buf) - sizeof(head) || nfds > MON_FDS_MAX)
		return -EMSGSIZE;
	memcpy(buf, &head, sizeof(head));
	if (size)
		memcpy(buf + sizeof(head), data, size);
	err = m->queue ? -EAGAIN : send_now(m->control, buf, sizeof(head) + size, fds, nfds);
	if (err == -EAGAIN || err == -ENOBUFS)
		err = enqueue(m, buf, sizeof(head) + size, fds, nfds);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void look_again(struct monitor *m)
{
	struct timeval t = { 0, LOOK_MS * 1000 };

	event_add(m->asks_ev, &t);
}

int control_ask(struct monitor *m, uint32_t type, const void *data, size_t size, const int *fds,
		unsigned nfds, ask_done done, void *arg)
{
	struct ask *a;
	int err;

	if (m->nasks >= ASKS_MAX)
		return -ETIMEDOUT; /* so many are not answered */
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->id = ++m->next_id;
	a->answer = type == MON_START ? MON_STARTED : MON_PROC_DATA;
	a->done = done;
	a->arg = arg;
	a->until = now_ms() + (type == MON_START ? STARTED_MS : ANSWER_MS);
	err = control_send(m, type, a->id, data, size, fds, nfds);
	if (err) {
		free(a);
		return err;
	}
	a->next = m->asks;
	m->asks = a;
	m->nasks++;
	if (!event_pending(m->asks_ev, EV_TIMEOUT, NULL))
		look_again(m);
	return 0;
}

/* Done with: what is freed here is never called again. */
static void ask_drop(struct monitor *m, struct ask *a)
{
	struct ask **p = &m->asks;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	m->nasks--;
	free(a);
}

static struct ask *ask_late(struct monitor *m)
{
	int64_t now = now_ms();

	for (struct ask *a = m->asks; a; a = a->next)
		if (a->done && a->until <= now)
			return a;
	return NULL;
}

static void on_asks(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;
	struct ask *a;

	(void)fd, (void)what;
	while ((a = ask_late(m))) {
		ask_done done = a->done;
		a->done = NULL;
		done(m, a->arg, NULL, NULL);
	}
	if (m->asks)
		look_again(m);
}

/* ---- from the leader ---- */

static void on_ready(struct monitor *m, const struct mon_msg *msg, const void *payload)
{
	(void)msg, (void)payload;
	m->state = BOX_RUNNING;
	monitor_ready(m, NULL);
}

/* A program that was started after its client had been told that it was not. */
static void end_late(struct monitor *m, const void *payload)
{
	struct mon_signal s = { .sig = SIGKILL };
	struct mon_started started;

	memcpy(&started, payload, sizeof(started));
	s.pid = started.pid;
	if (!started.error && s.pid > 1 && control_send(m, MON_SIGNAL, 0, &s, sizeof(s), NULL, 0))
		log_line("a program that was started late goes on");
}

static void on_answer(struct monitor *m, const struct mon_msg *msg, const void *payload)
{
	for (struct ask *a = m->asks; a; a = a->next) {
		ask_done done = a->done;
		void *arg = a->arg;
		if (a->id != msg->id)
			continue;
		if (a->answer != msg->type)
			break;
		ask_drop(m, a);
		if (done)
			done(m, arg, msg, payload);
		else if (msg->type == MON_STARTED)
			end_late(m, payload);
		return;
	}
	monitor_violation(m, "an answer to no question");
}

static void on_exited(struct monitor *m, const struct mon_msg *msg, const void *payload)
{
	struct mon_exited e;

	(void)msg;
	memcpy(&e, payload, sizeof(e));
	session_exited(m, e.pid, e.status);
}

static void handle(struct monitor *m, const char *buf, size_t size, bool with_fds)
{
	struct mon_msg msg;

	if (size < sizeof(msg)) {
		monitor_violation(m, "a control message without a header");
		return;
	}
	memcpy(&msg, buf, sizeof(msg));
	if (msg.len != size - sizeof(msg) || with_fds) {
		monitor_violation(m, with_fds ? "descriptors on the control stream"
					      : "a control message of a wrong length");
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type != msg.type)
			continue;
		if (!(table[i].states & m->state))
			monitor_violation(m, "a control message out of place");
		else if (msg.len < table[i].least || msg.len > table[i].most)
			monitor_violation(m, "a control message of a wrong size");
		else
			table[i].answer(m, &msg, buf + sizeof(msg));
		return;
	}
	monitor_violation(m, "a control message of unknown type");
}

/* Nothing is ever taken from them; not to close them would be a leak that the sandbox controls. */
static bool close_received(struct msghdr *msg)
{
	bool any = msg->msg_flags & MSG_CTRUNC;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			close(fd);
			any = true;
		}
	}
	return any;
}

static void on_readable(evutil_socket_t sock, short what, void *arg)
{
	static char buf[MON_MSG_MAX];
	struct monitor *m = arg;
	union {
		char buf[CMSG_SPACE(MON_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* Closed, which only a dying or a disloyal leader does; or empty, but for descriptors. */
		if (!n)
			close_received(&msg);
		event_del(m->control_ev);
		monitor_kill(m);
		return;
	}
	bool fds = close_received(&msg);
	if (msg.msg_flags & MSG_TRUNC)
		monitor_violation(m, "a control message that is too long");
	else
		handle(m, buf, (size_t)n, fds);
}

int control_start(struct monitor *m)
{
	m->control_ev = event_new(m->base, m->control, EV_READ | EV_PERSIST, on_readable, m);
	m->control_out_ev = event_new(m->base, m->control, EV_WRITE, on_writable, m);
	m->asks_ev = event_new(m->base, -1, 0, on_asks, m);
	return m->control_ev && m->control_out_ev && m->asks_ev && !event_add(m->control_ev, NULL) ? 0 : -ENOMEM;
}

void control_close(struct monitor *m)
{
	if (m->control < 0)
		return;
	if (m->control_ev)
		event_free(m->control_ev);
	if (m->control_out_ev)
		event_free(m->control_out_ev);
	if (m->asks_ev)
		event_free(m->asks_ev);
	close(m->control);
	m->control = -1;
	while (m->queue) {
		struct queued *q = m->queue;
		m->queue = q->next;
		queued_free(q);
	}
	while (m->asks) {
		ask_done done = m->asks->done;
		void *arg = m->asks->arg;
		ask_drop(m, m->asks);
		if (done)
			done(m, arg, NULL, NULL);
	}
}
