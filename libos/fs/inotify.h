/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* inotify, as sys/inotify.c uses it. Hooks of the vfs are in vfs/notify.h. */
#ifndef LIBOS_FS_INOTIFY_H
#define LIBOS_FS_INOTIFY_H

#include "libos/vfs/vfs.h"

int inotify_create(int flags);					 /* descriptor or -errno */
int inotify_add(struct file *f, const struct node *n, u32 mask); /* watch descriptor or -errno */
int inotify_remove(struct file *f, s32 wd);

#endif
