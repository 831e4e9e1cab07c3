// SPDX-License-Identifier: LGPL-3.0-or-later
/* Names on one line, and harmless to a terminal. */
#include <stdio.h>
#include <string.h>
#include "gshd/tree/patch.h"

#define ROOM_LAST 12 /* for an escape, dots, a quote and the end */

size_t quote_utf8(const char *p, const char *end)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t left = (size_t)(end - p), n = *s < 0x80	 ? 1
					     : *s < 0xc2 ? 0
					     : *s < 0xe0 ? 2
					     : *s < 0xf0 ? 3
					     : *s < 0xf5 ? 4
							 : 0;

	if (n == 1)
		return *s >= ' ' && *s != 127;
	if (!n || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, beyond U+10FFFF; and U+0080 to U+009F, which terminals obey.
	 */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f) ||
	    (*s == 0xc2 && s[1] < 0xa0))
		return 0;
	return n;
}

static size_t escape(char c, char *to)
{
	static const char from[] = "\a\b\t\n\v\f\r\"\\", letter[] = "abtnvfr\"\\";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		return (size_t)sprintf(to, "\\%c", letter[at - from]);
	return (size_t)sprintf(to, "\\%03o", (unsigned char)c);
}

char *quote_bytes(const char *bytes, size_t len, size_t most, char *buf, size_t size)
{
	const char *end = bytes + (len < most ? len : most);
	size_t n = 0;

	buf[n++] = '"';
	while (bytes < end && n + ROOM_LAST < size) {
		size_t whole = *bytes == '"' || *bytes == '\\' ? 0 : quote_utf8(bytes, end);

		if (whole) {
			memcpy(buf + n, bytes, whole);
			n += whole;
			bytes += whole;
		} else {
			n += escape(*bytes++, buf + n);
		}
	}
	sprintf(buf + n, "\"%s", bytes < end || len > most ? "..." : "");
	return buf;
}

char *quote_name(const char *name, char *buf, size_t size)
{
	size_t len = strlen(name), n;
	bool plain = len < size;

	for (const char *p = name; plain && *p; p += n) {
		n = quote_utf8(p, name + len);
		plain = n && *p != '"' && *p != '\\';
	}
	if (plain)
		return memcpy(buf, name, len + 1);
	return quote_bytes(name, len, len, buf, size);
}
