/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Devices of the host's that the policy grants: rows of /dev that come and go. See device.c. */
#ifndef LIBOS_FS_DEVICE_H
#define LIBOS_FS_DEVICE_H

#include "libos/fs/pseudo.h"

int device_find(struct pseudo_node *dir, const char *name, struct pseudo_ref *ref);
bool device_next(struct pseudo_node *dir, s64 *cursor, char name[24], struct pseudo_ref *ref);

#endif
