// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The clipboard's guard: however the bytes of a sandbox are cut into pieces, the user's terminal gets the same, no more
 * than there was, and nothing that asks for the clipboard, by the eyes of a terminal that overlooks nothing.
 */
#include <stdlib.h>
#include <string.h>
#include "shell/shell.h"
#include "tests/fuzz/fuzz.h"

static size_t pass(const uint8_t *in, size_t size, size_t piece, unsigned char *out)
{
	struct clipboard c = { 0 };
	size_t n = 0;

	while (size) {
		size_t now = piece < size ? piece : size, got = clipboard_guard(&c, in, now, out + n);

		must(got <= now + CLIPBOARD_HELD);
		n += got;
		in += now;
		size -= now;
	}
	return n;
}

/* ESC ] 52 ; letters ; ? and an end: the plain form. */
static bool asks(const unsigned char *b, size_t n)
{
	for (size_t i = 0; i + 6 < n; i++) {
		size_t k = i + 5;

		if (memcmp(b + i, "\033]52;", 5))
			continue;
		while (k < n && b[k] >= '0' && b[k] <= 'z' && b[k] != ';')
			k++;
		if (k + 2 < n && b[k] == ';' && b[k + 1] == '?' &&
		    (b[k + 2] == 7 || (k + 3 < n && b[k + 2] == 27 && b[k + 3] == '\\')))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = 1 + take(&data, &size) % 16;
	unsigned char *whole = malloc(size + CLIPBOARD_HELD), *parts = malloc(size + CLIPBOARD_HELD);
	size_t n = pass(data, size, size ? size : 1, whole), m = pass(data, size, piece, parts);

	must(n == m && !memcmp(whole, parts, n));
	must(n <= size); /* what is held back may come behind a control byte that was acted upon at once */
	must(!asks(whole, n));
	free(whole);
	free(parts);
	return 0;
}
