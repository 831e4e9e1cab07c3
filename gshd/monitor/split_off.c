/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A client wants a process to split off (libos/split/asked.c). The policy waits for it at one end of a socket pair,
 * which the leader passes on; what comes back is the word of a process of the sandbox, so no more than a number is
 * taken from it. Whoever does not answer is not waited for: by the end of our end it knows that nobody waits.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/monitor/monitor.h"

#define POLICY_MAX 4095
#define ANSWER_SECONDS 10

struct split_off {
	struct wire_call *call;
	struct event *ev;
	int sock, pid;
};

static void say(struct split_off *s, const char *error, const char *why)
{
	char what[32];

	snprintf(what, sizeof(what), "process %d", s->pid);
	wire_fail(s->call, error, what, why, NULL);
}

/* The process refused. What concerns a line is about the policy, the rest about itself. */
static void explain(struct split_off *s, int error, uint32_t line)
{
	static const struct {
		int error;
		const char *name, *why;
	} table[] = {
		{ ESRCH, "org.gsh.NoSuchProcess", "there is no such process" },
		{ EALREADY, "org.gsh.Conflict", "it has split off already, and can only do so itself again" },
		{ EAGAIN, "org.gsh.Conflict", "it is stopped, or the sandbox has too many splits" },
		{ EBUSY, "org.gsh.Conflict", "only a process with one thread and no children can split off" },
		{ E2BIG, "org.gsh.BadRequest", "at most five places may be writable, and 16 splits be in one another" },
		{ ENOSPC, "org.gsh.Failed", "the way to what it keeps is too long to remember, or the disk is full" },
		{ EOPNOTSUPP, "org.gsh.HostLacks", "a split needs Linux 6.12 or later on the host" },
	};
	char what[48];

	if (line) {
		snprintf(what, sizeof(what), "line %u of the policy", line);
		if (error == EINVAL)
			wire_fail(s->call, "org.gsh.BadRequest", what, "it is not understood", NULL);
		else if (error == EPERM)
			wire_fail(s->call, "org.gsh.Refused", what, "it is more than the process has", NULL);
		else
			wire_fail(s->call, "org.gsh.Failed", what, strerror(error), NULL);
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].error == error) {
			say(s, table[i].name, table[i].why);
			return;
		}
	say(s, "org.gsh.Failed", strerror(error));
}

static void end(struct split_off *s)
{
	event_free(s->ev);
	close(s->sock);
	free(s);
}

static void on_answer(evutil_socket_t sock, short what, void *arg)
{
	struct split_off *s = arg;
	struct mon_reply reply;
	ssize_t n;

	if (what & EV_TIMEOUT) {
		say(s, "org.gsh.Conflict", "it does not answer: it may wait for a vfork child");
	} else {
		n = recv(sock, &reply, sizeof(reply), MSG_DONTWAIT);
		/* Closed with the policy unread: that is told ahead of the answer. */
		if (n < 0 && errno == ECONNRESET)
			n = recv(sock, &reply, sizeof(reply), MSG_DONTWAIT);
		if (n != sizeof(reply))
			say(s, "org.gsh.NoSuchProcess", "it ended, or cannot be asked");
		else if (reply.error <= 0 || reply.error > 4095)
			wire_reply(s->call, NULL);
		else
			explain(s, reply.error, reply.value);
	}
	end(s);
}

static void forget_call(struct wire_call *call)
{
	(void)call; /* its answer goes into the void */
}

static int begin(struct split_off *s, struct monitor *m, const char *policy)
{
	struct timeval limit = { ANSWER_SECONDS, 0 };
	struct mon_split_off order = { .pid = s->pid };
	int ends[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	if (send(ends[0], policy, strlen(policy), MSG_NOSIGNAL) < 0)
		err = -errno;
	if (!err)
		s->ev = event_new(m->base, ends[0], EV_READ, on_answer, s);
	if (!err && (!s->ev || event_add(s->ev, &limit)))
		err = -ENOMEM;
	if (!err)
		err = control_send(m, MON_SPLIT_OFF, 0, &order, sizeof(order), &ends[1], 1);
	close(ends[1]);
	s->sock = ends[0];
	if (err) {
		if (s->ev)
			event_free(s->ev);
		close(ends[0]);
	}
	return err;
}

void box_split(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	const char *policy = json_str(call->params, "policy", "");
	int64_t pid = json_int(call->params, "pid", 0);
	struct split_off *s;
	int err;

	if (pid < 1 || pid > INT32_MAX) {
		wire_fail(call, "org.gsh.BadRequest", call->method->name, "pid must be a process's number", NULL);
		return;
	}
	if (!*policy || strlen(policy) > POLICY_MAX) {
		wire_fail(call, "org.gsh.BadRequest", "the policy", "it has 1 to 4095 bytes", NULL);
		return;
	}
	if (m->state != BOX_RUNNING) {
		session_not_begun(m, call);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s) {
		s->call = call;
		s->pid = (int)pid;
	}
	call->gone = forget_call;
	err = s ? begin(s, m, policy) : -ENOMEM;
	if (err) {
		wire_fail(call, "org.gsh.Failed", "split", strerror(-err), NULL);
		free(s);
	}
}
