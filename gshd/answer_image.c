/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The patched-image cache's door: a picoprocess passes an executable file and would get its patched copy.
 *
 * No worker that makes such copies is attached to this monitor, so the answer is ENOSYS, which tells the libOS to
 * rewrite system calls at map time by itself. The table in port.c has checked shape and descriptors already; a worker
 * would be asked here, and its answer sent later with the request's id.
 */
#include <errno.h>
#include "gshd/monitor.h"

void answer_image(struct monitor *m, struct request *r)
{
	(void)m;
	r->reply.head.error = ENOSYS;
}
