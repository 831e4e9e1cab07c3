// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What happens in a sandbox while a command runs in it: its system calls, or what its processes say to each other.
 *
 * The libOS records it while somebody reads /proc/gsh/calls or /proc/gsh/coord (libos/task/calls.h,
 * libos/coord/trace.h).
 * A child of gsh reads it ten times a second, and at once again where there was much, so that neither the relay of a
 * terminal nor the wait for the command knows of it, and once more when gsh says that the command has ended, by closing
 * a pipe. A throwaway sandbox is held until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gshd/client/client.h"
#include "shell/client.h"

#define EVERY_MS 100
#define MANY 256 /* records of a turn: more will come soon, and may be waited for inside */
#define ANSWERS_MAX 64 /* a ring has fewer; whoever says otherwise is not believed for ever */

struct reader {
	struct client *conn;
	FILE *to;
	bool json;
	const char *end;	/* of a line */
	uint64_t next, start;	/* the record to go on with; the time at the beginning */
	uint64_t known, old;	/* the first number that was not taken yet; the same a turn ago */
	uint64_t lost;
	bool over;		/* nothing is waited for any more */
	bool coord;		/* coordination, not system calls */
	const struct trace *trace;
	unsigned int taken;	/* records of this turn */
};

/* The text of the records from r->next on, NUL-terminated; NULL with errno. */
static char *fetch(struct reader *r)
{
	struct json_object *p = json_object_new_object(), *data;
	struct client_reply reply = {0};
	char path[48], *text = NULL;
	size_t len;
	int err;

	snprintf(path, sizeof(path), "gsh/%s/%" PRIu64, r->coord ? "coord" : "calls", r->next);
	json_object_object_add(p, "path", json_object_new_string(path));
	json_object_object_add(p, "offset", json_object_new_int(0));
	err = -client_call(r->conn, "org.gsh.Box.ProcRead", p, NULL, 0, &reply);
	if (!err && reply.error[0])
		err = (int)reply_number(reply.params, "errno", EIO);
	if (!err && json_object_object_get_ex(reply.params, "data_b64", &data)) {
		len = (size_t)json_object_get_string_len(data);
		text = malloc(len + 1);
		if (text)
			text[client_unbase64(json_object_get_string(data), len, text)] = '\0';
	}
	client_reply_free(&reply);
	errno = err ? err : text ? 0 : ENOMEM;
	return text;
}

/* Names come from inside: letters, digits and _ only. */
static bool plain(const char *name)
{
	for (; *name; name++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", *name))
			return false;
	return true;
}

/* "SIG15" is SIGTERM. */
static void name_signal(char *name, size_t size)
{
	int sig = strncmp(name, "SIG", 3) == 0 ? atoi(name + 3) : 0;
	const char *abbrev = sig > 0 ? sigabbrev_np(sig) : NULL;

	if (abbrev)
		snprintf(name, size, "SIG%s", abbrev);
	else if (sig >= SIGRTMIN)
		snprintf(name, size, "SIGRTMIN+%d", sig - SIGRTMIN);
}

struct event {
	uint64_t number, time;
	int from, to;
	char name[32];
	unsigned int size, fds;
	const char *call; /* name and arguments; `name` is the result */
};

static bool parse(const struct reader *r, const char *line, struct event *e)
{
	char *at;
	size_t n;

	if (!r->coord) { /* there may be a million of them: by hand */
		e->number = strtoull(line, &at, 10);
		e->time = strtoull(at, &at, 10);
		e->from = (int)strtol(at, &at, 10);
		n = *at == ' ' ? strcspn(at + 1, " ") : 0;
		if (!n || n >= sizeof(e->name) || !at[1 + n])
			return false;
		snprintf(e->name, sizeof(e->name), "%.*s", (int)n, at + 1);
		e->call = at + n + 2;
		return true;
	}
	return sscanf(line, "%" SCNu64 " %" SCNu64 " %d %d %23s %u %u", &e->number, &e->time, &e->from, &e->to,
		      e->name, &e->size, &e->fds) == 7;
}

static void show(const struct reader *r, struct event *e)
{
	double seconds = e->time > r->start ? (double)(e->time - r->start) / 1e9 : 0;

	if (!r->coord) {
		trace_show(r->trace, r->to, r->end,
			   &(struct trace_line){e->from, e->time, e->name, e->call}, seconds);
		return;
	}
	if (!plain(e->name)) /* "-": what failed */
		return;
	name_signal(e->name, sizeof(e->name));
	if (r->json)
		fprintf(r->to,
			"{\"time\": %.6f, \"from\": %d, \"to\": %d, \"name\": \"%s\", "
			"\"size\": %u, \"fds\": %u}%s",
			seconds, e->from, e->to, e->name, e->size, e->fds, r->end);
	else
		fprintf(r->to, "%11.6f %5d -> %-5d %-10s %5u%s%s", seconds, e->from, e->to, e->name, e->size,
			e->fds ? "  +fd" : "", r->end);
}

/* Go on with this record, for what lies before it is not there. False: it may be in a moment, so wait for it a turn. */
static bool skip_to(struct reader *r, uint64_t number)
{
	if (number > r->next && r->next >= r->old)
		return false;
	r->lost += number - r->next;
	r->next = number;
	return true;
}

/* One answer. *newest: the time of the last record shown, 0 if it is not yet time for more. */
static int take(struct reader *r, uint64_t *now, uint64_t *newest)
{
	char *text = fetch(r), *line, *rest = text;
	uint64_t first, next, end;
	bool more = true;

	*newest = 0;
	if (!text)
		return -errno;
	line = strsep(&rest, "\n");
	if (sscanf(line, "first %" SCNu64 " next %" SCNu64 " end %" SCNu64 " now %" SCNu64, &first, &next, &end,
		   now) != 4 || first > next) {
		free(text);
		return -EPROTO;
	}
	if (first > r->next) /* overwritten */
		r->lost += first - r->next;
	r->next = first;
	r->known = end;
	while (more && (line = strsep(&rest, "\n"))) {
		struct event e;

		if (!parse(r, line, &e) || e.number < r->next || e.number >= next)
			continue;
		more = skip_to(r, e.number);
		if (more) {
			show(r, &e);
			r->next = e.number + 1;
			r->taken++;
			*newest = e.time;
		}
	}
	if (!more || !skip_to(r, next))
		*newest = 0;
	free(text);
	return 0;
}

/* What has happened until now. */
static int turn(struct reader *r)
{
	uint64_t begin, now, newest;
	struct termios attr;
	int err, i;

	/* The relay may have set the terminal so that a line's end goes down and not back. */
	r->end = tcgetattr(fileno(r->to), &attr) || (attr.c_oflag & OPOST) ? "\n" : "\r\n";
	/* A turn that follows at once gives an unfinished record no time to be finished. */
	if (r->over || r->taken < MANY)
		r->old = r->over ? UINT64_MAX : r->known;
	r->taken = 0;
	err = take(r, &begin, &newest);
	for (i = 0; !err && newest && newest < begin && i < ANSWERS_MAX; i++)
		err = take(r, &now, &newest);
	return err ? err : fflush(r->to) ? -errno : 0;
}

/* The child: until the other end of the pipe is closed. */
static void watch(struct reader *r, int pipe)
{
	struct pollfd p = {.fd = pipe, .events = POLLIN};
	int err = 0;

	while (!err && poll(&p, 1, r->taken < MANY ? EVERY_MS : 0) == 0)
		err = turn(r);
	if (!err)
		err = turn(r);
	if (!err && r->next < r->known) {
		poll(NULL, 0, EVERY_MS);
		r->over = true;
		err = turn(r);
	}
	/* The terminal is the command's till then. */
	while (!p.revents)
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			break;
	if (r->trace->count) {
		trace_table(r->trace, r->to, r->end);
		fflush(r->to);
	}
	/* A sandbox that ended meanwhile is told of by whoever waits for the command. */
	if (err && err != -EPIPE && err != -ECONNRESET)
		note("trace: %s", strerror(-err));
	if (r->lost)
		note("trace: %" PRIu64 " records were overwritten before they were read, or never finished", r->lost);
	_exit(0);
}

/* Keep a throwaway sandbox while *hold is open. */
static int open_hold(const struct box *box, struct client **hold)
{
	struct client_reply reply = {0};
	int err = client_open(hold, box->path);

	if (err)
		return err;
	err = client_send(*hold, "org.gsh.Box.Hold", NULL, CLIENT_MORE, NULL, 0);
	if (!err)
		err = client_receive(*hold, &reply);
	if (!err && reply.error[0])
		err = -EPROTO;
	client_reply_free(&reply);
	return err;
}

static int start(struct trace *t, struct reader *r, const struct box *box)
{
	struct client *hold = NULL;
	uint64_t newest;
	int err, ends[2];

	err = client_open(&r->conn, box->path);
	if (!err)
		err = open_hold(box, &hold);
	if (!err)
		err = take(r, &r->start, &newest);
	if (!err && pipe2(ends, O_CLOEXEC) < 0)
		err = -errno;
	if (!err && (t->child = fork()) == 0) {
		signals_ignore();
		close(ends[1]);
		watch(r, ends[0]);
	}
	if (!err) {
		close(ends[0]);
		t->pipe = ends[1];
		if (t->child < 0)
			err = -errno;
	}
	/* From here on they are the child's. */
	client_close(hold);
	client_close(r->conn);
	return err;
}

int trace_start(struct trace *t, const struct box *box)
{
	/* From the end: none has that number yet. */
	struct reader r = {.json = t->json, .coord = t->coord, .trace = t, .to = stderr, .next = INT64_MAX};
	int err = 0;

	t->child = t->pipe = -1;
	if (t->file)
		r.to = fopen(t->file, "we");
	if (!r.to)
		return fail(FAIL_NO, t->file, "%s", strerror(errno));
	err = start(t, &r, box);
	if (t->file)
		fclose(r.to);
	return err ? fail(FAIL_NO, box->name, "it cannot be watched: %s", strerror(-err)) : 0;
}

void trace_finish(struct trace *t)
{
	if (t->pipe >= 0)
		close(t->pipe);
	if (t->child > 0)
		while (waitpid(t->child, NULL, 0) < 0 && errno == EINTR)
			;
	t->child = t->pipe = -1;
}
