// SPDX-License-Identifier: LGPL-3.0-or-later
/* Socket calls on whatever stands behind a guest's socket: a host socket, or one of the sandbox's
 * own network (libos/net), which answers as the host's would. */
#include "libos/net/link.h"
#include "libos/net/net.h"
#include "libos/net/out.h"

static bool is_netlink(const struct file *f)
{
	return f->ops == &netlink_ops;
}

int sock_bind(struct file *f, const void *addr, unsigned len)
{
	if (is_netlink(f))
		return netlink_bind(f, addr, len);
	return to_net(f) ? net_bind(f, addr, len) : pal_bind(f->host_fd, addr, len);
}

int sock_connect(struct file *f, const void *addr, unsigned len)
{
	int r = -ENETUNREACH;

	if (is_netlink(f)) /* to the kernel, which is where all goes */
		return 0;
	if (to_out(f)) {
		r = out_reconnect(f, addr, len);
		if (r <= 0)
			return r;
	}
	if (!out_first(f, addr, len))
		r = to_net(f) ? net_connect(f, addr, len) : pal_connect(f->host_fd, addr, len);
	return r == -ENETUNREACH || r == -ECONNREFUSED || r == -EINPROGRESS ? out_connect(f, addr, len, r) : r;
}

int sock_listen(struct file *f, int backlog)
{
	if (is_netlink(f))
		return -EOPNOTSUPP;
	return to_net(f) ? net_listen(f, backlog) : pal_listen(f->host_fd, backlog);
}

struct file *sock_accept(struct file *f, struct sock_addr *peer, int flags)
{
	struct file *s;
	int fd;

	if (is_netlink(f))
		return ERR_PTR(-EOPNOTSUPP);
	if (to_net(f))
		return net_accept(f, peer->bytes, &peer->len, flags);
	fd = host_fd_move(pal_accept(f->host_fd, peer->bytes, &peer->len, flags & O_NONBLOCK));
	if (fd < 0)
		return ERR_PTR(fd);
	s = sock_file_create(fd, to_sock(f)->domain, to_sock(f)->type, flags & O_NONBLOCK);
	if (IS_ERR(s))
		pal_close(fd);
	return s;
}

int sock_getsockname(struct file *f, struct sock_addr *a)
{
	if (is_netlink(f))
		return netlink_getsockname(f, a->bytes, &a->len);
	a->len = SOCK_ADDR_MAX;
	if (to_out(f) && (to_out(f)->connected || to_out(f)->dialed)) {
		out_name(f, false, a->bytes, &a->len);
		return 0;
	}
	return to_net(f) ? net_getsockname(f, a->bytes, &a->len) : pal_getsockname(f->host_fd, a->bytes, &a->len);
}

int sock_getpeername(struct file *f, struct sock_addr *a)
{
	if (is_netlink(f))
		return -ENOTCONN;
	a->len = SOCK_ADDR_MAX;
	if (to_out(f)) {
		if (!to_out(f)->connected)
			return -ENOTCONN;
		out_name(f, true, a->bytes, &a->len);
		return 0;
	}
	return to_net(f) ? net_getpeername(f, a->bytes, &a->len) : pal_getpeername(f->host_fd, a->bytes, &a->len);
}

int sock_shutdown(struct file *f, int how)
{
	if (is_netlink(f))
		return -EOPNOTSUPP;
	return to_net(f) ? net_shutdown(f, how) : pal_shutdown(f->host_fd, how);
}

ssize_t sock_sendto(struct file *f, const void *buf, size_t n, int flags, const struct sock_addr *to)
{
	struct iovec iov = { (void *)buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	int r = is_netlink(f) ? 1 : out_send(f, to ? to->bytes : NULL, to ? to->len : 0);

	if (r <= 0) {
		if (r < 0)
			return r;
		return pal_sendmsg(f->host_fd, &m, flags);
	}
	if (!to_net(f) && !is_netlink(f))
		return pal_sendto(f->host_fd, buf, n, flags, to ? to->bytes : NULL, to ? to->len : 0);
	if (to) {
		m.msg_name = (void *)to->bytes;
		m.msg_namelen = (int)to->len;
	}
	return sock_sendmsg(f, &m, flags);
}

ssize_t sock_recvfrom(struct file *f, void *buf, size_t n, int flags, struct sock_addr *from)
{
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (!to_net(f) && !is_netlink(f) && !(to_out(f) && to_out(f)->dialed))
		return pal_recvfrom(f->host_fd, buf, n, flags, from ? from->bytes : NULL, from ? &from->len : NULL);
	m.msg_name = from ? from->bytes : NULL;
	m.msg_namelen = from ? SOCK_ADDR_MAX : 0;
	r = sock_recvmsg(f, &m, flags);
	if (from)
		from->len = (unsigned)m.msg_namelen;
	return r;
}

ssize_t sock_sendmsg(struct file *f, const struct msghdr *m, int flags)
{
	struct msghdr to_peer;
	int r;

	if (is_netlink(f))
		return netlink_sendmsg(f, m);
	r = out_send(f, m->msg_name, (unsigned)m->msg_namelen);
	if (r < 0)
		return r;
	if (!r) {
		to_peer = (struct msghdr){ .msg_iov = m->msg_iov, .msg_iovlen = m->msg_iovlen };
		return pal_sendmsg(f->host_fd, &to_peer, flags);
	}
	return to_net(f) ? net_sendmsg(f, m, flags) : pal_sendmsg(f->host_fd, m, flags);
}

ssize_t sock_recvmsg(struct file *f, struct msghdr *m, int flags)
{
	if (is_netlink(f))
		return netlink_recvmsg(f, m, flags);
	if (to_out(f) && to_out(f)->dialed) {
		struct msghdr from_peer = { .msg_iov = m->msg_iov, .msg_iovlen = m->msg_iovlen };
		ssize_t n = pal_recvmsg(f->host_fd, &from_peer, flags);
		unsigned len = 0;

		if (n >= 0 && m->msg_name)
			out_name(f, true, m->msg_name, &len);
		m->msg_namelen = (int)len;
		m->msg_controllen = 0;
		m->msg_flags = from_peer.msg_flags;
		return n;
	}
	return to_net(f) ? net_recvmsg(f, m, flags) : pal_recvmsg(f->host_fd, m, flags);
}
