/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gsh inside a sandbox: it asks the host's gsh, which answers a few verbs about that sandbox and no other.
 *
 * /dev/gsh is the way: each open is a connection to a gsh of the host's that the monitor starts for it (gsh inside, by
 * gshd/monitor/inside.c). Bytes go first one way, then the other:
 *
 *	request   a length (4 bytes, little endian, at most INSIDE_REQUEST_MAX), then as many bytes: the words of the command
 *		  line without gsh's own name, each ended by NUL. The first may be INSIDE_READER and a digit: who reads the
 *		  answer, as READER_ bits of shell.h
 *	answer    frames: a byte that says what it is, a length (4 bytes, little endian), and as many bytes. '1' and '2': for
 *		  standard output and error; 's': the exit status, a byte, and the end
 *
 * What is asked comes from a program that nobody trusts. So nothing of it reaches a terminal, names a file of the host's or
 * another sandbox, or grants anything.
 */
#ifndef SHELL_INSIDE_H
#define SHELL_INSIDE_H

#include <stdbool.h>
#include <stddef.h>

#define INSIDE_DEVICE "/dev/gsh"
#define INSIDE_READER "--reader="
#define INSIDE_REQUEST_MAX (64 << 10)
#define INSIDE_WORDS_MAX 200
#define INSIDE_SECONDS 120 /* then an answer that nobody fetched, or a question that never came, is over */

struct call;

/* Are we in a sandbox that has the device? */
bool inside_is(void);
/* Have the host's gsh do it; call is what the words after gsh's name (argv, ended by NULL) mean. The exit status. */
int inside_ask(const struct call *call, char **argv);
/* All of size bytes, both ways. 0, or -1. */
int inside_read(int fd, void *buf, size_t size);
int inside_write(int fd, const void *buf, size_t size);

#endif
