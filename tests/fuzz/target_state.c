/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What one picoprocess hands to the next over exec, from a hostile hand: the string is unpacked in its own place and is no
 * longer for it, what was packed comes back whole, a reader never gets what lies beyond the end, and a header of a
 * patched image that is taken describes nothing outside of it. Of the input: what to read, then the bytes.
 */
#include "libos/ckpt/cursor.h"
#include "libos/ckpt/text.h"
#include "libos/entry/image.h"
#include "tests/fuzz/fuzz.h"

#define HOST __attribute__((visibility("default"))) /* of the driver's libc */
HOST void *malloc(size_t size);
HOST void free(void *p);

static void there_and_back(const uint8_t *data, size_t size)
{
	char *text = malloc(TEXT_SIZE(size));
	size_t n = text_from_bytes(text, data, size);

	must(n < TEXT_SIZE(size) && strlen(text) == n);
	must(text_to_bytes(text, n) == size && !memcmp(text, data, size));
	free(text);
}

static size_t unpack(char *text, const uint8_t *data, size_t size)
{
	size_t n;

	memcpy(text, data, size);
	text[size] = '\0';
	n = text_to_bytes(text, strlen(text));
	must(n <= size);
	return n;
}

static void read_all(const uint8_t *order, size_t n, struct cursor c)
{
	for (size_t i = 0; i < n; i++) {
		const u8 *p = NULL;
		const char *s;
		size_t had = c.pos, want = order[i] >> 2;

		switch (order[i] & 3) {
		case 0:
			(void)get_u32(&c);
			break;
		case 1:
			(void)get_u64(&c);
			break;
		case 2:
			s = get_str(&c);
			must(!s || ((const u8 *)s >= c.data && (const u8 *)s + strlen(s) < c.data + c.size));
			break;
		default:
			p = get_bytes(&c, want == 63 ? (size_t)-1 : want);
			must(!p || (p == c.data + had && want <= c.size - had));
		}
		must(c.pos <= c.size && c.pos >= had);
	}
}

static void header(const u8 *data, size_t size)
{
	struct image_head h;

	if (size < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	if (image_head_valid(&h, size, &h.key))
		must(h.size >= sizeof(h) && h.size <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t norder = take(&data, &size) & 15;
	const uint8_t *order = data;
	char *text;
	size_t n;

	if (norder > size)
		return 0;
	data += norder;
	size -= norder;
	there_and_back(data, size);
	header(data, size);
	text = malloc(size + 1);
	n = unpack(text, data, size);
	read_all(order, norder, (struct cursor){ .data = (const u8 *)text, .size = n });
	header((const u8 *)text, n);
	free(text);
	return 0;
}
