// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What a program writes, on its way to libvterm: a small recogniser of sequences beside it notes the modes that it does
 * not tell and that are needed to go on, and keeps from it what it cannot bear.
 */
#include <stdio.h>
#include <string.h>
#include "gshd/session/screen_impl.h"

/* clang-format off */
const struct screen_mode screen_modes[SCREEN_MODES] = {
	{ 1, false }, { 6, false }, { 7, true }, { 9, false }, { 25, true }, { 1000, false }, { 1002, false },
	{ 1003, false }, { 1004, false }, { 1005, false }, { 1006, false }, { 1015, false }, { 2004, false },
};
/* clang-format on */

static void set_modes(struct model *m, bool set)
{
	for (unsigned i = 0; i < m->nparams; i++)
		for (unsigned j = 0; j < SCREEN_MODES; j++)
			if (screen_modes[j].mode == m->param[i])
				m->modes = set ? m->modes | 1u << j : m->modes & ~(1u << j);
}

void model_modes_rest(struct model *m)
{
	m->modes = 0;
	for (unsigned j = 0; j < SCREEN_MODES; j++)
		m->modes |= screen_modes[j].rest ? 1u << j : 0;
	m->top = m->bottom = m->cursor_style = 0;
	m->keypad = false;
}

static bool switches_screen(const struct model *m)
{
	for (unsigned i = 0; i < m->nparams; i++)
		if (m->param[i] == 47 || m->param[i] == 1047 || m->param[i] == 1049)
			return true;
	return false;
}

/* The last byte of a sequence, not yet seen by libvterm. */
static void sequence(struct model *m, uint8_t c)
{
	if (m->at == CSI_PRIVATE && (c == 'h' || c == 'l')) {
		if (c == 'h' && switches_screen(m) && !m->alternate) {
			m->below.size = 0;
			model_put_screen(m, &m->below);
		}
		set_modes(m, c == 'h');
	} else if (m->at == CSI && c == 'r') {
		m->top = m->nparams > 1 ? m->param[0] : 0;
		m->bottom = m->nparams > 1 ? m->param[1] : 0;
	} else if (m->at == CSI_OTHER && c == 'q') {
		m->cursor_style = m->param[0];
	} else if (m->at == CSI_OTHER && c == 'p') {
		model_modes_rest(m); /* a soft reset, or something rare */
	}
}

static void recognise_csi(struct model *m, uint8_t c)
{
	unsigned *p = &m->param[m->nparams - 1];

	if (c >= '0' && c <= '9') {
		*p = *p > 100000 ? *p : *p * 10 + (c - '0');
	} else if (c == ';') {
		if (m->nparams < PARAMS_MAX)
			m->param[m->nparams++] = 0;
	} else if (c == '?' && m->at == CSI) {
		m->at = CSI_PRIVATE;
	} else if ((c >= 0x20 && c < 0x30) || (c >= 0x3c && c < 0x40)) {
		m->at = CSI_OTHER;
	} else if (c >= 0x40 && c < 0x7f) {
		sequence(m, c);
		m->at = GROUND;
	}
}

static bool is_graph(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

static void recognise_escape(struct model *m, uint8_t c)
{
	if (c < 0x20 || c == 0x7f)
		return; /* a control is carried out, and the sequence goes on */
	if (c < 0x30) {
		m->at = ESCAPE_MORE;
		return;
	}
	if (m->at == ESCAPE_MORE)
		m->at = GROUND;
	else
		m->at = c == '[' ? CSI : c == ']' ? OSC : c < 0x80 && strchr("PX^_", c) ? STRING : GROUND;
	m->param[0] = 0;
	m->nparams = 1;
	m->nseparators = 0;
	if (c == '=' || c == '>')
		m->keypad = c == '=';
	else if (c == 'c')
		model_modes_rest(m);
}

/* Look at a byte. True: it belongs to a CSI sequence, and libvterm must have all before it first. */
static bool recognise(struct model *m, uint8_t c)
{
	if (c == 27)
		m->at = ESCAPE;
	else if (c == 0x18 || c == 0x1a || (c == 7 && m->at == OSC))
		m->at = GROUND;
	else if (m->at == ESCAPE || m->at == ESCAPE_MORE)
		recognise_escape(m, c);
	else
		return m->at == CSI || m->at == CSI_PRIVATE || m->at == CSI_OTHER;
	return false;
}

/* Give libvterm what it has not got of this, up to `end`. */
static size_t give(struct model *m, const uint8_t *data, size_t given, size_t end)
{
	vterm_input_write(m->vt, (const char *)data + given, end - given);
	return end;
}

/* What libvterm (0.1.4) must not get. It writes parameters behind the end of those that it holds: what has more loses
 * them. It repeats for ever what has no width: a repetition (REP) is given on only behind a letter; and what it takes
 * for the beginning of a sequence, and the recogniser does not, is cancelled, so that both agree on what is text. */
#define CANCEL "\x18"

/* An escape that goes on behind what is not of ASCII, and one with something between it and a bracket. */
static bool is_odd_escape(const struct model *m, uint8_t c)
{
	return (m->at == ESCAPE && c >= 0x80) || (m->at == ESCAPE_MORE && (c >= 0x80 || (c && strchr("[]PX^_", c))));
}

void model_feed(struct model *m, const uint8_t *data, size_t size)
{
	struct answer answer;
	size_t given = 0, text = 0; /* given: to libvterm; text: where the plain text before this byte begins */

	for (size_t i = 0; i < size; i++) {
		bool ground = m->at == GROUND, odd = is_odd_escape(m, data[i]);

		if (ground && m->question.at == QUESTION_NONE) {
			const uint8_t *esc = memchr(data + i, 27, size - i);
			if (!esc)
				break;
			i = (size_t)(esc - data);
		}
		if (question_ends(&m->question, data[i], m->vt, &answer)) {
			/* Behind the answers to what was asked before. */
			given = give(m, data, given, i);
			model_answers(answer.text, answer.size, m);
		}
		if (data[i] == 27)
			m->behind_text = ground && (i > text ? is_graph(data[i - 1]) : !i && m->ends_in_text);
		if (recognise(m, data[i])) {
			m->nseparators += data[i] == ';' || data[i] == ':';
			if (m->nseparators >= PARAMS_MAX && (data[i] < 0x40 || data[i] >= 0x7f)) {
				give(m, data, given, i);
				given = i + 1;
			} else if (m->at == CSI_PRIVATE && (data[i] == 'h' || data[i] == 'l')) {
				given = give(m, data, given, i);
			} else if (data[i] == 'b' && !m->behind_text) {
				give(m, data, given, i);
				given = i + 1;
				vterm_input_write(m->vt, CANCEL, 1);
			}
			recognise_csi(m, data[i]);
		} else if (odd) {
			given = give(m, data, given, i);
			vterm_input_write(m->vt, CANCEL, 1);
		}
		if (!ground)
			text = i + 1;
	}
	give(m, data, given, size);
	if (size)
		m->ends_in_text = m->at == GROUND && size > text && is_graph(data[size - 1]);
}
