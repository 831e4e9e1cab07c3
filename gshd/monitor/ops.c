/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Ops of a running sandbox.
 *
 * The chain of layers stands in the sandbox area, where picoprocesses see that it changed
 * (pal/grant.h, libos/fs/union_chain.c). The area is theirs to write: what is there is never read.
 *
 * While a process that split off lives, the top stays where it is: its Landlock rules hang on
 * directories that would become read-only with it. Ops then share a layer, and undo waits. An op shares the layer of
 * the one before it, too, while a process holds a file of that layer open for writing, or locked.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "gshd/store/contents.h"
#include "gshd/store/held.h"
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/monitor/monitor.h"

_Static_assert(GRANT_CHAIN_AT + sizeof(struct grant_chain) <= GRANT_NAMES_AT, "one ends where the other begins");

int64_t ops_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The words that readers pair by. Ours are kept apart: theirs may be anything. */
static void write_chain(struct history *h, bool pushed)
{
	struct monitor *m = h->arg;
	struct grant_chain *c = m->chain;
	static uint32_t seq = 2, epoch;

	__atomic_store_n(&c->seq, ++seq, __ATOMIC_SEQ_CST);
	contents_changed(m->contents, pushed);
	epoch += !pushed;
	c->epoch = epoch;
	c->n = h->n;
	memcpy(c->number, h->number, sizeof(c->number));
	__atomic_store_n(&c->seq, ++seq, __ATOMIC_SEQ_CST);
}

int ops_start(struct monitor *m, int area)
{
	char *page = mmap(NULL, GRANT_DIALS_AT + sizeof(struct grant_dials),
			  PROT_READ | PROT_WRITE, MAP_SHARED, area, 0);

	if (page == MAP_FAILED)
		return -errno;
	m->area = fcntl(area, F_DUPFD_CLOEXEC, 0);
	if (m->area < 0)
		return -errno;
	m->chain = (struct grant_chain *)(page + GRANT_CHAIN_AT);
	m->dials = (struct grant_dials *)(page + GRANT_DIALS_AT);
	m->late_binds = (struct grant_binds *)(page + GRANT_BINDS_AT);
	m->history.publish = write_chain;
	m->history.arg = m;
	m->chain->n = m->history.n;
	memcpy(m->chain->number, m->history.number, sizeof(m->chain->number));
	__atomic_store_n(&m->chain->seq, 2, __ATOMIC_SEQ_CST);
	m->contents = contents_create(m->base, &m->history, (struct grant_names *)(page + GRANT_NAMES_AT));
	return 0;
}

/* What a process writes, or has locked, must stay one file for it and for those who come: no layer on top of it now. */
static bool top_is_held(const struct monitor *m)
{
	char place[32];

	snprintf(place, sizeof(place), "/tree/top/%04u/", m->history.number[m->history.n - 1]);
	return held_below(place);
}

int64_t ops_begin(struct monitor *m, struct json_object *argv, const char *cwd)
{
	int64_t op = 0;
	bool empty;
	int err;

	if (m->spec.ephemeral || m->state != BOX_RUNNING)
		return 0;
	empty = history_top_empty(&m->history);
	m->history.frozen = m->nsplits > 0 || (!empty && top_is_held(m));
	err = history_begin(&m->history, argv, cwd, &op);
	if (!err)
		owners_begin(m, op, m->history.number[m->history.n - 1], empty);
	if (err)
		log_line("no op of its own for a command: %s", strerror(-err));
	squash_look(m);
	return err ? 0 : op;
}

void ops_end(struct monitor *m, int64_t op, int status, int64_t started_ms, struct json_object *argv)
{
	if (op)
		history_end(&m->history, op, status, ops_clock() - started_ms, argv);
	if (op)
		owners_end(m, op);
	if (op && m->state == BOX_RUNNING)
		keep_common(m);
}

/* ---- what clients ask ---- */

static bool may(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	m->history.frozen = m->nsplits > 0;
	if (m->state == BOX_RUNNING && !m->spec.ephemeral)
		return true;
	if (m->spec.ephemeral)
		wire_fail(call, "org.gsh.Refused", m->spec.name, "a throwaway sandbox keeps no history", NULL);
	else
		session_not_begun(m, call);
	return false;
}

void box_push_op(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	if (!may(call))
		return;
	m->history.frozen |= !history_top_empty(&m->history) && top_is_held(m);
	history_answer_push(call, &m->history);
	squash_look(m);
}

void box_end_op(struct wire_call *call)
{
	struct monitor *m = call->server->context;
	int64_t op = json_int(call->params, "op", 0);

	if (op < 1 || op > m->history.last_op) {
		wire_fail(call, "org.gsh.BadRequest", "op", "there is no such op", NULL);
		return;
	}
	history_end(&m->history, op, (int)json_int(call->params, "status", 0), json_int(call->params, "ms", 0),
		    NULL);
	keep_common(m);
	wire_reply(call, NULL);
}

static void undo_or_redo(struct wire_call *call, int (*fn)(struct history *, unsigned, unsigned *))
{
	struct monitor *m = call->server->context;

	if (may(call))
		history_answer(call, &m->history, fn);
}

void box_undo(struct wire_call *call)
{
	squash_cancel(call->server->context);
	undo_or_redo(call, history_undo);
}

void box_undoes(struct wire_call *call)
{
	int64_t count = json_int(call->params, "count", 1);

	if (!may(call))
		return;
	if (count < 1 || count > HISTORY_COUNT_MAX)
		wire_fail(call, "org.gsh.BadRequest", "count", "it must be 1 to 1000", NULL);
	else
		box_processes_undone(call, (unsigned)count);
}

void box_redo(struct wire_call *call)
{
	undo_or_redo(call, history_redo);
}

void box_snapshot(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	if (may(call))
		history_answer_snapshot(call, &m->history);
}

void box_adopt(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	if (may(call))
		history_answer_adopt(call, &m->history);
}

void box_seal(struct wire_call *call)
{
	struct monitor *m = call->server->context;

	if (may(call))
		history_answer_seal(call, &m->history);
}

/* An answer carries no descriptors: the caller gave the end of a socket pair for that. */
static int send_fd(int sock, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control);
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* fd: or -errno. */
static void answer_fd(struct wire_call *call, const char *what, int fd)
{
	int err = call->nfds != 1 ? -EINVAL : fd < 0 ? fd : send_fd(call->fds[0], fd);

	if (err)
		wire_fail(call, "org.gsh.BadRequest", what, strerror(-err), NULL);
	else
		wire_reply(call, NULL);
}

void box_counters(struct wire_call *call)
{
	const struct monitor *m = call->server->context;

	answer_fd(call, "counters", m->chain ? m->area : -EINVAL);
}

/* The directory of the sandbox's memory file system, where the libOS keeps what files are locked at. */
static int memory_dir(const struct monitor *m)
{
	int fd;

	if (m->rung == GRANT_RUNG_A)
		return confine_memory_dir(&m->child);
	fd = m->shm[0] ? open(m->shm, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	return fd < 0 && !m->shm[0] ? -ENOENT : fd < 0 ? -errno : fd;
}

void box_locks(struct wire_call *call)
{
	int fd = memory_dir(call->server->context);

	answer_fd(call, "locks", fd);
	if (fd >= 0)
		close(fd);
}
