/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pipes, event counters, sockets. Everything is opened close-on-exec: an exec of the image keeps
 * only what is meant.
 */
#include "pal/allowed.h"
#include "pal/grant.h"
#include "pal/base/str.h"

int pal_pipe(int fds[2], int flags)
{
	return HOST_OR(-EINVAL, 2, pipe2, fds, flags | O_CLOEXEC);
}

int pal_eventfd(unsigned value, int flags)
{
	return HOST(2, eventfd2, value, flags | EFD_CLOEXEC);
}

int pal_socketpair(int type, int fds[2])
{
	return pal_socketpair_flags(AF_UNIX, type, 0, fds);
}

int pal_socketpair_flags(int domain, int type, int protocol, int fds[2])
{
	return HOST_OR(-EAFNOSUPPORT, 4, socketpair, domain, type | SOCK_CLOEXEC, protocol, fds);
}

/* The filter answers calls it denies by ending the process, so the rung is asked first. */
static bool sockets_denied(void)
{
	return pal_grant()->flags & GRANT_BROKER_SOCK;
}

int pal_socket(int domain, int type, int protocol)
{
	return sockets_denied()
		       ? -EPERM
		       : HOST_OR(-EAFNOSUPPORT, 3, socket, domain, type | SOCK_CLOEXEC, protocol);
}

int pal_bind(int fd, const void *addr, unsigned len)
{
	return sockets_denied() ? -EPERM : HOST(3, bind, fd, addr, len);
}

int pal_connect(int fd, const void *addr, unsigned len)
{
	return sockets_denied() ? -EPERM : CP(3, connect, fd, addr, len);
}

int pal_listen(int fd, int backlog)
{
	return sockets_denied() ? -EPERM : HOST(2, listen, fd, backlog);
}

int pal_accept(int fd, void *addr, unsigned *len, int flags)
{
	return sockets_denied() ? -EPERM
				: CP_OR(-EINVAL, 4, accept4, fd, addr, len, flags | SOCK_CLOEXEC);
}

/* Without the calls: all sockets are one of a pair, but for what was handed in. */
static int no_name(int fd, void *addr, unsigned *len)
{
	int domain = 0, r;
	unsigned size = sizeof(domain);
	u16 family;

	r = pal_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	if (r)
		return r;
	family = (u16)domain;
	memcpy(addr, &family, MIN(*len, sizeof(family)));
	*len = sizeof(family);
	return 0;
}

int pal_getsockname(int fd, void *addr, unsigned *len)
{
	return sockets_denied() ? no_name(fd, addr, len) : HOST(3, getsockname, fd, addr, len);
}

int pal_getpeername(int fd, void *addr, unsigned *len)
{
	return sockets_denied() ? no_name(fd, addr, len) : HOST(3, getpeername, fd, addr, len);
}

int pal_setsockopt(int fd, int level, int name, const void *value, unsigned len)
{
	return HOST_OR(-ENOPROTOOPT, 5, setsockopt, fd, level, name, value, len);
}

int pal_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
	return HOST_OR(-ENOPROTOOPT, 5, getsockopt, fd, level, name, value, len);
}

int pal_shutdown(int fd, int how)
{
	return HOST(2, shutdown, fd, how);
}

ssize_t pal_sendto(int fd, const void *buf, size_t size, int flags, const void *addr, unsigned len)
{
	const struct iovec iov = { (void *)buf, size };
	const struct msghdr msg = {
		.msg_name = (void *)addr, .msg_namelen = (int)len, .msg_iov = (void *)&iov, .msg_iovlen = 1
	};

	return sockets_denied() ? CP(3, sendmsg, fd, &msg, flags) : CP(6, sendto, fd, buf, size, flags, addr, len);
}

ssize_t pal_recvfrom(int fd, void *buf, size_t size, int flags, void *addr, unsigned *len)
{
	struct iovec iov = { buf, size };
	struct msghdr msg = {
		.msg_name = addr, .msg_namelen = len ? (int)*len : 0, .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	if (!sockets_denied())
		return CP(6, recvfrom, fd, buf, size, flags, addr, len);
	n = CP(3, recvmsg, fd, &msg, flags);
	if (n >= 0 && len)
		*len = (unsigned)msg.msg_namelen;
	return n;
}

ssize_t pal_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return CP(3, sendmsg, fd, msg, flags);
}

ssize_t pal_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return CP(3, recvmsg, fd, msg, flags);
}

/*
 * The identity of a socket file as an abstract address. The time of birth is part of it, since an
 * inode number comes back soon after its file is gone. Abstract names are private to the sandbox:
 * it has a network namespace of its own, or no sockets at all.
 */
static int unix_address(struct sockaddr_un *addr, unsigned *len, int dir, const char *name)
{
	struct statx st;
	int err = pal_statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO | STATX_BTIME,
			    &st),
	    n;

	if (err)
		return err;
	if ((st.stx_mode & S_IFMT) != S_IFSOCK)
		return -ECONNREFUSED;
	addr->sun_family = AF_UNIX;
	addr->sun_path[0] = '\0';
	n = base_snprintf(addr->sun_path + 1, sizeof(addr->sun_path) - 1, "gsh-%x:%x-%lx-%lx.%x",
			  st.stx_dev_major, st.stx_dev_minor, (u64)st.stx_ino,
			  (u64)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
	*len = offsetof(struct sockaddr_un, sun_path) + 1 + n;
	return 0;
}

int pal_unix_at(int fd, int dir, const char *name, bool connect)
{
	struct sockaddr_un addr;
	unsigned len;
	int err;

	if (sockets_denied())
		return -EPERM;
	err = unix_address(&addr, &len, dir, name);
	if (err)
		return err;
	return connect ? pal_connect(fd, &addr, len) : pal_bind(fd, &addr, len);
}
