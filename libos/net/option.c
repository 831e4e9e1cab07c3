// SPDX-License-Identifier: LGPL-3.0-or-later
/*
 * Options of the sandbox's own sockets. Those that mean something between two ends of a pair (time limits, buffers,
 * credentials) and the flags that the host keeps for any kind of socket are the host's. Those of TCP, UDP and IP are
 * written into the record: nothing is lost, delayed or routed here, so to remember them is to obey them.
 */
#include "libos/net/net.h"
#include "libos/net/out.h"
#include "libos/mm/mm.h"
#include "libos/sys/user.h"

#define TCP_STATE_ESTABLISHED 1
#define TCP_STATE_CLOSE 7
#define TCP_STATE_LISTEN 10
#define CONGESTION "cubic"

/* What is remembered, with the value of a new socket. The order is that of record.option. */
static const struct {
	u16 level, name;
	s32 initial;
	bool flag; /* any value but 0 is 1 */
} known[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 0, true },
	{ SOL_SOCKET, SO_REUSEPORT, 0, true },
	{ IPPROTO_TCP, TCP_NODELAY, 0, true },
	{ IPPROTO_TCP, TCP_CORK, 0, true },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 7200, false },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 75, false },
	{ IPPROTO_TCP, TCP_KEEPCNT, 9, false },
	{ IPPROTO_TCP, TCP_SYNCNT, 6, false },
	{ IPPROTO_TCP, TCP_LINGER2, 60, false },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, false },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, false },
	{ IPPROTO_TCP, TCP_QUICKACK, 1, true },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 0, false },
	{ IPPROTO_TCP, TCP_FASTOPEN, 0, false },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, false },
	{ IPPROTO_TCP, TCP_MAXSEG, 65483, false },
	{ IPPROTO_IP, IP_TOS, 0, false },
	{ IPPROTO_IP, IP_TTL, 64, false },
	{ IPPROTO_IP, IP_RECVERR, 0, true },
	{ IPPROTO_IP, IP_RECVTOS, 0, true },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 1, false },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 1, false },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 1, true },
	{ IPPROTO_IP, IP_FREEBIND, 0, true },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, true },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, false },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, false },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, true },
	{ IPPROTO_IPV6, IPV6_TCLASS, 0, false },
	{ IPPROTO_IPV6, IPV6_RECVERR, 0, true },
	{ SOL_SOCKET, SO_PRIORITY, 0, false },
};
_Static_assert(ARRAY_SIZE(known) <= NET_OPTIONS, "room in the record");

static int find(int level, int name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].level == level && known[i].name == name)
			return (int)i;
	return -1;
}

/* Does the socket have options of that level? */
static bool has_level(const struct file *f, int level)
{
	const struct sock *s = to_sock(f);

	switch (level) {
	case SOL_SOCKET:
		return true;
	case IPPROTO_TCP:
		return s->domain != AF_UNIX && s->type == SOCK_STREAM;
	case IPPROTO_IP:
		return s->domain != AF_UNIX;
	case IPPROTO_IPV6:
		return s->domain == AF_INET6;
	}
	return false;
}

/* Values are kept as the difference from the initial one, so that a record of zeros is right. */
static s32 value_of(const struct file *f, int i)
{
	const struct net_record *r = net_record(f);

	return known[i].initial + (r ? atomic_load_relaxed(&r->option[i]) : 0);
}

static bool host_flag(const struct file *f, int name)
{
	int on = 0;
	unsigned len = sizeof(on);

	return pal_getsockopt(f->host_fd, SOL_SOCKET, name, &on, &len) == 0 && on;
}

u32 net_reuse(const struct file *f)
{
	if (to_sock(f)->domain == AF_UNIX)
		return 0;
	return (host_flag(f, SO_REUSEADDR) ? NET_REUSE_ADDR : 0) |
	       (value_of(f, find(SOL_SOCKET, SO_REUSEPORT)) ? NET_REUSE_PORT : 0) |
	       (to_sock(f)->domain == AF_INET6 && value_of(f, find(IPPROTO_IPV6, IPV6_V6ONLY)) ? NET_V6ONLY : 0);
}

/* ---- setting ---- */

static int set_linger(struct file *f, const void *value, unsigned len)
{
	struct net_record *r = net_record(f);
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	if (user_read(&l, value, sizeof(l)) < 0)
		return -EFAULT;
	if (r) {
		r->linger[0] = !!l.l_onoff;
		r->linger[1] = l.l_onoff ? (u32)l.l_linger : r->linger[1];
	}
	return 0;
}

static int set_known(struct file *f, int i, const void *value, unsigned len)
{
	struct net_record *r = net_record(f);
	s32 v = 0;
	u8 byte;

	if (len < sizeof(v) && (known[i].level == IPPROTO_TCP || known[i].level == SOL_SOCKET || !len))
		return -EINVAL;
	if (len < sizeof(v) ? user_read(&byte, value, 1) < 0 : user_read(&v, value, sizeof(v)) < 0)
		return -EFAULT;
	if (len < sizeof(v))
		v = byte;
	if (known[i].level == IPPROTO_IPV6 && known[i].name == IPV6_V6ONLY && r && r->local.family)
		return -EINVAL;
	if (known[i].flag)
		v = !!v;
	if (r)
		atomic_store(&r->option[i], v - known[i].initial);
	return 0;
}

static int set_inet(int level, int name)
{
	switch (name) {
	case IP_ADD_MEMBERSHIP:
	case IP_ADD_SOURCE_MEMBERSHIP:
		return level == IPPROTO_IP ? -ENODEV : -ENOPROTOOPT; /* the loopback has no multicast */
	case IPV6_ADD_MEMBERSHIP:
		return level == IPPROTO_IPV6 ? -ENODEV : -ENOPROTOOPT;
	}
	return -ENOPROTOOPT;
}

int net_setsockopt(struct file *f, int level, int name, const void *value, unsigned len)
{
	int i = find(level, name);

	if (!has_level(f, level))
		return to_sock(f)->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(f, value, len);
	if (level == SOL_SOCKET && name == SO_REUSEPORT && to_sock(f)->domain == AF_UNIX)
		return -EOPNOTSUPP;
	if (i >= 0)
		return set_known(f, i, value, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return 0; /* one is as good as another where nothing is congested */
	return level == SOL_SOCKET ? pal_setsockopt(f->host_fd, level, name, value, len) : set_inet(level, name);
}

/* ---- getting ---- */

static int give(void *to, unsigned *guest_len, const void *value, unsigned size)
{
	int room;

	if (user_read(&room, guest_len, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	size = MIN(size, (unsigned)room);
	return user_write(to, value, size) < 0 || user_write(guest_len, &size, sizeof(size)) < 0 ? -EFAULT : 0;
}

static int get_error(struct file *f)
{
	struct net_record *r = net_record(f);
	int outcome = out_outcome(f);

	if (outcome)
		return outcome == -EALREADY ? 0 : -outcome;

	if (r)
		atomic_and(&r->flags, ~(u32)NET_CONNECTING);
	return -net_take_error(f);
}

static int get_tcp_info(struct file *f, void *value, unsigned *len)
{
	u32 state = net_state(f);
	struct tcp_info info = { .tcpi_snd_mss = 32741, .tcpi_rcv_mss = 536, .tcpi_pmtu = 65535 };

	info.tcpi_state = state & NET_LISTENING	  ? TCP_STATE_LISTEN
			  : state & NET_CONNECTED ? TCP_STATE_ESTABLISHED
						  : TCP_STATE_CLOSE;
	return give(value, len, &info, sizeof(info));
}

/* 1: the host knows. */
static int get_own(struct file *f, int name, int *v)
{
	switch (name) {
	case SO_TYPE:
		*v = to_sock(f)->type;
		return 0;
	case SO_DOMAIN:
		*v = to_sock(f)->domain;
		return 0;
	case SO_PROTOCOL:
		*v = to_net(f)->protocol;
		return 0;
	case SO_ACCEPTCONN:
		*v = !!(net_state(f) & NET_LISTENING);
		return 0;
	case SO_ERROR:
		*v = get_error(f);
		return 0;
	}
	return 1;
}

static int get_peercred(struct file *f, void *value, unsigned *len)
{
	static const u32 nobody[3] = { 0, ~0u, ~0u };
	const struct net_record *r = net_record(f);
	bool there = r && to_sock(f)->domain == AF_UNIX && net_state(f) & (NET_CONNECTED | NET_LISTENING);

	return give(value, len, there ? r->peer : nobody, sizeof(nobody));
}

int net_getsockopt(struct file *f, int level, int name, void *value, unsigned *len)
{
	struct net_record *r = net_record(f);
	int i = find(level, name), v = 0;

	if (!has_level(f, level))
		return -EOPNOTSUPP;
	if (level == SOL_SOCKET && name == SO_PEERCRED)
		return get_peercred(f, value, len);
	if (level == SOL_SOCKET && name == SO_LINGER) {
		u32 none[2] = { 0 };

		return give(value, len, r ? r->linger : none, sizeof(none));
	}
	if (level == SOL_SOCKET && get_own(f, name, &v) == 0)
		return give(value, len, &v, sizeof(v));
	if (i >= 0) {
		v = value_of(f, i);
		return give(value, len, &v, sizeof(v));
	}
	if (level == SOL_SOCKET)
		return pal_getsockopt(f->host_fd, level, name, value, len);
	if (level == IPPROTO_TCP && name == TCP_INFO)
		return get_tcp_info(f, value, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return give(value, len, CONGESTION "\0\0\0\0\0\0\0\0\0\0", 16);
	return -ENOPROTOOPT;
}
