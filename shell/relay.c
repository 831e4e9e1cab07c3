// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A terminal session until it ends: bytes between the user's terminal and the monitor's pty.
 *
 * Three ways to read keys, decided anew at each turn:
 *
 * - raw: stdin and stdout are the terminal and we are in its foreground. Every key goes inside; the
 *   line discipline of the inner terminal makes signals of them. ^] three times within a second
 *   detaches.
 *
 * - lines: stdin is the terminal but stdout is a pipe, as in "gsh -c make | less". Another program
 *   of the pipeline may own the keyboard. The terminal stays as it is; whole lines are passed on
 *   while it is in canonical mode, and nothing while somebody else has taken it out of that.
 *
 * - none: stdin is no terminal, or we are in the background. Nothing is read.
 *
 * Bytes from inside are painted as they come. The window's size travels in stream order with the
 * keys.
 *
 * When the monitor says that a line is waited for, and raw keys are read, they go to the editor (edit.h) until
 * there is a line, or the reader has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gshd/client/frames.h"
#include "shell/edit.h"

#define DETACH_TIMES 3
#define DETACH_NS 1000000000ll
#define WAITING_MAX (256u << 10) /* bytes for the monitor; above this no keys are read */
#define LOOK_AGAIN_MS 150	 /* has the terminal become ours? nobody tells */

enum keys { KEYS_NONE, KEYS_RAW, KEYS_LINES };

struct session {
	int sock, sigfd;
	struct tty *tty;
	bool hang_up;	 /* the command shall not outlive the terminal */
	bool piped;	 /* stdout leads to another program */
	bool input_over; /* the terminal has hung up */
	struct frame_reader *in;
	struct outbox out;
	long long detach_at[DETACH_TIMES]; /* when ^] was typed, latest last */
	struct relay_end *end;
	const struct relay_also *also;
	enum { EDITS_NOT, EDITS, EDIT_SOON } edits; /* SOON: the monitor gathers keys, ours are not to be read */
	const struct edit_ops *ed; /* NULL with EDITS_NOT */
	struct later {
		char *text;
		size_t size;
	} lines, keys; /* of an edit: for the readers to come; typed behind them */
	bool over;
};

static bool editing(const struct session *s)
{
	return s->ed && s->ed->active();
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static int send_signal(struct session *s, int sig)
{
	uint8_t b[4];

	frame_put_u32(b, (uint32_t)sig);
	return outbox_put(&s->out, FRAME_SIGNAL, b, sizeof(b));
}

static uint32_t number_at(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* However much it is. */
static int outbox_put_all(struct outbox *o, int type, const void *data, size_t size)
{
	const char *p = data;
	int err = 0;

	while (size && !err) {
		size_t n = size < FRAME_MAX ? size : FRAME_MAX;

		err = outbox_put(o, type, p, n);
		p += n;
		size -= n;
	}
	return err;
}

static int send_size(struct session *s)
{
	struct frame_winsize w;
	uint16_t size[4];
	uint8_t b[8];

	tty_size(s->tty, size);
	if (!size[0] || !size[1])
		return 0;
	w = (struct frame_winsize){size[0], size[1], size[2], size[3]};
	frame_put_winsize(b, &w);
	return outbox_put(&s->out, FRAME_WINSIZE, b, sizeof(b));
}

/* How keys are read now, and the terminal set for it. */
static enum keys choose_keys(struct session *s)
{
	struct termios attr;

	if (s->tty->in < 0 || s->input_over)
		return KEYS_NONE;
	if (!tty_foreground(s->tty->in)) {
		tty_forget(s->tty);
		return KEYS_NONE;
	}
	if (s->piped)
		return tcgetattr(s->tty->in, &attr) || !(attr.c_lflag & ICANON) ? KEYS_NONE
										: KEYS_LINES;
	if (!s->tty->raw && (tty_raw(s->tty) < 0 || send_size(s) < 0))
		return KEYS_NONE;
	return KEYS_RAW;
}

/* Is this key the third ^] in time? */
static bool detach_key(struct session *s, unsigned char key)
{
	int i;

	if (key != DETACH_KEY) {
		memset(s->detach_at, 0, sizeof(s->detach_at));
		return false;
	}
	for (i = 1; i < DETACH_TIMES; i++)
		s->detach_at[i - 1] = s->detach_at[i];
	s->detach_at[DETACH_TIMES - 1] = now_ns();
	return s->detach_at[0] && s->detach_at[DETACH_TIMES - 1] - s->detach_at[0] < DETACH_NS;
}

/* The user's terminal is gone. */
static int hung_up(struct session *s)
{
	s->input_over = true;
	s->end->hung_up = true;
	s->over = true;
	return s->hang_up ? send_signal(s, SIGHUP) : outbox_put(&s->out, FRAME_DETACH, NULL, 0);
}

static int later_add(struct later *l, const void *text, size_t size)
{
	char *more = size ? realloc(l->text, l->size + size) : l->text;

	if (size && !more)
		return -ENOMEM;
	l->text = more;
	if (size)
		memcpy(more + l->size, text, size);
	l->size += size;
	return 0;
}

static void later_drop(struct later *l)
{
	free(l->text);
	*l = (struct later){0};
}

/* One line of several: a reader gets no more than one. */
static int send_first(struct session *s, const char *text, size_t size)
{
	const char *nl = text ? memchr(text, '\n', size) : NULL;
	struct later rest = {0};
	size_t n;
	int err;

	if (!nl)
		return -ENOMEM;
	n = (size_t)(nl + 1 - text);
	err = outbox_put_all(&s->out, FRAME_LINE, text, n);
	if (!err)
		err = later_add(&rest, text + n, size - n);
	later_drop(&s->lines);
	s->lines = rest;
	return err;
}

/* What came of keys in the editor. */
static int take_edited(struct session *s, enum edit_event event)
{
	const char *text;
	size_t size;
	uint8_t none[1];
	int err;

	switch (event) {
	case EDIT_MORE:
		return 0;
	case EDIT_LINE:
		text = s->ed->text(&size);
		return send_first(s, text, size);
	case EDIT_EOF:
		return outbox_put(&s->out, FRAME_LINE, none, 0);
	case EDIT_SIGNAL:
		return send_signal(s, s->ed->signal());
	case EDIT_DETACH:
		text = s->ed->text(&size);
		err = outbox_put_all(&s->out, FRAME_DATA, text, size);
		s->end->detached = s->over = true;
		return err ? err : outbox_put(&s->out, FRAME_DETACH, NULL, 0);
	case EDIT_OWN: /* s->ed->keys() knows what to do with it */
		break;
	}
	return 0;
}

static int give_keys(struct session *s, const unsigned char *b, size_t n)
{
	size_t used;
	int err = take_edited(s, s->ed->keys(b, n, &used));

	if (err || s->over || used == n)
		return err;
	if (s->lines.size)
		return later_add(&s->keys, b + used, n - used);
	return outbox_put_all(&s->out, FRAME_DATA, b + used, n - used);
}

/* A reader waits, and its line was written before. */
static int give_line(struct session *s, const unsigned char *keys, size_t n)
{
	const char *nl = memchr(s->lines.text, '\n', s->lines.size);
	size_t shown = nl ? (size_t)(nl - s->lines.text) : 0;
	int err = shown ? tty_paint(s->tty, (unsigned char *)s->lines.text, shown < FRAME_MAX ? shown : FRAME_MAX) : 0;

	if (!err)
		err = tty_paint(s->tty, (const unsigned char *)"\r\n", 2);
	if (err < 0)
		return hung_up(s);
	err = later_add(&s->keys, keys, n);
	return err ? err : send_first(s, s->lines.text, s->lines.size);
}

/* The editor begins, with what was typed till now. */
static int begin_edit(struct session *s, const struct frame *f, size_t prompt)
{
	const unsigned char *keys = f->data + 12 + prompt;
	struct later first = s->keys;
	int err;

	if (s->lines.size)
		return give_line(s, keys, f->size - 12 - prompt);
	s->keys = (struct later){0};
	s->ed->begin(f->data + 12, prompt, (int)number_at(f->data), number_at(f->data + 4) == 1);
	err = later_add(&first, keys, f->size - 12 - prompt);
	if (!err)
		err = give_keys(s, (unsigned char *)first.text, first.size);
	later_drop(&first);
	return err;
}

/* What the monitor says of an editor. */
static int take_edit(struct session *s, const struct frame *f)
{
	const char *text;
	size_t size, prompt;

	switch (f->type) {
	case FRAME_EDIT:
		if (s->edits == EDITS_NOT)
			return -EPROTO;
		s->edits = EDIT_SOON;
		return outbox_put(&s->out, FRAME_EDIT_READY, NULL, 0);
	case FRAME_EDIT_GO:
		if (f->size < 12 || s->edits != EDIT_SOON)
			return -EPROTO;
		prompt = number_at(f->data + 8);
		if (prompt > f->size - 12)
			return -EPROTO;
		s->edits = EDITS;
		return begin_edit(s, f, prompt);
	case FRAME_EDIT_KEYS:
		return editing(s) ? give_keys(s, f->data, f->size) : outbox_put(&s->out, FRAME_DATA, f->data, f->size);
	default: /* FRAME_EDIT_OVER */
		if (s->edits == EDIT_SOON)
			s->edits = EDITS;
		if (!editing(s))
			return 0;
		s->ed->abandon();
		text = s->ed->text(&size);
		return outbox_put_all(&s->out, FRAME_DATA, text, size);
	}
}

static int take_keys(struct session *s, enum keys mode, short revents)
{
	unsigned char b[4096];
	ssize_t n = read(s->tty->in, b, sizeof(b)), i;
	int err;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n == 0 && mode == KEYS_LINES && !(revents & POLLHUP))
		return outbox_put(&s->out, FRAME_DATA, "\004", 1); /* ^D, an end of file inside */
	if (n <= 0)
		return hung_up(s);
	if (mode == KEYS_RAW && editing(s))
		return give_keys(s, b, (size_t)n);
	if (mode == KEYS_RAW && (s->lines.size || s->keys.size)) {
		/* What was to be read later is not, after ^C; else it comes first. */
		if (!memchr(b, s->tty->saved.c_cc[VINTR], (size_t)n))
			return later_add(&s->keys, b, (size_t)n);
		later_drop(&s->lines);
		later_drop(&s->keys);
	}
	for (i = 0; i < n && mode == KEYS_RAW; i++) {
		if (!detach_key(s, b[i]))
			continue;
		err = outbox_put(&s->out, FRAME_DATA, b, (size_t)i);
		s->end->detached = s->over = true;
		return err ? err : outbox_put(&s->out, FRAME_DETACH, NULL, 0);
	}
	return outbox_put(&s->out, FRAME_DATA, b, (size_t)n);
}

static int take_frame(struct session *s, const struct frame *f)
{
	uint32_t status;

	switch (f->type) {
	case FRAME_DATA:
		/* A terminal that takes no more bytes has hung up; only a detached session still
		 * has a use. */
		return (editing(s) ? s->ed->output(f->data, f->size) : tty_paint(s->tty, f->data, f->size)) < 0
			       ? hung_up(s)
			       : 0;
	case FRAME_EDIT:
	case FRAME_EDIT_GO:
	case FRAME_EDIT_KEYS:
	case FRAME_EDIT_OVER:
		return take_edit(s, f);
	case FRAME_EXIT:
		if (frame_get_u32(f, &status) < 0)
			return -EPROTO;
		s->end->status = (int)status;
		s->over = true;
		return 0;
	default:
		return -EPROTO;
	}
}

/* One frame that is there, or the bytes of one that will be; the socket is not waited for. */
static int take_bytes(struct session *s)
{
	struct frame f;
	int got = frame_read(s->in, s->sock, &f);

	if (got == -EAGAIN)
		return 0;
	return got > 0 ? take_frame(s, &f) : got ? got : -EPIPE;
}

/* A monitor that takes no more has closed its side: its last words may wait to be read. */
static int flush(struct session *s)
{
	int err = outbox_flush(&s->out, s->sock);

	if (err != -EPIPE && err != -ECONNRESET)
		return err;
	s->out.len = 0;
	return 0;
}

static int take_signal(struct session *s, int sig)
{
	int err;

	switch (sig) {
	case SIGWINCH:
		if (editing(s))
			s->ed->resize();
		return send_size(s);
	case SIGCONT:
		tty_again(s->tty);
		return send_size(s);
	case SIGTSTP:
		/* Not by a key, unless keys are read as lines; a client that stops stops its
		 * command too in that case. With SIGSTOP: SIGTSTP would not stop a process group
		 * that is orphaned, as this one is inside. */
		err = s->piped ? send_signal(s, SIGSTOP) : 0;
		if (!err)
			err = flush(s);
		tty_restore(s->tty);
		signals_stop_self();
		return err ? err : s->piped ? send_signal(s, SIGCONT) : 0;
	case SIGHUP:
		return s->tty->in >= 0 ? hung_up(s) : send_signal(s, SIGHUP);
	default:
		return send_signal(s, sig);
	}
}

static int turn(struct session *s)
{
	enum keys keys = choose_keys(s);
	bool look_again = keys == KEYS_NONE && s->tty->in >= 0 && !s->input_over;
	struct pollfd p[4] = {
		{.fd = s->sock, .events = (short)(POLLIN | (s->out.len ? POLLOUT : 0))},
		{.fd = s->sigfd, .events = POLLIN},
		{.fd = keys != KEYS_NONE && s->edits != EDIT_SOON && s->out.len < WAITING_MAX ? s->tty->in : -1,
		 .events = POLLIN},
		{.fd = s->also->fd, .events = POLLIN},
	};
	bool ready = frame_ready(s->in);
	int err = 0, sig;

	if (poll(p, 4, ready ? 0 : look_again ? LOOK_AGAIN_MS : -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[1].revents & POLLIN)
		while (!err && !s->over && (sig = signals_next(s->sigfd)))
			err = take_signal(s, sig);
	if (p[3].revents)
		s->also->ready(s->also->arg);
	if (!err && !s->over && p[2].revents && choose_keys(s) == keys)
		err = take_keys(s, keys, p[2].revents);
	if (!err && !s->over && (ready || (p[0].revents & (POLLIN | POLLHUP | POLLERR))))
		err = take_bytes(s);
	return err ? err : flush(s);
}

/* The last words ("detach", "hang up") must reach the monitor even if its socket is full just now.
 */
static void flush_last(struct session *s)
{
	struct pollfd p = {.fd = s->sock, .events = POLLOUT};
	long long until = now_ns() + 1000000000ll;

	while (s->out.len && now_ns() < until && outbox_flush(&s->out, s->sock) == 0 && s->out.len)
		if (poll(&p, 1, 100) < 0 && errno != EINTR)
			break;
}

static bool is_detach(void *arg, unsigned char key)
{
	return detach_key(arg, key);
}

int relay(int sock, struct frame_reader *in, struct tty *t, bool hang_up, const struct box *edits,
	  const struct relay_also *also, struct relay_end *end)
{
	struct session s = {
		.sock = sock, .tty = t, .hang_up = hang_up, .in = in, .also = also, .end = end};
	struct stat st;
	int err = 0;

	*end = (struct relay_end){0};
	s.piped = fstat(1, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
	s.sigfd = signals_open();
	if (s.sigfd < 0)
		return s.sigfd;
	if (fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	if (edits && (s.ed = editor_load())) {
		s.edits = EDITS;
		s.ed->init(t, edits, is_detach, &s);
	}
	while (!err && !s.over)
		err = turn(&s);
	if (s.ed)
		s.ed->end();
	later_drop(&s.lines);
	later_drop(&s.keys);
	if (end->detached || end->hung_up)
		flush_last(&s);
	close(s.sigfd);
	free(s.out.buf);
	return err;
}
