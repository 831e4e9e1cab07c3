/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* User and group ids: who may become whom, as kernel/sys.c; nothing of it is a right on the host. */
#include "libos/sys/sys.h"
#include "libos/coord/area.h"

#define KEEP ((u32)-1)

static bool may_setuid(const struct cred *c)
{
	return c->cap_effective & (1ull << CAP_SETUID);
}

static bool may_setgid(const struct cred *c)
{
	return c->cap_effective & (1ull << CAP_SETGID);
}

/* security/commoncap.c, cap_emulate_setxuid: leaving root gives capabilities up. */
static void fix_caps(struct cred *new, const struct cred *old, bool keep)
{
	bool was = !old->ruid || !old->euid || !old->suid, is = !new->ruid || !new->euid || !new->suid;

	if (was && !is && !keep)
		new->cap_permitted = new->cap_effective = 0;
	if (!old->euid && new->euid)
		new->cap_effective = 0;
	if (old->euid && !new->euid)
		new->cap_effective = new->cap_permitted;
}

/* Every change of ids is made on a copy and takes effect whole. */
static long commit(struct process *p, struct cred *new)
{
	if (new->euid != p->cred.euid || new->egid != p->cred.egid)
		process_set_dumpable(p, false);
	fix_caps(new, &p->cred, p->keep_caps);
	p->cred = *new;
	cred_publish(p);
	unlock(&p->lock);
	return 0;
}

static struct cred begin(struct process *p)
{
	lock(&p->lock);
	return p->cred;
}

static long refuse(struct process *p, int err)
{
	unlock(&p->lock);
	return err;
}

long sys_getuid(void)
{
	return this_process()->cred.ruid;
}

long sys_geteuid(void)
{
	return this_process()->cred.euid;
}

long sys_getgid(void)
{
	return this_process()->cred.rgid;
}

long sys_getegid(void)
{
	return this_process()->cred.egid;
}

long sys_setuid(u32 uid)
{
	struct process *p = this_process();
	struct cred c = begin(p);

	if (uid == KEEP)
		return refuse(p, -EINVAL);
	if (may_setuid(&c))
		c.ruid = c.suid = uid;
	else if (uid != c.ruid && uid != c.suid)
		return refuse(p, -EPERM);
	c.euid = c.fsuid = uid;
	return commit(p, &c);
}

long sys_setgid(u32 gid)
{
	struct process *p = this_process();
	struct cred c = begin(p);

	if (gid == KEEP)
		return refuse(p, -EINVAL);
	if (may_setgid(&c))
		c.rgid = c.sgid = gid;
	else if (gid != c.rgid && gid != c.sgid)
		return refuse(p, -EPERM);
	c.egid = c.fsgid = gid;
	return commit(p, &c);
}

long sys_setreuid(u32 r, u32 e)
{
	struct process *p = this_process();
	struct cred c = begin(p), old = c;
	bool any = may_setuid(&c);

	if (r != KEEP && !any && r != old.ruid && r != old.euid)
		return refuse(p, -EPERM);
	if (e != KEEP && !any && e != old.ruid && e != old.euid && e != old.suid)
		return refuse(p, -EPERM);
	c.ruid = r != KEEP ? r : c.ruid;
	c.euid = e != KEEP ? e : c.euid;
	if (r != KEEP || (e != KEEP && e != old.ruid))
		c.suid = c.euid;
	c.fsuid = c.euid;
	return commit(p, &c);
}

long sys_setregid(u32 r, u32 e)
{
	struct process *p = this_process();
	struct cred c = begin(p), old = c;
	bool any = may_setgid(&c);

	if (r != KEEP && !any && r != old.rgid && r != old.egid)
		return refuse(p, -EPERM);
	if (e != KEEP && !any && e != old.rgid && e != old.egid && e != old.sgid)
		return refuse(p, -EPERM);
	c.rgid = r != KEEP ? r : c.rgid;
	c.egid = e != KEEP ? e : c.egid;
	if (r != KEEP || (e != KEEP && e != old.rgid))
		c.sgid = c.egid;
	c.fsgid = c.egid;
	return commit(p, &c);
}

static bool among(u32 id, u32 a, u32 b, u32 c)
{
	return id == KEEP || id == a || id == b || id == c;
}

long sys_setresuid(u32 r, u32 e, u32 s)
{
	struct process *p = this_process();
	struct cred c = begin(p), old = c;

	if (!may_setuid(&c) && (!among(r, old.ruid, old.euid, old.suid) || !among(e, old.ruid, old.euid, old.suid) ||
				!among(s, old.ruid, old.euid, old.suid)))
		return refuse(p, -EPERM);
	c.ruid = r != KEEP ? r : c.ruid;
	c.euid = e != KEEP ? e : c.euid;
	c.suid = s != KEEP ? s : c.suid;
	c.fsuid = c.euid;
	return commit(p, &c);
}

long sys_setresgid(u32 r, u32 e, u32 s)
{
	struct process *p = this_process();
	struct cred c = begin(p), old = c;

	if (!may_setgid(&c) && (!among(r, old.rgid, old.egid, old.sgid) || !among(e, old.rgid, old.egid, old.sgid) ||
				!among(s, old.rgid, old.egid, old.sgid)))
		return refuse(p, -EPERM);
	c.rgid = r != KEEP ? r : c.rgid;
	c.egid = e != KEEP ? e : c.egid;
	c.sgid = s != KEEP ? s : c.sgid;
	c.fsgid = c.egid;
	return commit(p, &c);
}

long sys_getresuid(u32 *r, u32 *e, u32 *s)
{
	const struct cred *c = &this_process()->cred;

	return user_write_u32(r, c->ruid) ?: user_write_u32(e, c->euid) ?: user_write_u32(s, c->suid);
}

long sys_getresgid(u32 *r, u32 *e, u32 *s)
{
	const struct cred *c = &this_process()->cred;

	return user_write_u32(r, c->rgid) ?: user_write_u32(e, c->egid) ?: user_write_u32(s, c->sgid);
}

long sys_setfsuid(u32 uid)
{
	struct process *p = this_process();
	struct cred c = begin(p);
	u32 old = c.fsuid;

	if (uid != KEEP && (may_setuid(&c) || among(uid, c.ruid, c.euid, c.suid) || uid == old))
		p->cred.fsuid = uid;
	unlock(&p->lock);
	return old;
}

long sys_setfsgid(u32 gid)
{
	struct process *p = this_process();
	struct cred c = begin(p);
	u32 old = c.fsgid;

	if (gid != KEEP && (may_setgid(&c) || among(gid, c.rgid, c.egid, c.sgid) || gid == old))
		p->cred.fsgid = gid;
	unlock(&p->lock);
	return old;
}

long sys_getgroups(int n, u32 *list)
{
	const struct cred *c = &this_process()->cred;

	if (n < 0)
		return -EINVAL;
	if (!n)
		return c->ngroups;
	if ((u32)n < c->ngroups)
		return -EINVAL;
	return user_write(list, c->groups, c->ngroups * sizeof(u32)) ?: (long)c->ngroups;
}

long sys_setgroups(int n, const u32 *list)
{
	struct process *p = this_process();
	struct cred c = begin(p);

	if (!may_setgid(&c))
		return refuse(p, -EPERM);
	if ((unsigned)n > NGROUPS_KEPT)
		return refuse(p, -EINVAL);
	if (user_read(c.groups, list, (size_t)n * sizeof(u32)))
		return refuse(p, -EFAULT);
	c.ngroups = (u32)n;
	return commit(p, &c);
}

long sys_setpgid(s32 pid, s32 pgid)
{
	return task_setpgid(pid, pgid);
}

long sys_getpgrp(void)
{
	return this_process()->slot->pgid;
}

long sys_getpgid(s32 pid)
{
	struct area_slot *s = pid ? area_process(pid) : this_process()->slot;

	return s ? s->pgid : -ESRCH;
}

long sys_setsid(void)
{
	return task_setsid();
}

long sys_getsid(s32 pid)
{
	struct area_slot *s = pid ? area_process(pid) : this_process()->slot;

	return s ? s->sid : -ESRCH;
}
