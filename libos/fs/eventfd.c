// SPDX-License-Identifier: LGPL-3.0-or-later
/* eventfd: the host's counter, as it is. */
#include "libos/fs/kinds.h"

const struct file_ops eventfd_file_ops = {
	.name = "eventfd",
};
