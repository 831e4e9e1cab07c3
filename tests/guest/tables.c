// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Data between functions, which reads like code: a table that has the two bytes of a system call, as the Haskell
 * compiler puts one before each function. It is as it was compiled, and the code round it runs. See tables.S.
 */
#include "lib/t.h"

extern const unsigned char table_zero[16], table_layout[16];
int table_before(void), table_between(void), table_behind(void);

static void intact(void)
{
	static const unsigned char zero[16] = {[8] = 0x15, [12] = 0xe8, 0x0f, 0x05, 0x03};
	static const unsigned char layout[16] = {1, [4] = 2, [8] = 0x0e, [12] = 0x88, 0x0f, 0x05, 0x03};

	eq(memcmp(table_zero, zero, sizeof(zero)), 0);
	eq(memcmp(table_layout, layout, sizeof(layout)), 0);
}

static void run(void)
{
	eq(table_before(), 7);
	eq(table_between(), getpid());
	eq(table_behind(), getpid() + 1);
}

T_MAIN(T(intact), T(run))
