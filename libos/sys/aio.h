/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef LIBOS_SYS_AIO_H
#define LIBOS_SYS_AIO_H

struct process;

/* The contexts of a process that forked, executes or is freed: sys/aio.c. Nobody else uses them. */
void aio_drop(struct process *p);

#endif
