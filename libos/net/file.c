// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * The sandbox's own sockets as open files. A connected stream reads and writes on the host like any
 * file; in every other state what lies in the pair is not the guest's to see as it is.
 */
#include "libos/net/link.h"
#include "libos/net/net.h"
#include "libos/ckpt/cursor.h"
#include "libos/sys/user.h"
#include "pal/base/heap.h"

/* Another holder may have connected it. */
static void settle(struct file *f)
{
	if (net_state(f) & NET_CONNECTED)
		net_settle(f);
}

static ssize_t net_read(struct file *f, void *buf, size_t n)
{
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	settle(f);
	return net_recvmsg(f, &m, 0);
}

static ssize_t net_write(struct file *f, const void *buf, size_t n)
{
	struct iovec iov = { (void *)buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	settle(f);
	return net_sendmsg(f, &m, MSG_NOSIGNAL);
}

void net_save(struct file *f, struct buf *b)
{
	b->err = b->err ?: net_introduce(f);
	put_bytes(b, to_net(f), sizeof(struct net));
}

struct net *net_load(struct cursor *c)
{
	const void *p = get_bytes(c, sizeof(struct net));
	struct net *n = p ? base_alloc(sizeof(*n)) : NULL;

	if (!n)
		return ERR_PTR(p ? -ENOMEM : -EINVAL);
	memcpy(n, p, sizeof(*n));
	n->early = NULL;
	n->far = -1;
	for (int i = 0; i < NET_DOORS; i++)
		n->door[i].fd = -1; /* another process's */
	return n;
}

static s64 net_lseek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

static int net_poll(struct file *f, short events, short *now)
{
	const struct net_record *r = net_record(f);
	u32 state = net_state(f);

	*now = 0;
	if (r && atomic_load_relaxed(&r->error))
		*now |= POLLERR;
	if (!net_is_gram(f) && !(state & (NET_CONNECTED | NET_LISTENING)))
		*now |= POLLHUP | (events & (POLLOUT | POLLWRNORM));
	return f->host_fd;
}

static long net_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	int n;

	switch (cmd) {
	case FIONREAD:
		if (net_state(f) & NET_LISTENING)
			return -EINVAL;
		if (!net_is_gram(f))
			break;
		n = net_gram_waiting(f);
		return user_write((void *)arg, &n, sizeof(n));
	case TIOCOUTQ:
	case SIOCATMARK:
		break;
	default:
		return link_ioctl(f, cmd, arg);
	}
	return at_once(pal_ioctl(f->host_fd, cmd, arg));
}

static void net_release(struct file *f)
{
	struct net_record *r;

	if (f->priv && to_net(f)) {
		r = net_record(f);
		if (r && to_net(f)->settled)
			atomic_or(&r->flags, NET_RELEASED);
		if (f->host_fd >= 0) { /* else they are another process's (fdtab_forget) */
			net_doors_close(to_net(f));
			if (to_net(f)->far >= 0)
				pal_close(to_net(f)->far);
		}
		base_free(to_net(f)->early);
	}
	sock_release(f);
}

const struct file_ops net_file_ops = {
	.name = "net",
	.read = net_read,
	.write = net_write,
	.lseek = net_lseek,
	.ioctl = net_ioctl,
	.poll = net_poll,
	.release = net_release,
	.save = sock_save,
	.load = sock_load,
};

const struct file_ops net_stream_ops = {
	.name = "netstream",
	.lseek = net_lseek,
	.ioctl = net_ioctl,
	.release = net_release,
	.save = sock_save,
	.load = sock_load,
};
