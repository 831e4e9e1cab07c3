// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * What the base does not show because it is hidden: on rung A an empty directory or file covers it
 * (pal/confine/mounts.c), known by its time. Who looks for something in it, or reads it, is told by the sandbox's
 * denials (MON_HIDDEN), so that the user learns what to allow; the guest finds nothing, as if there were nothing.
 */
#include "libos/fs/union_impl.h"
#include "libos/coord/area.h"
#include "pal/monitor.h"

bool union_is_cover(const struct ufs *u, unsigned layer, const struct statx *st)
{
	return layer == 0 && u->has_base && !u->shared && pal_grant()->rung == GRANT_RUNG_A && !st->stx_mtime.tv_sec &&
	       st->stx_mtime.tv_nsec == GRANT_COVER_NS;
}

void union_cover_tell(struct unode *n, const char *name)
{
	struct mon_reply reply;
	struct hpath h;
	int none = 0;

	if (the_area->split_on || unode_child_path(n, name, 0, &h) < 0)
		return;
	if (!h.owned)
		(void)pal_monitor(MON_HIDDEN, h.path, strlen(h.path) + 1, NULL, 0, &reply, sizeof(reply), NULL, &none);
	hpath_done(&h);
}
