// SPDX-License-Identifier: LGPL-3.0-or-later
/* Bytes that travel in JSON (data_b64 of ProcRead) are base64. */
#include <stdlib.h>
#include "gshd/client/client.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t client_unbase64(const char *text, size_t len, char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;
	unsigned char value[256] = {0}; /* and one */
	size_t n = 0;

	for (unsigned char i = 0; i < 64; i++)
		value[(unsigned char)digits[i]] = i + 1;
	for (size_t i = 0; i < len; i++) {
		unsigned d = value[(unsigned char)text[i]];

		if (!d)
			break;
		bits = bits << 6 | (d - 1);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	return n;
}

char *client_base64(const char *bytes, size_t size)
{
	char *text = malloc(size / 3 * 4 + 8), *to = text;
	const unsigned char *p = (const unsigned char *)bytes;

	for (size_t i = 0; text && i < size; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < size ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < size ? p[i + 2] : 0);

		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = i + 1 < size ? digits[v >> 6 & 63] : '=';
		*to++ = i + 2 < size ? digits[v & 63] : '=';
	}
	if (text)
		*to = '\0';
	return text;
}
