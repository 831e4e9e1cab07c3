/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A session's terminal: output from the pty's master to the viewers, the screen and the ring, input
 * from the viewers to the master.
 *
 * Who attaches gets a drawing of the screen (screen.h) and then what follows; no output is read while
 * it is drawn. Nobody attached: output is read and kept, so a build never waits. Somebody attached:
 * reading stops while every viewer has more than HIGH bytes unread, so that a flood is held at its
 * source and ^C works at once; a viewer that lags behind faster ones is cut off by the wire's own
 * bound. Input that the terminal does not take stays with its viewer, whose connection is then not
 * read.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "gshd/client/frames.h"
#include "gshd/log.h"
#include "gshd/session/session.h"

#define HIGH (256u << 10)
#define QUIET_MS 100

/* ---- output ---- */

static bool all_behind(const struct session *s)
{
	if (!s->viewers)
		return false;
	for (const struct viewer *v = s->viewers; v; v = v->next)
		if (wire_backlog(v->conn) <= HIGH)
			return false;
	return true;
}

/* Should no more output be read just now? */
static bool held(const struct session *s)
{
	return s->drawing || screen_behind(s->screen) || all_behind(s);
}

static void read_on(struct session *s)
{
	if (s->master >= 0 && s->out_ev && s->state != SESSION_EXITED && !held(s))
		event_add(s->out_ev, NULL);
}

static void send_data(struct wire_conn *conn, const char *data, size_t size)
{
	uint8_t head[FRAME_HEAD];

	if (!size)
		return;
	frame_head(head, FRAME_DATA, size);
	wire_write(conn, head, sizeof(head));
	wire_write(conn, data, size);
}

static void timer(struct session *s)
{
	struct timeval t = { 0, QUIET_MS * 1000 };

	event_add(s->quiet_ev, &t);
}

static void on_output(evutil_socket_t master, short what, void *arg)
{
	static char buf[16384];
	struct session *s = arg;
	ssize_t n = read(master, buf, sizeof(buf));

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* EIO: nobody has the slave open. While the program runs it may open it again: look
		 * now and then. */
		event_del(s->out_ev);
		if (s->state == SESSION_DRAINING)
			session_drained(s);
		else
			timer(s);
		return;
	}
	ring_put(s->ring, buf, (size_t)n);
	s->printed += (size_t)n;
	screen_feed(s->screen, buf, (size_t)n);
	for (struct viewer *v = s->viewers; v; v = v->next)
		send_data(v->conn, buf, (size_t)n);
	if (held(s))
		event_del(s->out_ev);
	if (s->state == SESSION_DRAINING)
		timer(s);
}

static void on_quiet(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd, (void)what;
	/* Held back by slow viewers is not quiet: they read on, or go. */
	if (s->state == SESSION_DRAINING && !held(s)) {
		session_drained(s);
		return;
	}
	if (s->state == SESSION_DRAINING)
		timer(s);
	else
		read_on(s);
}

void terminal_drain(struct session *s)
{
	event_add(s->out_ev, NULL);
	timer(s);
}

/* ---- input ---- */

static void resize(struct session *s, const struct frame_winsize *f)
{
	struct winsize w = { f->rows, f->cols, f->xpixel, f->ypixel };

	if (s->master < 0)
		return;
	ioctl(s->master, TIOCSWINSZ, &w);
	screen_resize(s->screen, f->rows, f->cols);
}

void terminal_resize(struct session *s, uint16_t rows, uint16_t cols)
{
	struct frame_winsize f = { .rows = rows, .cols = cols };

	if (rows && cols)
		resize(s, &f);
}

static void signal_foreground(struct session *s, uint32_t sig)
{
	pid_t group;

	if (s->master < 0 || sig == 0 || sig >= NSIG)
		return;
	/* The kernel itself delivers the three that a key can send. For the others we need the
	 * group. */
	if (!ioctl(s->master, TIOCSIG, sig))
		return;
	if (!ioctl(s->master, TIOCGPGRP, &group) && group > 1)
		kill(-group, (int)sig);
}

/* Take one frame off the buffer. False: there is none, or the terminal takes no more; -EPROTO in
 * *err: no frame. */
static bool take_frame(struct session *s, struct evbuffer *in, bool *detach, int *err)
{
	struct frame f;
	struct frame_winsize w;
	uint32_t sig;
	uint8_t *p = evbuffer_pullup(in, FRAME_HEAD);
	ssize_t n;

	if (!p)
		return false;
	f.type = p[0];
	f.size = p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16;
	if (f.size > FRAME_MAX) {
		*err = -EPROTO;
		return false;
	}
	p = evbuffer_pullup(in, (ssize_t)(FRAME_HEAD + f.size));
	if (!p)
		return false;
	f.data = p + FRAME_HEAD;
	switch (s->master < 0 ? EDIT_NOT : edit_frame(s, &f)) {
	case EDIT_FULL:
		return false;
	case EDIT_TAKEN:
		evbuffer_drain(in, FRAME_HEAD + f.size);
		return true;
	case EDIT_NOT:
		break;
	}
	if (f.type == FRAME_DATA && s->master >= 0 && f.size) {
		lines_key(s);
		n = write(s->master, f.data, f.size);
		if (n < 0 && errno == EAGAIN) {
			event_add(s->in_ev, NULL);
			return false;
		}
		if (n > 0)
			typed_add(&s->edit.typed, f.data, (size_t)n);
		if (n > 0 && (size_t)n < f.size) {
			/* Put the head of the rest over the last bytes that were taken. */
			uint8_t head[FRAME_HEAD];
			frame_head(head, FRAME_DATA, f.size - (size_t)n);
			memcpy(p + n, head, sizeof(head));
			evbuffer_drain(in, (size_t)n);
			return true;
		}
	} else if (f.type == FRAME_WINSIZE && !frame_get_winsize(&f, &w)) {
		resize(s, &w);
	} else if (f.type == FRAME_SIGNAL && !frame_get_u32(&f, &sig)) {
		signal_foreground(s, sig);
	} else if (f.type == FRAME_DETACH) {
		*detach = true;
	} else if (f.type != FRAME_DATA && f.type != FRAME_LINE && f.type != FRAME_EDIT_READY) {
		*err = -EPROTO;
	}
	evbuffer_drain(in, FRAME_HEAD + f.size);
	return !*err && !*detach;
}

static void viewer_remove(struct viewer *v)
{
	struct session *s = v->session;
	struct viewer **p = &s->viewers;

	while (*p != v)
		p = &(*p)->next;
	*p = v->next;
	if (s->draws_for == v)
		s->draws_for = NULL;
	edit_viewers(s, v);
	free(v);
	session_tell(s, "detach");
	if (!s->viewers)
		screen_viewed(s->screen, false);
	/* The one that held the output back may have been this one. */
	read_on(s);
}

static void on_bytes(struct wire_conn *conn, struct evbuffer *in, void *arg)
{
	struct viewer *v = arg;
	bool detach = false;
	int err = 0;

	while (take_frame(v->session, in, &detach, &err))
		;
	if (err)
		log_line("a client broke the protocol: no such frame");
	if (err || detach) {
		viewer_remove(v);
		wire_finish(conn);
	}
}

static void on_room(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd, (void)what;
	edit_room(s);
	terminal_go_on(s);
}

void terminal_when_room(struct session *s)
{
	event_add(s->in_ev, NULL);
}

void terminal_go_on(struct session *s)
{
	for (struct viewer *v = s->viewers; v; v = v->next)
		wire_again(v->conn);
}

void terminal_echo(struct session *s, const char *text, size_t size)
{
	ring_put(s->ring, text, size);
	screen_feed(s->screen, text, size);
}

static void on_drained(struct wire_conn *conn, void *arg)
{
	struct viewer *v = arg;
	struct session *s = v->session;

	(void)conn;
	read_on(s);
}

static void on_gone(struct wire_conn *conn, void *arg)
{
	struct session *s = ((struct viewer *)arg)->session;

	(void)conn;
	viewer_remove(arg);
	session_client_gone(s);
}

static const struct wire_raw terminal_raw = { .bytes = on_bytes,
					      .drained = on_drained,
					      .gone = on_gone };

/* ---- the screen ---- */

static void send_ring(struct session *s, struct viewer *v)
{
	size_t size;

	for (int i = 0; i < 2 && s->ring; i++) {
		const char *piece = ring_piece(s->ring, i, &size);
		send_data(v->conn, piece, size);
	}
}

/* Draw for the next who waits. */
static void draw_next(struct session *s)
{
	struct viewer *v = s->viewers;

	while (v && !v->waiting)
		v = v->next;
	if (!v || s->drawing)
		return;
	s->draws_for = v;
	s->drawing = screen_draw(s->screen);
	if (s->drawing)
		event_del(s->out_ev);
	else
		send_ring(s, v);
	v->waiting = s->drawing;
}

static void on_answer(void *arg, const void *data, size_t size)
{
	struct session *s = arg;

	/* A program that does not read has no use for it. */
	if (s->master >= 0 && write(s->master, data, size) < 0 && errno != EAGAIN)
		log_line("terminal: %s", strerror(errno));
}

static void on_piece(void *arg, const void *data, size_t size)
{
	struct session *s = arg;

	if (s->draws_for)
		send_data(s->draws_for->conn, data, size);
}

static void on_drawn(void *arg, bool ok)
{
	struct session *s = arg;

	s->drawing = false;
	if (s->draws_for) {
		if (!ok)
			send_ring(s, s->draws_for);
		s->draws_for->waiting = false;
		s->draws_for = NULL;
		edit_viewers(s, NULL);
		/* A program that draws for itself knows better, and the size may be the same. */
		signal_foreground(s, SIGWINCH);
	}
	draw_next(s);
	read_on(s);
}

static void on_screen_room(void *arg)
{
	read_on(arg);
}

static const struct screen_ops screen_ops = {
	.answer = on_answer, .piece = on_piece, .drawn = on_drawn, .room = on_screen_room
};

/* ---- opening, viewing, closing ---- */

int terminal_open(struct session *s, uint16_t rows, uint16_t cols)
{
	int number = pty_new(s->m, &s->master);

	s->slave = number < 0 ? -1 : ioctl(s->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (number >= 0 && s->slave < 0) {
		number = -errno;
		close(s->master);
	}
	if (number < 0) {
		s->master = -1;
		return number;
	}
	s->number = number;
	fcntl(s->master, F_SETFL, O_RDWR | O_NONBLOCK);
	s->ring = calloc(1, sizeof(*s->ring));
	s->out_ev = event_new(s->m->base, s->master, EV_READ | EV_PERSIST, on_output, s);
	s->in_ev = event_new(s->m->base, s->master, EV_WRITE, on_room, s);
	s->quiet_ev = event_new(s->m->base, -1, 0, on_quiet, s);
	if (!s->ring || !s->out_ev || !s->in_ev || !s->quiet_ev || edit_open(s))
		return -ENOMEM;
	terminal_resize(s, rows, cols);
	s->screen = screen_open(s->m->base, rows, cols, &screen_ops, s);
	event_add(s->out_ev, NULL);
	return 0;
}

static void send_exit(struct session *s, struct wire_conn *conn)
{
	uint8_t frame[FRAME_HEAD + 4];

	frame_head(frame, FRAME_EXIT, 4);
	frame_put_u32(frame + FRAME_HEAD, (uint32_t)s->status);
	wire_write(conn, frame, sizeof(frame));
	wire_finish(conn);
}

void terminal_view(struct session *s, struct wire_call *call, struct json_object *params, bool edits)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v) {
		json_object_put(params);
		wire_fail(call, "org.gsh.Failed", "terminal", "out of memory", NULL);
		return;
	}
	v->session = s;
	v->conn = wire_upgrade(call, params, &terminal_raw, v);
	if (v->conn && s->state != SESSION_EXITED) {
		s->hung_up = false;
		v->waiting = s->viewed && s->ring && s->ring->have;
		v->edits = edits;
		v->next = s->viewers;
		s->viewers = v;
		if (!s->viewed)
			send_ring(s, v); /* what was printed before its own terminal could look: as it is */
		s->viewed = true;
		screen_viewed(s->screen, true);
		draw_next(s);
		edit_viewers(s, NULL);
		session_tell(s, "attach");
		return;
	}
	if (v->conn) {
		send_ring(s, v);
		send_exit(s, v->conn);
	} else {
		session_client_gone(s);
	}
	free(v);
}

void terminal_close(struct session *s)
{
	while (s->viewers) {
		struct viewer *v = s->viewers;
		s->viewers = v->next;
		if (v->waiting)
			send_ring(s, v);
		send_exit(s, v->conn);
		free(v);
	}
	edit_close(s);
	s->draws_for = NULL;
	s->drawing = false;
	screen_close(s->screen);
	s->screen = NULL;
	if (s->out_ev)
		event_free(s->out_ev);
	if (s->in_ev)
		event_free(s->in_ev);
	if (s->quiet_ev)
		event_free(s->quiet_ev);
	s->out_ev = s->in_ev = s->quiet_ev = NULL;
	if (s->slave >= 0)
		close(s->slave);
	if (s->master >= 0)
		close(s->master);
	s->master = s->slave = -1;
}
