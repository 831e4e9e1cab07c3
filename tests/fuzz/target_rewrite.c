/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The rewriter: any file is refused, or gives an image that the look without trust accepts. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gshd/rewrite/rewrite.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_key key = { .dev = 1, .ino = 2, .size = size };
	int fd = memfd_create("executable", MFD_CLOEXEC), out = memfd_create("image", MFD_CLOEXEC);
	int err;

	must(fd >= 0 && out >= 0 && write(fd, data, size) == (ssize_t)size);
	err = rewrite_build(fd, &key, out);
	must(err <= 0);
	if (!err)
		must(!rewrite_verify(out, fd, &key));
	/* And the other way round: the bytes as the worker's own output. */
	must(rewrite_verify(fd, fd, &key) <= 0);
	close(fd);
	close(out);
	return 0;
}
