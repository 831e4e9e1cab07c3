/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bytes as a string without NULs, and back (text.c). */
#ifndef LIBOS_CKPT_TEXT_H
#define LIBOS_CKPT_TEXT_H

#include "pal/base/types.h"

/* What n bytes may become, the NUL included. */
#define TEXT_SIZE(n) ((n) + (n) / 254 + 2)

/* n bytes as a string at out, which has TEXT_SIZE(n) of room; its length. */
size_t text_from_bytes(char *out, const void *bytes, size_t n);
/* In place, of n characters; how many bytes there are. What no text_from_bytes made gives some bytes or other, no more
 * than it had. */
size_t text_to_bytes(char *text, size_t n);

#endif
