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
};

/* flags: GRANT_* */
static inline int boundary_in_force(enum boundary_class c, unsigned flags)
{
	switch (c) {
	case BOUNDARY_NET:
		return !(flags & GRANT_BROKER_SOCK);
	case BOUNDARY_ATTR:
		return !(flags & GRANT_BROKER_ATTR);
	case BOUNDARY_FAST:
	case BOUNDARY_RARE:
	case BOUNDARY_SPLIT:
		return !(flags & GRANT_LEAN);
	default:
		return 1;
	}
}

#endif
