/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * All locks that a fork must find free in the child, taken in their order (task.h) and left in the reverse one.
 *
 * What is missing on purpose: locks of single objects that are held over host calls that may block (struct file's):
 * the child makes them anew instead (vfs/file.c), or fork would wait for a reader. The PAL holds its own.
 */
#include "libos/task/task.h"
#include "libos/mm/mm.h"
#include "libos/vfs/vfs.h"
#include "libos/fs/epoll.h"
#include "libos/fs/tty.h"
#include "libos/ipc/ipc.h"

#define LOCKS 12

static void locks_in_order(struct process *p, struct mutex *out[LOCKS])
{
	struct mutex *const order[LOCKS] = {
		&binds_lock, &chain_lock,  &p->reap,     &ipc_holds_lock, &p->lock,    &p->files->lock,
		&p->fs->lock, &dcache_lock, &p->mm->lock, &p->sig.lock,    &epoll_lock, &ptm_lock,
	};

	memcpy(out, order, sizeof(order));
}

/* The only thread of its memory finds every lock free, and so does its copy: no page need be copied for them. */
bool process_is_alone(const struct process *p)
{
	return p->nthreads == 1 && atomic_load(&p->mm->refs) == 1;
}

static bool unlocked(struct mutex *m)
{
	if (!trylock(m))
		return false;
	unlock(m);
	return true;
}

static bool all_unlocked(struct process *p)
{
	struct mutex *locks[LOCKS];

	locks_in_order(p, locks);
	for (unsigned i = 0; i < LOCKS; i++)
		if (!unlocked(locks[i]))
			return false;
	if (!unlocked(&moves_lock) || !base_heap_trylock())
		return false;
	base_heap_unlock();
	return pal_unlocked();
}

bool fork_locks_orphaned(void)
{
	static const struct timespec nap = { .tv_nsec = 1000000 };
	struct process *p = this_process();

	/* Other threads hold one now and then, but no lock of these for a second. */
	for (unsigned tries = process_is_alone(p) ? 1 : 1000; tries; tries--) {
		if (all_unlocked(p))
			return false;
		if (tries > 1)
			(void)pal_nap(&nap);
	}
	return true;
}

bool fork_locks_take(void)
{
	struct mutex *locks[LOCKS];

	if (process_is_alone(this_process()))
		return false;
	locks_in_order(this_process(), locks);
	for (unsigned i = 0; i < LOCKS; i++)
		lock(locks[i]);
	base_heap_lock();
	return true;
}

void fork_locks_release(void)
{
	struct mutex *locks[LOCKS];

	base_heap_unlock();
	locks_in_order(this_process(), locks);
	for (unsigned i = LOCKS; i--;)
		unlock(locks[i]);
}
