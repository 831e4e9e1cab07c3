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

/* f->priv of a socket. */
struct sock {
	int domain, type; /* immutable */
	char *path;	  /* guest path that we bound; set once */
};

static inline struct sock *to_sock(const struct file *f)
{
	return f->priv;
}

/* ---- sock.c ---- */
/* The descriptor's socket (counted), ERR_PTR(-EBADF, -ENOTSOCK). */
struct file *sock_get(int fd);
/* A struct file for host socket fd; takes fd only on success. ERR_PTR. */
struct file *sock_file_create(int fd, int domain, int type, int flags);
struct file *sock_file_from_host(int fd, int flags);

/* ---- sock_unix.c ---- */
/* bind(2) of a unix socket to a guest path. */
int sock_unix_bind(struct file *f, const struct sock_addr *guest);
/* The host's address for a guest's, in place: a path becomes the abstract name; all else stays. */
int sock_addr_to_host(const struct file *f, struct sock_addr *a);
/* And back. */
void sock_addr_to_guest(const struct file *f, struct sock_addr *a);

#endif
