/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * All locks that a fork must find free in the child, taken in their order (task.h) and left in the reverse one.
 *
 * What is missing on purpose: locks of single objects that are held over host calls that may block (struct file's): the
 * child makes them anew instead (vfs/file.c), or fork would wait for a reader. The PAL holds its own.
 */
#include "libos/task/task.h"
#include "libos/mm/mm.h"
#include "libos/vfs/vfs.h"

void fork_locks_take(void)
{
	struct process *p = this_process();

	lock(&p->lock);
	lock(&p->files->lock);
	lock(&p->fs->lock);
	lock(&dcache_lock);
	lock(&p->mm->lock);
	lock(&p->sig.lock);
	base_heap_lock();
}

void fork_locks_release(void)
{
	struct process *p = this_process();

	base_heap_unlock();
	unlock(&p->sig.lock);
	unlock(&p->mm->lock);
	unlock(&dcache_lock);
	unlock(&p->fs->lock);
	unlock(&p->files->lock);
	unlock(&p->lock);
}
