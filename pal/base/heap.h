/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The picoprocess's own heap: size-class free lists over one contiguous arena, kept small and together so that fork
 * copies few page-table entries. Thread-safe. Zeroed memory on request only.
 *
 * The first MiB is part of the image; the rest lies above it (PICO_BASE + 256 MiB) and is committed as it grows.
 * Objects above 32 KiB get their own pages from pal_pages_alloc.
 */
#ifndef PAL_BASE_HEAP_H
#define PAL_BASE_HEAP_H

#include "pal/base/types.h"

void *base_alloc(size_t size) must_check;	 /* 16-byte aligned, or NULL */
void *base_zalloc(size_t size) must_check;	 /* zeroed, or NULL */
void *base_realloc(void *p, size_t size) must_check;
void base_free(void *p);			 /* NULL is fine */
char *base_strdup(const char *s) must_check;
char *base_strndup(const char *s, size_t n) must_check;
/* fork: hold the heap's lock over the clone so that the child finds it whole. */
void base_heap_lock(void);
void base_heap_unlock(void);
bool base_heap_trylock(void);

#endif
