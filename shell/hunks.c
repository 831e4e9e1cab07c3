// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Parts of a change: the hunks between what the host has and what a sandbox made of it, asked about
 * one by one.
 *
 * What is chosen is put into the host's text line by line: between the hunks the host's own lines,
 * in a hunk the lines that it keeps or adds. Hunks come in the order of the file and do not
 * overlap.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gshd/tree/patch.h"
#include "shell/cmd.h"

/* The text of all hunks, and the file that they are about. */
struct hunks {
	char *text;
	size_t size, room;
	const char *host; /* mapped */
	size_t host_size;
};

static int collect(void *arg, enum patch_kind kind, const char *bytes, size_t size)
{
	struct hunks *h = arg;

	(void)kind;
	if (h->size + size + 1 > h->room) {
		size_t room = 2 * (h->size + size + 1);
		char *more = realloc(h->text, room);

		if (!more)
			return -ENOMEM;
		h->text = more;
		h->room = room;
	}
	memcpy(h->text + h->size, bytes, size);
	h->size += size;
	h->text[h->size] = '\0';
	return 0;
}

static char *next_line(char *p, const char *end)
{
	char *stop = memchr(p, '\n', (size_t)(end - p));

	return stop ? stop + 1 : (char *)end;
}

/* Behind the hunk that begins at p. Its lines begin with one of " +-\\", so that of the next is
 * easily told. */
static char *hunk_end(char *p, const char *end)
{
	do
		p = next_line(p, end);
	while (p < end && *p != '@');
	return p;
}

/* Before which line of the host's file it begins, counted from 0. */
static size_t hunk_line(const char *head)
{
	size_t line = strtoul(head + strlen("@@ -"), (char **)&head, 10), count = 1;

	if (*head == ',')
		count = strtoul(head + 1, NULL, 10);
	/* Of nothing the number is that of the line before. */
	return count ? line - 1 : line;
}

static const char *skip_lines(const struct hunks *h, const char *from, size_t n)
{
	const char *end = h->host + h->host_size;

	while (n-- && from < end)
		from = next_line((char *)from, end);
	return from;
}

/* Put one hunk out; *at, in the host's text, goes behind what it stands for. */
static void apply(const struct hunks *h, char *p, const char *end, const char **at, FILE *out)
{
	for (p = next_line(p, end); p < end;) {
		char sign = *p, *line = p + 1, *next = next_line(p, end);
		size_t size = (size_t)(next - line);

		/* "\ No newline at end of file" */
		if (next < end && *next == '\\') {
			size--;
			next = next_line(next, end);
		}
		if (sign != '-')
			fwrite(line, 1, size, out);
		if (sign != '+')
			*at = skip_lines(h, *at, 1);
		p = next;
	}
}

enum choice { NONE, ALL, SOME };

/* Ask, and write the chosen to out. */
static enum choice choose(const struct hunks *h, const struct hunk_asker *asker, const char *path,
			  FILE *out)
{
	char *p = h->text, *end = h->text + h->size;
	const char *at = h->host;
	size_t line = 0, taken = 0, left = 0;
	int rest = 0;

	while (p < end) {
		char *next = hunk_end(p, end);
		int answer = rest ? rest : asker->ask(path, p, (size_t)(next - p), asker->arg);

		if (answer == 'a' || answer == 'd' || answer == 'q')
			rest = answer;
		if (answer == 'y' || answer == 'a') {
			const char *to = skip_lines(h, at, hunk_line(p) - line);

			fwrite(at, 1, (size_t)(to - at), out);
			at = to;
			apply(h, p, next, &at, out);
			line = 0;
			for (const char *q = h->host; q < at;
			     q = next_line((char *)q, h->host + h->host_size))
				line++;
			taken++;
		} else {
			left++;
		}
		p = next;
	}
	fwrite(at, 1, (size_t)(h->host + h->host_size - at), out);
	return !taken ? NONE : left ? SOME : ALL;
}

static int open_both(const struct diff_found *f, int fds[2])
{
	if (!f->a || !f->b || !(f->what & DIFF_DATA) || !S_ISREG(f->was.mode) ||
	    !S_ISREG(f->is.mode))
		return -EINVAL;
	fds[0] = spot_open(f->a, O_RDONLY);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = spot_open(f->b, O_RDONLY);
	if (fds[1] >= 0 && !lines_binary(fds[0]) && !lines_binary(fds[1]))
		return 0;
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return -EINVAL;
}

int hunks_choose(const struct diff_found *f, const struct hunk_asker *asker, int *content)
{
	struct hunks h = { 0 };
	const struct patch_sink sink = { collect, &h };
	int fds[2], err = open_both(f, fds), result;
	FILE *out;

	*content = -1;
	if (err)
		return HUNKS_WHOLE;
	err = lines_diff(fds[0], fds[1], &sink, NULL);
	h.host_size = (size_t)lseek(fds[0], 0, SEEK_END);
	h.host = err || !h.host_size ? NULL
				     : mmap(NULL, h.host_size, PROT_READ, MAP_PRIVATE, fds[0], 0);
	result = err || !h.size || !h.host || h.host == MAP_FAILED ? HUNKS_WHOLE : HUNKS_NONE;
	*content = result == HUNKS_WHOLE ? -1 : memfd_create("hunks", MFD_CLOEXEC);
	out = *content < 0 ? NULL : fdopen(dup(*content), "w");
	if (out) {
		enum choice choice = choose(&h, asker, f->path, out);

		result = choice == NONE ? HUNKS_NONE : choice == ALL ? HUNKS_ALL : HUNKS_SOME;
		if (fclose(out))
			result = fail(FAIL_NO, f->path, "%s", strerror(errno));
	}
	if (*content >= 0 && result != HUNKS_SOME) {
		close(*content);
		*content = -1;
	}
	if (h.host && h.host != MAP_FAILED)
		munmap((void *)h.host, h.host_size);
	free(h.text);
	close(fds[0]);
	close(fds[1]);
	return result;
}
