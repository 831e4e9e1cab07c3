/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The system calls of the test libOS. */
#ifndef TESTS_FAULT_PAL_CALLS_H
#define TESTS_FAULT_PAL_CALLS_H

#define CALL_ADD 1000	  /* rdi + rsi */
#define CALL_DONE 1001	  /* the test ends, rdi = status */
#define CALL_BLOCK 1002	  /* read from a pipe that stays empty */
#define CALL_GO_WILD 1003 /* leave to a non-canonical address */

#endif
