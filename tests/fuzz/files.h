/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* For targets with a libc: what they hold of the host. */
#ifndef TESTS_FUZZ_FILES_H
#define TESTS_FUZZ_FILES_H

#include "tests/fuzz/fuzz.h"
#include <dirent.h>

/* How many descriptors are open: a target that leaks them must not go on. */
static inline unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	must(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
