// SPDX-License-Identifier: LGPL-3.0-or-later
/* timerfd: the host's, as it is; set and read by sys/event.c. */
#include "libos/fs/kinds.h"

const struct file_ops timerfd_file_ops = {
	.name = "timerfd",
};
