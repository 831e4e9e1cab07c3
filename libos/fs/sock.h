/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sockets: host sockets of the sandbox's own network namespace (rung A), and socket pairs
 * everywhere.
 *
 * Internet addresses pass as they are. A unix socket with a path is bound on the host to an
 * abstract name made from the socket file's identity (sock_unix.c), since the host must resolve no
 * path for a guest; addresses are translated on their way in and out.
 */
#ifndef LIBOS_FS_SOCK_H
#define LIBOS_FS_SOCK_H

#include "libos/vfs/vfs.h"
#include "libos/fs/kinds.h"

#define SOCK_ADDR_MAX 128 /* struct sockaddr_storage */

struct sock_addr {
	unsigned len;
	union {
		u16 family;
		struct sockaddr_un un;
		char bytes[SOCK_ADDR_MAX];
	};
};

struct net;

/* f->priv of a socket. */
struct sock {
	int domain, type; /* immutable */
	/* SO_LINGER, which the host is not told. Whether a reset at the end of this file is one of the socket's own: who
	 * made it, how many children that had then, and was it passed on since. */
	struct linger linger;
	s32 maker;
	u32 births;
	bool passed;
	char *path;	  /* guest path that we bound; set once */
	struct netlink *netlink; /* of a netlink socket (net/link.h) */
	struct net *net;  /* one of the sandbox's own network (net/net.h); NULL: a host socket */
	struct out *out;  /* datagrams to somebody outside (net/out.h), or NULL */
};

static inline struct sock *to_sock(const struct file *f)
{
	return f->priv;
}

/* ---- sock.c ---- */
bool file_is_sock(const struct file *f);
/* As the kernel names the protocol: "TCP", "UNIX-STREAM". Static. */
const char *sock_protocol_name(const struct file *f);
void sock_release(struct file *f);
void sock_save(struct file *f, struct buf *b);
int sock_load(struct file *f, struct cursor *c);
/* The descriptor's socket (counted), ERR_PTR(-EBADF, -ENOTSOCK). */
struct file *sock_get(int fd);
/* A struct file for host socket fd; takes fd only on success. ERR_PTR. */
struct file *sock_file_create(int fd, int domain, int type, int flags);
struct file *sock_file_from_host(int fd, int flags);

/* ---- sock_host.c: the host's calls, or those of the sandbox's own network ---- */
int sock_bind(struct file *f, const void *addr, unsigned len);
int sock_connect(struct file *f, const void *addr, unsigned len);
int sock_listen(struct file *f, int backlog);
/* ERR_PTR. */
struct file *sock_accept(struct file *f, struct sock_addr *peer, int flags);
int sock_getsockname(struct file *f, struct sock_addr *a);
int sock_getpeername(struct file *f, struct sock_addr *a);
int sock_shutdown(struct file *f, int how);
ssize_t sock_sendto(struct file *f, const void *buf, size_t n, int flags, const struct sock_addr *to);
ssize_t sock_recvfrom(struct file *f, void *buf, size_t n, int flags, struct sock_addr *from);
ssize_t sock_sendmsg(struct file *f, const struct msghdr *m, int flags);
ssize_t sock_recvmsg(struct file *f, struct msghdr *m, int flags);

/* ---- sock_unix.c ---- */
/* bind(2) of a unix socket to a guest path. */
int sock_unix_bind(struct file *f, const struct sock_addr *guest);
/* The host's address for a guest's, in place: a path becomes the abstract name; all else stays. */
int sock_addr_to_host(const struct file *f, struct sock_addr *a);
/* And back. */
void sock_addr_to_guest(const struct file *f, struct sock_addr *a);
void sock_name_to_guest(struct sock_addr *a);

#endif
