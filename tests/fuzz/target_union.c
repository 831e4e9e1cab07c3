/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The union's decoders: attributes and redirects as anybody may have written them, names of merged listings. */
#include <string.h>
#include "libos/union/union.h"
#include "tests/fuzz/fuzz.h"

static void attributes(const char *text, size_t size)
{
	char value[UNION_VALUE_MAX];
	struct union_attr a, b;
	u64 ino, again;

	if (!union_attr_decode(text, size, &a)) {
		must(!union_attr_decode(value, union_attr_encode(value, &a), &b));
		must(a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.rdev == b.rdev);
	}
	if (!union_origin_decode(text, size, &ino)) {
		must(!union_origin_decode(value, union_origin_encode(value, ino), &again));
		must(ino == again);
	}
}

/* What may be followed has no way out of the tree. */
static void redirect(const char *text, size_t size)
{
	const char *at, *end;

	if (!union_redirect_valid(text, size))
		return;
	must(size > 0 && size <= UNION_REDIRECT_MAX && !memchr(text, '\0', size));
	for (at = text + (*text == '/'); at <= text + size; at = end + 1) {
		end = memchr(at, '/', (size_t)(text + size - at));
		end = end ? end : text + size;
		must(end > at && end - at <= 255);
		must(!(end - at == 1 && at[0] == '.') && !(end - at == 2 && at[0] == '.' && at[1] == '.'));
	}
}

/* Names end in NUL; the byte before each is its layer and kind. */
static void listing(const uint8_t *data, size_t size)
{
	struct union_list l = { 0 };
	char name[256];

	while (size) {
		uint8_t kind = take(&data, &size), c;
		size_t n = 0;

		while (n < sizeof(name) - 1 && (c = take(&data, &size)))
			name[n++] = (char)c;
		name[n] = '\0';
		if (!n || strchr(name, '/'))
			continue;
		must(!union_list_add(&l, kind & 7, name, kind >> 4, kind, kind & 8));
		if (strcmp(name, ".") && strcmp(name, ".."))
			must(union_list_find(&l, name) && !strcmp(union_list_text(&l, union_list_find(&l, name)), name));
	}
	for (u32 i = 0; i < l.count; i++)
		must(union_list_find(&l, union_list_text(&l, &l.names[i])) == &l.names[i]);
	union_list_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t what = take(&data, &size);

	switch (what % 3) {
	case 0:
		attributes((const char *)data, size);
		break;
	case 1:
		redirect((const char *)data, size);
		break;
	case 2:
		listing(data, size);
		break;
	}
	return 0;
}
