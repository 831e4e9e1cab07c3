/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ETXTBSY: a running program's file can't be written, and a file that someone has open for writing can't be executed.
 *
 * Who runs what stands in the slots of the area. Who writes what only the host knows; the monitor asks it
 * (MON_ATTR_BUSY), and is bothered only about files of the top layer, which are the only ones that a sandbox can
 * write.
 */
#include "libos/task/busy.h"
#include "libos/coord/area.h"
#include "libos/vfs/vfs.h"

bool busy_running(const struct node *n)
{
	if (!n->ino)
		return false;
	for (s32 id = area_next(2, false); id; id = area_next(id + 1, false)) {
		const struct area_slot *s = area_slot(id);

		if (s->exe_ino == n->ino && s->exe_dev == n->fs->dev && s->state != AREA_ZOMBIE)
			return true;
	}
	return false;
}

int busy_written(const struct file *f)
{
	return f->ops == &union_file_ops && union_file_in_top(f) ? pal_file_busy(f->host_fd) : 0;
}

void busy_note(struct process *p, const struct file *exe)
{
	const struct node *n = exe->path.dentry ? path_node(&exe->path) : NULL;

	p->slot->exe_ino = 0;
	p->slot->exe_dev = n ? n->fs->dev : 0;
	p->slot->exe_ino = n ? n->ino : 0;
}
