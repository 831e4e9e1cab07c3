/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Files that are running or being written: see busy.c. */
#ifndef LIBOS_TASK_BUSY_H
#define LIBOS_TASK_BUSY_H

#include "libos/task/task.h"

struct node;
struct file;

bool busy_running(const struct node *n);	/* does a process of the sandbox execute it? */
int busy_written(const struct file *f);		/* -ETXTBSY if it is open for writing, else 0 */
void busy_note(struct process *p, const struct file *exe); /* p now executes exe */

#endif
