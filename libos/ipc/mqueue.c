/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * POSIX message queues, as ipc/mqueue.c of Linux: by priority, then in order; a message goes straight to a receiver
 * that waits, and the message of a sender that waits comes into the queue the moment there is room.
 *
 * A message that is longer than a thread's room (struct ipc_thread.data; only root can make such queues) cannot be
 * handed over: then the sleeper is woken to try again.
 */
#include "libos/ipc/mq.h"
#include "libos/sys/user.h"
#include "libos/signal/signal.h"
#include "pal/grant.h"

#define TRY_AGAIN 1
/* What Linux counts for a message beside its bytes: struct msg_msg, struct posix_msg_tree_node. */
#define MSG_COST 48
#define NODE_COST 48

static u32 pool_of(const struct ipc_mq *q)
{
	return IPC_MSG_MAX + (u32)(q - the_ipc->mq);
}

static bool has_resource(void)
{
	return this_process()->cred.cap_effective & (1ull << CAP_SYS_RESOURCE);
}

/* ---- names ---- */

int mq_find(const char *name)
{
	for (u32 i = 0; i < the_ipc->mq_top; i++)
		if (mq_at(i)->linked && !strcmp(mq_at(i)->name, name))
			return (int)i;
	return -ENOENT;
}

static int check_attr(const struct mq_attr *a)
{
	if (a->mq_maxmsg <= 0 || a->mq_msgsize <= 0)
		return -EINVAL;
	if (has_resource())
		return a->mq_maxmsg > MQ_HARD_MSG_MAX || a->mq_msgsize > MQ_HARD_SIZE_MAX ? -EINVAL : 0;
	return a->mq_maxmsg > MQ_MSG_MAX || a->mq_msgsize > MQ_SIZE_MAX ? -EINVAL : 0;
}

/* What the user's queues take already. */
static u64 charged(u32 uid)
{
	u64 sum = 0;

	for (u32 i = 0; i < the_ipc->mq_top; i++)
		if ((mq_at(i)->generation & 1) && mq_at(i)->charge_uid == uid)
			sum += mq_at(i)->charge;
	return sum;
}

static int free_record(void)
{
	if (the_ipc->mq_count >= MQ_QUEUES_MAX && !has_resource())
		return -ENOSPC;
	for (u32 i = 0; i < IPC_MQ_MAX; i++)
		if (!(mq_at(i)->generation & 1))
			return (int)i;
	return -ENOSPC;
}

static int make_fifo(u32 index, u32 generation)
{
	char name[32];

	mq_fifo_name(index, generation, name);
	(void)pal_unlinkat(GRANT_FD_SHM, name, 0);
	return pal_mknodat(GRANT_FD_SHM, name, S_IFIFO | 0600, 0);
}

int mq_make(struct ipc_thread *me, const char *name, u32 mode, const struct mq_attr *attr, u32 *index)
{
	struct mq_attr a = { .mq_maxmsg = MQ_MSG_MAX, .mq_msgsize = MQ_SIZE_MAX };
	const struct process *p = this_process();
	int i = free_record(), r;
	struct ipc_mq *q;
	u64 charge;

	if (i < 0)
		return i;
	if (attr)
		a = *attr;
	r = check_attr(&a);
	if (r)
		return r;
	if ((u64)a.mq_maxmsg * (u64)a.mq_msgsize > IPC_POOL_WINDOW / 2)
		return -ENOMEM;
	charge = (u64)a.mq_maxmsg * (u64)(a.mq_msgsize + MSG_COST) + MIN((u64)a.mq_maxmsg, MQ_PRIO_MAX) * NODE_COST;
	if (charged(p->cred.ruid) + charge > p->rlimits[RLIMIT_MSGQUEUE].rlim_cur)
		return -EMFILE;
	q = mq_at((u32)i);
	r = make_fifo((u32)i, q->generation + 1);
	if (r)
		return r == -EEXIST ? r : -ENOSPC;
	q->uid = p->cred.fsuid;
	q->gid = p->cred.fsgid;
	q->charge_uid = p->cred.ruid;
	q->mode = S_IFREG | (mode & S_IALLUGO);
	q->polled = q->level = q->notify = q->telling = q->told = 0;
	q->maxmsg = (u64)a.mq_maxmsg;
	q->msgsize = (u64)a.mq_msgsize;
	q->charge = charge;
	q->store = (struct ipc_store){ 0 };
	q->receivers = q->senders = (struct ipc_list){ 0 };
	(void)pal_clock_gettime(CLOCK_REALTIME, &q->ctime);
	q->atime = q->mtime = q->ctime;
	base_strlcpy(q->name, name, sizeof(q->name));
	ipc_set32(me, &the_ipc->mq_top, MAX(the_ipc->mq_top, (u32)i + 1));
	ipc_set32(me, &the_ipc->mq_count, the_ipc->mq_count + 1);
	ipc_set32(me, &q->generation, q->generation + 1);
	ipc_set32(me, &q->linked, 1);
	ipc_commit(me);
	*index = (u32)i;
	return 0;
}

static void destroy(struct ipc_thread *me, u32 index)
{
	struct ipc_mq *q = mq_at(index);
	bool used = q->store.fresh;
	char name[32];

	mq_fifo_name(index, q->generation, name);
	(void)pal_unlinkat(GRANT_FD_SHM, name, 0);
	ipc_set32(me, &q->generation, q->generation + 1);
	ipc_set32(me, &the_ipc->mq_count, the_ipc->mq_count - 1);
	ipc_commit(me);
	if (used)
		ipc_store_reset(pool_of(q));
}

void ipc_mq_lost(struct ipc_thread *me, u32 index)
{
	struct ipc_mq *q = mq_at(index);

	if (!(q->generation & 1) || ipc_refs(IPC_MQ, index))
		return;
	/* Nobody has the fifo open: what was in it is gone. */
	q->polled = q->level = 0;
	if (!q->linked)
		destroy(me, index);
}

int mq_drop_name(struct ipc_thread *me, u32 index)
{
	const struct cred *c = &this_process()->cred;
	struct ipc_mq *q = mq_at(index);

	/* /dev/mqueue is sticky, and root's. */
	if (c->fsuid != q->uid && c->fsuid && !(c->cap_effective & (1ull << CAP_FOWNER)))
		return -EPERM;
	ipc_set32(me, &q->linked, 0);
	ipc_commit(me);
	ipc_mq_lost(me, index);
	return 0;
}

/* ---- notification ---- */

static void notify_off(struct ipc_mq *q)
{
	q->notify_pid = 0;
	atomic_store(&q->notify, IPC_NOTIFY_OFF);
}

void ipc_mq_quit(struct ipc_thread *me, s32 pid)
{
	for (u32 i = 0; i < the_ipc->mq_top; i++) {
		struct ipc_mq *q = mq_at(i);

		if (atomic_load(&q->notify) == IPC_NOTIFY_OFF || q->notify_pid != pid)
			continue;
		ipc_lock(me, &q->lock);
		if (q->notify_pid == pid)
			notify_off(q);
		ipc_unlock(me, &q->lock);
	}
}

/* A message came into the empty queue, and nobody waited for it. Once. */
void mq_announce(struct ipc_mq *q)
{
	struct siginfo info = { .si_signo = (int)q->notify_sig, .si_code = SI_MESGQ };
	s32 pid = q->notify_pid;
	u32 how = q->notify;

	info.si_pid = this_process()->pid;
	info.si_uid = this_process()->cred.ruid;
	info.si_value.sival_ptr = (void *)q->notify_value;
	notify_off(q);
	atomic_store(&q->telling, 0);
	if (how == IPC_NOTIFY_SIGNAL && info.si_signo)
		(void)signal_send_pid(pid, &info);
	else if (how == IPC_NOTIFY_THREAD)
		mq_thread_tell(q, pid);
}

static int check_notify(const struct sigevent *how)
{
	switch (how->sigev_notify) {
	case SIGEV_NONE:
	case SIGEV_THREAD:
		return 0;
	case SIGEV_SIGNAL:
		return how->sigev_signo < 0 || how->sigev_signo > SIG_COUNT ? -EINVAL : 0;
	}
	return -EINVAL;
}

static u32 kind_of(const struct sigevent *how)
{
	return how->sigev_notify == SIGEV_SIGNAL   ? IPC_NOTIFY_SIGNAL
	       : how->sigev_notify == SIGEV_THREAD ? IPC_NOTIFY_THREAD
						   : IPC_NOTIFY_NONE;
}

static long do_notify(struct ipc_thread *me, struct file *f, const struct sigevent *how, bool *gone)
{
	struct ipc_mq *q = mq_lock(me, f);
	s32 pid = this_process()->pid;
	long r = 0;

	if (IS_ERR(q))
		return PTR_ERR(q);
	if (!how) {
		*gone = q->notify == IPC_NOTIFY_THREAD && q->notify_pid == pid;
		if (q->notify && q->notify_pid == pid)
			notify_off(q);
	} else if (q->notify) {
		r = -EBUSY;
	} else {
		q->notify_sig = (u32)how->sigev_signo;
		q->notify_value = (u64)how->sigev_value.sival_ptr;
		q->notify_pid = pid;
		atomic_store(&q->notify, kind_of(how));
	}
	mq_unlock(me, f);
	return r;
}

long mq_notify(struct file *f, const struct sigevent *how)
{
	bool thread = how && how->sigev_notify == SIGEV_THREAD, gone = false;
	struct ipc_thread *me = ipc_enter();
	long r = how ? check_notify(how) : 0;

	if (IS_ERR(me))
		return -ENOSYS;
	if (!r && thread)
		r = mq_thread_add(f->priv, how->sigev_signo, how->sigev_value.sival_ptr);
	if (r)
		return r;
	r = do_notify(me, f, how, &gone);
	if (gone)
		mq_thread_removed(f->priv);
	else if (thread && r)
		mq_thread_cancel(f->priv);
	return r;
}

/* ---- messages; the caller holds the queue ---- */

static bool full(const struct ipc_mq *q)
{
	return q->store.count >= q->maxmsg || !ipc_store_room(&q->store, q->msgsize);
}

/* After all that are as urgent. */
static void insert(struct ipc_thread *me, struct ipc_mq *q, s64 prio, const void *data, size_t size)
{
	u32 pool = pool_of(q), m = q->store.last, before = 0;

	while (m && ipc_msg(pool, m)->type < prio) {
		before = m;
		m = ipc_msg(pool, m)->prev;
	}
	ipc_store_put(me, &q->store, pool, prio, data, size, before);
}

/* Senders that wait and find room now; also what one left undone who died. */
void mq_settle(struct ipc_thread *me, struct ipc_mq *q)
{
	while (q->senders.first && !full(q)) {
		s32 tid = q->senders.first;
		struct ipc_thread *w = ipc_thread(tid);
		bool here = w->size <= IPC_DATA_MAX;

		if (here)
			insert(me, q, w->type, w->data, w->size);
		ipc_ready(me, tid, here ? 0 : TRY_AGAIN);
		ipc_commit(me);
		if (!here)
			return;
	}
}

static void stamp(struct timespec *a, struct timespec *b, struct timespec *c)
{
	struct timespec now = { 0 };

	(void)pal_clock_gettime(CLOCK_REALTIME, &now);
	*a = *b = now;
	if (c)
		*c = now;
}

static void put(struct ipc_thread *me, struct ipc_mq *q, u32 prio, const void *data, size_t size)
{
	s32 tid = q->receivers.first;
	struct ipc_thread *w = ipc_thread(tid);

	stamp(&q->mtime, &q->ctime, &q->atime);
	if (tid && size <= IPC_DATA_MAX) {
		memcpy(w->data, data, size);
		ipc_set64(me, &w->type, prio);
		ipc_set64(me, &w->size, size);
		ipc_ready(me, tid, 0);
		ipc_commit(me);
		return;
	}
	insert(me, q, prio, data, size);
	if (tid)
		ipc_ready(me, tid, TRY_AGAIN);
	else if (!q->store.count && q->notify)
		ipc_set32(me, &q->telling, 1);
	ipc_commit(me);
	if (q->telling)
		mq_announce(q);
}

static int send_once(struct ipc_thread *me, struct file *f, const void *data, size_t size, u32 prio)
{
	struct ipc_mq *q = mq_lock(me, f);
	int r = 0;

	if (IS_ERR(q))
		return PTR_ERR(q);
	if (size > q->msgsize) {
		r = -EMSGSIZE;
	} else if (!full(q)) {
		put(me, q, prio, data, size);
	} else if (mq_nonblock(f)) {
		r = -EAGAIN;
	} else {
		me->type = prio;
		me->size = size;
		if (size <= IPC_DATA_MAX)
			memcpy(me->data, data, size);
		ipc_queue(me, &q->senders, &q->lock);
		r = TRY_AGAIN;
	}
	mq_unlock(me, f);
	return r;
}

/* What a sleep ended with: TRY_AGAIN, 0, or an error. */
static int sleep(struct ipc_thread *me, struct file *f, const struct timespec *end)
{
	struct ipc_mq *q = mq_at(((struct mq_file *)f->priv)->index);
	int r = ipc_sleep(me, end, true);

	if (r)
		return ipc_give_up(me, &q->lock, r == -EINTR ? -ERESTARTSYS : r);
	return me->result;
}

static long send(struct ipc_thread *me, struct file *f, const void *data, size_t size, u32 prio,
		 const struct timespec *end)
{
	int r;

	do {
		r = send_once(me, f, data, size, prio);
		if (r == TRY_AGAIN)
			r = sleep(me, f, end);
	} while (r == TRY_AGAIN);
	return r;
}

long mq_send(struct file *f, const void *guest, size_t size, u32 prio, const struct timespec *end)
{
	const struct ipc_mq *q = mq_at(((struct mq_file *)f->priv)->index);
	struct ipc_thread *me = ipc_enter();
	u8 small[MQ_SIZE_MAX], *data = small;
	long r;

	if (IS_ERR(me))
		return -ENOSYS;
	if (size > q->msgsize)
		return -EMSGSIZE;
	if (size > sizeof(small))
		data = base_alloc(size);
	if (!data)
		return -ENOMEM;
	r = user_read(data, guest, size);
	if (!r)
		r = send(me, f, data, size, prio, end);
	if (data != small)
		base_free(data);
	return r;
}

/* The first message into data: its size; or -errno, or *queued. */
static long receive_once(struct ipc_thread *me, struct file *f, void *data, s64 *prio, bool *queued)
{
	struct ipc_mq *q = mq_lock(me, f);
	u32 block;
	long r;

	if (IS_ERR(q))
		return PTR_ERR(q);
	block = q->store.first;
	if (block) {
		const struct ipc_msg *m = ipc_msg(pool_of(q), block);

		r = (long)MIN((u64)m->size, q->msgsize);
		*prio = m->type;
		ipc_store_copy(&q->store, pool_of(q), block, data, (size_t)r);
		ipc_store_take(me, &q->store, pool_of(q), block);
		ipc_commit(me);
		stamp(&q->atime, &q->ctime, &q->mtime);
		mq_settle(me, q);
	} else if (mq_nonblock(f)) {
		r = -EAGAIN;
	} else {
		ipc_queue(me, &q->receivers, &q->lock);
		*queued = true;
		r = 0;
	}
	mq_unlock(me, f);
	return r;
}

static long receive(struct ipc_thread *me, struct file *f, u8 *data, s64 *prio, const struct timespec *end)
{
	for (;;) {
		bool queued = false;
		long r = receive_once(me, f, data, prio, &queued);

		if (!queued)
			return r;
		r = sleep(me, f, end);
		if (r < 0)
			return r;
		if (r == TRY_AGAIN)
			continue;
		*prio = me->type;
		memcpy(data, me->data, MIN(me->size, (u64)IPC_DATA_MAX));
		return (long)me->size;
	}
}

long mq_receive(struct file *f, void *guest, size_t size, u32 *prio, const struct timespec *end)
{
	u64 room = mq_at(((struct mq_file *)f->priv)->index)->msgsize;
	struct ipc_thread *me = ipc_enter();
	u8 small[MQ_SIZE_MAX], *data = small;
	s64 got = 0;
	long r;

	if (IS_ERR(me))
		return -ENOSYS;
	if (size < room)
		return -EMSGSIZE;
	if (room > sizeof(small))
		data = base_alloc(room);
	if (!data)
		return -ENOMEM;
	r = receive(me, f, data, &got, end);
	if (r >= 0 && ((prio && user_write_u32(prio, (u32)got)) || user_write(guest, data, (size_t)r)))
		r = -EFAULT;
	if (data != small)
		base_free(data);
	return r;
}

long mq_get_attr(struct file *f, struct mq_attr *attr)
{
	struct ipc_thread *me = ipc_enter();
	struct ipc_mq *q = IS_ERR(me) ? ERR_PTR(-ENOSYS) : mq_lock(me, f);

	if (IS_ERR(q))
		return PTR_ERR(q);
	*attr = (struct mq_attr){ .mq_flags = mq_nonblock(f) ? O_NONBLOCK : 0, .mq_maxmsg = (long)q->maxmsg,
				  .mq_msgsize = (long)q->msgsize, .mq_curmsgs = (long)q->store.count };
	mq_unlock(me, f);
	return 0;
}
