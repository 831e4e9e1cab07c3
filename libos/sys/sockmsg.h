/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Control messages of sockets, translated in place (sys/sockctl.c): descriptors become the other
 * side's numbers, credentials the other side's ids. Behind the descriptors goes one more, unseen by the guests
 * (fs/manifest.c): CONTROL_ROOM more bytes than the guest's are there for it on either side.
 */
#ifndef LIBOS_SYS_SOCKMSG_H
#define LIBOS_SYS_SOCKMSG_H

#include "libos/vfs/vfs.h"

#define CONTROL_ROOM (CMSG_SPACE(sizeof(int)) + sizeof(long))

/* What a message being sent keeps alive until it has gone. */
struct control_files {
	struct file *file[SCM_MAX_FD];
	int made[SCM_MAX_FD + 1]; /* carriers to close (fs/passed.c) */
	unsigned files, carriers;
};

int control_to_host(struct msghdr *m, struct control_files *held);
void control_files_put(struct control_files *held);
/* New descriptors are installed; what finds no room is dropped and MSG_CTRUNC set, as Linux does.
 */
void control_to_guest(struct msghdr *m, size_t size, bool cloexec); /* size: of the guest's buffer */

void ucred_to_guest(struct ucred *c); /* sys/sockopt.c */

#endif
