// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Netlink, the route family, for reading: links, addresses and routes of the loopback. See link.h.
 *
 * A request is answered while it is being sent. Answers wait as whole messages in a list; an event
 * counter on the host says how many there are, so that reads block and poll waits as for any file.
 * The list is the process's own: a child of fork that reads what its parent asked for is a thing
 * that nobody does.
 */
#include "libos/net/link.h"
#include "libos/ckpt/cursor.h"
#include "libos/fs/kinds.h"
#include "libos/sys/user.h"
#include "libos/task/task.h"

#define ANSWERS_MAX 256
#define REQUEST_MAX 65536

struct answer {
	struct list link;
	size_t size;
	char data[];
};

/* sock->netlink */
struct netlink {
	struct list answers; /* file.lock, as the rest */
	unsigned count;
	u32 port, groups;
	bool diag;	/* NETLINK_SOCK_DIAG: knows no family, so that ss(8) turns to /proc/net */
};

static struct netlink *to_netlink(const struct file *f)
{
	return to_sock(f)->netlink;
}

/* ---- answers ---- */

static void put_attr(struct buf *b, u16 type, const void *data, size_t size)
{
	static const u8 zero[4];
	struct nlattr a = { .nla_len = (u16)(sizeof(a) + size), .nla_type = type };

	base_buf_put(b, &a, sizeof(a));
	base_buf_put(b, data, size);
	base_buf_put(b, zero, -size & 3);
}

static void put_attr_u32(struct buf *b, u16 type, u32 v)
{
	put_attr(b, type, &v, sizeof(v));
}

/* Begin a message that answers `to`; put_end sets its length. */
static size_t put_begin(struct buf *b, const struct nlmsghdr *to, u32 port, u16 type, const void *head, size_t size)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_seq = to->nlmsg_seq, .nlmsg_pid = port };
	size_t at = b->size;

	h.nlmsg_flags = to->nlmsg_flags & NLM_F_DUMP ? NLM_F_MULTI : 0;
	base_buf_put(b, &h, sizeof(h));
	base_buf_put(b, head, size);
	return at;
}

static void put_end(struct buf *b, size_t at)
{
	u32 len = (u32)(b->size - at);

	if (!b->err)
		memcpy(b->data + at, &len, sizeof(len));
}

static void put_link(struct buf *b, const struct nlmsghdr *to, u32 port)
{
	struct ifinfomsg i = { .ifi_type = 772, .ifi_index = LINK_INDEX, .ifi_flags = LINK_FLAGS | 0x10000 };
	static const u8 mac[6];
	u8 zero = 0, one = 1;
	size_t at = put_begin(b, to, port, RTM_NEWLINK, &i, sizeof(i));

	put_attr(b, IFLA_IFNAME, LINK_NAME, sizeof(LINK_NAME));
	put_attr_u32(b, IFLA_TXQLEN, LINK_QUEUE);
	put_attr(b, IFLA_OPERSTATE, &zero, 1);
	put_attr(b, IFLA_LINKMODE, &zero, 1);
	put_attr_u32(b, IFLA_MTU, LINK_MTU);
	put_attr_u32(b, IFLA_GROUP, 0);
	put_attr(b, IFLA_CARRIER, &one, 1);
	put_attr(b, IFLA_QDISC, "noqueue", sizeof("noqueue"));
	put_attr(b, IFLA_ADDRESS, mac, sizeof(mac));
	put_attr(b, IFLA_BROADCAST, mac, sizeof(mac));
	put_end(b, at);
}

static void put_address(struct buf *b, const struct nlmsghdr *to, u32 port, u8 family)
{
	static const u8 four[4] = { 127, 0, 0, 1 }, six[16] = { [15] = 1 };
	static const struct ifa_cacheinfo for_ever = { .ifa_prefered = ~0u, .ifa_valid = ~0u };
	struct ifaddrmsg i = { .ifa_family = family, .ifa_prefixlen = family == AF_INET ? 8 : 128,
			       .ifa_flags = IFA_F_PERMANENT, .ifa_scope = RT_SCOPE_HOST, .ifa_index = LINK_INDEX };
	const u8 *ip = family == AF_INET ? four : six;
	size_t size = family == AF_INET ? 4 : 16;
	size_t at = put_begin(b, to, port, RTM_NEWADDR, &i, sizeof(i));

	put_attr(b, IFA_ADDRESS, ip, size);
	if (family == AF_INET) {
		put_attr(b, IFA_LOCAL, ip, size);
		put_attr(b, IFA_LABEL, LINK_NAME, sizeof(LINK_NAME));
	}
	put_attr_u32(b, IFA_FLAGS, IFA_F_PERMANENT);
	put_attr(b, IFA_CACHEINFO, &for_ever, sizeof(for_ever));
	put_end(b, at);
}

static void put_route(struct buf *b, const struct nlmsghdr *to, u32 port, u8 family)
{
	static const u8 four[4] = { 127 }, six[16] = { [15] = 1 };
	struct rtmsg r = { .rtm_family = family,
			   .rtm_dst_len = family == AF_INET ? 8 : 128,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_KERNEL,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL };
	size_t at = put_begin(b, to, port, RTM_NEWROUTE, &r, sizeof(r));

	put_attr_u32(b, RTA_TABLE, RT_TABLE_LOCAL);
	put_attr(b, RTA_DST, family == AF_INET ? four : six, family == AF_INET ? 4 : 16);
	put_attr_u32(b, RTA_OIF, LINK_INDEX);
	put_end(b, at);
}

static void put_error(struct buf *b, const struct nlmsghdr *to, u32 port, int error)
{
	struct nlmsgerr e = { .error = error, .msg = *to };
	struct nlmsghdr single = *to;
	size_t at;

	single.nlmsg_flags = 0;
	at = put_begin(b, &single, port, NLMSG_ERROR, &e, sizeof(e));
	put_end(b, at);
}

static int queue(struct file *f, struct buf *b)
{
	struct netlink *n = to_netlink(f);
	struct answer *a;
	u64 one = 1;

	if (!b->size || b->err)
		return b->err;
	a = n->count < ANSWERS_MAX ? base_alloc(sizeof(*a) + b->size) : NULL;
	if (!a)
		return -ENOBUFS;
	a->size = b->size;
	memcpy(a->data, b->data, b->size);
	lock(&f->lock);
	list_add_tail(&n->answers, &a->link);
	n->count++;
	unlock(&f->lock);
	(void)at_once(pal_write(f->host_fd, &one, sizeof(one)));
	return 0;
}

int netlink_post(struct file *f, const void *data, size_t size)
{
	struct buf b = { .data = (char *)data, .size = size };

	return queue(f, &b);
}

static bool is_reading(u16 type)
{
	return type >= RTM_BASE && (type & 3) == 2; /* NEW, DEL, GET, SET */
}

/* The matter of a request; the first byte of its payload is the family. */
static int matter(struct buf *b, const struct nlmsghdr *h, u32 port)
{
	u8 family = h->nlmsg_len > sizeof(*h) ? *(const u8 *)(h + 1) : 0;

	if (!is_reading(h->nlmsg_type))
		return h->nlmsg_type >= RTM_BASE ? -EPERM : 0;
	switch (h->nlmsg_type) {
	case RTM_GETLINK:
		put_link(b, h, port);
		return 0;
	case RTM_GETADDR:
	case RTM_GETROUTE:
		for (int i = 0; i < 2; i++) {
			u8 each = i ? AF_INET6 : AF_INET;

			if (family && family != each)
				continue;
			if (h->nlmsg_type == RTM_GETADDR)
				put_address(b, h, port, each);
			else
				put_route(b, h, port, each);
		}
		return 0;
	}
	return h->nlmsg_flags & NLM_F_DUMP ? 0 : -EOPNOTSUPP;
}

static int reply(struct file *f, const struct nlmsghdr *h)
{
	struct netlink *n = to_netlink(f);
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	struct buf b = { 0 };
	int err = n->diag ? -ENOENT : matter(&b, h, n->port), zero = 0, r;

	if (!err && dump && is_reading(h->nlmsg_type)) {
		r = queue(f, &b);
		base_buf_free(&b);
		b = (struct buf){ 0 };
		put_end(&b, put_begin(&b, h, n->port, NLMSG_DONE, &zero, sizeof(zero)));
		if (r < 0) {
			base_buf_free(&b);
			return r;
		}
	} else if (err || h->nlmsg_flags & NLM_F_ACK) {
		put_error(&b, h, n->port, err);
	}
	r = queue(f, &b);
	base_buf_free(&b);
	return r;
}

/* ---- the socket ---- */

/* Without bind(2) the kernel gives the process's number to the first that asks. */
static void auto_port(struct netlink *n)
{
	if (!n->port)
		n->port = (u32)this_process()->pid;
}

int netlink_bind(struct file *f, const void *addr, unsigned len)
{
	struct netlink *n = to_netlink(f);
	struct sockaddr_nl a;

	if (len < sizeof(a))
		return -EINVAL;
	memcpy(&a, addr, sizeof(a));
	if (a.nl_family != AF_NETLINK || (n->port && a.nl_pid && a.nl_pid != n->port))
		return -EINVAL;
	n->port = a.nl_pid ?: n->port;
	auto_port(n);
	n->groups = a.nl_groups; /* nothing ever changes, so nobody is told */
	return 0;
}

int netlink_getsockname(struct file *f, void *addr, unsigned *len)
{
	struct netlink *n = to_netlink(f);
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = n->port, .nl_groups = n->groups };

	memcpy(addr, &a, sizeof(a));
	*len = sizeof(a);
	return 0;
}

int netlink_getsockopt(struct file *f, int level, int name, void *value, unsigned *len)
{
	int room, v, size = sizeof(v);

	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (name) {
	case SO_TYPE:
		v = to_sock(f)->type;
		break;
	case SO_DOMAIN:
		v = AF_NETLINK;
		break;
	case SO_PROTOCOL:
		v = to_netlink(f)->diag ? NETLINK_SOCK_DIAG : NETLINK_ROUTE;
		break;
	case SO_ERROR:
	case SO_ACCEPTCONN:
		v = 0;
		break;
	case SO_SNDBUF:
	case SO_RCVBUF:
		v = 212992;
		break;
	default:
		return -ENOPROTOOPT;
	}
	if (user_read(&room, len, sizeof(room)) < 0)
		return -EFAULT;
	size = MIN(room, size);
	if (size < 0)
		return -EINVAL;
	return user_write(value, &v, (size_t)size) < 0 || user_write(len, &size, sizeof(size)) < 0 ? -EFAULT : 0;
}

static ssize_t gather(const struct msghdr *m, char *buf, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++) {
		size_t len = m->msg_iov[i].iov_len;

		if (len > room - n)
			return -EMSGSIZE;
		if (user_read(buf + n, m->msg_iov[i].iov_base, len) < 0)
			return -EFAULT;
		n += len;
	}
	return (ssize_t)n;
}

ssize_t netlink_sendmsg(struct file *f, const struct msghdr *m)
{
	char *buf = base_alloc(REQUEST_MAX);
	ssize_t n, r = 0;
	size_t at = 0;

	if (!buf)
		return -ENOMEM;
	auto_port(to_netlink(f));
	n = gather(m, buf, REQUEST_MAX);
	while (r == 0 && n >= 0 && (size_t)n - at >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr *h = (void *)(buf + at);

		if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > (size_t)n - at)
			break;
		if (h->nlmsg_flags & NLM_F_REQUEST)
			r = reply(f, h);
		at += ALIGN_UP(h->nlmsg_len, 4u);
		if (at > (size_t)n)
			break;
	}
	base_free(buf);
	return r < 0 ? r : n;
}

static ssize_t scatter(const struct msghdr *m, const char *data, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < m->msg_iovlen && n < size; i++) {
		size_t len = MIN(m->msg_iov[i].iov_len, size - n);

		if (user_write(m->msg_iov[i].iov_base, data + n, len) < 0)
			return -EFAULT;
		n += len;
	}
	return (ssize_t)n;
}

/* Wait for an answer; peeking leaves the count as it is. */
static ssize_t await(struct file *f, int flags)
{
	struct pollfd p = { .fd = f->host_fd, .events = POLLIN };
	bool now = flags & MSG_DONTWAIT || f->flags & O_NONBLOCK;
	struct timespec zero = { 0 };
	u64 one;
	ssize_t r;

	if (now || flags & MSG_PEEK) {
		r = now ? at_once(pal_ppoll(&p, 1, &zero)) : pal_ppoll(&p, 1, NULL);
		if (r <= 0)
			return r < 0 ? r : -EAGAIN;
	}
	return flags & MSG_PEEK ? 0 : pal_read(f->host_fd, &one, sizeof(one));
}

ssize_t netlink_recvmsg(struct file *f, struct msghdr *m, int flags)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct netlink *n = to_netlink(f);
	struct answer *a;
	ssize_t r = await(f, flags);
	size_t size;

	if (r < 0)
		return r;
	lock(&f->lock);
	a = list_empty(&n->answers) ? NULL : list_first(&n->answers, struct answer, link);
	if (a && !(flags & MSG_PEEK)) {
		list_del(&a->link);
		n->count--;
	}
	unlock(&f->lock);
	if (!a)
		return -EAGAIN;
	size = a->size;
	r = scatter(m, a->data, size);
	if (!(flags & MSG_PEEK))
		base_free(a);
	m->msg_flags = r >= 0 && (size_t)r < size ? MSG_TRUNC : 0;
	m->msg_controllen = 0;
	if (m->msg_name) {
		memcpy(m->msg_name, &kernel, sizeof(kernel));
		m->msg_namelen = sizeof(kernel);
	}
	return r >= 0 && flags & MSG_TRUNC ? (ssize_t)size : r;
}

/* ---- as an open file ---- */

static ssize_t netlink_read(struct file *f, void *buf, size_t n)
{
	struct msghdr m = { .msg_iov = &(struct iovec){ buf, n }, .msg_iovlen = 1 };

	return netlink_recvmsg(f, &m, 0);
}

static ssize_t netlink_write(struct file *f, const void *buf, size_t n)
{
	struct msghdr m = { .msg_iov = &(struct iovec){ (void *)buf, n }, .msg_iovlen = 1 };

	return netlink_sendmsg(f, &m);
}

static s64 netlink_lseek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

static long netlink_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	return link_ioctl(f, cmd, arg);
}

static void netlink_release(struct file *f)
{
	struct netlink *n = f->priv ? to_netlink(f) : NULL;
	struct answer *a, *next;

	if (n)
		list_for_each_safe (a, next, &n->answers, link)
			base_free(a);
	base_free(n);
	sock_release(f);
}

static int attach(struct file *f)
{
	struct netlink *n = base_zalloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	list_init(&n->answers);
	to_sock(f)->netlink = n;
	return 0;
}

static void netlink_save(struct file *f, struct buf *b)
{
	sock_save(f, b);
	put_u32(b, to_netlink(f)->port);
	put_u32(b, to_netlink(f)->diag);
}

static int netlink_load(struct file *f, struct cursor *c)
{
	int r = sock_load(f, c);

	if (r >= 0)
		r = attach(f);
	if (r < 0)
		return r;
	to_netlink(f)->port = get_u32(c);
	to_netlink(f)->diag = get_u32(c);
	return c->err;
}

const struct file_ops netlink_ops = {
	.name = "netlink",
	.read = netlink_read,
	.write = netlink_write,
	.lseek = netlink_lseek,
	.ioctl = netlink_ioctl,
	.release = netlink_release,
	.save = netlink_save,
	.load = netlink_load,
};

struct file *netlink_create(int type, int protocol, int flags)
{
	struct file *f;
	int fd;

	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return ERR_PTR(-ESOCKTNOSUPPORT);
	if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG)
		return ERR_PTR(-EPROTONOSUPPORT);
	fd = host_fd_move(pal_eventfd(0, EFD_SEMAPHORE | (flags & O_NONBLOCK)));
	if (fd < 0)
		return ERR_PTR(fd);
	f = sock_file_create(fd, AF_NETLINK, type, flags);
	if (IS_ERR(f)) {
		pal_close(fd);
		return f;
	}
	if (attach(f) < 0) {
		file_put(f);
		return ERR_PTR(-ENOMEM);
	}
	to_netlink(f)->diag = protocol == NETLINK_SOCK_DIAG;
	f->ops = &netlink_ops;
	return f;
}
