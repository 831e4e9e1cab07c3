// SPDX-License-Identifier: LGPL-3.0-or-later
/* Sockets as open files. Calls are in sys/sock.c, sys/sockmsg.c and sys/sockopt.c; names in
 * sock_unix.c. */
#include "libos/net/link.h"
#include "libos/net/net.h"
#include "libos/net/out.h"
#include "libos/task/task.h"
#include "libos/ckpt/cursor.h"
#include "pal/base/heap.h"

static long sock_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case FIONREAD:
	case TIOCOUTQ:
	case SIOCATMARK:
		return at_once(pal_ioctl(f->host_fd, cmd, arg));
	}
	return link_ioctl(f, cmd, arg);
}

static s64 sock_lseek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

/*
 * The end of a TCP connection that is to linger for no time is a reset; by this call, which Linux answers with one.
 * Only where nobody else can have the socket: what others hold, they still use.
 */
static void reset(struct file *f, const struct sock *s)
{
	const struct process *p = this_process();
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (s->maker == p->pid && s->births == atomic_load(&p->births) && !s->passed)
		(void)at_once(pal_connect(f->host_fd, &none, sizeof(none)));
}

void sock_release(struct file *f)
{
	struct sock *s = f->priv;

	if (s && s->linger.l_onoff && !s->linger.l_linger && s->domain != AF_UNIX && s->type == SOCK_STREAM && !s->net)
		reset(f, s);
	if (s) {
		base_free(s->path);
		base_free(s->net);
		base_free(s->out);
	}
	base_free(s);
}

void sock_save(struct file *f, struct buf *b)
{
	struct sock *s = to_sock(f);

	put_u32(b, (u32)s->domain);
	put_u32(b, (u32)s->type);
	put_str(b, s->path);
	put_u32(b, (u32)s->linger.l_onoff);
	put_u32(b, (u32)s->linger.l_linger);
	put_u32(b, !!s->net);
	if (s->net)
		net_save(f, b);
	out_save(f, b);
}

int sock_load(struct file *f, struct cursor *c)
{
	struct sock *s = base_zalloc(sizeof(*s));
	const char *path;

	if (!s)
		return -ENOMEM;
	f->priv = s;
	s->domain = (int)get_u32(c);
	s->type = (int)get_u32(c);
	path = get_str(c);
	s->path = path ? base_strdup(path) : NULL;
	s->linger.l_onoff = (int)get_u32(c);
	s->linger.l_linger = (int)get_u32(c);
	if (get_u32(c))
		s->net = net_load(c);
	if (IS_ERR(s->net)) {
		int err = PTR_ERR(s->net);

		s->net = NULL;
		return err;
	}
	s->out = out_load(c);
	if (IS_ERR(s->out)) {
		int err = PTR_ERR(s->out);

		s->out = NULL;
		return err;
	}
	return c->err ? c->err : path && !s->path ? -ENOMEM : 0;
}

const struct file_ops sock_file_ops = {
	.name = "socket",
	.lseek = sock_lseek,
	.ioctl = sock_ioctl,
	.release = sock_release,
	.save = sock_save,
	.load = sock_load,
};

bool file_is_sock(const struct file *f)
{
	return f->ops == &sock_file_ops || f->ops == &net_file_ops || f->ops == &net_stream_ops ||
	       f->ops == &netlink_ops;
}

const char *sock_protocol_name(const struct file *f)
{
	const struct sock *s = to_sock(f);

	switch (s->domain) {
	case AF_UNIX:
		return s->type == SOCK_STREAM ? "UNIX-STREAM" : "UNIX";
	case AF_INET:
		return s->type == SOCK_STREAM ? "TCP" : "UDP";
	case AF_INET6:
		return s->type == SOCK_STREAM ? "TCPv6" : "UDPv6";
	default:
		return "NETLINK";
	}
}

struct file *sock_get(int fd)
{
	struct file *f = fdtab_get(fd);

	if (IS_ERR(f) || file_is_sock(f))
		return f;
	file_put(f);
	return ERR_PTR(-ENOTSOCK);
}

struct file *sock_file_create(int fd, int domain, int type, int flags)
{
	struct sock *s = base_zalloc(sizeof(*s));
	struct file *f;

	if (!s)
		return ERR_PTR(-ENOMEM);
	f = file_create(&sock_file_ops, fd, flags | O_RDWR, NULL);
	if (IS_ERR(f)) {
		base_free(s);
		return f;
	}
	s->domain = domain;
	s->type = type;
	s->maker = this_process()->pid;
	s->births = atomic_load(&this_process()->births);
	f->priv = s;
	return f;
}

struct file *sock_file_from_host(int fd, int flags)
{
	int domain = 0, type = 0, r;
	unsigned len = sizeof(domain);
	struct file *f = net_from_host(fd, flags);

	if (f)
		return f;
	r = pal_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	if (r == 0)
		r = pal_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	f = r < 0 ? ERR_PTR(r) : sock_file_create(fd, domain, type, flags);
	if (!IS_ERR(f))
		to_sock(f)->maker = 0; /* whoever sent it has it, too */
	return f;
}
