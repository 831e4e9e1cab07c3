/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the monitor reads out of a terminal's output and of what readers hand back: the words of an op (gshd/session/lines.c), and
 * what was typed (gshd/session/typed.c).
 */
#include "gshd/session/lines.c"
#include "gshd/session/typed.h"
#include "tests/fuzz/fuzz.h"

int log_verbose;

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

/* The same question, asked in the plainest way: is text a subsequence of what was typed? */
static bool is_within(const char *typed, size_t n, const uint8_t *text, size_t size)
{
	size_t i = 0;

	for (size_t at = 0; i < size && at < n; at++)
		i += typed[at] == (char)text[i];
	return i == size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = take(&data, &size) | (size_t)take(&data, &size) << 8;
	static struct typed t;
	struct row r = { .n = 0 };
	char before[TYPED_MAX];
	size_t had;
	bool taken;

	n = n < size ? n : size;
	show(&r, (const char *)data, n < LOOKED_AT ? n : LOOKED_AT);
	must(r.n <= sizeof(r.text) && r.at <= r.n);
	t.n = 0;
	typed_add(&t, data, n);
	must(t.n <= TYPED_MAX && t.n <= n && !memchr(t.text, '\n', t.n) && !memchr(t.text, '\r', t.n));
	had = t.n;
	memcpy(before, t.text, had);
	taken = typed_take(&t, (const char *)data + n, size - n);
	must(taken == is_within(before, had, data + n, size - n));
	must(taken ? t.n + (size - n) <= had && !memcmp(t.text, before + had - t.n, t.n)
		   : t.n == had && !memcmp(t.text, before, had));
	return 0;
}
