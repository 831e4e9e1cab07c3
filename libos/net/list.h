/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The sandbox's sockets as text: the files of /proc/net that ss and netstat read. */
#ifndef LIBOS_NET_LIST_H
#define LIBOS_NET_LIST_H

#include "libos/vfs/vfs.h"

/* Lines of tcp, tcp6, udp, udp6 (domain AF_INET or AF_INET6) and unix, below their heads. 0 or -errno. */
int net_list_inet(struct buf *b, int domain, int type);
int net_list_unix(struct buf *b);

#endif
