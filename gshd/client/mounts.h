/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What is mounted, as the kernel lists it: nothing is looked into, for on a dead mount even that fails or hangs. */
#ifndef GSHD_CLIENT_MOUNTS_H
#define GSHD_CLIENT_MOUNTS_H

#include <sys/types.h>

/* Is a FUSE file system mounted on this path, and on top? The path as the kernel names it. 1 and its device, 0, or
 * -errno. */
int mounts_fuse(const char *path, dev_t *dev) __attribute__((warn_unused_result));

#endif
