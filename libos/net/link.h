/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The one interface of a sandbox, the loopback, as programs ask for it: ioctls of any socket (link.c), and netlink's
 * route family (netlink.c), which getifaddrs(3), `ip` and many run-times use. Nothing of it can be changed. The host is
 * not asked: on no rung may its filter let a picoprocess make a netlink socket.
 */
#ifndef LIBOS_NET_LINK_H
#define LIBOS_NET_LINK_H

#include "libos/fs/sock.h"

#define LINK_INDEX 1
#define LINK_NAME "lo"
#define LINK_MTU 65536
#define LINK_QUEUE 1000
#define LINK_FLAGS 0x49 /* UP LOOPBACK RUNNING */

/* ---- link.c ---- */
/* An ioctl about interfaces; -ENOTTY if it is none. */
long link_ioctl(const struct file *f, unsigned cmd, u64 arg);

/* ---- netlink.c ---- */
extern const struct file_ops netlink_ops;
struct file *netlink_create(int type, int protocol, int flags); /* ERR_PTR */
int netlink_bind(struct file *f, const void *addr, unsigned len);
int netlink_getsockname(struct file *f, void *addr, unsigned *len);
int netlink_getsockopt(struct file *f, int level, int name, void *value, unsigned *len);
ssize_t netlink_sendmsg(struct file *f, const struct msghdr *m);
int netlink_post(struct file *f, const void *data, size_t size); /* a message from the kernel, as it is */
ssize_t netlink_recvmsg(struct file *f, struct msghdr *m, int flags);

#endif
