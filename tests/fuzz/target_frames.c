/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Frames of an attached terminal: bytes come in pieces of any size; what is handed out lies in the reader. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "gshd/client/frames.h"
#include "tests/fuzz/fuzz.h"

/* All frames that are there. False: the stream is broken, or at its end. */
static int drain(struct frame_reader *r, int fd, size_t *taken)
{
	struct frame_winsize w;
	struct frame f;
	uint32_t value;
	int n;

	while ((n = frame_read(r, fd, &f)) > 0) {
		must(f.size <= FRAME_MAX && f.data >= r->buf && f.data + f.size <= r->buf + sizeof(r->buf));
		must(frame_get_winsize(&f, &w) || f.size >= 8);
		must(frame_get_u32(&f, &value) || f.size >= 4);
		*taken += FRAME_HEAD + f.size;
	}
	must(n == 0 || n == -EAGAIN || n == -EPROTO);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_reader r;
	size_t piece = 1 + take(&data, &size) * 16u, taken = 0, total = size;
	int ends[2], last = -EAGAIN;

	must(!pipe2(ends, O_NONBLOCK | O_CLOEXEC));
	r.have = r.used = 0;
	while (size && last == -EAGAIN) {
		size_t n = piece < size ? piece : size;

		must(write(ends[1], data, n) == (ssize_t)n);
		data += n;
		size -= n;
		last = drain(&r, ends[0], &taken);
	}
	close(ends[1]);
	if (last == -EAGAIN)
		last = drain(&r, ends[0], &taken);
	must(last == 0 || last == -EPROTO);
	must(taken <= total && (last || taken == total));
	close(ends[0]);
	return 0;
}
