/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lines that a client edits in a terminal's stead.
 *
 * Whoever reads a terminal that is canonical and echoes says so before it waits (MON_PTY_WAIT). If the
 * session's only viewer has an editor, the terminal is told by EXTPROC to let go: it then neither echoes nor
 * edits, and what is written to it reaches the reader as it is, while the program inside sees the settings
 * that it made. All else, raw programs and silent questions, commands that run and read nothing, is the
 * terminal's business, and there every key goes.
 *
 *	OFF      --the reader waits, and output has come to rest--> ASKED, 'e' to the client
 *	ASKED    --'a', no key will come that was typed before--> TAKING, EXTPROC
 *	TAKING   --nothing more of an unfinished line comes back--> ON, 'g' with all keys typed so far
 *	ON       --'l'--> SENT --the reader has it--> OFF
 *	ON       --the reader is interrupted--> PAUSED --it waits again--> ON, or, if it does not, 'p' --> OFF
 *
 * What the sandbox says here decides nothing but when the client edits: bytes go to the sandbox's own terminal
 * either way.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "gshd/log.h"
#include "gshd/session/session.h"

#define REST_MS 2     /* from a write inside to the master's end takes less */
#define BACK_MS 2     /* for the reader to hand back an unfinished line */
#define PAUSE_MS 20   /* for an interrupted reader to come back */
#define SENT_MS 500   /* for a reader to have taken a line; else it has gone */
#define SETTLE_MS 50  /* for a line to have reached its reader through the terminal */
#define PROMPT_MAX 1024
#define KEYS_MAX 32768

static void after(struct session *s, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	event_add(s->edit.timer, &t);
}

static bool modes(struct session *s, struct termios *t)
{
	return s->master >= 0 && !tcgetattr(s->master, t);
}

static void let_go(struct session *s, bool on)
{
	struct termios t;

	if (!modes(s, &t) || !(t.c_lflag & EXTPROC) == !on)
		return;
	t.c_lflag = on ? t.c_lflag | EXTPROC : t.c_lflag & ~(tcflag_t)EXTPROC;
	tcsetattr(s->master, TCSANOW, &t);
}

/* The only one who looks, if it has an editor and has seen everything. */
static struct viewer *editor(const struct session *s)
{
	struct viewer *v = s->viewers;

	return v && !v->next && v->edits && !v->waiting ? v : NULL;
}

static void tell(struct session *s, uint8_t type, struct evbuffer *payload)
{
	struct viewer *v = editor(s);
	uint8_t head[FRAME_HEAD];
	size_t n = payload ? evbuffer_get_length(payload) : 0;

	if (!v)
		return;
	frame_head(head, type, n);
	wire_write(v->conn, head, sizeof(head));
	if (n)
		wire_write(v->conn, evbuffer_pullup(payload, -1), n);
}

/* ---- input for the terminal ---- */

void edit_room(struct session *s)
{
	struct evbuffer *in = s->edit.input;

	while (evbuffer_get_length(in)) {
		size_t n = evbuffer_get_contiguous_space(in);
		ssize_t put = write(s->master, evbuffer_pullup(in, (ssize_t)n), n);

		if (put <= 0) {
			if (put < 0 && errno == EAGAIN)
				terminal_when_room(s);
			else
				evbuffer_drain(in, evbuffer_get_length(in));
			return;
		}
		typed_add(&s->edit.typed, evbuffer_pullup(in, put), (size_t)put);
		evbuffer_drain(in, (size_t)put);
	}
	if (s->edit.state == EDIT_SENT)
		after(s, SENT_MS);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Bytes for a terminal that edits. With a line or an end of file among them the reader will not wait any longer; and to
 * make the terminal let go while it has them would join lines, and lose an end of file. */
static void fed(struct session *s, const void *data, size_t size)
{
	const char *p = data;

	for (size_t i = 0; i < size; i++)
		if (p[i] == '\r' || p[i] == '\n' || p[i] == 4) {
			lines_ended(s);
			s->edit.reading = false;
			s->edit.settled = now_ms() + SETTLE_MS;
		}
}

/* The terminal edits again, and gets what was typed meanwhile. */
static void end(struct session *s)
{
	size_t n;

	let_go(s, false);
	s->edit.state = EDIT_OFF;
	s->edit.line = false;
	event_del(s->edit.timer);
	evbuffer_add_buffer(s->edit.input, s->edit.back);
	evbuffer_add_buffer(s->edit.input, s->edit.keys);
	n = evbuffer_get_length(s->edit.input);
	if (n)
		fed(s, evbuffer_pullup(s->edit.input, -1), n);
	edit_room(s);
}

static void over(struct session *s)
{
	tell(s, FRAME_EDIT_OVER, NULL);
	end(s);
}

/* ---- beginning ---- */

/* Is it time to ask the client? Then, when what was written has been seen. */
static void consider(struct session *s)
{
	int64_t wait = s->edit.settled - now_ms();

	if (s->edit.reading && s->edit.state == EDIT_OFF && !s->edit.asked && editor(s))
		after(s, wait > REST_MS ? (int)wait : REST_MS);
}

static void ask(struct session *s)
{
	struct termios t;

	if (!s->edit.reading || !editor(s) || s->edit.asked || !modes(s, &t) ||
	    (t.c_lflag & (ICANON | ECHO)) != (ICANON | ECHO))
		return;
	s->edit.state = EDIT_ASKED;
	s->edit.asked = true;
	tell(s, FRAME_EDIT, NULL);
}

/* The unfinished last line of the output. */
static size_t prompt(const struct session *s, char text[PROMPT_MAX])
{
	char all[PROMPT_MAX];
	size_t n = 0, size, from;

	for (int i = 0; i < 2; i++) {
		const char *piece = ring_piece(s->ring, i, &size);
		size_t take = size < sizeof(all) ? size : sizeof(all);
		size_t keep = n + take > sizeof(all) ? sizeof(all) - take : n;

		if (!take)
			continue;
		memmove(all, all + n - keep, keep);
		memcpy(all + keep, piece + size - take, take);
		n = keep + take;
	}
	for (from = n; from && all[from - 1] != '\n'; from--)
		;
	memcpy(text, all + from, n - from);
	return n - from;
}

static void put_u32(struct evbuffer *b, uint32_t value)
{
	uint8_t bytes[4];

	frame_put_u32(bytes, value);
	evbuffer_add(b, bytes, sizeof(bytes));
}

/* As a terminal shows it: control characters as ^X. At most twice as much. */
static size_t as_echoed(const uint8_t *text, size_t size, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] < 32 && text[i] != '\t') {
			out[n++] = '^';
			out[n++] = (char)(text[i] + 64);
		} else {
			out[n++] = (char)text[i];
		}
	}
	return n;
}

/* What the terminal echoed of the unfinished line is not to stand before what the editor shows of it. */
static size_t rub_out(struct session *s, const char *text, size_t size)
{
	size_t given = evbuffer_get_length(s->edit.back), n;
	const unsigned char *back = given ? evbuffer_pullup(s->edit.back, -1) : NULL;
	char shown[PROMPT_MAX];
	struct evbuffer *b;

	for (size_t i = 0; i < given; i++)
		if (back[i] > 126 || back[i] == '\t')
			return size;
	n = given < sizeof(shown) / 2 ? as_echoed(back, given, shown) : 0;
	if (!n || n > size || memcmp(text + size - n, shown, n))
		return size; /* a prompt came between */
	b = evbuffer_new();
	for (size_t i = 0; b && i < n; i++)
		evbuffer_add(b, "\b \b", 3);
	if (!b)
		return size;
	tell(s, FRAME_DATA, b);
	terminal_echo(s, (char *)evbuffer_pullup(b, -1), 3 * n);
	evbuffer_free(b);
	return size - n;
}

static void go(struct session *s)
{
	struct evbuffer *b = evbuffer_new();
	char text[PROMPT_MAX];
	size_t n;

	if (!b) {
		over(s);
		return;
	}
	n = rub_out(s, text, prompt(s, text));
	put_u32(b, (uint32_t)s->edit.reader);
	put_u32(b, s->edit.reader == s->pid);
	put_u32(b, (uint32_t)n);
	evbuffer_add(b, text, n);
	evbuffer_add_buffer(b, s->edit.back);
	evbuffer_add_buffer(b, s->edit.keys);
	s->edit.state = EDIT_ON;
	tell(s, FRAME_EDIT_GO, b);
	evbuffer_free(b);
}

static void ready(struct session *s)
{
	if (!s->edit.asked)
		return;
	s->edit.asked = false;
	if (s->edit.state != EDIT_ASKED || !s->edit.reading) {
		over(s);
		consider(s);
		return;
	}
	s->edit.state = EDIT_TAKING;
	let_go(s, true);
	after(s, BACK_MS);
}

/* ---- what the reader says ---- */

bool edit_waits(struct session *s, int pid)
{
	s->edit.reading = true;
	s->edit.reader = pid;
	if (s->edit.state == EDIT_TAKING) {
		after(s, BACK_MS);
	} else if (s->edit.state == EDIT_PAUSED) {
		event_del(s->edit.timer);
		let_go(s, true);
		s->edit.state = s->edit.line ? EDIT_SENT : EDIT_ON;
		s->edit.line = false;
		edit_room(s);
	} else {
		consider(s);
	}
	return true;
}

bool edit_waited(struct session *s, const char *text, size_t size)
{
	s->edit.reading = false;
	switch (s->edit.state) {
	case EDIT_TAKING:
	case EDIT_ON:
		if (size && evbuffer_get_length(s->edit.back) < KEYS_MAX && typed_take(&s->edit.typed, text, size)) {
			evbuffer_add(s->edit.back, text, size);
			if (s->edit.state == EDIT_ON) {
				tell(s, FRAME_EDIT_KEYS, s->edit.back);
				evbuffer_drain(s->edit.back, evbuffer_get_length(s->edit.back));
			}
			return true;
		}
		let_go(s, false);
		if (s->edit.state == EDIT_TAKING) {
			over(s);
		} else {
			s->edit.state = EDIT_PAUSED;
			after(s, PAUSE_MS);
		}
		break;
	case EDIT_SENT:
		if (!evbuffer_get_length(s->edit.input)) {
			end(s);
			terminal_go_on(s);
		}
		break;
	case EDIT_OFF:
	case EDIT_ASKED:
	case EDIT_PAUSED:
		break;
	}
	return false;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	bool line;

	(void)fd, (void)what;
	switch (s->edit.state) {
	case EDIT_OFF:
		ask(s);
		break;
	case EDIT_TAKING:
		go(s);
		break;
	case EDIT_PAUSED:
		line = s->edit.line;
		if (line)
			end(s);
		else
			over(s);
		break;
	case EDIT_SENT:
		end(s);
		terminal_go_on(s);
		break;
	case EDIT_ASKED:
	case EDIT_ON:
		break;
	}
}

/* ---- what the client says ---- */

static void echo(struct session *s, const uint8_t *text, size_t size, const char *after_it)
{
	char out[1024];

	for (size_t i = 0; i < size; i += sizeof(out) / 2) {
		size_t part = size - i < sizeof(out) / 2 ? size - i : sizeof(out) / 2;

		terminal_echo(s, out, as_echoed(text + i, part, out));
	}
	terminal_echo(s, after_it, strlen(after_it));
}

/* A line without its end; an empty frame is the end of the file. */
static void send_line(struct session *s, const struct frame *f)
{
	struct termios t;
	char end_of_file = 4;

	if (!f->size) {
		if (modes(s, &t))
			end_of_file = (char)t.c_cc[VEOF];
		evbuffer_add(s->edit.input, &end_of_file, 1);
	} else {
		if (s->edit.state != EDIT_OFF)
			echo(s, f->data, f->size - 1, "\r\n");
		else
			fed(s, f->data, f->size);
		evbuffer_add(s->edit.input, f->data, f->size);
	}
	lines_sent(s, f->data, f->size);
	if (s->edit.state == EDIT_ON) {
		let_go(s, true); /* something inside may have changed it */
		s->edit.state = EDIT_SENT;
	} else if (s->edit.state == EDIT_PAUSED) {
		s->edit.line = true; /* for when the reader is back */
		return;
	}
	edit_room(s);
}

static void key_of(struct session *s, const struct frame *f)
{
	uint32_t sig;

	if (frame_get_u32(f, &sig) || (sig != SIGINT && sig != SIGTSTP && sig != SIGQUIT))
		return;
	echo(s, (const uint8_t *)(sig == SIGINT ? "\3" : sig == SIGTSTP ? "\32" : "\34"), 1, "");
	end(s);
	consider(s);
}

enum edit_takes edit_frame(struct session *s, const struct frame *f)
{
	bool unsettled = s->edit.asked || s->edit.state == EDIT_TAKING || s->edit.state == EDIT_SENT;

	switch (f->type) {
	case FRAME_EDIT_READY:
		ready(s);
		return EDIT_TAKEN;
	case FRAME_LINE:
		if (evbuffer_get_length(s->edit.input)) {
			terminal_when_room(s);
			return EDIT_FULL;
		}
		send_line(s, f);
		return EDIT_TAKEN;
	case FRAME_SIGNAL:
		if (s->edit.state == EDIT_ON || s->edit.state == EDIT_PAUSED)
			key_of(s, f);
		return EDIT_NOT;
	case FRAME_DATA:
		if (unsettled && evbuffer_get_length(s->edit.keys) < KEYS_MAX) {
			evbuffer_add(s->edit.keys, f->data, f->size);
			return EDIT_TAKEN;
		}
		if (unsettled)
			return EDIT_FULL; /* the timer goes on with it */
		if (s->edit.state == EDIT_ON || s->edit.state == EDIT_PAUSED)
			end(s); /* the client leaves it to the terminal */
		if (evbuffer_get_length(s->edit.input)) {
			terminal_when_room(s);
			return EDIT_FULL;
		}
		fed(s, f->data, f->size);
		return EDIT_NOT;
	default:
		return EDIT_NOT;
	}
}

void edit_viewers(struct session *s, const struct viewer *gone)
{
	if (!s->edit.timer)
		return;
	if (gone && gone->edits)
		s->edit.asked = false;
	if (s->edit.state != EDIT_OFF && s->edit.state != EDIT_SENT && !editor(s)) {
		/* Another one looks on, or none does. */
		for (struct viewer *v = s->viewers; v; v = v->next)
			if (v->edits && !v->waiting) {
				uint8_t head[FRAME_HEAD];

				frame_head(head, FRAME_EDIT_OVER, 0);
				wire_write(v->conn, head, sizeof(head));
			}
		s->edit.asked = false;
		end(s);
	}
	consider(s);
}

int edit_open(struct session *s)
{
	s->edit.timer = event_new(s->m->base, -1, 0, on_timer, s);
	s->edit.back = evbuffer_new();
	s->edit.keys = evbuffer_new();
	s->edit.input = evbuffer_new();
	return s->edit.timer && s->edit.back && s->edit.keys && s->edit.input ? 0 : -ENOMEM;
}

void edit_close(struct session *s)
{
	if (s->edit.timer)
		event_free(s->edit.timer);
	if (s->edit.back)
		evbuffer_free(s->edit.back);
	if (s->edit.keys)
		evbuffer_free(s->edit.keys);
	if (s->edit.input)
		evbuffer_free(s->edit.input);
	memset(&s->edit, 0, sizeof(s->edit));
}
