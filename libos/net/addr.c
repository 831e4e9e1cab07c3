// SPDX-License-Identifier: LGPL-3.0-or-later
/* Addresses of the sandbox's own network: one form inside, the guest's forms outside. */
#include "libos/net/net.h"

#define UN_HEAD offsetof(struct sockaddr_un, sun_path)
#define IN6_LEAST 24 /* SIN6_LEN_RFC2133: without the scope */

static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };
static const u8 nowhere[16];

static u16 swapped(u16 v)
{
	return __builtin_bswap16(v);
}

bool net_is_v4(const struct net_addr *a)
{
	return a->family == AF_INET6 && !memcmp(a->ip, mapped, sizeof(mapped));
}

bool net_is_any(const struct net_addr *a)
{
	return !memcmp(a->ip + 12, nowhere, 4) && (net_is_v4(a) || !memcmp(a->ip, nowhere, 16));
}

static bool is_loop6(const struct net_addr *a)
{
	return !memcmp(a->ip, nowhere, 15) && a->ip[15] == 1;
}

bool net_is_local(const struct net_addr *a)
{
	return net_is_any(a) || (net_is_v4(a) ? a->ip[12] == 127 : is_loop6(a));
}

bool net_same(const struct net_addr *a, const struct net_addr *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_UNIX)
		return a->len == b->len && !memcmp(a->path, b->path, a->len);
	return a->port == b->port && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

void net_concrete(struct net_addr *a)
{
	if (a->family != AF_INET6 || !net_is_any(a))
		return;
	if (net_is_v4(a))
		a->ip[12] = 127;
	a->ip[15] = 1;
}

struct net_addr net_source(const struct net_addr *local, const struct net_addr *to)
{
	struct net_addr from = *local;

	if (from.family != AF_INET6 || !net_is_any(&from))
		return from;
	memset(from.ip, 0, sizeof(from.ip));
	if (net_is_v4(to))
		memcpy(from.ip, mapped, sizeof(mapped));
	net_concrete(&from);
	return from;
}

static int read_unix(const struct sockaddr_un *un, unsigned len, struct net_addr *out)
{
	if (un->sun_family != AF_UNIX || len > sizeof(*un))
		return un->sun_family == AF_UNSPEC ? 0 : -EINVAL;
	out->family = AF_UNIX;
	out->len = (u16)(len - UN_HEAD);
	memcpy(out->path, un->sun_path, out->len);
	return 0;
}

static int read_in(const struct sockaddr_in *in, unsigned len, struct net_addr *out)
{
	if (len < sizeof(*in))
		return -EINVAL;
	out->family = AF_INET6;
	out->port = swapped(in->sin_port);
	memcpy(out->ip, mapped, sizeof(mapped));
	memcpy(out->ip + 12, &in->sin_addr, 4);
	return 0;
}

static int read_in6(const struct sockaddr_in6 *in6, unsigned len, struct net_addr *out)
{
	if (len < IN6_LEAST)
		return -EINVAL;
	out->family = AF_INET6;
	out->port = swapped(in6->sin6_port);
	memcpy(out->ip, &in6->sin6_addr, sizeof(out->ip));
	return 0;
}

int net_addr_read(const struct file *f, const void *addr, unsigned len, struct net_addr *out)
{
	u16 family;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(family))
		return -EINVAL;
	memcpy(&family, addr, sizeof(family));
	switch (to_sock(f)->domain) {
	case AF_UNIX:
		return read_unix(addr, len, out);
	case AF_INET:
		if (family == AF_UNSPEC)
			return 0;
		return family == AF_INET ? read_in(addr, len, out)
		       : len < sizeof(struct sockaddr_in) ? -EINVAL : -EAFNOSUPPORT;
	case AF_INET6:
		if (family == AF_INET6)
			return read_in6(addr, len, out);
		if (family == AF_INET && net_is_gram(f))
			return read_in(addr, len, out);
		return family == AF_UNSPEC ? 0 : len < IN6_LEAST ? -EINVAL : -EAFNOSUPPORT;
	}
	return -EAFNOSUPPORT;
}

void net_addr_write(int domain, const struct net_addr *a, void *out, unsigned *len)
{
	if (domain == AF_UNIX) {
		struct sockaddr_un *un = out;

		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, a->path, a->len);
		*len = UN_HEAD + a->len;
	} else if (domain == AF_INET) {
		struct sockaddr_in *in = out;

		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = swapped(a->port) };
		memcpy(&in->sin_addr, a->ip + 12, 4);
		*len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = out;

		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = swapped(a->port) };
		memcpy(&in6->sin6_addr, a->ip, sizeof(a->ip));
		*len = sizeof(*in6);
	}
}
