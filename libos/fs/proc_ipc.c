// SPDX-License-Identifier: LGPL-3.0-or-later
/* /proc/sysvipc: what ipcs reads. */
#include "libos/fs/proc.h"
#include "libos/ipc/ipc.h"

static int show_msg(struct pseudo_node *n, struct buf *b)
{
	ipc_msg_show(b);
	return 0;
}

static int show_sem(struct pseudo_node *n, struct buf *b)
{
	ipc_sem_show(b);
	return 0;
}

static int show_shm(struct pseudo_node *n, struct buf *b)
{
	ipc_shm_show(b);
	return 0;
}

const struct pseudo_desc proc_ipc_rows[] = {
	PSEUDO_TEXT("msg", show_msg),
	PSEUDO_TEXT("sem", show_sem),
	PSEUDO_TEXT("shm", show_shm),
	PSEUDO_END,
};
