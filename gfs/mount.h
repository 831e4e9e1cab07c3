/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The mount point, before there is a file system on it. Errors come with a sentence in why. */
#ifndef GFS_MOUNT_H
#define GFS_MOUNT_H

#include <stddef.h>

/* Make and check the mount point, clear a dead mount. path (PATH_MAX) gets its canonical name. */
int mount_prepare(const char *wanted, char *path, char *why, size_t size)
	__attribute__((warn_unused_result));
int mount_check_device(char *why, size_t size) __attribute__((warn_unused_result));

#endif
