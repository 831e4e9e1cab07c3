/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Rung B's directory in memory, one per running sandbox: below /dev/shm if that is a tmpfs, else
 * below the runtime directory. It is locked (flock) as long as its maker lives; an unlocked one is
 * a killed monitor's.
 */
#ifndef GSHD_SHM_H
#define GSHD_SHM_H

#include <limits.h>

/* Make it; path is PATH_MAX bytes. The lock is the process's. 0 or -errno. */
int shm_make(const char *runtime, const char *name, char *path) __attribute__((warn_unused_result));
void shm_remove(const char *path);
/* Remove those that nobody holds. */
void shm_sweep(const char *runtime);

#endif
