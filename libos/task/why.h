/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Why a program failed: the calls with a path or an address that were refused it, the last few of each thread, in its own
 * memory; and those of the last processes that ended badly, in the sandbox area (/proc/gsh/why). So nothing needs to be
 * switched on beforehand, and a call that succeeds pays nothing.
 */
#ifndef LIBOS_TASK_WHY_H
#define LIBOS_TASK_WHY_H

#include "pal/base/types.h"

#define WHY_CALLS 12 /* of a process */
#define WHY_TEXT 100
#define WHY_ENDS 32 /* processes that are remembered */

struct why_call {
	u16 nr, err;
	char text[WHY_TEXT]; /* the path, or the address; cut off at its beginning */
};

struct why {
	s32 pid; /* whose they are: a fork copies them */
	u32 n;	 /* how many there were; the last WHY_CALLS are there */
	struct why_call call[WHY_CALLS];
};

/* In the area. Writer: who took the number, which is written last; a record that is not whole is not shown. */
struct area_why {
	u64 number;
	u64 time_ns; /* CLOCK_REALTIME */
	s32 pid, ppid;
	u32 status; /* as wait4() gives it */
	char comm[16];
	struct why calls;
};

struct pal_regs;
/* The call in these registers failed. */
void why_note(const struct pal_regs *regs, long err);
/* This process ends with that status. */
void why_end(u32 status);
void why_forget(void); /* it becomes another program */

#endif
