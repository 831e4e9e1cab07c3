// SPDX-License-Identifier: LGPL-3.0-or-later
/* Questions to a terminal: whatever a program prints, an answer is bounded, and is no question itself. */
#include <string.h>
#include "gshd/session/screen_impl.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static VTerm *vt;
	struct question q = { 0 }, back = { 0 };
	struct answer a, none;

	if (!vt)
		vt = vterm_new(24, 80);
	for (size_t i = 0; i < size; i++) {
		if (!question_ends(&q, data[i], vt, &a))
			continue;
		must(a.size && a.size <= sizeof(a.text) && a.text[0] == 27);
		for (size_t j = 0; j < a.size; j++)
			must(!question_ends(&back, (uint8_t)a.text[j], vt, &none));
	}
	return 0;
}
