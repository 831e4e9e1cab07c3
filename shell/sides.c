// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The two sides of a change, the host's and the sandbox's: shown, and put together where both changed a text.
 *
 * A merge needs what both had before (gshd/tree/common.h). Nothing but regular files that are text is merged; of their
 * modes the one that was changed counts. Everything else that both changed is a conflict.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gshd/tree/commit.h"
#include "gshd/tree/merge.h"
#include "shell/cmd.h"

#define CHANGED "changed on the host since the sandbox first touched it"

/* ---- showing ---- */

static int put_out(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	(void)kind;
	fwrite(bytes, 1, size, arg);
	return 0;
}

/* To a terminal only through a filter; see cmd-diff.c. */
static int put_safe(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	const char *end = bytes + size;

	(void)kind;
	while (bytes < end) {
		size_t n = *bytes == '\n' || *bytes == '\t' ? 1 : quote_utf8(bytes, end);

		if (n)
			fwrite(bytes, 1, n, arg);
		else
			putc('?', arg);
		bytes += n ? n : 1;
	}
	return 0;
}

struct patch_sink sides_sink(FILE *f)
{
	return (struct patch_sink){ isatty(fileno(f)) ? put_safe : put_out, f };
}

void sides_show(const struct diff_found *f, FILE *to)
{
	const struct patch_sink sink = sides_sink(to);

	if (patch_entry(f, &sink, NULL))
		note("%s: cannot be shown", f->path);
}

/* Of a conflict the parts in which both differ; else what the host's file becomes. */
void merged_show(const struct diff_found *f, const struct merged *m, FILE *to)
{
	const struct patch_sink sink = sides_sink(to);
	int host = -1, err;

	if (m->result == MERGED_CONFLICT) {
		err = merge_show(m->content, &sink);
	} else {
		host = spot_open(f->a, O_RDONLY);
		err = host < 0 ? host : lines_diff(host, m->content, &sink, NULL);
	}
	if (err)
		note("%s: cannot be shown", f->path);
	if (host >= 0)
		close(host);
}

/* ---- putting together ---- */

static bool is_text_pair(const struct diff_found *f)
{
	return f->a && f->b && S_ISREG(f->was.mode) && S_ISREG(f->is.mode) && !(f->what & DIFF_XATTRS);
}

static bool same_content(int a, int b)
{
	off_t x = lseek(a, 0, SEEK_END), y = lseek(b, 0, SEEK_END);
	void *p = MAP_FAILED, *q = MAP_FAILED;
	bool same = x >= 0 && x == y;

	if (same && x > 0) {
		p = mmap(NULL, (size_t)x, PROT_READ, MAP_PRIVATE, a, 0);
		q = mmap(NULL, (size_t)x, PROT_READ, MAP_PRIVATE, b, 0);
		same = p != MAP_FAILED && q != MAP_FAILED && !memcmp(p, q, (size_t)x);
	}
	if (p != MAP_FAILED)
		munmap(p, (size_t)x);
	if (q != MAP_FAILED)
		munmap(q, (size_t)x);
	return same;
}

/* The mode of the side that changed it. False: both did, and not alike. */
static bool merge_mode(const struct diff_found *f, uint32_t base, uint32_t *mode)
{
	uint32_t host = f->was.mode & 07777, sandbox = f->is.mode & 07777;

	*mode = sandbox == base ? host : sandbox;
	return sandbox == host || sandbox == base || host == base;
}

static const char *why_not(int err)
{
	switch (err) {
	case -ENOENT:
		return CHANGED ", and what it was before was not kept";
	case -EMEDIUMTYPE:
		return CHANGED ", and it is not text that could be merged";
	case -ENOPKG:
		return CHANGED ", and there is no diff3 that could merge it";
	default:
		return CHANGED ", and it cannot be merged";
	}
}

/* sides: of the sandbox and of the host. */
static void merge(const struct diff_found *f, int base, uint32_t base_mode, const int sides[2], struct merged *m)
{
	unsigned conflicts = 0;

	m->content = merge_texts(base, sides[0], sides[1], &conflicts);
	if (m->content < 0) {
		m->why = why_not(m->content);
		m->content = -1;
	} else if (conflicts) {
		m->why = CHANGED ", in the same lines";
	} else if (!merge_mode(f, base_mode, &m->mode)) {
		merged_free(m);
		m->why = CHANGED ", and so was its mode, on both sides";
	} else if (m->mode == (f->was.mode & 07777) && same_content(m->content, sides[1])) {
		m->result = MERGED_HOST;
		m->why = "the host has all of it, and more";
	} else {
		m->result = MERGED_CLEAN;
		m->why = "with what the host changed, too";
	}
}

static int open_sides(const struct diff_found *f, int sides[2])
{
	int binary = 0;

	sides[0] = spot_open(f->b, O_RDONLY);
	sides[1] = spot_open(f->a, O_RDONLY);
	for (unsigned i = 0; i < 2; i++) {
		if (sides[i] < 0)
			return sides[i];
		binary |= lines_binary(sides[i]);
	}
	return binary ? -EMEDIUMTYPE : 0;
}

void sides_merge(const struct commit *c, const struct tree *now, const struct diff_found *f, struct merged *m)
{
	int sides[2] = { -1, -1 }, base = -1, err;

	*m = (struct merged){ .result = MERGED_CONFLICT, .content = -1, .why = CHANGED };
	if (!is_text_pair(f))
		return;
	err = open_sides(f, sides);
	if (!err) {
		base = commit_common(c, now, f->path, &m->mode);
		err = base < 0 ? base : 0;
	}
	if (err)
		m->why = why_not(err);
	else
		merge(f, base, m->mode, sides, m);
	for (unsigned i = 0; i < 2; i++)
		if (sides[i] >= 0)
			close(sides[i]);
	if (base >= 0)
		close(base);
}

void merged_free(struct merged *m)
{
	if (m->content >= 0)
		close(m->content);
	m->content = -1;
}
