/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What vector state this processor has: CPUID leaf 0xd, and XCR0 for what the host enabled (Intel
 * SDM vol. 1, ch. 13). */
#include "libos/entry/entry.h"

u64 xstate_mask;
u32 xstate_size;

void xstate_init(void)
{
	u32 eax, edx;

	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	xstate_mask = (u64)edx << 32 | eax;
	xstate_size = cpuid_b(0xd, 0);
}
