// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * See merge.h. The work is diff3(1)'s, of the package that diff(1) is from, and bounded as that is (lines.c): what a
 * sandbox wrote is at most a sentence. Changes that both made alike are made once.
 */
#include "gshd/tree/merge.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MERGE_MAX ((off_t)4 << 20)
/* Marks that no text has by chance begin with seven signs and one of these names. */
#define SANDBOX "sandbox"
#define HOST "host"

static int check(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	int binary = lines_binary(fd);

	return size < 0 ? -errno : size > MERGE_MAX ? -EFBIG : binary < 0 ? binary : binary ? -EMEDIUMTYPE : 0;
}

int merge_texts(int base, int sandbox, int host, unsigned *conflicts)
{
	static char *const argv[] = { "diff3", "-a", "-m", "-E", "-L", SANDBOX, "-L", "base", "-L", HOST,
				      "/dev/fd/3", "/dev/fd/4", "/dev/fd/5", NULL };
	const int in[] = { sandbox, base, host };
	int err = 0, out, status;

	for (unsigned i = 0; i < 3 && !err; i++)
		err = check(in[i]);
	out = err ? err : memfd_create("merged", MFD_CLOEXEC);
	if (out < 0)
		return err ? err : -errno;
	status = lines_run(argv, in, 3, out);
	if (status == 0 || status == 1) {
		*conflicts = (unsigned)status;
		return out;
	}
	close(out);
	return status < 0 ? status : status == 127 ? -ENOPKG : -EFBIG;
}

static bool is_mark(const char *line, const char *end, const char *mark)
{
	size_t n = strlen(mark);

	return (size_t)(end - line) >= n && !memcmp(line, mark, n);
}

int merge_show(int merged, const struct patch_sink *sink)
{
	off_t size = lseek(merged, 0, SEEK_END);
	char *text = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, merged, 0) : NULL;
	bool inside = false;
	int r = 0;

	if (!text)
		return 0;
	if (text == MAP_FAILED)
		return -errno;
	for (char *p = text, *end = text + size, *next; p < end && !r; p = next) {
		char *stop = memchr(p, '\n', (size_t)(end - p));

		next = stop ? stop + 1 : end;
		inside |= is_mark(p, end, "<<<<<<< " SANDBOX);
		if (inside)
			r = sink->put(sink->arg, PATCH_CONTEXT, p, (size_t)(next - p));
		if (is_mark(p, end, ">>>>>>> " HOST))
			inside = false;
	}
	munmap(text, (size_t)size);
	return r;
}
