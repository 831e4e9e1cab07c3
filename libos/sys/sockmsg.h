/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Control messages of sockets, translated in place (sys/sockctl.c): descriptors become the other
 * side's numbers, credentials the other side's ids. Sizes do not change.
 */
#ifndef LIBOS_SYS_SOCKMSG_H
#define LIBOS_SYS_SOCKMSG_H

#include "libos/vfs/vfs.h"

/* What a message being sent keeps alive until it has gone. */
struct control_files {
	struct file *file[SCM_MAX_FD];
	int made[SCM_MAX_FD]; /* carriers to close (fs/passed.c) */
	unsigned files, carriers;
};

int control_to_host(struct msghdr *m, struct control_files *held);
void control_files_put(struct control_files *held);
/* New descriptors are installed; what finds no room is dropped and MSG_CTRUNC set, as Linux does.
 */
void control_to_guest(struct msghdr *m, bool cloexec);

void ucred_to_guest(struct ucred *c); /* sys/sockopt.c */

#endif
