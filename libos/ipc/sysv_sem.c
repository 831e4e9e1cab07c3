/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Semaphore sets: made, told of, set, removed. What semop does is in sem_op.c. */
#include "libos/ipc/ipc.h"
#include "libos/sys/user.h"

#define SEM_ID_MASK 32767u

static int fits(u32 index, u64 n)
{
	return n > the_ipc->sem[index].nsems ? -EINVAL : 0;
}

static int make(struct ipc_thread *me, u32 index, const struct ipc_maker *m, int flags)
{
	struct ipc_semset *s = &the_ipc->sem[index];
	struct ipc_table *t = ipc_table(IPC_SEM);

	if (!m->size)
		return -EINVAL;
	if (t->total + m->size > SEMMNS)
		return -ENOSPC;
	s->nsems = (u32)m->size;
	s->half = s->undo_top = s->stale = 0;
	s->otime = 0;
	s->ctime = ipc_now();
	s->waiting = (struct ipc_list){ 0 };
	memset(ipc_sems(s, 0), 0, m->size * sizeof(u64));
	ipc_set64(me, &t->total, t->total + m->size);
	return 0;
}

long ipc_semget(s32 key, int n, int flags)
{
	struct ipc_maker m = { .kind = IPC_SEM, .size = (u64)n, .fits = fits, .make = make };

	return n < 0 || n > SEMMSL ? -EINVAL : ipc_get(key, flags, &m);
}

/* ---- a set by its id ---- */

/* Locked, or ERR_PTR. */
static struct ipc_semset *get_locked(struct ipc_thread *me, s32 id)
{
	u32 index = (u32)id & SEM_ID_MASK;
	struct ipc_semset *s = &the_ipc->sem[index];
	int r;

	if (id < 0 || index >= IPC_SEM_MAX)
		return ERR_PTR(-EINVAL);
	ipc_sem_lock(me, s);
	r = ipc_index(IPC_SEM, id);
	if (r >= 0)
		return s;
	ipc_unlock(me, &s->lock);
	return ERR_PTR(r);
}

static void describe(const struct ipc_semset *s, struct semid64_ds *ds)
{
	ipc_perm_out(&s->perm, &ds->sem_perm);
	ds->sem_otime = s->otime;
	ds->sem_ctime = s->ctime;
	ds->sem_nsems = s->nsems;
}

static long do_stat(struct ipc_thread *me, s32 id, int cmd, void *arg)
{
	struct semid64_ds ds = { 0 };
	struct ipc_semset *s;
	long r = 0;

	if (cmd != IPC_STAT) {
		int index = ipc_index_any(IPC_SEM, id);

		if (index < 0)
			return index;
		id = the_ipc->sem[index].perm.id;
	}
	s = get_locked(me, id);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (cmd != SEM_STAT_ANY)
		r = ipc_allowed(&s->perm, S_IRUGO);
	describe(s, &ds);
	ipc_unlock(me, &s->lock);
	if (r)
		return r;
	return user_write(arg, &ds, sizeof(ds)) ?: cmd == IPC_STAT ? 0 : id;
}

static long do_info(int cmd, void *arg)
{
	struct seminfo info = {
		.semmap = SEMMAP, .semmni = SEMMNI, .semmns = SEMMNS, .semmnu = SEMMNU, .semmsl = SEMMSL,
		.semopm = SEMOPM, .semume = SEMUME, .semusz = SEMUSZ, .semvmx = SEMVMX, .semaem = SEMAEM,
	};

	if (cmd == SEM_INFO) {
		info.semusz = (int)ipc_table(IPC_SEM)->in_use;
		info.semaem = (int)ipc_table(IPC_SEM)->total;
	}
	return user_write(arg, &info, sizeof(info)) ?: ipc_max_index(IPC_SEM);
}

/* ---- changes of the whole ---- */

static void remove_set(struct ipc_thread *me, struct ipc_semset *s)
{
	struct ipc_table *t = ipc_table(IPC_SEM);
	u32 index = ipc_sem_index(s);

	ipc_set64(me, &t->total, t->total - s->nsems);
	ipc_undo_clear(me, s, -1);
	ipc_drop(me, IPC_SEM, index);
	ipc_sem_commit(me, s);
	if (s->nsems * sizeof(u64) > PAGE_SIZE)
		ipc_discard(IPC_SEM_AT + index * IPC_SEM_WINDOW, IPC_SEM_WINDOW);
}

static long do_change(struct ipc_thread *me, s32 id, int cmd, const void *arg)
{
	struct ipc_table *t = ipc_table(IPC_SEM);
	struct ipc_semset *s;
	struct semid64_ds ds;
	long r;

	if (cmd == IPC_SET && user_read(&ds, arg, sizeof(ds)))
		return -EFAULT;
	ipc_lock(me, &t->lock);
	s = get_locked(me, id);
	r = IS_ERR(s) ? PTR_ERR(s) : ipc_owner(&s->perm);
	if (!r && cmd == IPC_RMID) {
		remove_set(me, s);
	} else if (!r) {
		r = ipc_perm_set(me, &s->perm, &ds.sem_perm);
		if (!r)
			ipc_set64(me, &s->ctime, (u64)ipc_now());
		ipc_commit(me);
	}
	if (!IS_ERR(s))
		ipc_unlock(me, &s->lock);
	ipc_unlock(me, &t->lock);
	return r;
}

/* ---- values ---- */

/* Sleepers on num that wait for its value to rise, or to become zero. */
static long count_sleepers(const struct ipc_semset *s, int num, bool zero)
{
	long n = 0;

	for (s32 tid = s->waiting.first; tid; tid = ipc_thread(tid)->next) {
		const struct ipc_thread *w = ipc_thread(tid);
		const struct sembuf *op = &(w->ops > IPC_OPS_INLINE ? w->more : w->op)[w->blocking];

		n += op->sem_num == num && (zero ? !op->sem_op : op->sem_op < 0);
	}
	return n;
}

static long get_one(const struct ipc_semset *s, int num, int cmd)
{
	u64 v;

	if (num < 0 || (u32)num >= s->nsems)
		return -EINVAL;
	v = ipc_sems(s, s->half)[num];
	switch (cmd) {
	case GETVAL:
		return (s32)(u32)v;
	case GETPID:
		return (s32)(v >> 32);
	}
	return count_sleepers(s, num, cmd == GETZCNT);
}

static long do_get(struct ipc_thread *me, s32 id, int num, int cmd)
{
	struct ipc_semset *s = get_locked(me, id);
	long r;

	if (IS_ERR(s))
		return PTR_ERR(s);
	r = ipc_allowed(&s->perm, S_IRUGO) ?: get_one(s, num, cmd);
	ipc_unlock(me, &s->lock);
	return r;
}

static long do_set(struct ipc_thread *me, s32 id, int num, int value)
{
	struct ipc_semset *s;
	long r;

	if (value < 0 || value > SEMVMX)
		return -ERANGE;
	s = get_locked(me, id);
	if (IS_ERR(s))
		return PTR_ERR(s);
	r = num < 0 || (u32)num >= s->nsems ? -EINVAL : ipc_allowed(&s->perm, S_IWUGO);
	if (!r) {
		ipc_undo_clear(me, s, num);
		ipc_set64(me, &ipc_sems(s, s->half)[num], (u64)(u32)this_process()->pid << 32 | (u32)value);
		ipc_set64(me, &s->ctime, (u64)ipc_now());
		ipc_sem_commit(me, s);
	}
	ipc_unlock(me, &s->lock);
	return r;
}

/* The new values go to the half that is not in use; one word makes it the valid one. */
static long set_all(struct ipc_thread *me, struct ipc_semset *s, const u16 *values)
{
	u64 *sems = ipc_sems(s, !s->half);

	for (u32 i = 0; i < s->nsems; i++) {
		if (values[i] > SEMVMX)
			return -ERANGE;
		sems[i] = (u64)(u32)this_process()->pid << 32 | values[i];
	}
	ipc_set32(me, &s->half, !s->half);
	ipc_undo_clear(me, s, -1);
	ipc_set64(me, &s->ctime, (u64)ipc_now());
	ipc_sem_commit(me, s);
	return 0;
}

static void get_all(const struct ipc_semset *s, u16 *values)
{
	for (u32 i = 0; i < s->nsems; i++)
		values[i] = (u16)ipc_sems(s, s->half)[i];
}

/* How many semaphores, if they may be read or written. */
static long size_of(struct ipc_thread *me, s32 id, int wanted)
{
	struct ipc_semset *s = get_locked(me, id);
	long r;

	if (IS_ERR(s))
		return PTR_ERR(s);
	r = ipc_allowed(&s->perm, wanted) ?: (long)s->nsems;
	ipc_unlock(me, &s->lock);
	return r;
}

static long do_all(struct ipc_thread *me, s32 id, int cmd, void *arg)
{
	long n = size_of(me, id, cmd == SETALL ? S_IWUGO : S_IRUGO), r = 0;
	size_t bytes = (size_t)n * sizeof(u16);
	struct ipc_semset *s;
	u16 *values;

	if (n < 0)
		return n;
	values = base_alloc(bytes);
	if (!values)
		return -ENOMEM;
	if (cmd == SETALL)
		r = user_read(values, arg, bytes);
	if (!r) {
		s = get_locked(me, id);
		r = IS_ERR(s) ? -EIDRM : 0;
		if (!r && cmd == SETALL)
			r = set_all(me, s, values);
		else if (!r)
			get_all(s, values);
		if (!IS_ERR(s))
			ipc_unlock(me, &s->lock);
	}
	if (!r && cmd == GETALL)
		r = user_write(arg, values, bytes);
	base_free(values);
	return r;
}

long ipc_semctl(s32 id, int num, int cmd, u64 arg)
{
	struct ipc_thread *me = ipc_enter();

	if (IS_ERR(me))
		return -ENOSYS;
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return do_info(cmd, (void *)arg);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return do_stat(me, id, cmd, (void *)arg);
	case GETALL:
	case SETALL:
		return do_all(me, id, cmd, (void *)arg);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
		return do_get(me, id, num, cmd);
	case SETVAL:
		return do_set(me, id, num, (int)arg);
	case IPC_SET:
	case IPC_RMID:
		return do_change(me, id, cmd, (const void *)arg);
	}
	return -EINVAL;
}

void ipc_sem_show(struct buf *b)
{
	struct ipc_thread *me = ipc_enter();

	base_buf_puts(b, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	for (u32 i = 0; !IS_ERR(me) && i < ipc_table(IPC_SEM)->top; i++) {
		struct ipc_semset *s = get_locked(me, the_ipc->sem[i].perm.id);
		const struct ipc_access *p = &the_ipc->sem[i].perm;

		if (IS_ERR(s))
			continue;
		base_buf_printf(b, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lu %10lu\n", p->key, p->id, p->mode,
				s->nsems, p->uid, p->gid, p->cuid, p->cgid, (u64)s->otime, (u64)s->ctime);
		ipc_unlock(me, &s->lock);
	}
}
