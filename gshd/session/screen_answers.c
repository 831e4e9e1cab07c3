// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Questions to a terminal that libvterm leaves open, and what they are answered while nobody is attached.
 *
 * Programs ask for colours, for the terminal's name and its abilities, and some wait for seconds for what never
 * comes: OSC 4, 10, 11, 12 with "?" (xterm's ctlseqs), XTGETTCAP (DCS + q), XTVERSION (CSI > q), tertiary attributes
 * (CSI = c), the kitty keyboard's state (CSI ? u) and the size in characters (CSI 18 t). A sequence that is longer
 * than any of these is none of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gshd/session/screen_impl.h"

static void put(struct answer *a, const char *text)
{
	size_t n = strlen(text);

	if (a->size + n > sizeof(a->text))
		return;
	memcpy(a->text + a->size, text, n);
	a->size += n;
}

static void put_colour(struct answer *a, VTermState *state, const char *what, int index, const char *end)
{
	VTermColor fg, bg, c;
	char text[64];

	vterm_state_get_default_colors(state, &fg, &bg);
	c = index == QUESTION_BACKGROUND ? bg : fg;
	if (index >= 0)
		vterm_state_get_palette_color(state, index, &c);
	vterm_state_convert_color_to_rgb(state, &c);
	snprintf(text, sizeof(text), "\033]%s;rgb:%02x%02x/%02x%02x/%02x%02x%s", what, c.rgb.red, c.rgb.red,
		 c.rgb.green, c.rgb.green, c.rgb.blue, c.rgb.blue, end);
	put(a, text);
}

static void answer_osc(struct answer *a, VTermState *state, const char *text, const char *end)
{
	char what[16];
	int index;
	char mark;

	if (!strcmp(text, "10;?") || !strcmp(text, "12;?")) { /* the cursor has the text's */
		snprintf(what, sizeof(what), "%.2s", text);
		put_colour(a, state, what, QUESTION_FOREGROUND, end);
	} else if (!strcmp(text, "11;?")) {
		put_colour(a, state, "11", QUESTION_BACKGROUND, end);
	} else if (sscanf(text, "4;%3d;%c", &index, &mark) == 2 && mark == '?' && index >= 0 && index < 256) {
		snprintf(what, sizeof(what), "4;%d", index);
		put_colour(a, state, what, index, end);
	}
}

/* Names and values travel as hexadecimal digits. */
static void answer_ability(struct answer *a, const char *hex)
{
	static const struct {
		const char *name, *answer;
	} known[] = {
		{ "544E", "\033P1+r544E=787465726D2D323536636F6C6F72\033\\" },	/* TN: xterm-256color */
		{ "436F", "\033P1+r436F=323536\033\\" },			/* Co: 256 */
		{ "636F6C6F7273", "\033P1+r636F6C6F7273=323536\033\\" },	/* colors: 256 */
		{ "524742", "\033P1+r524742=382F382F38\033\\" },		/* RGB: 8/8/8 */
	};
	char text[QUESTION_MAX + 16];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(hex, known[i].name)) {
			put(a, known[i].answer);
			return;
		}
	if (hex[strspn(hex, "0123456789abcdefABCDEF")])
		return;
	snprintf(text, sizeof(text), "\033P0+r%s\033\\", hex);
	put(a, text);
}

static void answer_dcs(struct answer *a, char *text)
{
	char *name;

	if (strncmp(text, "+q", 2) != 0)
		return;
	text += 2;
	while ((name = strsep(&text, ";")))
		answer_ability(a, name);
}

static void answer_csi(struct answer *a, VTerm *vt, const char *text)
{
	int rows, cols;
	char size[48];

	if (!strcmp(text, ">q") || !strcmp(text, ">0q")) {
		put(a, "\033P>|gsh(" GSH_VERSION ")\033\\");
	} else if (!strcmp(text, "=c") || !strcmp(text, "=0c")) {
		put(a, "\033P!|00000000\033\\");
	} else if (!strcmp(text, "?u")) {
		put(a, "\033[?0u");
	} else if (!strcmp(text, "18t")) {
		vterm_get_size(vt, &rows, &cols);
		snprintf(size, sizeof(size), "\033[8;%d;%dt", rows, cols);
		put(a, size);
	}
}

static void keep(struct question *q, uint8_t c)
{
	if (q->n + 1 < sizeof(q->text))
		q->text[q->n++] = (char)c;
	else
		q->at = QUESTION_NONE;
}

static void end(struct question *q, VTerm *vt, struct answer *a, const char *ending)
{
	q->text[q->n] = '\0';
	if (q->kind == ']')
		answer_osc(a, vterm_obtain_state(vt), q->text, ending);
	else if (q->kind == 'P')
		answer_dcs(a, q->text);
	else
		answer_csi(a, vt, q->text);
	q->at = QUESTION_NONE;
}

bool question_ends(struct question *q, uint8_t c, VTerm *vt, struct answer *a)
{
	a->size = 0;
	switch (q->at) {
	case QUESTION_NONE:
		if (c == 27)
			q->at = QUESTION_ESCAPE;
		break;
	case QUESTION_ESCAPE:
		q->kind = (char)c;
		q->n = 0;
		q->at = c == '[' ? QUESTION_CSI : c == ']' || c == 'P' ? QUESTION_STRING : QUESTION_NONE;
		break;
	case QUESTION_CSI:
		keep(q, c);
		if (c >= 0x40 && c < 0x7f && q->at == QUESTION_CSI)
			end(q, vt, a, "");
		else if (c < 0x20)
			q->at = QUESTION_NONE;
		break;
	case QUESTION_STRING:
		if (c == 7)
			end(q, vt, a, "\a");
		else if (c == 27)
			q->at = QUESTION_STRING_ESCAPE;
		else
			keep(q, c);
		break;
	case QUESTION_STRING_ESCAPE:
		if (c == '\\')
			end(q, vt, a, "\033\\");
		else
			q->at = QUESTION_NONE;
		break;
	}
	return a->size > 0;
}
