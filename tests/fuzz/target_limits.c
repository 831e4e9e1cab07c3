/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Limits as text: what is taken is written as it can be read again, and lies within its bounds. */
#include <stdlib.h>
#include <string.h>
#include "conf/limits.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum limit which = take(&data, &size) % LIMITS;
	char *text = calloc(1, size + 1), buf[LIMIT_TEXT_MAX];
	uint64_t value = 0, again = 0;
	const char *why = NULL;

	memcpy(text, data, size);
	if (limit_parse(which, text, &value, &why)) {
		must(why && *why);
	} else {
		must(value > 0);
		limit_text(which, value, buf);
		must(!limit_parse(which, buf, &again, &why) && again == value);
	}
	must(limit_find(text) < 0 || !strcmp(limit_rows[limit_find(text)].key, text));
	free(text);
	return 0;
}
