/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the unit tests of the base share: a check that counts, and a seeded source of numbers. */
#ifndef TESTS_UNIT_BASE_TEST_H
#define TESTS_UNIT_BASE_TEST_H

#include <stdio.h>
#include <string.h>
#include "pal/base/types.h"

extern unsigned test_failed;

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			test_failed++;                                         \
		}                                                              \
	} while (0)

u64 test_random(void);
/* Print the verdict on a case and start the next one's count. */
void test_case(const char *name);
int test_end(void);

#endif
