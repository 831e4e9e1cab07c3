// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What may not pass from a sandbox to the user's terminal: asking for the clipboard.
 *
 * "OSC 52 ; which ; ? ST" makes a terminal type the clipboard's contents as if they were keys, and
 * so into the sandbox. Such a question is cut out of the stream; setting the clipboard passes, and
 * so does everything else, byte by byte. At most a few bytes are held back until it is known what
 * they are, and none of other sequences. In place of what is cut out stands CAN: a beginning of a sequence that was let
 * go before it ("ESC", "ESC ] 5") would else go on with what follows.
 *
 * Terminals differ in what they overlook inside a sequence; here the most lenient counts: control
 * bytes within are acted upon at once, zeros may lead the number, and OSC may be one byte (0x9d) or
 * its UTF-8 form.
 */
#include <string.h>

#include "shell/shell.h"

#define OSC_CLIPBOARD 52
#define CANCEL 0x18

enum { GROUND, ESCAPE, LEAD, NUMBER, WHICH, ASKED, ASKED_ESCAPE };

/* Take what is held back for harmless, or forget it. */
static size_t let_go(struct clipboard *c, unsigned char *out)
{
	size_t n = c->nheld;

	memcpy(out, c->held, n);
	c->nheld = 0;
	return n;
}

/* What is held back is a question, or the beginning of one. */
static size_t cut(struct clipboard *c, unsigned char *out)
{
	c->nheld = 0;
	*out = CANCEL;
	return 1;
}

/* The state after a byte that is no part of what was expected. */
static uint8_t begin(const struct clipboard *c, unsigned char b)
{
	/* Inside a character of UTF-8 0x9d is no control. */
	return b == 27 ? ESCAPE : b == 0x9d && c->last < 0x80 ? NUMBER : b == 0xc2 ? LEAD : GROUND;
}

static uint8_t step(struct clipboard *c, unsigned char b)
{
	switch (c->state) {
	case ESCAPE:
		return b == ']' ? NUMBER : begin(c, b);
	case LEAD:
		return b == 0x9d ? NUMBER : begin(c, b);
	case NUMBER:
		if (b >= '0' && b <= '9') {
			c->number =
				c->number > 1000 ? c->number : (uint16_t)(c->number * 10 + b - '0');
			return NUMBER;
		}
		return b == ';' && c->number == OSC_CLIPBOARD ? WHICH : begin(c, b);
	case WHICH:
		if (c->semicolon)
			return b == '?' ? ASKED : begin(c, b);
		c->semicolon = b == ';';
		return b == 7 || b == 27 || b == 0x9c ? begin(c, b) : WHICH;
	case ASKED: /* until its end */
		return b == 27					       ? ASKED_ESCAPE
		       : b == 7 || b == 0x9c || b == CANCEL || b == 0x1a ? GROUND
								       : ASKED;
	case ASKED_ESCAPE:
		return GROUND;
	default:
		return begin(c, b);
	}
}

/* Inside a sequence a terminal acts upon these as if they came before it. */
static bool is_control(unsigned char b)
{
	return (b < ' ' || b == 127) && b != 27 && b != 7 && b != CANCEL && b != 0x1a;
}

/* One byte; what may pass is written to `out`. */
static size_t guard(struct clipboard *c, unsigned char b, unsigned char *out)
{
	size_t n = 0;
	uint8_t was;

	if (c->state == ASKED_ESCAPE && b != '\\') { /* it was the beginning of something else */
		c->held[c->nheld++] = 27;
		c->state = ESCAPE;
	}
	was = c->state;
	if (was != GROUND && is_control(b)) {
		if (was < ASKED)
			out[n++] = b;
		return n;
	}
	c->state = step(c, b);
	c->last = b;
	if (c->state != NUMBER)
		c->number = 0;
	if (c->state != WHICH)
		c->semicolon = false;
	if (was >= ASKED) {
		c->last = CANCEL; /* as the terminal has it */
		return n;
	}
	if (c->state >= ASKED)
		return n + cut(c, out + n);
	/* A beginning lets go what was before it. */
	if (c->state == ESCAPE || c->state == LEAD || was == GROUND)
		n = let_go(c, out);
	if (c->nheld == sizeof(c->held)) { /* no terminal knows that many clipboards */
		c->state = ASKED;
		return n + cut(c, out + n);
	}
	c->held[c->nheld++] = b;
	if (c->state == GROUND)
		n += let_go(c, out + n);
	return n;
}

size_t clipboard_guard(struct clipboard *c, const unsigned char *in, size_t len, unsigned char *out)
{
	size_t n = 0;

	for (; len; in++, len--)
		n += guard(c, *in, out + n);
	return n;
}
