// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The child's side of screen.h: libvterm as the terminal, and a drawing of it as bytes.
 *
 * The drawing goes to the viewer's *normal* screen: what is on it scrolls up, then come the lines
 * that have scrolled off here, then the screen, so that the viewer's own scrollback is as if it had
 * been there all the time. A full-screen program has the alternate screen; the normal one below it
 * is drawn first, as it was when the program switched, and the viewer's terminal brings it back by
 * itself when the program leaves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gshd/client/frames.h"
#include "gshd/session/screen.h"
#include "gshd/session/screen_impl.h"

#define SCROLLED_BYTES (1u << 20)
#define SIDE_MAX 2000 /* rows or columns */
#define SIDE_MIN 2    /* a wide character must fit: libvterm is lost if it does not */

/* Not frame_write(), whose sendmsg() the child may not call. */
static int send_frame(int fd, uint8_t type, const char *data, size_t size)
{
	uint8_t head[FRAME_HEAD];
	const char *from = (const char *)head;
	size_t left = sizeof(head);
	ssize_t n;

	frame_head(head, type, size);
	for (int part = 0; part < 2; part++, from = data, left = size)
		for (; left; from += n, left -= (size_t)n) {
			n = write(fd, from, left);
			if (n <= 0)
				return -1;
		}
	return 0;
}

/* ---- bytes ---- */

/* Without memory the drawing is cut. */
static void put(struct bytes *b, const char *text, size_t size)
{
	if (b->size + size > b->room) {
		size_t room = 2 * (b->size + size) + 256;
		char *more = realloc(b->text, room);
		if (!more)
			return;
		b->text = more;
		b->room = room;
	}
	memcpy(b->text + b->size, text, size);
	b->size += size;
}

static void puts_to(struct bytes *b, const char *text)
{
	put(b, text, strlen(text));
}

static void put_char(struct bytes *b, uint32_t c)
{
	char u[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (c < ' ' || (c >= 0x7f && c < 0xa0) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = '?', n = 1;
	if (n == 1)
		u[0] = (char)c;
	for (size_t i = n; n > 1 && i-- > 0; c >>= 6)
		u[i] = (char)(i ? 0x80 | (c & 0x3f) : (0xf00 >> n & 0xff) | c);
	put(b, u, n);
}

/* ---- attributes ---- */

static void put_color(struct bytes *b, const VTermColor *c, bool back)
{
	char text[32] = "";

	if (back ? VTERM_COLOR_IS_DEFAULT_BG(c) : VTERM_COLOR_IS_DEFAULT_FG(c))
		return;
	if (VTERM_COLOR_IS_INDEXED(c) && c->indexed.idx < 16)
		snprintf(text, sizeof(text), ";%d",
			 (c->indexed.idx & 7) + (c->indexed.idx < 8 ? 30 : 90) + (back ? 10 : 0));
	else if (VTERM_COLOR_IS_INDEXED(c))
		snprintf(text, sizeof(text), ";%d;5;%d", back ? 48 : 38, c->indexed.idx);
	else
		snprintf(text, sizeof(text), ";%d;2;%d;%d;%d", back ? 48 : 38, c->rgb.red,
			 c->rgb.green, c->rgb.blue);
	puts_to(b, text);
}

struct look {
	bool bold, italic, blink, reverse, strike;
	unsigned underline;
	VTermColor fg, bg;
};

static bool same_look(const struct look *a, const struct look *b)
{
	return a->bold == b->bold && a->italic == b->italic && a->blink == b->blink &&
	       a->reverse == b->reverse && a->strike == b->strike && a->underline == b->underline &&
	       vterm_color_is_equal(&a->fg, &b->fg) && vterm_color_is_equal(&a->bg, &b->bg);
}

static void put_look(struct bytes *b, const struct look *l)
{
	puts_to(b, "\033[0");
	puts_to(b, l->bold ? ";1" : "");
	puts_to(b, l->italic ? ";3" : "");
	puts_to(b, l->underline == 2 ? ";21" : l->underline ? ";4" : "");
	puts_to(b, l->blink ? ";5" : "");
	puts_to(b, l->reverse ? ";7" : "");
	puts_to(b, l->strike ? ";9" : "");
	put_color(b, &l->fg, false);
	put_color(b, &l->bg, true);
	puts_to(b, "m");
}

static struct look look_of(const VTermScreenCell *c)
{
	return (struct look){ .bold = c->attrs.bold,
			      .italic = c->attrs.italic,
			      .blink = c->attrs.blink,
			      .reverse = c->attrs.reverse,
			      .strike = c->attrs.strike,
			      .underline = c->attrs.underline,
			      .fg = c->fg,
			      .bg = c->bg };
}

static bool is_blank(const VTermScreenCell *c)
{
	struct look l = look_of(c);

	return (!c->chars[0] || c->chars[0] == ' ') && !l.reverse && !l.underline && !l.strike &&
	       VTERM_COLOR_IS_DEFAULT_BG(&l.bg);
}

/* A row, without the blanks at its end and with the attributes at rest after it. */
static void put_row(struct bytes *b, const VTermScreenCell *cells, int cols)
{
	struct look now, want;
	bool plain = true;

	while (cols > 0 && is_blank(&cells[cols - 1]))
		cols--;
	for (int i = 0; i<cols; i += cells[i].width> 1 ? cells[i].width : 1) {
		want = look_of(&cells[i]);
		if (i == 0 || !same_look(&now, &want)) {
			put_look(b, &want);
			plain = false;
		}
		now = want;
		put_char(b, cells[i].chars[0] ? cells[i].chars[0] : ' ');
		for (int j = 1; j < VTERM_MAX_CHARS_PER_CELL && cells[i].chars[j]; j++)
			put_char(b, cells[i].chars[j]);
	}
	if (!plain)
		puts_to(b, "\033[0m");
}

/* The rows of the screen that is shown, one below the other. */
void model_put_screen(struct model *m, struct bytes *b)
{
	VTermScreenCell *cells = calloc((size_t)m->cols, sizeof(*cells));

	for (int row = 0; cells && row < m->rows; row++) {
		for (int col = 0; col < m->cols; col++)
			vterm_screen_get_cell(m->screen, (VTermPos){ row, col }, &cells[col]);
		if (row)
			puts_to(b, "\r\n");
		put_row(b, cells, m->cols);
	}
	free(cells);
}

/* ---- what libvterm tells ---- */

static void forget_line(struct model *m)
{
	struct line *l = &m->scrolled[m->first];

	m->scrolled_bytes -= l->size;
	free(l->text);
	*l = (struct line){ 0 };
	m->first = (m->first + 1) % SCROLLED_LINES;
	m->nscrolled--;
}

static int on_scrolled(int cols, const VTermScreenCell *cells, void *arg)
{
	struct model *m = arg;
	struct bytes b = { 0 };
	char *text;

	put_row(&b, cells, cols);
	if (m->nscrolled == SCROLLED_LINES)
		forget_line(m);
	text = realloc(b.text, b.size ? b.size : 1); /* exact: there are many */
	m->scrolled[(m->first + m->nscrolled) % SCROLLED_LINES] =
		(struct line){ text ? text : b.text, b.size };
	m->nscrolled++;
	m->scrolled_bytes += b.size;
	while (m->scrolled_bytes > SCROLLED_BYTES)
		forget_line(m);
	return 1;
}

static int on_prop(VTermProp prop, VTermValue *value, void *arg)
{
	struct model *m = arg;

	if (prop == VTERM_PROP_ALTSCREEN)
		m->alternate = value->boolean;
	else if (prop == VTERM_PROP_TITLE && value->string)
		snprintf(m->title, sizeof(m->title), "%s", value->string);
	return 1;
}

void model_answers(const char *text, size_t size, void *arg)
{
	struct model *m = arg;

	if (!m->viewed && size <= FRAME_MAX && send_frame(m->fd, 'a', text, size))
		_exit(0);
}

/* ---- the drawing ---- */

static void put_title(struct model *m, struct bytes *b)
{
	if (!m->title[0])
		return;
	puts_to(b, "\033]2;");
	for (const char *p = m->title; *p; p++)
		if ((unsigned char)*p >= ' ' && *p != 127)
			put(b, p, 1);
	puts_to(b, "\007");
}

static void put_modes(struct model *m, struct bytes *b)
{
	char text[64];

	for (unsigned j = 0; j < SCREEN_MODES; j++) {
		bool set = m->modes & 1u << j;
		snprintf(text, sizeof(text), "\033[?%u%c", screen_modes[j].mode, set ? 'h' : 'l');
		/* Where the cursor goes is said from the screen's corner. */
		if (set != screen_modes[j].rest && screen_modes[j].mode != 6)
			puts_to(b, text);
	}
	if (m->keypad)
		puts_to(b, "\033=");
	if (m->cursor_style && m->cursor_style < 7) {
		snprintf(text, sizeof(text), "\033[%u q", m->cursor_style);
		puts_to(b, text);
	}
	if (m->top || m->bottom) {
		snprintf(text, sizeof(text), "\033[%u;%ur", m->top, m->bottom);
		puts_to(b, text);
	}
}

static void put_pen(struct model *m, struct bytes *b)
{
	struct look l = { 0 };
	VTermValue v;

	vterm_state_get_default_colors(m->state, &l.fg, &l.bg);
#define PEN(attr, field, member)                                      \
	if (vterm_state_get_penattr(m->state, VTERM_ATTR_##attr, &v)) \
	l.field = v.member
	PEN(BOLD, bold, boolean);
	PEN(ITALIC, italic, boolean);
	PEN(BLINK, blink, boolean);
	PEN(REVERSE, reverse, boolean);
	PEN(STRIKE, strike, boolean);
	PEN(UNDERLINE, underline, number);
	PEN(FOREGROUND, fg, color);
	PEN(BACKGROUND, bg, color);
#undef PEN
	put_look(b, &l);
}

static void draw(struct model *m, struct bytes *b)
{
	VTermPos pos;
	char text[64];

	/* What the viewer sees now is not overwritten: it scrolls up. */
	snprintf(text, sizeof(text), "\033[0m\033[r\033[%d;1H", m->rows);
	puts_to(b, text);
	for (int i = 0; i < m->rows; i++)
		puts_to(b, "\n");
	puts_to(b, "\033[H");
	for (size_t i = 0; i < m->nscrolled; i++) {
		struct line *l = &m->scrolled[(m->first + i) % SCROLLED_LINES];
		put(b, l->text, l->size);
		puts_to(b, "\r\n");
	}
	if (m->alternate) {
		put(b, m->below.text ? m->below.text : "", m->below.size);
		puts_to(b, "\033[?1049h\033[H\033[2J");
	}
	model_put_screen(m, b);
	put_title(m, b);
	put_modes(m, b);
	put_pen(m, b);
	vterm_state_get_cursorpos(m->state, &pos);
	snprintf(text, sizeof(text), "\033[%d;%dH", pos.row + 1, pos.col + 1);
	puts_to(b, text);
	if (m->modes & 1u << 1)
		puts_to(b, "\033[?6h");
}

static int send_drawing(struct model *m)
{
	struct bytes b = { 0 };
	int err = 0;

	draw(m, &b);
	for (size_t at = 0; at < b.size && !err; at += FRAME_MAX)
		err = send_frame(m->fd, 'd', b.text + at,
				 b.size - at < FRAME_MAX ? b.size - at : FRAME_MAX);
	free(b.text);
	return err ? err : send_frame(m->fd, 'e', NULL, 0);
}

/* ---- the child's life ---- */

/* As terminals do when their size changes. libvterm keeps a region that begins below its last row, and then scrolls
 * memory that is not its own. What was half said is given up first, or it would swallow this. */
static void forget_margins(struct model *m)
{
	VTermPos at;
	char text[64];
	int n;

	vterm_state_get_cursorpos(m->state, &at);
	n = snprintf(text, sizeof(text), "\x18\033[?69l\033[r\033[%d;%dH", at.row + 1, at.col + 1);
	vterm_input_write(m->vt, text, (size_t)n);
	m->top = m->bottom = 0;
	m->at = GROUND;
}

static int side(int size)
{
	return size < SIDE_MIN ? SIDE_MIN : size < SIDE_MAX ? size : SIDE_MAX;
}

static void set_size(struct model *m, int rows, int cols)
{
	if (rows < 1 || cols < 1 || (side(rows) == m->rows && side(cols) == m->cols))
		return;
	forget_margins(m);
	m->rows = side(rows);
	m->cols = side(cols);
	vterm_set_size(m->vt, m->rows, m->cols);
}

static int take(struct model *m, const struct frame *f)
{
	struct frame_winsize w;

	if (f->type == 'd')
		model_feed(m, f->data, f->size);
	else if (f->type == 'w' && !frame_get_winsize(f, &w))
		set_size(m, w.rows, w.cols);
	else if (f->type == 'v' && f->size)
		m->viewed = f->data[0];
	else if (f->type == 'r')
		return send_drawing(m);
	return 0;
}

static void serve(struct model *m, struct frame_reader *reader)
{
	static const VTermScreenCallbacks callbacks = { .sb_pushline = on_scrolled,
							.settermprop = on_prop };
	struct frame f;

	m->vt = vterm_new(m->rows, m->cols);
	if (!m->vt)
		return;
	vterm_set_utf8(m->vt, 1);
	vterm_output_set_callback(m->vt, model_answers, m);
	m->state = vterm_obtain_state(m->vt);
	m->screen = vterm_obtain_screen(m->vt);
	vterm_screen_set_callbacks(m->screen, &callbacks, m);
	vterm_screen_enable_altscreen(m->screen, 1);
	vterm_screen_reset(m->screen, 1);
	model_modes_rest(m);
	while (frame_read(reader, m->fd, &f) > 0)
		if (take(m, &f))
			return;
}

void screen_model(int fd, uint16_t rows, uint16_t cols)
{
	struct frame_reader *reader = calloc(1, sizeof(*reader));
	struct model *m = calloc(1, sizeof(*m));

	if (reader && m) {
		m->fd = fd;
		m->rows = side(rows ? rows : 24);
		m->cols = side(cols ? cols : 80);
		serve(m, reader);
		if (m->vt)
			vterm_free(m->vt);
		for (size_t i = 0; i < SCROLLED_LINES; i++)
			free(m->scrolled[i].text);
		free(m->below.text);
	}
	free(m);
	free(reader);
}
