// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the program inside has switched on in the user's terminal.
 *
 * Bytes pass from the sandbox to the terminal untouched; this file only looks on. It recognises
 * "ESC [ ? n ; n h" and "l" (DEC private modes), so that after a detach, or when the client dies
 * under a full-screen program, exactly the modes that were changed are put back: no alternate
 * screen, mouse reports or hidden cursor stay behind. When a command ends by itself its terminal is
 * left as it leaves it, as outside.
 *
 * The state lies in memory shared with the watchdog (tty.c), which may read it at any moment: a
 * plain word of bits.
 */
#include <stdio.h>
#include <string.h>

#include "shell/shell.h"

/* clang-format off */
static const struct {
	uint16_t mode;
	bool rest; /* set when nothing has touched it */
} table[] = {
	{ 1, false },	 /* cursor keys send application sequences */
	{ 7, true },	 /* wrap at the margin */
	{ 9, false },	 /* mouse: X10 */
	{ 25, true },	 /* the cursor is seen */
	{ 47, false },	 /* alternate screen, three kinds */
	{ 1047, false },
	{ 1049, false },
	{ 1000, false }, /* mouse: buttons, motion while pressed, all motion */
	{ 1002, false },
	{ 1003, false },
	{ 1004, false }, /* focus reports */
	{ 1005, false }, /* mouse encodings */
	{ 1006, false },
	{ 1015, false },
	{ 2004, false }, /* bracketed paste */
	{ 2026, false }, /* synchronised output */
};
/* clang-format on */
_Static_assert(sizeof(table) / sizeof(table[0]) <= 32, "one bit each");

enum { GROUND, ESCAPE, BRACKET, PRIVATE };

static void modes_set(struct modes *m, bool set)
{
	size_t i, j;

	for (i = 0; i < m->count; i++)
		for (j = 0; j < sizeof(table) / sizeof(table[0]); j++) {
			if (m->param[i] != table[j].mode)
				continue;
			if (set != table[j].rest)
				m->on |= 1u << j;
			else
				m->on &= ~(1u << j);
		}
}

static void modes_param(struct modes *m, unsigned char c)
{
	uint16_t *p = &m->param[m->count - 1];

	if (c == ';') {
		if (m->count == MODES_MAX) {
			m->state = GROUND;
			return;
		}
		m->param[m->count++] = 0;
	} else if (c >= '0' && c <= '9') {
		*p = *p > 6000 ? 65535 : (uint16_t)(*p * 10 + (c - '0'));
	} else {
		if (c == 'h' || c == 'l')
			modes_set(m, c == 'h');
		m->state = GROUND;
	}
}

void modes_feed(struct modes *m, const unsigned char *bytes, size_t len)
{
	for (; len; bytes++, len--) {
		unsigned char c = *bytes;

		if (m->state == GROUND) {
			const unsigned char *esc = memchr(bytes, 27, len);

			if (!esc)
				return;
			len -= (size_t)(esc - bytes);
			bytes = esc;
			m->state = ESCAPE;
		} else if (c == 27) {
			m->state = ESCAPE;
		} else if (m->state == ESCAPE) {
			m->state = c == '[' ? BRACKET : GROUND;
		} else if (m->state == BRACKET) {
			m->state = c == '?' ? PRIVATE : GROUND;
			m->param[0] = 0;
			m->count = 1;
		} else {
			modes_param(m, c);
		}
	}
}

size_t modes_reset(const struct modes *m, char *out, size_t size)
{
	size_t len = 0, i;
	int n;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!(m->on & 1u << i))
			continue;
		n = snprintf(out + len, size - len, "\033[?%u%c", table[i].mode,
			     table[i].rest ? 'h' : 'l');
		if (n < 0 || (size_t)n >= size - len)
			break;
		len += (size_t)n;
	}
	return len;
}
