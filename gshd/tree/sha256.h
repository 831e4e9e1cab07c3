/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* SHA-256, by which an OCI image names its parts. Source: FIPS 180-4. No state but the caller's. */
#ifndef GSHD_TREE_SHA256_H
#define GSHD_TREE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
	uint32_t h[8];
	uint64_t size; /* bytes so far */
	unsigned char block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t size);
/* 64 hexadecimal digits and NUL. */
void sha256_end(struct sha256 *s, char text[65]);

#endif
