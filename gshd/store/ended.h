/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Why a sandbox ended that nobody asked to. See ended.c. */
#ifndef GSHD_ENDED_H
#define GSHD_ENDED_H

#include <stdbool.h>
#include <stddef.h>
#include "gshd/store/store.h"

#define ENDED_MAX 384

void ended_write(int store, const char *name, const char *why);
void ended_clear(int store, const char *name);
/* Of a sandbox that does not run: false if it ended in order. */
bool ended_read(int store, const char *name, char *why, size_t size);
/* In words: the wait status of the monitor's child, and what the sandbox said last. */
void ended_by_itself(char *why, size_t size, int status, const char *last_words);

#endif
