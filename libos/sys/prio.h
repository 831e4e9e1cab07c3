/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef LIBOS_SYS_PRIO_H
#define LIBOS_SYS_PRIO_H

struct area_slot;

/* Make a thread as nice as that, with the rights of setpriority(2). 0, -EPERM, -EACCES. */
int prio_set_nice(struct area_slot *s, int nice);

#endif
