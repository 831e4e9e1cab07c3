/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The classes of pal/confine/seccomp.def and when they are in force. Shared by the PAL, which asks
 * before it calls, and the host side, which makes the filter: the two cannot differ.
 */
#ifndef PAL_BOUNDARY_H
#define PAL_BOUNDARY_H

#include "pal/grant.h"

enum boundary_class {
	BOUNDARY_CORE,
	BOUNDARY_NET,
	BOUNDARY_ATTR,
	BOUNDARY_FAST,
	BOUNDARY_RARE,
	BOUNDARY_SPLIT,
	BOUNDARY_SIGNAL,
	BOUNDARY_TRUNC,
	BOUNDARY_NO_TRUNC,
	BOUNDARY_FAST_TRUNC,
	BOUNDARY_BASES,
};

/* flags: GRANT_* */
static inline unsigned boundary_in_force(enum boundary_class c, unsigned flags)
{
	switch (c) {
	case BOUNDARY_NET:
		return !(flags & GRANT_BROKER_SOCK);
	case BOUNDARY_ATTR:
		return !(flags & GRANT_BROKER_ATTR);
	case BOUNDARY_FAST:
	case BOUNDARY_RARE:
		return !(flags & GRANT_LEAN);
	case BOUNDARY_SPLIT: /* its walls need a newer Landlock, too */
		return !(flags & (GRANT_LEAN | GRANT_BROKER_SIGNAL));
	case BOUNDARY_SIGNAL:
		return !(flags & GRANT_BROKER_SIGNAL);
	case BOUNDARY_TRUNC:
		return !(flags & GRANT_NO_TRUNC);
	case BOUNDARY_NO_TRUNC:
		return flags & GRANT_NO_TRUNC;
	case BOUNDARY_FAST_TRUNC:
		return !(flags & (GRANT_LEAN | GRANT_NO_TRUNC));
	case BOUNDARY_BASES:
		return flags & GRANT_BASES;
	default:
		return 1;
	}
}

#endif
