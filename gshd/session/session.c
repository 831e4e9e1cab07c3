/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sessions: starting a program, its states, its end. See session.h. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "gshd/wire/json.h"
#include "gshd/log.h"
#include "gshd/session/session.h"

#define MERCY_S 5  /* between SIGTERM and SIGKILL */
#define CLIENT_S 1 /* for a client to be first */
#define EXITED_MAX 32 /* kept for those who attach later */

static void session_free(struct monitor *m, struct session *s)
{
	struct session **p = &m->sessions;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	m->nsessions--;
	terminal_close(s);
	if (s->end_ev)
		event_free(s->end_ev);
	json_object_put(s->argv);
	lines_close(s);
	free(s->ring);
	free(s);
}

/* The oldest are at the end of the list. */
static void forget_old(struct monitor *m)
{
	struct session *s, *next;
	unsigned kept = 0;

	for (s = m->sessions; s; s = next) {
		next = s->next;
		if (s->state == SESSION_EXITED && ++kept > EXITED_MAX)
			session_free(m, s);
	}
}

/* ---- the order ---- */

struct strings {
	char *text;
	size_t size, room;
};

static bool add_string(struct strings *b, const char *text)
{
	size_t n = strlen(text) + 1;

	if (b->size + n > b->room) {
		size_t room = 2 * (b->size + n) + 4096;
		char *more = realloc(b->text, room);
		if (!more)
			return false;
		b->text = more;
		b->room = room;
	}
	memcpy(b->text + b->size, text, n);
	b->size += n;
	return true;
}

static bool add_array(struct strings *b, struct json_object *array, uint32_t *count)
{
	size_t n = array ? json_object_array_length(array) : 0;

	for (size_t i = 0; i < n; i++)
		if (!add_string(b, json_object_get_string(json_object_array_get_idx(array, i))))
			return false;
	*count = (uint32_t)n;
	return true;
}

static int big_memfd(const struct strings *b)
{
	int fd = memfd_create("start", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n = fd < 0 ? -1 : write(fd, b->text, b->size);

	if (fd >= 0 && n != (ssize_t)b->size) {
		close(fd);
		return -ENOMEM;
	}
	return fd < 0 ? -errno : fd;
}

static void on_started(struct monitor *m, void *arg, const struct mon_msg *answer,
		       const void *payload);

static int ask_start(struct session *s, const struct session_args *args, int fds[5], unsigned nfds)
{
	struct mon_start start = { .umask = args->umask & 0777,
				   .flags = (args->tty ? MON_START_SESSION : 0) |
					    (args->there ? MON_START_THERE : 0) };
	struct strings b = { 0 }, message = { 0 };
	int err = -ENOMEM, big = -1;

	if (!add_string(&b, args->cwd) || !add_array(&b, args->argv, &start.argc) ||
	    !add_array(&b, args->env, &start.envc))
		goto out;
	if (sizeof(struct mon_msg) + sizeof(start) + b.size > MON_MSG_MAX) {
		start.flags |= MON_START_BIG;
		big = fds[nfds] = big_memfd(&b);
		err = big;
		if (big < 0)
			goto out;
		nfds++;
		b.size = 0;
	}
	message.text = malloc(sizeof(start) + b.size);
	if (!message.text)
		goto out;
	memcpy(message.text, &start, sizeof(start));
	memcpy(message.text + sizeof(start), b.text, b.size);
	err = control_ask(s->m, MON_START, message.text, sizeof(start) + b.size, fds, nfds,
			  on_started, s);
out:
	if (big >= 0)
		close(big);
	free(message.text);
	free(b.text);
	return err;
}

/* ---- Run ---- */

/* A directory would let the program walk the host from it. Only what bytes come from or go to. */
static bool passable(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || (fcntl(fd, F_GETFL) & O_PATH))
		return false;
	return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode) ||
	       S_ISSOCK(st.st_mode);
}

static struct session *session_new(struct monitor *m, const struct session_args *args)
{
	struct session *s;

	forget_old(m);
	if (m->nsessions >= SESSIONS_MAX)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->m = m;
	s->id = ++m->next_session;
	s->state = SESSION_STARTING;
	s->master = s->slave = s->number = -1;
	s->argv = json_object_get(args->argv);
	s->edits = args->edit;
	s->lines.on = args->lines && args->op && args->tty && !m->spec.ephemeral;
	s->lines.cwd = s->lines.on ? strdup(args->cwd) : NULL;
	s->next = m->sessions;
	m->sessions = s;
	m->nsessions++;
	return s;
}

static int start(struct session *s, struct wire_call *call, const struct session_args *args)
{
	int fds[5];
	unsigned n = 3;
	int err;

	if (args->tty) {
		err = terminal_open(s, args->rows, args->cols);
		if (err)
			return err;
	}
	for (int i = 0; i < 3; i++)
		fds[i] = args->tty && isatty(call->fds[i]) ? s->slave : call->fds[i];
	if (args->tty)
		fds[n++] = s->slave;
	return ask_start(s, args, fds, n);
}

static void caller_gone(struct wire_call *call)
{
	struct session *s = call->data;

	if (s) {
		s->call = NULL;
		session_client_gone(s);
	}
	wire_reply(call, NULL);
}

/*
 * Nobody can come back to a throwaway sandbox whose client was killed: none knows its name. What runs there is hung up
 * on, and ended if that does not end it. A client that detached said that it may come back.
 */
void session_client_gone(struct session *s)
{
	struct mon_signal hup = { s->pid, SIGHUP }, cont = { s->pid, SIGCONT };

	if (!s->m->spec.ephemeral || s->call || s->viewers)
		return;
	s->hung_up = true;
	if (s->state != SESSION_RUNNING)
		return; /* who waits for its start looks again */
	monitor_look(s->m);
	if (!s->m->hung_up && (control_send(s->m, MON_SIGNAL, 0, &hup, sizeof(hup), NULL, 0) ||
			       control_send(s->m, MON_SIGNAL, 0, &cont, sizeof(cont), NULL, 0)))
		log_line("session %u cannot be hung up on", s->id);
}

bool session_all_hung_up(struct monitor *m)
{
	if (!m->spec.ephemeral || m->nholders || !m->nrunning)
		return false;
	for (struct session *s = m->sessions; s; s = s->next)
		if (!s->hung_up && s->state != SESSION_EXITED)
			return false;
	return true;
}

void session_not_begun(struct monitor *m, struct wire_call *call)
{
	wire_fail(call, "org.gsh.NotRunning", m->spec.name, "the sandbox is not running", "try again");
}

void session_run(struct monitor *m, struct wire_call *call, const struct session_args *args)
{
	struct session *s;
	int err;

	for (int i = 0; i < 3; i++)
		if (!passable(call->fds[i])) {
			wire_fail(call, "org.gsh.BadRequest", "run",
				  "stdin, stdout and stderr must be files, pipes, "
				  "sockets or terminals, not directories",
				  NULL);
			return;
		}
	s = session_new(m, args);
	if (!s) {
		wire_fail(call, "org.gsh.Failed", "run",
			  "too many programs were started in this sandbox", NULL);
		return;
	}
	s->begun_ms = ops_clock();
	s->op = args->op ? ops_begin(m, args->said ? args->said : args->argv, args->cwd) : 0;
	err = start(s, call, args);
	if (err) {
		lines_end_op(s, 127 << 8);
		session_free(m, s);
		if (err == -EPIPE) { /* the leader is gone, and we have not been told yet */
			session_not_begun(m, call);
			return;
		}
		wire_fail(call, "org.gsh.Failed",
			  args->tty ? "cannot open a terminal or start the program"
				    : "cannot start the program",
			  strerror(-err),
			  err == -EACCES && args->tty ? "/dev/ptmx must be open to all (mode 0666)"
						      : NULL);
		return;
	}
	s->call = call;
	call->data = s;
	call->gone = caller_gone;
}

static void reply_exec_failed(struct session *s, int error)
{
	struct json_object *p = json_object_new_object();

	json_put_int(p, "errno", error & ~MON_STARTED_PLACE);
	if (error & MON_STARTED_PLACE)
		json_put_bool(p, "place", true);
	json_put_str(p, "argv0", json_object_get_string(json_object_array_get_idx(s->argv, 0)));
	wire_error(s->call, "org.gsh.ExecFailed", p);
	s->call = NULL;
}

static struct json_object *identity(const struct session *s)
{
	struct json_object *p = json_object_new_object();

	json_put_int(p, "session", s->id);
	json_put_int(p, "pid", s->pid);
	if (s->m->limits.value[LIMIT_RUNTIME] != LIMIT_NONE)
		json_put_int(p, "runtime_max", (int64_t)s->m->limits.value[LIMIT_RUNTIME]);
	return p;
}

/* A client that waits ends its command itself, and says so; this is for those that nobody waits for. */
static void on_time_is_up(evutil_socket_t fd, short what, void *arg)
{
	struct timeval mercy = { MERCY_S, 0 };
	struct session *s = arg;
	struct mon_signal end = { -s->pid, s->told_to_end ? SIGKILL : SIGTERM }, cont = { -s->pid, SIGCONT };

	(void)fd, (void)what;
	if (s->state != SESSION_RUNNING)
		return;
	log_line("session %u has run for its time and is %s", s->id, s->told_to_end ? "killed" : "told to end");
	if (control_send(s->m, MON_SIGNAL, 0, &end, sizeof(end), NULL, 0) ||
	    control_send(s->m, MON_SIGNAL, 0, &cont, sizeof(cont), NULL, 0))
		log_line("session %u cannot be told to end", s->id);
	s->told_to_end = true;
	event_add(s->end_ev, &mercy);
}

static void limit_time(struct session *s)
{
	uint64_t seconds = s->m->limits.value[LIMIT_RUNTIME];
	struct timeval t = { (time_t)(seconds + CLIENT_S), 0 };

	if (seconds == LIMIT_NONE)
		return;
	s->end_ev = event_new(s->m->base, -1, 0, on_time_is_up, s);
	if (!s->end_ev || event_add(s->end_ev, &t))
		log_line("session %u: its time is not limited", s->id);
}

static void tell(struct session *s, const char *event)
{
	struct json_object *p = identity(s);

	json_object_object_add(p, "argv", json_object_get(s->argv));
	if (s->state == SESSION_EXITED)
		json_put_int(p, "status", s->status);
	event_tell(s->m, event, p);
}

void session_tell(struct session *s, const char *event)
{
	event_tell(s->m, event, identity(s));
}

static void on_started(struct monitor *m, void *arg, const struct mon_msg *answer,
		       const void *payload)
{
	struct mon_started started = { .error = EIO };
	struct session *s = arg;

	if (answer)
		memcpy(&started, payload, sizeof(started));
	if (s->slave >= 0)
		close(s->slave);
	s->slave = -1;
	if (started.error || started.pid <= 0) {
		if (s->call && answer)
			reply_exec_failed(s, started.error);
		else if (s->call) /* it may have begun: not for the client to repeat */
			wire_fail(s->call, "org.gsh.Failed", m->spec.name,
				  m->control < 0 ? "the sandbox ended while the program was being started"
						 : "its first process does not answer",
				  m->control < 0 ? NULL : "gsh stop -s NAME ends it, the next command starts it anew");
		s->call = NULL;
		lines_end_op(s, 127 << 8);
		session_free(m, s);
		monitor_look(m);
		return;
	}
	s->pid = started.pid;
	owners_session(m, s->op, s->pid, s->lines.on);
	s->state = SESSION_RUNNING;
	m->nrunning++;
	m->had_session = true;
	limit_time(s);
	watch_again(m); /* what begins, grows */
	tell(s, "start");
	if (!s->call) {
		session_client_gone(s);
		return;
	}
	if (s->master >= 0) {
		struct wire_call *call = s->call;
		s->call = NULL;
		terminal_view(s, call, identity(s), s->edits);
	} else if (s->call->more) {
		wire_reply_more(s->call, identity(s));
	}
}

/* ---- the end ---- */

static void finish(struct monitor *m, struct session *s)
{
	struct json_object *p;

	s->state = SESSION_EXITED;
	m->nrunning--;
	lines_end_op(s, s->status);
	tell(s, "exit");
	if (s->call) {
		p = s->call->more ? json_object_new_object() : identity(s);
		json_put_int(p, "status", s->status);
		wire_reply(s->call, p);
		s->call = NULL;
	}
	if (s->master >= 0) {
		terminal_close(s);
		forget_old(m);
	} else {
		session_free(m, s);
	}
	monitor_look(m);
}

void session_drained(struct session *s)
{
	finish(s->m, s);
}

void session_exited(struct monitor *m, int pid, int status)
{
	for (struct session *s = m->sessions; s; s = s->next) {
		if (s->pid != pid || s->state != SESSION_RUNNING)
			continue;
		s->status = status;
		if (s->master >= 0) {
			s->state = SESSION_DRAINING;
			terminal_drain(s);
		} else {
			finish(m, s);
		}
		return;
	}
	/* Not one that we asked for: nobody waits for it. */
}

void session_end_all(struct monitor *m)
{
	struct session *s = m->sessions;

	while (s) {
		bool live = s->state == SESSION_RUNNING || s->state == SESSION_DRAINING;
		if (s->state == SESSION_RUNNING)
			s->status = SIGKILL;
		if (live)
			finish(m, s); /* may free it and others */
		s = live ? m->sessions : s->next;
	}
}

/* ---- looking ---- */

int session_pid(struct monitor *m, unsigned id)
{
	for (struct session *s = m->sessions; s; s = s->next)
		if (s->id == id && s->state == SESSION_RUNNING)
			return s->pid;
	return 0;
}

void session_attach(struct monitor *m, struct wire_call *call, unsigned id, uint16_t rows,
		    uint16_t cols, bool edit)
{
	struct session *s = m->sessions;

	while (s && s->id != id)
		s = s->next;
	if (!s || s->state == SESSION_STARTING) {
		wire_fail(call, "org.gsh.BadRequest", "attach", "there is no such session",
			  "gsh ps lists them");
		return;
	}
	if (!s->ring) {
		wire_fail(call, "org.gsh.Refused", "attach", "that session has no terminal", NULL);
		return;
	}
	terminal_resize(s, rows, cols);
	terminal_view(s, call, identity(s), edit);
}

static struct session *by_terminal(struct monitor *m, unsigned number)
{
	struct session *s = m->sessions;

	while (s && (s->number != (int)number || s->state != SESSION_RUNNING || s->master < 0))
		s = s->next;
	return s;
}

bool session_waits(struct monitor *m, const struct mon_pty *q)
{
	struct session *s = by_terminal(m, q->number);

	if (s && q->pid == s->pid)
		lines_wait(s, q);
	return s && edit_waits(s, q->pid);
}

void session_modes(struct monitor *m, const struct mon_pty *q, const char *text, size_t size, struct request *r)
{
	struct session *s = by_terminal(m, q->number);

	if (s && q->pid == s->pid && q->op == MON_PTY_RAW)
		lines_prompt(s, q);
	else if (s && q->pid == s->pid)
		lines_typed(s, q, text, size, r);
}

bool session_waited(struct monitor *m, unsigned number, const char *text, size_t size)
{
	struct session *s = by_terminal(m, number);

	if (s && s->edit.reader == s->pid && size)
		lines_begin(s, text, size);
	return s && edit_waited(s, text, size);
}

struct json_object *session_list(struct monitor *m)
{
	struct json_object *list = json_object_new_array();
	char tty[32];

	for (struct session *s = m->sessions; s; s = s->next) {
		struct json_object *o = identity(s);
		snprintf(tty, sizeof(tty), "pts/%d", s->number);
		if (s->number >= 0)
			json_put_str(o, "tty", tty);
		json_object_object_add(o, "id", json_object_new_int64(s->id));
		json_object_object_add(o, "argv", json_object_get(s->argv));
		json_put_bool(o, "attached", s->viewers != NULL || s->call != NULL);
		json_put_bool(o, "exited", s->state == SESSION_EXITED);
		if (s->state == SESSION_EXITED)
			json_put_int(o, "status", s->status);
		json_object_array_add(list, o);
	}
	return list;
}
