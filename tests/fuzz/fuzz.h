/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a fuzz target is: a function that gets bytes from a hostile hand and may do anything but
 * crash, hang, leak, or break what it promises (must). libFuzzer's interface, so that the same
 * targets run under it, or with our own small driver.c where only gcc is installed.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise was broken: end so that the input is kept. */
#define must(cond)                      \
	do {                            \
		if (!(cond))            \
			__builtin_trap(); \
	} while (0)

/* Bytes are taken from the front; a missing one is 0. */
static inline uint8_t take(const uint8_t **data, size_t *size)
{
	if (!*size)
		return 0;
	--*size;
	return *(*data)++;
}

#endif
