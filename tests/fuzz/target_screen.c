/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The child that keeps a terminal's screen, given a program's output, sizes, and questions for a drawing: it ends when the
 * monitor does, and what it says meanwhile are frames.
 *
 * Of the input: frames; a byte for the type (0 to 3: output, a size, a viewer, draw), one of length, the bytes.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gshd/client/frames.h"
#include "gshd/session/screen.h"
#include "tests/fuzz/fuzz.h"

#define DRAWINGS_MAX 4

static void *model(void *arg)
{
	screen_model(*(int *)arg, 24, 80);
	shutdown(*(int *)arg, SHUT_WR);
	return NULL;
}

/* All that it says. */
static void *hear(void *arg)
{
	struct frame_reader *in = calloc(1, sizeof(*in));
	struct frame f;
	int r;

	must(in != NULL);
	while ((r = frame_read(in, *(int *)arg, &f)) > 0)
		must(f.type == 'a' || f.type == 'd' || (f.type == 'e' && !f.size));
	must(r == 0);
	free(in);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char types[] = { 'd', 'w', 'v', 'r' };
	uint8_t out[FRAME_HEAD + 256];
	unsigned drawings = 0;
	pthread_t child, ear;
	int ends[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	must(!pthread_create(&child, NULL, model, &ends[1]) && !pthread_create(&ear, NULL, hear, &ends[0]));
	while (size) {
		char type = types[take(&data, &size) % sizeof(types)];
		size_t n = take(&data, &size);

		n = n < size ? n : size;
		frame_head(out, (uint8_t)type, n);
		memcpy(out + FRAME_HEAD, data, n);
		if (type == 'w' && n == 8)
			out[FRAME_HEAD + 1] = out[FRAME_HEAD + 3] = 0; /* a client says it; a large one just takes long */
		data += n;
		size -= n;
		if (type == 'r' && drawings++ == DRAWINGS_MAX)
			continue;
		must(write(ends[0], out, FRAME_HEAD + n) == (ssize_t)(FRAME_HEAD + n));
	}
	shutdown(ends[0], SHUT_WR);
	pthread_join(child, NULL);
	pthread_join(ear, NULL);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
