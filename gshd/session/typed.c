/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See typed.h. */
#include <string.h>
#include "gshd/session/typed.h"

void typed_add(struct typed *t, const void *bytes, size_t size)
{
	const char *p = bytes;

	for (size_t i = 0; i < size; i++) {
		/* Too long a line: the terminal has dropped some of it, and may keep the rest. */
		if (p[i] == '\r' || p[i] == '\n' || p[i] == 4 || t->n == sizeof(t->text))
			t->n = 0;
		else
			t->text[t->n++] = p[i];
	}
}

bool typed_take(struct typed *t, const char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < size; i++) {
		const char *found = memchr(t->text + at, text[i], t->n - at);

		if (!found)
			return false;
		at = (size_t)(found - t->text) + 1;
	}
	memmove(t->text, t->text + at, t->n - at);
	t->n -= at;
	return true;
}
