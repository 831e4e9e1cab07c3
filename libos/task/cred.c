/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Identity of a process. Nothing here gives a right on the host: ids are what the guest sees and what the libOS checks
 * names and files against. The starting point is the host user; root there is root here, with its capabilities.
 */
#include "libos/task/task.h"
#include "libos/coord/area.h"
#include "pal/grant.h"

#define CAP_ALL ((1ull << (CAP_LAST_CAP + 1)) - 1)

bool capable(const struct process *p)
{
	return p->cred.cap_effective != 0;
}

bool in_group(const struct cred *c, u32 gid)
{
	if (c->fsgid == gid)
		return true;
	for (u32 i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

void cred_init(struct cred *c)
{
	const struct grant *g = pal_grant();

	c->ruid = c->euid = c->suid = c->fsuid = g->uid;
	c->rgid = c->egid = c->sgid = c->fsgid = g->gid;
	c->ngroups = MIN(g->ngroups, NGROUPS_KEPT);
	memcpy(c->groups, g->groups, c->ngroups * sizeof(c->groups[0]));
	c->cap_effective = c->cap_permitted = c->euid ? 0 : CAP_ALL;
	c->cap_inheritable = 0;
	c->cap_bounding = CAP_ALL;
}

/* kernel/ptrace.c, without what a module adds. */
bool task_may_trace(const struct area_slot *s)
{
	const struct cred *c = &this_process()->cred;

	return capable(this_process()) || (!(s->flags & AREA_UNDUMPABLE) &&
					   s->ruid == c->ruid && s->euid == c->ruid && s->suid == c->ruid);
}

void cred_exec(struct cred *c)
{
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	/* security/commoncap.c: root, by real or effective id, is given all; by effective id also at once. */
	c->cap_permitted = !c->euid || !c->ruid ? c->cap_bounding : 0;
	c->cap_effective = c->euid ? 0 : c->cap_permitted;
}

void cred_publish(struct process *p)
{
	p->slot->ruid = p->cred.ruid;
	p->slot->euid = p->cred.euid;
	p->slot->suid = p->cred.suid;
	p->slot->egid = p->cred.egid;
}
