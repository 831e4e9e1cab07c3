/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * System V message queues, as ipc/msg.c of Linux: a message goes straight to the receiver that has waited longest
 * for its kind, into that thread's own room (struct ipc_thread.data); if nobody waits, into the queue. Senders that
 * find no room sleep and try again when some is made, in their order.
 */
#include "libos/ipc/ipc.h"
#include "libos/sys/user.h"

#define MSG_ID_MASK 32767u
#define TRY_AGAIN 1

/* How a receiver chooses. */
enum { ANY, EQUAL, NOT_EQUAL, LESS_EQUAL, NUMBER };

static u32 pool_of(const struct ipc_msq *q)
{
	return (u32)(q - the_ipc->msq);
}

static int make(struct ipc_thread *me, u32 index, const struct ipc_maker *m, int flags)
{
	struct ipc_msq *q = &the_ipc->msq[index];

	q->store = (struct ipc_store){ 0 };
	q->lspid = q->lrpid = 0;
	q->qbytes = MSGMNB;
	q->stime = q->rtime = 0;
	q->ctime = ipc_now();
	return 0;
}

long ipc_msgget(s32 key, int flags)
{
	struct ipc_maker m = { .kind = IPC_MSG, .make = make };

	return ipc_get(key, flags, &m);
}

static void lock_queue(struct ipc_thread *me, struct ipc_msq *q)
{
	ipc_lock(me, &q->lock);
	/* Removed by one who died before he could say so to those who sleep. */
	if (unlikely(!q->perm.live)) {
		ipc_ready_all(me, &q->receivers, -EIDRM);
		ipc_ready_all(me, &q->senders, -EIDRM);
	}
}

void ipc_msg_recovered(struct ipc_thread *me, u64 lock)
{
	struct ipc_msq *q = container_of((struct ipc_lock *)lock, struct ipc_msq, lock);

	if (q < the_ipc->msq || q >= the_ipc->msq + IPC_MSG_MAX)
		return;
	lock_queue(me, q);
	ipc_unlock(me, &q->lock);
}

static struct ipc_msq *queue_of(s32 id)
{
	return id >= 0 && (id & MSG_ID_MASK) < IPC_MSG_MAX ? &the_ipc->msq[id & MSG_ID_MASK] : NULL;
}

/* Locked, or ERR_PTR. */
static struct ipc_msq *get_locked(struct ipc_thread *me, s32 id)
{
	struct ipc_msq *q = queue_of(id);
	int r;

	if (!q)
		return ERR_PTR(-EINVAL);
	lock_queue(me, q);
	r = ipc_index(IPC_MSG, id);
	if (r >= 0)
		return q;
	ipc_unlock(me, &q->lock);
	return ERR_PTR(r);
}

/* ---- sending ---- */

static bool wanted(s64 type, s64 by, u32 how)
{
	switch (how) {
	case EQUAL:
		return type == by;
	case NOT_EQUAL:
		return type != by;
	case LESS_EQUAL:
		return type <= by;
	}
	return true;
}

/* To a sleeping receiver, if one wants it; those for whom it is too long learn that. */
static bool hand_over(struct ipc_thread *me, struct ipc_msq *q, s64 type, const void *data, size_t size)
{
	s32 next;

	for (s32 tid = q->receivers.first; tid; tid = next) {
		struct ipc_thread *w = ipc_thread(tid);

		next = w->next;
		if (!wanted(type, w->type, w->mode))
			continue;
		if (w->size < size) {
			ipc_ready(me, tid, -E2BIG);
			ipc_commit(me);
			continue;
		}
		memcpy(w->data, data, size);
		ipc_set64(me, &w->type, (u64)type);
		ipc_set32(me, &q->lrpid, (u32)w->pid);
		ipc_set64(me, &q->rtime, (u64)ipc_now());
		ipc_ready(me, tid, (s32)size);
		return true;
	}
	return false;
}

static bool room(const struct ipc_msq *q, size_t size)
{
	return size + q->store.bytes <= q->qbytes && 1 + q->store.count <= q->qbytes && ipc_store_room(&q->store, size);
}

/* Senders that may try again, each a change of its own: who comes to it next goes on where this one died. */
static void ready_senders(struct ipc_thread *me, struct ipc_msq *q)
{
	s32 next;

	for (s32 tid = q->senders.first; tid; tid = next) {
		struct ipc_thread *w = ipc_thread(tid);

		next = w->next;
		if (!room(q, w->size))
			continue;
		ipc_ready(me, tid, TRY_AGAIN);
		ipc_commit(me);
	}
}

/* 0, TRY_AGAIN when the caller is queued, or an error. */
static int send(struct ipc_thread *me, s32 id, s64 type, const void *data, size_t size, int flags)
{
	struct ipc_msq *q = get_locked(me, id);
	int r;

	if (IS_ERR(q))
		return PTR_ERR(q);
	r = ipc_allowed(&q->perm, S_IWUGO);
	if (!r && room(q, size)) {
		if (!hand_over(me, q, type, data, size))
			ipc_store_put(me, &q->store, pool_of(q), type, data, size, 0);
		ipc_set32(me, &q->lspid, (u32)this_process()->pid);
		ipc_set64(me, &q->stime, (u64)ipc_now());
		ipc_commit(me);
		if (q->senders.first)
			ready_senders(me, q);
	} else if (!r && (flags & IPC_NOWAIT)) {
		r = -EAGAIN;
	} else if (!r) {
		me->size = size;
		ipc_queue(me, &q->senders, &q->lock);
		r = TRY_AGAIN;
	}
	ipc_unlock(me, &q->lock);
	return r;
}

long ipc_msgsnd(s32 id, const void *msg, size_t size, int flags)
{
	struct ipc_thread *me = ipc_enter();
	u8 data[MSGMAX];
	s64 type;
	int r;

	if (IS_ERR(me))
		return -ENOSYS;
	if (user_read(&type, msg, sizeof(type)))
		return -EFAULT;
	if (size > MSGMAX || id < 0 || type < 1)
		return -EINVAL;
	if (user_read(data, (const u8 *)msg + sizeof(type), size))
		return -EFAULT;
	while ((r = send(me, id, type, data, size, flags)) == TRY_AGAIN) {
		r = ipc_sleep(me, NULL, false);
		r = r ? ipc_give_up(me, &queue_of(id)->lock, -ERESTARTNOHAND) : me->result;
		if (r != TRY_AGAIN)
			return r;
	}
	return r;
}

/* ---- receiving ---- */

static u32 choose(const struct ipc_msq *q, s64 by, u32 how)
{
	u32 pool = pool_of(q), best = 0;
	s64 n = 0;

	for (u32 m = q->store.first; m; m = ipc_msg(pool, m)->next) {
		s64 type = ipc_msg(pool, m)->type;

		if (how == NUMBER ? n++ != by : !wanted(type, by, how))
			continue;
		best = m;
		if (how != LESS_EQUAL || type == 1)
			break;
		by = type - 1; /* only a lower one is better */
	}
	return best;
}

struct receipt {
	s64 type;
	size_t size;
	u8 data[MSGMAX];
};

/* A message that is there. Its bytes, or -E2BIG. */
static long take(struct ipc_thread *me, struct ipc_msq *q, u32 block, size_t size, int flags, struct receipt *out)
{
	const struct ipc_msg *m = ipc_msg(pool_of(q), block);

	if (m->size > size && !(flags & MSG_NOERROR))
		return -E2BIG;
	out->type = m->type;
	out->size = MIN(MIN(size, m->size), sizeof(out->data));
	ipc_store_copy(&q->store, pool_of(q), block, out->data, out->size);
	if (flags & MSG_COPY)
		return (long)out->size;
	ipc_store_take(me, &q->store, pool_of(q), block);
	ipc_set32(me, &q->lrpid, (u32)this_process()->pid);
	ipc_set64(me, &q->rtime, (u64)ipc_now());
	ipc_commit(me);
	ready_senders(me, q);
	return (long)out->size;
}

/* Bytes or an error; or the caller is *queued. */
static long receive(struct ipc_thread *me, s32 id, size_t size, s64 by, u32 how, int flags, struct receipt *out,
		    bool *queued)
{
	struct ipc_msq *q = get_locked(me, id);
	u32 block;
	long r;

	if (IS_ERR(q))
		return PTR_ERR(q);
	r = ipc_allowed(&q->perm, S_IRUGO);
	block = r ? 0 : choose(q, by, how);
	if (block) {
		r = take(me, q, block, size, flags, out);
	} else if (!r && (flags & IPC_NOWAIT)) {
		r = -ENOMSG;
	} else if (!r) {
		me->type = by;
		me->mode = how;
		me->size = flags & MSG_NOERROR ? UINT64_MAX : size;
		ipc_queue(me, &q->receivers, &q->lock);
		*queued = true;
	}
	ipc_unlock(me, &q->lock);
	return r;
}

static u32 how_to_choose(s64 *type, int flags)
{
	if (flags & MSG_COPY)
		return NUMBER;
	if (!*type)
		return ANY;
	if (*type < 0) {
		*type = *type == LONG_MIN ? LONG_MAX : -*type;
		return LESS_EQUAL;
	}
	return flags & MSG_EXCEPT ? NOT_EQUAL : EQUAL;
}

static long deliver(void *msg, s64 type, const void *data, size_t size)
{
	if (user_write(msg, &type, sizeof(type)) || user_write((u8 *)msg + sizeof(type), data, size))
		return -EFAULT;
	return (long)size;
}

long ipc_msgrcv(s32 id, void *msg, size_t size, long type, int flags)
{
	struct ipc_thread *me = ipc_enter();
	struct receipt in = { 0 };
	s64 by = type;
	u32 how;
	long r;

	if (IS_ERR(me))
		return -ENOSYS;
	if (id < 0 || (long)size < 0)
		return -EINVAL;
	if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
		return -EINVAL;
	how = how_to_choose(&by, flags);
	do {
		bool queued = false;

		r = receive(me, id, size, by, how, flags, &in, &queued);
		if (!queued)
			return r < 0 ? r : deliver(msg, in.type, in.data, in.size);
		r = ipc_sleep(me, NULL, false);
		r = r ? ipc_give_up(me, &queue_of(id)->lock, -ERESTARTNOHAND) : me->result;
	} while (r == -EAGAIN); /* the queue's permissions changed */
	return r < 0 ? r : deliver(msg, me->type, me->data, MIN((size_t)r, size));
}

/* ---- control ---- */

static void describe(const struct ipc_msq *q, struct msqid64_ds *ds)
{
	ipc_perm_out(&q->perm, &ds->msg_perm);
	ds->msg_stime = q->stime;
	ds->msg_rtime = q->rtime;
	ds->msg_ctime = q->ctime;
	ds->msg_cbytes = q->store.bytes;
	ds->msg_qnum = q->store.count;
	ds->msg_qbytes = q->qbytes;
	ds->msg_lspid = q->lspid;
	ds->msg_lrpid = q->lrpid;
}

static long do_stat(struct ipc_thread *me, s32 id, int cmd, void *arg)
{
	struct msqid64_ds ds = { 0 };
	struct ipc_msq *q;
	long r = 0;

	if (cmd != IPC_STAT) {
		int index = ipc_index_any(IPC_MSG, id);

		if (index < 0)
			return index;
		id = the_ipc->msq[index].perm.id;
	}
	q = get_locked(me, id);
	if (IS_ERR(q))
		return PTR_ERR(q);
	if (cmd != MSG_STAT_ANY)
		r = ipc_allowed(&q->perm, S_IRUGO);
	describe(q, &ds);
	ipc_unlock(me, &q->lock);
	if (r)
		return r;
	return user_write(arg, &ds, sizeof(ds)) ?: cmd == IPC_STAT ? 0 : id;
}

static long do_info(int cmd, void *arg)
{
	struct msginfo info = {
		.msgpool = MSGPOOL, .msgmap = MSGMAP, .msgmax = MSGMAX, .msgmnb = MSGMNB, .msgmni = MSGMNI,
		.msgssz = MSGSSZ, .msgtql = MSGTQL, .msgseg = MSGSEG,
	};

	if (cmd == MSG_INFO) {
		info.msgpool = (int)ipc_table(IPC_MSG)->in_use;
		info.msgmap = info.msgtql = 0;
		for (u32 i = 0; i < ipc_table(IPC_MSG)->top; i++) {
			const struct ipc_msq *q = &the_ipc->msq[i];

			info.msgmap += q->perm.live ? (int)q->store.count : 0;
			info.msgtql += q->perm.live ? (int)q->store.bytes : 0;
		}
	}
	return user_write(arg, &info, sizeof(info)) ?: ipc_max_index(IPC_MSG);
}

static long set(struct ipc_thread *me, struct ipc_msq *q, const struct msqid64_ds *ds)
{
	long r;

	if (ds->msg_qbytes > MSGMNB && !(this_process()->cred.cap_effective & (1ull << CAP_SYS_RESOURCE)))
		return -EPERM;
	r = ipc_perm_set(me, &q->perm, &ds->msg_perm);
	if (r)
		return r;
	ipc_set64(me, &q->qbytes, ds->msg_qbytes);
	ipc_set64(me, &q->ctime, (u64)ipc_now());
	ipc_commit(me);
	/* Receivers may be shut out now, and there may be room for more: both look again. */
	ipc_ready_all(me, &q->receivers, -EAGAIN);
	ready_senders(me, q);
	return 0;
}

static void remove_queue(struct ipc_thread *me, struct ipc_msq *q)
{
	ipc_drop(me, IPC_MSG, pool_of(q));
	ipc_commit(me);
	ipc_ready_all(me, &q->receivers, -EIDRM);
	ipc_ready_all(me, &q->senders, -EIDRM);
	if (q->store.fresh)
		ipc_store_reset(pool_of(q));
}

static long do_change(struct ipc_thread *me, s32 id, int cmd, const void *arg)
{
	struct ipc_table *t = ipc_table(IPC_MSG);
	struct msqid64_ds ds;
	struct ipc_msq *q;
	long r;

	if (cmd == IPC_SET && user_read(&ds, arg, sizeof(ds)))
		return -EFAULT;
	ipc_lock(me, &t->lock);
	q = get_locked(me, id);
	r = IS_ERR(q) ? PTR_ERR(q) : ipc_owner(&q->perm);
	if (!r && cmd == IPC_RMID)
		remove_queue(me, q);
	else if (!r)
		r = set(me, q, &ds);
	if (!IS_ERR(q))
		ipc_unlock(me, &q->lock);
	ipc_unlock(me, &t->lock);
	return r;
}

long ipc_msgctl(s32 id, int cmd, void *arg)
{
	struct ipc_thread *me = ipc_enter();

	if (IS_ERR(me))
		return -ENOSYS;
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return do_info(cmd, arg);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return do_stat(me, id, cmd, arg);
	case IPC_SET:
	case IPC_RMID:
		return do_change(me, id, cmd, arg);
	}
	return -EINVAL;
}

void ipc_msg_show(struct buf *b)
{
	struct ipc_thread *me = ipc_enter();

	base_buf_puts(b, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
			 "      stime      rtime      ctime\n");
	for (u32 i = 0; !IS_ERR(me) && i < ipc_table(IPC_MSG)->top; i++) {
		const struct ipc_access *p = &the_ipc->msq[i].perm;
		struct ipc_msq *q = get_locked(me, p->id);

		if (IS_ERR(q))
			continue;
		base_buf_printf(b, "%10d %10d  %4o  %10lu %10lu %5u %5u ", p->key, p->id, p->mode, q->store.bytes,
				q->store.count, q->lspid, q->lrpid);
		base_buf_printf(b, "%5u %5u %5u %5u %10lu %10lu %10lu\n", p->uid, p->gid, p->cuid, p->cgid,
				(u64)q->stime, (u64)q->rtime, (u64)q->ctime);
		ipc_unlock(me, &q->lock);
	}
}
