/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What tree_diff() finds, as text that patch(1) -p1 and git-apply(1) take.
 *
 * The form is git's: modes and symbolic links go in its extended headers. What git has no words for
 * (directories, devices, owners, attributes, files that are not text) is said in lines that both
 * programs pass over: "# ..." and "Binary files ... differ". Names are quoted as git does it, so
 * that none can break a line or drive a terminal.
 *
 * Functions return 0, what a sink returned, or negative errno. No state.
 */
#ifndef GSHD_TREE_PATCH_H
#define GSHD_TREE_PATCH_H

#include "gshd/tree/tree.h"

enum patch_kind { PATCH_META, PATCH_NOTE, PATCH_HUNK, PATCH_ADD, PATCH_DELETE, PATCH_CONTEXT };

/* Takes text in pieces, which need not end where a line does. Nonzero ends it. */
struct patch_sink {
	int (*put)(void *arg, enum patch_kind kind, const char *bytes, size_t size);
	void *arg;
};

struct patch_count {
	uint64_t added, deleted; /* lines */
	bool binary;		 /* no lines were compared */
};

/* ---- patch.c ---- */
/* All of one difference. count may be NULL. */
int patch_entry(const struct diff_found *f, const struct patch_sink *sink,
		struct patch_count *count) tree_must_check;
/* A, M, D or T. */
char patch_letter(const struct diff_found *f);

/* ---- lines.c ---- */
/* The hunks between the contents of two files; -1: no such file. -EFBIG: too large to compare;
 * -ENOPKG: there is no diff(1). count may be NULL. */
int lines_diff(int a, int b, const struct patch_sink *sink,
	       struct patch_count *count) tree_must_check;
/* Run a program of diffutils(1) with these files as /dev/fd/3 and on, and its output to `out`: its status, -errno. */
int lines_run(char *const argv[], const int *in, int n, int out) tree_must_check;
/* Does it hold something else than text? -errno. */
int lines_binary(int fd) tree_must_check;

/* ---- quote.c ---- */
/* A name as git writes it: in quotes with escapes of C if it has control characters, quotes,
 * backslashes or bytes that are not UTF-8. "..." at the end of what has no room. Returns buf. */
char *quote_name(const char *name, char *buf, size_t size);
/* The same for bytes, always in quotes, at most `most` of them. */
char *quote_bytes(const char *bytes, size_t len, size_t most, char *buf, size_t size);
/* Bytes of the UTF-8 character at p, 0: it is none, or a control character. */
size_t quote_utf8(const char *p, const char *end);

#endif
