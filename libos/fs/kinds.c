// SPDX-License-Identifier: LGPL-3.0-or-later
/* The list of kinds: what file_ops_by_name knows of this folder. */
#include "libos/fs/kinds.h"
#include "libos/fs/pidfd.h"
#include "libos/net/link.h"
#include "libos/net/net.h"

const struct file_ops *const fs_kinds[] = {
	&pipe_file_ops,	   &pipe_again_ops,   &regular_again_ops, &anon_file_ops,
	&eventfd_file_ops, &timerfd_file_ops, &signalfd_file_ops, &memfd_file_ops,
	&epoll_file_ops,   &sock_file_ops,    &tty_file_ops,	  &ptm_file_ops,
	&net_file_ops,	   &net_stream_ops,   &netlink_ops,	  &proc_mem_ops,
	&pseudo_file_ops,  &pseudo_dir_ops,   &null_file_ops,	  &zero_file_ops,
	&inotify_file_ops, &full_file_ops,	   &random_file_ops,  &pidfd_file_ops,
	&mq_file_ops,	   &device_file_ops,
};
const unsigned fs_kinds_count = ARRAY_SIZE(fs_kinds);
