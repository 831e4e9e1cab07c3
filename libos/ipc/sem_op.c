/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * semop: the operations of one call happen all or none, as ipc/sem.c of Linux does them.
 *
 * A call is tried by writing down what its operations would make of the values; if one can't go on, that is thrown
 * away. Who changes a value tries the calls of those who sleep, those that only wait for zero first, the others in
 * the order in which they came, and performs what can go on in their stead, so nobody can overtake them.
 */
#include "libos/ipc/ipc.h"

#define MUST_WAIT 1

struct attempt {
	struct ipc_semset *set;
	const struct sembuf *ops;
	u32 n;
	s32 pid;
	u32 blocking;
	bool twice; /* some semaphore is named more than once */
	bool noted; /* undo entries are written down already */
	u32 undo_top;
};

/* What an address in use will hold once the journal so far is done. */
static u64 value_of(const struct ipc_thread *me, const u64 *where, bool look)
{
	for (u32 i = look ? me->changes : 0; i--;)
		if (me->journal[i].where == ((u64)where | 1))
			return me->journal[i].value;
	return *where;
}

/* The undo entry of (pid, num), or a free one, or one more: its index. */
static int undo_slot(const struct ipc_thread *me, struct attempt *a, u32 num)
{
	u64 *undo = ipc_undos(a->set), want = (u64)(u32)a->pid << 16 | num;
	int free = -1;

	for (u32 i = 0; i < a->undo_top; i++) {
		u64 v = i < a->set->undo_top ? undo[i] : 0;

		/* What looks free may have been given away a moment ago. */
		if (!v)
			v = value_of(me, &undo[i], a->noted);

		if (v >> 16 == want)
			return (int)i;
		if (!v && free < 0)
			free = (int)i;
	}
	if (free < 0 && a->undo_top < IPC_UNDOS_MAX)
		free = (int)a->undo_top;
	return free < 0 ? -ENOSPC : free;
}

static int note_undo(struct ipc_thread *me, struct attempt *a, const struct sembuf *op)
{
	u64 *undo = ipc_undos(a->set), v;
	int i = undo_slot(me, a, op->sem_num), adj;

	if (i < 0)
		return i;
	v = (u32)i < a->undo_top ? value_of(me, &undo[i], true) : 0;
	adj = (s16)(u16)v - op->sem_op;
	if (adj < -SEMAEM - 1 || adj > SEMAEM)
		return -ERANGE;
	ipc_set64(me, &undo[i], (u64)(u32)a->pid << 32 | (u64)op->sem_num << 16 | (u16)adj);
	a->undo_top = MAX(a->undo_top, (u32)i + 1);
	a->noted = true;
	return 0;
}

/* Write down all of a's operations: 0, MUST_WAIT, or an error; then nothing is written down. */
static int attempt(struct ipc_thread *me, struct attempt *a)
{
	u64 *sems = ipc_sems(a->set, a->set->half);
	int r = 0;

	a->undo_top = a->set->undo_top;
	for (u32 i = 0; i < a->n && !r; i++) {
		const struct sembuf *op = &a->ops[i];
		s32 value = (s32)(u32)value_of(me, &sems[op->sem_num], a->twice);

		a->blocking = i;
		if ((!op->sem_op && value) || value + op->sem_op < 0)
			r = op->sem_flg & IPC_NOWAIT ? -EAGAIN : MUST_WAIT;
		else if (value + op->sem_op > SEMVMX)
			r = -ERANGE;
		else if (op->sem_flg & SEM_UNDO)
			r = note_undo(me, a, op);
		if (!r)
			ipc_set64(me, &sems[op->sem_num], (u64)(u32)a->pid << 32 | (u32)(value + op->sem_op));
	}
	if (r)
		me->changes = 0;
	else if (a->undo_top != a->set->undo_top)
		ipc_set32(me, &a->set->undo_top, a->undo_top);
	return r;
}

/* pid may have undo entries in this set: said before the first one is there. */
static void note_set(s32 pid, u32 index)
{
	struct ipc_thread *t = ipc_thread(pid);

	for (u32 i = 0; i < MIN(t->sets_top, (u32)IPC_UNDO_SETS); i++)
		if (t->sets[i] == index)
			return;
	if (t->sets_top < IPC_UNDO_SETS)
		t->sets[t->sets_top] = index;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (t->sets_top <= IPC_UNDO_SETS)
		atomic_store(&t->sets_top, t->sets_top + 1);
}

/* Try what tid sleeps for. True: it sleeps no more. */
static bool try_sleeper(struct ipc_thread *me, struct ipc_semset *s, s32 tid)
{
	struct ipc_thread *w = ipc_thread(tid);
	struct attempt a = { .set = s, .ops = w->ops > IPC_OPS_INLINE ? w->more : w->op, .n = w->ops, .pid = w->pid };
	int r;

	a.twice = w->twice;
	r = attempt(me, &a);
	if (r == MUST_WAIT) {
		w->blocking = a.blocking;
		return false;
	}
	if (!r)
		ipc_set64(me, &s->otime, (u64)ipc_now());
	ipc_ready(me, tid, r);
	ipc_commit(me);
	return true;
}

/* One sleeper that can go on, of those that alter values or of those that don't. */
static bool update_one(struct ipc_thread *me, struct ipc_semset *s, bool alters)
{
	for (s32 tid = s->waiting.first; tid; tid = ipc_thread(tid)->next)
		if (!!ipc_thread(tid)->alters == alters && try_sleeper(me, s, tid))
			return true;
	return false;
}

static void update(struct ipc_thread *me, struct ipc_semset *s)
{
	if (!s->perm.live)
		ipc_ready_all(me, &s->waiting, -EIDRM);
	while (s->waiting.first && (update_one(me, s, false) || update_one(me, s, true)))
		;
	ipc_set32(me, &s->stale, 0);
	ipc_commit(me);
}

/* Between a change and the look at the sleepers its author may die: `stale` says so to the next one. */
void ipc_sem_commit(struct ipc_thread *me, struct ipc_semset *s)
{
	bool sleepers = s->waiting.first;

	if (sleepers)
		ipc_set32(me, &s->stale, 1);
	ipc_commit(me);
	if (sleepers)
		update(me, s);
}

void ipc_sem_lock(struct ipc_thread *me, struct ipc_semset *s)
{
	ipc_lock(me, &s->lock);
	if (unlikely(s->stale))
		update(me, s);
}

void ipc_sem_recovered(struct ipc_thread *me, u64 lock)
{
	struct ipc_semset *s = container_of((struct ipc_lock *)lock, struct ipc_semset, lock);

	if (s < the_ipc->sem || s >= the_ipc->sem + IPC_SEM_MAX)
		return;
	ipc_sem_lock(me, s);
	ipc_unlock(me, &s->lock);
}

/* ---- the call ---- */

struct call {
	const struct sembuf *ops;
	u32 n;
	u32 max; /* highest number named */
	bool alters, undoes, twice;
};

static void look_through(struct call *c)
{
	u64 seen = 0;

	for (u32 i = 0; i < c->n; i++) {
		u64 bit = 1ull << (c->ops[i].sem_num % 64);

		c->max = MAX(c->max, (u32)c->ops[i].sem_num);
		c->twice |= !!(seen & bit);
		seen |= bit;
		c->alters |= c->ops[i].sem_op != 0;
		c->undoes |= !!(c->ops[i].sem_flg & SEM_UNDO);
	}
}

static int sleep_on(struct ipc_thread *me, struct ipc_semset *s, const struct call *c, u32 blocking)
{
	memcpy(c->n > IPC_OPS_INLINE ? me->more : me->op, c->ops, c->n * sizeof(*c->ops));
	me->ops = c->n;
	me->alters = c->alters;
	me->twice = c->twice;
	me->blocking = blocking;
	ipc_queue(me, &s->waiting, &s->lock);
	return 0;
}

/* Caller holds the set. MUST_WAIT: the caller is queued. */
static int perform(struct ipc_thread *me, struct ipc_semset *s, s32 id, const struct call *c)
{
	struct attempt a = { .set = s, .ops = c->ops, .n = c->n, .pid = this_process()->pid, .twice = c->twice };
	int r = ipc_index(IPC_SEM, id);

	if (r < 0)
		return r;
	if (c->max >= s->nsems)
		return -EFBIG;
	r = ipc_allowed(&s->perm, c->alters ? S_IWUGO : S_IRUGO);
	if (r)
		return r;
	if (c->undoes)
		note_set(a.pid, ipc_sem_index(s));
	r = attempt(me, &a);
	if (r == MUST_WAIT)
		(void)sleep_on(me, s, c, a.blocking);
	if (r)
		return r;
	ipc_set64(me, &s->otime, (u64)ipc_now());
	if (c->alters)
		ipc_sem_commit(me, s);
	else
		ipc_commit(me);
	return 0;
}

long ipc_semop(s32 id, const struct sembuf *ops, unsigned n, const struct timespec *end)
{
	struct call c = { .ops = ops, .n = n };
	struct ipc_thread *me = ipc_enter();
	struct ipc_semset *s = &the_ipc->sem[(u32)id % 32768 % IPC_SEM_MAX];
	int r;

	if (IS_ERR(me))
		return -ENOSYS;
	if ((u32)id % 32768 >= IPC_SEM_MAX)
		return -EINVAL;
	look_through(&c);
	ipc_sem_lock(me, s);
	r = perform(me, s, id, &c);
	ipc_unlock(me, &s->lock);
	if (r != MUST_WAIT)
		return r;
	r = ipc_sleep(me, end, false);
	if (!r)
		return me->result;
	return ipc_give_up(me, &s->lock, r == -ETIMEDOUT ? -EAGAIN : r);
}

/* ---- undo ---- */

void ipc_undo_clear(struct ipc_thread *me, struct ipc_semset *s, s32 num)
{
	u64 *undo = ipc_undos(s);

	if (num < 0) {
		ipc_set32(me, &s->undo_top, 0);
		return;
	}
	for (u32 i = 0; i < s->undo_top; i++)
		if (undo[i] && (undo[i] >> 16 & 0xffff) == (u32)num) {
			/* Many processes may have one: no more than fit, the rest is a change of its own. */
			if (me->changes >= ARRAY_SIZE(me->journal) / 2)
				ipc_commit(me);
			ipc_set64(me, &undo[i], 0);
		}
}

/* The set's values are put back for pid, one entry at a time: each is whole, and gone once it was done. */
static void undo_set(struct ipc_thread *me, struct ipc_semset *s, s32 pid)
{
	u64 *undo = ipc_undos(s);

	ipc_sem_lock(me, s);
	for (u32 i = 0; s->perm.live && i < s->undo_top; i++) {
		u32 num = undo[i] >> 16 & 0xffff;
		u64 *sem = &ipc_sems(s, s->half)[num];
		s32 value = (s32)(u32)*sem + (s16)(u16)undo[i];

		if (undo[i] >> 32 != (u32)pid)
			continue;
		if ((s16)(u16)undo[i]) {
			ipc_set64(me, sem, (u64)(u32)pid << 32 | (u32)MAX(0, MIN(value, SEMVMX)));
			ipc_set64(me, &s->otime, (u64)ipc_now());
			/* The sleepers come when all is put back. */
			ipc_set32(me, &s->stale, 1);
		}
		ipc_set64(me, &undo[i], 0);
		ipc_commit(me);
	}
	if (s->stale)
		update(me, s);
	ipc_unlock(me, &s->lock);
}

void ipc_sem_undo(struct ipc_thread *me, s32 pid)
{
	struct ipc_thread *t = ipc_thread(pid);

	if (t->sets_top > IPC_UNDO_SETS)
		for (u32 i = 0; i < ipc_table(IPC_SEM)->top; i++)
			undo_set(me, &the_ipc->sem[i], pid);
	else
		for (u32 i = 0; i < t->sets_top; i++)
			undo_set(me, &the_ipc->sem[t->sets[i] % IPC_SEM_MAX], pid);
	atomic_store(&t->sets_top, 0);
}
