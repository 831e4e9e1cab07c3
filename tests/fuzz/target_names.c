/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Questions for names as a sandbox asks them: what is let through is one plain name, and its answer is no longer than
 * promised and repeats the question. The parser is the monitor's own, so its file is taken in whole.
 */
#include "gshd/reach/names.c"
#include "tests/fuzz/fuzz.h"

int log_verbose;

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char addresses[ADDRESSES_MAX * 16];
	unsigned n = take(&data, &size) % (ADDRESSES_MAX + 1);
	unsigned char answer[4096];
	struct question q;
	int ends[2];
	ssize_t got;

	if (parse(data, size, &q))
		return 0;
	must(q.size <= size && q.size <= QUESTION_MAX && *q.name && strlen(q.name) < 254);
	must(!q.name[strspn(q.name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] && q.name[strlen(q.name) - 1] != '.');
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	reply(ends[0], &q, NO_ERROR, addresses, n);
	got = recv(ends[1], answer, sizeof(answer), MSG_DONTWAIT);
	must(got == (ssize_t)(q.size + n * (q.type == TYPE_A ? 16 : 28)));
	must(!memcmp(answer, data, 2) && !memcmp(answer + HEAD, data + HEAD, q.size - HEAD));
	close(ends[0]);
	close(ends[1]);
	return 0;
}
