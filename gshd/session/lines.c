/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Each line that a session's shell is given is an op.
 *
 * Where one ends and the next begins comes from the terminal: a shell that has its lines edited waits for one
 * and gets it (MON_PTY_WAIT, DONE); one that edits them itself takes the terminal out of canonical mode to do
 * so and puts it back before it carries one out (MON_PTY_RAW, COOKED). Both are told of while the shell waits
 * for the answer, so whatever a line changes lies behind its beginning.
 *
 * No more ops are begun than clients have ended lines: a sandbox cannot make any up.
 *
 * A line that is not the end of its command goes to the op that its beginning is. bash and zsh say when they are
 * in the middle of one, what $? is, and bash the line too (libos/fs/shell.c). Of others the status is that of the
 * last child, and more is wanted where "> " is shown.
 *
 * The words of an op are a label for people. Of a shell that edits itself and does not tell them they are what
 * its terminal shows from the first key on; a sandbox that lies about them deceives nobody but its reader.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/monitor/monitor.h"
#include "gshd/session/session.h"

#define LOOKED_AT 4096 /* bytes of output, for a label */
#define LABEL_MAX 512
#define GROWN_MAX 4000 /* of a command over several lines; the journal keeps no more */
#define ENDS_MAX 1000
#define SHOWN_MS 2 /* from a write inside to the master's end takes less */

/* The last n bytes of output. */
static size_t last_output(const struct session *s, size_t n, char out[LOOKED_AT])
{
	char *to = out;

	if (!s->ring || n > s->ring->have || n > LOOKED_AT)
		return 0;
	for (size_t i = s->ring->have - n; i < s->ring->have; i++)
		*to++ = s->ring->bytes[(s->ring->start + i) % RING_SIZE];
	return n;
}

static struct json_object *as_command(const char *text)
{
	const char *const words[] = { "sh", "-c", text };
	struct json_object *argv = json_object_new_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		json_object_array_add(argv, json_object_new_string(words[i]));
	return argv;
}

void lines_end_op(struct session *s, int status)
{
	struct json_object *argv = s->lines.grown ? as_command(s->lines.text) : NULL;

	if (s->op)
		ops_end(s->m, s->op, status, s->begun_ms, argv);
	json_object_put(argv);
	s->op = 0;
	s->lines.going_on = s->lines.grown = false;
}

static void set_text(struct session *s, char *text)
{
	free(s->lines.text);
	s->lines.text = text;
}

static void open_op(struct session *s, const char *text, size_t size)
{
	struct json_object *argv;

	while (size && *text == ' ') {
		text++;
		size--;
	}
	if (!size)
		return;
	lines_end_op(s, 0);
	set_text(s, strndup(text, size));
	if (!s->lines.text)
		return;
	argv = as_command(s->lines.text);
	s->begun_ms = ops_clock();
	s->op = ops_begin(s->m, argv, s->lines.cwd);
	owners_session(s->m, s->op, s->pid, true);
	json_object_put(argv);
}

/* The rest of a command, or more of it. */
static void grow_op(struct session *s, const char *text, size_t size)
{
	char *more;

	if (strlen(s->lines.text) + size > GROWN_MAX ||
	    asprintf(&more, "%s\n%.*s", s->lines.text, (int)size, text) < 0)
		return;
	set_text(s, more);
	s->lines.grown = true;
}

static void take_line(struct session *s, const char *text, size_t size)
{
	if (!s->lines.ends)
		return;
	s->lines.ends--;
	while (size && strchr("\n\r ", text[size - 1]))
		size--;
	/* The op may be that of the shell's own start, which has no text, whatever it asks before its first line. */
	if (s->op && s->lines.going_on && s->lines.text)
		grow_op(s, text, size);
	else
		open_op(s, text, size);
}

/* What was begun has ended, or the shell wants more of it. */
static void settle(struct session *s, int status, bool in_the_middle)
{
	if (in_the_middle)
		s->lines.going_on = true;
	else
		lines_end_op(s, status);
}

/* By what it shows: the second prompt of a shell that does not tell. */
static void judge(struct session *s)
{
	char out[LOOKED_AT];

	event_del(s->lines.judged);
	settle(s, s->lines.status, last_output(s, 3, out) && !memcmp(out, "\n> ", 3));
}

static void on_judged(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	judge(arg);
}

void lines_wait(struct session *s, const struct mon_pty *q)
{
	struct timeval t = { 0, SHOWN_MS * 1000 };

	if (!s->lines.on)
		return;
	if (!(q->shell & MON_SHELL_TELLS) && !s->lines.judged)
		s->lines.judged = event_new(s->m->base, -1, 0, on_judged, s);
	s->lines.status = q->status;
	if (q->shell & MON_SHELL_TELLS || !s->lines.judged || event_add(s->lines.judged, &t))
		settle(s, q->status, q->shell & MON_SHELL_IN_THE_MIDDLE);
}

void lines_ended(struct session *s)
{
	if (s->lines.ends < ENDS_MAX)
		s->lines.ends++;
}

void lines_sent(struct session *s, const void *text, size_t size)
{
	lines_ended(s);
	if (size >= sizeof(s->lines.sent))
		size = sizeof(s->lines.sent) - 1;
	memcpy(s->lines.sent, text, size);
	s->lines.sent[size] = '\0';
}

void lines_begin(struct session *s, const char *text, size_t size)
{
	/* A shell may take a line letter by letter, and a long one is not told. */
	bool whole = text[size - 1] == '\n';

	if (!s->lines.on || (!whole && s->edit.state != EDIT_SENT))
		return;
	if (s->lines.judged && event_pending(s->lines.judged, EV_TIMEOUT, NULL))
		judge(s);
	if (s->lines.sent[0] && s->edit.state == EDIT_SENT)
		take_line(s, s->lines.sent, strlen(s->lines.sent));
	else
		take_line(s, text, size);
	s->lines.sent[0] = '\0';
}

/* ---- shells that edit their lines ---- */

void lines_prompt(struct session *s, const struct mon_pty *q)
{
	if (s->lines.on)
		settle(s, q->status, q->shell & MON_SHELL_IN_THE_MIDDLE);
	s->lines.from = s->printed + 1; /* not 0 */
	s->lines.touched = false;
}

void lines_key(struct session *s)
{
	if (s->lines.touched || !s->lines.from)
		return;
	s->lines.touched = true;
	s->lines.prompt = (size_t)(s->printed - (s->lines.from - 1));
}

struct row {
	char text[LABEL_MAX];
	size_t n, at;
	bool over; /* its end came: what is printed next is another */
};

static void put(struct row *r, char c)
{
	if (r->over)
		*r = (struct row){ .n = 0 };
	if (r->at >= sizeof(r->text))
		return;
	r->text[r->at++] = c;
	if (r->at > r->n)
		r->n = r->at;
}

/* What an editor of lines uses of "ESC [ count letter". */
static void control(struct row *r, char letter, size_t count)
{
	size_t left = r->n - r->at;

	switch (letter) {
	case 'C':
		r->at = r->at + count < r->n ? r->at + count : r->n;
		break;
	case 'D':
		r->at = count < r->at ? r->at - count : 0;
		break;
	case 'K':
	case 'J':
		r->n = r->at;
		break;
	case 'P':
		count = count < left ? count : left;
		memmove(r->text + r->at, r->text + r->at + count, left - count);
		r->n -= count;
		break;
	case '@':
		if (r->n + count > sizeof(r->text))
			break;
		memmove(r->text + r->at + count, r->text + r->at, left);
		memset(r->text + r->at, ' ', count);
		r->n += count;
		break;
	}
}

/* Where the escape sequence at p[0] ends; carried out if it is one of those. */
static size_t escape(struct row *r, const char *p, size_t left)
{
	size_t i = 2, count = 0;

	if (left < 2)
		return left;
	if (p[1] == ']') {
		while (i < left && p[i] != 7 && p[i] != 27)
			i++;
		return i < left && p[i] == 27 ? i + 2 : i + 1;
	}
	if (p[1] != '[')
		return strchr("()*+#", p[1]) ? 3 : 2;
	for (; i < left && (p[i] < 0x40 || p[i] > 0x7e); i++)
		if (p[i] >= '0' && p[i] <= '9' && count < 1000)
			count = count * 10 + (size_t)(p[i] - '0');
	if (i < left)
		control(r, p[i], count ? count : p[i] != 'K' && p[i] != 'J');
	return i + 1;
}

/* What stands on the last row that has something. */
static void show(struct row *r, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		char c = p[i];

		if (c == 27) {
			i += escape(r, p + i, n - i);
			continue;
		}
		i++;
		if (c == '\r')
			r->at = 0;
		else if (c == '\b' && r->at)
			r->at--;
		else if (c == '\n')
			r->over = true;
		else if ((unsigned char)c >= 32)
			put(r, c);
	}
}

static void begin_typed(struct session *s)
{
	uint64_t n = s->printed - (s->lines.from - 1);
	struct row before = { .n = 0 }, now = { .n = 0 };
	char out[LOOKED_AT];
	size_t skip;

	s->lines.from = 0;
	n = last_output(s, n, out);
	show(&before, out, s->lines.touched && s->lines.prompt < n ? s->lines.prompt : 0);
	show(&now, out, n);
	/* What was typed ahead stands behind a prompt that is not known, but may be that of before. */
	if (before.n && before.n < sizeof(s->lines.shown_prompt))
		memcpy(s->lines.shown_prompt, before.text, s->lines.prompt_size = before.n);
	skip = s->lines.prompt_size;
	if (skip > now.n || memcmp(s->lines.shown_prompt, now.text, skip) != 0)
		skip = 0;
	take_line(s, now.text + skip, now.n - skip);
}

static void on_shown(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd, (void)what;
	begin_typed(s);
	lines_answer(s);
}

void lines_answer(struct session *s)
{
	const struct request r = { .sock = s->lines.sock, .id = s->lines.id };

	if (!s->lines.asked)
		return;
	s->lines.asked = false;
	event_del(s->lines.shown);
	port_reply(&r);
	close(s->lines.sock);
}

/* A shell that does not tell the line waits for the answer until its terminal shows it, and then the op has begun. */
void lines_typed(struct session *s, const struct mon_pty *q, const char *text, size_t size, struct request *r)
{
	struct timeval t = { 0, SHOWN_MS * 1000 };

	if (!s->lines.on || !s->lines.from || s->lines.asked)
		return;
	if (q->shell & MON_SHELL_TELLS) {
		s->lines.from = 0;
		take_line(s, text, size);
		return;
	}
	if (!s->lines.shown)
		s->lines.shown = event_new(s->m->base, -1, 0, on_shown, s);
	s->lines.sock = s->lines.shown ? fcntl(r->sock, F_DUPFD_CLOEXEC, 0) : -1;
	if (s->lines.sock < 0 || event_add(s->lines.shown, &t)) {
		begin_typed(s);
		return;
	}
	s->lines.id = r->id;
	s->lines.asked = r->later = true;
}

void lines_close(struct session *s)
{
	lines_answer(s);
	if (s->lines.shown)
		event_free(s->lines.shown);
	if (s->lines.judged)
		event_free(s->lines.judged);
	free(s->lines.text);
	free(s->lines.cwd);
}
