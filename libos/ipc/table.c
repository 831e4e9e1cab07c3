/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Keys, ids and permissions, as ipc/util.c of Linux has them: an id is an index and a sequence number, indices are
 * taken in turn, so that an id is not used again soon after its object went.
 */
#include "libos/ipc/ipc.h"

#define INDEX_BITS 15
#define INDEX_MASK ((1 << INDEX_BITS) - 1)
#define CYCLE_MIN 64 /* indices are taken in turn at least this far */

static const struct {
	u32 max;
	size_t entry, size; /* where the array of entries lies */
	size_t perm;	    /* in an entry */
	size_t keys;
} kinds[] = {
#define KIND(most, array, key, type) \
	{ most, offsetof(struct ipc_area, array), sizeof(type), offsetof(type, perm), offsetof(struct ipc_area, key) }
	[IPC_SHM] = KIND(IPC_SHM_MAX, shm, shm_key, struct ipc_shm),
	[IPC_SEM] = KIND(IPC_SEM_MAX, sem, sem_key, struct ipc_semset),
	[IPC_MSG] = KIND(IPC_MSG_MAX, msq, msg_key, struct ipc_msq),
#undef KIND
};

struct ipc_table *ipc_table(enum ipc_kind kind)
{
	return &the_ipc->table[kind - 1];
}

struct ipc_access *ipc_perm(enum ipc_kind kind, u32 index)
{
	return (struct ipc_access *)(IPC_BASE + kinds[kind].entry + index * kinds[kind].size + kinds[kind].perm);
}

static u64 *keys_of(enum ipc_kind kind)
{
	return (u64 *)(IPC_BASE + kinds[kind].keys);
}

/* ---- permissions ---- */

static bool has_cap(unsigned cap)
{
	return this_process()->cred.cap_effective & (1ull << cap);
}

int ipc_allowed(const struct ipc_access *p, int flags)
{
	const struct cred *c = &this_process()->cred;
	u32 wanted = (u32)(flags >> 6 | flags >> 3 | flags), granted = p->mode;

	if (c->euid == p->cuid || c->euid == p->uid)
		granted >>= 6;
	else if (in_group(c, p->cgid) || in_group(c, p->gid))
		granted >>= 3;
	return (wanted & ~granted & 7) && !has_cap(CAP_IPC_OWNER) ? -EACCES : 0;
}

int ipc_owner(const struct ipc_access *p)
{
	u32 euid = this_process()->cred.euid;

	return euid == p->cuid || euid == p->uid || has_cap(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

void ipc_perm_out(const struct ipc_access *p, struct ipc64_perm *out)
{
	out->key = p->key;
	out->uid = p->uid;
	out->gid = p->gid;
	out->cuid = p->cuid;
	out->cgid = p->cgid;
	out->mode = (__kernel_mode_t)p->mode;
	out->seq = (unsigned short)p->seq;
}

int ipc_perm_set(struct ipc_thread *me, struct ipc_access *p, const struct ipc64_perm *in)
{
	if (in->uid == UINT32_MAX || in->gid == UINT32_MAX)
		return -EINVAL;
	ipc_set32(me, &p->uid, in->uid);
	ipc_set32(me, &p->gid, in->gid);
	ipc_set32(me, &p->mode, (p->mode & ~S_IRWXUGO) | (in->mode & S_IRWXUGO));
	return 0;
}

/* ---- ids ---- */

int ipc_index_any(enum ipc_kind kind, s32 index)
{
	index &= INDEX_MASK;
	return (u32)index < kinds[kind].max && ipc_perm(kind, (u32)index)->live ? index : -EINVAL;
}

int ipc_index(enum ipc_kind kind, s32 id)
{
	int index = id < 0 ? -EINVAL : ipc_index_any(kind, id);

	return index < 0 || ipc_perm(kind, (u32)index)->id == id ? index : -EINVAL;
}

int ipc_max_index(enum ipc_kind kind)
{
	return MAX((int)ipc_table(kind)->top - 1, 0);
}

static int free_index(enum ipc_kind kind)
{
	const struct ipc_table *t = ipc_table(kind);
	u32 end = MIN(MAX(t->in_use * 3 / 2, (u32)CYCLE_MIN), kinds[kind].max), start = t->next < end ? t->next : 0;
	const u64 *keys = keys_of(kind);

	if (t->in_use >= kinds[kind].max)
		return -ENOSPC;
	for (u32 i = 0; i < end; i++) {
		u32 index = (start + i) % end;

		if (!keys[index])
			return (int)index;
	}
	return -ENOSPC;
}

static int find_key(enum ipc_kind kind, s32 key)
{
	u64 want = IPC_KEY_USED | (u32)key;
	const u64 *keys = keys_of(kind);

	for (u32 i = 0; i < ipc_table(kind)->top; i++)
		if (keys[i] == want)
			return (int)i;
	return -ENOENT;
}

static long make(struct ipc_thread *me, s32 key, int flags, const struct ipc_maker *m)
{
	const struct cred *c = &this_process()->cred;
	struct ipc_table *t = ipc_table(m->kind);
	int index = free_index(m->kind), r;
	struct ipc_access *p;
	u32 seq = t->seq;

	if (index < 0)
		return index;
	p = ipc_perm(m->kind, (u32)index);
	if ((u32)index < t->next)
		seq = (seq + 1) % IPC_SEQ_MAX;
	*p = (struct ipc_access){ .key = key, .id = (s32)(seq << INDEX_BITS | (u32)index), .seq = seq };
	p->uid = p->cuid = c->euid;
	p->gid = p->cgid = c->egid;
	p->mode = (u32)flags & S_IRWXUGO;
	r = m->make(me, (u32)index, m, flags);
	if (r)
		return r;
	ipc_set32(me, &t->seq, seq);
	ipc_set32(me, &t->next, (u32)index + 1);
	ipc_set32(me, &t->in_use, t->in_use + 1);
	ipc_set32(me, &t->top, MAX(t->top, (u32)index + 1));
	ipc_set64(me, &keys_of(m->kind)[index], IPC_KEY_USED | (u32)key);
	ipc_set32(me, &p->live, 1);
	ipc_commit(me);
	return p->id;
}

static long found(int index, int flags, const struct ipc_maker *m)
{
	const struct ipc_access *p = ipc_perm(m->kind, (u32)index);
	int r;

	if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
		return -EEXIST;
	r = m->fits ? m->fits((u32)index, m->size) : 0;
	if (!r)
		r = ipc_allowed(p, flags);
	return r ?: p->id;
}

long ipc_get(s32 key, int flags, const struct ipc_maker *m)
{
	struct ipc_thread *me = ipc_enter();
	struct ipc_table *t;
	int index;
	long r;

	if (IS_ERR(me))
		return -ENOSYS;
	t = ipc_table(m->kind);
	ipc_lock(me, &t->lock);
	index = key == IPC_PRIVATE ? -ENOENT : find_key(m->kind, key);
	if (index >= 0)
		r = found(index, flags, m);
	else if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		r = -ENOENT;
	else
		r = make(me, key, flags, m);
	ipc_unlock(me, &t->lock);
	return r;
}

/* Out of use, under a key that nobody looks for: 0 makes the index free at once. */
void ipc_retire(struct ipc_thread *me, enum ipc_kind kind, u32 index, u64 key)
{
	struct ipc_table *t = ipc_table(kind);

	ipc_set32(me, &t->in_use, t->in_use - 1);
	ipc_set32(me, &ipc_perm(kind, index)->live, 0);
	ipc_key_set(me, kind, index, key);
}

void ipc_key_set(struct ipc_thread *me, enum ipc_kind kind, u32 index, u64 key)
{
	struct ipc_table *t = ipc_table(kind);
	u64 *keys = keys_of(kind);
	u32 top = t->top;

	if (!key && top == index + 1)
		for (top = index; top && !keys[top - 1];)
			top--;
	ipc_set32(me, &t->top, top);
	ipc_set64(me, &keys[index], key);
}

void ipc_drop(struct ipc_thread *me, enum ipc_kind kind, u32 index)
{
	ipc_retire(me, kind, index, 0);
}
