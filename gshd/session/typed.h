/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What clients typed of a line that is not ended yet.
 *
 * A reader that a terminal let go of hands back what it got of such a line, and the client's editor takes that for
 * keys, as it was typed. But who hands it back is the sandbox, and a key may be one that ends a line or calls an editor
 * on the host: so only what was typed comes back, in its order and once. Characters may be missing, for the terminal
 * has erased some.
 */
#ifndef GSHD_TYPED_H
#define GSHD_TYPED_H

#include <stdbool.h>
#include <stddef.h>

#define TYPED_MAX 4096 /* as a terminal holds of a line */

struct typed {
	size_t n;
	char text[TYPED_MAX];
};

/* These went to the terminal. */
void typed_add(struct typed *t, const void *bytes, size_t size);
/* Was all of text typed? Then it cannot come back again. */
bool typed_take(struct typed *t, const char *text, size_t size);

#endif
