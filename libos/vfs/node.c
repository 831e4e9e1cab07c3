// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Who may do what to an object: Linux's generic_permission() by fsuid, with root's override as CAP_DAC_OVERRIDE has it.
 *
 * The libOS decides, because the host would judge by the one real user that the whole sandbox runs as. Where guest and
 * host identities are the same and the object is the base's own, a file system may leave the decision to the host's
 * answer at use (node_ops.permission), which also knows of access control lists.
 */
#include "libos/vfs/vfs.h"
#include "libos/task/task.h"

int attr_permission(const struct cred *c, u32 mode, u32 uid, u32 gid, u32 id, u32 group, int mask)
{
	u32 bits = mode & 7;
	bool member = group == gid;

	if (id == 0) {
		/* Root passes everywhere, but executes only what somebody may execute. */
		return (mask & MAY_EXEC) && !S_ISDIR(mode) && !(mode & 0111) ? -EACCES : 0;
	}
	for (u32 i = 0; !member && i < c->ngroups; i++)
		member = c->groups[i] == gid;
	if (id == uid)
		bits = mode >> 6 & 7;
	else if (member)
		bits = mode >> 3 & 7;
	return mask & ~bits & 7 ? -EACCES : 0;
}

int vfs_permission(struct node *n, int mask)
{
	const struct cred *c = &this_process()->cred;
	struct attr a;
	int r;

	if (n->ops->permission)
		return n->ops->permission(n, mask);
	if (n->flags & NODE_ATTR)
		return attr_permission(c, n->mode, n->uid, n->gid, c->fsuid, c->fsgid, mask);
	r = n->ops->getattr ? n->ops->getattr(n, &a) : -EACCES;
	return r < 0 ? r : attr_permission(c, a.mode, a.uid, a.gid, c->fsuid, c->fsgid, mask);
}

bool attr_owner(const struct attr *a)
{
	const struct cred *c = &this_process()->cred;

	return c->fsuid == a->uid || c->fsuid == 0;
}

/* ---- the name cache's clock and age (dentry.c) ---- */

u32 dcache_clock(void)
{
	struct timespec ts;

	if (pal_clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) < 0)
		return 0;
	return (u32)(ts.tv_sec * 4 + ts.tv_nsec / 250000000);
}

void dcache_new_epoch(void)
{
	atomic_add(&dcache_epoch, 1);
}
