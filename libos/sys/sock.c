// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Sockets: making, naming, connecting, plain sends and receives.
 *
 * Which kinds exist is what the host's filter lets through (pal/confine/seccomp.def): unix, IPv4
 * and IPv6, streams and datagrams. On rung B these are of the sandbox's own making (libos/net).
 */
#include "libos/sys/sockaddr.h"
#include "libos/coord/area.h"
#include "libos/net/link.h"
#include "libos/net/net.h"
#include "libos/mm/mm.h"
#include "pal/grant.h"

#define SOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

/* Is (domain, type, protocol) a socket we have? 0 or the error that Linux gives a program without
 * privilege. */
static int socket_known(int domain, int type, int protocol)
{
	switch (domain) {
	case AF_UNIX:
		if (protocol && protocol != AF_UNIX)
			return -EPROTONOSUPPORT;
		return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET
			       ? 0
			       : -ESOCKTNOSUPPORT;
	case AF_INET:
	case AF_INET6:
		if (type == SOCK_STREAM)
			return !protocol || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
		if (type == SOCK_DGRAM)
			return !protocol || protocol == IPPROTO_UDP ? 0
			       : protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6
				       ? -EACCES
				       : -EPROTONOSUPPORT;
		return type == SOCK_RAW ? -EPERM : -ESOCKTNOSUPPORT;
	case AF_NETLINK:
		return 0;
	case AF_PACKET:
		return -EPERM;
	}
	return -EAFNOSUPPORT;
}

static int sock_install(int host_fd, int domain, int type, int flags)
{
	struct file *f;

	host_fd = host_fd_move(host_fd);
	if (host_fd < 0)
		return host_fd;
	f = sock_file_create(host_fd, domain, type, flags & O_NONBLOCK);
	if (IS_ERR(f)) {
		pal_close(host_fd);
		return PTR_ERR(f);
	}
	return fdtab_add(f, 0, flags & O_CLOEXEC);
}

long sys_socket(int domain, int type, int protocol)
{
	int flags = type & SOCK_FLAGS, kind = type & SOCK_TYPE_MASK;
	int fd, r;

	if (type & ~(SOCK_TYPE_MASK | SOCK_FLAGS))
		return -EINVAL;
	if (domain == AF_UNIX && kind == SOCK_RAW)
		kind = SOCK_DGRAM; /* net/unix/af_unix.c */
	r = socket_known(domain, kind, protocol);
	if (r < 0)
		return r;
	if (the_area->split.no_network)
		return -EACCES;
	if (domain == AF_NETLINK || pal_grant()->flags & GRANT_BROKER_SOCK) {
		struct file *f = domain == AF_NETLINK ? netlink_create(kind, protocol, flags & O_NONBLOCK)
						      : net_create(domain, kind, protocol, flags & O_NONBLOCK);

		return IS_ERR(f) ? PTR_ERR(f) : fdtab_add(f, 0, flags & O_CLOEXEC);
	}
	fd = pal_socket(domain, kind | (flags & SOCK_NONBLOCK), domain == AF_UNIX ? 0 : protocol);
	return fd < 0 ? fd : sock_install(fd, domain, kind, flags);
}

long sys_socketpair(int domain, int type, int protocol, int *fds)
{
	int flags = type & SOCK_FLAGS, kind = type & SOCK_TYPE_MASK;
	int host[2], guest[2], at_host, r;

	if (type & ~(SOCK_TYPE_MASK | SOCK_FLAGS))
		return -EINVAL;
	if (domain == AF_UNIX && kind == SOCK_RAW)
		kind = SOCK_DGRAM;
	r = socket_known(domain, kind, protocol);
	if (r < 0)
		return r;
	if (domain != AF_UNIX)
		return -EOPNOTSUPP;
	/* Datagrams that keep to the pair: those of the host could be sent to its paths. */
	at_host = kind;
	if (kind == SOCK_DGRAM && pal_grant()->flags & GRANT_BROKER_SOCK)
		at_host = SOCK_SEQPACKET;
	r = pal_socketpair_flags(domain, at_host | (flags & SOCK_NONBLOCK), 0, host);
	if (r < 0)
		return r;
	guest[0] = sock_install(host[0], domain, kind, flags);
	if (guest[0] < 0) {
		pal_close(host[1]);
		return guest[0];
	}
	guest[1] = sock_install(host[1], domain, kind, flags);
	if (guest[1] < 0) {
		fdtab_close(guest[0]);
		return guest[1];
	}
	r = user_write(fds, guest, sizeof(guest));
	if (r < 0) {
		fdtab_close(guest[0]);
		fdtab_close(guest[1]);
	}
	return r;
}

long sys_bind(int fd, const void *addr, unsigned len)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a;
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = sockaddr_read(&a, addr, len);
	if (r < 0)
		return r;
	if (to_sock(f)->domain == AF_UNIX && a.len >= sizeof(u16) && a.family == AF_UNIX)
		return sock_unix_bind(f, &a);
	return sock_bind(f, a.bytes, a.len);
}

long sys_connect(int fd, const void *addr, unsigned len)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a;
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = sockaddr_read(&a, addr, len);
	if (r == 0)
		r = sock_addr_to_host(f, &a);
	return r < 0 ? r : restartable(sock_connect(f, a.bytes, a.len));
}

long sys_listen(int fd, int backlog)
{
	cleanup_file struct file *f = sock_get(fd);

	return IS_ERR(f) ? PTR_ERR(f) : sock_listen(f, backlog);
}

long sys_accept4(int fd, void *addr, unsigned *len, int flags)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a = { .len = SOCK_ADDR_MAX };
	struct file *s;
	int guest, r;

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	if (IS_ERR(f))
		return PTR_ERR(f);
	s = sock_accept(f, &a, flags);
	if (IS_ERR(s))
		return restartable(PTR_ERR(s));
	guest = fdtab_add(s, 0, flags & O_CLOEXEC);
	if (guest < 0)
		return guest;
	r = sockaddr_write(f, &a, addr, len);
	if (r < 0) {
		fdtab_close(guest);
		return r;
	}
	return guest;
}

long sys_accept(int fd, void *addr, unsigned *len)
{
	return sys_accept4(fd, addr, len, 0);
}

long sys_getsockname(int fd, void *addr, unsigned *len)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a = { .len = SOCK_ADDR_MAX };
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = sock_getsockname(f, &a);
	return r < 0 ? r : addr ? sockaddr_write(f, &a, addr, len) : -EFAULT;
}

long sys_getpeername(int fd, void *addr, unsigned *len)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a = { .len = SOCK_ADDR_MAX };
	int r;

	if (IS_ERR(f))
		return PTR_ERR(f);
	r = sock_getpeername(f, &a);
	return r < 0 ? r : addr ? sockaddr_write(f, &a, addr, len) : -EFAULT;
}

long sys_shutdown(int fd, int how)
{
	cleanup_file struct file *f = sock_get(fd);

	return IS_ERR(f) ? PTR_ERR(f) : sock_shutdown(f, how);
}

long sys_sendto(int fd, const void *buf, size_t n, int flags, const void *addr, unsigned len)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a = { 0 };
	int r = 0;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!guest_range(buf, n))
		return -EFAULT;
	if (addr) {
		r = sockaddr_read(&a, addr, len);
		if (r == 0)
			r = sock_addr_to_host(f, &a);
	}
	if (r < 0)
		return r;
	return sent(sock_sendto(f, buf, n, flags | MSG_NOSIGNAL, addr ? &a : NULL), flags);
}

long sys_recvfrom(int fd, void *buf, size_t n, int flags, void *addr, unsigned *len)
{
	cleanup_file struct file *f = sock_get(fd);
	struct sock_addr a = { .len = SOCK_ADDR_MAX };
	long r;
	int err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!guest_range(buf, n))
		return -EFAULT;
	r = sock_recvfrom(f, buf, n, flags, addr ? &a : NULL);
	if (r < 0 || !addr)
		return restartable(r);
	err = sockaddr_write(f, &a, addr, len);
	return err < 0 ? err : r;
}
