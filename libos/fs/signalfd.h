/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* signalfd, as sys/event.c uses it. */
#ifndef LIBOS_FS_SIGNALFD_H
#define LIBOS_FS_SIGNALFD_H

#include "libos/vfs/vfs.h"

int signalfd_create(u64 mask, int flags);	 /* descriptor or -errno */
int signalfd_set_mask(struct file *f, u64 mask); /* -EINVAL if f is none */

#endif
