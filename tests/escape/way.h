/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Three ways to ask for a system call, and attempts run one by one.
 *
 *   libc   as any program does
 *   raw    by a `syscall` instruction in code that the program makes itself
 *   pal    by a jump to the PAL's own host-call instruction, registers chosen: what a guest that knows the libOS can do.
 *          Nothing of the libOS stands between; only the filter, Landlock and the namespaces do.
 *
 * An attempt runs in a child of its own, since many must end in its death. It says what came of it; whether the host was
 * touched is looked at from outside, by the runner. A verdict of "escaped" is for what can be judged inside.
 */
#ifndef TESTS_ESCAPE_WAY_H
#define TESTS_ESCAPE_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum way { LIBC, RAW, PAL, WAYS };

/* The kernel's answer, -errno on error. On the host there is no PAL: the call is then made raw. */
long call6(enum way way, long nr, long a, long b, long c, long d, long e, long f);
#define call(way, nr, ...) CALL_N(way, nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define CALL_N(way, nr, a, b, c, d, e, f, ...)                                                     \
	call6(way, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

extern const char *const way_names[WAYS];
/* Is the PAL's instruction there? */
bool way_pal(void);
/* The caller's id as the host has it. Inside no call tells it, but a lock does: a futex that knows its holder. */
long way_tid(void);
/* fstat by a call that the filter lists. */
long way_fstat(enum way way, int fd, struct stat *st);

/* Ask the monitor at the port, as the PAL does: m is a struct mon_msg and what belongs to it; with: a descriptor that goes
 * along, -1: none. *value and *fd, where wanted, are what the reply says and the descriptor in it, -1: none. 0 or -errno. */
int way_ask(const void *m, size_t size, int with, uint32_t *value, int *fd);

enum verdict { REFUSED, DONE, ESCAPED };
/* Run fn(way, arg) in a child and print "name way: verdict". Returns 1 if it escaped. */
int attempt(const char *name, enum way way, enum verdict (*fn)(enum way, void *), void *arg);
/* Any result but an error is an escape. */
enum verdict must_fail(long result);

#endif
