/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * System call handlers: prototypes from the table, and the way in.
 *
 * Handlers take the guest's arguments as they stand in registers, check them, copy strings and structures in, make one
 * call into a subsystem, copy out, and return a result or -errno. -ERESTART* never reaches the guest
 * (signal/deliver.c).
 */
#ifndef LIBOS_SYS_SYS_H
#define LIBOS_SYS_SYS_H

#include "libos/task/task.h"
#include "libos/sys/user.h"

#define SYS(nr, name, args) long sys_##name args;
#define NOSYS(nr, name, err)
#include "libos/sys/syscalls.def"
#undef SYS
#undef NOSYS

const char *syscall_name(unsigned nr); /* NULL beyond the table */
const char *syscall_prototype(unsigned nr); /* "(int fd, ...)"; NULL if it is not supported */

#endif
