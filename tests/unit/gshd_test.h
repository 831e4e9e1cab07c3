/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the unit tests of gshd, confinement and settings share: a check that counts, and a verdict a
 * case. */
#ifndef TESTS_UNIT_GSHD_TEST_H
#define TESTS_UNIT_GSHD_TEST_H

#include <stdio.h>
#include <stdlib.h>

static unsigned test_bad, test_total_bad;

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			test_bad++;                                            \
		}                                                              \
	} while (0)

static inline void test_case(const char *name)
{
	printf("%s %s\n", test_bad ? "not ok" : "ok", name);
	fflush(stdout);
	test_total_bad += test_bad;
	test_bad = 0;
}

static inline int test_end(void)
{
	return test_total_bad != 0;
}

#endif
